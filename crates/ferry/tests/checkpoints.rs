//! A checkpoint is a home at the block that the node had: it goes on equal, it shares files, and nothing that is done to one
//! of the two reaches the other.

mod common;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use common::golden::{blocks, check, options as golden_options, take};
use common::life::{self, beat, fill, migrate};
use common::{lives, options};
use ferry::{Boundary, Check, ErrorKind, Home, Mode, Node, VerifyReport, VerifyRequest, checkpoint, inspect};

/// Every so many heights the whole rest of the life is run on the checkpoint, between them some blocks.
const WHOLE_INTERVAL: u64 = 64;
const BLOCKS_BETWEEN: usize = 2;

fn every_height_goes_on_equal(life: &str, chosen: impl Fn(u64) -> bool) {
    let blocks = blocks(life);
    let options = golden_options(&blocks[0], 0);
    let (home, place) = (lives::home(), lives::home());
    let mut node = Node::open(home.path(), options.clone()).expect("a fresh node");
    for (done, recorded) in blocks.iter().enumerate() {
        take(&mut node, recorded);
        let height = node.height();
        if height.is_multiple_of(11) {
            node.snapshot().ok();
        }
        if !chosen(height) {
            continue;
        }
        let to = place.path().join(height.to_string());
        let made = node.checkpoint(&to).expect("a checkpoint");
        assert_eq!((made.height, made.app_hash), (height, node.view().expect("a view").app_hash()));
        let mut copy = Node::open(&to, options.clone()).expect("opens");
        assert_eq!(copy.last_commit_info(), node.last_commit_info());
        check(&copy.view().expect("a view"), recorded);
        let ahead = if height.is_multiple_of(WHOLE_INTERVAL) { blocks.len() } else { BLOCKS_BETWEEN };
        for recorded in blocks[done + 1..].iter().take(ahead) {
            take(&mut copy, recorded);
            check(&copy.view().expect("a view"), recorded);
        }
        copy.close().expect("closes");
        fs::remove_dir_all(&to).expect("removes");
        // What was done to the copy, its end included, is not to be seen here.
        check(&node.view().expect("a view"), recorded);
    }
}

#[test]
fn small_goes_on_equal_from_every_height() {
    every_height_goes_on_equal("small", |_| true);
}

#[test]
fn exact_goes_on_equal_from_some_heights() {
    every_height_goes_on_equal("exact", |height| height % 9 == 0);
}

/// Every file below `dir`.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).expect("lists") {
        let path = entry.expect("lists").path();
        match path.symlink_metadata().expect("stats").is_dir() {
            true => files.extend(self::files(&path)),
            false => files.push(path),
        }
    }
    files
}

/// A node in the middle of its first migration, with a snapshot.
fn in_migration(home: &Path) -> Node {
    let mut node = Node::open(home, options(2)).expect("a fresh node");
    fill(&mut node);
    node.set_mode(Mode::MigrateEvm).expect("a step");
    beat(&mut node);
    node.snapshot_now().expect("a snapshot");
    beat(&mut node);
    node
}

/// What `ferry verify` says of a home.
fn verified(home: &Path) -> VerifyReport {
    let modules = common::MODULES.map(str::to_owned);
    let request = VerifyRequest { checks: Check::ALL.to_vec(), threads: 1, candidates_max: 0, progress_file: None };
    let go_on = &mut |_| std::ops::ControlFlow::Continue(());
    ferry::verify_home(home, &modules, &request, &mut |_| Ok(()), go_on).expect("reads")
}

/// The blocks of both stores at `home`, looked at without the opening that would bring one to the other.
fn heights(home: &Path) -> (Option<u64>, Option<u64>) {
    let status = inspect(home, &common::MODULES.map(str::to_owned)).expect("two stores");
    (status.memiavl_height, status.flatkv_height)
}

#[test]
fn what_is_never_written_again_is_shared_and_nothing_else() {
    let place = tempfile::tempdir().expect("a directory");
    let (home, to) = (place.path().join("home"), place.path().join("copy"));
    let node = in_migration(&home);
    node.checkpoint(&to).expect("a checkpoint");
    let mut shared = Vec::new();
    for path in files(&to) {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let is_shared = path.symlink_metadata().expect("stats").nlink() > 1;
        let in_snapshot = path.to_string_lossy().contains("/snapshot-");
        let is_final = in_snapshot || name.ends_with(".sst") || name.starts_with("OPTIONS-");
        assert_eq!(is_shared, is_final, "{}", path.display());
        if is_shared {
            shared.push(name);
        }
    }
    assert!(shared.iter().any(|name| name == "kvs") && shared.iter().any(|name| name.ends_with(".sst")), "{shared:?}");
    node.close().expect("closes");
}

#[test]
fn a_checkpoint_is_a_home_that_verifies_and_whose_rollback_says_how_far_it_leads() {
    let place = tempfile::tempdir().expect("a directory");
    let (home, to) = (place.path().join("home"), place.path().join("copy"));
    let mut node = in_migration(&home);
    let snapshot = node.memiavl().expect("memiavl").snapshot_version();
    for _ in 0..3 {
        beat(&mut node);
    }
    let height = node.checkpoint(&to).expect("a checkpoint").height;
    migrate(&mut node, Mode::MigrateEvm);
    node.close().expect("closes");

    let report = verified(&to);
    assert!(report.is_clean(), "{report:?}");
    ferry::roll_back(&to, snapshot, &options(2)).expect("as far as its snapshot");
    assert_eq!(Node::open(&to, options(2)).expect("opens").height(), snapshot);
    let refused = ferry::plan_rollback(&to, snapshot - 1).expect_err("behind it nothing is left");
    assert_ne!(refused.kind(), ErrorKind::Corruption, "{refused}");
    assert!(Node::open(&home, options(2)).expect("opens").height() > height);
}

#[test]
fn a_checkpoint_of_mid_migration_stays_at_its_block_verifies_and_goes_on_to_the_same_app_hashes() {
    let place = tempfile::tempdir().expect("a directory");
    let (home, to) = (place.path().join("home"), place.path().join("copy"));
    let mut node = in_migration(&home);
    beat(&mut node);
    let (made, state) = (node.checkpoint(&to).expect("a checkpoint"), life::state(&node));
    assert!(matches!(node.boundary(), Boundary::InProgress { .. }), "keys of it are in both stores");

    // The original first: nothing that it writes may reach the copy.
    let app_hashes = |node: &mut Node| {
        let mut app_hashes = Vec::new();
        for next in [Mode::EvmMigrated, Mode::MigrateAllButBank, Mode::AllMigratedButBank] {
            while node.mode().migration().is_some() && node.boundary() != Boundary::Complete {
                app_hashes.push(beat(node).app_hash);
            }
            node.set_mode(next).expect("a step");
        }
        app_hashes
    };
    let expected = app_hashes(&mut node);
    assert_eq!(heights(&to), (Some(made.height), Some(made.height)));
    let report = verified(&to);
    assert!(report.is_clean(), "{report:?}");
    let mut copy = Node::open(&to, options(2)).expect("opens");
    assert_eq!((copy.height(), life::state(&copy)), (made.height, state));
    assert_eq!(app_hashes(&mut copy), expected);
    assert!(expected.len() > 10, "{}", expected.len());
}

#[test]
fn neither_store_of_a_checkpoint_is_older_than_the_other_and_a_mixture_of_two_is_refused() {
    let place = tempfile::tempdir().expect("a directory");
    let home = place.path().join("home");
    let mut node = in_migration(&home);
    let mut made = Vec::new();
    for _ in 0..5 {
        beat(&mut node);
        // A snapshot in the making takes blocks and changelog with it.
        node.snapshot().expect("begins");
        let to = place.path().join(node.height().to_string());
        let height = node.checkpoint(&to).expect("a checkpoint").height;
        assert_eq!(heights(&to), (Some(height), Some(height)));
        made.push(to);
    }
    let (older, newer) = (Home::locate(&made[0]), Home::locate(&made[4]));
    fs::remove_dir_all(older.memiavl()).expect("removes");
    fs::rename(newer.memiavl(), older.memiavl()).expect("renames");
    let refused = Node::open(&made[0], options(2)).err().expect("memiavl has blocks that FlatKV never had");
    assert_eq!(refused.kind(), ErrorKind::Corruption, "{refused}");
    assert!(refused.to_string().contains("ferry rollback --to"), "{refused}");
}

#[test]
fn a_stopped_home_that_a_crash_has_left_is_finished_and_then_copied() {
    let place = tempfile::tempdir().expect("a directory");
    let (home, crashed, to) = (place.path().join("home"), place.path().join("crashed"), place.path().join("copy"));
    let mut node = in_migration(&home);
    beat(&mut node);
    common::image::take(&home, &crashed);
    let (segment, bytes) = common::image::changelog(&crashed).expect("a log");
    fs::OpenOptions::new().write(true).open(segment).expect("opens").set_len(bytes - 5).expect("tears the last entry");
    let height = node.height();
    let state = life::state(&node);
    node.close().expect("closes");
    let made = checkpoint(&crashed, &to, &options(2)).expect("a checkpoint");
    assert_eq!(made.height, height);
    let copy = Node::open(&to, options(2)).expect("opens");
    assert_eq!(life::state(&copy), state);
}

#[test]
fn a_place_that_will_not_do_is_refused_and_nothing_is_left_anywhere() {
    let place = tempfile::tempdir().expect("a directory");
    let home = place.path().join("home");
    let mut node = in_migration(&home);
    let refused = |node: &Node, to: &str, kind: ErrorKind| {
        let error = node.checkpoint(&place.path().join(to)).expect_err("refused");
        assert_eq!(error.kind(), kind, "{to}: {error}");
    };
    fs::create_dir(place.path().join("full")).expect("makes");
    fs::write(place.path().join("full/file"), "precious").expect("writes");
    refused(&node, "full", ErrorKind::Refused);
    refused(&node, "home/inside", ErrorKind::Input);
    refused(&node, "nowhere/copy", ErrorKind::Io);
    node.apply(vec![]).expect("a flush");
    refused(&node, "copy", ErrorKind::Input);
    node.commit().expect("commits");
    let names = || -> Vec<_> {
        let mut names: Vec<_> =
            fs::read_dir(place.path()).expect("lists").map(|entry| entry.expect("lists").file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(), ["full", "home"]);

    // An empty directory is taken, and what a killed process has left beside it is in nobody's way.
    fs::create_dir(place.path().join("copy")).expect("makes");
    fs::create_dir(place.path().join(".copy.unfinished-000000")).expect("makes");
    node.checkpoint(&place.path().join("copy")).expect("a checkpoint");
    assert_eq!(names(), [".copy.unfinished-000000", "copy", "full", "home"]);
    node.close().expect("closes");
}

#[test]
fn before_the_first_block_there_is_nothing_to_copy() {
    let place = tempfile::tempdir().expect("a directory");
    let node = Node::open(&place.path().join("home"), options(2)).expect("a fresh node");
    let refused = node.checkpoint(&place.path().join("copy")).expect_err("refused");
    assert_eq!(refused.kind(), ErrorKind::Input, "{refused}");
}
