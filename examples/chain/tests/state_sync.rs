//! A node that joins gets its state from a peer's snapshot: whole or not at all, whatever is sent and whenever it dies.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use app::{Driven, EVERY_BLOCKS, SNAPSHOTS};
use common::{Load, migrate};
use example_chain::{AtPoint, SnapshotSettings};
use ferry::{Manifest, RestorePoint};
use tempfile::TempDir;
use tendermint_proto::v0_38::abci::Snapshot;
use tendermint_proto::v0_38::abci::response_apply_snapshot_chunk::Result as Applied;
use tendermint_proto::v0_38::abci::response_offer_snapshot::Result as Offered;

#[path = "common/app.rs"]
mod app;
mod common;

/// A chain's life, with a snapshot of every few blocks.
struct Life {
    node: Driven,
    _home: TempDir,
    load: Load,
    blocks: Vec<Vec<Vec<u8>>>,
    app_hashes: Vec<Vec<u8>>,
}

impl Life {
    fn begin(seed: u64) -> Self {
        let home = home();
        let node = Driven::start(home.path());
        node.init();
        Self { node, _home: home, load: Load::new(seed), blocks: Vec::new(), app_hashes: Vec::new() }
    }

    /// A chain in the middle of its first migration.
    fn migrating() -> Self {
        let mut life = Self::begin(5);
        life.blocks(11);
        life
    }

    fn height(&self) -> u64 {
        self.blocks.len() as u64
    }

    fn app_hash(&self, height: u64) -> &[u8] {
        &self.app_hashes[height as usize - 1]
    }

    /// Commits a block, and waits for its snapshot if there is to be one.
    fn block(&mut self) {
        let height = self.height() + 1;
        let mut txs = self.load.txs(6);
        match height {
            6 => txs.push(migrate(0, 9, "evm_migrated")),
            30 => txs.push(migrate(1, 7, "flatkv_only")),
            _ => {}
        }
        self.app_hashes.push(self.node.block(height, &txs));
        self.blocks.push(txs);
        if height.is_multiple_of(EVERY_BLOCKS) {
            self.node.wait_for_snapshot(height);
        }
    }

    fn blocks(&mut self, count: u64) {
        (0..count).for_each(|_| self.block());
    }

    fn snapshot(&self, height: u64) -> Snapshot {
        let mut snapshots = self.node.snapshots().into_iter();
        snapshots.find(|snapshot| snapshot.height == height).expect("a snapshot of that height")
    }

    /// Has a node that joined make the blocks that it lacks, and compares each.
    fn go_on(&self, node: &Driven, until: u64) {
        for height in node.info().0 + 1..=until {
            let app_hash = node.block(height, &self.blocks[height as usize - 1]);
            assert_eq!(app_hash, self.app_hash(height), "height {height}");
        }
    }
}

fn home() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

#[test]
fn a_node_joins_before_within_and_after_each_migration_and_goes_on_equal() {
    let mut life = Life::begin(1);
    // The heights of the snapshots, by the mode that the chain was in.
    let mut heights: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    while life.height() < 150 && heights.get("flatkv_only").is_none_or(|heights| heights.len() < 2) {
        (0..EVERY_BLOCKS).for_each(|_| life.block());
        let (_, status) = life.node.status();
        let mode = status["write_mode"].as_str().expect("a mode").to_owned();
        heights.entry(mode).or_default().push(life.height());
    }
    for mode in ["memiavl_only", "migrate_evm", "evm_migrated", "migrate_all_but_bank", "migrate_bank", "flatkv_only"] {
        let heights = heights.get(mode).unwrap_or_else(|| panic!("no snapshot in mode {mode}"));
        for height in BTreeSet::from([heights[0], heights[heights.len() - 1]]) {
            let home = home();
            let node = Driven::start(home.path());
            node.sync(&life.node, &life.snapshot(height), life.app_hash(height));
            // From the first one to the very end, through all migrations that are left.
            let until = if height == heights[0] { life.height() } else { life.height().min(height + 6) };
            life.go_on(&node, until);
            if until == life.height() {
                assert_eq!(node.status(), life.node.status());
            }
        }
    }
}

#[test]
fn blocks_go_on_while_snapshots_are_written_and_only_the_newest_are_kept() {
    let (from, to) = (home(), home());
    let node = Driven::start_with(from.path(), SnapshotSettings { kept: 2, ..SNAPSHOTS }, None);
    node.init();
    let mut load = Load::new(2);
    let mut app_hashes = Vec::new();
    // Nobody waits for a snapshot: one whose turn comes while another is being written is left out.
    for height in 1..=60 {
        let mut txs = load.txs(6);
        if height == 10 {
            txs.push(migrate(0, 5, "flatkv_only"));
        }
        app_hashes.push(node.block(height, &txs));
    }
    node.app.close().expect("closed");
    let snapshots = node.snapshots();
    assert!((1..=3).contains(&snapshots.len()), "{} snapshots", snapshots.len());
    for snapshot in snapshots {
        assert!(snapshot.height.is_multiple_of(EVERY_BLOCKS));
        let joined = Driven::start(to.path());
        joined.sync(&node, &snapshot, &app_hashes[snapshot.height as usize - 1]);
    }
}

#[test]
fn a_chunk_that_is_damaged_or_another_one_is_asked_for_again_and_its_sender_is_not() {
    let life = Life::migrating();
    let snapshot = life.snapshot(8);
    let home = home();
    let node = Driven::start(home.path());
    assert_eq!(node.offer(&snapshot, life.app_hash(8)), Offered::Accept);
    assert!(snapshot.chunks > 4, "{} chunks", snapshot.chunks);
    for index in 0..snapshot.chunks {
        let chunk = life.node.chunk(&snapshot, index);
        let mut damaged = chunk.clone();
        damaged[chunk.len() / 2] ^= 0x10;
        let other = life.node.chunk(&snapshot, (index + 1) % snapshot.chunks);
        for wrong in [damaged, other, chunk[..chunk.len() - 1].to_vec(), Vec::new()] {
            let answer = node.apply(index, wrong, "liar");
            assert_eq!(answer.result(), Applied::Retry, "chunk {index}");
            assert_eq!((answer.refetch_chunks, answer.reject_senders), (vec![index], vec!["liar".to_owned()]));
        }
        assert_eq!(node.apply(index, chunk, "peer").result(), Applied::Accept, "chunk {index}");
    }
    assert_eq!(node.info(), (8, life.app_hash(8).to_vec()));
    life.go_on(&node, life.height());
}

#[test]
fn a_chunk_that_is_too_early_asks_for_those_before_it_and_one_that_comes_again_does_no_harm() {
    let life = Life::migrating();
    let snapshot = life.snapshot(8);
    let home = home();
    let node = Driven::start(home.path());
    assert_eq!(node.offer(&snapshot, life.app_hash(8)), Offered::Accept);
    let early = node.apply(3, life.node.chunk(&snapshot, 3), "peer");
    assert_eq!(early.result(), Applied::Retry);
    assert_eq!((early.refetch_chunks, early.reject_senders), (vec![0, 1, 2], vec![]));
    for index in 0..snapshot.chunks - 1 {
        for again in 0..=index {
            let answer = node.apply(again, life.node.chunk(&snapshot, again), "peer");
            assert_eq!(answer.result(), Applied::Accept, "chunk {again} behind {index}");
        }
    }
    let last = snapshot.chunks - 1;
    assert_eq!(node.apply(last, life.node.chunk(&snapshot, last), "peer").result(), Applied::Accept);
    assert_eq!(node.info(), (8, life.app_hash(8).to_vec()));
    // Unasked for.
    assert_eq!(node.apply(last, life.node.chunk(&snapshot, last), "peer").result(), Applied::Abort);
    life.go_on(&node, life.height());
}

#[test]
fn an_offer_that_cannot_be_the_chains_is_refused_and_the_state_stays_open() {
    let life = Life::migrating();
    let snapshot = life.snapshot(8);
    let app_hash = life.app_hash(8);
    let home = home();
    let node = Driven::start(home.path());
    node.init();
    life.go_on(&node, 3);
    let offer = |change: fn(&mut Snapshot)| {
        let mut changed = snapshot.clone();
        change(&mut changed);
        node.offer(&changed, app_hash)
    };
    let refusals = [
        offer(|snapshot| snapshot.metadata = snapshot.metadata.slice(1..)),
        offer(|snapshot| snapshot.metadata = vec![].into()),
        offer(|snapshot| snapshot.height += 1),
        offer(|snapshot| snapshot.chunks -= 1),
        offer(|snapshot| snapshot.hash = vec![7; 32].into()),
        node.offer(&snapshot, life.app_hash(9)),
    ];
    assert_eq!(refusals, [Offered::RejectSender; 6]);
    let another_format = offer(|snapshot| {
        let mut metadata = snapshot.metadata.to_vec();
        metadata[11] += 1;
        snapshot.metadata = metadata.into();
    });
    assert_eq!(another_format, Offered::RejectFormat);
    assert_eq!(node.offer(&snapshot, b"no hash"), Offered::Abort);
    life.go_on(&node, life.height());
}

/// A snapshot whose chunks are another chain's, and whose manifest says that they are this one's.
fn lie(life: &Life, other: &Life, height: u64) -> Snapshot {
    let manifest = |life: &Life| Manifest::decode(&life.snapshot(height).metadata).expect("a manifest");
    let (honest, other) = (manifest(life), manifest(other));
    let made_up = Manifest { app_hash: honest.app_hash, commit_info: honest.commit_info, ..other };
    Snapshot {
        height,
        format: made_up.format(),
        chunks: made_up.chunk_count(),
        hash: made_up.hash().to_vec().into(),
        metadata: made_up.encode().into(),
    }
}

#[test]
fn a_made_up_state_is_found_out_replaces_nothing_and_names_who_sent_it() {
    let life = Life::migrating();
    let mut other = Life::begin(99);
    other.blocks(11);
    let snapshot = lie(&life, &other, 8);
    let home = home();
    let node = Driven::start(home.path());
    node.init();
    life.go_on(&node, 3);
    let before = node.info();
    assert_eq!(node.offer(&snapshot, life.app_hash(8)), Offered::Accept, "the manifest alone shows nothing");
    let mut found_out = None;
    for index in 0..snapshot.chunks {
        let answer = node.apply(index, other.node.chunk(&snapshot, index), &format!("liar {}", index % 2));
        if answer.result() != Applied::Accept {
            found_out = Some(answer);
            break;
        }
    }
    let answer = found_out.expect("a lie is found out");
    assert_eq!(answer.result(), Applied::RejectSnapshot);
    assert!(answer.reject_senders.iter().all(|sender| sender.starts_with("liar")), "{:?}", answer.reject_senders);
    assert!(!answer.reject_senders.is_empty());
    assert_eq!(node.info(), before);
    assert!(!home.path().join("data/state_commit/restore").exists(), "nothing of it is kept");
    // The next offer is an honest one.
    node.sync(&life.node, &life.snapshot(8), life.app_hash(8));
    life.go_on(&node, life.height());
}

#[test]
fn an_engine_that_died_before_it_noted_the_state_offers_again_and_the_state_is_replaced() {
    let mut life = Life::migrating();
    let (home, old) = (home(), life.snapshot(8));
    let old_hash = life.app_hash(8).to_vec();
    for _ in 0..2 {
        let node = Driven::start(home.path());
        node.sync(&life.node, &old, &old_hash);
        node.app.close().expect("closed");
    }
    life.blocks(30);
    let newer = life.snapshot(40);
    let node = Driven::start(home.path());
    assert_eq!(node.info(), (8, old_hash));
    node.sync(&life.node, &newer, life.app_hash(40));
    life.go_on(&node, life.height());
    // In the middle of the one snapshot the engine takes another.
    assert_eq!(node.offer(&old, life.app_hash(8)), Offered::Accept);
    assert_eq!(node.apply(0, life.node.chunk(&old, 0), "peer").result(), Applied::Accept);
    node.sync(&life.node, &newer, life.app_hash(40));
    life.go_on(&node, life.height());
}

#[test]
fn queries_meanwhile_may_be_asked_again_and_the_engine_hears_of_no_block() {
    let life = Life::migrating();
    let snapshot = life.snapshot(8);
    let home = home();
    let node = Driven::start(home.path());
    node.init();
    life.go_on(&node, 3);
    assert_eq!(node.status().0, 0);
    assert_eq!(node.offer(&snapshot, life.app_hash(8)), Offered::Accept);
    assert_eq!(node.status().0, 2, "try again");
    assert_eq!(node.info(), (0, vec![]));
    node.apply_all(&life.node, &snapshot, 0);
    let (code, status) = node.status();
    assert_eq!((code, status["height"].as_u64()), (0, Some(8)));
}

#[test]
fn a_process_that_dies_at_any_point_has_the_old_state_or_the_new_one_and_goes_on() {
    let life = Life::migrating();
    let snapshot = life.snapshot(8);
    let app_hash = life.app_hash(8).to_vec();
    for point in RestorePoint::ALL {
        let (home, crashed) = (home(), home());
        let node = Driven::start(home.path());
        node.init();
        life.go_on(&node, 3);
        let before = node.info();
        node.app.close().expect("closed");
        // What is on disk at the third chunk, or where there is one moment alone.
        let wanted = if point <= RestorePoint::Noted { 3 } else { 1 };
        let node =
            Driven::start_with(home.path(), SNAPSHOTS, Some(copy_at(point, wanted, home.path(), crashed.path())));
        node.sync(&life.node, &snapshot, &app_hash);

        let node = Driven::start(crashed.path());
        let is_replaced = point >= RestorePoint::Switched;
        let expected = if is_replaced { (8, app_hash.clone()) } else { before };
        assert_eq!(node.info(), expected, "{point}");
        node.sync(&life.node, &snapshot, &app_hash);
        life.go_on(&node, life.height());
    }
}

/// Copies `home` to `crashed` the `wanted`th time at `point`.
fn copy_at(point: RestorePoint, wanted: u32, home: &Path, crashed: &Path) -> AtPoint {
    let (home, crashed) = (home.to_owned(), crashed.to_owned());
    let seen = AtomicU32::new(0);
    Arc::new(move |reached| {
        if reached == point.as_str() && seen.fetch_add(1, Ordering::Relaxed) + 1 == wanted {
            copy(&home, &crashed);
        }
    })
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("lists") {
        let entry = entry.expect("lists");
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().expect("a kind");
        if kind.is_dir() {
            copy(&path, &to);
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(std::fs::read_link(&path).expect("reads"), &to).expect("links");
        } else {
            std::fs::copy(&path, &to).expect("copies");
        }
    }
}
