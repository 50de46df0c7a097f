//! The version record: which of the chain's migrations are done.
//!
//! ```text
//! migration-version   8   u64 big endian; an absent record reads as 0
//! ```

use core::fmt;

/// A version record of another length than 8 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VersionError {
    /// Bytes found; 8 were expected.
    pub got: usize,
}

impl fmt::Display for VersionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "migration version record has the wrong length: expected=8 got={}", self.got)
    }
}

impl core::error::Error for VersionError {}

/// The version record's bytes.
pub fn encode_version(version: u64) -> [u8; 8] {
    version.to_be_bytes()
}

/// The version that a record holds; an absent record is version 0.
///
/// # Errors
/// A record of any length but 8.
pub fn decode_version(record: Option<&[u8]>) -> Result<u64, VersionError> {
    match record {
        None => Ok(0),
        Some(bytes) => match <[u8; 8]>::try_from(bytes) {
            Ok(fixed) => Ok(u64::from_be_bytes(fixed)),
            Err(_) => Err(VersionError { got: bytes.len() }),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_record_is_version_zero() {
        assert_eq!(decode_version(None), Ok(0));
    }

    #[test]
    fn every_length_but_eight_is_refused() {
        for length in (0..20).filter(|length| *length != 8) {
            assert_eq!(decode_version(Some(&vec![0; length])), Err(VersionError { got: length }));
        }
        assert_eq!(decode_version(Some(&encode_version(3))), Ok(3));
    }
}
