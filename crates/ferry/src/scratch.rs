//! A directory for as long as one piece of work takes, beside others of its kind.
//!
//! ```text
//! <place>/<kind>XXXXXX/scratch.lock    held by the process that works there
//! ```
//! It goes when the work is done. A process that was killed leaves it; the next one that works in the same place finds a lock
//! there that nobody holds, and takes the directory away. One without a lock is not ours, whatever its name is.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::error::Error;

/// The file whose lock says that somebody works there.
const LOCK: &str = "scratch.lock";

/// A directory that goes with this value.
#[derive(Debug)]
pub struct Scratch {
    /// Goes first: whoever has the lock may take it away.
    directory: TempDir,
    _claim: Claim,
}

impl Scratch {
    /// Makes one in `place`, whose name begins with `kind`, after taking away those of that kind that the dead have left there.
    ///
    /// # Errors
    /// I/O.
    pub fn make(kind: &str, place: &Path) -> Result<Self, Error> {
        sweep(kind, place);
        let io = |source| Error::Io { action: "make a directory in", path: place.to_owned(), source };
        loop {
            let directory = TempDir::with_prefix_in(kind, place).map_err(io)?;
            match Claim::make(directory.path()).map_err(io)? {
                Some(claim) => return Ok(Self { directory, _claim: claim }),
                // Before it was locked another process's sweep took it for one that was left, and takes it away.
                None => drop(directory.keep()),
            }
        }
    }

    /// Makes one where the system has its temporary files.
    ///
    /// # Errors
    /// I/O.
    pub fn temporary(kind: &str) -> Result<Self, Error> {
        Self::make(kind, &std::env::temp_dir()).map_err(|error| match error {
            Error::Io { source, .. } => Error::TemporaryDirectory { source },
            error => error,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Deletes it now, and says so if that cannot be done.
    ///
    /// # Errors
    /// I/O.
    pub fn close(self) -> Result<(), Error> {
        let path = self.directory.path().to_owned();
        self.directory.close().map_err(|source| Error::Io { action: "delete", path, source })
    }
}

/// The lock of a directory that somebody works in. Its file goes with it, unless the process is killed.
#[derive(Debug)]
pub(crate) struct Claim {
    path: PathBuf,
    file: File,
}

impl Claim {
    /// Claims `dir` for this process; none if somebody who sweeps was faster.
    ///
    /// # Errors
    /// A claim that stands there, I/O.
    pub(crate) fn make(dir: &Path) -> io::Result<Option<Self>> {
        let path = dir.join(LOCK);
        let file = File::create_new(&path)?;
        let id = |found: fs::Metadata| (found.dev(), found.ino());
        let is_there =
            || fs::metadata(&path).is_ok_and(|there| file.metadata().is_ok_and(|ours| id(ours) == id(there)));
        match file.try_lock() {
            // A lock on a file that has been deleted holds nothing.
            Ok(()) if is_there() => Ok(Some(Self { path, file })),
            Ok(()) | Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// The claim of somebody who worked in `dir` and was killed. Makes no file where there is none.
    pub(crate) fn of_the_dead(dir: &Path) -> Option<Self> {
        let path = dir.join(LOCK);
        let is_file = fs::symlink_metadata(&path).is_ok_and(|found| found.is_file());
        let file = is_file.then(|| File::open(&path).ok())??;
        // Made only if it is ours: dropped, it takes the file away.
        file.try_lock().is_ok().then(|| Self { path, file })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // The lock ends with the file, which is closed behind this.
        if let Err(error) = fs::remove_file(&self.path)
            && error.kind() != ErrorKind::NotFound
        {
            tracing::warn!(path = %self.path.display(), file = ?self.file, %error, "cannot remove a lock file");
        }
    }
}

/// Takes away what the dead have left. What cannot be looked at belongs to somebody else.
fn sweep(kind: &str, place: &Path) {
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        let is_one = entry.file_name().to_string_lossy().starts_with(kind);
        if !is_one || !entry.file_type().is_ok_and(|found| found.is_dir()) {
            continue;
        }
        if let Some(_claim) = Claim::of_the_dead(&entry.path())
            && let Err(error) = fs::remove_dir_all(entry.path())
            && error.kind() != ErrorKind::NotFound
        {
            tracing::warn!(path = %entry.path().display(), %error, "what a process that was killed has left stays there");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const KIND: &str = "ferry-test-";

    /// What a killed process leaves: its lock is gone, and nothing else.
    fn killed(scratch: Scratch) -> PathBuf {
        let Scratch { directory, _claim: claim } = scratch;
        claim.file.unlock().expect("unlocks");
        std::mem::forget(claim);
        directory.keep()
    }

    #[test]
    fn what_the_dead_have_left_goes_with_the_next_one_and_nothing_else_does() {
        let place = tempfile::tempdir().expect("a directory");
        let make = |kind| Scratch::make(kind, place.path()).expect("makes");
        let (dead, of_another_kind) = (killed(make(KIND)), killed(make("ferry-other-")));
        fs::create_dir(dead.join("data")).expect("makes");
        let in_use = make(KIND);
        assert!(!dead.exists() && of_another_kind.exists());

        let of_the_user = place.path().join(format!("{KIND}of-the-user"));
        fs::create_dir(&of_the_user).expect("makes");
        let led_to = killed(make("led-to-"));
        symlink(&led_to, place.path().join(format!("{KIND}link"))).expect("links");
        make(KIND).close().expect("deletes");
        for stays in [&in_use.path().join(LOCK), &of_the_user, &led_to.join(LOCK)] {
            assert!(stays.exists(), "{}", stays.display());
        }

        let path = in_use.path().to_owned();
        drop(in_use);
        assert!(!path.exists(), "it goes with its work");
    }

    #[test]
    fn those_that_begin_at_once_do_not_take_each_other_away() {
        let place = tempfile::tempdir().expect("a directory");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let scratch = Scratch::make(KIND, place.path()).expect("makes");
                        fs::write(scratch.path().join("work"), "done").expect("it is still there");
                        scratch.close().expect("deletes");
                    }
                });
            }
        });
        assert!(fs::read_dir(place.path()).expect("lists").next().is_none());
    }
}
