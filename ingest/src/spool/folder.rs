//! The folder: one process's alone, with numbered segment files, oldest first.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

const LOCK: &str = "lock";
const SEGMENT: &str = "spool";
/// Files with records that cannot be read, kept for a person.
const ASIDE: &str = "damaged";
/// Alerts tell about a company's systems.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
/// Nobody writes so many segments; a name with more is somebody else's.
const LAST_NUMBER: u64 = 1 << 62;

/// Locked for as long as it lives.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    lock: Mutex<File>,
}

/// Whether a folder is still the one that was locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    Kept,
    /// There is another one in its place now, and it is locked.
    Renewed,
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
        match lock(path) {
            Ok(lock) => Ok(Self { path: path.to_owned(), lock: Mutex::new(lock) }),
            Err(TryLockError::WouldBlock) => Err(FolderError::Taken(path.to_owned())),
            Err(TryLockError::Error(source)) => Err(unusable(source)),
        }
    }

    /// Makes sure that what is written next has a name in this folder: one that was removed or replaced takes files
    /// that nobody ever sees.
    pub(super) fn hold(&self) -> io::Result<Hold> {
        let mut held = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_locked_by(&held) {
            return Ok(Hold::Kept);
        }
        *held = lock(&self.path).map_err(|error| match error {
            TryLockError::WouldBlock => io::Error::other("another ingest uses the folder now"),
            TryLockError::Error(error) => error,
        })?;
        Ok(Hold::Renewed)
    }

    /// Whether a segment is no more, because somebody has removed it.
    pub(super) fn has_lost(&self, number: u64) -> bool {
        let held = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_locked_by(&held) && matches!(self.segment(number).try_exists(), Ok(false))
    }

    fn is_locked_by(&self, lock: &File) -> bool {
        let same =
            |one: fs::Metadata, other: fs::Metadata| (one.dev(), one.ino()) == (other.dev(), other.ino());
        let there = fs::metadata(self.path.join(LOCK));
        there.is_ok_and(|there| lock.metadata().is_ok_and(|held| same(there, held)))
    }

    pub(super) fn list(&self) -> io::Result<Listing> {
        let mut listing = Listing::default();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let path = entry.path();
            let stem = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
            let Some(number) = stem else { continue };
            match path.extension().and_then(|extension| extension.to_str()) {
                Some(SEGMENT | ASIDE)
                    if number > LAST_NUMBER || path.file_stem() != self.segment(number).file_stem() =>
                {
                    let (path, named) = (path.display(), self.segment(number.min(LAST_NUMBER)));
                    tracing::warn!("{path} is left alone: give it a name such as {}", named.display());
                    continue;
                }
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
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(FILE_MODE).open(self.segment(number))?;
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

fn lock(folder: &Path) -> Result<File, TryLockError> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(false).mode(FILE_MODE).open(folder.join(LOCK));
    let file = file.map_err(TryLockError::Error)?;
    file.try_lock()?;
    Ok(file)
}

/// Makes the folder and those above it, so that their names survive a crash.
fn create_folders(path: &Path) -> io::Result<()> {
    let missing: Vec<_> = path.ancestors().take_while(|folder| folder.metadata().is_err()).collect();
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path)?;
    for folder in missing {
        let above = folder.parent().filter(|above| *above != Path::new(""));
        File::open(above.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn only_its_own_names_are_taken_for_segments() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path()).unwrap();
        for name in
            ["7.spool", "+8.spool", "18446744073709551615.spool", "x.spool", "00000000000000000003.txt"]
        {
            fs::write(place.path().join(name), b"").unwrap();
        }
        folder.create(5).unwrap();
        let listing = folder.list().unwrap();
        assert_eq!((listing.segments, listing.last_number), (vec![5], 5));
    }

    #[test]
    fn nobody_else_reads_what_is_kept() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("a/b");
        let folder = Folder::open(&path).unwrap();
        folder.create(1).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&folder.segment(1))), (0o700, 0o600));
    }

    #[test]
    fn a_folder_that_was_replaced_is_locked_anew() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("spool");
        let folder = Folder::open(&path).unwrap();
        folder.create(1).unwrap();
        assert_eq!(folder.hold().unwrap(), Hold::Kept);
        fs::remove_dir_all(&path).unwrap();
        assert!(folder.hold().is_err());
        assert!(!folder.has_lost(1), "the disk may come back");
        fs::create_dir(&path).unwrap();
        assert_eq!(folder.hold().unwrap(), Hold::Renewed);
        assert_eq!(folder.hold().unwrap(), Hold::Kept);
        assert!(folder.has_lost(1));
        assert!(matches!(Folder::open(&path), Err(FolderError::Taken(_))));
    }
}
