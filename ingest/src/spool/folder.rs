//! The folder: one process's alone, with numbered segment files, oldest first.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;

const LOCK: &str = "lock";
const SEGMENT: &str = "spool";
/// Files with records that cannot be read, kept for a person.
const ASIDE: &str = "damaged";

/// Locked for as long as it lives.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    _lock: File,
}

/// What a folder holds.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Numbers, oldest first.
    pub(super) segments: Vec<u64>,
    /// Of the files that were kept aside.
    pub(super) aside_bytes: u64,
    /// Of both, so that no name is taken twice.
    pub(super) last_number: u64,
}

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    #[error("spool.folder {}: {source}; it must be a folder that ingest may write to", .path.display())]
    Unusable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("spool.folder {}: another ingest uses it; give each its own", .0.display())]
    Taken(PathBuf),
}

impl Folder {
    pub(super) fn open(path: &Path) -> Result<Self, FolderError> {
        let unusable = |source| FolderError::Unusable { path: path.to_owned(), source };
        create_folders(path).map_err(unusable)?;
        let lock = File::create(path.join(LOCK)).map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(FolderError::Taken(path.to_owned())),
            Err(TryLockError::Error(source)) => Err(unusable(source)),
        }
    }

    pub(super) fn list(&self) -> io::Result<Listing> {
        let mut listing = Listing::default();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let path = entry.path();
            let stem = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
            let Some(number) = stem else { continue };
            match path.extension().and_then(|extension| extension.to_str()) {
                Some(SEGMENT) => listing.segments.push(number),
                Some(ASIDE) => listing.aside_bytes += entry.metadata()?.len(),
                Some(_) | None => continue,
            }
            listing.last_number = listing.last_number.max(number);
        }
        listing.segments.sort_unstable();
        Ok(listing)
    }

    /// A new file whose name survives a crash.
    pub(super) fn create(&self, number: u64) -> io::Result<File> {
        let file = File::create_new(self.segment(number))?;
        File::open(&self.path)?.sync_all()?;
        Ok(file)
    }

    pub(super) fn read(&self, number: u64) -> io::Result<Bytes> {
        fs::read(self.segment(number)).map(Bytes::from)
    }

    pub(super) fn bytes(&self, number: u64) -> io::Result<u64> {
        fs::metadata(self.segment(number)).map(|file| file.len())
    }

    pub(super) fn remove(&self, number: u64) -> io::Result<()> {
        fs::remove_file(self.segment(number))
    }

    /// Keeps a segment for a person, out of the way. Returns where.
    pub(super) fn keep_aside(&self, number: u64) -> io::Result<PathBuf> {
        let kept = self.segment(number).with_extension(ASIDE);
        fs::rename(self.segment(number), &kept)?;
        Ok(kept)
    }

    pub(super) fn segment(&self, number: u64) -> PathBuf {
        self.path.join(format!("{number:020}.{SEGMENT}"))
    }
}

/// Makes the folder and those above it, so that their names survive a crash.
fn create_folders(path: &Path) -> io::Result<()> {
    let missing: Vec<_> = path.ancestors().take_while(|folder| folder.metadata().is_err()).collect();
    fs::create_dir_all(path)?;
    for folder in missing {
        let above = folder.parent().filter(|above| *above != Path::new(""));
        File::open(above.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}
