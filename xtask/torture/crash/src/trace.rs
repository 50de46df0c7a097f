//! A recording as a sequence of crash points: the disk after each operation, and what may be found there.

use anyhow::{Context, Result, bail};

use crate::disk::Disk;
use crate::life::Life;
use crate::recording::Op;

/// A state that may be found, and the step with which the life goes on from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Goal {
    pub(crate) state: usize,
    pub(crate) step: usize,
}

impl std::str::FromStr for Goal {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (state, step) = text.split_once(':').context("a goal is STATE:STEP")?;
        Ok(Self { state: state.parse()?, step: step.parse()? })
    }
}

impl std::fmt::Display for Goal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.state, self.step)
    }
}

/// A moment between two operations.
pub(crate) struct Moment {
    /// Operations so far.
    pub(crate) point: usize,
    pub(crate) disk: Disk,
    /// What may be found after a crash here: what was acknowledged last, or what was submitted since.
    pub(crate) goals: Vec<Goal>,
    /// What the life is about.
    pub(crate) phase: &'static str,
    /// Whether something was acknowledged since the last operation: fewer states may be found than right behind that.
    pub(crate) settled: bool,
}

impl Moment {
    /// A disk before the first operation.
    pub(crate) fn start(disk: Disk, goals: Vec<Goal>, phase: &'static str) -> Self {
        Self { point: 0, disk, goals, phase, settled: false }
    }

    /// Goes on by one record; true if a crash here is another one than before: behind an operation, and behind an
    /// acknowledgement.
    pub(crate) fn advance(&mut self, op: &Op, life: &Life) -> Result<bool> {
        match op {
            Op::Marker { text, .. } => self.hear(text, life).with_context(|| format!("the marker {text:?}")),
            Op::Escape(text) => bail!("an operation went unseen: {text}"),
            op => {
                self.disk.apply(op)?;
                self.point += 1;
                self.settled = false;
                Ok(true)
            }
        }
    }

    fn hear(&mut self, text: &str, life: &Life) -> Result<bool> {
        let (word, number) = text.split_once(' ').context("no number")?;
        if word == "at" {
            return Ok(false);
        }
        let number: usize = number.parse()?;
        match word {
            "begin" => {
                let step = life.steps.get(number).context("no such step")?;
                self.phase = step.phase;
                self.goals = vec![Goal { state: life.before(number), step: number }];
                self.goals.push(Goal { state: step.after, step: number + 1 });
            }
            "done" => {
                let step = life.steps.get(number).context("no such step")?;
                self.goals = vec![Goal { state: step.after, step: number + 1 }];
            }
            // What a recovery has shown stays.
            "opened" => self.goals.retain(|goal| goal.state == number),
            _ => bail!("no such marker"),
        }
        self.settled = word != "begin";
        Ok(self.settled)
    }
}
