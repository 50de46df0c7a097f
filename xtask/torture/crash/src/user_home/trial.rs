//! What a copy comes to undisturbed, its recording, and the images that are held against both.

use std::collections::HashSet;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::{Context, Result, bail, ensure};
use crossbeam_channel::bounded;
use ferry::{Check, DigestRequest, NamedChangeSet, Node, RowsDigest, VerifyRequest, View};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Arguments, Plan};
use crate::child::{self, Scene};
use crate::crash_points::{choices, lock, words};
use crate::image::{Image, clear};
use crate::recording::{self, Op};
use crate::report::{Report, Violation};
use crate::survivors::Survivors;
use crate::trace::{Course, Goal, Moment, Stage};

/// Random subsets of the unsynced operations that are drawn from at each crash point.
const SUBSETS: u64 = 6;

/// What a block shows.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Shown {
    height: u64,
    app_hash: [u8; 32],
    boundary: Option<Vec<u8>>,
    digest: RowsDigest,
}

impl Shown {
    fn of(view: &View) -> Result<Self> {
        let request = DigestRequest { split_bytes: 0, ..DigestRequest::default() };
        let digest = ferry::digest(view, &request, &mut |_| ControlFlow::Continue(()))?;
        let boundary = view.boundary_record()?.map(|record| record.to_vec());
        Ok(Self { height: view.height(), app_hash: view.app_hash(), boundary, digest: digest.whole })
    }
}

/// A plan with what it leads to undisturbed.
pub(super) struct Trial {
    plan: Plan,
    writes: Vec<Vec<NamedChangeSet>>,
    /// Before the first block, and behind each.
    shown: Vec<Shown>,
}

impl Course for Trial {
    fn stage(&self, number: usize) -> Option<Stage> {
        (number < self.plan.blocks).then_some(Stage { phase: "blocks", before: number, after: number + 1 })
    }
}

impl Trial {
    pub(super) fn undisturbed(plan: Plan, home: &Path) -> Result<Self> {
        let mut node = Node::open(home, plan.options.clone()).context("opening the copy")?;
        let view = node.view()?;
        let mut trial = Self { writes: plan.writes(&view)?, shown: vec![Shown::of(&view)?], plan };
        drop(view);
        for writes in &trial.writes {
            trial.plan.block(&mut node, writes).context("the undisturbed run")?;
            trial.shown.push(Shown::of(&node.view()?)?);
        }
        verify(&node.view()?).context("the end of the undisturbed run")?;
        node.close()?;
        Ok(trial)
    }

    pub(super) fn record(&self, base: &Image, arguments: &Arguments, scratch: &Path) -> Result<Vec<Op>> {
        let dir = scratch.join("record");
        clear(&dir)?;
        let scene = Scene::new(&dir)?;
        base.put(&scene.home)?;
        recording::begin(&scene.log, &base.numbers(&scene.home)?)?;
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let Plan { blocks, batch_keys, seed, config, .. } = &self.plan;
        let mut line = vec!["home".to_owned(), "--live".to_owned(), "--home".to_owned(), text(&scene.home)];
        for (word, number) in [("--blocks", *blocks as u64), ("--batch-keys", *batch_keys), ("--seed", *seed)] {
            line.extend([word.to_owned(), number.to_string()]);
        }
        line.extend(config.iter().flat_map(|config| ["--config".to_owned(), text(config)]));
        child::run(&mut scene.command(&line, true)?).context("recording the blocks")?;
        let ops = recording::read(&scene.log)?;
        let mut moment = Moment::start(base.disk(&recording::numbers(&ops))?, Vec::new(), "");
        for op in &ops {
            moment.advance(op, self)?;
        }
        let unseen = Image::of(&moment.disk, Survivors::All).difference(&Image::read(&scene.home)?);
        ensure!(unseen.is_none(), "the recording does not lead to the home; something went unseen: path={unseen:?}");
        fs::create_dir_all(&arguments.keep)?;
        fs::copy(&scene.log, kept(arguments)).context("keeping the recording")?;
        Ok(ops)
    }

    /// Opens the images that are drawn from all crash points.
    pub(super) fn torture(
        &self,
        mut moment: Moment,
        ops: &[Op],
        arguments: &Arguments,
        scratch: &Path,
        report: &Mutex<Report>,
    ) -> Result<()> {
        let points = ops.iter().filter(|op| op.is_operation()).count() as u64;
        let share = arguments.images as f64 / (points * (SUBSETS + 3)).max(1) as f64;
        let mut random = ChaCha8Rng::seed_from_u64(arguments.seed);
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let (cases, inbox) = bounded::<(Image, Vec<Goal>, &'static str, String)>(threads);
        std::thread::scope(|scope| {
            for number in 0..threads {
                let (inbox, home) = (inbox.clone(), scratch.join(format!("check-{number}/home")));
                scope.spawn(move || {
                    for (image, goals, phase, replay) in inbox {
                        let checked = image.put(&home).and_then(|()| self.check(&home, &goals));
                        let mut report = lock(report);
                        report.count("images", phase, 1);
                        if let Err(error) = checked {
                            report.violation(Violation { replay, phase: phase.to_owned(), what: format!("{error:#}") });
                        }
                    }
                });
            }
            drop(inbox);
            let mut seen = HashSet::new();
            for op in ops {
                let is_forgotten = arguments.plant && matches!(op, Op::Sync { .. });
                if is_forgotten || !moment.advance(op, self)? {
                    continue;
                }
                lock(report).count("crash_points", moment.phase, u64::from(!moment.settled));
                lock(report).progress("crash points", moment.point as u64, points);
                for survivors in choices(&moment, arguments.seed, SUBSETS) {
                    if !random.random_bool(share.min(1.0)) {
                        continue;
                    }
                    let image = Image::of(&moment.disk, survivors);
                    if seen.insert((image.id(), moment.goals.first().map(|goal| goal.state))) {
                        let replay = self.replay(arguments, &moment, survivors);
                        cases.send((image, moment.goals.clone(), moment.phase, replay))?;
                    }
                }
            }
            lock(report).count("distinct_images", "all", seen.len() as u64);
            drop(cases);
            Ok(())
        })
    }

    fn replay(&self, arguments: &Arguments, moment: &Moment, survivors: Survivors) -> String {
        let Plan { blocks, batch_keys, seed, .. } = &self.plan;
        let settled = if moment.settled { " --settled" } else { "" };
        format!(
            "torture-crash home --home {} --blocks {blocks} --batch-keys {batch_keys} --seed {seed} --recording {} \
             --point {} --survivors {survivors}{settled}",
            arguments.home.display(),
            kept(arguments).display(),
            moment.point,
        )
    }

    /// Opens what a crash has left of the copy, compares, and goes on to the end. A panic is an error.
    pub(super) fn check(&self, home: &Path, goals: &[Goal]) -> Result<()> {
        let check = || -> Result<()> {
            let mut node = Node::open(home, self.plan.options.clone()).context("opening")?;
            let found = Shown::of(&node.view()?)?;
            let state = goals.iter().map(|goal| goal.state).find(|state| self.shown[*state] == found);
            let Some(state) = state else {
                let expected: Vec<_> = goals.iter().map(|goal| &self.shown[goal.state]).collect();
                bail!("a block that must not be the last one: expected={expected:?} got={found:?}");
            };
            verify(&node.view()?).context("what was opened")?;
            for writes in &self.writes[state..] {
                self.plan.block(&mut node, writes).context("going on")?;
            }
            let end = Shown::of(&node.view()?)?;
            let expected = self.shown.last().context("the undisturbed run has an end")?;
            ensure!(end == *expected, "another end: expected={expected:?} got={end:?}");
            verify(&node.view()?).context("the end")?;
            Ok(node.close()?)
        };
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(check));
        caught.unwrap_or_else(|panic| bail!(words(&*panic)))
    }
}

fn kept(arguments: &Arguments) -> PathBuf {
    arguments.keep.join(format!("home-{}.log", arguments.seed))
}

/// Every check of `ferry verify`.
fn verify(view: &View) -> Result<()> {
    let request = VerifyRequest { checks: Check::ALL.to_vec(), threads: 1, candidates_max: 0, progress_file: None };
    let mut found = Vec::new();
    let mut hear = |finding: &ferry::Finding| {
        found.push(format!("{finding:?}"));
        Ok(())
    };
    let report = ferry::verify_view(view, &request, &mut hear, &mut |_| ControlFlow::Continue(()))?;
    ensure!(report.is_clean(), "verify finds: {}", found.join("; "));
    Ok(())
}
