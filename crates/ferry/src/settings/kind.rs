//! What a setting is: its key, which values it takes, and whether the whole chain must share it.

use std::fmt;
use std::time::Duration;

use super::document::Raw;
use super::error::Wrong;
use super::value::{self, UNLIMITED, Value};

/// A setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Section and name, as in `memory.block_cache_bytes`.
    pub key: &'static str,
    /// Which values it takes.
    pub kind: Kind,
    /// Whether nodes that differ in it part ways.
    pub chain_wide: bool,
    /// What it is, in a sentence.
    pub meaning: &'static str,
    /// Its value where nobody sets it.
    pub default: fn() -> Value,
}

impl Setting {
    /// The environment's variable that sets it: `FERRY_MEMORY_BLOCK_CACHE_BYTES`.
    pub fn variable(&self) -> String {
        format!("{VARIABLE_PREFIX}{}", self.key.replace('.', "_").to_ascii_uppercase())
    }

    /// The section that it stands in.
    pub fn section(&self) -> &'static str {
        self.key.split_once('.').map_or(self.key, |(section, _)| section)
    }
}

/// What every variable of ours begins with.
pub(super) const VARIABLE_PREFIX: &str = "FERRY_";

/// Which values a setting takes.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Kind {
    /// A number.
    Count {
        /// The smallest.
        least: u64,
        /// The largest.
        most: u64,
    },
    /// A size.
    Bytes {
        /// The smallest.
        least: u64,
        /// The largest.
        most: u64,
        /// Whether it may be `unlimited`.
        may_be_unlimited: bool,
    },
    /// A span of time.
    Span {
        /// The shortest.
        least: Duration,
        /// The longest.
        most: Duration,
    },
    /// One of these words.
    Word(&'static [&'static str]),
    /// Names of stores, each once.
    Stores,
}

/// Stores whose names are taken: the metadata's, and FlatKV's root in the commit info.
const RESERVED_STORES: [&str; 2] = ["migration", "evm_lattice"];

impl Kind {
    /// Reads a value as it stands in a file, a variable or a flag.
    pub(super) fn read(&self, raw: &Raw) -> Result<Value, Wrong> {
        let expected = || Wrong::Kind { expected: self.to_string(), got: raw.to_string() };
        let value = match (self, raw) {
            (Self::Count { .. }, Raw::Integer(number)) => Value::Count(*number),
            (Self::Count { .. }, Raw::Loose(text)) => Value::Count(value::count(text).ok_or_else(expected)?),
            (Self::Bytes { may_be_unlimited: true, .. }, Raw::Loose(text) | Raw::Text(text)) if text == UNLIMITED => {
                Value::Unlimited
            }
            (Self::Bytes { .. }, Raw::Integer(number)) => Value::Bytes(*number),
            (Self::Bytes { .. }, Raw::Loose(text) | Raw::Text(text)) => {
                Value::Bytes(value::bytes(text).ok_or_else(expected)?)
            }
            (Self::Span { .. }, Raw::Loose(text) | Raw::Text(text)) => {
                Value::Span(Duration::from_millis(value::milliseconds(text).ok_or_else(expected)?))
            }
            (Self::Word(words), Raw::Loose(text) | Raw::Text(text)) if words.contains(&text.as_str()) => {
                Value::Word(text.clone())
            }
            (Self::Stores, Raw::Names(names)) => Value::Names(names.clone()),
            (Self::Stores, Raw::Loose(text)) => {
                let names = text.split(',').map(|name| name.trim().to_owned());
                Value::Names(if text.trim().is_empty() { Vec::new() } else { names.collect() })
            }
            _ => return Err(expected()),
        };
        self.check(&value)?;
        Ok(value)
    }

    fn check(&self, value: &Value) -> Result<(), Wrong> {
        let is_within = match (self, value) {
            (Self::Count { least, most }, Value::Count(number))
            | (Self::Bytes { least, most, .. }, Value::Bytes(number)) => (least..=most).contains(&number),
            (Self::Span { least, most }, Value::Span(span)) => (least..=most).contains(&span),
            (Self::Stores, Value::Names(names)) => return check_stores(names),
            _ => true,
        };
        if is_within { Ok(()) } else { Err(Wrong::Range { expected: self.to_string(), got: value.to_string() }) }
    }
}

fn check_stores(names: &[String]) -> Result<(), Wrong> {
    for (at, name) in names.iter().enumerate() {
        // A slash would end the name in a physical key, a comma in a variable.
        let cannot_be = |char: char| char == '/' || char == ',' || char.is_whitespace() || char.is_control();
        let is_name = !name.is_empty() && !name.contains(cannot_be);
        if !is_name || RESERVED_STORES.contains(&name.as_str()) {
            return Err(Wrong::Store { name: name.clone() });
        }
        if names[..at].contains(name) {
            return Err(Wrong::StoreTwice { name: name.clone() });
        }
    }
    Ok(())
}

impl fmt::Display for Kind {
    /// What is expected, for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count { least, most } => write!(f, "a number from {least} to {most}"),
            Self::Bytes { least, most, may_be_unlimited } => {
                let (least, most) = (Value::Bytes(*least), Value::Bytes(*most));
                let or = if *may_be_unlimited { ", or unlimited" } else { "" };
                write!(f, "a size from {least} to {most}{or}")
            }
            Self::Span { least, most } => write!(f, "a time from {} to {}", Value::Span(*least), Value::Span(*most)),
            Self::Word(words) => write!(f, "one of {}", words.join(", ")),
            Self::Stores => f.write_str("names of stores, each once"),
        }
    }
}
