//! The named points of an import, where a rig may stop the process.

use std::fmt;

/// A point of an import. At each, a crash must leave the old state or the new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ImportPoint {
    /// The home is open and locked, nothing is built.
    Begun,
    /// Every row is in a table.
    Moved,
    /// Both stores are built beside the present ones.
    Built,
    /// The commit point is behind: the import has happened.
    Switched,
    /// The built stores stand in their places.
    Replaced,
}

impl ImportPoint {
    /// All points in the order of the import.
    pub const ALL: [Self; 5] = [Self::Begun, Self::Moved, Self::Built, Self::Switched, Self::Replaced];

    /// The point's name, as a rig gives it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Begun => "import::begun",
            Self::Moved => "import::moved",
            Self::Built => "import::built",
            Self::Switched => "import::switched",
            Self::Replaced => "import::replaced",
        }
    }
}

impl fmt::Display for ImportPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Called at each point.
pub type ImportHook<'h> = &'h mut dyn FnMut(ImportPoint);
