//! A node and a model are driven through the same random life: blocks of one or more flushes, batch sizes, pauses,
//! discarded blocks, refused flushes, reopenings, snapshots and mode steps. After each block every read, every many-key
//! read and every scan equals the model's, of the present view and of older views held open.

mod common;

use common::compare::compare;
use common::keys::{Pick, changes, keys, picks};
use common::lives::{check_lives, home};
use common::model::Model;
use common::{MODULES, options, slot_key};
use ferry::{BatchLimit, ErrorKind, KvPair, NamedChangeSet, Node, View};
use proptest::prelude::*;
use tempfile::TempDir;

/// Each of eleven faults planted in routing, cursor, views and discard was found within ten lives, three times of three.
const LIVES: u32 = 96;

#[derive(Clone, Debug)]
enum Step {
    Flush(Vec<Pick>),
    Refused(Vec<Pick>),
    Commit,
    Discard,
    Reopen,
    Batch(u64),
    NextMode,
    HoldView,
    Snapshot,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        30 => picks().prop_map(Step::Flush),
        4 => picks().prop_map(Step::Refused),
        24 => Just(Step::Commit),
        3 => Just(Step::Discard),
        3 => Just(Step::Reopen),
        6 => prop_oneof![Just(0), 1u64..6, Just(50)].prop_map(Step::Batch),
        10 => Just(Step::NextMode),
        3 => Just(Step::HoldView),
        1 => Just(Step::Snapshot),
    ]
}

struct Life {
    keys: Vec<(String, Vec<u8>)>,
    node: Option<Node>,
    committed: Model,
    working: Model,
    held: Vec<(View, Model)>,
    /// Last, so that it goes when nothing writes to it any more.
    home: TempDir,
}

impl Life {
    fn new() -> Self {
        let home = home();
        let node = Node::open(home.path(), options(3)).expect("a fresh node");
        let model = Model::new(&MODULES, 3);
        Self { home, keys: keys(), node: Some(node), committed: model.clone(), working: model, held: Vec::new() }
    }

    fn node(&mut self) -> &mut Node {
        self.node.as_mut().expect("open between steps")
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Flush(picks) => {
                let changes = changes(&self.keys, &picks);
                self.working.flush(&changes).expect("values fit their lanes");
                self.node().apply(changes).expect("a flush");
                self.node().working_commit_info().expect("roots");
            }
            Step::Refused(picks) => self.refused(&picks),
            Step::Commit => self.commit(),
            Step::Discard => {
                self.node().discard().expect("a discard");
                self.working = Model { mode: self.working.mode, ..self.committed.clone() };
                self.working.batch = self.committed.batch;
            }
            Step::Reopen => self.reopen(),
            Step::Batch(keys) if !self.working.flushed => {
                self.working.batch = keys;
                self.committed.batch = keys;
                self.node().set_batch_size(keys).expect("between blocks");
            }
            Step::NextMode if !self.working.flushed => {
                let Some(next) = self.working.mode.next() else { return };
                let allowed = self.working.step();
                assert_eq!(self.node().set_mode(next).is_ok(), allowed, "step to {next}");
                self.committed.mode = self.working.mode;
                self.committed.cursor = self.working.cursor.clone();
            }
            Step::Batch(_) | Step::NextMode => {}
            Step::HoldView => {
                let view = self.node().view().expect("a view");
                self.held.push((view, self.committed.clone()));
            }
            Step::Snapshot => {
                let rests = self.committed.version == 3;
                assert_eq!(self.node().snapshot().is_err(), rests, "memiavl rests at version 3");
            }
        }
    }

    /// A flush whose last pair is refused: the migration's own store, or a value that FlatKV cannot hold.
    fn refused(&mut self, picks: &[Pick]) {
        let good = changes(&self.keys, picks);
        let reserved = NamedChangeSet::new("migration", vec![KvPair::set("k", "v")]);
        let with = |last: NamedChangeSet| good.iter().cloned().chain([last]).collect::<Vec<_>>();
        let error = self.node().apply(with(reserved)).expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Input);
        let short = with(NamedChangeSet::new("evm", vec![KvPair::set(slot_key(77, 7), "short")]));
        if self.working.clone().flush(&short).is_err() {
            let error = self.node().apply(short).expect_err("refused");
            assert_eq!(error.kind(), ErrorKind::Input, "{error:?}");
        }
    }

    fn commit(&mut self) {
        let info = self.node().working_commit_info().expect("roots");
        let block = self.node().commit().expect("a commit");
        assert_eq!(block.commit_info, info, "the working commit info was another");
        self.working.flushed = false;
        self.committed = self.working.clone();
        let view = self.node().view().expect("a view");
        compare(&view, &self.committed, &self.keys, "present view");
    }

    fn reopen(&mut self) {
        self.check_held();
        self.held.clear();
        self.node.take().expect("open between steps").close().expect("a clean close");
        self.committed.reopen();
        self.working = self.committed.clone();
        let mut options = options(0);
        options.batch = BatchLimit::keys(self.committed.batch);
        let node = Node::open(self.home.path(), options).expect("a reopening");
        assert_eq!(node.mode(), self.committed.mode);
        let view = node.view().expect("a view");
        compare(&view, &self.committed, &self.keys, "after reopening");
        self.node = Some(node);
    }

    fn check_held(&self) {
        for (view, model) in &self.held {
            compare(view, model, &self.keys, "view held open");
        }
    }
}

#[test]
fn property_node_equals_model() {
    check_lives(LIVES, prop::collection::vec(step(), 1..120), |steps| {
        let mut life = Life::new();
        for step in steps {
            life.take(step);
        }
        life.take(Step::Commit);
        life.check_held();
        life.take(Step::Reopen);
    });
}
