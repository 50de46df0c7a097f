//! The migration cursor: how far the walk over the old store has come, and its bytes.
//!
//! **It is not** a store and knows none: no I/O, no dependencies. The two records that a migration keeps in the
//! metadata store [`MIGRATION_STORE`] are all that lives here.
//!
//! Good starting points:
//! - [`Boundary`]: not started, in progress at a (module, key), or complete.
//! - [`Boundary::is_migrated`]: on which side of the cursor a key stands.
//! - [`decode_version`]: the migration's version record.
//!
//! Invariants: `decode(encode(b)) == b` for every boundary whose module name has a length that fits 32 bits; a record that
//! does not decode is refused with a typed error, and nothing about it is guessed.
//!
//! ```
//! use boundary::Boundary;
//!
//! let cursor = Boundary::in_progress("evm", [0x03, 0x7b]);
//! assert_eq!(cursor.to_string(), "MigrationBoundary{status=in_progress, module=evm, key=037b}");
//! assert_eq!(Boundary::decode(&cursor.encode()), Ok(cursor.clone()));
//! assert!(cursor.is_migrated("bank", b"any key: the module sorts before evm"));
//! assert!(!cursor.is_migrated("evm", &[0x03, 0x7c]));
//! ```

mod record;
mod version;

pub use record::{Boundary, DecodeError, HEADER_SIZE};
pub use version::{VersionError, decode_version, encode_version};

/// The metadata store: a module of FlatKV that no caller may read or write.
pub const MIGRATION_STORE: &str = "migration";
/// The key of the boundary record in [`MIGRATION_STORE`].
pub const BOUNDARY_KEY: &[u8] = b"migration-boundary";
/// The key of the version record in [`MIGRATION_STORE`].
pub const VERSION_KEY: &[u8] = b"migration-version";
