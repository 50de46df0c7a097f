//! Data syncs, counted from the recorded system calls: the thread that commits waits for one of them in a block, and for no
//! other. Those of other threads are counted apart.
//!
//! ```text
//! begin N ── apply, working root, commit ── done N      one data sync on the thread that wrote both markers
//! ```
//! Before FlatKV exists the committing thread waits for one sync of the changelog's own thread instead. A block that makes
//! FlatKV is let off: RocksDB founds its database with syncs of its own.

use anyhow::{Context, Result};

use ferry::Mode;

use crate::life::{Action, Life};
use crate::recording::Op;

/// The data syncs of one block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Syncs {
    /// The step of the life.
    pub(crate) step: usize,
    /// On the thread that commits.
    pub(crate) waited_for: u64,
    /// On other threads, while the block was in work.
    pub(crate) behind: u64,
    /// Whether FlatKV's directory was made.
    pub(crate) made_flatkv: bool,
    /// Whether memiavl alone says that the block has happened.
    pub(crate) is_memiavl_s: bool,
}

impl Syncs {
    /// Whether the committing thread waited for one data sync and no more.
    pub(crate) fn is_one(&self) -> bool {
        if self.is_memiavl_s { self.waited_for == 0 && self.behind > 0 } else { self.waited_for == 1 }
    }
}

/// The data syncs of each block of a recorded life.
pub(crate) fn of_blocks(ops: &[Op], life: &Life) -> Result<Vec<Syncs>> {
    let mut blocks = Vec::new();
    let mut present: Option<(Syncs, u32)> = None;
    for op in ops {
        match op {
            Op::Marker { text, thread } => {
                let (word, step) = text.split_once(' ').context("a marker without a number")?;
                if word == "done" {
                    blocks.extend(present.take().map(|(syncs, _)| syncs));
                }
                if word == "begin" {
                    let step: usize = step.parse().context("a marker's number")?;
                    present = match &life.steps.get(step).context("no such step")?.action {
                        Action::Block(block) => {
                            let is_memiavl_s = block.mode == Mode::MemiavlOnly;
                            Some((Syncs { step, is_memiavl_s, ..Syncs::default() }, *thread))
                        }
                        _ => None,
                    };
                }
            }
            Op::Sync { is_dir: false, thread, .. } => {
                if let Some((syncs, committing)) = &mut present {
                    let count = if thread == committing { &mut syncs.waited_for } else { &mut syncs.behind };
                    *count += 1;
                }
            }
            Op::Create { is_dir: true, path, .. } if path.ends_with("/flatkv") => {
                if let Some((syncs, _)) = &mut present {
                    syncs.made_flatkv = true;
                }
            }
            _ => {}
        }
    }
    Ok(blocks)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marker(word: &str, step: usize) -> Op {
        Op::Marker { text: format!("{word} {step}"), thread: 1 }
    }

    #[test]
    fn a_block_s_syncs_are_told_apart_by_thread_and_directories_do_not_count() {
        let life = Life::whole(1);
        let blocks: Vec<usize> = (0..life.steps.len())
            .filter(|index| matches!(life.steps[*index].action, Action::Block(_)))
            .take(2)
            .collect();
        let snapshot = life.steps.iter().position(|step| matches!(step.action, Action::Snapshot)).expect("a snapshot");
        let sync = |thread, is_dir| Op::Sync { ino: 7, is_dir, thread };
        let ops = [
            sync(1, false),
            marker("begin", blocks[0]),
            sync(1, false),
            sync(2, false),
            sync(1, true),
            marker("done", blocks[0]),
            marker("begin", snapshot),
            sync(1, false),
            marker("done", snapshot),
            marker("begin", blocks[1]),
            Op::Create { ino: 9, is_dir: true, path: "data/state_commit/flatkv".to_owned() },
            sync(1, false),
            sync(1, false),
            marker("done", blocks[1]),
        ];
        let found = of_blocks(&ops, &life).expect("counted");
        let first = Syncs { step: blocks[0], waited_for: 1, behind: 1, made_flatkv: false, is_memiavl_s: true };
        let second = Syncs { step: blocks[1], waited_for: 2, behind: 0, made_flatkv: true, is_memiavl_s: true };
        assert_eq!(found, [first, second]);
        let own = Syncs { is_memiavl_s: false, ..first };
        let none = Syncs { waited_for: 0, ..first };
        assert_eq!([first, own, none, second].map(|syncs| syncs.is_one()), [false, true, true, false]);
    }
}
