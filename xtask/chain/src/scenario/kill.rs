//! Programs and engines that are killed.

use anyhow::{Result, ensure};
use ferry::{KillPoint, Mode};
use rand::Rng;

use super::{SLOWEST, in_each_migration, restart, wait_end};
use crate::config::VALIDATORS;
use crate::node::{KILL_AT, Node};
use crate::world::World;

/// At each kill point so many commits are let through first.
const COMMITS_BEFORE_KILL: u64 = 4;

pub(super) fn kill_one(world: &mut World) -> Result<()> {
    let rate = world.slow_rate();
    in_each_migration(world, rate, |world| {
        let index = world.rng.random_range(0..VALIDATORS);
        kill(world, "program", &[index], Node::kill_app)?;
        restart(world, &[index])
    })
}

pub(super) fn kill_random(world: &mut World) -> Result<()> {
    let rate = world.slow_rate();
    in_each_migration(world, rate, kill_any)
}

/// A storm lasts for so many blocks at least, unless the rate asks for more.
const STORM_BLOCKS: u64 = 150;

/// Kills and starts again from the first moved key to the last.
pub(super) fn storm(world: &mut World) -> Result<()> {
    let rate = world.rate.min(world.keys / STORM_BLOCKS).max(1);
    world.migrate(rate, Mode::FlatkvOnly)?;
    world.wait("a migration to begin", |sample| sample.mode >= Mode::MigrateEvm)?;
    while world.samples.last().is_some_and(|sample| sample.mode != Mode::FlatkvOnly) {
        kill_any(world)?;
        world.wait_blocks(1)?;
    }
    wait_end(world)
}

/// Kills a program, an engine, both, or all nodes, and starts them again some blocks later.
fn kill_any(world: &mut World) -> Result<()> {
    let index = world.rng.random_range(0..VALIDATORS);
    let wait = world.rng.random_range(1..4);
    match world.rng.random_range(0..4) {
        0 => kill(world, "program", &[index], Node::kill_app)?,
        1 => kill(world, "engine", &[index], Node::kill_engine)?,
        2 => kill(world, "both", &[index], Node::kill_both)?,
        _ => {
            let all: Vec<usize> = (0..VALIDATORS).collect();
            kill(world, "both", &all, Node::kill_both)?;
            return restart(world, &all);
        }
    }
    world.wait_blocks(wait)?;
    restart(world, &[index])
}

pub(super) fn kill_points(world: &mut World) -> Result<()> {
    // Behind a migration's last key not every point is come by.
    in_each_migration(world, SLOWEST, |world| {
        for point in KillPoint::ALL {
            let index = world.rng.random_range(0..VALIDATORS);
            // A running program is told nothing: it starts again with the point in its environment.
            world.nodes[index].stop()?;
            world.start_node(index, &[(KILL_AT, format!("{point}:{COMMITS_BEFORE_KILL}"))])?;
            let status = world.nodes[index].app_ends()?;
            ensure!(!status.success(), "a program outlived its kill point: point={point} {status}");
            world.kills += 1;
            world.mark(&format!("node {index} killed at {point}"));
            restart(world, &[index])?;
        }
        Ok(())
    })
}

pub(super) fn kill(world: &mut World, what: &str, nodes: &[usize], how: fn(&mut Node) -> Result<()>) -> Result<()> {
    for index in nodes {
        world.mark(&format!("kill {what} of node {index}"));
        how(&mut world.nodes[*index])?;
        world.kills += 1;
    }
    Ok(())
}
