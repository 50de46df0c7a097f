//! The scenarios: what is done to the network while it migrates.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use ferry::{KillPoint, Mode};
use rand::Rng;

use crate::config::{JOINER, VALIDATORS};
use crate::process::LOOK_EVERY;
use crate::world::World;

/// A scenario.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) run: fn(&mut World) -> Result<()>,
    /// Why it cannot run here, if it cannot.
    pub(crate) cannot: fn() -> Option<&'static str>,
    /// The node that is made to part from the others.
    pub(crate) parts_at: Option<usize>,
}

/// All of them, the quiet one first.
pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario("calm", "a migration from V0 to V3 under load", calm),
    scenario("kill-one", "one chain program killed in each migration", kill_one),
    scenario("kill-random", "one program, one engine, both, or all four nodes, killed at random", kill_random),
    scenario(
        "kill-points",
        "one chain program killed at each kill point of the commit, in each migration",
        kill_points,
    ),
    scenario("pause", "the rate set to 0 in the middle, and back", pause),
    scenario("behind", "one program set back behind its engine's blocks, a little and far", behind),
    scenario("join", "a fifth node from genesis while the chain migrates", join),
    scenario("wiped", "one program's home removed in the middle", wiped),
    Scenario { cannot: not_root, ..scenario("disk-full", "one program's disk fills up", disk_full) },
    Scenario { parts_at: Some(3), ..scenario("divergence", "one node moves one key less, and is found", divergence) },
];

const fn scenario(name: &'static str, what: &'static str, run: fn(&mut World) -> Result<()>) -> Scenario {
    Scenario { name, what, run, cannot: || None, parts_at: None }
}

/// The migrations, each with the mode that it ends in.
const MIGRATIONS: [(Mode, Mode); 3] = [
    (Mode::MigrateEvm, Mode::EvmMigrated),
    (Mode::MigrateAllButBank, Mode::AllMigratedButBank),
    (Mode::MigrateBank, Mode::FlatkvOnly),
];

/// While the network is disturbed, a block moves so much less.
const SLOWER: u64 = 20;
/// At each kill point so many commits are let through first.
const COMMITS_BEFORE_KILL: u64 = 4;
/// A file system that the scenario's blocks fit in, and a filler does not.
const SMALL_DISK_MIB: u64 = 96;

fn calm(world: &mut World) -> Result<()> {
    world.migrate(world.rate, Mode::FlatkvOnly)?;
    wait_end(world)
}

fn wait_end(world: &mut World) -> Result<()> {
    world.wait("the end of the migration", |sample| sample.mode == Mode::FlatkvOnly)?;
    world.wait_blocks(3)
}

/// Leads through the migrations one by one, with `disturb` in the middle of each: a slow one, so that it is still there.
fn in_each_migration(world: &mut World, disturb: impl Fn(&mut World) -> Result<()>) -> Result<()> {
    for (moves, ends) in MIGRATIONS {
        world.migrate((world.rate / SLOWER).max(1), moves)?;
        world.wait("a migration to begin", move |sample| sample.mode >= moves)?;
        disturb(world)?;
        if world.samples.last().is_some_and(|sample| sample.boundary.ends_with("complete}")) {
            world.mark(&format!("{moves} was over before the disturbance was"));
        }
        world.migrate(world.rate, ends)?;
        world.wait("a migration to end", move |sample| sample.mode >= ends)?;
    }
    wait_end(world)
}

fn kill_one(world: &mut World) -> Result<()> {
    in_each_migration(world, |world| {
        let index = world.rng.random_range(0..VALIDATORS);
        kill(world, "program", &[index], |node| node.kill_app())?;
        restart(world, &[index])
    })
}

fn kill_random(world: &mut World) -> Result<()> {
    in_each_migration(world, |world| {
        let index = world.rng.random_range(0..VALIDATORS);
        let wait = world.rng.random_range(1..4);
        match world.rng.random_range(0..4) {
            0 => kill(world, "program", &[index], |node| node.kill_app())?,
            1 => kill(world, "engine", &[index], |node| node.kill_engine())?,
            2 => kill(world, "both", &[index], |node| node.kill_both())?,
            _ => {
                let all: Vec<usize> = (0..VALIDATORS).collect();
                kill(world, "both", &all, |node| node.kill_both())?;
                return restart(world, &all);
            }
        }
        world.wait_blocks(wait)?;
        restart(world, &[index])
    })
}

fn kill_points(world: &mut World) -> Result<()> {
    in_each_migration(world, |world| {
        for point in KillPoint::ALL {
            let index = world.rng.random_range(0..VALIDATORS);
            // A running program is told nothing: it starts again with the point in its environment.
            world.nodes[index].stop()?;
            world.start_node(index, &[("CHAIN_KILL_AT", format!("{point}:{COMMITS_BEFORE_KILL}"))])?;
            let status = world.nodes[index].app_ends()?;
            ensure!(!status.success(), "a program outlived its kill point: point={point} {status}");
            world.kills += 1;
            world.mark(&format!("node {index} killed at {point}"));
            restart(world, &[index])?;
        }
        Ok(())
    })
}

fn kill(world: &mut World, what: &str, nodes: &[usize], how: fn(&mut crate::node::Node) -> Result<()>) -> Result<()> {
    for index in nodes {
        world.mark(&format!("kill {what} of node {index}"));
        how(&mut world.nodes[*index])?;
        world.kills += 1;
    }
    Ok(())
}

fn restart(world: &mut World, nodes: &[usize]) -> Result<()> {
    for index in nodes {
        world.start_node(*index, &[])?;
    }
    nodes.iter().try_for_each(|index| world.wait_node(*index))
}

fn pause(world: &mut World) -> Result<()> {
    let goal = Mode::FlatkvOnly;
    world.migrate(world.rate / 4, goal)?;
    world.wait("a migration to begin", |sample| sample.mode >= Mode::MigrateEvm)?;
    world.migrate(0, goal)?;
    // The block that decides was still moving; the next one is not.
    world.wait_blocks(2)?;
    let before = world.samples.last().map(|sample| (sample.mode, sample.boundary.clone()));
    world.wait_blocks(6)?;
    let after = world.samples.last().map(|sample| (sample.mode, sample.boundary.clone()));
    ensure!(before.as_ref().is_some_and(|(mode, _)| mode.migration().is_some()), "nothing is in flight to pause");
    ensure!(before == after, "the cursor moved in a pause: expected={before:?} got={after:?}");
    // A node that is opened in a pause finds it again.
    world.nodes[1].stop()?;
    restart(world, &[1])?;
    world.migrate(world.rate, goal)?;
    wait_end(world)
}

fn behind(world: &mut World) -> Result<()> {
    in_each_migration(world, |world| {
        let index = world.rng.random_range(0..VALIDATORS);
        let blocks = if world.rng.random() { 1 } else { 12 };
        let home = world.nodes[index].place.home.clone();
        let copy = home.with_extension("copy");
        world.nodes[index].stop()?;
        copy_folder(&home, &copy)?;
        restart(world, &[index])?;
        world.wait_blocks(blocks)?;
        world.nodes[index].stop()?;
        world.mark(&format!("node {index} set back by {blocks} blocks or more"));
        fs::remove_dir_all(&home).context("removing a home")?;
        fs::rename(&copy, &home).context("setting a home back")?;
        restart(world, &[index])
    })
}

fn wiped(world: &mut World) -> Result<()> {
    world.migrate(world.rate, Mode::FlatkvOnly)?;
    world.wait("a migration to begin", |sample| sample.mode >= Mode::MigrateAllButBank)?;
    world.nodes[2].stop()?;
    world.mark("node 2 wiped");
    fs::remove_dir_all(&world.nodes[2].place.home).context("removing a home")?;
    restart(world, &[2])?;
    wait_end(world)
}

fn join(world: &mut World) -> Result<()> {
    world.migrate(world.rate / SLOWER, Mode::FlatkvOnly)?;
    world.wait("a migration to begin", |sample| sample.mode >= Mode::MigrateEvm)?;
    world.mark("a fifth node begins at block 1");
    restart(world, &[JOINER])?;
    world.mark("it is where the others are");
    world.migrate(world.rate, Mode::FlatkvOnly)?;
    wait_end(world)
}

fn not_root() -> Option<&'static str> {
    let id = Command::new("id").arg("-u").output();
    let is_root = id.is_ok_and(|id| id.stdout == b"0\n");
    (!is_root).then_some("only root can mount a small file system")
}

fn disk_full(world: &mut World) -> Result<()> {
    let index = 1;
    world.nodes[index].stop()?;
    let home = world.nodes[index].place.home.clone();
    let copy = home.with_extension("copy");
    copy_folder(&home, &copy)?;
    fs::remove_dir_all(&home).and_then(|()| fs::create_dir(&home)).context("making a mount point")?;
    let mounted = Mounted::over(&home, SMALL_DISK_MIB)?;
    run(Command::new("cp").arg("-a").arg(copy.join(".")).arg(&home))?;
    restart(world, &[index])?;
    world.migrate(world.rate, Mode::FlatkvOnly)?;
    world.wait("a migration to begin", |sample| sample.mode >= Mode::MigrateEvm)?;
    let filler = home.join("filler");
    world.mark("node 1's disk is full");
    fill(&filler)?;
    let status = world.nodes[index].app_ends()?;
    ensure!(!status.success(), "a program with a full disk says that all is well: {status}");
    world.wait_blocks(3)?;
    fs::remove_file(&filler).context("making room")?;
    world.mark("there is room again");
    restart(world, &[index])?;
    wait_end(world)?;
    // What is compared at the end must outlive the file system.
    world.nodes[index].stop()?;
    run(Command::new("rm").arg("-rf").arg(&copy))?;
    copy_folder(&home, &copy)?;
    drop(mounted);
    fs::remove_dir(&home).context("removing a mount point")?;
    fs::rename(&copy, &home).context("putting a home back")?;
    restart(world, &[index])
}

/// Writes until nothing more fits.
fn fill(path: &Path) -> Result<()> {
    let mut file = fs::File::create(path).context("filling a disk")?;
    let block = vec![0x5a; 1 << 16];
    while std::io::Write::write_all(&mut file, &block).is_ok() {}
    Ok(())
}

/// A file system in memory, gone when this is.
struct Mounted<'a>(&'a Path);

impl<'a> Mounted<'a> {
    fn over(path: &'a Path, mib: u64) -> Result<Self> {
        run(Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={mib}m"), "tmpfs"]).arg(path))?;
        Ok(Self(path))
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        if let Err(error) = run(Command::new("umount").arg("--lazy").arg(self.0)) {
            eprintln!("chain: {error:#}");
        }
    }
}

fn divergence(world: &mut World) -> Result<()> {
    let index = 3;
    world.nodes[index].stop()?;
    world.start_node(index, &[("CHAIN_KEYS_LESS", "1".to_owned())])?;
    world.wait_node(index)?;
    world.migrate(world.rate, Mode::FlatkvOnly)?;
    let until = Instant::now() + Duration::from_secs(60);
    while !world.nodes[index].engine_says("CONSENSUS FAILURE")? {
        if Instant::now() > until {
            bail!("the engine of a node that parts does not notice: node={index}");
        }
        thread::sleep(LOOK_EVERY);
    }
    world.mark("node 3 is found out by its engine");
    world.nodes[index].kill_both()?;
    wait_end(world)
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    run(Command::new("cp").arg("-a").arg(from).arg(to))
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    ensure!(status.success(), "{command:?} failed: {status}");
    Ok(())
}
