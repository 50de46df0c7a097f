//! One home from its first block to its last, however often it is killed on the way.

use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::child::{self, End, Ran};
use crate::kill::Kill;
use crate::report::{Report, Violation};
use crate::workload::{Workload, copy, directory};

/// One of so many kills is followed by a read-only look at the home.
const LOOK_EVERY: u32 = 8;

/// What a life is led with.
pub(crate) struct Life<'a> {
    pub(crate) workload: &'a Workload,
    pub(crate) number: u64,
    /// Where its home is.
    pub(crate) dir: Option<&'a Path>,
    /// Where the images of violations are kept.
    pub(crate) keep: &'a Path,
    /// A fault that is planted after each kill: the rig must find it.
    pub(crate) plant: Option<Plant>,
}

/// Faults that the rig plants to show that it finds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Plant {
    /// RocksDB's log is lost, and with it blocks that were acknowledged.
    LoseLog,
    /// A byte of memiavl's changelog flips.
    FlipChangelog,
}

/// How a life ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Whole,
    Stopped,
    Violated,
}

impl Life<'_> {
    /// Leads it. `next` says how each run is killed; none lets it run to the end.
    pub(crate) fn lead(
        &self,
        report: &mut Report,
        rng: &mut ChaCha8Rng,
        mut next: impl FnMut(&mut Report, &mut ChaCha8Rng) -> Next,
    ) -> Result<Ended> {
        let own = directory(self.dir).context("a directory for the home")?;
        let (home, image) = (own.path().join("home"), own.path().join("image"));
        self.workload.prepare(&home)?;
        report.add("lives", 1);
        // What the home may hold when it is opened next; nothing is known before the first opening.
        let mut heights: RangeInclusive<u64> = 0..=u64::MAX;
        loop {
            let kill = match next(report, rng) {
                Next::Kill(kill) => Some(kill),
                Next::RunOut => None,
                Next::Stop => return Ok(Ended::Stopped),
            };
            replace(&image, &home)?;
            let ran = child::run(&mut self.workload.command(&home, kill)?, kill)?;
            report.add("runs", 1);
            report.add("blocks", ran.events.len().saturating_sub(1) as u64);
            match self.judge(&ran, kill, &heights) {
                Ok(None) => return Ok(Ended::Whole),
                Ok(Some(after)) => heights = after,
                Err(what) => {
                    let image = self.keep_image(&image)?;
                    let workload = self.workload.name.clone();
                    let violation = Violation { workload, life: self.number, what, image: Some(image) };
                    eprintln!("violation: {violation:?}");
                    report.violations.push(violation);
                    return Ok(Ended::Violated);
                }
            }
            if let Some(kill) = kill {
                report.killed(kill);
            }
            if let Some(plant) = self.plant {
                plant.plant(&home)?;
            } else if rng.random_ratio(1, LOOK_EVERY) && *heights.start() > 0 && *heights.end() < u64::MAX {
                self.look(&home, &mut heights, report)?;
            }
        }
    }

    /// What a run shows: none if the life is over, else what the home may hold now.
    fn judge(
        &self,
        ran: &Ran,
        kill: Option<Kill>,
        heights: &RangeInclusive<u64>,
    ) -> Result<Option<RangeInclusive<u64>>, String> {
        if let Some(opened) = ran.opened()
            && !heights.contains(&opened)
        {
            return Err(format!("opened at another block than it was left at: expected={heights:?} got={opened}"));
        }
        self.workload.check_blocks(ran)?;
        match (&ran.end, kill) {
            (End::Exited(0), _) => self.workload.check_end(ran).map(|()| None),
            (End::Killed, Some(kill)) => Ok(Some(match ran.acknowledged() {
                Some(acknowledged) => kill.heights_after(acknowledged),
                None => heights.clone(),
            })),
            (end, _) => Err(format!("the run ended otherwise: {end:?}, {}", ran.said.join(" | "))),
        }
    }

    /// A read-only look at the killed home, which the next opening must agree with.
    fn look(&self, home: &Path, heights: &mut RangeInclusive<u64>, report: &mut Report) -> Result<()> {
        let Some(height) = self.workload.height_read_only(home)? else { return Ok(()) };
        report.add("read_only_looks", 1);
        if heights.contains(&height) {
            *heights = height..=height;
        } else {
            let what = format!("status of a killed home is of another block: expected={heights:?} got={height}");
            let workload = self.workload.name.clone();
            report.violations.push(Violation { workload, life: self.number, what, image: None });
        }
        Ok(())
    }

    fn keep_image(&self, image: &Path) -> Result<String> {
        let kept = self.keep.join(format!("{}-life-{}", self.workload.name.replace(' ', "-"), self.number));
        replace(&kept, image)?;
        Ok(kept.display().to_string())
    }
}

/// What comes next in a life.
pub(crate) enum Next {
    Kill(Kill),
    RunOut,
    Stop,
}

fn replace(target: &PathBuf, source: &Path) -> Result<()> {
    if target.exists() {
        fs::remove_dir_all(target).with_context(|| format!("removing {}", target.display()))?;
    }
    copy(source, target)
}

impl Plant {
    fn plant(self, home: &Path) -> Result<()> {
        let directory = home.join(match self {
            Self::LoseLog => "data/state_commit/flatkv",
            Self::FlipChangelog => "data/state_commit/memiavl/changelog",
        });
        if !directory.is_dir() {
            return Ok(());
        }
        for entry in fs::read_dir(&directory).context("planting")? {
            let path = entry.context("planting")?.path();
            let is_log = path.extension().is_some_and(|extension| extension == "log");
            let mut bytes = fs::read(&path).unwrap_or_default();
            match self {
                Self::LoseLog if is_log => bytes.clear(),
                Self::FlipChangelog if bytes.len() > 300 => bytes[150] ^= 1,
                _ => continue,
            }
            fs::write(&path, bytes).context("planting")?;
        }
        Ok(())
    }
}
