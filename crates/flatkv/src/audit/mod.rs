//! The whole check of a store in ranges, side by side on many threads, also of a store whose metadata is damaged; and the
//! search for the row that a difference comes from.
//!
//! ```text
//! open       metadata as far as it decodes; what does not is told
//! ranges     each lane cut where its tables begin: pieces of like size, found without reading a row
//! tally      a range's rows: their elements' sum, counts and bytes per module; rows that are damaged
//! compare    the tallies of all ranges together with what the store keeps
//! search     the row that makes up a difference, where one bit or one row too many does
//! fit        the rows that make up a difference, of those that something else proposes
//! past       what is kept of earlier blocks, record by record
//! ```
//! The sum over a module says that something differs and not what. A row of its own hash would cost 32 bytes each; that a
//! flipped bit is found again costs nothing until one is there.

mod fit;
mod open;
mod past;
mod presence;
mod range;
mod search;
mod tally;

pub use fit::row_after_move;
pub use open::{Audit, LoggedRow};
pub use past::PastFault;
pub use presence::Presence;
pub use range::RowRange;
pub use search::{RowMend, Search};
pub use tally::{PartDifference, Tally};
