//! The reference's recorded lives, through a store on disk: from nothing and from its own directories.

mod common;

use changeset::{AppHash, CommitInfo, OldLog, OldStore, Write, app_hash};
use common::Block;
use memiavl::{MemIavl, Options, open};
use std::path::Path;

const LIVES: [&str; 5] = ["small", "exact", "nosnap", "iavl-upgrades", "longlog"];

fn options_of(life: &str) -> Options {
    let first = common::blocks(life).next().expect("a block").height;
    let mut options = Options::writer();
    options.initial_stores = common::initial_stores(life);
    options.initial_version = u32::try_from(first).ok().filter(|first| *first > 1).unwrap_or_default();
    options.snapshot_interval_blocks = 0;
    options
}

fn opened(dir: &Path, options: Options) -> MemIavl {
    open(dir, options).expect("opened").replay().expect("replayed")
}

/// Runs a block and compares its roots and app hash.
fn run(store: &mut MemIavl, block: &Block) -> AppHash {
    assert_eq!(store.next_version(), block.height);
    if !block.upgrades.is_empty() {
        store.upgrade(&block.upgrades).expect("upgraded");
    }
    for flush in &block.flushes {
        store.apply(flush).expect("applied");
    }
    assert_eq!(store.working_roots().expect("hashed"), block.roots, "{}", block.height);
    let handoff = store.handoff(block.app_hash);
    store.commit(&handoff, false).expect("committed");
    assert_eq!(store.committed_roots().expect("roots"), block.roots);
    let info = store.view().commit_info();
    assert_eq!(app_hash(&info), block.app_hash, "{}", block.height);
    block.app_hash
}

#[test]
fn lives_run_from_nothing_and_reopen_with_their_last_app_hash() {
    for life in LIVES {
        let dir = tempfile::tempdir().expect("temporary directory");
        let dir = dir.path().join("memiavl");
        let mut store = opened(&dir, options_of(life));
        let mut last = None;
        for block in common::blocks(life) {
            last = Some((block.height, run(&mut store, &block)));
        }
        store.close().expect("closed");
        let store = opened(&dir, options_of(life));
        assert_eq!((store.version(), store.sealed_app_hash()), (last.expect("a block").0, last.map(|last| last.1)));
        store.check_seal(None).expect("the seal's app hash");
    }
}
