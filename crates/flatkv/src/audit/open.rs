//! Opening a store to verify it: what is damaged is told, and does not end the opening.

use std::path::Path;
use std::sync::Arc;

use rocksdb::DB;

use crate::error::{FlatKvError, Result};
use crate::lane::Lane;
use crate::lock::holder;
use crate::open::{check_handoffs, check_ours, open_error, open_log, open_secondary_db};
use crate::options::{Family, Options, families};
use crate::probe::{Probe, Shape, shape};
use crate::source::{Database, Source};
use crate::store::FlatKv;
use crate::undo;
use crate::view::View;

/// A store opened to be verified.
pub struct Audit {
    /// What it holds, without the records that do not decode.
    pub view: View,
    /// What is wrong with its metadata.
    pub faults: Vec<FlatKvError>,
}

/// A row that an undo record names: one that its block touched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedRow {
    /// Its lane.
    pub lane: Lane,
    /// Its physical key.
    pub key: Vec<u8>,
    /// The row as the block found it; none if there was none.
    pub before: Option<Vec<u8>>,
}

impl FlatKv {
    /// Opens the store in `dir` to verify it: in place, or as a secondary where somebody holds it, whose own files then go
    /// to what `own_dir` gives, which must lie outside. None if there is no store, or one without a committed block.
    ///
    /// # Errors
    /// A directory of another program or format, damage that leaves nothing to read, I/O.
    pub fn open_audit(
        dir: &Path,
        options: &Options,
        own_dir: impl FnOnce() -> std::io::Result<std::path::PathBuf>,
    ) -> Result<Option<Audit>> {
        match shape(dir)? {
            Shape::Known(Probe::Missing | Probe::Leftover) => return Ok(None),
            Shape::Known(found) => check_ours(dir, found)?,
            Shape::Unread => {}
        }
        let db = if holder(dir).is_some() {
            let io = |source| FlatKvError::Io {
                operation: "make a directory for a secondary beside",
                path: dir.to_owned(),
                source,
            };
            open_secondary_db(dir, &own_dir().map_err(io)?, options)?
        } else {
            open_log(dir, options, false, |settings| {
                DB::open_cf_descriptors_read_only(settings, dir, families(options)?, false)
            })?
        };
        let audit = Audit::load(Source::Still(Arc::new(Database { db, path: dir.to_owned() })))?;
        Ok((audit.view.version().is_some() || !audit.faults.is_empty()).then_some(audit))
    }
}

impl Audit {
    /// What a source holds.
    pub(crate) fn load(source: Source) -> Result<Self> {
        let (view, mut faults) = View::load_sound(source)?;
        if let Some(span) = view.span() {
            faults.extend(check_handoffs(&view, span).err());
        }
        Ok(Self { view, faults })
    }

    /// Opens a copy of a store to be mended, whatever state it is in.
    pub(crate) fn open_writer(dir: &Path, options: &Options) -> Result<(Arc<Database>, Self)> {
        let settings = crate::options::database(options, false);
        let db = families(options)
            .and_then(|families| DB::open_cf_descriptors(&settings, dir, families))
            .map_err(|error| open_error(dir, error))?;
        let database = Arc::new(Database { db, path: dir.to_owned() });
        let audit = Self::load(Source::Still(Arc::clone(&database)))?;
        Ok((database, audit))
    }
}

impl View {
    /// The rows that block `height` touched, as its undo record names them; none if it is not kept.
    ///
    /// # Errors
    /// I/O, a record that does not decode.
    pub fn touched_by(&self, height: u64) -> Result<Option<Vec<LoggedRow>>> {
        self.source().get(Family::Undo, &height.to_be_bytes(), |bytes| {
            let rows = undo::decode(bytes)?.rows;
            let logged = |row: undo::UndoRow<'_>| LoggedRow {
                lane: row.lane,
                key: row.key.to_vec(),
                before: row.row.map(<[u8]>::to_vec),
            };
            Ok(rows.into_iter().map(logged).collect())
        })
    }

    /// The row at a physical key, past the cache of hot rows.
    ///
    /// # Errors
    /// I/O and corruption that RocksDB notices; a damaged row is handed out as it is.
    pub fn stored_row(&self, lane: Lane, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.source().get(Family::Rows(lane), key, |row| Ok(row.to_vec()))
    }
}
