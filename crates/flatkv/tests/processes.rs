//! What needs a process of its own: a holder of the lock, a disk that refuses to take more.
//!
//! A test starts this program again and asks it for one of the parts below, which do nothing unless they are asked.

use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use changeset::{History, KvPair, NamedChangeSet, NewStore, Read, Scan, ScanOrder, ScanRange, StoreErrorKind, Write};
use flatkv::{FlatKv, FlatKvError, Holder};
use tempfile::tempdir;

use crate::common::{commit, evm, inner, open, options, record, seeded};

/// The directory that a part works in; without it, it is not asked for.
const DIR: &str = "FLATKV_TEST_DIR";

fn part(name: &str, dir: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args([&format!("processes::{name}"), "--exact", "--nocapture", "--ignored"]).env(DIR, dir);
    command
}

fn asked_for() -> std::path::PathBuf {
    std::env::var_os(DIR).expect("a part is started by its test, with a directory").into()
}

#[test]
fn the_process_that_holds_a_store_is_named() {
    let dir = tempdir().expect("a directory");
    commit(&mut seeded(dir.path(), 1), &[]);
    let mut holder =
        part("part_hold", dir.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("starts");
    let mut lines = BufReader::new(holder.stdout.take().expect("its output")).lines();
    assert!(lines.any(|line| line.expect("reads").ends_with("holding")), "it holds the store");
    for result in
        [FlatKv::open(dir.path(), &options()).map(drop), FlatKv::open_read_only(dir.path(), &options()).map(drop)]
    {
        match result {
            Err(error @ FlatKvError::Locked { .. }) => check_named(&error, holder.id()),
            other => panic!("another answer: {other:?}"),
        }
    }
    holder.stdin.take().expect("its input").write_all(b"\n").expect("writes");
    assert!(holder.wait().expect("ends").success());
    open(dir.path());
}

fn check_named(error: &FlatKvError, pid: u32) {
    assert_eq!(error.kind(), StoreErrorKind::Locked);
    match error {
        FlatKvError::Locked { holder: Holder::Process { pid: told, name: Some(_) }, .. } => assert_eq!(*told, pid),
        other => panic!("another error: {other}"),
    }
}

#[test]
#[ignore = "a part of the_process_that_holds_a_store_is_named"]
fn part_hold() {
    let store = open(&asked_for());
    println!("\nholding");
    std::io::stdin().read_line(&mut String::new()).expect("reads");
    drop(store);
}

#[test]
fn a_failed_commit_poisons_the_store_and_its_views_read_on() {
    let dir = tempdir().expect("a directory");
    // A file may grow to 256 KiB here, and a write beyond that fails instead of ending the process.
    let mut command = Command::new("sh");
    let part = part("part_fail_to_commit", dir.path());
    command
        .args(["-c", "trap '' XFSZ; ulimit -f 512; exec \"$@\"", "sh"])
        .arg(part.get_program())
        .args(part.get_args());
    let output = command.env(DIR, dir.path()).output().expect("runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("1 passed"), "{said}");
    let store = open(dir.path());
    assert_eq!(store.version(), Some(1), "the block that failed did not happen");
    assert_eq!(store.get("evm", b"k").expect("reads"), Some("before".into()));
}

#[test]
#[ignore = "a part of a_failed_commit_poisons_the_store_and_its_views_read_on"]
fn part_fail_to_commit() {
    let mut store = seeded(&asked_for(), 1);
    commit(&mut store, &evm(vec![KvPair::set("k", "before")]));
    let view = store.view().expect("a view");
    store.apply(&evm(vec![KvPair::set("k", "after"), KvPair::set("large", vec![7; 1 << 20])])).expect("applies");
    let record = record(&store);
    let error = store.commit(&record).expect_err("the disk takes no more");
    assert_eq!(error.kind(), StoreErrorKind::Io);
    assert!(matches!(inner(&error), FlatKvError::RocksDb { operation: "commit", .. }));
    check_poisoned(&mut store);
    assert_eq!(view.get("evm", b"k").expect("reads"), Some("before".into()));
    let pairs = view.scan("evm", &ScanRange::ALL, ScanOrder::Ascending).expect("scans");
    assert_eq!(pairs.collect::<Result<Vec<_>, _>>().expect("reads on").len(), 1);
}

fn check_poisoned(store: &mut FlatKv) {
    let poisoned = |error: changeset::StoreError| assert_eq!(error.kind(), StoreErrorKind::Poisoned);
    poisoned(store.apply(&[NamedChangeSet::new("evm", vec![])]).expect_err("poisoned"));
    poisoned(store.get("evm", b"k").expect_err("poisoned"));
    poisoned(store.scan("evm", &ScanRange::ALL, ScanOrder::Ascending).map(drop).expect_err("poisoned"));
    poisoned(store.view().map(drop).expect_err("poisoned"));
    poisoned(store.block(1).expect_err("poisoned"));
    poisoned(store.handoff(1).expect_err("poisoned"));
    poisoned(store.last_handoff().expect_err("poisoned"));
    poisoned(store.changelog_synced().expect_err("poisoned"));
    poisoned(History::journal(store, 1).expect_err("poisoned"));
    poisoned(store.seed(1).expect_err("poisoned"));
    let record = record(store);
    poisoned(store.commit(&record).expect_err("poisoned"));
    for error in [store.undo_block().map(drop), store.check_undo(1), store.retired().map(drop)] {
        assert!(matches!(error, Err(FlatKvError::Poisoned { .. })));
    }
}
