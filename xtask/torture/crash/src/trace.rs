//! A recording as a sequence of crash points: the disk after each operation, and what may be found there.

use anyhow::{Context, Result, bail};
use ferry::Durability;

use crate::coverage::Coverage;
use crate::disk::Disk;
use crate::life::Life;
use crate::recording::Op;
use crate::survivors::Survivors;

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

/// What is known of a step that a recording has markers of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stage {
    pub(crate) phase: &'static str,
    /// The states before it and behind it.
    pub(crate) before: usize,
    pub(crate) after: usize,
}

/// The steps of a recording.
pub(crate) trait Course {
    /// Step `number`; none behind the last.
    fn stage(&self, number: usize) -> Option<Stage>;
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
    /// What a power cut may take back of what was acknowledged; nothing, if there is none.
    coverage: Option<Coverage>,
}

impl Moment {
    /// A disk before the first operation.
    pub(crate) fn start(disk: Disk, goals: Vec<Goal>, phase: &'static str) -> Self {
        Self { point: 0, disk, goals, phase, settled: false, coverage: None }
    }

    /// Before the first operation of a life, on an empty disk.
    pub(crate) fn of_life(life: &Life) -> Self {
        let start = Self::start(Disk::empty(), vec![Goal { state: 0, step: 0 }], "founding");
        let is_left = life.durability == Durability::Os;
        Self { coverage: is_left.then(Coverage::new), ..start }
    }

    /// What may be found if this is what a crash lets through.
    pub(crate) fn allowed(&self, survivors: Survivors) -> Vec<Goal> {
        match &self.coverage {
            Some(coverage) if survivors != Survivors::All => coverage.widen(&self.goals),
            _ => self.goals.clone(),
        }
    }

    /// The oldest state that may be found.
    pub(crate) fn oldest(&self, survivors: Survivors) -> Option<usize> {
        let oldest = match &self.coverage {
            Some(coverage) if survivors != Survivors::All => Some(coverage.covered()),
            _ => self.goals.first().copied(),
        };
        oldest.map(|goal| goal.state)
    }

    /// Goes on by one record; true if a crash here is another one than before: behind an operation, and behind an
    /// acknowledgement.
    pub(crate) fn advance(&mut self, op: &Op, course: &impl Course) -> Result<bool> {
        match op {
            Op::Marker { text, .. } => self.hear(text, course).with_context(|| format!("the marker {text:?}")),
            Op::Escape(text) => bail!("an operation went unseen: {text}"),
            op => {
                self.disk.apply(op)?;
                if let Some(coverage) = &mut self.coverage {
                    coverage.hear(op, &self.disk);
                }
                self.point += 1;
                self.settled = false;
                Ok(true)
            }
        }
    }

    fn hear(&mut self, text: &str, course: &impl Course) -> Result<bool> {
        let (word, number) = text.split_once(' ').context("no number")?;
        if word == "at" {
            return Ok(false);
        }
        let number: usize = number.parse()?;
        match word {
            "begin" => {
                let stage = course.stage(number).context("no such step")?;
                self.phase = stage.phase;
                self.goals = vec![Goal { state: stage.before, step: number }];
                self.goals.push(Goal { state: stage.after, step: number + 1 });
                if let Some(coverage) = &mut self.coverage {
                    coverage.begin();
                }
            }
            "done" => {
                let stage = course.stage(number).context("no such step")?;
                let goal = Goal { state: stage.after, step: number + 1 };
                self.goals = vec![goal];
                if let Some(coverage) = &mut self.coverage {
                    coverage.done(goal, self.point, &self.disk);
                }
            }
            // What a recovery has shown stays.
            "opened" => self.goals.retain(|goal| goal.state == number),
            _ => bail!("no such marker"),
        }
        self.settled = word != "begin";
        Ok(self.settled)
    }
}
