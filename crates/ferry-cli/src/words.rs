//! Bytes as operators give and read them on a command line.

use std::convert::Infallible;
use std::str::FromStr;

use ferry::AppHash;

/// Bytes given in hex.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HexBytes(pub(crate) Vec<u8>);

impl FromStr for HexBytes {
    type Err = hex::FromHexError;

    fn from_str(text: &str) -> Result<Self, hex::FromHexError> {
        hex::decode(text.strip_prefix("0x").unwrap_or(text)).map(Self)
    }
}

/// A key, given in hex, or as text behind `text:` or where it is no hex.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyBytes(pub(crate) Vec<u8>);

impl FromStr for KeyBytes {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        if let Some(text) = text.strip_prefix("text:") {
            return Ok(Self(text.as_bytes().to_vec()));
        }
        Ok(Self(text.parse::<HexBytes>().map_or_else(|_| text.as_bytes().to_vec(), |bytes| bytes.0)))
    }
}

/// An app hash as the operator gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TrustedHash(pub(crate) AppHash);

/// A text that is no app hash.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected 64 hex digits got={got}")]
pub(crate) struct NoHash {
    got: String,
}

impl FromStr for TrustedHash {
    type Err = NoHash;

    fn from_str(text: &str) -> Result<Self, NoHash> {
        let bytes = hex::decode(text).ok().and_then(|bytes| AppHash::try_from(bytes.as_slice()).ok());
        bytes.map(Self).ok_or_else(|| NoHash { got: text.to_owned() })
    }
}

/// Bytes in hex, with their text behind them if they are readable.
pub(crate) fn readable(bytes: &[u8]) -> String {
    let hex = if bytes.is_empty() { "(empty)".to_owned() } else { hex::encode(bytes) };
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic() || c == ' ') => {
            format!("{hex} ({text:?})")
        }
        _ => hex,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_hex_where_it_can_be_and_text_otherwise_or_on_demand() {
        let check = |text: &str, expected: &[u8]| {
            assert_eq!(text.parse(), Ok(KeyBytes(expected.to_vec())), "{text}");
        };
        check("0aff", &[0x0a, 0xff]);
        check("0x0AFF", &[0x0a, 0xff]);
        check("supply", b"supply");
        check("beef", &[0xbe, 0xef]);
        check("text:beef", b"beef");
        check("abc", b"abc");
        check("", b"");
    }

    #[test]
    fn readable_bytes_show_their_text() {
        assert_eq!(readable(b"ok 1"), "6f6b2031 (\"ok 1\")");
        assert_eq!(readable(&[0xff]), "ff");
        assert_eq!(readable(&[]), "(empty)");
    }
}
