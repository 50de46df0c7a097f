//! The background thread that syncs the log, and what it knows to be on disk.
//!
//! 1. The writer states a goal: sync this file, up to this version. A goal that was not begun yet is replaced. One that is
//!    only offered waits until somebody asks for it, who may be another thread.
//! 2. The thread syncs the file, then the directory when the segment is new, and only then publishes the version.
//! 3. The first failure, of the thread or of the writer, is kept and ends all writing: after a failed sync the system may
//!    have dropped the pages, and a second sync would succeed without them.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use parking_lot::{Condvar, Mutex};

use crate::changelog::error::{LogError, Result};

/// What the thread is to sync next.
#[derive(Clone, Debug)]
pub(super) struct Goal {
    pub(super) path: PathBuf,
    pub(super) file: Arc<File>,
    /// Whether the directory is to be synced too, because the file is new in it.
    pub(super) with_dir: bool,
    /// What is on disk once it is done.
    pub(super) synced: Synced,
}

/// What is on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Synced {
    /// The version of the last entry; none if there are no entries.
    pub(super) version: Option<u64>,
    /// Bytes appended since the log was opened.
    pub(super) bytes: u64,
}

#[derive(Debug, Default)]
struct State {
    goal: Option<Goal>,
    /// What the next goal is if nobody states another.
    offered: Option<Goal>,
    working: bool,
    closing: bool,
    synced: Synced,
    failure: Option<(PathBuf, Arc<io::Error>)>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// The thread's handle. Dropping it ends the thread, behind the goal that it works on.
#[derive(Debug)]
pub(super) struct Syncer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Syncer {
    /// Starts the thread for the log in `dir`, which is on disk up to `version`.
    pub(super) fn start(dir: PathBuf, version: Option<u64>) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        shared.state.lock().synced.version = version;
        let theirs = Arc::clone(&shared);
        let thread = thread::Builder::new().name("changelog-sync".to_owned()).spawn(move || {
            let guard = EndGuard { shared: theirs, dir };
            guard.shared.work(&guard.dir);
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// States a goal for whoever asks for it by [`Asker::sync`].
    pub(super) fn offer(&self, goal: Goal) -> Result<()> {
        let mut state = self.shared.state.lock();
        state.check()?;
        let with_dir = goal.with_dir || state.offered.as_ref().is_some_and(|replaced| replaced.with_dir);
        state.offered = Some(Goal { with_dir, ..goal });
        Ok(())
    }

    /// A handle for another thread.
    pub(super) fn asker(&self) -> Asker {
        Asker { shared: Arc::clone(&self.shared) }
    }

    pub(super) fn request(&self, goal: Goal) -> Result<()> {
        let mut state = self.shared.state.lock();
        state.check()?;
        // What was offered is older.
        let offered = state.offered.take();
        let goal = Goal { with_dir: goal.with_dir || offered.is_some_and(|offered| offered.with_dir), ..goal };
        // A roll waits for its sync, so a goal that is replaced is of the same file; its directory must not be forgotten.
        let with_dir = goal.with_dir || state.goal.as_ref().is_some_and(|replaced| replaced.with_dir);
        state.goal = Some(Goal { with_dir, ..goal });
        self.shared.changed.notify_all();
        Ok(())
    }

    /// Waits until there is nothing left to sync.
    pub(super) fn wait(&self) -> Result<()> {
        self.shared.wait()
    }

    pub(super) fn check(&self) -> Result<()> {
        self.shared.state.lock().check()
    }

    pub(super) fn synced(&self) -> Synced {
        self.shared.state.lock().synced
    }

    /// Says what is on disk now: behind a truncation, which syncs by itself.
    pub(super) fn set_synced_version(&self, version: Option<u64>) {
        self.shared.state.lock().synced.version = version;
    }

    /// Keeps a failure of the writer, and gives it back as an error.
    pub(super) fn poison(&self, path: &Path, source: io::Error) -> LogError {
        let mut state = self.shared.state.lock();
        let (path, source) = state.fail(path, source);
        self.shared.changed.notify_all();
        LogError::Poisoned { path, source }
    }
}

/// Asks for what was offered, from any thread.
#[derive(Clone, Debug)]
pub(super) struct Asker {
    shared: Arc<Shared>,
}

impl Asker {
    /// Syncs what was offered, and waits for it.
    pub(super) fn sync(&self) -> Result<()> {
        let mut state = self.shared.state.lock();
        state.check()?;
        // A goal that was stated since is younger.
        if let Some(offered) = state.offered.take() {
            state.goal.get_or_insert(offered);
            self.shared.changed.notify_all();
        }
        drop(state);
        self.shared.wait()
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        self.shared.state.lock().closing = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was kept as a failure by its guard.
            thread.join().ok();
        }
    }
}

impl State {
    fn check(&self) -> Result<()> {
        match &self.failure {
            None => Ok(()),
            Some((path, source)) => Err(LogError::Poisoned { path: path.clone(), source: Arc::clone(source) }),
        }
    }

    fn fail(&mut self, path: &Path, source: io::Error) -> (PathBuf, Arc<io::Error>) {
        self.goal = None;
        self.failure.get_or_insert_with(|| (path.to_owned(), Arc::new(source))).clone()
    }
}

impl Shared {
    fn wait(&self) -> Result<()> {
        let mut state = self.state.lock();
        while state.failure.is_none() && (state.goal.is_some() || state.working) {
            self.changed.wait(&mut state);
        }
        state.check()
    }

    fn work(&self, dir: &Path) {
        let mut state = self.state.lock();
        loop {
            let Some(goal) = state.goal.take() else {
                if state.closing {
                    return;
                }
                self.changed.wait(&mut state);
                continue;
            };
            state.working = true;
            drop(state);
            let result = sync(&goal, dir);
            state = self.state.lock();
            state.working = false;
            match result {
                Ok(()) => state.synced = goal.synced,
                Err((path, source)) => {
                    state.fail(&path, source);
                }
            }
            self.changed.notify_all();
        }
    }
}

fn sync(goal: &Goal, dir: &Path) -> std::result::Result<(), (PathBuf, io::Error)> {
    goal.file.sync_data().map_err(|source| (goal.path.clone(), source))?;
    if goal.with_dir {
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(|source| (dir.to_owned(), source))?;
    }
    Ok(())
}

/// Makes a panic of the thread a failure like any other, so that nobody waits for it.
struct EndGuard {
    shared: Arc<Shared>,
    dir: PathBuf,
}

impl Drop for EndGuard {
    fn drop(&mut self) {
        if thread::panicking() {
            self.shared.state.lock().fail(&self.dir, io::Error::other("the sync thread panicked"));
            self.shared.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn synced(version: u64) -> Synced {
        Synced { version: Some(version), bytes: version * 10 }
    }

    fn goal(file: File, version: u64) -> Goal {
        Goal { path: PathBuf::from("segment"), file: Arc::new(file), with_dir: false, synced: synced(version) }
    }

    /// A character device cannot be synced: a failure of the real call.
    fn unsyncable() -> File {
        File::options().write(true).open("/dev/full").expect("/dev/full")
    }

    #[test]
    fn a_synced_goal_is_published() {
        let syncer = Syncer::start(PathBuf::from("."), Some(3)).expect("starts");
        assert_eq!(syncer.synced(), Synced { version: Some(3), bytes: 0 });
        syncer.request(goal(tempfile::tempfile().expect("file"), 5)).expect("no failure");
        syncer.wait().expect("syncs");
        assert_eq!(syncer.synced(), synced(5));
    }

    #[test]
    fn what_is_offered_is_synced_when_somebody_asks() {
        let syncer = Syncer::start(PathBuf::from("."), Some(3)).expect("starts");
        let file = || tempfile::tempfile().expect("file");
        syncer.offer(Goal { with_dir: true, ..goal(file(), 4) }).expect("no failure");
        syncer.offer(goal(file(), 5)).expect("no failure");
        syncer.wait().expect("nothing to do");
        assert_eq!(syncer.synced().version, Some(3), "an offer alone does nothing");
        assert!(syncer.shared.state.lock().offered.as_ref().is_some_and(|offered| offered.with_dir));
        syncer.asker().sync().expect("syncs");
        assert_eq!(syncer.synced(), synced(5));
        syncer.offer(goal(file(), 6)).expect("no failure");
        syncer.request(goal(file(), 7)).expect("no failure");
        syncer.wait().expect("syncs");
        syncer.asker().sync().expect("nothing is left");
        assert_eq!(syncer.synced(), synced(7), "an older offer does not come after it");
    }

    #[test]
    fn a_failed_sync_is_kept_and_never_tried_again() {
        let syncer = Syncer::start(PathBuf::from("."), Some(3)).expect("starts");
        syncer.request(goal(unsyncable(), 4)).expect("no failure yet");
        for _ in 0..2 {
            let error = syncer.wait().expect_err("failed");
            assert!(
                matches!(&error, LogError::Poisoned { path, .. } if path.as_path() == Path::new("segment")),
                "{error:?}"
            );
        }
        syncer.request(goal(tempfile::tempfile().expect("file"), 5)).expect_err("poisoned");
        syncer.check().expect_err("poisoned");
        assert_eq!(syncer.synced().version, Some(3), "nothing later is on disk");
    }

    #[test]
    fn a_directory_that_cannot_be_synced_is_a_failure_too() {
        let syncer = Syncer::start(PathBuf::from("/no/such/directory"), Some(3)).expect("starts");
        let wanted = Goal { with_dir: true, ..goal(tempfile::tempfile().expect("file"), 4) };
        syncer.request(wanted).expect("no failure yet");
        let error = syncer.wait().expect_err("failed");
        assert!(matches!(&error, LogError::Poisoned { path, .. } if path.ends_with("directory")), "{error:?}");
        assert_eq!(syncer.synced().version, Some(3));
    }
}
