//! A case: one change to one file or one row of one home, and the words that name it.
//!
//! ```text
//! evm data/state_commit/memiavl/current byte 3 ff     a byte of a file set to 0xff (or to what a flipped bit makes of it)
//! evm data/state_commit/memiavl/current cut 7         the file cut to 7 bytes
//! evm data/state_commit/memiavl/current gone          the file removed
//! evm row:meta:76657273696f6e key 3 ff                a byte of a row's key; `value` for the value's
//! evm row:meta:76657273696f6e value-cut 7             a row's value cut
//! evm row:meta:76657273696f6e value-gone              a row removed
//! ```

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Error, Result, bail};

/// What is damaged.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    /// A file, by its path below the home.
    File(String),
    /// A row of RocksDB, by its column family and key.
    Row { family: String, key: Vec<u8> },
}

/// How it is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Change {
    /// The byte at a place gets a value. In a row: of the value.
    Byte { at: usize, value: u8 },
    /// The same of a row's key.
    KeyByte { at: usize, value: u8 },
    /// Only the first bytes stay.
    Cut { length: usize },
    /// Nothing stays.
    Gone,
}

/// A case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Case {
    pub(crate) home: String,
    pub(crate) target: Target,
    pub(crate) change: Change,
}

impl Change {
    /// What becomes of bytes; none if they go.
    pub(crate) fn of(self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut changed = bytes.to_vec();
        match self {
            Self::Byte { at, value } | Self::KeyByte { at, value } => {
                if let Some(byte) = changed.get_mut(at) {
                    *byte = value;
                }
            }
            Self::Cut { length } => changed.truncate(length),
            Self::Gone => return None,
        }
        Some(changed)
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = match &self.target {
            Target::File(path) => {
                write!(f, "{} {path} ", self.home)?;
                ""
            }
            Target::Row { family, key } => {
                write!(f, "{} row:{family}:{} ", self.home, hex::encode(key))?;
                "value-"
            }
        };
        match (self.change, prefix) {
            (Change::Byte { at, value }, "") => write!(f, "byte {at} {value:02x}"),
            (Change::Byte { at, value }, _) => write!(f, "value {at} {value:02x}"),
            (Change::KeyByte { at, value }, _) => write!(f, "key {at} {value:02x}"),
            (Change::Cut { length }, _) => write!(f, "{prefix}cut {length}"),
            (Change::Gone, _) => write!(f, "{prefix}gone"),
        }
    }
}

impl FromStr for Case {
    type Err = Error;

    fn from_str(words: &str) -> Result<Self> {
        let words: Vec<&str> = words.split_whitespace().collect();
        let [home, target, change, numbers @ ..] = words.as_slice() else { bail!("a case has at least three words") };
        let number = |at: usize| -> Result<usize> { Ok(numbers.get(at).context("a number is missing")?.parse()?) };
        let value = || Ok::<_, Error>(u8::from_str_radix(numbers.get(1).context("a byte's value is missing")?, 16)?);
        let target = match target.strip_prefix("row:") {
            None => Target::File((*target).to_owned()),
            Some(row) => {
                let (family, key) = row.split_once(':').context("a row is row:FAMILY:KEY")?;
                Target::Row { family: family.to_owned(), key: hex::decode(key)? }
            }
        };
        let change = match *change {
            "byte" | "value" => Change::Byte { at: number(0)?, value: value()? },
            "key" => Change::KeyByte { at: number(0)?, value: value()? },
            "cut" | "value-cut" => Change::Cut { length: number(0)? },
            "gone" | "value-gone" => Change::Gone,
            other => bail!("no such change: {other}"),
        };
        Ok(Self { home: (*home).to_owned(), target, change })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_survives_its_words() {
        for words in [
            "evm data/state_commit/memiavl/current byte 3 ff",
            "evm data/state_commit/memiavl/current cut 7",
            "evm data/state_commit/memiavl/current gone",
            "evm row:meta:76657273696f6e key 3 0f",
            "evm row:meta:76657273696f6e value 3 0f",
            "evm row:meta:76657273696f6e value-cut 7",
            "evm row:meta:76657273696f6e value-gone",
        ] {
            assert_eq!(words.parse::<Case>().expect("a case").to_string(), words);
        }
        assert!("evm x".parse::<Case>().is_err());
        assert!("evm x byte 1".parse::<Case>().is_err());
    }
}
