//! The changelog's background sync, `crates/memiavl/src/changelog/syncer.rs`, under the scheduler, and copies with planted
//! faults.
//!
//! Not covered: a panic of the thread (it ends the scheduler's run), and real files, which are counters here.

/// What the source takes from its crate and from the system, and what the tests do to it.
macro_rules! under_test {
    ($name:ident, $source:literal) => {
        #[cfg(test)]
        #[expect(dead_code, reason = "the tests use a part of the source")]
        mod $name {
            //! One copy.

            pub(crate) mod error {
                //! The error that syncing knows.

                use std::io;
                use std::path::PathBuf;

                use shuttle::sync::Arc;

                #[derive(Debug, thiserror::Error)]
                pub(crate) enum LogError {
                    #[error("poisoned: path={}", path.display())]
                    Poisoned { path: PathBuf, source: Arc<io::Error> },
                }

                pub(crate) type Result<T> = std::result::Result<T, LogError>;
            }

            pub(crate) mod file {
                //! A file as two counters: what was written, and what of it is on disk.

                use std::cell::Cell;
                use std::io;
                use std::path::Path;

                use shuttle::sync::atomic::{AtomicBool, AtomicU64, Ordering};
                use shuttle::thread;

                // All of the scheduler's threads run on one of the system's.
                std::thread_local!(pub(crate) static DIRECTORY_SYNCS: Cell<u64> = const { Cell::new(0) });

                #[derive(Debug, Default)]
                pub(crate) struct File {
                    pub(crate) written: AtomicU64,
                    pub(crate) durable: AtomicU64,
                    pub(crate) fails: AtomicBool,
                }

                impl File {
                    pub(crate) fn open(_: &Path) -> io::Result<Self> {
                        Ok(Self::default())
                    }

                    pub(crate) fn sync_data(&self) -> io::Result<()> {
                        let reached = self.written.load(Ordering::SeqCst);
                        thread::yield_now();
                        if self.fails.load(Ordering::SeqCst) {
                            return Err(io::Error::other("planted"));
                        }
                        self.durable.fetch_max(reached, Ordering::SeqCst);
                        Ok(())
                    }

                    pub(crate) fn sync_all(&self) -> io::Result<()> {
                        DIRECTORY_SYNCS.set(DIRECTORY_SYNCS.get() + 1);
                        Ok(())
                    }
                }
            }

            mod source {
                //! The shipped source.

                include!(concat!(env!("OUT_DIR"), $source));

                impl Goal {
                    /// A goal of the version that `file` holds now.
                    pub(super) fn of(file: &Arc<File>, version: u64, with_dir: bool) -> Self {
                        let synced = Synced { version: Some(version), bytes: version };
                        Self { path: PathBuf::from("segment"), file: Arc::clone(file), with_dir, synced }
                    }
                }

                impl Synced {
                    /// The version; 0 for none.
                    pub(super) fn number(&self) -> u64 {
                        self.version.unwrap_or(0)
                    }
                }
            }

            use shuttle::sync::Arc;
            use shuttle::sync::atomic::Ordering;
            use shuttle::thread;

            use file::{DIRECTORY_SYNCS, File};
            use source::{Goal, Syncer};

            fn start() -> (Syncer, Arc<File>) {
                DIRECTORY_SYNCS.set(0);
                (Syncer::start("directory".into(), None).expect("starts"), Arc::new(File::default()))
            }

            fn append(syncer: &Syncer, file: &Arc<File>, version: u64, with_dir: bool) {
                file.written.store(version, Ordering::SeqCst);
                syncer.request(Goal::of(file, version, with_dir)).expect("no failure");
            }

            /// The writer appends and asks for syncs while another looks: what is said to be on disk is.
            pub(super) fn what_is_published_is_on_disk() {
                let (syncer, file) = start();
                let syncer = Arc::new(syncer);
                let watcher = {
                    let (syncer, file) = (Arc::clone(&syncer), Arc::clone(&file));
                    thread::spawn(move || {
                        for _ in 0..3 {
                            let said = syncer.synced().number();
                            let durable = file.durable.load(Ordering::SeqCst);
                            assert!(said <= durable, "{said} is said to be on disk, {durable} is");
                        }
                    })
                };
                for version in 1..=3 {
                    append(&syncer, &file, version, false);
                }
                syncer.wait().expect("syncs");
                assert_eq!(syncer.synced().number(), 3, "the wait is over and not all is on disk");
                watcher.join().expect("watches");
            }

            /// A segment's first goal is replaced before it is begun: its directory is synced all the same.
            pub(super) fn directory_of_a_replaced_goal_is_synced() {
                let (syncer, file) = start();
                append(&syncer, &file, 1, true);
                append(&syncer, &file, 2, false);
                syncer.wait().expect("syncs");
                assert!(DIRECTORY_SYNCS.get() >= 1, "the directory was not synced");
            }

            /// A failed sync: nothing later is published, and everyone is told.
            pub(super) fn failure_is_kept() {
                let (syncer, file) = start();
                append(&syncer, &file, 1, false);
                syncer.wait().expect("syncs");
                file.fails.store(true, Ordering::SeqCst);
                append(&syncer, &file, 2, false);
                syncer.wait().expect_err("failed");
                file.fails.store(false, Ordering::SeqCst);
                syncer.request(Goal::of(&file, 3, false)).expect_err("poisoned");
                syncer.check().expect_err("poisoned");
                assert_eq!(syncer.synced().number(), 1, "nothing later is on disk");
            }

            /// Closing in the middle of work ends the thread, and behind the last goal.
            pub(super) fn closing_ends_the_thread() {
                let (syncer, file) = start();
                append(&syncer, &file, 1, false);
                let weak = Arc::clone(&file);
                drop(syncer);
                assert_eq!(weak.durable.load(Ordering::SeqCst), 1, "the last goal was dropped");
            }
        }
    };
}

under_test!(shipped, "/syncer.rs");
under_test!(published_before_the_sync, "/syncer_early.rs");
under_test!(busy_unsaid, "/syncer_busy.rs");
under_test!(directory_forgotten, "/syncer_directory.rs");
under_test!(end_unsaid, "/syncer_end.rs");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{explore, found};

    #[test]
    fn what_is_published_is_on_disk() {
        explore(shipped::what_is_published_is_on_disk);
    }

    #[test]
    fn directory_of_a_replaced_goal_is_synced() {
        explore(shipped::directory_of_a_replaced_goal_is_synced);
    }

    #[test]
    fn failure_is_kept() {
        explore(shipped::failure_is_kept);
    }

    #[test]
    fn closing_ends_the_thread() {
        explore(shipped::closing_ends_the_thread);
    }

    #[test]
    fn publishing_before_the_sync_is_found() {
        found("is said to be on disk", published_before_the_sync::what_is_published_is_on_disk);
    }

    #[test]
    fn a_thread_that_does_not_say_that_it_works_is_found() {
        found("not all is on disk", busy_unsaid::what_is_published_is_on_disk);
    }

    #[test]
    fn a_forgotten_directory_is_found() {
        found("the directory was not synced", directory_forgotten::directory_of_a_replaced_goal_is_synced);
    }

    #[test]
    fn an_end_that_nobody_hears_of_is_found() {
        found("deadlock", end_unsaid::closing_ends_the_thread);
    }
}
