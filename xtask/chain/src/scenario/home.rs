//! Homes that are set back, removed, or have no room left.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use ferry::Mode;
use rand::Rng;

use super::{in_each_migration, restart, wait_end};
use crate::config::VALIDATORS;
use crate::world::World;

/// A file system that the scenario's blocks fit in, and a filler does not.
const SMALL_DISK_MIB: u64 = 96;

pub(super) fn behind(world: &mut World) -> Result<()> {
    let rate = world.slow_rate();
    in_each_migration(world, rate, |world| {
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

pub(super) fn wiped(world: &mut World) -> Result<()> {
    world.migrate(world.rate, Mode::FlatkvOnly)?;
    world.wait("a migration to begin", |sample| sample.mode >= Mode::MigrateAllButBank)?;
    world.nodes[2].stop()?;
    world.mark("node 2 wiped");
    fs::remove_dir_all(&world.nodes[2].place.home).context("removing a home")?;
    restart(world, &[2])?;
    wait_end(world)
}

pub(super) fn not_root() -> Option<&'static str> {
    let id = Command::new("id").arg("-u").output();
    let is_root = id.is_ok_and(|id| id.stdout == b"0\n");
    (!is_root).then_some("only root can mount a small file system")
}

pub(super) fn disk_full(world: &mut World) -> Result<()> {
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

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    run(Command::new("cp").arg("-a").arg(from).arg(to))
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    ensure!(status.success(), "{command:?} failed: {status}");
    Ok(())
}
