//! Rows of another store, as they are, into tables: lane after lane, in key order, interrupted and gone on with at any mark.
//!
//! ```text
//! <dir>/<number, 8 digits>-<lane>.sst     in the order in which they were written; behind the last mark they are deleted
//! ```
//! What the rows add up to is not kept beside them: it is computed from the finished store, so that what is compared with a
//! root is what lies on disk.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use changeset::Hash;
use prost::Message;
use rocksdb::SstFileWriter;

use crate::bulk::finish::BulkBlock;
use crate::bulk::load::{BulkLoad, io_error};
use crate::error::{FlatKvError, Result};
use crate::key::split;
use crate::lane::{Lane, PerLane};
use crate::options::{Options, ingested};
use crate::row::check_row;
use crate::verify::VerifyProgress;

/// A table is closed beyond this, and at every mark.
const TABLE_BYTES_MAX: u64 = 64 << 20;
/// So often a table's size is asked for.
const SIZE_INTERVAL_ROWS: u64 = 256;

/// How far the rows have come.
#[derive(Clone, PartialEq, prost::Message)]
struct Mark {
    #[prost(uint64, tag = "1")]
    next_table: u64,
    #[prost(message, optional, tag = "2")]
    last: Option<MarkedRow>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct MarkedRow {
    #[prost(uint32, tag = "1")]
    lane: u32,
    #[prost(bytes = "vec", tag = "2")]
    key: Vec<u8>,
}

/// Tables that will be a store.
pub struct RowTables {
    dir: PathBuf,
    settings: PerLane<rocksdb::Options>,
    tables: PerLane<Vec<PathBuf>>,
    next_table: u64,
    last: Option<(Lane, Vec<u8>)>,
}

/// Rows between two marks.
pub struct RowBatch<'t> {
    dir: &'t Path,
    settings: &'t PerLane<rocksdb::Options>,
    finished: &'t mut PerLane<Vec<PathBuf>>,
    next_table: &'t mut u64,
    last: &'t mut Option<(Lane, Vec<u8>)>,
    table: Option<(Lane, SstFileWriter<'t>, PathBuf)>,
    written: u64,
}

impl RowTables {
    /// Begins in `dir`, which is made; what stands there is removed.
    ///
    /// # Errors
    /// I/O.
    pub fn begin(dir: &Path, options: &Options) -> Result<Self> {
        match fs::remove_dir_all(dir) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(io_error("remove", dir, error)),
            _ => {}
        }
        fs::create_dir(dir).map_err(|source| io_error("create directory", dir, source))?;
        Ok(Self::new(dir, options))
    }

    fn new(dir: &Path, options: &Options) -> Self {
        let settings = PerLane::from_fn(|lane| ingested(options, lane));
        Self { dir: dir.to_owned(), settings, tables: PerLane::default(), next_table: 0, last: None }
    }

    /// Goes on in `dir` from what [`mark`](Self::mark) has said; what came behind it is deleted.
    ///
    /// # Errors
    /// A mark that does not decode, tables that are gone, I/O.
    pub fn resume(dir: &Path, options: &Options, mark: &[u8]) -> Result<Self> {
        let wrong = || FlatKvError::Record { record: "mark of row tables", at: 0 };
        let mark = Mark::decode(mark).map_err(|_| wrong())?;
        let mut tables = Self::new(dir, options);
        for entry in fs::read_dir(dir).map_err(|source| io_error("list", dir, source))? {
            let path = entry.map_err(|source| io_error("list", dir, source))?.path();
            match number_of(&path).filter(|(number, _)| *number < mark.next_table) {
                Some((_, lane)) => tables.tables[lane].push(path),
                None => fs::remove_file(&path).map_err(|source| io_error("remove", &path, source))?,
            }
        }
        let found: usize = tables.tables.iter().map(|(_, tables)| tables.len()).sum();
        if u64::try_from(found) != Ok(mark.next_table) {
            return Err(FlatKvError::TablesLost { path: dir.to_owned(), expected: mark.next_table, got: found });
        }
        for lane in Lane::ALL {
            tables.tables[lane].sort();
        }
        tables.next_table = mark.next_table;
        let lane = |row: &MarkedRow| u8::try_from(row.lane).ok().and_then(Lane::from_number).ok_or_else(wrong);
        tables.last = mark.last.map(|row| Ok::<_, FlatKvError>((lane(&row)?, row.key))).transpose()?;
        Ok(tables)
    }

    /// Takes rows until [`finish`](RowBatch::finish).
    pub fn batch(&mut self) -> RowBatch<'_> {
        let Self { dir, settings, tables, next_table, last } = self;
        RowBatch { dir, settings, finished: tables, next_table, last, table: None, written: 0 }
    }

    /// Puts on disk what there is. What it returns is enough to go on from here after a crash.
    ///
    /// # Errors
    /// I/O.
    pub fn mark(&self) -> Result<Vec<u8>> {
        // A finished table is synced; its name is not.
        let synced = File::open(&self.dir).and_then(|dir| dir.sync_all());
        synced.map_err(|source| io_error("sync directory", &self.dir, source))?;
        let last = self.last.as_ref();
        let last = last.map(|(lane, key)| MarkedRow { lane: lane.number().into(), key: key.clone() });
        Ok(Mark { next_table: self.next_table, last }.encode_to_vec())
    }

    /// Makes `to`, which must not exist, a store of block `height` with these rows: its tables are hard links. Every row is
    /// then read back, checked and added up, and the sum is the root that is returned. `progress` is called now and then
    /// and stops the work by breaking; the answer is then none.
    ///
    /// # Errors
    /// Rows that are damaged or no rows, I/O.
    pub fn finish(
        &self,
        to: &Path,
        height: u64,
        options: &Options,
        block: &BulkBlock<'_>,
        progress: &mut dyn FnMut(VerifyProgress) -> ControlFlow<()>,
    ) -> Result<Option<Hash>> {
        let staging = to.with_extension("tables");
        let load = BulkLoad::begin(to, &staging, height, options)?;
        let mut linked = PerLane::<Vec<PathBuf>>::default();
        for (lane, tables) in self.tables.iter() {
            for table in tables {
                let link = staging.join(table.file_name().unwrap_or_default());
                fs::hard_link(table, &link).map_err(|source| io_error("link table", &link, source))?;
                linked[lane].push(link);
            }
        }
        load.finish_restored(&linked, block, progress)
    }
}

impl RowBatch<'_> {
    /// Takes a row; lanes come in the order of their numbers and keys in byte order.
    ///
    /// # Errors
    /// A row or key that the lane cannot have, one out of order, I/O.
    pub fn put(&mut self, lane: Lane, key: &[u8], row: &[u8]) -> Result<()> {
        if self.last.as_ref().is_some_and(|(last_lane, last)| (*last_lane, last.as_slice()) >= (lane, key)) {
            return Err(FlatKvError::RowOrder { lane, key: key.to_vec() });
        }
        split(lane, key)?;
        check_row(lane, row).map_err(|source| FlatKvError::Row { key: key.to_vec(), source })?;
        if self.table.as_ref().is_some_and(|(open, ..)| *open != lane) {
            self.close()?;
        }
        if self.table.is_none() {
            let path = self.dir.join(format!("{:08}-{lane}.sst", self.next_table));
            let table = SstFileWriter::create(&self.settings[lane]);
            table.open(&path).map_err(|source| failed("create table", &path, source))?;
            self.table = Some((lane, table, path));
        }
        // UNWRAP: the lines above have just put it there.
        let (_, table, path) = self.table.as_mut().expect("a table was just made");
        table.put(key, row).map_err(|source| failed("write table", path, source))?;
        self.written += 1;
        let is_full = self.written.is_multiple_of(SIZE_INTERVAL_ROWS) && table.file_size() >= TABLE_BYTES_MAX;
        let (last_lane, last) = self.last.get_or_insert_with(|| (lane, Vec::new()));
        *last_lane = lane;
        last.clear();
        last.extend_from_slice(key);
        if is_full { self.close() } else { Ok(()) }
    }

    /// Ends the batch: its tables are whole.
    ///
    /// # Errors
    /// I/O.
    pub fn finish(mut self) -> Result<()> {
        self.close()
    }

    fn close(&mut self) -> Result<()> {
        if let Some((lane, mut table, path)) = self.table.take() {
            table.finish().map_err(|source| failed("finish table", &path, source))?;
            self.finished[lane].push(path);
            *self.next_table += 1;
        }
        Ok(())
    }
}

/// The number and lane in a table's name.
fn number_of(path: &Path) -> Option<(u64, Lane)> {
    let (number, lane) = path.file_name()?.to_str()?.strip_suffix(".sst")?.split_once('-')?;
    let lane = Lane::ALL.into_iter().find(|known| known.name() == lane)?;
    Some((number.parse().ok()?, lane))
}

fn failed(operation: &'static str, path: &Path, source: rocksdb::Error) -> FlatKvError {
    FlatKvError::RocksDb { operation, path: path.to_owned(), source }
}
