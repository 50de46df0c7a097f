//! What can go wrong with a node.

use std::path::PathBuf;

use migrate_core::{ErrorKind, kind_of_store};

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
            Self::NoNode { .. } => ErrorKind::Configuration,
            Self::ViewsOpen { .. } => ErrorKind::Locked,
            Self::TemporaryDirectory { .. } | Self::Io { .. } => ErrorKind::Io,
            Self::Switch { .. } => ErrorKind::Corruption,
        }
    }
}
