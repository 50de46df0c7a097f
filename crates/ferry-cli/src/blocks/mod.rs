//! Recorded blocks: a file of JSON lines, plain or gzipped, read as a stream.

mod error;
mod hexed;
mod line;
mod reader;
#[cfg(test)]
mod tests;

pub(crate) use error::BlocksError;
pub(crate) use line::{Block, Chain, Expected, ReadCheck, ScanCheck};
pub(crate) use reader::{BlockReader, open_maybe_gzipped};
