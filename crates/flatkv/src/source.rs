//! What reads go to: the database as it is, or as a snapshot pinned it.

use std::path::PathBuf;
use std::sync::Arc;

use rocksdb::{ColumnFamily, DB, DBRawIterator, ReadOptions, Snapshot};
use self_cell::self_cell;

use crate::error::{FlatKvError, Result};
use crate::options::Family;

/// An open database with its directory.
pub(crate) struct Database {
    pub(crate) db: DB,
    pub(crate) path: PathBuf,
}

impl Database {
    /// The error of a failed operation.
    pub(crate) fn error(&self, operation: &'static str, source: rocksdb::Error) -> FlatKvError {
        FlatKvError::RocksDb { operation, path: self.path.clone(), source }
    }

    pub(crate) fn family(&self, family: Family) -> &ColumnFamily {
        // UNWRAP: a database is opened with all families, and none is ever dropped.
        self.db.cf_handle(family.name()).expect("an open column family")
    }
}

self_cell!(
    /// A snapshot together with the database that it is of.
    pub(crate) struct Pinned {
        owner: Arc<Database>,
        #[covariant]
        dependent: Snapshot,
    }
);

/// Where a reader reads.
pub(crate) enum Source {
    /// A moment of a database that is written on.
    Snapshot(Pinned),
    /// A database that does not change while it is open: read-only, or a secondary that is not asked to catch up.
    Still(Arc<Database>),
}

impl Source {
    /// The database as it is now, for as long as the source lives.
    pub(crate) fn snapshot(database: Arc<Database>) -> Self {
        Self::Snapshot(Pinned::new(database, |database| database.db.snapshot()))
    }

    pub(crate) fn database(&self) -> &Database {
        match self {
            Self::Snapshot(pinned) => pinned.borrow_owner(),
            Self::Still(database) => database,
        }
    }

    /// What `read` makes of the value of `key`; none if it is absent.
    pub(crate) fn get<R>(
        &self,
        family: Family,
        key: &[u8],
        read: impl FnOnce(&[u8]) -> Result<R>,
    ) -> Result<Option<R>> {
        let database = self.database();
        let handle = database.family(family);
        let value = match self {
            Self::Snapshot(pinned) => pinned.borrow_dependent().get_pinned_cf(handle, key),
            Self::Still(database) => database.db.get_pinned_cf(handle, key),
        };
        value.map_err(|error| database.error("get", error))?.map(|value| read(&value)).transpose()
    }

    /// The values of `keys`, in their order.
    pub(crate) fn get_many<K: AsRef<[u8]>>(
        &self,
        family: Family,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<Vec<Option<Vec<u8>>>> {
        let database = self.database();
        let handle = database.family(family);
        let keys = keys.into_iter().map(|key| (handle, key));
        let values = match self {
            Self::Snapshot(pinned) => pinned.borrow_dependent().multi_get_cf(keys),
            Self::Still(database) => database.db.multi_get_cf(keys),
        };
        values.into_iter().collect::<std::result::Result<_, _>>().map_err(|error| database.error("multi-get", error))
    }

    pub(crate) fn iterator(&self, family: Family, options: ReadOptions) -> DBRawIterator<'_> {
        let handle = self.database().family(family);
        match self {
            Self::Snapshot(pinned) => pinned.borrow_dependent().raw_iterator_cf_opt(handle, options),
            Self::Still(database) => database.db.raw_iterator_cf_opt(handle, options),
        }
    }
}
