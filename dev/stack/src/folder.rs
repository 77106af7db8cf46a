//! Folders under `target/` that belong to one running stack.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use thiserror::Error;

/// A folder that is ours until this is dropped, held by a lock that ends with the process.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    _lock: File,
}

/// Why a folder cannot be had.
#[derive(Debug, Error)]
pub enum FolderError {
    #[error("another stack is running in {}: stop it first", .0.display())]
    Taken(PathBuf),
    #[error("cannot prepare {}", .0.display())]
    Prepare(PathBuf, #[source] io::Error),
}

impl Folder {
    /// Takes the folder `path` and empties it.
    ///
    /// # Errors
    /// When a running stack has it, or it cannot be written.
    pub fn take(path: &Path) -> Result<Self, FolderError> {
        let failed = |error| FolderError::Prepare(path.to_owned(), error);
        fs::create_dir_all(path).map_err(failed)?;
        // The lock is beside the folder, so that emptying and removing the folder never touches it.
        let lock = File::create(path.with_extension("lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(FolderError::Taken(path.to_owned())),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        fs::remove_dir_all(path).and_then(|()| fs::create_dir_all(path)).map_err(failed)?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// Takes a fresh folder in `parent`, and removes those that killed stacks have left there.
    ///
    /// # Errors
    /// As [`Folder::take`].
    pub fn take_fresh(parent: &Path) -> Result<Self, FolderError> {
        Self::take_named(parent, &std::process::id().to_string())
    }

    fn take_named(parent: &Path, name: &str) -> Result<Self, FolderError> {
        let failed = |error| FolderError::Prepare(parent.to_owned(), error);
        fs::create_dir_all(parent).map_err(failed)?;
        // One at a time: a folder that is made but not yet locked looks like one that a killed stack has left.
        let turn = File::create(parent.with_extension("lock")).map_err(failed)?;
        turn.lock().map_err(failed)?;
        for entry in fs::read_dir(parent).map_err(failed)? {
            let left = entry.map_err(failed)?.path();
            if left.is_dir() {
                match Self::take(&left) {
                    Ok(folder) => folder.remove(),
                    Err(FolderError::Taken(_)) => {}
                    Err(error @ FolderError::Prepare(..)) => return Err(error),
                }
            }
        }
        Self::take(&parent.join(name))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the folder with all that is in it.
    pub fn remove(self) {
        // What cannot be removed now is removed by the next start.
        fs::remove_dir_all(&self.path).ok();
        fs::remove_file(self.path.with_extension("lock")).ok();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn a_folder_is_had_by_one_at_a_time() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("stack");
        let first = Folder::take(&path).unwrap();
        assert!(matches!(Folder::take(&path), Err(FolderError::Taken(_))));
        drop(first);
        Folder::take(&path).unwrap();
    }

    #[test]
    fn what_a_killed_stack_left_is_removed_and_what_a_running_one_uses_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let parent = folder.path().join("stacks");
        let running = Folder::take(&parent.join("running")).unwrap();
        drop(Folder::take(&parent.join("killed")).unwrap());
        let fresh = Folder::take_fresh(&parent).unwrap();
        assert!(running.path().exists() && fresh.path().exists());
        assert!(!parent.join("killed").exists());
    }

    #[test]
    fn stacks_that_start_at_the_same_moment_do_not_take_each_others_folder() {
        const STACKS: usize = 16;
        let parent = tempfile::tempdir().unwrap();
        let start = Barrier::new(STACKS);
        let take = |number: usize| {
            start.wait();
            Folder::take_named(&parent.path().join("stacks"), &number.to_string())
        };
        std::thread::scope(|scope| {
            let running: Vec<_> = (0..STACKS).map(|number| scope.spawn(move || take(number))).collect();
            let folders: Vec<_> = running.into_iter().map(|stack| stack.join().unwrap().unwrap()).collect();
            assert!(folders.iter().all(|folder| folder.path().is_dir()));
        });
    }
}
