//! The rows of a home's FlatKV, read and damaged through RocksDB, whose checksums stay sound.

use std::path::Path;

use anyhow::{Context, Result};
use rocksdb::{DB, IteratorMode, Options, WriteBatch};

use crate::case::Change;
use crate::wal;

/// Where FlatKV stands in a home.
pub(crate) const FLATKV: &str = "data/state_commit/flatkv";

/// A row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) family: String,
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
}

/// An undamaged home's database, open for reading: it knows the rows and the numbers of the column families.
pub(crate) struct Database {
    db: DB,
    pub(crate) rows: Vec<Row>,
}

impl Database {
    /// Opens the database of the home at `home`; none if it has no FlatKV.
    pub(crate) fn open(home: &Path) -> Result<Option<Self>> {
        let path = home.join(FLATKV);
        if !path.exists() {
            return Ok(None);
        }
        let options = Options::default();
        let families = DB::list_cf(&options, &path)?;
        let db = DB::open_cf_for_read_only(&options, &path, &families, false)?;
        let mut rows = Vec::new();
        for family in families {
            let handle = db.cf_handle(&family).context("an open family")?;
            for row in db.iterator_cf(handle, IteratorMode::Start) {
                let (key, value) = row?;
                rows.push(Row { family: family.clone(), key: key.into(), value: value.into() });
            }
        }
        Ok(Some(Self { db, rows }))
    }

    /// The row of `key` in `family`.
    pub(crate) fn row(&self, family: &str, key: &[u8]) -> Option<&Row> {
        self.rows.iter().find(|row| row.family == family && row.key == key)
    }

    /// Damages the row of `key` in `family` of the copy at `home`.
    pub(crate) fn damage(&self, home: &Path, family: &str, key: &[u8], change: Change) -> Result<()> {
        let row = self.row(family, key).context("no such row")?;
        let handle = self.db.cf_handle(family).context("no such column family")?;
        let mut batch = WriteBatch::default();
        match (change, change.of(&row.value)) {
            (Change::KeyByte { .. }, _) => {
                let moved = change.of(key).context("a changed key")?;
                batch.delete_cf(handle, key);
                batch.put_cf(handle, moved, &row.value);
            }
            (_, Some(value)) => batch.put_cf(handle, key, value),
            (_, None) => batch.delete_cf(handle, key),
        }
        let log = wal::newest(&home.join(FLATKV))?;
        wal::append(&log, batch.data(), self.db.latest_sequence_number() + 1)
    }
}
