//! Random lives: a seed, the lives that follow from it, and what is said of the one that fails.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};
use tempfile::TempDir;

/// Names the seed that a run is to start from, to see a failure again.
const SEED: &str = "FERRY_SEED";
/// How long a failing life is made shorter before it is shown: a failure must show within a minute.
const SHRINK_MS_MAX: u32 = 8_000;

/// Runs `check` on `lives` lives and shows the shortest one found that fails, with the seed that leads to it.
pub(crate) fn check_lives<S: Strategy>(lives: u32, life: S, check: impl Fn(S::Value)) {
    let given = std::env::var(SEED).ok().map(|seed| seed.parse().expect("FERRY_SEED is a number"));
    let seed = given.unwrap_or_else(rand_seed);
    eprintln!("{SEED}={seed}");
    let config = Config {
        cases: lives,
        rng_seed: RngSeed::Fixed(seed),
        max_shrink_time: SHRINK_MS_MAX,
        max_shrink_iters: 400,
        failure_persistence: None,
        ..Config::default()
    };
    let (run, failed_at) = (Cell::new(0_u32), Cell::new(0_u32));
    let result = TestRunner::new(config).run(&life, |life| {
        run.set(run.get() + 1);
        catch_unwind(AssertUnwindSafe(|| check(life))).map_err(|panic| {
            if failed_at.get() == 0 {
                failed_at.set(run.get());
            }
            let said = panic.downcast::<String>().map_or_else(|_| "it panicked".to_owned(), |said| *said);
            TestCaseError::fail(said)
        })
    });
    match result {
        Ok(()) => {}
        Err(TestError::Fail(reason, life)) => {
            let failed_at = failed_at.get();
            panic!("life {failed_at} of {lives} fails, again with {SEED}={seed}: {reason}\nshortest: {life:?}");
        }
        Err(TestError::Abort(reason)) => panic!("no lives, again with {SEED}={seed}: {reason}"),
    }
}

fn rand_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    // The standard library's own random state; a generator would be one more dependency for eight bytes.
    RandomState::new().hash_one(0)
}

/// A home for a life that tests no sync: in memory where there is such a file system, because a life there takes a
/// third of the time.
pub(crate) fn home() -> TempDir {
    let memory = Path::new("/dev/shm");
    let home = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    home.expect("a directory")
}
