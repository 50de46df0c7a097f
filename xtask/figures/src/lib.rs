//! Figures of a run as tables and pictures: what a terminal shows, a page has and a picture draws is one and the same.
//!
//! **It is not** where anything is measured, and it reads no files.
//!
//! Good starting points:
//! - [`Table`]: which of a run's figures stand in which column; as text and as Markdown.
//! - [`Plot`]: lines over an axis, as SVG that reads in light and dark.
//! - [`runs`]: the tables and pictures of `cargo xtask bench`.
//!
//! Invariants: a figure that a run does not have leaves its cell empty and its point out; it never becomes a zero.
//!
//! ```
//! use figures::{Column, Table};
//!
//! const SPEED: Table = Table {
//!     title: "Speed",
//!     rows: "/speed",
//!     columns: &[Column { heading: "keys/s", pointer: "/rate", unit: 1.0, decimals: 0 }],
//! };
//! let figures = serde_json::json!({ "speed": [{ "rate": 41_066.2 }] });
//! assert_eq!(SPEED.markdown(&figures).as_deref(), Some("| keys/s |\n|---:|\n| 41 066 |\n"));
//! ```

mod number;
mod plot;
pub mod runs;
mod scale;
mod table;

pub use number::{grouped, plain};
pub use plot::{Mark, Plot, Series, Style};
pub use scale::{Axis, Scale};
pub use table::{Column, Table};
