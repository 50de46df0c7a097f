//! The recorded lives, without a directory: every root of every block.

use changeset::{TreeNameUpgrade, app_hash};

use crate::multitree::{Forest, MultiTree};

#[path = "../../tests/common/recorded.rs"]
#[expect(dead_code, reason = "the directories are for the tests of the whole store")]
mod recorded;

/// Applies every recorded block from nothing and compares each root and app hash. Returns the number of blocks.
fn replay_from_nothing(life: &str) -> usize {
    let mut multi_tree = None;
    let mut count = 0;
    for block in recorded::blocks(life) {
        let multi_tree = multi_tree.get_or_insert_with(|| {
            let initial_version = u32::try_from(block.height).expect("fits");
            let mut fresh = MultiTree::new(Forest::empty(initial_version)).expect("made");
            let stores = block.roots.iter().map(|(name, _)| name.clone());
            fresh
                .upgrade(&stores.map(|name| TreeNameUpgrade { name, ..Default::default() }).collect::<Vec<_>>())
                .expect("added");
            fresh
        });
        multi_tree.upgrade(&block.upgrades).expect("upgraded");
        for flush in &block.flushes {
            multi_tree.apply(flush).expect("applied");
            multi_tree.working_roots().expect("hashed");
        }
        let height = block.height;
        assert_eq!(multi_tree.working_roots().expect("hashed"), block.roots, "{life} {height}");
        let prepared = multi_tree.prepare().expect("hashed");
        multi_tree.publish(prepared);
        let info = multi_tree.committed().commit_info();
        assert_eq!(app_hash(&info), block.app_hash, "{life} {height}");
        assert_eq!(info.version, height.cast_signed());
        assert!(multi_tree.committed().forest().trees().iter().all(|named| u64::from(named.tree.version()) == height));
        count += 1;
    }
    count
}

#[test]
fn recorded_lives_have_the_references_roots_at_every_block() {
    let lives = ["small", "exact", "nosnap", "medium", "wide", "iavl-upgrades", "longlog"];
    assert_eq!(lives.map(replay_from_nothing), [16, 20, 24, 44, 34, 80, 60]);
}
