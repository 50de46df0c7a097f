//! A state exported at a height and restored elsewhere is the same state, and the chain goes on equal from there; what is
//! damaged, out of order or made up replaces nothing.

mod common;

use std::ops::ControlFlow;
use std::path::Path;

use common::golden::{blocks, check, options as golden_options, take};
use common::life::{beat, block, copy, fill, migrate, migrate_all, state};
use common::{changes, lives, options, set};
use ferry::{
    Applied, Blame, ChunkError, Error, ErrorKind, ExportProgress, Exported, Exports, Import, Manifest, Mode, Node,
    Options, Restore, RestorePoint, RestoreProgress, Source, export,
};

/// So small that records fall apart between chunks.
const CHUNK_BYTES: u32 = 150;
/// Chunks of recorded states, which are larger.
const RECORDED_CHUNK_BYTES: u32 = 20_000;
/// From so many heights a recorded chain goes on to its end, from those between them for some blocks.
const WHOLE_INTERVAL: u64 = 16;
const BLOCKS_BETWEEN: usize = 4;

fn go_on<T>(_: T) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Exports the last block of `node` into `dir`.
fn export_to(node: &Node, dir: &Path) -> Exported {
    export_in_chunks(node, dir, CHUNK_BYTES)
}

fn export_in_chunks(node: &Node, dir: &Path, chunk_bytes: u32) -> Exported {
    let source = Source::of_view(&node.view().expect("a view")).expect("a state");
    export(&source, dir, chunk_bytes, &mut go_on).expect("exports");
    Exported::open(dir).expect("a whole export")
}

/// Takes all chunks that are wanted.
fn apply_all(restore: &mut Restore, exported: &Exported) -> Result<(), Error> {
    for index in restore.next_chunk()..exported.manifest().chunk_count() {
        assert_eq!(restore.apply(index, &exported.chunk(index)?)?, Applied::Taken);
    }
    Ok(())
}

/// Restores `exported` into `home`.
fn restore(home: &Path, exported: &Exported, options: &Options) -> Result<Manifest, Error> {
    let manifest = exported.manifest();
    let mut restore = Restore::begin(home, manifest, Some(manifest.app_hash), options)?;
    apply_all(&mut restore, exported)?;
    restore.finish(&mut go_on)
}

/// Recomputes every hash of both stores.
fn verify(node: &Node) {
    let view = node.view().expect("a view");
    if let Some(flatkv) = view.new_store() {
        let report = flatkv.verify(&mut go_on).expect("reads").expect("to its end");
        assert!(report.is_clean(), "{report:?}");
    }
}

fn every_height_goes_on_equal(life: &str, chosen: impl Fn(u64) -> bool) {
    let blocks = blocks(life);
    let options = golden_options(&blocks[0], 0);
    let source_home = lives::home();
    let mut node = Node::open(source_home.path(), options.clone()).expect("a fresh node");
    for (done, recorded) in blocks.iter().enumerate() {
        take(&mut node, recorded);
        if !chosen(node.height()) {
            continue;
        }
        let [home, dir] = [(); 2].map(|()| lives::home());
        let exported = export_in_chunks(&node, dir.path(), RECORDED_CHUNK_BYTES);
        restore(home.path(), &exported, &options).expect("restores");
        let mut restored = Node::open(home.path(), options.clone()).expect("opens");
        assert_eq!(restored.last_commit_info(), node.last_commit_info());
        check(&restored.view().expect("a view"), recorded);
        // To export it again gives the same bytes: every node, version and height is as it was.
        let again = lives::home();
        let same = export_in_chunks(&restored, again.path(), RECORDED_CHUNK_BYTES);
        assert_eq!(same.manifest().hash(), exported.manifest().hash(), "height {}", node.height());
        let ahead = if node.height().is_multiple_of(WHOLE_INTERVAL) { blocks.len() } else { BLOCKS_BETWEEN };
        for recorded in blocks[done + 1..].iter().take(ahead) {
            take(&mut restored, recorded);
            check(&restored.view().expect("a view"), recorded);
        }
        verify(&restored);
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

/// A node in the middle of its first migration.
fn node_in_migration(home: &Path) -> Node {
    let mut node = Node::open(home, options(2)).expect("a fresh node");
    fill(&mut node);
    node.set_mode(Mode::MigrateEvm).expect("a step");
    beat(&mut node);
    beat(&mut node);
    node
}

#[test]
fn a_home_that_has_a_state_has_the_other_one_afterwards_whatever_stores_each_has() {
    // Before FlatKV, in a migration, behind memiavl's end.
    let states: Vec<_> = (0..3)
        .map(|kind| {
            let home = lives::home();
            let mut node = Node::open(home.path(), options(3)).expect("a fresh node");
            fill(&mut node);
            match kind {
                0 => {}
                1 => {
                    node.set_mode(Mode::MigrateEvm).expect("a step");
                    beat(&mut node);
                }
                _ => migrate_all(&mut node),
            }
            (beat(&mut node), home, node)
        })
        .collect();
    for (block, _from, source) in &states {
        let dir = lives::home();
        let exported = export_to(source, dir.path());
        for (_, present, _) in &states {
            let home = lives::home();
            common::image::take(present.path(), home.path());
            restore(home.path(), &exported, &options(3)).expect("restores");
            let mut node = Node::open(home.path(), options(3)).expect("opens");
            assert_eq!((node.height(), state(&node)), (block.height, state(source)));
            assert!(!home.path().join("data/state_commit/restore").exists());
            beat(&mut node);
            verify(&node);
            node.close().expect("a clean close");
        }
    }
}

#[test]
fn a_restored_node_rolls_back_to_where_it_was_restored_and_no_further() {
    let [from, home, dir] = [(); 3].map(|()| lives::home());
    let source = node_in_migration(from.path());
    let exported = export_to(&source, dir.path());
    let height = exported.manifest().height;
    restore(home.path(), &exported, &options(2)).expect("restores");
    let mut node = Node::open(home.path(), options(2)).expect("opens");
    migrate(&mut node, Mode::MigrateEvm);
    let node = node.rollback(height, options(2)).expect("back to the restored block");
    assert_eq!(state(&node), state(&source));
    node.close().expect("a clean close");
    let error = ferry::plan_rollback(home.path(), height - 1).expect_err("before it");
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
}

#[test]
fn exports_are_taken_while_blocks_go_on_listed_and_pruned() {
    let [home, dir, to] = [(); 3].map(|()| lives::home());
    let mut node = node_in_migration(home.path());
    let exports = Exports::at(dir.path().join("exports"));
    assert_eq!(exports.list().expect("none yet"), []);
    let mut states = Vec::new();
    for _ in 0..3 {
        let view = node.view().expect("a view");
        states.push((view.height(), state(&node)));
        // Blocks behind the view are of no matter to what is exported.
        beat(&mut node);
        exports.take(&view, CHUNK_BYTES, &mut go_on).expect("exports");
        drop(view);
    }
    let heights = |exports: &Exports| -> Vec<u64> {
        exports.list().expect("lists").iter().map(|exported| exported.manifest().height).collect()
    };
    assert_eq!(heights(&exports), states.iter().map(|(height, _)| *height).collect::<Vec<_>>());
    exports.prune(2).expect("prunes");
    assert_eq!(heights(&exports), [states[1].0, states[2].0]);
    restore(to.path(), &exports.open(states[1].0).expect("kept"), &options(2)).expect("restores");
    let restored = Node::open(to.path(), options(2)).expect("opens");
    assert_eq!((restored.height(), &state(&restored)), (states[1].0, &states[1].1));
    assert!(matches!(exports.open(states[0].0), Err(Error::NoExport { .. })));
}

#[test]
fn a_home_on_disk_is_exported_as_its_node_would_and_nothing_below_it_is_written() {
    let [home, of_view, of_home] = [(); 3].map(|()| lives::home());
    let mut node = Some(node_in_migration(home.path()));
    let expected = export_to(node.as_ref().expect("open"), of_view.path());
    // Beside the node that runs, then of the home alone.
    for is_open in [true, false] {
        let before = (!is_open).then(|| common::life::files(home.path()));
        let dir = of_home.path().join(is_open.to_string());
        let source = Source::of_home(home.path(), Some(expected.manifest().height)).expect("a state");
        export(&source, &dir, CHUNK_BYTES, &mut go_on).expect("exports");
        let exported = Exported::open(&dir).expect("whole");
        assert_eq!(exported.manifest(), expected.manifest());
        for index in 0..exported.manifest().chunk_count() {
            assert_eq!(exported.chunk(index).expect("reads"), expected.chunk(index).expect("reads"));
        }
        drop(source);
        assert!(before.is_none_or(|before| before == common::life::files(home.path())));
        if let Some(node) = node.take() {
            node.close().expect("a clean close");
        }
    }
    let error = Source::of_home(home.path(), Some(expected.manifest().height + 1)).err().expect("another height");
    assert!(matches!(error, Error::ExportHeight { .. }), "{error:?}");
}

#[test]
fn an_export_that_is_stopped_goes_on_behind_its_last_chunk_and_comes_out_the_same() {
    let [home, whole, stopped] = [(); 3].map(|()| lives::home());
    let node = node_in_migration(home.path());
    let expected = export_to(&node, whole.path());
    let chunks = expected.manifest().chunk_count();
    assert!(chunks > 4, "{chunks} chunks");
    let source = Source::of_view(&node.view().expect("a view")).expect("a state");
    for stop in 1..chunks {
        let mut stop_there = |now: ExportProgress| match now.chunks >= stop {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        let error = export(&source, stopped.path(), CHUNK_BYTES, &mut stop_there).expect_err("stopped");
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        assert!(matches!(Exported::open(stopped.path()), Err(Error::NoExport { .. })));
    }
    let report = export(&source, stopped.path(), CHUNK_BYTES, &mut go_on).expect("goes on");
    assert_eq!(report.chunks_before, chunks - 1);
    let exported = Exported::open(stopped.path()).expect("whole");
    assert_eq!(exported.manifest(), expected.manifest());
    for index in 0..chunks {
        assert_eq!(exported.chunk(index).expect("reads"), expected.chunk(index).expect("reads"));
    }
    let again = export(&source, stopped.path(), CHUNK_BYTES, &mut go_on).expect("there already");
    assert_eq!(again.chunks_before, chunks);
    let other = export(&source, stopped.path(), CHUNK_BYTES + 1, &mut go_on).expect_err("other chunks");
    assert_eq!(other.kind(), ErrorKind::Configuration);
}

#[test]
fn damaged_missing_and_reordered_chunks_are_refused_and_the_right_one_is_taken_afterwards() {
    let [from, home, dir] = [(); 3].map(|()| lives::home());
    let source = node_in_migration(from.path());
    let exported = export_to(&source, dir.path());
    // As they are: another packing of the same payload would be the same chunk.
    let (manifest, plain) = made_up(exported.manifest(), &stream(&exported));
    let chunks = manifest.chunk_count();
    let mut restore = Restore::begin(home.path(), &manifest, None, &options(2)).expect("begins");
    for index in 0..chunks {
        let chunk = plain[index as usize].clone();
        for at in (0..chunk.len()).step_by(29) {
            let mut damaged = chunk.clone();
            damaged[at] ^= 0x40;
            match restore.apply(index, &damaged) {
                Err(error @ Error::Chunk { .. }) => assert_eq!(error.blame(), Blame::Chunk),
                other => panic!("chunk {index} byte {at}: {other:?}"),
            }
        }
        let cut = restore.apply(index, &chunk[..chunk.len() - 1]).expect_err("cut off");
        assert!(matches!(cut, Error::Chunk { .. }), "{cut:?}");
        if index + 1 < chunks {
            let next = plain[index as usize + 1].clone();
            let early = restore.apply(index + 1, &next).expect_err("too early");
            assert!(matches!(early, Error::ChunkOrder { expected, got } if (expected, got) == (index, index + 1)));
            assert_eq!(early.blame(), Blame::Chunk);
            let swapped = restore.apply(index, &next).expect_err("another one");
            assert!(matches!(swapped, Error::Chunk { source: ChunkError::Other { .. }, .. }), "{swapped:?}");
        }
        assert_eq!(restore.apply(index, &chunk).expect("the right one"), Applied::Taken);
        assert_eq!(restore.apply(index, &chunk).expect("once more"), Applied::Before);
        assert!(restore.apply(index, &chunk[1..]).is_err(), "what is there already is checked too");
    }
    assert!(matches!(restore.apply(chunks, &[]), Err(Error::ChunkOrder { .. })));
    restore.finish(&mut go_on).expect("restores");
    let node = Node::open(home.path(), options(2)).expect("opens");
    assert_eq!(state(&node), state(&source));
}

#[test]
fn a_restore_without_all_chunks_or_with_another_app_hash_changes_nothing() {
    let [from, home, dir] = [(); 3].map(|()| lives::home());
    let source = node_in_migration(from.path());
    let exported = export_to(&source, dir.path());
    let manifest = exported.manifest();
    let mut present = node_in_migration(home.path());
    block(&mut present, changes("bank", vec![set(b"another", b"chain")]));
    let (height, expected) = (present.height(), state(&present));
    let view = present.view().expect("a view");
    present.close().expect("a clean close");
    let open = Restore::begin(home.path(), manifest, None, &options(2)).err().expect("a view is open");
    assert_eq!((open.kind(), open.blame()), (ErrorKind::Locked, Blame::Home));
    drop(view);
    let lie = Restore::begin(home.path(), manifest, Some([7; 32]), &options(2)).err().expect("not trusted");
    assert!(matches!(lie, Error::AppHashUntrusted { .. }), "{lie:?}");
    assert_eq!(lie.blame(), Blame::Export);
    let mut restore = Restore::begin(home.path(), manifest, None, &options(2)).expect("begins");
    restore.apply(0, &exported.chunk(0).expect("reads")).expect("the first");
    let error = restore.finish(&mut go_on).expect_err("chunks are missing");
    assert!(matches!(error, Error::ChunksMissing { got: 1, .. }), "{error:?}");
    let node = Node::open(home.path(), options(2)).expect("opens");
    assert_eq!((node.height(), state(&node)), (height, expected));
}

/// The payloads of an export, one behind the other.
fn stream(exported: &Exported) -> Vec<u8> {
    let chunk = |index| {
        let chunk = exported.chunk(index).expect("reads");
        let (packing, body) = (chunk[24], &chunk[61..]);
        let bytes = u32::from_be_bytes(chunk[25..29].try_into().expect("four bytes")) as usize;
        if packing == 0 { body.to_vec() } else { lz4_flex::block::decompress(body, bytes).expect("unpacks") }
    };
    (0..exported.manifest().chunk_count()).flat_map(chunk).collect()
}

/// What a sender makes who changes the stream and hashes everything anew: a manifest and chunks that fit each other.
fn made_up(manifest: &Manifest, stream: &[u8]) -> (Manifest, Vec<Vec<u8>>) {
    let payloads: Vec<&[u8]> = stream.chunks(CHUNK_BYTES as usize).collect();
    let chunk = |(index, payload): (usize, &&[u8])| {
        let hash = blake3::hash(payload);
        let (index, length) = (index as u32, payload.len() as u32);
        [b"ferrychk", 1_u32.to_be_bytes().as_slice(), &index.to_be_bytes(), &manifest.height.to_be_bytes(), &[0]]
            .concat()
            .into_iter()
            .chain(length.to_be_bytes())
            .chain(*hash.as_bytes())
            .chain(payload.iter().copied())
            .collect()
    };
    let chunks = payloads.iter().enumerate().map(chunk).collect();
    let hashes = payloads.iter().map(|payload| *blake3::hash(payload).as_bytes()).collect();
    (Manifest { stream_bytes: stream.len() as u64, chunks: hashes, ..manifest.clone() }, chunks)
}

/// Restores what was made up; the error that ends it, after which the home has what it had.
fn refused(home: &Path, manifest: &Manifest, chunks: &[Vec<u8>]) -> Error {
    let mut restore =
        Restore::begin(home, manifest, Some(manifest.app_hash), &options(2)).expect("the manifest is sound");
    for (index, chunk) in (0..).zip(chunks) {
        if let Err(error) = restore.apply(index, chunk) {
            assert!(matches!(restore.apply(index, chunk), Err(Error::RestoreSpoiled)));
            assert!(matches!(restore.finish(&mut go_on), Err(Error::RestoreSpoiled)));
            return error;
        }
    }
    restore.finish(&mut go_on).expect_err("it is another state")
}

#[test]
fn a_changed_value_is_refused_by_the_app_hash_though_every_chunk_fits() {
    let [from, home, dir] = [(); 3].map(|()| lives::home());
    let mut source = node_in_migration(from.path());
    block(&mut source, changes("wasm", vec![set(b"in memiavl", b"an old value")]));
    block(&mut source, changes("evm", vec![set(&common::slot_key(200, 1), &[0xab; 32])]));
    let exported = export_to(&source, dir.path());
    let mut present = Node::open(home.path(), options(2)).expect("a fresh node");
    fill(&mut present);
    let expected = (present.height(), state(&present));
    present.close().expect("a clean close");
    let honest = stream(&exported);
    let find = |what: &[u8]| honest.windows(what.len()).position(|found| found == what).expect("in the stream");
    // A value in memiavl, a row of FlatKV, a leaf's version; a record taken away; garbage.
    let changed = |at: usize| {
        let mut stream = honest.clone();
        stream[at] ^= 1;
        stream
    };
    let lies = [
        ("value", changed(find(b"an old value"))),
        ("row", changed(find(&[0xab; 32]))),
        ("end", honest[..honest.len() - 1].to_vec()),
        ("more", [honest.as_slice(), &[6]].concat()),
        ("lanes", honest[..find(&[4, 0])].iter().chain(&[6]).copied().collect()),
        ("nothing", vec![6]),
        ("kind", vec![9; 100]),
    ];
    for (lie, stream) in lies {
        let (manifest, chunks) = made_up(exported.manifest(), &stream);
        let error = refused(home.path(), &manifest, &chunks);
        assert_eq!((error.kind(), error.blame()), (ErrorKind::Corruption, Blame::Export), "{lie}: {error:?}");
        let of_the_state =
            matches!(error, Error::RestoredRoot { .. } | Error::RestoredStoreMissing { .. } | Error::Stream { .. });
        assert!(of_the_state, "{lie}: {error:?}");
        let node = Node::open(home.path(), options(2)).expect("opens");
        assert_eq!((node.height(), state(&node)), expected, "{lie}");
        assert!(!home.path().join("data/state_commit/restore").exists(), "{lie}");
        node.close().expect("a clean close");
    }
    let (manifest, chunks) = made_up(exported.manifest(), &honest);
    let mut restore = Restore::begin(home.path(), &manifest, None, &options(2)).expect("begins");
    for (index, chunk) in (0..).zip(&chunks) {
        restore.apply(index, chunk).expect("the truth, packed otherwise, is taken");
    }
    restore.finish(&mut go_on).expect("restores");
    assert_eq!(state(&Node::open(home.path(), options(2)).expect("opens")), state(&source));
}

#[test]
fn every_changed_byte_of_the_stream_is_refused() {
    let [from, home, dir] = [(); 3].map(|()| lives::home());
    let source = node_in_migration(from.path());
    let exported = export_to(&source, dir.path());
    let honest = stream(&exported);
    for at in (0..honest.len()).step_by(41) {
        let mut stream = honest.clone();
        stream[at] ^= 0x04;
        let (manifest, chunks) = made_up(exported.manifest(), &stream);
        let error = refused(home.path(), &manifest, &chunks);
        assert_eq!((error.kind(), error.blame()), (ErrorKind::Corruption, Blame::Export), "byte {at}: {error:?}");
    }
}

#[test]
fn a_crash_at_any_point_leaves_the_old_state_or_the_new_one_and_the_restore_goes_on() {
    let [from, dir] = [(); 2].map(|()| lives::home());
    let source = node_in_migration(from.path());
    let exported = export_to(&source, dir.path());
    for point in RestorePoint::ALL {
        let [home, crashed] = [(); 2].map(|()| lives::home());
        let mut present = Node::open(home.path(), options(2)).expect("a fresh node");
        fill(&mut present);
        block(&mut present, changes("bank", vec![set(b"another", b"chain")]));
        let before = (present.height(), state(&present));
        present.close().expect("a clean close");

        let mut restore = Restore::begin(home.path(), exported.manifest(), None, &options(2)).expect("begins");
        let (root, to) = (home.path().to_owned(), crashed.path().to_owned());
        let mut seen = 0;
        restore.set_hook(Box::new(move |reached| {
            seen += u32::from(reached == point);
            // The third time where a point comes with every chunk.
            let is_it = if point <= RestorePoint::Noted { seen == 3 } else { seen == 1 };
            if reached == point && is_it {
                copy(&root, &to);
            }
        }));
        apply_all(&mut restore, &exported).expect("takes");
        restore.finish(&mut go_on).expect("restores");

        let is_done = point >= RestorePoint::Switched;
        let opened = lives::home();
        copy(crashed.path(), opened.path());
        let node = Node::open(opened.path(), options(2)).unwrap_or_else(|error| panic!("{point}: {error:?}"));
        let expected = if is_done { (source.height(), state(&source)) } else { before };
        assert_eq!((node.height(), state(&node)), expected, "{point}");
        node.close().expect("a clean close");
        if !is_done {
            let again = Restore::begin(crashed.path(), exported.manifest(), None, &options(2)).expect("goes on");
            let there = match point {
                RestorePoint::Taken => 2,
                RestorePoint::Noted => 3,
                _ => exported.manifest().chunk_count(),
            };
            assert_eq!(again.next_chunk(), there, "{point}");
            drop(again);
            restore_rest(crashed.path(), &exported);
            let mut node = Node::open(crashed.path(), options(2)).expect("opens");
            assert_eq!(state(&node), state(&source), "{point}");
            beat(&mut node);
            verify(&node);
        }
    }
}

fn restore_rest(home: &Path, exported: &Exported) {
    let mut restore = Restore::begin(home, exported.manifest(), None, &options(2)).expect("goes on");
    // A sender may begin anew.
    assert_eq!(restore.apply(0, &exported.chunk(0).expect("reads")).expect("the first"), Applied::Before);
    apply_all(&mut restore, exported).expect("takes the rest");
    restore.finish(&mut go_on).expect("restores");
}

#[test]
fn a_stop_while_the_stores_are_built_keeps_all_chunks() {
    let [from, home, dir] = [(); 3].map(|()| lives::home());
    let source = node_in_migration(from.path());
    let exported = export_to(&source, dir.path());
    let mut restore = Restore::begin(home.path(), exported.manifest(), None, &options(2)).expect("begins");
    apply_all(&mut restore, &exported).expect("takes");
    let error = restore.finish(&mut |_: RestoreProgress| ControlFlow::Break(())).expect_err("stopped");
    assert_eq!((error.kind(), error.blame()), (ErrorKind::Cancelled, Blame::Home));
    restore_rest(home.path(), &exported);
    assert_eq!(state(&Node::open(home.path(), options(2)).expect("opens")), state(&source));
}

#[test]
fn the_block_of_an_offline_import_is_not_exported_and_the_next_one_is() {
    let [home, dir, to] = [(); 3].map(|()| lives::home());
    let mut node = Node::open(home.path(), options(2)).expect("a fresh node");
    fill(&mut node);
    let at_height = node.height();
    node.close().expect("a clean close");
    let import = Import { at_height, to: Mode::EvmMigrated, threads: 1 };
    ferry::import(home.path(), import, &options(2), &mut go_on).expect("imports");
    let error = Source::of_home(home.path(), None).err().expect("no app hash stands for it");
    assert!(matches!(error, Error::ExportUncovered { .. }), "{error:?}");
    let mut node = Node::open(home.path(), options(2)).expect("opens");
    beat(&mut node);
    restore(to.path(), &export_to(&node, dir.path()), &options(2)).expect("restores");
    assert_eq!(state(&Node::open(to.path(), options(2)).expect("opens")), state(&node));
}
