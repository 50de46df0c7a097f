//! Opening a store: for writing, read-only in place, or as a secondary of a running writer.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use changeset::LATTICE_STORE;
use rocksdb::{DB, DBRecoveryMode};

use crate::error::{FlatKvError, Result};
use crate::lane::Lane;
use crate::lock::{Holder, holder};
use crate::log_tail;
use crate::options::{Durability, FORMAT, Family, Options, database, families};
use crate::probe::{Probe, Shape, is_rocksdbs, list, probe, shape};
use crate::scan::Committed;
use crate::source::{Database, Source};
use crate::store::FlatKv;
use crate::view::{Span, View, stored_block};

impl FlatKv {
    /// Opens the store in `dir` for writing, and creates it if there is none. A leftover without a committed block is
    /// removed first.
    ///
    /// # Errors
    /// A directory of another program or format, which stays as it is; a store that somebody holds; damage; I/O.
    pub fn open(dir: &Path, options: &Options) -> Result<Self> {
        match probe(dir)? {
            Probe::Missing => create_dir(dir)?,
            Probe::Leftover => remove_leftover(dir)?,
            found => check_ours(dir, found)?,
        }
        open_writer(dir, options)
    }

    /// The store in `dir`, opened for reading in place; none if there is none, or only a leftover without a committed block.
    ///
    /// # Errors
    /// As [`open_read_only`](Self::open_read_only).
    pub fn find(dir: &Path, options: &Options) -> Result<Option<View>> {
        let shape = shape(dir)?;
        if let Shape::Known(Probe::Missing | Probe::Leftover) = shape {
            return Ok(None);
        }
        if let Shape::Known(found) = shape {
            check_ours(dir, found)?;
        }
        if let Some(holder) = holder(dir) {
            return Err(FlatKvError::Locked { path: dir.to_owned(), holder });
        }
        let view = read_only(dir, options)?;
        check(&view)?;
        Ok(view.version().is_some().then_some(view))
    }

    /// Opens for writing the store that [`find`](Self::find) found. Views of it must be gone but for this one.
    ///
    /// # Errors
    /// A store that somebody holds or has written to since; damage; I/O.
    pub fn take_over(found: View, options: &Options) -> Result<Self> {
        let (dir, expected) = (found.source().database().path.clone(), found.version());
        drop(found);
        let store = open_writer(&dir, options)?;
        let got = store.view.version();
        if got != expected {
            let (expected, got) = (format!("{expected:?}"), format!("{got:?}"));
            return Err(FlatKvError::Disagree { what: "version since it was looked at", expected, got });
        }
        Ok(store)
    }

    /// Opens the store in `dir` for reading, in place; nothing below `dir` is written. Nobody may hold the store.
    ///
    /// # Errors
    /// As [`open`](Self::open), and no store at all.
    pub fn open_read_only(dir: &Path, options: &Options) -> Result<View> {
        check_present(dir)?;
        if let Some(holder) = holder(dir) {
            return Err(FlatKvError::Locked { path: dir.to_owned(), holder });
        }
        let view = read_only(dir, options)?;
        check(&view)?;
        Ok(view)
    }

    /// Opens the store in `dir`, which a writer may hold, as its secondary: the view is of the writer's last commit at this
    /// moment. RocksDB's own files of the secondary go to `own_dir`, which must lie outside `dir`.
    ///
    /// # Errors
    /// As [`open_read_only`](Self::open_read_only); a directory inside the store's.
    pub fn open_secondary(dir: &Path, own_dir: &Path, options: &Options) -> Result<View> {
        check_present(dir)?;
        let db = open_secondary_db(dir, own_dir, options)?;
        View::load(Source::Still(Arc::new(Database { db, path: dir.to_owned() })), 0)
    }
}

/// The database of a store that a writer may hold; its own files go to `own_dir`.
pub(crate) fn open_secondary_db(dir: &Path, own_dir: &Path, options: &Options) -> Result<DB> {
    if is_inside(dir, own_dir)? {
        return Err(FlatKvError::SecondaryInside { path: dir.to_owned(), secondary: own_dir.to_owned() });
    }
    fs::create_dir_all(own_dir).map_err(|source| io_error("create directory", own_dir, source))?;
    // A secondary's tables can be deleted by the writer: only those that stay open can be read on.
    let options = Options { open_files_max: -1, ..options.clone() };
    let settings = database(&options, false);
    families(&options)
        .and_then(|families| DB::open_cf_descriptors_as_secondary(&settings, dir, own_dir, families))
        .map_err(|error| open_error(dir, error))
}

fn open_writer(dir: &Path, options: &Options) -> Result<FlatKv> {
    let db = open_log(dir, options, true, |settings| DB::open_cf_descriptors(settings, dir, families(options)?))?;
    let database = Arc::new(Database { db, path: dir.to_owned() });
    let view = View::load(Source::snapshot(database.clone()), options.row_cache_bytes)?;
    check(&view)?;
    let mut store = FlatKv::new(database, view, options);
    store.note_durability()?;
    Ok(store)
}

/// Opens a database whose log may have holes at its end: what lies in front of the first one is what survived.
///
/// A power cut makes them in the last batch, which was never acknowledged, and in every batch that was left to the operating
/// system. Anywhere else they are damage.
pub(crate) fn open_log(
    dir: &Path,
    options: &Options,
    create: bool,
    open: impl Fn(&rocksdb::Options) -> std::result::Result<DB, rocksdb::Error>,
) -> Result<DB> {
    let error = match open(&database(options, create)) {
        Ok(db) => return Ok(db),
        Err(error) => error,
    };
    let is_damage = error.kind() == rocksdb::ErrorKind::Corruption;
    let may_have_holes =
        || Ok::<_, FlatKvError>(options.durability == Durability::Os || log_tail::is_torn(dir)? || was_left_to_os(dir));
    if !is_damage || !may_have_holes()? {
        return Err(open_error(dir, error));
    }
    tracing::warn!(path = %dir.display(), %error, "opening FlatKV up to the first hole in its log");
    let mut settings = database(options, create);
    settings.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    open(&settings).map_err(|error| open_error(dir, error))
}

/// Whether the store's blocks were left to the operating system, as it says itself up to the first hole in its log. The note
/// is on disk before the first such block, and its removal before the first block behind them.
fn was_left_to_os(dir: &Path) -> bool {
    let options = Options::default();
    let mut settings = database(&options, false);
    settings.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    let opened =
        families(&options).and_then(|families| DB::open_cf_descriptors_read_only(&settings, dir, families, false));
    let view = opened.map(|db| View::load(Source::Still(Arc::new(Database { db, path: dir.to_owned() })), 0));
    view.is_ok_and(|view| view.is_ok_and(|view| view.is_left_to_os().is_ok_and(|is_left| is_left)))
}

/// Whether the store in `dir` has a committed block; reading only. A store that somebody holds is taken to have one.
pub(crate) fn has_block(dir: &Path) -> Result<bool> {
    Ok(holder(dir).is_some() || read_only(dir, &Options::default())?.version().is_some())
}

fn read_only(dir: &Path, options: &Options) -> Result<View> {
    let db = open_log(dir, options, false, |settings| {
        DB::open_cf_descriptors_read_only(settings, dir, families(options)?, false)
    })?;
    View::load(Source::Still(Arc::new(Database { db, path: dir.to_owned() })), 0)
}

/// Refuses whatever a [`probe`](crate::probe()) of `dir` found that is not a store of ours of this format.
///
/// # Errors
/// What the directory holds instead, with what to do about it.
pub fn check_ours(dir: &Path, found: Probe) -> Result<()> {
    let path = dir.to_owned();
    match found {
        Probe::Ours { format: FORMAT } => Ok(()),
        Probe::Ours { format: got } => Err(FlatKvError::Format { path, expected: FORMAT, got }),
        Probe::Pebble { seen } => Err(FlatKvError::Pebble { path, seen }),
        Probe::Foreign { seen } => Err(FlatKvError::Foreign { path, seen }),
        Probe::Missing | Probe::Leftover => Err(FlatKvError::Absent { path }),
    }
}

/// Refuses a place that something else than a store of ours of this format has taken. Looks at the names of files and column
/// families; what the store
/// holds is found out when it is opened.
///
/// # Errors
/// What the directory holds instead, with what to do about it; I/O.
pub fn check_place(dir: &Path) -> Result<()> {
    match shape(dir)? {
        Shape::Known(Probe::Missing | Probe::Leftover) | Shape::Unread => Ok(()),
        Shape::Known(found) => check_ours(dir, found),
    }
}

fn check_present(dir: &Path) -> Result<()> {
    check_ours(dir, probe(dir)?)
}

/// Creates `dir` so that it outlives a power cut: each directory made is synced into its parent. So is `dir` where it stood:
/// a process that was killed may have made it and not come to that.
fn create_dir(dir: &Path) -> Result<()> {
    let parent = match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if !dir.is_dir() {
        if !parent.is_dir() {
            create_dir(parent)?;
        }
        fs::create_dir(dir).map_err(|source| io_error("create directory", dir, source))?;
    }
    File::open(parent).and_then(|parent| parent.sync_all()).map_err(|source| io_error("sync directory", parent, source))
}

/// Whether `inner`, which need not exist yet, lies in `outer` or is it.
fn is_inside(outer: &Path, inner: &Path) -> Result<bool> {
    let resolve = |path: &Path| path.canonicalize().map_err(|source| io_error("resolve", path, source));
    let absolute = std::path::absolute(inner).map_err(|source| io_error("resolve", inner, source))?;
    let existing = absolute.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(Path::new("/"));
    Ok(resolve(existing)?.starts_with(resolve(outer)?))
}

/// Removes a store without a committed block.
///
/// It is renamed away first: RocksDB deletes file by file, and what a kill in the middle leaves looks like damage.
fn remove_leftover(dir: &Path) -> Result<()> {
    if let Some(holder) = holder(dir) {
        return Err(FlatKvError::Locked { path: dir.to_owned(), holder });
    }
    let names = list(dir).map_err(|error| io_error("list", dir, error))?;
    if let Some(stranger) = names.iter().find(|name| !is_rocksdbs(name)) {
        return Err(FlatKvError::Foreign { path: dir.to_owned(), seen: dir.join(stranger) });
    }
    let away = dir.with_extension("removed");
    // Makes durable that an interrupted removal renamed it: a power cut must not bring it back with half of its files.
    create_dir(dir)?;
    match fs::remove_dir_all(&away) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(io_error("remove", &away, error)),
        _ => {}
    }
    fs::rename(dir, &away).map_err(|error| io_error("rename leftover", dir, error))?;
    create_dir(dir)?;
    fs::remove_dir_all(&away).map_err(|error| io_error("remove", &away, error))
}

/// RocksDB's refusal, as [`FlatKvError::Locked`] when it is about the lock.
pub(crate) fn open_error(dir: &Path, source: rocksdb::Error) -> FlatKvError {
    let path = dir.to_owned();
    let words = source.as_ref();
    let is_lock =
        source.kind() == rocksdb::ErrorKind::IOError && (words.contains("lock hold by") || words.contains("lock file"));
    if is_lock {
        return FlatKvError::Locked { path, holder: holder(dir).unwrap_or(Holder::Unknown) };
    }
    FlatKvError::RocksDb { operation: "open", path, source }
}

fn io_error(operation: &'static str, path: &Path, source: std::io::Error) -> FlatKvError {
    FlatKvError::Io { operation, path: path.to_owned(), source }
}

/// What must hold of an opened store: the root stored with the last block is the sum of its lanes, the commit info names
/// the same, and no handoff is missing. A store without blocks has no rows.
pub(crate) fn check(view: &View) -> Result<()> {
    let Some(span) = view.span() else { return check_empty(view) };
    let block = stored_block(view.source(), span.last)?;
    agree("root of the last block", &block.root, &view.root())?;
    let imported = view.imported()?.filter(|imported| imported.version == span.last.cast_signed());
    let infos = &imported.unwrap_or(block.commit_info).store_infos;
    if let Some(lattice) = infos.iter().find(|store| store.name == LATTICE_STORE) {
        agree("root in the commit info", &lattice.commit_id.hash, &view.root())?;
    }
    check_handoffs(view, span)
}

fn check_empty(view: &View) -> Result<()> {
    for lane in Lane::ALL {
        let options = rocksdb::ReadOptions::default();
        let family = Family::Rows(lane);
        let mut rows = Committed::new(view.source(), family, options, changeset::ScanOrder::Ascending);
        if rows.advance()? {
            let (expected, got) = ("none without a block".to_owned(), format!("some in {lane}"));
            return Err(FlatKvError::Disagree { what: "rows", expected, got });
        }
    }
    Ok(())
}

/// Every block that has a handoff which the old store may still need has it. Blocks behind the last handoff have none.
pub(crate) fn check_handoffs(view: &View, span: Span) -> Result<()> {
    let Some(needed) = view.needed_handoffs() else { return Ok(()) };
    for height in *needed.start().max(&span.first)..=*needed.end() {
        let present = view.source().get(Family::Handoff, &height.to_be_bytes(), |_| Ok(()))?;
        if present.is_none() && stored_block(view.source(), height)?.last_handoff == Some(height) {
            return Err(FlatKvError::Missing { record: "handoff", height });
        }
    }
    Ok(())
}

pub(crate) fn agree(what: &'static str, expected: &[u8], got: &[u8]) -> Result<()> {
    if expected == got {
        return Ok(());
    }
    let hex = |bytes| crate::key::Hex(bytes).to_string();
    Err(FlatKvError::Disagree { what, expected: hex(expected), got: hex(got) })
}
