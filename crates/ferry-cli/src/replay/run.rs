//! One block after the other on the node: mode and batch size, flushes, commit, comparison.

use std::path::Path;

use ferry::{CommitInfo, ErrorKind, Mode, Node};

use crate::blocks::{Block, Chain};
use crate::failure::Failure;
use crate::units;

use super::compare::{self, Tally};
use super::report::ReplayReport;
use crate::difference::{Difference, Halt};

/// A replay in work.
pub(super) struct Run {
    node: Node,
    /// The height that the node had before the first block ran.
    opened_at: u64,
    snapshot_at: Option<u64>,
    last_line: u64,
    skipped: u64,
    checked: u64,
    head_checked: bool,
    tally: Tally,
}

impl Run {
    pub(super) fn new(node: Node, snapshot_at: Option<u64>) -> Self {
        let opened_at = node.height();
        tracing::debug!(height = opened_at, "opened");
        Self {
            node,
            opened_at,
            snapshot_at,
            last_line: 0,
            skipped: 0,
            checked: 0,
            head_checked: false,
            tally: Tally::default(),
        }
    }

    pub(super) fn next_height(&self) -> u64 {
        self.node.next_height()
    }

    pub(super) fn last_line(&self) -> u64 {
        self.last_line
    }

    pub(super) fn heights_checked(&self) -> u64 {
        self.checked
    }

    /// What the progress line says beside the figures.
    pub(super) fn note(&self, (read, length): (u64, u64)) -> String {
        let share = units::percent(read, length);
        format!("height {}, {}, {share:.0} % of the recording", self.node.height(), self.node.mode())
    }

    /// Runs a block, or skips it if the node has it already.
    pub(super) fn block(&mut self, block: Block) -> Result<(), Halt> {
        self.last_line = block.height;
        if block.height <= self.opened_at {
            self.skipped += 1;
            if block.height == self.opened_at {
                self.compare_head(&block)?;
            }
            return Ok(());
        }
        let expected = self.node.next_height();
        if block.height != expected {
            return Err(Failure::Gap { expected, got: block.height }.into());
        }
        self.execute(block)
    }

    /// The height that the node stood at when it was opened is not run again, but it can be looked at.
    fn compare_head(&mut self, block: &Block) -> Result<(), Halt> {
        let view = self.node.view()?;
        self.tally += compare::view(block, &view)?;
        self.head_checked = true;
        Ok(())
    }

    fn execute(&mut self, block: Block) -> Result<(), Halt> {
        let height = block.height;
        if let Chain::Life { mode, batch_size } = block.chain {
            self.node.set_batch_size(batch_size)?;
            self.step_to(height, mode)?;
        }
        if !block.upgrades.is_empty() {
            applied(height, || "upgrades".to_owned(), self.node.upgrades(&block.upgrades))?;
        }
        let mut working = None;
        let Block { flushes, .. } = &block;
        for (index, flush) in flushes.iter().enumerate() {
            applied(height, || format!("flush {index}"), self.node.apply(flush.clone()))?;
            working = Some(self.node.working_commit_info()?);
        }
        let committed = self.node.commit()?;
        tracing::debug!(height = committed.height, "committed");
        Difference::check(height, || "height".to_owned(), height.to_string(), committed.height.to_string())?;
        if let Some(working) = working {
            let (working, got) = (listed(&working), listed(&committed.commit_info));
            Difference::check(
                height,
                || "committed commit info against the last working one".to_owned(),
                working,
                got,
            )?;
        }
        let view = self.node.view()?;
        let what = || "committed app hash against the view's".to_owned();
        Difference::check(height, what, hex::encode(committed.app_hash), hex::encode(view.app_hash()))?;
        self.tally += compare::view(&block, &view)?;
        self.checked += 1;
        drop(view);
        if self.snapshot_at == Some(height) {
            self.node.snapshot_now()?;
        }
        Ok(())
    }

    /// Steps to the write mode that the block ran in: none, one, or several where the recorded node took more than one
    /// between two blocks.
    fn step_to(&mut self, height: u64, mode: Mode) -> Result<(), Halt> {
        while self.node.mode() != mode {
            let before = self.node.mode();
            let to = before.next().filter(|next| *next <= mode).unwrap_or(mode);
            match self.node.set_mode(to) {
                // The reference takes the first step while it is paused, and moves nothing. Here it is refused, and until
                // the batch size rises the same pairs go to the same store.
                Err(error) if to == Mode::MigrateEvm && error.kind() == ErrorKind::Unfinished => return Ok(()),
                result => applied(height, || format!("write mode, step from {before} to {to}"), result)?,
            }
        }
        Ok(())
    }

    /// The node, and what the report says of the run.
    pub(super) fn finish(self, home: &Path, blocks: &Path) -> (Node, ReplayReport) {
        let report = ReplayReport {
            heights_checked: self.checked,
            heights_skipped: self.skipped,
            head_checked: self.head_checked,
            last_height: self.node.height(),
            write_mode: self.node.mode().as_str(),
            tally: self.tally,
            ..ReplayReport::new(home, blocks)
        };
        (self.node, report)
    }
}

/// The recorded node took this. A node that refuses the same call as wrong differs; other errors are failures.
fn applied<T>(height: u64, what: impl FnOnce() -> String, result: Result<T, ferry::Error>) -> Result<(), Halt> {
    match result {
        Ok(_) => Ok(()),
        Err(error) if refuses(error.kind()) => Err(Difference {
            height,
            what: what(),
            expected: "accepted".to_owned(),
            got: format!("{:#}", anyhow::Error::new(error)),
        }
        .into()),
        Err(error) => Err(error.into()),
    }
}

/// Whether the call was wrong in the node's eyes; all else is the node's own trouble.
fn refuses(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Input | ErrorKind::Configuration | ErrorKind::Refused | ErrorKind::Unfinished)
}

/// A commit info on one line.
fn listed(info: &CommitInfo) -> String {
    let stores = info.store_infos.iter();
    let listed: Vec<_> = stores
        .map(|store| format!("{}@{}={}", store.name, store.commit_id.version, hex::encode(&store.commit_id.hash)))
        .collect();
    format!("version={} {}", info.version, listed.join(" "))
}
