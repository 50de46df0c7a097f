//! What a power cut may take back of a life whose blocks are left to the operating system (`durability = os`).
//!
//! Told from the recorded operations alone, whatever the node believes:
//!
//! ```text
//! begin N ── apply, commit: a write to RocksDB's log, or before FlatKV exists to memiavl's changelog ── done N
//!     covered   once all that was written to those files up to "done N" is synced, and a name leads to each of them
//!               that would be there after a power cut; a file that was removed counts for nothing: whoever removes a
//!               log must have put what it says elsewhere
//! ```
//! A power cut may leave the last covered block or any later one; the end of the process alone leaves what was acknowledged.
//! And no block may be open for long: behind each wait of the life all of them must be covered.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use anyhow::Result;

use crate::crash_points::{Rig, lock};
use crate::disk::{Body, Disk, Ino};
use crate::life::Action;
use crate::recording::Op;
use crate::report::{Report, Violation};
use crate::survivors::Survivors;
use crate::trace::{Goal, Moment};

/// The log that says whether a block has happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Log {
    #[default]
    Changelog,
    RocksDb,
}

impl Log {
    /// The log that a file at `path` belongs to.
    fn of(path: &str) -> Option<Self> {
        let (dir, name) = path.rsplit_once('/')?;
        let is_numbered = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
        match (dir.rsplit('/').next()?, name.strip_suffix(".log")) {
            ("flatkv", Some(number)) if is_numbered(number) => Some(Self::RocksDb),
            ("changelog", None) if is_numbered(name) => Some(Self::Changelog),
            _ => None,
        }
    }
}

/// A step that was acknowledged and is not known to be on disk.
#[derive(Clone, Copy, Debug)]
struct Open {
    goal: Goal,
    /// Operations until it was acknowledged.
    at: usize,
    log: Log,
}

/// What is covered at one moment of a life.
#[derive(Clone, Debug)]
pub(crate) struct Coverage {
    covered: Goal,
    open: Vec<Open>,
    files: HashMap<Ino, Log>,
    /// The log that the last step has written to.
    log: Log,
    /// The log that the step in work has written to so far.
    written: Option<Log>,
}

impl Coverage {
    /// Of a life that has not begun.
    pub(crate) fn new() -> Self {
        let covered = Goal { state: 0, step: 0 };
        Self { covered, open: Vec::new(), files: HashMap::new(), log: Log::default(), written: None }
    }

    /// A step begins.
    pub(crate) fn begin(&mut self) {
        self.written = None;
    }

    /// A step was acknowledged, behind `at` operations.
    pub(crate) fn done(&mut self, goal: Goal, at: usize, disk: &Disk) {
        self.log = self.written.take().unwrap_or(self.log);
        self.open.push(Open { goal, at, log: self.log });
        self.settle(disk);
    }

    /// Hears of an operation that was applied to `disk`.
    pub(crate) fn hear(&mut self, op: &Op, disk: &Disk) {
        match op {
            Op::Create { ino, path, is_dir: false } | Op::Rename { ino, to: path, .. } => {
                if let Some(log) = Log::of(path) {
                    self.files.insert(*ino, log);
                }
            }
            // Where there is FlatKV, its log comes first.
            Op::Write { ino, .. } => self.written = self.written.or(self.files.get(ino).copied()),
            Op::Sync { .. } | Op::Unlink { .. } => self.settle(disk),
            _ => {}
        }
    }

    /// Moves on to the last step that is on disk.
    fn settle(&mut self, disk: &Disk) {
        if self.open.is_empty() {
            return;
        }
        let (live, durable) = (reachable(disk, false), reachable(disk, true));
        let holds = |open: &Open, ino: &Ino| match disk.inodes.get(ino) {
            Some(Body::File { durable: bytes, pending, .. }) => {
                let is_younger = bytes.is_empty() && pending.first().is_none_or(|op| op.at > open.at);
                is_younger || (durable.contains(ino) && pending.iter().all(|op| op.at > open.at))
            }
            _ => true,
        };
        let is_on_disk = |open: &Open| {
            let mut logs = self.files.iter().filter(|(ino, log)| **log == open.log && live.contains(*ino));
            logs.all(|(ino, _)| holds(open, ino))
        };
        if let Some(last) = self.open.iter().rposition(is_on_disk) {
            self.covered = self.open[last].goal;
            self.open.drain(..=last);
        }
    }

    /// The last step that no power cut takes back.
    pub(crate) fn covered(&self) -> Goal {
        self.covered
    }

    /// All that a power cut may leave beside `strict`, which the end of the process may leave: latest first.
    pub(crate) fn widen(&self, strict: &[Goal]) -> Vec<Goal> {
        let mut goals: Vec<Goal> = strict.iter().rev().copied().collect();
        let earlier = self.open.iter().rev().map(|open| open.goal).chain([self.covered]);
        for goal in earlier {
            if !goals.contains(&goal) {
                goals.push(goal);
            }
        }
        goals
    }
}

impl Rig<'_> {
    /// Whether the background has put on disk, behind each wait of the life, what was acknowledged before it.
    pub(crate) fn check_waits(&self, ops: &[Op], report: &Mutex<Report>) -> Result<()> {
        let life = &self.script.life;
        let mut moment = Moment::of_life(life);
        for op in ops {
            moment.advance(op, life)?;
            let Op::Marker { text, .. } = op else { continue };
            let Some(step) = text.strip_prefix("done ").and_then(|step| step.parse::<usize>().ok()) else { continue };
            if !matches!(life.steps[step].action, Action::Wait) {
                continue;
            }
            let (phase, last) = (life.steps[step].phase, life.steps[step].after);
            let mut report = lock(report);
            report.count("waits_for_the_background", phase, 1);
            let covered = moment.oldest(Survivors::None).unwrap_or(0);
            if covered != last {
                let height = |state: usize| life.states[state].height;
                let what = format!(
                    "a block is not on disk although there was time: expected_height={} got_height={}",
                    height(last),
                    height(covered)
                );
                let replay = format!("torture-crash --seed {} --layer crash --life os, step {step}", self.seed);
                report.violation(Violation { replay, phase: phase.to_owned(), what });
            }
        }
        Ok(())
    }
}

/// The files that names lead to: for a running process, or for good.
fn reachable(disk: &Disk, for_good: bool) -> HashSet<Ino> {
    let mut found = HashSet::from([disk.root]);
    let mut dirs = vec![disk.root];
    while let Some(dir) = dirs.pop() {
        let Some(Body::Dir { durable, live }) = disk.inodes.get(&dir) else { continue };
        for ino in if for_good { durable } else { live }.values() {
            if found.insert(*ino) {
                dirs.push(*ino);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLATKV: u64 = 1;
    const LOG: u64 = 2;
    const NEXT: u64 = 3;

    /// A life of blocks 1, 2, … in RocksDB's log.
    struct Led {
        disk: Disk,
        coverage: Coverage,
        ops: usize,
    }

    impl Led {
        fn new() -> Self {
            let mut led = Self { disk: Disk::empty(), coverage: Coverage::new(), ops: 0 };
            led.op(Op::Create { ino: FLATKV, is_dir: true, path: "flatkv".to_owned() });
            led.op(Op::Sync { ino: disk_root(), is_dir: true, thread: 1 });
            led.op(Op::Create { ino: LOG, is_dir: false, path: "flatkv/000004.log".to_owned() });
            led
        }

        fn op(&mut self, op: Op) {
            self.disk.apply(&op).expect("an operation");
            self.ops += 1;
            self.coverage.hear(&op, &self.disk);
        }

        fn block(&mut self, number: usize, log: u64) {
            self.coverage.begin();
            self.op(Op::Write { ino: log, offset: number, data: [7].as_slice().into() });
            self.coverage.done(Goal { state: number, step: number }, self.ops, &self.disk);
        }

        fn sync(&mut self, ino: u64) {
            self.op(Op::Sync { ino, is_dir: false, thread: 2 });
        }

        fn states(&self) -> Vec<usize> {
            self.coverage.widen(&[]).iter().map(|goal| goal.state).collect()
        }
    }

    fn disk_root() -> u64 {
        Disk::empty().root
    }

    #[test]
    fn a_sync_of_the_log_covers_what_was_written_before_it() {
        let mut led = Led::new();
        led.block(1, LOG);
        led.block(2, LOG);
        assert_eq!(led.states(), [2, 1, 0], "anything may be gone");
        led.sync(LOG);
        led.block(3, LOG);
        assert_eq!(led.states(), [3, 2]);
    }

    #[test]
    fn a_block_needs_every_log_before_it_unless_it_was_removed() {
        let mut led = Led::new();
        led.block(1, LOG);
        led.op(Op::Create { ino: NEXT, is_dir: false, path: "flatkv/000009.log".to_owned() });
        led.block(2, NEXT);
        led.sync(NEXT);
        assert_eq!(led.states(), [2, 1, 0], "the first log is not on disk");
        led.op(Op::Unlink { path: "flatkv/000004.log".to_owned() });
        assert_eq!(led.states(), [2], "its content is elsewhere");
    }
}
