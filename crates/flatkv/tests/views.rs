//! Views: immutable, owned, outliving what made them.

use std::thread;

use bytes::Bytes;
use changeset::{History, KvPair, NewStore, ScanOrder, ScanRange};
use flatkv::{FlatKv, FlatKvError, Holder, View};
use tempfile::tempdir;

use crate::common::{commit, evm, get, open, options, pairs, scan, seeded};

#[test]
fn views_can_be_sent_shared_and_cloned() {
    fn needs<T: Clone + Send + Sync + 'static>() {}
    needs::<View>();
}

#[test]
fn a_view_keeps_its_version_whatever_is_written_after_it() {
    let dir = tempdir().expect("a directory");
    let mut store = seeded(dir.path(), 1);
    let mut views = Vec::new();
    for height in 1..=10_u64 {
        commit(
            &mut store,
            &evm(vec![KvPair::set("k", height.to_string()), KvPair::set(height.to_string(), "only then")]),
        );
        if height > 1 {
            commit_deleting(&mut store, height - 1);
        }
        views.push((store.view().expect("a view"), store.version(), store.committed_root(), pairs(&store, "evm")));
    }
    for (view, version, root, expected) in views {
        assert_eq!(view.version(), version);
        assert_eq!(view.root(), root);
        assert_eq!(pairs(&view, "evm"), expected);
    }
}

fn commit_deleting(store: &mut FlatKv, key: u64) {
    commit(store, &evm(vec![KvPair::delete(key.to_string())]));
}

#[test]
fn a_view_reads_on_after_its_store_is_gone_and_keeps_the_directory_taken() {
    let dir = tempdir().expect("a directory");
    let mut store = seeded(dir.path(), 1);
    commit(&mut store, &evm(vec![KvPair::set("k", "v")]));
    let view = store.view().expect("a view");
    drop(store);
    assert_eq!(get(&view, "evm", "k").as_deref(), Some(b"v".as_slice()));
    match FlatKv::open(dir.path(), &options()) {
        Err(FlatKvError::Locked { path, holder }) => {
            assert_eq!((path.as_path(), holder), (dir.path(), Holder::Ourselves))
        }
        other => panic!("another answer: {:?}", other.map(|store| store.version())),
    }
    let clone = view.clone();
    drop(view);
    assert!(matches!(FlatKv::open(dir.path(), &options()), Err(FlatKvError::Locked { .. })));
    drop(clone);
    assert_eq!(open(dir.path()).version(), Some(1));
}

#[test]
fn readers_agree_with_their_view_while_blocks_are_committed() {
    let dir = tempdir().expect("a directory");
    let mut store = seeded(dir.path(), 1);
    let block = |height: u64| (0..50_u64).map(|key| KvPair::set(key.to_string(), height.to_string())).collect();
    commit(&mut store, &evm(block(1)));
    thread::scope(|scope| {
        for height in 2..=30_u64 {
            let view = store.view().expect("a view");
            scope.spawn(move || {
                let expected = view.version().expect("a version").to_string();
                for (_, value) in scan(&view, "evm", &ScanRange::ALL, ScanOrder::Descending) {
                    assert_eq!(value, Bytes::from(expected.clone()));
                }
            });
            commit(&mut store, &evm(block(height)));
        }
    });
}

#[test]
fn a_view_of_a_store_without_blocks_is_empty() {
    let dir = tempdir().expect("a directory");
    let store = open(dir.path());
    let view = store.view().expect("a view");
    assert_eq!(view.version(), None);
    assert_eq!(pairs(&view, "evm"), []);
    assert_eq!(view.rows().count(), 0);
    assert_eq!(view.root(), lthash::LtHash::new().root());
}
