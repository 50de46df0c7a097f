//! Which lives are led, and how many kills they must meet.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, ensure};
use ferry::KillPoint;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::child::{self, End};
use crate::kill::{Kill, OUT_OF_REACH};
use crate::life::{Ended, Life, Next, Plant};
use crate::progress::Progress;
use crate::report::{Report, Violation};
use crate::repository;
use crate::workload::{self, Workload, copy};

/// Kills of each named point, at the least.
const KILLS_PER_POINT: u64 = 20;
/// Runs that were to die at a point and did not: then no workload reaches it.
const MISSES_MAX: u64 = 60;
/// Recorded lives that are replayed to their end, killed on the way: the reference's word on every block. And what the kills
/// of each are counted under.
const REPLAYED: [(&str, &str); 3] = [
    ("crates/ferry-cli/fixtures/small", "kills_in_small"),
    ("crates/ferry-cli/fixtures/medium", "kills_in_medium"),
    ("crates/ferry-cli/fixtures/nosnap", "kills_in_nosnap"),
];
/// Lives that are led to their end although they are violated: one cause shows more than once.
const VIOLATIONS_MAX: usize = 20;

/// What a campaign takes.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// What all random choices follow from; random if absent.
    #[arg(long)]
    seed: Option<u64>,
    /// Some 300 kills, 250 cycles, and 25 kills in each recorded life: minutes.
    #[arg(long, conflicts_with = "long")]
    smoke: bool,
    /// 10 000 kills, 1 000 cycles, and 250 kills in each recorded life.
    #[arg(long)]
    long: bool,
    /// So many kills instead; 0 for the cycles alone.
    #[arg(long)]
    kills: Option<u64>,
    /// So many kill and reopen cycles of one home from V0 to V3 instead.
    #[arg(long)]
    cycles: Option<u64>,
    /// So many kills in the replay of each recorded life instead.
    #[arg(long)]
    replay_kills: Option<u64>,
    /// Where the report goes, beside stdout.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// The program; the one beside this one by default.
    #[arg(long, value_name = "FILE")]
    ferry: Option<PathBuf>,
    /// Where the homes are; in memory by default where there is such a file system. A killed process loses no page cache
    /// anywhere.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Where the images of violations are kept.
    #[arg(long, value_name = "DIR", default_value = "target/torture-kill")]
    keep: PathBuf,
    /// Only the rig's own load, without the program.
    #[arg(long)]
    load_only: bool,
    /// Plant a fault after each kill: the campaign must fail.
    #[arg(long)]
    plant: Option<Plant>,
}

/// What going on from an image takes.
#[derive(clap::Args)]
pub(crate) struct ReplayArgs {
    /// The image, as a violation names it. A copy is opened.
    #[arg(long)]
    image: PathBuf,
    /// The recorded life's directory.
    #[arg(long)]
    life: PathBuf,
    /// The program; the one beside this one by default.
    #[arg(long, value_name = "FILE")]
    ferry: Option<PathBuf>,
}

/// Random kills of one life.
#[derive(Clone, Copy)]
struct Kills {
    count: u64,
    /// How many blocks a run makes at the most until it is killed.
    blocks: u32,
}

struct Campaign<'a> {
    args: &'a Args,
    seed: u64,
    stop: &'a AtomicBool,
    report: Report,
    progress: Progress,
    lives: u64,
    /// Runs that outlived the named kill that was meant for them.
    misses: BTreeMap<KillPoint, u64>,
}

/// Runs a campaign; the exit code says whether nothing was violated.
pub(crate) fn run(args: &Args, stop: &AtomicBool) -> Result<ExitCode> {
    let seed = args.seed.unwrap_or_else(|| rand::rng().random());
    eprintln!("torture-kill: seed={seed}");
    let (kills, cycles, replay_kills) = if args.long { (10_000, 1_000, 250) } else { (320, 250, 25) };
    let (kills, cycles) = (args.kills.unwrap_or(kills), args.cycles.unwrap_or(cycles));
    let replay_kills = args.replay_kills.unwrap_or(replay_kills);
    let (report, progress) = (Report::default(), Progress::start());
    let mut campaign = Campaign { args, seed, stop, report, progress, lives: 0, misses: BTreeMap::new() };
    let workloads = campaign.workloads()?;
    if kills > 0 {
        campaign.kill(&workloads, kills)?;
        campaign.check_reach();
    }
    campaign.cycle(cycles)?;
    campaign.replay(replay_kills)?;
    let json = campaign.report.json(seed, campaign.progress.seconds());
    println!("{json:#}");
    if let Some(path) = &args.json {
        std::fs::write(path, format!("{json:#}\n")).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(if campaign.report.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Opens a copy of an image and lets the life run out.
pub(crate) fn replay(args: &ReplayArgs) -> Result<ExitCode> {
    let workload = Workload::recorded(&program(args.ferry.as_deref())?, &args.life, false)?;
    let directory = workload::directory(None).context("a directory for the copy")?;
    let home = directory.path().join("home");
    copy(&args.image, &home)?;
    let ran = child::run(&mut workload.command(&home, None)?, None)?;
    let verdict = match &ran.end {
        End::Exited(0) => workload.check_end(&ran),
        end => Err(format!("{end:?}: {}", ran.said.join(" | "))),
    };
    println!("{verdict:?}");
    Ok(if verdict.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The program to kill.
fn program(given: Option<&Path>) -> Result<PathBuf> {
    let beside =
        || Ok::<_, anyhow::Error>(std::env::current_exe().context("the rig's own path")?.with_file_name("ferry"));
    let program = given.map_or_else(beside, |path| Ok(path.to_owned()))?;
    ensure!(
        program.is_file(),
        "no program to kill, build it with cargo build --release -p ferry-cli: {}",
        program.display()
    );
    Ok(program)
}

impl Campaign<'_> {
    fn workloads(&self) -> Result<Vec<Workload>> {
        let mut workloads = vec![Workload::load(self.seed, 150)?];
        if self.args.load_only {
            return Ok(workloads);
        }
        let ferry = program(self.args.ferry.as_deref())?;
        let small = repository("crates/ferry-cli/fixtures/small");
        workloads.push(Workload::recorded(&ferry, &small, false)?);
        workloads.push(Workload::recorded(&ferry, &repository("crates/ferry/fixtures/exact"), true)?);
        workloads.push(Workload::recorded(&ferry, &small, true)?);
        Ok(workloads)
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.report.violations.len() >= VIOLATIONS_MAX
    }

    /// One life after the other until there were enough kills of each kind.
    fn kill(&mut self, workloads: &[Workload], wanted: u64) -> Result<()> {
        for workload in workloads.iter().cycle() {
            let scarce = |point: &KillPoint| !self.is_given_up(*point) && self.hits(*point) < KILLS_PER_POINT;
            let enough = self.report.kills() >= wanted && !KillPoint::ALL.iter().any(scarce);
            let reached_all = self.lives >= workloads.len() as u64;
            if self.stopped() || (enough && reached_all) {
                return Ok(());
            }
            self.lead(workload, None, wanted)?;
        }
        Ok(())
    }

    /// One home that is killed `cycles` times on its way from V0 to V3, and ends like the undisturbed one.
    fn cycle(&mut self, cycles: u64) -> Result<()> {
        if self.stopped() || cycles == 0 {
            return Ok(());
        }
        let workload = Workload::load(self.seed ^ 1, cycles * 5)?;
        let before = self.report.kills();
        if self.lead(&workload, Some(Kills { count: cycles, blocks: 6 }), cycles)? == Ended::Whole {
            let cycles = self.report.kills() - before;
            self.report.add("cycles", cycles);
        }
        Ok(())
    }

    /// The recorded lives, each killed `kills` times at random heights all over it, and led to its end.
    fn replay(&mut self, kills: u64) -> Result<()> {
        if kills == 0 || self.args.load_only {
            return Ok(());
        }
        let ferry = program(self.args.ferry.as_deref())?;
        for (life, figure) in REPLAYED {
            if self.stopped() {
                return Ok(());
            }
            let workload = Workload::recorded(&ferry, &repository(life), false)?;
            // A run comes half as far on the average; a few blocks are left for the last one, which is not killed.
            let blocks = u32::try_from((2 * workload.blocks).div_ceil(kills)).unwrap_or(u32::MAX);
            let before = self.report.kills();
            if self.lead(&workload, Some(Kills { count: kills, blocks }), kills)? == Ended::Whole {
                let kills = self.report.kills() - before;
                self.report.add(figure, kills);
                self.report.add("replays_whole", 1);
            }
        }
        Ok(())
    }

    /// Leads one life, with so many random kills or with a mixture until it is over.
    fn lead(&mut self, workload: &Workload, kills: Option<Kills>, wanted: u64) -> Result<Ended> {
        let number = self.lives;
        self.lives += 1;
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed.wrapping_add(number));
        let Args { keep, plant, dir, .. } = self.args;
        let life = Life { workload, number, keep, plant: *plant, dir: dir.as_deref() };
        let mut report = std::mem::take(&mut self.report);
        let mut pending: Option<(KillPoint, u64)> = None;
        let mut led = 0;
        let ended = life.lead(&mut report, &mut rng, |report, rng| {
            self.settle(&mut pending, report);
            if self.stop.load(Ordering::Relaxed) {
                return Next::Stop;
            }
            let done = if kills.is_some() { led } else { report.kills() };
            self.progress.set(&workload.name, done, wanted, &format!("life {number}"));
            led += 1;
            match kills {
                Some(kills) if led > kills.count => Next::RunOut,
                Some(kills) => Next::Kill(Kill::random(rng, workload.opening, workload.block, kills.blocks)),
                None => self.choose(workload, report, rng, &mut pending),
            }
        });
        self.settle(&mut pending, &report);
        self.report = report;
        let ended = ended?;
        if ended == Ended::Whole {
            self.report.add("lives_whole", 1);
        }
        Ok(ended)
    }

    /// The next kill of a mixed life: half of them random, half at the named point that was hit least.
    fn choose(
        &self,
        workload: &Workload,
        report: &Report,
        rng: &mut ChaCha8Rng,
        pending: &mut Option<(KillPoint, u64)>,
    ) -> Next {
        if rng.random_ratio(1, 2) {
            return Next::Kill(Kill::random(rng, workload.opening, workload.block, 10));
        }
        let hits = |point: &KillPoint| report.histogram.get(point.as_str()).copied().unwrap_or(0);
        let reachable = KillPoint::ALL.into_iter().filter(|point| !self.is_given_up(*point));
        let Some(point) = reachable.min_by_key(hits) else { return Next::RunOut };
        *pending = Some((point, hits(&point)));
        Next::Kill(Kill::At(point, rng.random_range(1..=8)))
    }

    /// Counts a named kill that did not come.
    fn settle(&mut self, pending: &mut Option<(KillPoint, u64)>, report: &Report) {
        if let Some((point, before)) = pending.take()
            && report.histogram.get(point.as_str()).copied().unwrap_or(0) == before
        {
            *self.misses.entry(point).or_default() += 1;
        }
    }

    fn hits(&self, point: KillPoint) -> u64 {
        self.report.histogram.get(point.as_str()).copied().unwrap_or(0)
    }

    /// Listed as out of reach, or never hit however often it was tried.
    fn is_given_up(&self, point: KillPoint) -> bool {
        let listed = OUT_OF_REACH.iter().any(|(name, _)| *name == point.as_str());
        listed || self.misses.get(&point).copied().unwrap_or(0) >= MISSES_MAX
    }

    /// Every point was hit often enough, or is listed with a reason.
    fn check_reach(&mut self) {
        if self.stop.load(Ordering::Relaxed) {
            return;
        }
        for point in KillPoint::ALL {
            let listed = OUT_OF_REACH.iter().any(|(name, _)| *name == point.as_str());
            let hits = self.hits(point);
            if !listed && hits < KILLS_PER_POINT {
                let what = format!("a kill point is out of reach: point={point} expected={KILLS_PER_POINT} got={hits}");
                self.report.violations.push(Violation { workload: "all".to_owned(), life: 0, what, image: None });
            }
        }
    }
}
