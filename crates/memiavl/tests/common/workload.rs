//! A small store with made-up blocks, the same for the same version.

use std::path::Path;

use changeset::{CommitInfo, Hash, KvPair, NamedChangeSet, OldLog, OldStore, Write, app_hash};
use memiavl::{MemIavl, Options, open};

/// A store with default options, apart from what `change` changes.
pub(crate) fn store(dir: &Path, change: impl FnOnce(&mut Options)) -> MemIavl {
    let mut options = Options::writer();
    options.initial_stores = vec!["bank".to_owned(), "evm".to_owned()];
    change(&mut options);
    open(dir, options).expect("opened").replay().expect("replayed")
}

/// The changes of a block, the same for the same version: sets and deletes in both trees.
pub(crate) fn changes_of(version: u64) -> Vec<NamedChangeSet> {
    let pairs = |salt: u64| {
        (0..40).map(move |at| {
            let number = (version * 0x9e37_79b9 + at * 0x85eb_ca6b + salt).wrapping_mul(0xc2b2_ae35) >> 7;
            let key = format!("key{:03}", number % 300);
            if number.is_multiple_of(5) { KvPair::delete(key) } else { KvPair::set(key, format!("{version}/{at}")) }
        })
    };
    vec![NamedChangeSet::new("evm", pairs(1).collect()), NamedChangeSet::new("bank", pairs(2).collect())]
}

/// Commits blocks until `version`, and returns the root hashes after each.
pub(crate) fn run_to(store: &mut MemIavl, version: u64) -> Vec<Vec<(String, Hash)>> {
    let mut roots = Vec::new();
    while store.version() < version {
        roots.push(run_block(store));
    }
    roots
}

/// Commits one block of [`changes_of`] and returns its root hashes.
pub(crate) fn run_block(store: &mut MemIavl) -> Vec<(String, Hash)> {
    store.apply(&changes_of(store.next_version())).expect("applied");
    let roots = store.working_roots().expect("hashed");
    let app_hash =
        app_hash(&CommitInfo::new(store.next_version(), roots.iter().map(|(name, root)| (name.as_str(), *root))));
    let handoff = store.handoff(app_hash);
    store.commit(&handoff, false).expect("committed");
    roots
}
