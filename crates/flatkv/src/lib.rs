//! FlatKV rows on RocksDB.
