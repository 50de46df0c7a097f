//! Lines against what was written to them, and epochs against sets of lines.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use crate::tree::arena::{Epoch, Place, Writer, lines_of};

/// A tree as the arena knows it: what stands in its lines, and which epoch wrote them.
#[derive(Clone)]
struct Held {
    epoch: Arc<Epoch>,
    lines: BTreeMap<u32, (u32, u64)>,
}

/// What becomes of one of the trees.
#[derive(Clone, Debug)]
enum Step {
    /// It is held once more.
    Hold,
    /// Of every `nth` of its lines one half is written anew and the other one left; `more` come to it.
    Change {
        nth: usize,
        more: usize,
    },
    Seal,
    Drop,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Hold),
        6 => (1_usize..4, 0_usize..20).prop_map(|(nth, more)| Step::Change { nth, more }),
        3 => Just(Step::Seal),
        3 => Just(Step::Drop),
    ]
}

impl Held {
    fn new() -> Self {
        Self { epoch: Epoch::first(), lines: BTreeMap::new() }
    }

    /// Writes lines anew, leaves others, and writes some beside them, as an edit does.
    fn change(&mut self, nth: usize, more: usize, next: &mut u64) {
        Epoch::open(&mut self.epoch).expect("a number");
        let (epoch, mut writer) = (self.epoch.number(), Writer::new(&self.epoch));
        let mut write = |lines: &mut BTreeMap<u32, (u32, u64)>, place: Place| {
            *next += 1;
            set(&self.epoch, place, *next);
            lines.insert(place.number(), (epoch, *next));
        };
        let touched: Vec<_> = self.lines.iter().step_by(nth).map(|(number, line)| (*number, line.0)).collect();
        for (number, born) in touched {
            let place = Place::numbered(number).expect("a place");
            if number % 2 == 0 {
                writer.leave(place, born);
                self.lines.remove(&number);
            } else if born == epoch {
                write(&mut self.lines, place);
            } else {
                let own = writer.line().expect("a line");
                writer.leave(place, born);
                self.lines.remove(&number);
                write(&mut self.lines, own);
            }
        }
        for _ in 0..more {
            let own = writer.line().expect("a line");
            write(&mut self.lines, own);
        }
    }

    fn check(&self) {
        for (number, (_, written)) in &self.lines {
            let place = Place::numbered(*number).expect("a place");
            assert_eq!(self.epoch.lines().word(place, 0), *written, "line {number} of epoch {}", self.epoch.number());
        }
    }
}

fn set(epoch: &Epoch, place: Place, value: u64) {
    epoch.lines().set_word(place, 0, value);
}

proptest! {
    #[test]
    fn a_string_reads_as_it_was_written(string in prop::collection::vec(any::<u8>(), 0..400)) {
        let epoch = Epoch::first();
        let mut writer = Writer::new(&epoch);
        let place = writer.string(&string).expect("written");
        prop_assert_eq!(epoch.lines().read_string(place, <[u8]>::to_vec), string.clone());
        prop_assert_eq!(writer.grown(), lines_of(string.len()) as i64);
        writer.leave_string(place);
        prop_assert_eq!(writer.grown(), 0);
    }

    #[test]
    fn no_line_is_used_again_that_anyone_has(steps in prop::collection::vec((any::<prop::sample::Index>(), step()), 1..80)) {
        let (mut trees, mut next) = (vec![Held::new()], 0);
        for (which, step) in steps {
            if trees.is_empty() {
                break;
            }
            let at = which.index(trees.len());
            match step {
                Step::Hold => trees.push(trees[at].clone()),
                Step::Change { nth, more } => trees[at].change(nth, more, &mut next),
                Step::Seal => trees[at].epoch.seal(),
                Step::Drop => drop(trees.swap_remove(at)),
            }
            trees.iter().for_each(Held::check);
        }
    }

    #[test]
    fn what_follows_one_another_leaves_no_line_behind(
        blocks in prop::collection::vec((step(), any::<prop::sample::Index>(), any::<bool>()), 1..40),
    ) {
        // A node's life: each block goes on from the last one, savepoints and views come and go.
        let (mut tree, mut next, mut kept) = (Held::new(), 0, Vec::new());
        for (step, which, is_torn) in blocks {
            tree.epoch.seal();
            match step {
                Step::Hold => kept.push(tree.clone()),
                Step::Drop if !kept.is_empty() => drop(kept.swap_remove(which.index(kept.len()))),
                _ => {}
            }
            let mut working = tree.clone();
            working.change(2, 10, &mut next);
            let savepoint = working.clone();
            working.change(3, 5, &mut next);
            if is_torn {
                working = savepoint;
            }
            tree = working;
            kept.iter().chain([&tree]).for_each(Held::check);
        }
        tree.epoch.seal();
        drop(kept);
        prop_assert_eq!(tree.epoch.lines_in_use(), tree.lines.len());
    }
}

#[test]
fn an_epoch_that_is_dropped_open_gives_its_lines_back() {
    let (mut tree, mut next) = (Held::new(), 0);
    tree.change(1, 300, &mut next);
    tree.epoch.seal();
    let mut dropped = tree.clone();
    dropped.change(1, 50, &mut next);
    drop(dropped);
    tree.check();
    assert_eq!(tree.epoch.lines_in_use(), 300);
}

#[test]
fn as_many_savepoints_as_a_block_may_have_are_sealed_or_dropped() {
    let (mut tree, mut next) = (Held::new(), 0);
    tree.change(1, 10, &mut next);
    tree.epoch.seal();
    let grown = |next: &mut u64| {
        let mut working = tree.clone();
        for _ in 0..100_000 {
            let _savepoint = working.epoch.clone();
            working.change(4, 0, next);
        }
        working
    };
    drop(grown(&mut next));
    assert_eq!(tree.epoch.lines_in_use(), 10);
    let working = grown(&mut next);
    working.epoch.seal();
    tree.check();
    drop(tree);
    working.check();
    assert_eq!(working.epoch.lines_in_use(), working.lines.len());
}
