//! The settings of a command that works on a home: flag > environment > file > default.
//!
//! A command takes [`NodeArgs`] among its arguments and asks for [`NodeArgs::options`], or for [`NodeArgs::settings`] if it
//! has settings of the program to read. A new one is a row of [`PROGRAM`].

use std::env;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::thread;
use std::time::Duration;

use ferry::settings::{Kind, Layers, Setting, Value};
use ferry::{Options, Settings};

use crate::progress;

/// Where the file lies in a home, if nobody names another.
const FILE_IN_HOME: &str = "config/ferry.toml";
const THREADS: &str = "program.threads";
const PROGRESS_INTERVAL: &str = "program.progress_interval";

/// The program's own settings, beside the node's.
pub(crate) static PROGRAM: [Setting; 2] = [
    Setting {
        key: THREADS,
        kind: Kind::Count { least: 1, most: 1024 },
        chain_wide: false,
        meaning: "Threads of a command that works on many keys at once; by default as many as there are cores.",
        default: || Value::Count(thread::available_parallelism().map_or(1, |cores| cores.get() as u64)),
    },
    Setting {
        key: PROGRESS_INTERVAL,
        kind: Kind::Span { least: Duration::from_millis(100), most: Duration::from_secs(86_400) },
        chain_wide: false,
        meaning: "How often a line of progress goes to stderr where that is no terminal.",
        default: || Value::Span(progress::LINE_INTERVAL),
    },
];

/// A home, and what is set for it.
#[derive(Debug, clap::Args)]
pub(crate) struct NodeArgs {
    /// The node's home; memiavl stands at data/state_commit/memiavl in it.
    #[arg(long, env = "FERRY_HOME", value_name = "DIR")]
    pub(crate) home: PathBuf,
    #[command(flatten)]
    pub(crate) given: Given,
}

/// Where settings are given.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Given {
    /// The file of settings; by default config/ferry.toml in the home, if it is there.
    #[arg(long, env = "FERRY_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// A setting, over environment and file; `ferry config show` lists them. Can be given again.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<Assignment>,
}

/// A setting's key and the text of its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Assignment {
    key: String,
    value: String,
}

/// A text that sets nothing.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected KEY=VALUE, as in memory.block_cache_bytes=1GiB got={got}")]
pub(crate) struct NoAssignment {
    got: String,
}

impl FromStr for Assignment {
    type Err = NoAssignment;

    fn from_str(text: &str) -> Result<Self, NoAssignment> {
        let (key, value) = text.split_once('=').ok_or_else(|| NoAssignment { got: text.to_owned() })?;
        Ok(Self { key: key.trim().to_owned(), value: value.trim().to_owned() })
    }
}

/// Keys that a block moves where no flag says: those of the settings, or 1 000 where they say none.
pub(crate) fn batch_keys(options: &Options) -> u64 {
    match options.batch.keys {
        0 => 1_000,
        keys => keys,
    }
}

impl NodeArgs {
    /// How the node at this home is opened.
    ///
    /// # Errors
    /// Settings that are wrong.
    pub(crate) fn options(&self) -> anyhow::Result<Options> {
        Ok(self.settings()?.options())
    }

    /// The settings of this home.
    ///
    /// # Errors
    /// Settings that are wrong.
    pub(crate) fn settings(&self) -> anyhow::Result<Settings> {
        let settings = self.given.with(Some(&self.home), Settings::load).map_err(ferry::Error::from)?;
        if let Some(Value::Span(interval)) = settings.get(PROGRESS_INTERVAL) {
            progress::say_every(*interval);
        }
        Ok(settings)
    }

    /// As many threads as the flag says, or else the settings.
    ///
    /// # Errors
    /// Settings that are wrong.
    pub(crate) fn threads(&self, flag: Option<NonZeroU64>) -> anyhow::Result<usize> {
        let set = match self.settings()?.get(THREADS) {
            Some(Value::Count(threads)) => *threads,
            _ => 1,
        };
        Ok(usize::try_from(flag.map_or(set, NonZeroU64::get))?)
    }
}

impl Given {
    /// Calls `take` with all layers of the settings for a home.
    pub(crate) fn with<T>(&self, home: Option<&Path>, take: impl FnOnce(&Layers<'_>) -> T) -> T {
        let file = self.file(home);
        let flag = |set: &Assignment| (format!("--set {}", set.key), set.key.clone(), set.value.clone());
        take(&Layers {
            program: &PROGRAM,
            file: file.as_deref(),
            // A variable that is not UTF-8 is none of ours.
            environment: env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
                .collect(),
            flags: self.set.iter().map(flag).collect(),
        })
    }

    /// The file that is read: the one that was named, there or not, or the home's own, if it is there.
    pub(crate) fn file(&self, home: Option<&Path>) -> Option<PathBuf> {
        let own = || home.map(|home| home.join(FILE_IN_HOME)).filter(|path| path.exists());
        self.config.clone().or_else(own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assignment_needs_its_sign() {
        let set = "memory.row_cache_bytes = 0".parse();
        assert_eq!(set, Ok(Assignment { key: "memory.row_cache_bytes".to_owned(), value: "0".to_owned() }));
        assert_eq!("x".parse::<Assignment>(), Err(NoAssignment { got: "x".to_owned() }));
    }

    #[test]
    fn the_programs_defaults_are_values_that_may_be_set() {
        for setting in &PROGRAM {
            let flags = vec![(String::new(), setting.key.to_owned(), (setting.default)().to_string())];
            let layers = Layers { program: &PROGRAM, flags, ..Layers::default() };
            assert_eq!(Settings::load(&layers).expect("loads").get(setting.key), Some(&(setting.default)()));
        }
    }
}
