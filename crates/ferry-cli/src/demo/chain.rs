//! The life of the demonstration's node: rest, migrate, restart in the middle, and so on to the last version.

use std::path::Path;
use std::time::Instant;

use ferry::boundary::decode_version;
use ferry::migrate_core::Route;
use ferry::{BatchLimit, Mode, Node, Options};

use crate::difference::{Difference, Halt, hex_or_none};
use crate::home;
use crate::progress::Progress;
use crate::signals::Signals;

use super::model::Model;
use super::readers::Readers;
use super::record::{Last, Phase, Record};
use super::report::Outcome;
use super::workload::Workload;
use super::{Args, check};

/// The node and everything around it.
pub(super) struct Chain<'a> {
    args: &'a Args,
    home: &'a Path,
    signals: &'a Signals,
    record: &'a mut Record,
    model: Model,
    workload: Workload,
    node: Node,
    readers: Readers,
    phase: Phase,
    progress: Progress,
    moved: u64,
    /// Keys in memiavl that the present migration moves, when it began; none once it was restarted in the middle.
    restart_below: Option<u64>,
}

fn options(args: &Args) -> Options {
    // So few that memiavl comes to its end before the demonstration does.
    Options { batch: BatchLimit::keys(args.batch), rollback_blocks: args.rest_blocks / 2, ..Options::default() }
}

impl<'a> Chain<'a> {
    pub(super) fn open(
        args: &'a Args,
        home: &'a Path,
        model: Model,
        signals: &'a Signals,
        record: &'a mut Record,
    ) -> Result<Self, Halt> {
        let mut node = Node::open(home, options(args))?;
        let mut model = model;
        let mut workload = Workload::new(args.seed, args.writes, &model);
        // The first block writes the stamps, which readers look for.
        node.apply(workload.block(node.next_height(), &mut model))?;
        node.commit()?;
        let mode = node.mode();
        let readers = Readers::start(args.readers, args.seed, model.keyspace(), &node.views(), mode);
        Ok(Self {
            args,
            home,
            signals,
            record,
            workload,
            readers,
            phase: Phase::new(mode),
            progress: Progress::start("demo", "keys", Some(model.keyspace().total())),
            moved: 0,
            restart_below: None,
            model,
            node,
        })
    }

    /// Runs to the end, or to a signal.
    pub(super) fn run(mut self) -> Result<Outcome, Halt> {
        loop {
            if self.signals.received().is_some() {
                self.end_phase()?;
                self.record.reads.add(&self.readers.stop()?);
                self.node.close()?;
                return Ok(Outcome::Stopped);
            }
            if self.readers.failed() {
                // The error itself comes out of the readers' threads.
                self.readers.stop()?;
                return Ok(Outcome::Stopped);
            }
            let Some(remaining) = self.phase_remaining()? else {
                if self.node.mode() == Mode::FlatkvOnly {
                    return self.finish();
                }
                self.step()?;
                continue;
            };
            if self.restart_below.is_some_and(|below| remaining <= below) {
                self = self.restart()?;
            }
            self.block()?;
        }
    }

    /// What the phase still has to do: keys to move, or blocks to rest; none when it is over.
    fn phase_remaining(&self) -> Result<Option<u64>, Halt> {
        match self.node.mode().migration() {
            Some((_, target)) => {
                let view = self.node.view()?;
                if decode_version(view.version_record()?.as_deref()).map_err(anyhow::Error::new)? >= target {
                    return Ok(None);
                }
                Ok(Some(self.present_keys(&view.remaining()?)))
            }
            None => Ok(self.args.rest_blocks.checked_sub(self.phase.blocks).filter(|left| *left > 0)),
        }
    }

    /// Of the keys in memiavl, those that the present migration moves.
    fn present_keys(&self, remaining: &[(String, u64)]) -> u64 {
        let moving = remaining.iter().filter(|(module, _)| self.node.mode().route(module) == Route::Moving);
        moving.map(|(_, keys)| keys).sum()
    }

    fn block(&mut self) -> Result<(), Halt> {
        let changes = self.workload.block(self.node.next_height(), &mut self.model);
        let began = Instant::now();
        let flush = self.node.apply(changes)?;
        let working = self.node.working_commit_info()?;
        let committed = self.node.commit()?;
        self.phase.block(began.elapsed(), flush.moved_keys);
        self.moved += flush.moved_keys;
        if working != committed.commit_info {
            let (expected, got) = (format!("{working:?}"), format!("{:?}", committed.commit_info));
            Difference::check(committed.height, || "committed against working commit info".to_owned(), expected, got)?;
        }
        let note = format!("height {}, {}", committed.height, self.node.mode());
        self.progress.set(self.moved, &note);
        Ok(())
    }

    /// The next write mode.
    fn step(&mut self) -> Result<(), Halt> {
        self.end_phase()?;
        let Some(next) = self.node.mode().next() else { return Ok(()) };
        self.node.set_mode(next)?;
        self.readers.set_mode(next);
        self.phase = Phase::new(next);
        self.restart_below = None;
        if next.migration().is_some() {
            let view = self.node.view()?;
            self.restart_below = Some(self.present_keys(&view.remaining()?) / 2);
        }
        Ok(())
    }

    fn end_phase(&mut self) -> Result<(), Halt> {
        let next = Phase::new(self.node.mode());
        let phase = std::mem::replace(&mut self.phase, next);
        self.record.phases.push(phase.ended(home::sizes(self.home)?));
        Ok(())
    }

    /// Closes the node in the middle of a migration and opens it again: the same app hash, the same answers.
    fn restart(mut self) -> Result<Self, Halt> {
        self.restart_below = None;
        let began = Instant::now();
        self.record.reads.add(&self.readers.stop()?);
        let before = self.node.view()?;
        let (height, app_hash, boundary) = (before.height(), before.app_hash(), before.boundary_record()?);
        self.record.sampled += check::sample(&self.model, &before, height)?;
        drop(before);
        let mode = self.node.mode();
        self.node.close()?;
        let opening = Instant::now();
        self.node = Node::open(self.home, options(self.args))?;
        self.phase.reopen = Some(opening.elapsed());
        let after = self.node.view()?;
        let (hash, got) = (hex::encode(app_hash), hex::encode(after.app_hash()));
        Difference::check(height, || "app hash after a restart".to_owned(), hash, got)?;
        let record = hex_or_none(boundary);
        let got = hex_or_none(after.boundary_record()?);
        Difference::check(height, || "boundary after a restart".to_owned(), record, got)?;
        let got = self.node.mode();
        Difference::check(height, || "write mode after a restart".to_owned(), mode.as_str(), got.as_str())?;
        self.record.sampled += check::sample(&self.model, &after, height ^ 1)?;
        drop(after);
        self.readers =
            Readers::start(self.args.readers, self.args.seed ^ height, self.model.keyspace(), &self.node.views(), mode);
        self.phase.paused += began.elapsed();
        Ok(self)
    }

    /// All keys have moved: the check of everything.
    fn finish(mut self) -> Result<Outcome, Halt> {
        self.end_phase()?;
        self.record.reads.add(&self.readers.stop()?);
        drop(self.progress);
        let began = Instant::now();
        let view = self.node.view()?;
        self.record.checked = check::everything(&self.model, &view)?;
        self.record.last = Some(Last {
            height: view.height(),
            app_hash: hex::encode(view.app_hash()),
            flatkv_root: view.root().map(hex::encode),
        });
        check::rows(&view)?;
        drop(view);
        self.node.close()?;
        self.record.check_elapsed = began.elapsed();
        Ok(Outcome::Correct)
    }
}
