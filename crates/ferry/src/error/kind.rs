//! What to do about an error.

use migrate_core::{ErrorKind, kind_of_store};

use super::Error;
use crate::export::ChunkError;

impl Error {
    /// What to do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Migration(error) => error.kind(),
            Self::Memiavl(error) => kind_of_store(error.kind()),
            Self::FlatKv(error) => kind_of_store(error.kind()),
            Self::Metrics(migrate_metrics::Error::Listen { .. })
            | Self::NoNode { .. }
            | Self::NoPart(_)
            | Self::ImportLeaves { .. }
            | Self::NotRunning { .. }
            | Self::Settings(_)
            | Self::ExportForeign { .. }
            | Self::ExportOther { .. }
            | Self::NoExport { .. }
            | Self::SocketPathTooLong { .. } => ErrorKind::Configuration,
            Self::ImportHeight { .. }
            | Self::ExportHeight { .. }
            | Self::ExportUncovered { .. }
            | Self::AppHashUntrusted { .. }
            | Self::NotEmpty { .. }
            | Self::NoRoom { .. }
            | Self::NoSocket { .. } => ErrorKind::Refused,
            Self::ImportTarget { .. }
            | Self::DriveTarget { .. }
            | Self::ExportNothing
            | Self::ChunkBytes { .. }
            | Self::ChunkOrder { .. }
            | Self::Answer { .. }
            | Self::HeightGone { .. }
            | Self::RehearsalPlace { .. }
            | Self::CheckpointPlace { .. }
            | Self::RehearsalTerms { .. }
            | Self::DigestsApart { .. } => ErrorKind::Input,
            Self::CheckpointRefused { kind, .. } => *kind,
            Self::MemiavlBehind { .. } => ErrorKind::Retry,
            Self::SocketInUse { .. } => ErrorKind::Locked,
            Self::Metrics(_) => ErrorKind::Io,
            Self::ValueLength { .. } | Self::Row { .. } | Self::ChangelogHole { .. } => ErrorKind::Corruption,
            Self::ReconcileRefused { .. } | Self::ReconcileUnproven { .. } => ErrorKind::Corruption,
            Self::ReconcileUnconfirmed { .. } | Self::ProgressOfAnother { .. } => ErrorKind::Refused,
            Self::ProgressFile { .. } => ErrorKind::Configuration,
            Self::ChunksMissing { .. } | Self::ReconcileUnfinished { .. } => ErrorKind::Unfinished,
            Self::ExportFormat { .. } | Self::Chunk { source: ChunkError::Format { .. }, .. } => {
                ErrorKind::Incompatible
            }
            Self::ImportPanicked | Self::ReaderPanicked | Self::CountPanicked | Self::RestoreSpoiled => {
                ErrorKind::Poisoned
            }
            Self::ViewsOpen { .. } | Self::RehearsalOfRunning { .. } => ErrorKind::Locked,
            Self::TemporaryDirectory { .. } | Self::Io { .. } => ErrorKind::Io,
            Self::Switch { .. }
            | Self::Manifest { .. }
            | Self::Chunk { .. }
            | Self::Stream { .. }
            | Self::RestoredRoot { .. }
            | Self::RestoredStoreMissing { .. } => ErrorKind::Corruption,
        }
    }
}
