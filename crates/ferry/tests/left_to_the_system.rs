//! `durability = os`: acknowledged blocks survive the end of the process, and after a power cut both stores still agree.

mod common;

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use changeset::OldStore;
use common::life::{beat, copy, fill, migrate, migrate_all, state};
use ferry::{Durability, Error, Mode, Node, Options, inspect, migrate_core, read_home};

fn options(durability: Durability) -> Options {
    Options { durability, rollback_blocks: 8, ..common::options(4) }
}

fn flatkv(home: &Path) -> std::path::PathBuf {
    home.join("data/state_commit/flatkv")
}

/// Puts an older copy of FlatKV in place, as a power cut does that took its last blocks and not memiavl's.
fn take_flatkv_back(home: &Path, older: &Path) {
    fs::remove_dir_all(flatkv(home)).expect("removes");
    copy(older, &flatkv(home));
}

#[test]
fn a_life_left_to_the_system_has_the_same_hashes() {
    let lives = [Durability::Sync, Durability::Os].map(|durability| {
        let home = tempfile::tempdir().expect("a directory");
        let mut node = Node::open(home.path(), options(durability)).expect("a fresh node");
        fill(&mut node);
        migrate_all(&mut node);
        for _ in 0..30 {
            beat(&mut node);
        }
        let end = (node.last_commit_info(), state(&node));
        node.close().expect("a clean close");
        let node = Node::open(home.path(), options(durability)).expect("a reopening");
        assert_eq!((node.last_commit_info(), state(&node)), end);
        end
    });
    assert_eq!(lives[0], lives[1]);
}

/// Found by the crash points of such a life: before FlatKV exists the changelog was synced with a later block alone, however
/// late that came.
#[test]
fn the_last_block_before_flatkv_is_synced_though_no_other_follows() {
    let home = tempfile::tempdir().expect("a directory");
    let mut node = Node::open(home.path(), options(Durability::Os)).expect("a fresh node");
    fill(&mut node);
    let patience = Instant::now() + Duration::from_secs(60);
    while node.memiavl().expect("no migration has ended").synced_version() < node.height() {
        assert!(Instant::now() < patience, "height={} is not on disk", node.height());
        std::thread::sleep(Duration::from_millis(20));
    }
    node.close().expect("a clean close");
}

#[test]
fn memiavl_ahead_goes_back_when_blocks_were_left_to_the_system() {
    for configured in [Durability::Os, Durability::Sync] {
        let home = tempfile::tempdir().expect("a directory");
        let older = home.path().join("older");
        let mut node = Node::open(home.path(), options(Durability::Os)).expect("a fresh node");
        fill(&mut node);
        node.set_mode(Mode::MigrateEvm).expect("a step");
        beat(&mut node);
        node.close().expect("a clean close");
        copy(&flatkv(home.path()), &older);
        let mut node = Node::open(home.path(), options(Durability::Os)).expect("a reopening");
        let (height, before) = (node.height(), state(&node));
        for _ in 0..3 {
            beat(&mut node);
        }
        let lost = node.last_commit_info();
        node.close().expect("a clean close");
        take_flatkv_back(home.path(), &older);
        // The weaker of what is configured now and what was then counts.
        let mut node = Node::open(home.path(), options(configured)).expect("memiavl goes back");
        assert_eq!((node.height(), state(&node)), (height, before));
        for _ in 0..3 {
            beat(&mut node);
        }
        assert_eq!(node.last_commit_info(), lost, "the same blocks lead to the same hashes");
        migrate(&mut node, Mode::MigrateEvm);
    }
}

#[test]
fn once_blocks_are_synced_again_a_memiavl_ahead_is_refused() {
    let home = tempfile::tempdir().expect("a directory");
    let older = home.path().join("older");
    let mut node = Node::open(home.path(), options(Durability::Os)).expect("a fresh node");
    fill(&mut node);
    node.set_mode(Mode::MigrateEvm).expect("a step");
    beat(&mut node);
    node.close().expect("a clean close");
    let node = Node::open(home.path(), options(Durability::Sync)).expect("a reopening");
    node.close().expect("a clean close");
    copy(&flatkv(home.path()), &older);
    let mut node = Node::open(home.path(), options(Durability::Sync)).expect("a reopening");
    let height = node.height();
    beat(&mut node);
    node.close().expect("a clean close");
    take_flatkv_back(home.path(), &older);
    let error = Node::open(home.path(), options(Durability::Sync)).err().expect("no crash leaves this");
    let Error::Migration(migrate_core::Error::OldAhead { memiavl, flatkv }) = error else { panic!("{error:?}") };
    assert_eq!((memiavl, flatkv), (height + 1, height));
}

/// What a power cut leaves where a later page of the log was written and an earlier one was not.
#[test]
fn a_hole_in_the_log_is_mended_by_opening_and_whoever_only_reads_says_so() {
    let home = tempfile::tempdir().expect("a directory");
    let mut node = Node::open(home.path(), options(Durability::Os)).expect("a fresh node");
    fill(&mut node);
    let log = || common::image::changelog(home.path()).expect("a log");
    let (last, (segment, from)) = (node.height(), log());
    beat(&mut node);
    let (_, to) = log();
    beat(&mut node);
    node.close().expect("a clean close");
    let file = fs::OpenOptions::new().write(true).open(segment).expect("opens");
    file.write_all_at(&vec![0; usize::try_from(to - from).expect("short")], from).expect("writes");

    let modules = common::MODULES.map(str::to_owned);
    for error in [inspect(home.path(), &modules).err(), read_home(home.path(), &modules).err()] {
        let error = error.expect("nobody who reads may cut the log");
        assert!(matches!(&error, Error::ChangelogHole { last: at, .. } if *at == last), "{error:?}");
        assert!(error.to_string().contains("node.durability=os"), "{error}");
    }
    Node::open(home.path(), options(Durability::Sync)).err().expect("a node that synced its blocks has no holes");
    let node = Node::open(home.path(), options(Durability::Os)).expect("goes back");
    assert_eq!(node.height(), last);
    node.close().expect("a clean close");
    assert_eq!(inspect(home.path(), &modules).expect("reads").height, last);
}
