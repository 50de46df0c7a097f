//! Snapshots of the chain's state for nodes that join: taken of a published block while blocks go on, several kept, and sent
//! chunk by chunk.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use ferry::{DEFAULT_CHUNK_BYTES, ErrorKind, Exported, Exports, Views};
use parking_lot::Mutex;
use tendermint_proto::v0_38::abci::Snapshot;

/// Which snapshots a node takes. All nodes should do alike: a node that joins then gets the chunks of one from many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotSettings {
    /// One at every height that this divides; 0 for none.
    pub every_blocks: u64,
    /// How many are kept. The last must be there until a node that began with it is through.
    pub kept: usize,
    /// Bytes of a chunk before it is packed.
    pub chunk_bytes: u32,
}

impl Default for SnapshotSettings {
    fn default() -> Self {
        Self { every_blocks: 1_000, kept: 3, chunk_bytes: DEFAULT_CHUNK_BYTES }
    }
}

/// A node's snapshots. Any thread may ask for them; none of the calls waits for a block or for a snapshot in work.
pub(crate) struct Snapshots {
    exports: Exports,
    settings: SnapshotSettings,
    /// The snapshot in work.
    worker: Mutex<Option<JoinHandle<()>>>,
    is_stopped: Arc<AtomicBool>,
}

impl Snapshots {
    pub(crate) fn at(directory: PathBuf, settings: SnapshotSettings) -> Self {
        let exports = Exports::at(directory);
        Self { exports, settings, worker: Mutex::new(None), is_stopped: Arc::default() }
    }

    /// Whether there is to be a snapshot of the block at `height`.
    pub(crate) fn is_due(&self, height: u64) -> bool {
        self.settings.every_blocks > 0 && height.is_multiple_of(self.settings.every_blocks)
    }

    /// Begins a snapshot of the newest block, on a thread of its own; `taken` is called with its height when it is whole.
    /// While the one before is in work, or where no more views can be open, this one is left out: no reason to end a node.
    pub(crate) fn begin(&self, views: &Views, taken: impl FnOnce(u64) + Send + 'static) {
        let view = match views.latest() {
            Ok(view) => view,
            Err(error) => return tracing::warn!(%error, "no snapshot"),
        };
        let mut worker = self.worker.lock();
        if worker.as_ref().is_some_and(|worker| !worker.is_finished()) {
            tracing::info!(height = view.height(), "no snapshot: the one before is still being written");
            return;
        }
        let (exports, settings, is_stopped) = (self.exports.clone(), self.settings, Arc::clone(&self.is_stopped));
        *worker = Some(thread::spawn(move || {
            let height = view.height();
            let mut go_on = |_| match is_stopped.load(Ordering::Relaxed) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            };
            let written = exports.take(&view, settings.chunk_bytes, &mut go_on);
            drop(view);
            match written.and_then(|_| exports.prune(settings.kept)) {
                Ok(()) => taken(height),
                Err(error) if error.kind() == ErrorKind::Cancelled => {}
                // A full disk, or a block whose app hash does not stand for its state: the chain goes on without it.
                Err(error) => tracing::warn!(height, %error, "no snapshot"),
            }
        }));
    }

    /// Ends the snapshot in work and lets its view go.
    pub(crate) fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
        if let Some(worker) = self.worker.lock().take()
            && worker.join().is_err()
        {
            tracing::warn!("the thread that wrote a snapshot panicked");
        }
        self.is_stopped.store(false, Ordering::Relaxed);
    }

    /// What is offered to nodes that join.
    pub(crate) fn offers(&self) -> Vec<Snapshot> {
        let exported = self.exports.list().unwrap_or_else(|error| {
            tracing::warn!(%error, "the snapshots cannot be listed");
            Vec::new()
        });
        exported.iter().map(offer_of).collect()
    }

    /// A chunk; none if there is no such snapshot any more, which is no reason to end this node.
    pub(crate) fn chunk(&self, height: u64, index: u32) -> Option<Vec<u8>> {
        let chunk = self.exports.open(height).and_then(|exported| exported.chunk(index));
        chunk.inspect_err(|error| tracing::info!(height, index, %error, "a chunk that is not here")).ok()
    }
}

/// The manifest is the metadata, and its hash the snapshot's: whoever offers the same offers the same chunks.
pub(crate) fn offer_of(exported: &Exported) -> Snapshot {
    let manifest = exported.manifest();
    Snapshot {
        height: manifest.height,
        format: manifest.format(),
        chunks: manifest.chunk_count(),
        hash: manifest.hash().to_vec().into(),
        metadata: manifest.encode().into(),
    }
}
