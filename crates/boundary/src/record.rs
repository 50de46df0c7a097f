//! The boundary record.
//!
//! ```text
//! not started   00
//! in progress   01 | u32 big endian: length of the module name | name | key (the rest; may be empty)
//! complete      02
//! ```
//! The first [`HEADER_SIZE`] bytes of a record in progress are its header. Source: FlatKV formats, boundary record.

use core::fmt;

/// Bytes of the header of an in-progress record: the status and the length of the module's name.
pub const HEADER_SIZE: usize = 5;

const NOT_STARTED: u8 = 0x00;
const IN_PROGRESS: u8 = 0x01;
const COMPLETE: u8 = 0x02;

/// How far a migration has come: every key up to and including the cursor has moved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Boundary {
    /// No key has moved.
    #[default]
    NotStarted,
    /// All modules that sort before `module` have moved, and of `module` all keys up to and including `key`.
    InProgress {
        /// Name of the module that the cursor stands in. Bytes: a name that another program wrote need not be UTF-8.
        module: Vec<u8>,
        /// The last key that moved.
        key: Vec<u8>,
    },
    /// Everything has moved.
    Complete,
}

/// A record that is no boundary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// The record has no bytes.
    Empty,
    /// Bytes stand behind a status that carries none.
    TrailingBytes {
        /// The status byte, 0 or 2.
        status: u8,
        /// How many bytes too many.
        extra: usize,
    },
    /// An in-progress record shorter than its header.
    ShortHeader {
        /// Bytes found; [`HEADER_SIZE`] were expected.
        got: usize,
    },
    /// The module's name is shorter than the header announces.
    ShortModule {
        /// Bytes announced.
        expected: u32,
        /// Bytes found.
        got: usize,
    },
    /// A status byte that does not exist.
    UnknownStatus {
        /// The byte found.
        status: u8,
    },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "migration boundary record is empty"),
            Self::TrailingBytes { status, extra } => {
                write!(f, "migration boundary record has trailing bytes: status={status} extra={extra}")
            }
            Self::ShortHeader { got } => {
                write!(f, "migration boundary record is shorter than its header: expected={HEADER_SIZE} got={got}")
            }
            Self::ShortModule { expected, got } => {
                write!(f, "migration boundary record ends inside its module name: expected={expected} got={got}")
            }
            Self::UnknownStatus { status } => {
                write!(f, "migration boundary record has an unknown status: status={status}")
            }
        }
    }
}

impl core::error::Error for DecodeError {}

impl Boundary {
    /// A boundary in progress at the last key that moved.
    pub fn in_progress(module: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Self {
        Self::InProgress { module: module.as_ref().to_vec(), key: key.as_ref().to_vec() }
    }

    /// Whether `key` of `module` has moved.
    pub fn is_migrated(&self, module: &str, key: &[u8]) -> bool {
        match self {
            Self::NotStarted => false,
            Self::Complete => true,
            Self::InProgress { module: at, key: last } => {
                let module = module.as_bytes();
                if module == at.as_slice() { key <= last.as_slice() } else { module < at.as_slice() }
            }
        }
    }

    /// The record's bytes.
    ///
    /// # Panics
    /// If the module's name is longer than `u32::MAX` bytes; such a name cannot be in memory beside its record.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::NotStarted => vec![NOT_STARTED],
            Self::Complete => vec![COMPLETE],
            Self::InProgress { module, key } => {
                let length = u32::try_from(module.len()).expect("module name longer than u32::MAX bytes");
                let mut bytes = Vec::with_capacity(HEADER_SIZE + module.len() + key.len());
                bytes.push(IN_PROGRESS);
                bytes.extend_from_slice(&length.to_be_bytes());
                bytes.extend_from_slice(module);
                bytes.extend_from_slice(key);
                bytes
            }
        }
    }

    /// Reads a record.
    ///
    /// # Errors
    /// Any record that [`encode`](Self::encode) cannot have written.
    pub fn decode(record: &[u8]) -> Result<Self, DecodeError> {
        let (&status, rest) = record.split_first().ok_or(DecodeError::Empty)?;
        match status {
            NOT_STARTED | COMPLETE if !rest.is_empty() => Err(DecodeError::TrailingBytes { status, extra: rest.len() }),
            NOT_STARTED => Ok(Self::NotStarted),
            COMPLETE => Ok(Self::Complete),
            IN_PROGRESS => {
                let (length, rest) =
                    rest.split_first_chunk::<4>().ok_or(DecodeError::ShortHeader { got: record.len() })?;
                let expected = u32::from_be_bytes(*length);
                let short = DecodeError::ShortModule { expected, got: rest.len() };
                let length = usize::try_from(expected).map_err(|_| short)?;
                let (module, key) = rest.split_at_checked(length).ok_or(short)?;
                Ok(Self::in_progress(module, key))
            }
            status => Err(DecodeError::UnknownStatus { status }),
        }
    }
}

impl fmt::Display for Boundary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotStarted => write!(f, "MigrationBoundary{{status=not_started}}"),
            Self::Complete => write!(f, "MigrationBoundary{{status=complete}}"),
            Self::InProgress { module, key } => {
                write!(f, "MigrationBoundary{{status=in_progress, module={}, key=", String::from_utf8_lossy(module))?;
                for byte in key {
                    write!(f, "{byte:02x}")?;
                }
                write!(f, "}}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_say_what_was_wrong() {
        let check = |record: &[u8], expected| assert_eq!(Boundary::decode(record), Err(expected));
        check(&[], DecodeError::Empty);
        check(&[0, 0], DecodeError::TrailingBytes { status: 0, extra: 1 });
        check(&[2, 9, 9], DecodeError::TrailingBytes { status: 2, extra: 2 });
        check(&[1], DecodeError::ShortHeader { got: 1 });
        check(&[1, 0, 0, 0], DecodeError::ShortHeader { got: 4 });
        check(&[1, 0, 0, 0, 4, b'e', b'v', b'm'], DecodeError::ShortModule { expected: 4, got: 3 });
        check(&[1, 255, 255, 255, 255], DecodeError::ShortModule { expected: u32::MAX, got: 0 });
        check(&[3], DecodeError::UnknownStatus { status: 3 });
    }

    #[test]
    fn an_empty_key_and_an_empty_module_are_legal() {
        for boundary in [Boundary::in_progress("evm", b""), Boundary::in_progress("", b"key")] {
            assert_eq!(Boundary::decode(&boundary.encode()), Ok(boundary));
        }
    }

    #[test]
    fn the_cursor_key_itself_has_moved() {
        let boundary = Boundary::in_progress("bank", [5]);
        assert!(boundary.is_migrated("bank", &[5]));
        assert!(!boundary.is_migrated("bank", &[5, 0]));
        assert!(boundary.is_migrated("acc", &[255]));
        assert!(!boundary.is_migrated("evm", &[]));
    }
}
