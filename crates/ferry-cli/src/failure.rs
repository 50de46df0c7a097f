//! What the program itself refuses or cannot finish, beside the errors of the node and of its input files.

use std::path::PathBuf;

use crate::exit::Exit;

/// An error of the program's own.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A command that builds a home found one that holds something.
    #[error("home is not empty: name a new or an empty directory, home={}", home.display())]
    HomeNotEmpty { home: PathBuf },
    /// A command that needs a home found none.
    #[error("home does not exist: name a node's home with --home, home={}", home.display())]
    HomeMissing { home: PathBuf },
    /// The home exists, and nothing in it is a node's state.
    #[error("home holds no state: expected memiavl at data/state_commit/memiavl, home={}", home.display())]
    HomeWithoutState { home: PathBuf },
    /// The home exists, and an import into it was interrupted before it had a state.
    #[error(
        "home holds no state yet, an import into it was interrupted: `ferry import --from DIR --apply` of the same export goes on, `ferry import --discard --apply` gives it up, home={}",
        home.display()
    )]
    HomeHalfImported { home: PathBuf },
    /// The home's stores were replaced, and what is in their places may be what was before.
    #[error(
        "a replacement of stores was interrupted in this home behind its commit point; open it once, with its node or by `ferry snapshot`, which finishes that, home={}",
        home.display()
    )]
    HomeHalfReplaced { home: PathBuf },
    /// The recording begins behind the node's next height, or has none of its heights.
    #[error(
        "recording does not continue the node: expected_height={expected} got_height={got}, replay a recording that holds the expected height"
    )]
    Gap { expected: u64, got: u64 },
    /// The recording was exhausted below the height asked for.
    #[error("recording ends before the height asked for: until={until} last_height={last}")]
    EndsEarly { until: u64, last: u64 },
    /// Sizes that cannot make a home.
    #[error("{what} must be at least {least}: got={got}")]
    TooSmall { what: &'static str, least: u64, got: u64 },
    /// A number of keys with an action that takes none.
    #[error("only the action batch takes a number of keys")]
    KeysWithoutBatch,
    /// A file that was to be compared holds no digest.
    #[error("file is no digest: give one that `ferry digest --output json` wrote, path={}", path.display())]
    NotADigest { path: PathBuf },
    /// A file that was to be compared holds no journal.
    #[error("line is none of a journal: give a file that `ferry journal export` wrote, path={} line={line}", path.display())]
    NotAJournal { path: PathBuf, line: u64 },
    /// A file that was to be a plan is none.
    #[error("file is no plan: give one that `ferry verify --plan` wrote, path={}", path.display())]
    NotAPlan { path: PathBuf },
    /// Two journals that have no block in common.
    #[error(
        "journals have no block in common, so nothing can be compared: first={} second={}",
        first.display(),
        second.display()
    )]
    JournalsApart { first: PathBuf, second: PathBuf },
    /// A home before FlatKV exists, which keeps the journal.
    #[error("home has no journal yet: it begins with the first block that moves keys, home={}", home.display())]
    NoJournal { home: PathBuf },
    /// A home in which there is nothing to look at yet.
    #[error("home has no FlatKV yet: it comes to exist with the first block that moves keys, home={}", home.display())]
    NoFlatKv { home: PathBuf },
    /// Bytes that are no row's key.
    #[error("bytes are no physical key: expected a module's name, a slash and a key, key={key}")]
    NotAPhysicalKey { key: String },
    /// A place for a sample in the home that is to stay as it is.
    #[error("the scratch directory must not lie in the home: name one outside of it with --scratch, scratch={} home={}", scratch.display(), home.display())]
    ScratchInHome { scratch: PathBuf, home: PathBuf },
    /// A worker of the program died.
    #[error("a {what} thread panicked, this is a bug in ferry")]
    ThreadPanicked { what: &'static str },
}

impl Failure {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::HomeNotEmpty { .. } => Exit::Refused,
            Self::HomeMissing { .. }
            | Self::HomeWithoutState { .. }
            | Self::TooSmall { .. }
            | Self::KeysWithoutBatch
            | Self::NotADigest { .. }
            | Self::NotAJournal { .. }
            | Self::NotAPlan { .. }
            | Self::JournalsApart { .. }
            | Self::NotAPhysicalKey { .. }
            | Self::ScratchInHome { .. } => Exit::Usage,
            Self::NoJournal { .. } | Self::NoFlatKv { .. } => Exit::Unfinished,
            Self::Gap { .. } | Self::ThreadPanicked { .. } => Exit::Other,
            Self::EndsEarly { .. } | Self::HomeHalfImported { .. } | Self::HomeHalfReplaced { .. } => Exit::Unfinished,
        }
    }
}
