//! Nodes that join: from genesis, and by a snapshot of their peers, whatever happens to it on the way.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use ferry::{Mode, RestorePoint};
use rand::Rng;

use super::kill::kill;
use super::{MIGRATIONS, SLOWEST, restart, wait_end};
use crate::config::{JOINER, LATE_JOINER, VALIDATORS};
use crate::node::{KILL_AT, Node};
use crate::process::LOOK_EVERY;
use crate::world::{FROZEN, World};

/// Once the only sender of a snapshot is refused, the engine waits two minutes for its chunks before it takes another one.
const JOINED_WITHIN: Duration = Duration::from_secs(5 * 60);
/// Whoever runs such a node starts it anew instead, which asks all peers again. A join without trouble takes some ten seconds.
const TRY_WITHIN: Duration = Duration::from_secs(45);
/// One sender in four is honest.
const TRIES_MAX: u32 = 12;

/// What an engine says that was killed between its note of a snapshot and its first block.
const NO_BLOCK_YET: &str = "stores were left in an inconsistent state";

pub(super) fn join(world: &mut World) -> Result<()> {
    world.migrate(world.slow_rate(), Mode::FlatkvOnly)?;
    world.wait("a migration to begin", |sample| sample.mode >= Mode::MigrateEvm)?;
    world.mark("a fifth node begins at block 1");
    restart(world, &[JOINER])?;
    world.mark("it is where the others are");
    world.migrate(world.rate, Mode::FlatkvOnly)?;
    wait_end(world)
}

/// The shortest network that says something: one kill and one node that joins, in one migration.
pub(super) fn smoke(world: &mut World) -> Result<()> {
    world.migrate(SLOWEST, Mode::FlatkvOnly)?;
    world.wait("a migration to begin", |sample| sample.mode >= Mode::MigrateEvm)?;
    let index = world.rng.random_range(0..VALIDATORS);
    kill(world, "program", &[index], Node::kill_app)?;
    restart(world, &[index])?;
    join_by_snapshot(world)?;
    world.migrate(world.rate, Mode::FlatkvOnly)?;
    wait_end(world)
}

pub(super) fn state_sync(world: &mut World) -> Result<()> {
    join_by_snapshot(world)?;
    for (moves, ends) in MIGRATIONS {
        world.migrate(SLOWEST, moves)?;
        world.wait("a migration to begin", move |sample| sample.mode >= moves)?;
        if moves == Mode::MigrateEvm {
            world.mark("a sixth node begins at block 1");
            world.start_node(LATE_JOINER, &[])?;
        }
        join_by_snapshot(world)?;
        let (mode, left) = world.samples.last().map_or((moves, 0), |sample| (sample.mode, sample.remaining_keys));
        ensure!(mode == moves && left > 0, "a migration was over before a node had joined in it: mode={moves}");
        world.migrate(world.rate, ends)?;
        world.wait("a migration to end", move |sample| sample.mode >= ends)?;
        join_by_snapshot(world)?;
    }
    world.wait_node(LATE_JOINER)?;
    wait_end(world)
}

/// Makes the fifth node one that has never run, and has it take its state from a snapshot and follow the chain.
fn join_by_snapshot(world: &mut World) -> Result<()> {
    prepare(world)?;
    let before = snapshots_taken(world)?;
    world.start_node(JOINER, &[])?;
    joined(world, before)
}

fn prepare(world: &mut World) -> Result<()> {
    world.nodes[JOINER].stop()?;
    world.nodes[JOINER].reset()?;
    world.nodes[JOINER].place.set_state_sync(&world.trust()?)
}

/// How many snapshots have become the fifth node's state so far.
fn snapshots_taken(world: &World) -> Result<usize> {
    let node = &world.nodes[JOINER];
    if node.starts == 0 { Ok(0) } else { Ok(node.record()?.restored.len()) }
}

/// Waits until the fifth node has caught up, by a snapshot and not from genesis.
fn joined(world: &mut World, snapshots_before: usize) -> Result<()> {
    world.wait_node_for(JOINER, JOINED_WITHIN)?;
    let restored = world.nodes[JOINER].record()?.restored;
    ensure!(restored.len() > snapshots_before, "a node has joined without a snapshot");
    // Its program has the snapshot's block before its engine has one behind it.
    let until = Instant::now() + FROZEN;
    let first = loop {
        match world.nodes[JOINER].rpc().first() {
            Ok(first) if first > 0 => break first,
            _ => ensure!(Instant::now() < until, "no block follows the snapshot"),
        }
        thread::sleep(LOOK_EVERY);
    };
    ensure!(first > 1, "the engine of a node that joined by a snapshot has all blocks");
    let from = restored.last().copied().unwrap_or(0);
    world.mark(&format!("the fifth node has joined by the snapshot of block {from}"));
    world.joins += 1;
    Ok(())
}

pub(super) fn sync_killed(world: &mut World) -> Result<()> {
    world.migrate(SLOWEST, Mode::FlatkvOnly)?;
    world.wait("a migration to begin", |sample| sample.mode >= Mode::MigrateEvm)?;
    for point in RestorePoint::ALL {
        prepare(world)?;
        let before = snapshots_taken(world)?;
        // The first two points come with every chunk.
        let count = if point <= RestorePoint::Noted { world.rng.random_range(1..=2) } else { 1 };
        world.start_node(JOINER, &[(KILL_AT, format!("{point}:{count}"))])?;
        let status = world.nodes[JOINER].app_ends()?;
        ensure!(!status.success(), "a program outlived its kill point: point={point} {status}");
        world.kills += 1;
        world.mark(&format!("the fifth node killed at {point}"));
        // Its engine has noted no block: it offers a snapshot again, whatever state there is by now.
        world.start_node(JOINER, &[])?;
        joined(world, before)?;
    }
    engine_killed_behind_a_snapshot(world)?;
    world.migrate(world.rate, Mode::FlatkvOnly)?;
    wait_end(world)
}

/// The engine may have noted nothing: then a snapshot is offered to a program that has a state. Or it has noted where it is and
/// has no block yet: it refuses to start like that, and whoever runs it has it begin anew, with a snapshot too.
fn engine_killed_behind_a_snapshot(world: &mut World) -> Result<()> {
    prepare(world)?;
    let before = snapshots_taken(world)?;
    world.start_node(JOINER, &[])?;
    let until = Instant::now() + FROZEN;
    while snapshots_taken(world)? == before {
        ensure!(Instant::now() < until, "no snapshot comes in");
        thread::sleep(LOOK_EVERY);
    }
    kill(world, "engine", &[JOINER], Node::kill_engine)?;
    world.start_node(JOINER, &[])?;
    if !world.nodes[JOINER].comes_up()? {
        ensure!(world.nodes[JOINER].engine_cries(NO_BLOCK_YET)?, "an engine does not start behind a snapshot");
        world.mark("its engine has noted the snapshot and no block: it begins anew");
        world.nodes[JOINER].kill_engine()?;
        world.nodes[JOINER].reset_engine()?;
        world.start_node(JOINER, &[])?;
    }
    joined(world, before)
}

pub(super) fn sync_damaged(world: &mut World) -> Result<()> {
    world.migrate(SLOWEST, Mode::FlatkvOnly)?;
    world.wait("a migration to begin", |sample| sample.mode >= Mode::MigrateEvm)?;
    let honest = world.rng.random_range(0..VALIDATORS);
    world.mark(&format!("all nodes but node {honest} send damaged chunks"));
    let damaged: Vec<PathBuf> = (0..VALIDATORS)
        .filter(|index| *index != honest)
        .map(|index| world.nodes[index].place.home.join("snapshots"))
        .collect();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let damaging = scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                damaged.iter().try_for_each(|snapshots| damage(snapshots))?;
                thread::sleep(LOOK_EVERY);
            }
            anyhow::Ok(())
        });
        let joined = join_past_damage(world);
        is_over.store(true, Ordering::Relaxed);
        let Ok(damaged) = damaging.join() else { bail!("the thread that damages chunks panicked") };
        joined.and(damaged)
    })?;
    world.migrate(world.rate, Mode::FlatkvOnly)?;
    wait_end(world)
}

/// Has the fifth node join until it has been sent a damaged chunk: its engine may know of the honest node's snapshot alone.
fn join_past_damage(world: &mut World) -> Result<()> {
    for _ in 0..TRIES_MAX {
        join_at_last(world)?;
        if world.nodes[JOINER].app_says("a chunk is refused")? {
            return Ok(());
        }
        world.mark("nobody but the honest node was asked: once more");
    }
    bail!("no damaged chunk has reached the node that joined")
}

/// Has the fifth node join by a snapshot. It is started anew as long as all that its engine knows of is refused.
fn join_at_last(world: &mut World) -> Result<()> {
    prepare(world)?;
    let before = snapshots_taken(world)?;
    for _ in 1..TRIES_MAX {
        world.start_node(JOINER, &[])?;
        let tried = world.wait_node_for(JOINER, TRY_WITHIN);
        if tried.is_ok() || snapshots_taken(world)? > before {
            return joined(world, before);
        }
        ensure!(!world.nodes[JOINER].has_ended()?, "a node has ended by itself while it joins");
        world.mark("the fifth node's engine has nobody left to ask: it is started anew");
        world.nodes[JOINER].stop()?;
    }
    world.start_node(JOINER, &[])?;
    joined(world, before)
}

/// Damages all chunks of a node's snapshots. They come and go meanwhile.
fn damage(snapshots: &Path) -> Result<()> {
    let entries = |dir: &Path| fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    for chunk in entries(snapshots).flat_map(|snapshot| entries(&snapshot).collect::<Vec<_>>()) {
        let is_chunk = chunk.file_name().is_some_and(|name| name.to_string_lossy().starts_with("chunk-"));
        let Ok(file) = OpenOptions::new().write(true).open(&chunk) else { continue };
        let bytes = file.metadata().context("looking at a chunk")?.len();
        if is_chunk && bytes > 0 {
            file.write_all_at(&[0xa5; 4], bytes / 2).context("damaging a chunk")?;
        }
    }
    Ok(())
}
