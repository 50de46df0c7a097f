//! Offline import: all that is left of some migrations, moved at once in the home of a stopped node.
//!
//! ```text
//! begun      the home is open, at the height that was asked for, and locked
//!   | FlatKV is copied (tables are hard links); all cores walk ranges of memiavl's leaves and write tables
//! moved      every row is in a table
//!   | the tables are ingested, memiavl is written with the moved trees empty
//! built      both stores stand in next/
//!   | compared with each other, put on disk, SWITCH
//! switched   the import has happened
//!   | renames, see replace.rs
//! replaced
//! ```
//! The names on the left are kill points. Rows carry the height of the last block, whose commit info stays as it was
//! recorded: the next block's is the first with the new roots. So that the next opening can tell the stores from damaged
//! ones, FlatKV notes their roots beside the height. Nothing leads back to before that block.

mod plan;
mod point;
mod stage;
mod work;

use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use changeset::{Hash, History, OldStore};
use flatkv::FlatKv;
use memiavl::Site;
use migrate_core::{Metadata, Mode};

use crate::error::Error;
use crate::home::Home;
use crate::open::{self, Opened};
use crate::options::Options;
use crate::registry;
use crate::replace::Replacement;

pub use point::{ImportHook, ImportPoint};

/// What to import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Import {
    /// The home's last block. Every node of the chain must import behind the same one.
    pub at_height: u64,
    /// The mode that the node is in afterwards; one that moves nothing.
    pub to: Mode,
    /// Threads that move keys.
    pub threads: usize,
}

/// How far an import is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImportProgress {
    /// Keys moved.
    pub keys: u64,
    /// Keys to move.
    pub keys_total: u64,
}

/// A module whose keys an import moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MovedModule {
    /// The module.
    pub name: String,
    /// Its keys.
    pub keys: u64,
}

/// How much an import moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Keys.
    pub keys: u64,
    /// Their bytes.
    pub key_bytes: u64,
    /// The bytes of their values.
    pub value_bytes: u64,
}

/// What an import did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportReport {
    /// The height of the last block, which the rows carry.
    pub height: u64,
    /// The migration's version before.
    pub from_version: u64,
    /// The migration's version now. No higher than before: there was nothing to do.
    pub to_version: u64,
    /// The modules that had keys to move, in name order.
    pub modules: Vec<MovedModule>,
    /// How much was moved.
    pub moved: Moved,
    /// FlatKV's root now; none if FlatKV does not exist.
    pub root: Option<Hash>,
    /// Opening the node, replaying memiavl's changelog included, and copying FlatKV.
    pub opening: Duration,
    /// Moving the keys into tables.
    pub moving: Duration,
    /// Ingesting the tables and writing memiavl without the moved keys.
    pub building: Duration,
    /// Comparing, syncing and putting in place.
    pub switching: Duration,
}

/// Moves at once all that the migrations up to `import.to` have left to move in the home at `root`, whose node is stopped.
/// `progress` is called now and then and stops the import by breaking; the home is then as it was. A home that is there
/// already is left as it is.
///
/// # Errors
/// A home at another height or in use, damage, I/O, a stop. Nothing is changed then.
pub fn import(
    root: &Path,
    import: Import,
    options: &Options,
    progress: &mut dyn FnMut(ImportProgress) -> ControlFlow<()>,
) -> Result<ImportReport, Error> {
    import_with(root, import, options, progress, &mut |_| {})
}

/// As [`import`]; calls `hook` at each kill point: for rigs.
///
/// # Errors
/// As [`import`].
pub fn import_with(
    root: &Path,
    import: Import,
    options: &Options,
    progress: &mut dyn FnMut(ImportProgress) -> ControlFlow<()>,
    hook: ImportHook<'_>,
) -> Result<ImportReport, Error> {
    let began = Instant::now();
    if import.to.migration().is_some() || import.to.base_version() == 0 {
        return Err(Error::ImportTarget { mode: import.to });
    }
    let home = Home::locate(root);
    // Before anything is put in order there: a wrong height is a mistake of whoever gave it.
    registry::check(root)?;
    home.check_present()?;
    check_height(&home, import.at_height, last_height(&home, options)?)?;
    let Opened { engine, guard } = open::open(&home, options)?;
    check_height(&home, import.at_height, engine.height())?;
    let metadata = engine.new_store().map(Metadata::read).transpose()?.unwrap_or_default();
    let from_version = metadata.version.unwrap_or(0).max(engine.mode().base_version());
    let memiavl = engine.old().filter(|_| from_version < import.to.base_version()).map(OldStore::view);
    let Some(memiavl) = memiavl else {
        let root = engine.new_store().map(History::committed_root);
        open::close(engine)?;
        return Ok(nothing_to_do(import.at_height, from_version, root, began.elapsed()));
    };
    let plan = plan::plan(&memiavl, import, &options.modules)?;
    let replacement = Replacement::under(home, guard.into_lock())?;
    let stage = stage::Stage { engine, memiavl, plan, replacement, import, from_version, began };
    stage.run(options, progress, hook)
}

fn check_height(home: &Home, expected: u64, got: u64) -> Result<(), Error> {
    if expected == got { Ok(()) } else { Err(Error::ImportHeight { home: home.root().to_owned(), expected, got }) }
}

/// The last block, as it can be told without a replay: reading alone.
fn last_height(home: &Home, options: &Options) -> Result<u64, Error> {
    let found = FlatKv::find(home.flatkv(), &options.flatkv())?;
    match found.and_then(|view| view.version()) {
        Some(height) => Ok(height),
        None => {
            let last = changeset::OldSite::last_version(&Site::new(home.memiavl()));
            last.map_err(|source| migrate_core::Error::Old { action: "looking for its last version", source }.into())
        }
    }
}

fn nothing_to_do(height: u64, version: u64, root: Option<Hash>, opening: Duration) -> ImportReport {
    ImportReport {
        height,
        from_version: version,
        to_version: version,
        modules: Vec::new(),
        moved: Moved::default(),
        root,
        opening,
        moving: Duration::ZERO,
        building: Duration::ZERO,
        switching: Duration::ZERO,
    }
}
