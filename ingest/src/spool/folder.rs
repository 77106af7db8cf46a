//! The folder: one process's alone, with numbered segment files, oldest first.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rustix::fs::OFlags;

const LOCK: &str = "lock";
const SEGMENT: &str = "spool";
/// Files with records that cannot be read, kept for a person.
const ASIDE: &str = "damaged";
/// Alerts tell about a company's systems.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
/// Nobody writes so many segments; a name with more is somebody else's.
const LAST_NUMBER: u64 = 1 << 62;
/// A number that is so far above the others was not counted up to. Its segment is published, but the next ones do not
/// follow it: they could run out of numbers.
const STRAY: u64 = 1 << 40;

/// Locked for as long as it lives.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    lock: File,
}

/// What a folder holds.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Numbers, oldest first.
    pub(super) segments: Vec<u64>,
    /// Of the files that were kept aside.
    pub(super) aside_bytes: u64,
    /// Of both: the next ones follow it, so that no name is taken twice.
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
            Ok(lock) => Ok(Self { path: path.to_owned(), lock }),
            Err(TryLockError::WouldBlock) => Err(FolderError::Taken(path.to_owned())),
            Err(TryLockError::Error(source)) => Err(unusable(source)),
        }
    }

    /// Whether the folder is still the one that was locked. What is written after it was removed, or hidden by another
    /// disk, has no name that a restart would find; and what is in another one is not known here.
    pub(super) fn hold(&self) -> io::Result<()> {
        if self.is_held() {
            return Ok(());
        }
        Err(io::Error::other("the folder is not the one that it was: bring it back, or restart ingest"))
    }

    /// Whether a segment is no more, because somebody has removed it.
    pub(super) fn has_lost(&self, number: u64) -> bool {
        self.is_held() && matches!(self.segment(number).try_exists(), Ok(false))
    }

    fn is_held(&self) -> bool {
        let same =
            |one: fs::Metadata, other: fs::Metadata| (one.dev(), one.ino()) == (other.dev(), other.ino());
        let there = fs::metadata(self.path.join(LOCK));
        there.is_ok_and(|there| self.lock.metadata().is_ok_and(|held| same(there, held)))
    }

    pub(super) fn list(&self) -> io::Result<Listing> {
        let mut listing = Listing::default();
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let path = entry.path();
            let stem = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
            let Some(number) = stem else { continue };
            let kind = entry.file_type()?;
            match path.extension().and_then(|extension| extension.to_str()) {
                Some(SEGMENT | ASIDE)
                    if number > LAST_NUMBER || path.file_stem() != self.segment(number).file_stem() =>
                {
                    tracing::warn!(
                        "{} is left alone: if it is a segment, give it a name that no other file has, with a number \
                         of 20 digits up to {LAST_NUMBER:020}",
                        path.display()
                    );
                    continue;
                }
                Some(SEGMENT) if !kind.is_file() && !kind.is_dir() => {
                    tracing::warn!("{} is left alone: it is no file of ingest", path.display());
                }
                Some(SEGMENT) => listing.segments.push(number),
                Some(ASIDE) => listing.aside_bytes += entry.metadata()?.len(),
                Some(_) | None => continue,
            }
            numbers.push(number);
        }
        listing.segments.sort_unstable();
        listing.last_number = last_of(numbers);
        Ok(listing)
    }

    /// A new file whose name survives a crash.
    pub(super) fn create(&self, number: u64) -> io::Result<File> {
        if number > LAST_NUMBER {
            return Err(io::Error::other("its numbers have run out: restart with fewer files in the folder"));
        }
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(FILE_MODE).open(self.segment(number))?;
        File::open(&self.path)?.sync_all()?;
        Ok(file)
    }

    pub(super) fn read(&self, number: u64) -> io::Result<Bytes> {
        let mut bytes = Vec::new();
        plain_file(OpenOptions::new().read(true), &self.segment(number))?.read_to_end(&mut bytes)?;
        Ok(bytes.into())
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

/// The last number in use, below those that are stray.
fn last_of(mut numbers: Vec<u64>) -> u64 {
    numbers.sort_unstable();
    let mut last = 0;
    for number in numbers {
        if number - last > STRAY {
            break;
        }
        last = number;
    }
    last
}

fn lock(folder: &Path) -> Result<File, TryLockError> {
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(false).mode(FILE_MODE);
    let file = plain_file(options, &folder.join(LOCK)).map_err(TryLockError::Error)?;
    file.try_lock()?;
    Ok(file)
}

/// Opens a file, and nothing else: a pipe would be waited for, and a link leads somewhere else.
fn plain_file(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let no_file = || io::Error::other(format!("{} is not a plain file, remove it", path.display()));
    if path.symlink_metadata().is_ok_and(|there| !there.is_file()) {
        return Err(no_file());
    }
    // It may be another one by now.
    let flags = (OFlags::NONBLOCK | OFlags::NOFOLLOW).bits().cast_signed();
    let file = options.custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(no_file()) }
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
    use std::os::unix::fs::{PermissionsExt, symlink};

    use rustix::fs::{CWD, FileType, Mode, mknodat};

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
    fn a_stray_number_is_read_and_the_next_ones_do_not_follow_it() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path()).unwrap();
        for number in [LAST_NUMBER, 6, LAST_NUMBER / 2] {
            folder.create(number).unwrap();
        }
        let listing = folder.list().unwrap();
        assert_eq!(listing.segments, [6, LAST_NUMBER / 2, LAST_NUMBER]);
        assert_eq!(listing.last_number, 6);
        fs::remove_file(folder.segment(6)).unwrap();
        assert_eq!(folder.list().unwrap().last_number, 0);
    }

    #[test]
    fn no_segment_is_written_that_the_next_start_would_not_read() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path()).unwrap();
        assert!(folder.create(LAST_NUMBER + 1).is_err());
        assert!(folder.list().unwrap().segments.is_empty());
    }

    #[test]
    fn a_pipe_or_a_link_is_neither_waited_for_nor_followed() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path()).unwrap();
        mknodat(CWD, folder.segment(1), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        folder.create(2).unwrap();
        symlink(folder.segment(2), folder.segment(3)).unwrap();
        let listing = folder.list().unwrap();
        assert_eq!((listing.segments, listing.last_number), (vec![2], 3));
        assert!(folder.read(1).unwrap_err().to_string().contains("not a plain file"));
        assert!(folder.read(3).unwrap_err().to_string().contains("not a plain file"));

        fs::remove_file(place.path().join(LOCK)).unwrap();
        mknodat(CWD, place.path().join(LOCK), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        assert!(folder.hold().is_err());
        let error = Folder::open(place.path()).unwrap_err().to_string();
        assert!(error.contains("lock is not a plain file"), "{error}");
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
    fn a_folder_that_was_replaced_is_not_taken_for_the_one_that_it_was() {
        let place = tempfile::tempdir().unwrap();
        let (path, elsewhere) = (place.path().join("spool"), place.path().join("elsewhere"));
        let folder = Folder::open(&path).unwrap();
        folder.create(1).unwrap();
        fs::rename(&path, &elsewhere).unwrap();
        assert!(folder.hold().is_err());
        fs::create_dir(&path).unwrap();
        fs::write(path.join(LOCK), b"").unwrap();
        assert!(folder.hold().is_err());
        assert!(!folder.has_lost(1), "the disk may come back");
        fs::remove_dir_all(&path).unwrap();
        fs::rename(&elsewhere, &path).unwrap();
        folder.hold().unwrap();
        folder.remove(1).unwrap();
        assert!(folder.has_lost(1));
    }
}
