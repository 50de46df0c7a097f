//! Rehearsal: the migration of a home in a copy of it, block after block, while the home stays as it is.
//!
//! ```text
//! copy      memiavl's snapshot by hard links, its changelog by bytes; FlatKV's tables by links, the rest of it by bytes
//! migrate   a node of that copy, with empty blocks, one full batch each
//! measure   keys, blocks, their times, bytes on disk
//! clear     the copy goes, unless it is to stay; that of a process that was killed goes with the next one in its place
//! ```
//! What it cannot show: the chain's own writes and reads meanwhile. Rows carry the heights of the rehearsal, so its roots are
//! not those of the migration to come.

mod copy;
mod measure;

use std::ops::ControlFlow;
use std::path::Path;

use changeset::{AppHash, Hash};
use memiavl::LockState;
use migrate_core::{BatchLimit, Mode, ModeSetting};

pub use copy::Copied;
pub(crate) use copy::link_flatkv;
pub use measure::{Disk, RehearsedPhase};

use crate::error::Error;
use crate::home::{Home, holds_something};
use crate::inspect;
use crate::node::Node;
use crate::options::Options;
use crate::preflight::free_bytes;
use crate::scratch::Claim;
use measure::Meter;

/// What is rehearsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Keys that a block moves; not 0.
    pub batch_keys: u64,
    /// The mode that it ends in; one that moves nothing.
    pub to: Mode,
    /// Bytes that must be free for it, as a preflight tells.
    pub room_bytes: u64,
    /// Whether the migrated copy stays.
    pub keeps: bool,
}

/// How far a rehearsal is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RehearsalProgress {
    /// Keys moved.
    pub keys: u64,
    /// Keys to move.
    pub keys_total: u64,
    /// Blocks run.
    pub blocks: u64,
}

/// What a rehearsal showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rehearsal {
    /// What was copied.
    pub copied: Copied,
    /// The height that it began at.
    pub from_height: u64,
    /// The height that it ended at.
    pub to_height: u64,
    /// The migrations, in their order.
    pub phases: Vec<RehearsedPhase>,
    /// Bytes on disk: before, at most, after.
    pub disk: Disk,
    /// The app hash at the end; of the rehearsal alone.
    pub app_hash: AppHash,
    /// FlatKV's root at the end; of the rehearsal alone.
    pub root: Option<Hash>,
}

/// Migrates a copy of the home at `root` in `dir`, which is new or empty and lies outside of the home. `progress` is called
/// behind each block and stops by breaking. Whatever was made in `dir` goes again, unless it is to stay and the end was
/// reached.
///
/// # Errors
/// A directory that will not do, too little room, a home with a FlatKV that a node has open, damage, I/O, a stop.
pub fn rehearse(
    root: &Path,
    dir: &Path,
    options: &Options,
    terms: &Terms,
    progress: &mut dyn FnMut(RehearsalProgress) -> ControlFlow<()>,
) -> Result<Rehearsal, Error> {
    if terms.to.migration().is_some() || terms.batch_keys == 0 {
        return Err(Error::RehearsalTerms { mode: terms.to, batch_keys: terms.batch_keys });
    }
    let home = Home::locate(root);
    let status = inspect::inspect(root, &options.modules)?;
    if status.flatkv_height.is_some() && home.writer()? != LockState::Free {
        return Err(Error::RehearsalOfRunning { home: root.to_owned() });
    }
    let place = Place::make(root, dir)?;
    let needed = terms.room_bytes.saturating_add(copy::bytes(&home));
    if let Some(free) = free_bytes(dir).filter(|free| *free < needed) {
        return Err(Error::NoRoom { path: dir.to_owned(), needed, free });
    }
    let copied = copy::copy(&home, &place.home)?;
    let keys_total = status.modules.iter().filter(|module| is_ahead(&module.name, status.mode, terms.to));
    let keys_total = keys_total.map(|module| module.remaining).sum();
    let mut node = Node::open(dir, rehearsal_options(options))?;
    let from_height = node.height();
    let mut meter = Meter::start(&place.home, keys_total);
    let migrated = migrate(&mut node, options, terms, &mut meter, progress);
    let view = migrated.and_then(|()| node.view());
    let ends = view.map(|view| (view.height(), view.app_hash(), view.root()));
    // The first error is what counts.
    let closed = node.close();
    let (to_height, app_hash, root) = ends?;
    closed?;
    let (phases, disk) = meter.finish();
    place.leave(terms.keeps)?;
    Ok(Rehearsal { copied, from_height, to_height, phases, disk, app_hash, root })
}

/// Whether a module moves between two modes.
fn is_ahead(module: &str, from: Mode, to: Mode) -> bool {
    use migrate_core::Route;
    from.route(module) != Route::New && to.route(module) == Route::New
}

fn rehearsal_options(options: &Options) -> Options {
    Options { create: false, mode: ModeSetting::Auto, batch: BatchLimit::keys(0), ..options.clone() }
}

fn migrate(
    node: &mut Node,
    options: &Options,
    terms: &Terms,
    meter: &mut Meter<'_>,
    progress: &mut dyn FnMut(RehearsalProgress) -> ControlFlow<()>,
) -> Result<(), Error> {
    node.set_batch(BatchLimit { keys: terms.batch_keys, bytes: options.batch.bytes })?;
    while node.step_towards(terms.to)? < terms.to {
        let mode = node.mode();
        meter.block(mode, || {
            let moved = node.apply(Vec::new())?.moved_keys;
            node.commit()?;
            Ok(moved)
        })?;
        if progress(meter.progress()).is_break() || options.cancel.is_cancelled() {
            return Err(migrate_core::Error::Cancelled.into());
        }
    }
    Ok(())
}

/// The directory of a rehearsal. What was made in it goes when this is dropped.
struct Place {
    home: Home,
    /// What the rehearsal makes in the directory.
    made: std::path::PathBuf,
    /// Whether the directory itself was made, too.
    is_new: bool,
    stays: bool,
    /// Held for as long as it works there.
    claim: Option<Claim>,
}

impl Place {
    fn make(root: &Path, dir: &Path) -> Result<Self, Error> {
        let io = |source| Error::Io { action: "make a directory for the rehearsal", path: dir.to_owned(), source };
        if let Some(_claim) = Claim::of_the_dead(dir)
            && dir.join("data").exists()
        {
            std::fs::remove_dir_all(dir.join("data")).map_err(io)?;
        }
        if holds_something(dir) {
            return Err(Error::NotEmpty { path: dir.to_owned() });
        }
        let is_new = !dir.exists();
        std::fs::create_dir_all(dir).map_err(io)?;
        let (real, home) = (dir.canonicalize().map_err(io)?, root.canonicalize().map_err(io)?);
        let mut place = Self { home: Home::locate(dir), made: dir.join("data"), is_new, stays: false, claim: None };
        // Dropped, it takes away what it has just made.
        if real.starts_with(&home) || home.starts_with(&real) {
            return Err(Error::RehearsalPlace { path: dir.to_owned(), home: root.to_owned() });
        }
        place.claim = Claim::make(dir).map_err(io)?;
        Ok(place)
    }

    fn leave(mut self, stays: bool) -> Result<(), Error> {
        self.stays = stays;
        if stays {
            self.claim = None;
            return Ok(());
        }
        self.clear()
    }

    fn clear(&mut self) -> Result<(), Error> {
        self.stays = true;
        let io = |source| Error::Io { action: "delete a rehearsal in", path: self.home.root().to_owned(), source };
        if self.made.exists() {
            std::fs::remove_dir_all(&self.made).map_err(io)?;
        }
        // Its file goes with it.
        self.claim = None;
        if self.is_new {
            std::fs::remove_dir(self.home.root()).map_err(io)?;
        }
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.stays
            && let Err(error) = self.clear()
        {
            tracing::warn!(%error, "what a rehearsal has made is left there");
        }
    }
}
