//! Exporting the state behind a block as a portable stream: in chunks, each checked by itself, and a manifest that names them.
//!
//! ```text
//! source     both stores at one block, pinned: of a view while blocks go on, or of a home on disk
//! walk       the records of the stream, from any place on                 record.rs has their bytes
//! write      cut into chunks; a run that was interrupted goes on           chunk.rs
//! manifest   written last: with it the export is whole                     manifest.rs
//! ```
//! Two nodes at one height of one chain write the same payloads and the same manifest, so chunks can come from several of
//! them. What a receiver does with them is in `restore/`.

mod chunk;
mod directory;
mod manifest;
mod record;
mod source;
mod walk;
mod write;

pub use chunk::ChunkError;
pub(crate) use chunk::decode as decode_chunk;
pub use directory::{Exported, Exports};
pub use manifest::{CHUNK_BYTES_MAX, Manifest};
pub(crate) use record::Record;
pub use source::Source;
pub use write::{DEFAULT_CHUNK_BYTES, ExportProgress, ExportReport, export};
pub(crate) use write::{at, read_if_there, replace_file};
