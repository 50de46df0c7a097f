//! Where a tree's changed nodes lie: lines of memory that never move, and who still reads which of them.
//!
//! ```text
//! Lines    64 bytes each, by their places        lines
//! strings  keys and values, over as many         strings
//! Epoch    the lines that the trees of one       epoch
//!          moment have; when a line is free
//! Writer   lines for one change                  writer
//! ```
//! Nothing is counted per node. A line is free once the last epoch is gone in which a tree had it, and which ones those
//! are is known from two numbers: the epoch that wrote it, and the one that left it.

mod epoch;
mod lines;
mod strings;
#[cfg(test)]
mod tests;
mod writer;

pub(crate) use epoch::Epoch;
pub(crate) use lines::{LINE_BYTES, Lines, Place};
#[cfg(test)]
pub(crate) use strings::lines_of;
pub(crate) use strings::{halves, joined};
pub(crate) use writer::Writer;
