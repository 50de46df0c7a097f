//! One lane of a run: rows in key order, compared with those that are there already, into tables.

use std::path::PathBuf;
use std::sync::Arc;

use rocksdb::{DBRawIterator, ReadOptions, SstFileWriter};

use crate::bulk::load::BulkLoad;
use crate::delta::{Delta, DeltaSum, RowChange};
use crate::entered::Moved;
use crate::error::{FlatKvError, Result};
use crate::lane::Lane;
use crate::lattice::Part;
use crate::options::Family;

/// A table is closed beyond this: as large as RocksDB makes them itself.
const TABLE_BYTES_MAX: u64 = 64 << 20;
/// So often a table's size is asked for.
const SIZE_INTERVAL_ROWS: u64 = 256;

/// One lane's rows of a run.
pub(super) struct LaneRun<'l> {
    load: &'l BulkLoad,
    part: Part,
    /// The rows that the store has of this lane and module; none if it has none.
    present: Option<Present<'l>>,
    table: Option<(SstFileWriter<'l>, PathBuf)>,
    written: u64,
    /// The finished tables.
    tables: Vec<PathBuf>,
    delta: DeltaSum,
}

/// What a lane of a run leaves: its tables in key order, and what they do to the lane's and module's state.
pub(super) struct LoadedLane {
    pub(super) part: Part,
    pub(super) tables: Vec<PathBuf>,
    pub(super) delta: Delta,
}

/// A walk over present rows that is only ever moved forwards.
struct Present<'l> {
    rows: DBRawIterator<'l>,
    is_started: bool,
}

impl<'l> LaneRun<'l> {
    pub(super) fn new(load: &'l BulkLoad, lane: Lane, module: &Arc<str>) -> Self {
        let part = (lane, Arc::clone(module));
        let has_rows = load.store.view.totals().any(|(l, m, totals)| l == lane && *m == **module && totals.rows > 0);
        let present = has_rows.then(|| {
            let mut options = ReadOptions::default();
            options.fill_cache(false);
            let rows = load.store.view.source().iterator(Family::Rows(lane), options);
            Present { rows, is_started: false }
        });
        Self { load, part, present, table: None, written: 0, tables: Vec::new(), delta: DeltaSum::default() }
    }

    /// The row that the store has at `key`, which must be higher than the one asked for before.
    pub(super) fn present(&mut self, key: &[u8]) -> Result<Option<&[u8]>> {
        let load = self.load;
        let Some(present) = &mut self.present else { return Ok(None) };
        present.go_to(key);
        present.rows.status().map_err(|source| load.store.database.error("iterate", source))?;
        Ok(present.at(key))
    }

    /// Puts the row at `key` behind those before it, or takes the one that is there away.
    pub(super) fn put(&mut self, key: &[u8], row: Option<&[u8]>) -> Result<()> {
        self.present(key)?;
        let old = self.present.as_ref().and_then(|present| present.at(key));
        self.delta.change(&RowChange { part: &self.part, key, old, new: row, moved: Moved::default() })?;
        let is_present = old.is_some();
        match row {
            Some(row) => self.write(|table| table.put(key, row)),
            None if is_present => self.write(|table| table.delete(key)),
            None => Ok(()),
        }
    }

    fn write(
        &mut self,
        write: impl FnOnce(&mut SstFileWriter<'l>) -> std::result::Result<(), rocksdb::Error>,
    ) -> Result<()> {
        if self.table.is_none() {
            let path = self.load.table_path(self.part.0);
            let table = SstFileWriter::create(&self.load.tables[self.part.0]);
            table.open(&path).map_err(|source| failed("create table", &path, source))?;
            self.table = Some((table, path));
        }
        // UNWRAP: the lines above have just put it there.
        let (table, path) = self.table.as_mut().expect("a table was just made");
        write(table).map_err(|source| failed("write table", path, source))?;
        self.written += 1;
        if self.written.is_multiple_of(SIZE_INTERVAL_ROWS) && table.file_size() >= TABLE_BYTES_MAX {
            self.close_table()?;
        }
        Ok(())
    }

    fn close_table(&mut self) -> Result<()> {
        if let Some((mut table, path)) = self.table.take() {
            table.finish().map_err(|source| failed("finish table", &path, source))?;
            self.tables.push(path);
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<LoadedLane> {
        self.close_table()?;
        Ok(LoadedLane { part: self.part, tables: self.tables, delta: self.delta.finish() })
    }
}

impl Present<'_> {
    fn go_to(&mut self, key: &[u8]) {
        if !self.is_started {
            self.is_started = true;
            self.rows.seek(key);
            return;
        }
        while self.rows.key().is_some_and(|present| present < key) {
            self.rows.next();
        }
    }

    fn at(&self, key: &[u8]) -> Option<&[u8]> {
        self.rows.item().filter(|(present, _)| *present == key).map(|(_, row)| row)
    }
}

fn failed(operation: &'static str, path: &std::path::Path, source: rocksdb::Error) -> FlatKvError {
    FlatKvError::RocksDb { operation, path: path.to_owned(), source }
}
