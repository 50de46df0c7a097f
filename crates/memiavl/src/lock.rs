//! The writer's lock: who holds it is the only process that changes the directory.
//!
//! The reference takes an open-file-description lock on the whole of `LOCK`, or an flock when it cannot (it tries the former
//! on its standard input first, so which one depends on how it was started). The two do not exclude each other, so this
//! takes both.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use crate::error::{Doing, Error, Result};

/// Permissions of the lock file, as the reference gives them.
const FILE_MODE: u32 = 0o600;

/// Who holds a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LockHolder {
    /// The process.
    pub pid: u32,
    /// Its name; empty where the system does not tell.
    pub command: String,
}

/// What a look at a lock file tells.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LockState {
    /// Nobody holds it, as far as can be seen.
    Free,
    /// Somebody does; who, where the system tells.
    Held(Option<LockHolder>),
}

/// The lock, held until it is dropped.
///
/// A lock file that the lock itself made goes with it, unless [`keep`](Self::keep) is called: a directory that cannot be
/// opened stays as it was.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    /// Both locks end when the file is closed.
    file: File,
    goes_with_it: bool,
}

impl Lock {
    /// Takes the lock whose file is at `path`; does not wait for it.
    ///
    /// # Errors
    /// [`Error::Locked`], I/O.
    pub fn acquire(path: &Path) -> Result<Self> {
        let io = |source| Error::Io { doing: Doing::Lock, path: path.to_owned(), source };
        loop {
            let (file, is_new) = open(path).map_err(io)?;
            let opened = file.metadata().map_err(io)?;
            // From here on the file that was made goes again if the lock cannot be had.
            let lock = Self { path: path.to_owned(), file, goes_with_it: is_new };
            if !(lock.try_ofd().map_err(io)? && lock.try_flock().map_err(io)?) {
                let id = (opened.dev(), opened.ino());
                // Closed first: what it may have taken is not what is in the way.
                drop(lock);
                return Err(Error::Locked { path: path.to_owned(), holder: holder(id) });
            }
            // Another holder may have removed its file between our opening and locking it; then ours locks nothing.
            if lock.is_at_path() {
                return Ok(lock);
            }
        }
    }

    /// Looks who holds the lock whose file is at `path`, and takes nothing, so that nobody who comes meanwhile is refused.
    /// An flock of another user's process cannot be seen.
    ///
    /// # Errors
    /// I/O. A file that is not there is a lock that nobody holds.
    pub fn look(path: &Path) -> Result<LockState> {
        let io = |source| Error::Io { doing: Doing::Lock, path: path.to_owned(), source };
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(LockState::Free),
            opened => opened.map_err(io)?,
        };
        let mut whole_file = whole_file();
        fcntl(&file, FcntlArg::F_OFD_GETLK(&mut whole_file)).map_err(|error| io(error.into()))?;
        let found = file.metadata().map_err(io)?;
        let id = (found.dev(), found.ino());
        // Closed first: what is open here is not what is looked for.
        drop(file);
        let holder = holder(id);
        let is_held = i32::from(whole_file.l_type) != libc::F_UNLCK || holder.is_some();
        Ok(if is_held { LockState::Held(holder) } else { LockState::Free })
    }

    /// Leaves the file in place when the lock is dropped.
    pub fn keep(&mut self) {
        self.goes_with_it = false;
    }

    fn try_ofd(&self) -> io::Result<bool> {
        match fcntl(&self.file, FcntlArg::F_OFD_SETLK(&whole_file())) {
            Ok(_) => Ok(true),
            Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn try_flock(&self) -> io::Result<bool> {
        match self.file.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn is_at_path(&self) -> bool {
        let id = |found: fs::Metadata| (found.dev(), found.ino());
        match (self.file.metadata(), fs::metadata(&self.path)) {
            (Ok(ours), Ok(there)) => id(ours) == id(there),
            _ => false,
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if self.goes_with_it
            && self.is_at_path()
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the lock file");
        }
    }
}

/// A lock for writing on all of a file.
fn whole_file() -> libc::flock {
    libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

/// Opens the lock file, and says whether it is new.
fn open(path: &Path) -> io::Result<(File, bool)> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(FILE_MODE);
    match options.clone().create_new(true).open(path) {
        Ok(file) => Ok((file, true)),
        // Not created anew: it may go between the two calls, and is then made here.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok((options.create(true).open(path)?, false)),
        Err(error) => Err(error),
    }
}

/// The process that has a lock on the file of device and inode `id`; none where the system does not tell.
///
/// `/proc/locks` would be one file, but names no process for a lock that belongs to an open file; the files that a process
/// has open tell for both kinds.
fn holder(id: (u64, u64)) -> Option<LockHolder> {
    let processes = fs::read_dir("/proc").ok()?;
    processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).find_map(|pid: u32| {
        holds(pid, id).then(|| {
            let command = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            LockHolder { pid, command: command.trim_end().to_owned() }
        })
    })
}

/// Whether process `pid` has a lock on the file `id`. A process of another user does not tell.
fn holds(pid: u32, id: (u64, u64)) -> bool {
    let Ok(open_files) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    open_files.filter_map(|entry| entry.ok()).any(|entry| {
        let is_the_file = fs::metadata(entry.path()).is_ok_and(|found| (found.dev(), found.ino()) == id);
        is_the_file && {
            let info = Path::new("/proc").join(pid.to_string()).join("fdinfo").join(entry.file_name());
            fs::read_to_string(info).is_ok_and(|info| info.lines().any(|line| line.starts_with("lock:")))
        }
    })
}

#[cfg(test)]
mod tests {
    use changeset::StoreErrorKind;

    use super::*;

    fn in_temporary_directory() -> (tempfile::TempDir, PathBuf) {
        let keep = tempfile::tempdir().expect("temporary directory");
        let path = keep.path().join("LOCK");
        (keep, path)
    }

    fn refused(path: &Path) -> Option<LockHolder> {
        let error = Lock::acquire(path).expect_err("held");
        assert_eq!(error.kind(), StoreErrorKind::Locked);
        match error {
            Error::Locked { path: at, holder } => {
                assert_eq!(at, path);
                holder
            }
            other => panic!("{other:?}"),
        }
    }

    fn this_process() -> Option<LockHolder> {
        let command = fs::read_to_string("/proc/self/comm").expect("proc").trim_end().to_owned();
        Some(LockHolder { pid: std::process::id(), command })
    }

    #[test]
    fn a_held_lock_is_refused_and_its_holder_named() {
        let (_keep, path) = in_temporary_directory();
        let mut lock = Lock::acquire(&path).expect("free");
        lock.keep();
        assert_eq!(refused(&path), this_process());
        drop(lock);
        drop(Lock::acquire(&path).expect("free again"));
    }

    #[test]
    fn either_kind_of_lock_of_another_program_is_respected() {
        let (_keep, path) = in_temporary_directory();
        let other = File::create(&path).expect("created");
        other.lock().expect("flock");
        assert_eq!(refused(&path), this_process());
        other.unlock().expect("unlocked");
        let other = Lock { path: path.clone(), file: other, goes_with_it: false };
        assert!(other.try_ofd().expect("open-file-description lock"));
        assert_eq!(refused(&path), this_process());
        drop(other);
        drop(Lock::acquire(&path).expect("free"));
    }

    #[test]
    fn a_look_tells_who_holds_the_lock_and_takes_nothing() {
        let (_keep, path) = in_temporary_directory();
        assert_eq!(Lock::look(&path).expect("looks"), LockState::Free);
        assert!(!path.exists(), "a look makes no file");
        let mut lock = Lock::acquire(&path).expect("free");
        lock.keep();
        assert_eq!(Lock::look(&path).expect("looks"), LockState::Held(this_process()));
        drop(lock);
        assert_eq!(Lock::look(&path).expect("looks"), LockState::Free);
        let other = File::open(&path).expect("opens");
        other.lock().expect("flock");
        assert_eq!(Lock::look(&path).expect("looks"), LockState::Held(this_process()));
    }

    #[test]
    fn a_lock_file_that_was_made_goes_unless_it_is_kept() {
        let (_keep, path) = in_temporary_directory();
        drop(Lock::acquire(&path).expect("free"));
        assert!(!path.exists());
        Lock::acquire(&path).expect("free").keep();
        assert!(path.exists());
        drop(Lock::acquire(&path).expect("free"));
        assert!(path.exists(), "it was there before");
    }

    /// A holder that removes its file while another waits for it would leave the other with a lock on nothing.
    #[test]
    fn a_lock_on_a_file_that_is_gone_is_no_lock() {
        let (_keep, path) = in_temporary_directory();
        let lock = Lock::acquire(&path).expect("free");
        fs::remove_file(&path).expect("removed");
        assert!(!lock.is_at_path());
        let second = Lock::acquire(&path).expect("another file");
        drop(lock);
        assert!(path.exists(), "the first holder removes only its own file");
        drop(second);
    }

    #[test]
    fn a_lock_that_cannot_be_made_is_an_io_error() {
        let (keep, _) = in_temporary_directory();
        let error = Lock::acquire(&keep.path().join("missing/LOCK")).expect_err("no directory");
        assert!(matches!(error, Error::Io { doing: Doing::Lock, .. }), "{error:?}");
    }
}
