//! The scenarios: what is done to the network while it migrates.

mod home;
mod join;
mod kill;

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use ferry::Mode;

use crate::node::KEYS_LESS;
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
    scenario("smoke", "one kill and one node that joins by a snapshot, in one migration", join::smoke),
    scenario("kill-one", "one chain program killed in each migration", kill::kill_one),
    scenario("kill-random", "one program, one engine, both, or all four nodes, killed at random", kill::kill_random),
    scenario(
        "kill-points",
        "one chain program killed at each kill point of the commit, in each migration",
        kill::kill_points,
    ),
    scenario("storm", "kills one behind the other from the first moved key to the last", kill::storm),
    scenario("pause", "the rate set to 0 in the middle, and back", pause),
    scenario("behind", "one program set back behind its engine's blocks, a little and far", home::behind),
    scenario("join", "a fifth node from genesis while the chain migrates", join::join),
    scenario(
        "state-sync",
        "a fifth node by a snapshot before, during and after each migration, a sixth from genesis",
        join::state_sync,
    ),
    scenario(
        "sync-killed",
        "a fifth node killed at each point of a snapshot that comes in, and behind it",
        join::sync_killed,
    ),
    scenario("sync-damaged", "a fifth node by a snapshot that three of four nodes send damaged", join::sync_damaged),
    scenario("wiped", "one program's home removed in the middle", home::wiped),
    Scenario { cannot: home::not_root, ..scenario("disk-full", "one program's disk fills up", home::disk_full) },
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

/// Keys that a block moves where the migration must still be there when a long disturbance is through.
const SLOWEST: u64 = 2;

/// Blocks under load before the calm migration, for their times to be compared with those of its blocks.
const BLOCKS_COMPARED: u64 = 30;

fn calm(world: &mut World) -> Result<()> {
    world.wait_blocks(BLOCKS_COMPARED)?;
    world.migrate(world.rate, Mode::FlatkvOnly)?;
    wait_end(world)
}

fn wait_end(world: &mut World) -> Result<()> {
    world.wait("the end of the migration", |sample| sample.mode == Mode::FlatkvOnly)?;
    world.wait_blocks(3)
}

/// Leads through the migrations one by one, with `disturb` in the middle of each: a slow one, at `rate`, so that it is still
/// there.
fn in_each_migration(world: &mut World, rate: u64, disturb: impl Fn(&mut World) -> Result<()>) -> Result<()> {
    for (moves, ends) in MIGRATIONS {
        world.migrate(rate, moves)?;
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

fn divergence(world: &mut World) -> Result<()> {
    let index = 3;
    world.nodes[index].stop()?;
    world.start_node(index, &[(KEYS_LESS, "1".to_owned())])?;
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
