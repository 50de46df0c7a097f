//! The drive itself: pace, steps of the mode, blocks.

use std::error::Error as _;
use std::iter::successors;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use migrate_core::{Metadata, Mode, Route};
use migrate_metrics::{Hold, Metrics, Progress};

use super::controls::{CheckpointEnd, Controls, Wish};
use super::{Drive, DriveEnd, DriveReport};
use crate::checkpoint::Checkpoint;
use crate::error::Error;
use crate::node::Node;

/// The longest time without a look at the signals and a word to whoever watches.
const TICK: Duration = Duration::from_millis(100);
/// A wait for the next block that is worth a word; below it the pace shows in the rate.
const NOTED_WAIT: Duration = Duration::from_secs(1);

/// Drives `node` until the goal is reached, the blocks are made, or somebody stops it. `metrics` is the node's observer.
/// `tick` hears how things stand, behind each block and at least every 100 ms while none is due, and can stop the drive.
///
/// # Errors
/// A goal in which keys still move; what a block meets.
pub fn drive(
    node: &mut Node,
    drive: &Drive,
    controls: &Controls,
    metrics: &Metrics,
    tick: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
) -> Result<DriveReport, Error> {
    if drive.to.migration().is_some() {
        return Err(Error::DriveTarget { mode: drive.to });
    }
    let began = Instant::now();
    let mut running = Running { node, drive, controls, metrics, due: began, blocks: 0, moved_keys: 0 };
    let end = running.run(tick);
    running.metrics.hold(None);
    Ok(DriveReport { end: end?, blocks: running.blocks, moved_keys: running.moved_keys })
}

struct Running<'a> {
    node: &'a mut Node,
    drive: &'a Drive,
    controls: &'a Controls,
    metrics: &'a Metrics,
    /// When the next block may be made.
    due: Instant,
    blocks: u64,
    moved_keys: u64,
}

impl Running<'_> {
    fn run(&mut self, tick: &mut dyn FnMut(&Progress) -> ControlFlow<()>) -> Result<DriveEnd, Error> {
        let mut at = self.version()?;
        self.tell_goal()?;
        loop {
            let wish = self.controls.wish();
            if !self.drive.rests && at >= self.drive.to.base_version() {
                return Ok(DriveEnd::Done);
            }
            if self.drive.blocks_max.is_some_and(|max| self.blocks >= max) {
                return Ok(DriveEnd::BlocksMade);
            }
            if let Some((number, to)) = self.controls.wanted_checkpoint() {
                self.controls.tell_checkpoint(number, told(self.node.checkpoint(&to)));
            }
            let wait = self.hold(wish);
            self.controls.take(wish);
            if wish.stopped || tick(&self.metrics.progress()).is_break() {
                return Ok(DriveEnd::Stopped);
            }
            if let Some(wait) = wait {
                self.controls.wait(wish, wait.min(TICK));
                continue;
            }
            self.block(wish)?;
            at = self.version()?;
            self.tell_goal()?;
        }
    }

    /// Says why no block is made now, and for how long at most; none when one is to be made.
    fn hold(&mut self, wish: Wish) -> Option<Duration> {
        let left = self.due.saturating_duration_since(Instant::now());
        let (hold, wait) = match self.drive.interval {
            _ if wish.paused => (Some(Hold::Paused), Some(TICK)),
            // Blocks that move nothing would go on for ever.
            _ if wish.batch_keys == 0 && !self.drive.rests => (Some(Hold::BatchZero), Some(TICK)),
            Some(interval) if interval >= NOTED_WAIT => {
                (Some(Hold::Pace { interval }), Some(left).filter(|left| !left.is_zero()))
            }
            _ => (None, Some(left).filter(|left| !left.is_zero())),
        };
        self.metrics.hold(hold);
        wait
    }

    fn block(&mut self, wish: Wish) -> Result<(), Error> {
        self.node.set_batch_size(if self.drive.rests { 0 } else { wish.batch_keys })?;
        if !self.drive.rests {
            self.step()?;
        }
        let began = Instant::now();
        let flush = self.node.apply(Vec::new())?;
        self.node.commit()?;
        self.blocks += 1;
        self.moved_keys += flush.moved_keys;
        // From block to block; a block that took longer than that is not made up for.
        self.due = (began.max(self.due) + self.drive.interval.unwrap_or_default()).max(began);
        Ok(())
    }

    /// Takes the steps that lead from a finished migration, or from a mode that moves nothing, to the next migration.
    fn step(&mut self) -> Result<(), Error> {
        while !self.is_moving()? && self.node.mode() < self.drive.to {
            let Some(next) = self.node.mode().next() else { return Ok(()) };
            self.node.set_mode(next)?;
        }
        Ok(())
    }

    fn is_moving(&self) -> Result<bool, Error> {
        let Some((_, target)) = self.node.mode().migration() else { return Ok(false) };
        Ok(self.recorded_version()? < target)
    }

    /// The version that the node has come to. A chain that was born in a later mode has none recorded.
    fn version(&self) -> Result<u64, Error> {
        let born = Some(self.node.mode()).filter(|mode| mode.migration().is_none()).map_or(0, Mode::base_version);
        Ok(self.recorded_version()?.max(born))
    }

    fn recorded_version(&self) -> Result<u64, Error> {
        let metadata = self.node.flatkv().map(Metadata::read).transpose()?;
        Ok(metadata.and_then(|metadata| metadata.version).unwrap_or(0))
    }

    /// Counts the keys on the way to the goal.
    fn tell_goal(&self) -> Result<(), Error> {
        if self.drive.rests {
            return Ok(());
        }
        let to = self.drive.to;
        let remaining = self.node.view()?.remaining()?;
        let keys = remaining.iter().filter(|(module, _)| to.route(module) == Route::New).map(|(_, keys)| keys).sum();
        self.metrics.set_goal(Some((to, keys)));
        Ok(())
    }
}

/// A checkpoint or its error in words.
fn told(made: Result<Checkpoint, Error>) -> CheckpointEnd {
    match made {
        Ok(Checkpoint { height, app_hash, bytes }) => {
            CheckpointEnd::Made { height, app_hash: hex::encode(app_hash), bytes }
        }
        Err(error) => {
            let causes = successors(error.source(), |&cause| cause.source());
            let said = causes.fold(error.to_string(), |said, cause| format!("{said}: {cause}"));
            CheckpointEnd::Failed { kind: error.kind().as_str().to_owned(), said }
        }
    }
}
