//! A node and a model live the same random life, and the process dies in it: at each kill point of the commit, between
//! two blocks, in the middle of one. What it leaves is opened and gone on with. Blocks are also rolled back, and other
//! ones follow. After each of these everything readable, the commit infos and FlatKV's own sums are the model's.
//!
//! A death leaves the page cache. The one thing that is lost here is what the protocol counts as lost at any time: the
//! tail of memiavl's changelog that no sync has covered.

mod common;

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::compare::compare;
use common::keys::{Pick, changes, keys, picks};
use common::lives::{check_lives, home};
use common::model::Model;
use common::{MODULES, image, options};
use ferry::{BatchLimit, CommitInfo, Durability, KillPoint, Node, Options};
use proptest::prelude::*;
use tempfile::TempDir;

const LIVES: u32 = 64;

/// How much of the changelog's unsynced tail is lost, in 255ths.
type Lost = u8;

#[derive(Clone, Debug)]
enum Step {
    Flush(Vec<Pick>),
    Commit,
    /// So many blocks without a flush: old records are dropped, and a retired memiavl goes.
    Rest(usize),
    CrashInCommit(usize, Lost),
    Crash(Lost),
    Rollback(usize),
    Discard,
    Reopen,
    Batch(u64),
    NextMode,
    Snapshot,
}

fn step() -> impl Strategy<Value = Step> {
    let lost = prop_oneof![Just(0), Just(255), any::<Lost>()];
    prop_oneof![
        30 => picks().prop_map(Step::Flush),
        24 => Just(Step::Commit),
        1 => (1usize..80).prop_map(Step::Rest),
        6 => (0..KillPoint::ALL.len(), lost.clone()).prop_map(|(point, lost)| Step::CrashInCommit(point, lost)),
        2 => lost.prop_map(Step::Crash),
        2 => (1usize..9).prop_map(Step::Rollback),
        2 => Just(Step::Discard),
        1 => Just(Step::Reopen),
        6 => prop_oneof![Just(0), 1u64..6, Just(50)].prop_map(Step::Batch),
        12 => Just(Step::NextMode),
        1 => Just(Step::Snapshot),
    ]
}

/// A committed block: what the model holds after it, and its commit info.
type Block = (Model, CommitInfo);

/// A window that lives are long enough to leave, so that records go, and memiavl with them.
const ROLLBACK_BLOCKS: u64 = 10;

fn life_options(durability: Durability) -> Options {
    Options { rollback_blocks: ROLLBACK_BLOCKS, durability, ..options(0) }
}

struct Life {
    keys: Vec<(String, Vec<u8>)>,
    node: Option<Node>,
    /// By height; the first is the state before the first block.
    blocks: Vec<Block>,
    working: Model,
    /// The highest block that there ever was: the window reaches back from there, however often it was rolled back.
    highest: usize,
    /// The changelog's length at each height since the home was opened, and when it was.
    lengths: BTreeMap<u64, u64>,
    durability: Durability,
    /// Homes that were left come first, so that the present one goes last.
    homes: Vec<TempDir>,
}

impl Life {
    fn new(durability: Durability) -> Self {
        let home = home();
        let options = Options { batch: BatchLimit::keys(3), ..life_options(durability) };
        let node = Node::open(home.path(), options).expect("a fresh node");
        let working = Model::new(&MODULES, 3);
        let blocks = vec![(working.clone(), CommitInfo::default())];
        Self {
            keys: keys(),
            node: Some(node),
            blocks,
            working,
            highest: 0,
            lengths: BTreeMap::new(),
            durability,
            homes: vec![home],
        }
    }

    fn node(&mut self) -> &mut Node {
        self.node.as_mut().expect("open between steps")
    }

    fn home(&self) -> PathBuf {
        self.homes.last().expect("a home").path().to_owned()
    }

    fn committed(&mut self) -> &mut Model {
        &mut self.blocks.last_mut().expect("a block").0
    }

    fn options(&self) -> Options {
        Options { batch: BatchLimit::keys(self.working.batch), ..life_options(self.durability) }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Flush(picks) => {
                let changes = changes(&self.keys, &picks);
                self.working.flush(&changes).expect("values fit their lanes");
                self.node().apply(changes).expect("a flush");
            }
            Step::Commit => {
                let info = self.node().commit().expect("a commit").commit_info;
                self.happened(info);
                self.check("after a commit");
            }
            Step::Rest(blocks) => {
                for _ in 0..blocks {
                    let info = self.node().commit().expect("a commit").commit_info;
                    self.happened(info);
                }
                self.check("after a rest");
            }
            Step::CrashInCommit(point, lost) => self.crash_in_commit(KillPoint::ALL[point], lost),
            Step::Crash(lost) => {
                let image = home();
                image::take(&self.home(), image.path());
                self.go_on_in(image, lost);
            }
            Step::Rollback(depth) => self.roll_back(depth),
            Step::Discard => {
                self.node().discard().expect("a discard");
                self.drop_block();
            }
            Step::Reopen => {
                self.node.take().expect("open between steps").close().expect("a clean close");
                self.open();
            }
            Step::Batch(keys) if !self.working.flushed => {
                self.working.batch = keys;
                self.node().set_batch_size(keys).expect("between blocks");
            }
            Step::NextMode if !self.working.flushed => {
                let Some(next) = self.working.mode.next() else { return };
                let allowed = self.working.step();
                assert_eq!(self.node().set_mode(next).is_ok(), allowed, "step to {next}");
            }
            Step::Batch(_) | Step::NextMode => {}
            Step::Snapshot => {
                let rests = self.committed().version == 3;
                assert_eq!(self.node().snapshot().is_err(), rests, "memiavl rests at version 3");
            }
        }
    }

    /// The block in work is a committed one.
    fn happened(&mut self, info: CommitInfo) {
        self.working.flushed = false;
        self.blocks.push((self.working.clone(), info));
        self.measure();
    }

    fn measure(&mut self) {
        if let Some((_, length)) = image::changelog(&self.home()) {
            self.lengths.insert(self.blocks.len() as u64 - 1, length);
        }
    }

    /// Nothing is left of the block in work but what belongs to no block: batch size and mode.
    fn drop_block(&mut self) {
        let (mode, batch) = (self.working.mode, self.working.batch);
        let stepped = self.committed().mode != mode;
        self.working = Model { mode, batch, ..self.committed().clone() };
        if stepped {
            self.working.cursor = common::model::Cursor::NotStarted;
        }
    }

    /// Commits, and dies at `point`; if the block does not come by it, it is committed like any other.
    fn crash_in_commit(&mut self, point: KillPoint, lost: Lost) {
        let image = home();
        let died = Arc::new(AtomicBool::new(false));
        let (from, to, dies) = (self.home(), image.path().to_owned(), Arc::clone(&died));
        self.node().set_kill_hook(Box::new(move |at| {
            if at == point && !dies.swap(true, Ordering::Relaxed) {
                image::take(&from, &to);
            }
        }));
        let info = self.node().working_commit_info().expect("roots");
        let block = self.node().commit().expect("a commit");
        assert_eq!(block.commit_info, info, "the working commit info was another");
        self.node().set_kill_hook(Box::new(|_| {}));
        if !died.load(Ordering::Relaxed) {
            self.happened(info);
        } else {
            if point != KillPoint::Worked {
                self.happened(info);
            }
            self.go_on_in(image, lost);
        }
    }

    /// The process is dead: its home is `image`, and what was in memory is gone.
    fn go_on_in(&mut self, image: TempDir, lost: Lost) {
        let dead = self.node.take().expect("open between steps");
        // At or above what a sync covered when the image was taken: less is cut than could be lost.
        let synced = dead.memiavl().map(changeset::OldStore::synced_version);
        dead.close().expect("the dead node's own home is closed");
        self.homes.push(image);
        // Left to the system, the batches of the same blocks are lost with the entries, which is another test's business.
        if let (Durability::Sync, Some(synced)) = (self.durability, synced)
            && let Some((path, length)) = image::changelog(&self.home())
        {
            let synced = self.lengths.get(&synced).copied().unwrap_or(length).min(length);
            let kept = length - (length - synced) * u64::from(lost) / 255;
            let segment = File::options().write(true).open(path).expect("the changelog opens");
            segment.set_len(kept).expect("the changelog is cut");
        }
        self.open();
    }

    /// Opens the home as it is, and compares.
    fn open(&mut self) {
        let mut committed = self.committed().clone();
        committed.batch = self.working.batch;
        committed.reopen();
        *self.committed() = committed.clone();
        self.working = committed;
        self.node = Some(Node::open(&self.home(), self.options()).expect("an opening"));
        self.check_whole();
    }

    fn check_whole(&mut self) {
        self.lengths.clear();
        self.measure();
        self.check("after opening");
        let mode = self.working.mode;
        assert_eq!(self.node().mode(), mode);
        let view = self.node().view().expect("a view");
        if let Some(flatkv) = view.new_store() {
            let verified = flatkv.verify(&mut |_| ControlFlow::Continue(())).expect("reads").expect("to the end");
            assert!(verified.is_clean(), "{verified:?}");
        }
    }

    /// The last block is the model's.
    fn check(&mut self, when: &str) {
        let view = self.node().view().expect("a view");
        let (model, info) = self.blocks.last().expect("a block");
        assert_eq!(view.height(), self.blocks.len() as u64 - 1, "{when}");
        if view.height() > 0 {
            assert_eq!(view.commit_info(), info, "{when}: height {}", view.height());
        }
        compare(&view, model, &self.keys, when);
    }

    fn roll_back(&mut self, depth: usize) {
        self.highest = self.highest.max(self.blocks.len() - 1);
        let oldest = self.highest.saturating_sub(ROLLBACK_BLOCKS as usize);
        let to = self.blocks.len().saturating_sub(1 + depth).max(oldest);
        if to == 0 || to >= self.blocks.len() {
            return;
        }
        let options = self.options();
        let node = self.node.take().expect("open between steps");
        self.node = Some(node.rollback(to as u64, options).expect("a rollback"));
        self.blocks.truncate(to + 1);
        let mut committed = Model { batch: self.working.batch, ..self.committed().clone() };
        committed.reopen();
        *self.committed() = committed.clone();
        self.working = committed;
        self.check_whole();
    }
}

#[test]
fn property_node_survives_crashes() {
    let durability = prop_oneof![3 => Just(Durability::Sync), 1 => Just(Durability::Os)];
    check_lives(LIVES, (durability, prop::collection::vec(step(), 1..100)), |(durability, steps)| {
        let mut life = Life::new(durability);
        for step in steps {
            life.take(step);
        }
        life.take(Step::Commit);
        life.take(Step::Crash(255));
    });
}
