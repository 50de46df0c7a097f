//! A file of settings: TOML, one table a section, no deeper.
//!
//! ```text
//! [memory]
//! block_cache_bytes = "256MiB"      section.name = integer | string | array of strings
//! ```

use std::fmt;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{Origin, SettingsError};

/// A value as it was given, before the setting's kind has been asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Raw {
    /// An integer of a file.
    Integer(u64),
    /// A string of a file.
    Text(String),
    /// An array of strings of a file.
    Names(Vec<String>),
    /// Something else of a file: what TOML calls it, or its text.
    Other(String),
    /// A variable's or a flag's text, in which nothing says what it is.
    Loose(String),
}

impl fmt::Display for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(number) => write!(f, "{number}"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Names(names) => write!(f, "{names:?}"),
            Self::Other(text) | Self::Loose(text) => f.write_str(text),
        }
    }
}

/// One line of a file of settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Section and name.
    pub(super) key: String,
    /// The line of the name, from 1.
    pub(super) line: u64,
    /// The value.
    pub(super) raw: Raw,
}

/// Reads the text of the file at `path`; entries in the order of their lines.
///
/// # Errors
/// A text that is not TOML.
pub(super) fn parse(text: &str, path: &Path) -> Result<Vec<Entry>, SettingsError> {
    // What is no TOML is told with the line that it was noticed in.
    let root = DeTable::parse(text).map_err(|error| SettingsError::Syntax {
        origin: Origin::File { path: path.to_owned(), line: line_of(text, error.span().map_or(0, |span| span.start)) },
        problem: error.message().replace('\n', ", "),
    })?;
    let mut entries = Vec::new();
    for (section, value) in root.get_ref() {
        match value.get_ref() {
            DeValue::Table(table) => {
                for (name, value) in table {
                    let key = format!("{}.{}", section.get_ref(), name.get_ref());
                    entries.push(entry(text, key, name.span().start, value));
                }
            }
            // A name outside of a section has no setting: it comes out as an unknown key.
            _ => entries.push(entry(text, section.get_ref().to_string(), section.span().start, value)),
        }
    }
    entries.sort_by_key(|entry| entry.line);
    Ok(entries)
}

fn entry(text: &str, key: String, at: usize, value: &Spanned<DeValue<'_>>) -> Entry {
    Entry { key, line: line_of(text, at), raw: raw(value.get_ref()) }
}

fn raw(value: &DeValue<'_>) -> Raw {
    match value {
        DeValue::Integer(integer) => match u64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(number) => Raw::Integer(number),
            Err(_) => Raw::Other(integer.to_string()),
        },
        DeValue::String(text) => Raw::Text(text.to_string()),
        DeValue::Array(items) => {
            let names = items.iter().map(|item| item.get_ref().as_str().map(str::to_owned));
            names.collect::<Option<_>>().map_or_else(|| Raw::Other("an array of other things".to_owned()), Raw::Names)
        }
        other => Raw::Other(format!("a {}", other.type_str())),
    }
}

/// The line, from 1, of a place in the text.
fn line_of(text: &str, at: usize) -> u64 {
    let before = text.as_bytes().iter().take(at);
    before.filter(|byte| **byte == b'\n').count() as u64 + 1
}
