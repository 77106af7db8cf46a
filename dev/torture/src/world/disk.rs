//! A small disk for the data of Postgres, which can be full without anything else being in want.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

static PIECE: [u8; 64 * 1024] = [0; 64 * 1024];

/// A file system in memory, which is there until this is dropped. Only root may mount one.
#[derive(Debug)]
pub(super) struct Disk {
    path: PathBuf,
}

/// What takes the room that is left on a disk, until this is dropped.
#[derive(Debug)]
pub(crate) struct Ballast {
    path: PathBuf,
}

impl Disk {
    /// Mounts a disk of this size at `path`, an empty folder that is made.
    pub(super) fn mount(path: &Path, size_bytes: u64) -> anyhow::Result<Self> {
        fs::create_dir_all(path)?;
        let size = format!("size={size_bytes}");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(path).stdin(Stdio::null());
        let output = mount.output().context("cannot run mount")?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
        Ok(Self { path: path.to_owned() })
    }

    /// Unmounts what a killed run has left at `path`; one in use stays.
    pub(super) fn unmount_left(path: &Path) {
        unmount(path, &[]);
    }

    /// Takes all the room that is left.
    pub(super) async fn fill(&self) -> anyhow::Result<Ballast> {
        let ballast = Ballast { path: self.path.join("ballast") };
        let path = ballast.path.clone();
        tokio::task::spawn_blocking(move || write_until_full(&path)).await??;
        Ok(ballast)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a server that is just being killed must not keep it.
        unmount(&self.path, &["--lazy"]);
    }
}

impl Drop for Ballast {
    fn drop(&mut self) {
        fs::remove_file(&self.path).ok();
    }
}

fn unmount(path: &Path, options: &[&str]) {
    let mut command = Command::new("umount");
    command.args(options).arg(path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // Where nothing is mounted there is nothing to do.
    command.status().ok();
}

fn write_until_full(path: &Path) -> io::Result<()> {
    let mut file = File::create(path)?;
    loop {
        match file.write(&PIECE) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::StorageFull => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}
