//! What an error of a restore says about what was sent, for whoever has to ask for something else.

use migrate_core::ErrorKind;

use crate::error::Error;

/// Where the fault of a restore that does not go on lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Blame {
    /// The chunk: it is damaged, another one than the manifest names, or not the one whose turn it is. Nothing has changed;
    /// the chunk that [`next_chunk`](crate::Restore::next_chunk) names is wanted, of another sender if this one was damaged.
    Chunk,
    /// The export has a format that this release does not read: another one is wanted, whoever sends it.
    Format,
    /// The export: it contradicts itself, is of another chain, or is no state at all. Whoever offered it lied or has a
    /// damaged disk. The restore has ended and replaced nothing.
    Export,
    /// Nothing that was sent: the home, the disk, a stop. [`Error::kind`] says what to do.
    Home,
}

impl Error {
    /// Of an error of [`Manifest::decode`](crate::Manifest::decode), [`Manifest::check_trusted`](crate::Manifest::check_trusted)
    /// or a [`Restore`](crate::Restore): where the fault lies.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Chunk { .. } | Self::ChunkOrder { .. } => Blame::Chunk,
            Self::ExportFormat { .. } => Blame::Format,
            Self::Manifest { .. }
            | Self::AppHashUntrusted { .. }
            | Self::Stream { .. }
            | Self::RestoredRoot { .. }
            | Self::RestoredStoreMissing { .. } => Blame::Export,
            // The stores that are built have nothing but what was sent.
            Self::Memiavl(_) | Self::FlatKv(_) if self.kind() == ErrorKind::Corruption => Blame::Export,
            _ => Blame::Home,
        }
    }
}
