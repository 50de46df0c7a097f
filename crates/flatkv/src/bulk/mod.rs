//! Filling a store from sorted pairs past its write-ahead log: row tables are written beside each other by many threads,
//! then ingested whole.
//!
//! ```text
//! run      pairs of one module in key order -> rows, their elements' sum, a table per lane        any number at once
//! finish   ingest the tables, add the sums to the states, write the block's records in one batch
//! tables   rows of another store as they are -> tables; finished, every row is read back and added up     a restore
//! ```
//! A crash in the middle leaves a store of no use: it is for stores that nobody has open yet (a copy that will replace the
//! present one). What a pair does to its row is what a set in a block does: `row/change.rs` has both.

mod finish;
mod lane;
mod load;
mod run;
mod tables;

pub use finish::BulkBlock;
pub use load::BulkLoad;
pub use run::{Loaded, Run};
pub use tables::{RowBatch, RowTables};
