//! The named points of a restore, where a rig may stop the process.

use std::fmt;

/// A point of a restore. At each, a crash must leave the old state or the new one, and a restore that can go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum RestorePoint {
    /// A chunk is in the files being built, and nothing says so yet.
    Taken,
    /// What says so is on disk.
    Noted,
    /// All chunks are there, nothing is built yet.
    Received,
    /// Both stores are built and compared with the app hash.
    Built,
    /// The commit point is behind: the state has been replaced.
    Switched,
    /// The stores stand in their places.
    Replaced,
}

impl RestorePoint {
    /// All points in the order of the restore; the first two come with every chunk.
    pub const ALL: [Self; 6] = [Self::Taken, Self::Noted, Self::Received, Self::Built, Self::Switched, Self::Replaced];

    /// The point's name, as a rig gives it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Taken => "restore::taken",
            Self::Noted => "restore::noted",
            Self::Received => "restore::received",
            Self::Built => "restore::built",
            Self::Switched => "restore::switched",
            Self::Replaced => "restore::replaced",
        }
    }
}

impl fmt::Display for RestorePoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Called at each point.
pub type RestoreHook = Box<dyn FnMut(RestorePoint) + Send>;
