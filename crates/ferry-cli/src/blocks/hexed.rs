//! Bytes that stand in JSON as hex.

use std::fmt;

use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// Bytes of any length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hexed(pub(super) Bytes);

/// A hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HexedHash(pub(super) [u8; 32]);

struct Text;

impl Visitor<'_> for Text {
    type Value = Hexed;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string of hex digits")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Hexed, E> {
        hex::decode(text).map(|bytes| Hexed(bytes.into())).map_err(E::custom)
    }
}

impl<'de> Deserialize<'de> for Hexed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text)
    }
}

impl<'de> Deserialize<'de> for HexedHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = Hexed::deserialize(deserializer)?.0;
        let hash = <[u8; 32]>::try_from(bytes.as_ref());
        hash.map(Self).map_err(|_| D::Error::custom(format!("a hash has 32 bytes: got={}", bytes.len())))
    }
}
