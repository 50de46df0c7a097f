//! What can be wrong with settings. Each error says where, and what would be right.

use std::fmt;
use std::path::PathBuf;

/// Where a value was given.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// Nowhere.
    Default,
    /// In a file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
    },
    /// In the environment.
    Environment {
        /// The variable.
        variable: String,
    },
    /// On the command line.
    Flag {
        /// The flag, as in `--set memory.block_cache_bytes`.
        flag: String,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "file={} line={line}", path.display()),
            Self::Environment { variable } => write!(f, "variable={variable}"),
            Self::Flag { flag } => write!(f, "flag={flag}"),
        }
    }
}

/// What is wrong with a value, wherever it stands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Wrong {
    /// It is no value of the setting's kind.
    #[error("expected {expected}: got={got}")]
    Kind {
        /// What would be right.
        expected: String,
        /// What stands there.
        got: String,
    },
    /// It is too small or too large.
    #[error("out of range, expected {expected}: got={got}")]
    Range {
        /// What would be right.
        expected: String,
        /// What stands there.
        got: String,
    },
    /// No store can have this name.
    #[error("no store can have this name: got={name:?}")]
    Store {
        /// The name.
        name: String,
    },
    /// A store is named twice.
    #[error("a store is named twice: got={name}")]
    StoreTwice {
        /// The name.
        name: String,
    },
}

/// An error in the settings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("the settings cannot be read; name a file that is there: file={}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The file is larger than settings ever are.
    #[error("this is no file of settings, it is too large: file={} bytes_max={bytes_max}", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most that is read.
        bytes_max: u64,
    },
    /// The file is not TOML.
    #[error("the settings are not TOML, {problem}: {origin}")]
    Syntax {
        /// Where.
        origin: Origin,
        /// What the reader of TOML says.
        problem: String,
    },
    /// No setting has this key.
    #[error("unknown setting, {}: {origin} key={key}", hint(nearest.as_ref()))]
    UnknownKey {
        /// Where.
        origin: Origin,
        /// The key.
        key: String,
        /// The setting that is meant, as far as can be guessed.
        nearest: Option<String>,
    },
    /// A setting has a value that it cannot have.
    #[error("{wrong} {origin} key={key}")]
    Value {
        /// Where.
        origin: Origin,
        /// The setting.
        key: String,
        /// What is wrong with it.
        wrong: Wrong,
    },
}

fn hint(nearest: Option<&String>) -> String {
    nearest.map_or_else(
        || "`ferry config show` lists all there are".to_owned(),
        |nearest| format!("did you mean {nearest}?"),
    )
}
