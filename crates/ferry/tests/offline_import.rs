//! Offline import: the state moves at once, and everything but the heights of rows is as a live migration leaves it.

mod common;

use std::ops::ControlFlow;
use std::path::Path;

use common::life::{beat, block, copy, fill, migrate, migrate_all, state};
use common::{changes, golden, lives, options, set};
use ferry::{Error, ErrorKind, Import, ImportPoint, ImportProgress, ImportReport, Mode, Node, import, import_with};

/// The modes that an import leads to.
const TARGETS: [Mode; 3] = [Mode::EvmMigrated, Mode::AllMigratedButBank, Mode::FlatkvOnly];

fn request(at_height: u64, to: Mode) -> Import {
    Import { at_height, to, threads: 3 }
}

fn run(home: &Path, at_height: u64, to: Mode) -> Result<ImportReport, Error> {
    import(home, request(at_height, to), &options(4), &mut |_| ControlFlow::Continue(()))
}

/// Every row with the height taken out of it, and what its store says of itself.
fn rows(node: &Node) -> Vec<(Vec<u8>, Vec<u8>)> {
    let view = node.view().expect("a view");
    let Some(flatkv) = view.new_store() else { return Vec::new() };
    let rows = flatkv.rows().map(|row| row.expect("a row"));
    rows.map(|row| {
        let mut bytes = row.row.to_vec();
        bytes[1..9].fill(0);
        (row.key.to_vec(), bytes)
    })
    .collect()
}

/// Recomputes FlatKV's hashes from its rows.
fn verify(node: &Node) {
    let view = node.view().expect("a view");
    let Some(flatkv) = view.new_store() else { return };
    let report = flatkv.verify(&mut |_| ControlFlow::Continue(())).expect("reads").expect("to its end");
    assert!(report.is_clean(), "{report:?}");
}

/// Steps through the modes up to `to`, live, from wherever the node is.
fn migrate_live(node: &mut Node, to: Mode) {
    for mode in Mode::ALL.into_iter().filter(|mode| *mode <= to) {
        if mode < node.mode() {
            continue;
        }
        match mode.migration() {
            Some(_) => migrate(node, mode),
            None => node.set_mode(mode).expect("a step"),
        }
    }
}

/// A home whose chain has gone up to `mode` and `beats` blocks further, and its height.
fn home_at(home: &Path, mode: Mode, beats: usize) -> u64 {
    let mut node = Node::open(home, options(2)).expect("a fresh node");
    fill(&mut node);
    if mode > Mode::MemiavlOnly {
        let before = Mode::ALL.into_iter().rfind(|before| *before < mode).expect("a mode before");
        migrate_live(&mut node, before);
        node.set_mode(mode).expect("a step");
    }
    for _ in 0..beats {
        beat(&mut node);
    }
    let height = node.height();
    node.close().expect("a clean close");
    height
}

#[test]
fn from_wherever_a_chain_stands_the_state_and_the_rows_are_a_live_migrations() {
    for mode in Mode::ALL {
        for to in TARGETS.into_iter().filter(|to| to.base_version() > mode.base_version()) {
            let [imported, live] = [(); 2].map(|()| lives::home());
            let height = home_at(imported.path(), mode, 2);
            copy(imported.path(), live.path());
            let before = Node::open(imported.path(), options(2)).expect("opens");
            let (state_before, info_before) = (state(&before), before.last_commit_info());
            before.close().expect("a clean close");

            let report = run(imported.path(), height, to).expect("imports");
            assert_eq!((report.height, report.to_version), (height, to.base_version()));
            assert!(report.moved.keys > 0);

            let mut node = Node::open(imported.path(), options(2)).expect("opens");
            assert_eq!((node.height(), node.mode()), (height, to), "from {mode}");
            assert_eq!(state(&node), state_before, "from {mode} to {to}");
            assert_eq!(node.last_commit_info(), info_before, "the block's commit info stays as it was");
            verify(&node);

            // The live chain writes the same key in every block of its migration: so does the imported one.
            let mut other = Node::open(live.path(), options(3)).expect("opens");
            if mode.migration().is_some() {
                other.set_mode(mode).expect("goes on");
            }
            migrate_live(&mut other, to);
            let (mut ours, mut theirs) = (beat(&mut node), beat(&mut other));
            while ours.height < theirs.height {
                ours = beat(&mut node);
            }
            while theirs.height < ours.height {
                theirs = beat(&mut other);
            }
            assert_eq!(state(&node), state(&other), "from {mode} to {to}");
            assert_eq!(rows(&node), rows(&other), "from {mode} to {to}");
            let names = |info: &ferry::CommitInfo| info.store_infos.iter().map(|s| s.name.clone()).collect::<Vec<_>>();
            assert_eq!(names(&ours.commit_info), names(&theirs.commit_info), "from {mode} to {to}");
            verify(&node);
            node.close().expect("a clean close");
        }
    }
}

#[test]
fn blocks_go_on_and_a_rollback_leads_back_to_the_import_and_no_further() {
    for to in TARGETS {
        let home = lives::home();
        let height = home_at(home.path(), Mode::MemiavlOnly, 3);
        run(home.path(), height, to).expect("imports");
        let mut node = Node::open(home.path(), options(2)).expect("opens");
        let expected = state(&node);
        for _ in 0..5 {
            beat(&mut node);
        }
        let node = node.rollback(height, options(2)).expect("back to the import");
        assert_eq!((node.height(), state(&node)), (height, expected.clone()));
        node.close().expect("a clean close");
        let error = ferry::plan_rollback(home.path(), height - 1).expect_err("before the import");
        assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
        let mut node = Node::open(home.path(), options(2)).expect("as it was");
        assert_eq!(state(&node), expected);
        migrate_all_from(&mut node, to);
        verify(&node);
    }
}

/// Goes on live from an imported phase to the end.
fn migrate_all_from(node: &mut Node, from: Mode) {
    node.set_batch_size(3).expect("between blocks");
    for mode in Mode::ALL.into_iter().filter(|mode| *mode > from && *mode < Mode::FlatkvOnly) {
        match mode.migration() {
            Some(_) => migrate(node, mode),
            None => node.set_mode(mode).expect("a step"),
        }
    }
}

#[test]
fn a_wrong_height_is_refused_and_not_a_byte_is_changed() {
    let home = lives::home();
    let height = home_at(home.path(), Mode::MigrateEvm, 2);
    let before = common::life::files(home.path());
    for wrong in [height - 1, height + 1, 0] {
        let error = run(home.path(), wrong, Mode::FlatkvOnly).expect_err("another height");
        assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
        assert!(matches!(error, Error::ImportHeight { expected, got, .. } if (expected, got) == (wrong, height)));
    }
    assert_eq!(common::life::files(home.path()), before);
    for to in [Mode::MemiavlOnly, Mode::MigrateEvm, Mode::MigrateBank] {
        let error = run(home.path(), height, to).expect_err("no end of a migration");
        assert_eq!(error.kind(), ErrorKind::Input, "{error}");
    }
    assert_eq!(common::life::files(home.path()), before);
}

#[test]
fn a_stop_leaves_the_state_as_it_was_and_the_import_can_be_done_again() {
    let home = lives::home();
    let height = home_at(home.path(), Mode::MigrateAllButBank, 2);
    let expected = state(&Node::open(home.path(), options(2)).expect("opens"));
    let stop = &mut |_: ImportProgress| ControlFlow::Break(());
    let error = import(home.path(), request(height, Mode::FlatkvOnly), &options(2), stop).expect_err("stopped");
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    let node = Node::open(home.path(), options(2)).expect("opens");
    assert_eq!((node.height(), state(&node), node.mode()), (height, expected, Mode::MigrateAllButBank));
    assert!(!node.home().next().exists());
    node.close().expect("a clean close");
    run(home.path(), height, Mode::FlatkvOnly).expect("imports");
    let again = run(home.path(), height, Mode::FlatkvOnly).expect("there already");
    assert_eq!((again.from_version, again.moved.keys), (3, 0));
}

#[test]
fn a_crash_at_any_point_leaves_the_old_state_or_the_new_one() {
    for to in TARGETS {
        for point in ImportPoint::ALL {
            let [home, crashed] = [(); 2].map(|()| lives::home());
            let height = home_at(home.path(), Mode::MigrateEvm, 2);
            let expected = state(&Node::open(home.path(), options(2)).expect("opens"));
            let hook = &mut |reached| {
                if reached == point {
                    copy(home.path(), crashed.path());
                }
            };
            let go_on = &mut |_: ImportProgress| ControlFlow::Continue(());
            import_with(home.path(), request(height, to), &options(2), go_on, hook).expect("imports");
            for root in [crashed.path(), home.path()] {
                let is_done = root == home.path() || point >= ImportPoint::Switched;
                let mode = if is_done { to } else { Mode::MigrateEvm };
                let mut node = Node::open(root, options(2)).unwrap_or_else(|error| panic!("{point}: {error:?}"));
                assert_eq!((node.height(), node.mode()), (height, mode), "{point}");
                assert_eq!(state(&node), expected, "{point}");
                assert!(!node.home().next().exists());
                beat(&mut node);
                verify(&node);
                node.close().expect("a clean close");
            }
        }
    }
}

#[test]
fn a_chain_that_was_migrated_to_the_end_has_nothing_to_import() {
    let home = lives::home();
    let mut node = Node::open(home.path(), options(3)).expect("a fresh node");
    fill(&mut node);
    migrate_all(&mut node);
    let height = node.height();
    node.close().expect("a clean close");
    let report = run(home.path(), height, Mode::FlatkvOnly).expect("nothing to do");
    assert_eq!((report.from_version, report.to_version, report.modules.len()), (3, 3, 0));
}

#[test]
fn memiavl_is_not_taken_for_the_whole_state_where_flatkv_is_lost_after_an_import() {
    let home = lives::home();
    let height = home_at(home.path(), Mode::MemiavlOnly, 2);
    run(home.path(), height, Mode::EvmMigrated).expect("imports");
    std::fs::remove_dir_all(home.path().join("data/state_commit/flatkv")).expect("deletes");
    let error = Node::open(home.path(), options(2)).err().expect("refused");
    assert_eq!(error.kind(), ErrorKind::Corruption);
    let is_about_the_app_hash = matches!(error, Error::Migration(ferry::migrate_core::Error::AppHashMismatch { .. }));
    assert!(is_about_the_app_hash, "{error:?}");
}

#[test]
fn a_damaged_leaf_ends_the_import_and_the_state_stays() {
    let home = lives::home();
    let mut node = Node::open(home.path(), options(2)).expect("a fresh node");
    fill(&mut node);
    let snapshot = node.snapshot_now().expect("a snapshot");
    let height = node.height();
    node.close().expect("a clean close");
    let kvs = snapshot.join("wasm/kvs");
    let mut bytes = std::fs::read(&kvs).expect("reads");
    *bytes.last_mut().expect("a value") ^= 1;
    std::fs::write(&kvs, bytes).expect("writes");
    let error = run(home.path(), height, Mode::FlatkvOnly).expect_err("a leaf that is not its hash's");
    assert_eq!(error.kind(), ErrorKind::Corruption, "{error}");
    let node = Node::open(home.path(), options(2)).expect("opens");
    assert_eq!((node.height(), node.mode()), (height, Mode::MemiavlOnly));
    assert!(!node.home().next().exists());
}

#[test]
fn a_module_that_no_migration_moves_is_not_left_behind() {
    let home = lives::home();
    let height = home_at(home.path(), Mode::MemiavlOnly, 1);
    let few = ferry::Options { modules: vec!["bank".into(), "evm".into(), "acc".into()], ..options(2) };
    let go_on = &mut |_: ImportProgress| ControlFlow::Continue(());
    let error = import(home.path(), request(height, Mode::FlatkvOnly), &few, go_on).expect_err("wasm has keys");
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(matches!(error, Error::ImportLeaves { module, .. } if module == "wasm"));
    import(home.path(), request(height, Mode::AllMigratedButBank), &few, go_on).expect("it stays in memiavl");
}

/// FlatKV's roots as the reference's own importer makes them of the recorded `memiavl` directories, the row of the
/// migration's version added, which it does not write.
const RECORDED: [(&str, u64, [&str; 3]); 2] = [
    (
        "small",
        12,
        [
            "cdbc91701a08e0860c3a442ce61ad56c7facba5a1df5b32ac0de628f8d6e4a2d",
            "9ef324a815ef87d2ba56969161704fb22cda3760aa56223798a0125e3b685ddb",
            "cb84bedbbfe64a489429d56e1f40bc8c36f74bead7c5066531fd7d94c09d9168",
        ],
    ),
    (
        "exact",
        16,
        [
            "2297f85fe1efecf13677aca814ec1ba51593efce1d8ac7bfbc3ba51297d67e9b",
            "c2156462a2b468e7a875373810ba5a4dd5a3ff758f6d9e3aad9cdea2a4fea4f1",
            "f3ef43fb0bba96567f4688ec18ca945452f103e10ed5e75b29163ff9039911ce",
        ],
    ),
];

#[test]
fn recorded_chains_come_to_the_roots_of_the_references_importer() {
    for (life, height, roots) in RECORDED {
        let blocks = golden::blocks(life);
        let options = golden::options(&blocks[0], 0);
        let [whole, in_steps] = [(); 2].map(|()| lives::home());
        let mut node = Node::open(whole.path(), options.clone()).expect("a fresh node");
        for block in blocks.iter().take_while(|block| block["height"].as_u64() <= Some(height)) {
            golden::take(&mut node, block);
        }
        node.close().expect("a clean close");
        copy(whole.path(), in_steps.path());
        let go_on = &mut |_: ImportProgress| ControlFlow::Continue(());
        for (to, root) in TARGETS.into_iter().zip(roots) {
            // At once, and phase after phase: the rows are of one height either way.
            let at_once = lives::home();
            copy(whole.path(), at_once.path());
            for home in [at_once.path(), in_steps.path()] {
                let report = import(home, request(height, to), &options, go_on).expect("imports");
                assert_eq!(hex::encode(report.root.expect("a root")), root, "{life} {to}");
                verify(&Node::open(home, options.clone()).expect("opens"));
            }
        }
    }
}

#[test]
fn accounts_meet_whatever_pieces_their_keys_are_split_into() {
    let [imported, live] = [(); 2].map(|()| lives::home());
    let mut node = Node::open(imported.path(), options(1 << 20)).expect("a fresh node");
    // More code hashes than nonces at some addresses and fewer at others, and keys of other lengths between them.
    let mut pairs = Vec::new();
    for index in 0..24_000_u32 {
        let address = [index.wrapping_mul(0x9e37_79b9).to_be_bytes().as_slice(), &[7; 16]].concat();
        let key = |prefix: u8| [&[prefix], address.as_slice()].concat();
        if index % 3 != 0 {
            pairs.push(set(&key(0x0a), &u64::from(index % 5).to_be_bytes()));
        }
        if index % 4 != 0 {
            pairs.push(set(&key(0x08), &[u8::from(index % 6 > 1); 32]));
        }
        if index % 40 == 0 {
            pairs.extend([0x08, 0x0a].map(|prefix| set(&key(prefix)[..9], b"short")));
            pairs.extend([0x08, 0x0a].map(|prefix| set(&[key(prefix).as_slice(), b"more"].concat(), b"long")));
        }
    }
    pairs.sort_by(|a, b| a.key.cmp(&b.key));
    block(&mut node, changes("evm", pairs));
    let height = node.height();
    node.close().expect("a clean close");
    copy(imported.path(), live.path());

    run(imported.path(), height, Mode::EvmMigrated).expect("imports");
    let imported = Node::open(imported.path(), options(2)).expect("opens");
    verify(&imported);
    let mut live = Node::open(live.path(), options(1 << 20)).expect("opens");
    live.set_mode(Mode::MigrateEvm).expect("a step");
    block(&mut live, Vec::new());
    assert_eq!(live.mode(), Mode::MigrateEvm);
    assert_eq!(rows(&imported), rows(&live));
    assert_eq!(state(&imported), state(&live));
}
