//! Removing a store that nothing needs any more: one rename counts, the files go afterwards and slowly.
//!
//! ```text
//! data/state_commit/memiavl           what is to go
//! data/state_commit/memiavl.removed   the same behind the rename; whatever is found here is deleted
//! ```

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// Bytes of files that are deleted in a second: a file system that frees hundreds of gigabytes at once stalls the commits
/// beside it.
const BYTES_PER_SECOND: u64 = 512 << 20;

/// The name that a removed store has until its files are gone.
pub(crate) fn removed(store: &Path) -> PathBuf {
    store.with_extension("removed")
}

/// Renames `store` away, durably. From then on it is gone, whatever becomes of its files. What an earlier removal has left
/// goes first.
pub(crate) fn rename_away(store: &Path) -> io::Result<()> {
    if !store.exists() {
        return Ok(());
    }
    let away = removed(store);
    delete_now(&away)?;
    fs::rename(store, &away)?;
    sync_parent(store)
}

/// Makes the names beside `path` durable.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        // A name alone stands in the working directory.
        Some(parent) if parent.as_os_str().is_empty() => sync_dir(Path::new(".")),
        Some(parent) => sync_dir(parent),
        None => Ok(()),
    }
}

/// Makes the names in `dir` durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Deletes a removed store at once; none is fine too. Its name is made durable first: a power cut must not give it back the
/// one that it had, with half of its files.
pub(crate) fn delete_now(away: &Path) -> io::Result<()> {
    if away.exists() {
        sync_parent(away)?;
    }
    match fs::remove_dir_all(away) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Deletions under way in the background. The last handle that is dropped interrupts them; the next opening goes on.
#[derive(Clone, Default)]
pub(crate) struct Reclaim(Arc<Handle>);

#[derive(Default)]
struct Handle {
    stop: Arc<Stop>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Default)]
struct Stop {
    is_asked: Mutex<bool>,
    asked: Condvar,
}

impl Reclaim {
    /// Deletes `away` in the background, its name made durable first as by [`delete_now`].
    pub(crate) fn start(&self, away: PathBuf) -> io::Result<()> {
        sync_parent(&away)?;
        let stop = Arc::clone(&self.0.stop);
        let thread = thread::Builder::new().name("ferry-reclaim".to_owned()).spawn(move || {
            if let Err(error) = delete_slowly(&away, &stop, &|file| fs::remove_file(file)) {
                tracing::warn!(path = %away.display(), %error, "cannot delete what is no longer needed");
            }
        })?;
        self.0.threads.lock().push(thread);
        Ok(())
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        *self.stop.is_asked.lock() = true;
        self.stop.asked.notify_all();
        for thread in self.threads.get_mut().drain(..) {
            if thread.join().is_err() {
                tracing::error!("the thread that deletes an old store panicked");
            }
        }
    }
}

impl Stop {
    /// Waits; whether it was asked to stop meanwhile.
    fn wait(&self, time: Duration) -> bool {
        let mut is_asked = self.is_asked.lock();
        if !*is_asked {
            self.asked.wait_for(&mut is_asked, time);
        }
        *is_asked
    }
}

/// Deletes file by file, each by `unlink`. Old views may still have files mapped, so they are unlinked whole and never cut. What
/// cannot be deleted is stepped over, and the first of it is the error in the end.
fn delete_slowly(dir: &Path, stop: &Stop, unlink: &dyn Fn(&Path) -> io::Result<()>) -> io::Result<()> {
    let mut whole = Ok(());
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let path = entry.path();
        let done = match entry.file_type()?.is_dir() {
            true => delete_slowly(&path, stop, unlink),
            false => {
                let time = Duration::from_micros(entry.metadata()?.len().saturating_mul(1_000_000) / BYTES_PER_SECOND);
                let done =
                    unlink(&path).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())));
                if stop.wait(time) {
                    return done;
                }
                done
            }
        };
        whole = whole.and(done);
    }
    whole?;
    match fs::remove_dir(dir) {
        Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty && stop.wait(Duration::ZERO) => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(root: &Path) -> PathBuf {
        let store = root.join("memiavl");
        fs::create_dir_all(store.join("snapshot-1/bank")).expect("a directory");
        fs::write(store.join("snapshot-1/bank/leaves"), [7; 100]).expect("writes");
        fs::write(store.join("LOCK"), []).expect("writes");
        store
    }

    #[test]
    fn a_store_renamed_away_is_deleted_to_the_last_file() {
        let root = tempfile::tempdir().expect("a directory");
        let store = store(root.path());
        rename_away(&store).expect("renames");
        assert!(!store.exists());
        let away = removed(&store);
        delete_slowly(&away, &Stop::default(), &|file| fs::remove_file(file)).expect("deletes");
        assert!(!away.exists());
    }

    #[test]
    fn what_an_earlier_removal_left_is_not_in_the_way() {
        let root = tempfile::tempdir().expect("a directory");
        rename_away(&store(root.path())).expect("renames");
        let again = store(root.path());
        rename_away(&again).expect("renames once more");
        rename_away(&again).expect("and nothing is left to rename");
        assert!(removed(&again).join("LOCK").exists());
    }

    #[test]
    fn a_deletion_stops_when_its_owner_goes() {
        let root = tempfile::tempdir().expect("a directory");
        let store = store(root.path());
        let stop = Stop::default();
        *stop.is_asked.lock() = true;
        delete_slowly(&store, &stop, &|file| fs::remove_file(file)).expect("stops");
        assert!(store.exists(), "the first file was one too many already");
    }

    #[test]
    fn a_file_that_cannot_be_deleted_is_told_and_the_rest_goes() {
        let root = tempfile::tempdir().expect("a directory");
        let store = store(root.path());
        fs::write(store.join("snapshot-1/acc"), []).expect("writes");
        let kept = std::cell::RefCell::new(None);
        // The first that it is asked for, whichever that is.
        let unlink = |file: &Path| {
            if kept.borrow().is_some() {
                return fs::remove_file(file);
            }
            *kept.borrow_mut() = Some(file.to_owned());
            Err(ErrorKind::PermissionDenied.into())
        };
        let error = delete_slowly(&store, &Stop::default(), &unlink).expect_err("a file stays");
        let kept = kept.into_inner().expect("it was asked for one");
        assert!(error.to_string().contains(kept.to_str().expect("UTF-8")), "{error}");
        let files = ["LOCK", "snapshot-1/acc", "snapshot-1/bank/leaves"].map(|file| store.join(file));
        files.iter().for_each(|file| assert_eq!(file.exists(), *file == kept, "{}", file.display()));
        delete_slowly(&store, &Stop::default(), &|file| fs::remove_file(file)).expect("deletes, another time");
        assert!(!store.exists());
    }
}
