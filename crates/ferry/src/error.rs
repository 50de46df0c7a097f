//! What can go wrong with a node.

use std::path::PathBuf;

use migrate_core::{ErrorKind, Mode, kind_of_store};

/// An error of a node. [`kind`](Self::kind) says what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The migration or the protocol.
    #[error(transparent)]
    Migration(#[from] migrate_core::Error),
    /// memiavl.
    #[error("memiavl")]
    Memiavl(#[from] memiavl::Error),
    /// FlatKV.
    #[error("FlatKV")]
    FlatKv(#[from] flatkv::FlatKvError),
    /// The settings.
    #[error("settings")]
    Settings(#[from] crate::settings::SettingsError),
    /// The home is not there.
    #[error("there is no node at this home; give the home of a node, which has {}: home={}", expected.display(), home.display())]
    NoNode {
        /// The home.
        home: PathBuf,
        /// The directory that was looked for.
        expected: PathBuf,
    },
    /// No directory outside the home for a reader's own files.
    #[error("no temporary directory; set TMPDIR to a place that can be written")]
    TemporaryDirectory {
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The system refused something beside the stores.
    #[error("cannot {action}: path={}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// To which file or directory.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The file that says which stores take their places is damaged.
    #[error("the list of stores that take their places is damaged; if the stores beside it are whole, delete it together with {}: path={}", next.display(), path.display())]
    Switch {
        /// The file.
        path: PathBuf,
        /// Where the stores were built.
        next: PathBuf,
    },
    /// An import at another height than the home's.
    #[error(
        "the home is not at this height; an import is a step of the whole chain, so stop every node at the same block and give that: home={} expected={expected} got={got}",
        home.display()
    )]
    ImportHeight {
        /// The home.
        home: PathBuf,
        /// The height asked for.
        expected: u64,
        /// The home's last block.
        got: u64,
    },
    /// An import that is to lead to where no migration ends.
    #[error("an import leads to the end of a migration, not into one: mode={mode}")]
    ImportTarget {
        /// The mode asked for.
        mode: Mode,
    },
    /// An import of everything, of a home that has keys of a module which no migration moves.
    #[error(
        "the home has keys of a module that is not one of the chain's; configure it, or delete its tree by a store upgrade: module={module} keys={keys}"
    )]
    ImportLeaves {
        /// The module.
        module: String,
        /// Its keys.
        keys: u64,
    },
    /// A thread of an import panicked.
    #[error("a thread of the import panicked; the home is as it was")]
    ImportPanicked,
    /// Views of an earlier opening are alive in this process.
    #[error("views of this home are open in this process; drop them first: home={} open={open}", home.display())]
    ViewsOpen {
        /// The home.
        home: PathBuf,
        /// How many.
        open: usize,
    },
}

impl Error {
    /// What to do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Migration(error) => error.kind(),
            Self::Memiavl(error) => kind_of_store(error.kind()),
            Self::FlatKv(error) => kind_of_store(error.kind()),
            Self::NoNode { .. } | Self::ImportLeaves { .. } | Self::Settings(_) => ErrorKind::Configuration,
            Self::ImportHeight { .. } => ErrorKind::Refused,
            Self::ImportTarget { .. } => ErrorKind::Input,
            Self::ImportPanicked => ErrorKind::Poisoned,
            Self::ViewsOpen { .. } => ErrorKind::Locked,
            Self::TemporaryDirectory { .. } | Self::Io { .. } => ErrorKind::Io,
            Self::Switch { .. } => ErrorKind::Corruption,
        }
    }
}
