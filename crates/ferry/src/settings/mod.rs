//! Settings: what an operator may set of a node, and of the program around it. Flag > environment > file > default.
//!
//! A chain's binary reads the same file as the program does: [`Settings::read`], then [`Settings::options`]. A program that
//! has settings of its own adds their table with [`Layers::program`]; nobody else minds that section.

mod document;
mod error;
mod kind;
mod schema;
mod value;

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

pub use error::{Origin, SettingsError, Wrong};
pub use kind::{Kind, Setting};
pub use value::Value;

use crate::options::Options;
use document::Raw;
use schema::BOUND;

/// The section that belongs to the program; who has no table for it passes over it.
const PROGRAM_SECTION: &str = "program";
/// More than any file of settings: every module of a chain takes a line or less.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// How like a key must be to one that is known to be taken for it: 0 for nothing in common, 1 for the same.
const LIKENESS_MIN: f64 = 0.7;

/// Where settings may come from, beside their defaults.
#[derive(Clone, Debug, Default)]
pub struct Layers<'a> {
    /// The program's own settings, in the section `program`.
    pub program: &'static [Setting],
    /// The file; none for none.
    pub file: Option<&'a Path>,
    /// The environment's variables. Those that are none of ours are passed over, and so are empty ones.
    pub environment: Vec<(String, String)>,
    /// Flags: how the flag is called, the setting's key, the value's text.
    pub flags: Vec<(String, String, String)>,
}

/// A setting with its value and where that comes from.
#[derive(Clone, Debug)]
pub struct Set {
    /// The setting.
    pub setting: &'static Setting,
    /// Its value.
    pub value: Value,
    /// Where that was given.
    pub origin: Origin,
}

/// All settings with their values.
#[derive(Clone, Debug)]
pub struct Settings {
    sets: Vec<Set>,
}

impl Settings {
    /// Every setting at its default.
    pub fn defaults(program: &'static [Setting]) -> Self {
        let known = BOUND.iter().map(|bound| &bound.setting).chain(program);
        let set = |setting: &'static Setting| Set { setting, value: (setting.default)(), origin: Origin::Default };
        Self { sets: known.map(set).collect() }
    }

    /// What the file at `path` says, defaults elsewhere.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        Self::load(&Layers { file: Some(path), ..Layers::default() })
    }

    /// What all layers together say.
    ///
    /// # Errors
    /// The first problem: a file that cannot be read or is not TOML, an unknown key, a value out of its range.
    pub fn load(layers: &Layers<'_>) -> Result<Self, SettingsError> {
        let (settings, problems) = Self::inspect(layers);
        problems.into_iter().next().map_or(Ok(settings), Err)
    }

    /// What all layers together say, and every problem with them. A value that is wrong leaves the one of the layer below.
    pub fn inspect(layers: &Layers<'_>) -> (Self, Vec<SettingsError>) {
        let mut settings = Self::defaults(layers.program);
        let mut problems = Vec::new();
        if let Some(path) = layers.file {
            match read_text(path).and_then(|text| document::parse(&text, path)) {
                Ok(entries) => {
                    for entry in entries {
                        let origin = Origin::File { path: path.to_owned(), line: entry.line };
                        settings.set(&entry.key, &entry.raw, origin).unwrap_or_else(|problem| problems.push(problem));
                    }
                }
                Err(problem) => problems.push(problem),
            }
        }
        for (variable, text) in layers.environment.iter().filter(|(_, text)| !text.is_empty()) {
            let Some(key) = settings.key_of(variable) else { continue };
            let origin = Origin::Environment { variable: variable.clone() };
            settings.set(&key, &Raw::Loose(text.clone()), origin).unwrap_or_else(|problem| problems.push(problem));
        }
        for (flag, key, text) in &layers.flags {
            let origin = Origin::Flag { flag: flag.clone() };
            settings.set(key, &Raw::Loose(text.clone()), origin).unwrap_or_else(|problem| problems.push(problem));
        }
        (settings, problems)
    }

    /// All settings, in the order in which they are shown.
    pub fn all(&self) -> &[Set] {
        &self.sets
    }

    /// The value of a setting; none if there is no such setting.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.sets.iter().find(|set| set.setting.key == key).map(|set| &set.value)
    }

    /// How a node is opened with these settings.
    pub fn options(&self) -> Options {
        let mut options = Options::default();
        for bound in &BOUND {
            if let Some(value) = self.get(bound.setting.key) {
                (bound.set)(&mut options, value);
            }
        }
        options
    }

    fn set(&mut self, key: &str, raw: &Raw, origin: Origin) -> Result<(), SettingsError> {
        let Some(set) = self.sets.iter_mut().find(|set| set.setting.key == key) else {
            let is_the_programs = key.split('.').next() == Some(PROGRAM_SECTION);
            return match self.has_section(PROGRAM_SECTION) || !is_the_programs {
                true => Err(SettingsError::UnknownKey { origin, key: key.to_owned(), nearest: self.nearest(key) }),
                false => Ok(()),
            };
        };
        let wrong = |wrong| SettingsError::Value { origin: origin.clone(), key: key.to_owned(), wrong };
        set.value = set.setting.kind.read(raw).map_err(wrong)?;
        set.origin = origin;
        Ok(())
    }

    fn has_section(&self, section: &str) -> bool {
        self.sets.iter().any(|set| set.setting.section() == section)
    }

    /// The key that a variable sets. A variable that begins as ours do and names no setting keeps a key of its own, to be
    /// told as unknown; any other one is none of ours.
    fn key_of(&self, variable: &str) -> Option<String> {
        if let Some(set) = self.sets.iter().find(|set| set.setting.variable() == variable) {
            return Some(set.setting.key.to_owned());
        }
        let (section, name) = variable.strip_prefix(kind::VARIABLE_PREFIX)?.split_once('_')?;
        let section = section.to_ascii_lowercase();
        self.has_section(&section).then(|| format!("{section}.{}", name.to_ascii_lowercase()))
    }

    /// The setting that a key is likely to mean: by the whole key, or by its name in another section.
    fn nearest(&self, key: &str) -> Option<String> {
        let name = |key: &'_ str| key.rsplit('.').next().unwrap_or_default().to_owned();
        let likeness = |known: &str| {
            let by_name = strsim::normalized_damerau_levenshtein(&name(key), &name(known));
            strsim::normalized_damerau_levenshtein(key, known).max(by_name)
        };
        let known = self.sets.iter().map(|set| (likeness(set.setting.key), set.setting.key));
        let best = known.max_by(|left, right| left.0.total_cmp(&right.0));
        best.filter(|(likeness, _)| *likeness >= LIKENESS_MIN).map(|(_, key)| key.to_owned())
    }
}

/// A span of time as settings have it: `500ms`, `10s`, `5min`, `2h`, `1d`; none if the text is none.
pub fn parse_span(text: &str) -> Option<Duration> {
    value::milliseconds(text).map(Duration::from_millis)
}

fn read_text(path: &Path) -> Result<String, SettingsError> {
    let unreadable = |source| SettingsError::Unreadable { path: path.to_owned(), source };
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text));
    if read.map_err(unreadable)? as u64 > FILE_BYTES_MAX {
        return Err(SettingsError::TooLarge { path: path.to_owned(), bytes_max: FILE_BYTES_MAX });
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
