//! The named points between the steps of the commit, where a rig may stop the process or park the thread.

use std::fmt;

/// A point in the commit. At each, a crash must lose nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum KillPoint {
    /// The block is worked out and nothing of it is durable.
    Worked,
    /// The commit point is behind: the block has happened.
    Durable,
    /// memiavl has the handoff.
    HandedOver,
    /// Readers see the block.
    Published,
}

impl KillPoint {
    /// All points in the order of the protocol.
    pub const ALL: [Self; 4] = [Self::Worked, Self::Durable, Self::HandedOver, Self::Published];

    /// The point's name, as a rig gives it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Worked => "commit::worked",
            Self::Durable => "commit::durable",
            Self::HandedOver => "commit::handed_over",
            Self::Published => "commit::published",
        }
    }
}

impl fmt::Display for KillPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Called at each point on the committing thread.
pub type KillHook = Box<dyn FnMut(KillPoint) + Send>;
