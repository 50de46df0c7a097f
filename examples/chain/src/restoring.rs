//! A chain that gets its state from a snapshot of its peers.
//!
//! The state that it has stays in its place, closed, until the other one is whole and every hash of it was compared with the
//! app hash. Then that one takes its place at one moment. A process that dies meanwhile finds the one or the other, and goes
//! on with the same snapshot behind the last chunk.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use ferry::{AppHash, Blame, Manifest, OpenViews, Restore};

use crate::chain::{Chain, Settings};
use crate::error::Error;

/// How long a query may take that began before the state was closed. The state cannot be replaced under it.
const READERS_END_WITHIN: Duration = Duration::from_secs(10);
/// How often they are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A chain while a snapshot comes in. It becomes a chain again, by [`finish`](Self::finish) or [`give_up`](Self::give_up).
pub struct Restoring {
    restore: Restore,
    home: PathBuf,
    settings: Settings,
    /// Who has sent what was taken.
    senders: BTreeSet<String>,
}

impl Restoring {
    /// Closes the chain and begins to take the snapshot of `manifest`, or goes on with it. `app_hash` is the one that the
    /// consensus engine has for its height.
    ///
    /// # Errors
    /// Another app hash; queries that do not end; the store's.
    pub fn begin(chain: Chain, manifest: &Manifest, app_hash: AppHash) -> Result<Self, Error> {
        let open = chain.views().open().clone();
        let (home, settings) = chain.shut()?;
        wait_for_readers(&open);
        Self::begin_at(home, settings, manifest, app_hash)
    }

    /// Begins to take another snapshot instead of the present one.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    pub fn begin_another(self, manifest: &Manifest, app_hash: AppHash) -> Result<Self, Error> {
        let Self { restore, home, settings, .. } = self;
        // The home is locked as long as it lives.
        drop(restore);
        Self::begin_at(home, settings, manifest, app_hash)
    }

    fn begin_at(home: PathBuf, settings: Settings, manifest: &Manifest, app_hash: AppHash) -> Result<Self, Error> {
        let mut restore = Restore::begin(&home, manifest, Some(app_hash), &settings.options())?;
        if let Some(at_point) = settings.at_point.clone() {
            restore.set_hook(Box::new(move |point| at_point(point.as_str())));
        }
        Ok(Self { restore, home, settings, senders: BTreeSet::new() })
    }

    /// Takes a chunk, which must be the next one or one that is in already.
    ///
    /// # Errors
    /// [`ferry::Error::blame`] says whose fault it is. If it is the chunk's, the right one may follow.
    pub fn take(&mut self, index: u32, chunk: &[u8], sender: &str) -> Result<(), ferry::Error> {
        let applied = self.restore.apply(index, chunk);
        // A chunk that the manifest names comes from one who offered it, whatever is in it.
        if !applied.as_ref().is_err_and(|error| error.blame() == Blame::Chunk) {
            self.senders.insert(sender.to_owned());
        }
        applied.map(drop)
    }

    /// The index of the chunk that is wanted next.
    pub fn next_chunk(&self) -> u32 {
        self.restore.next_chunk()
    }

    /// Whether `index` is the last chunk, and all others are in.
    pub fn is_whole_with(&self, index: u32) -> bool {
        let chunks = self.restore.manifest().chunk_count();
        index + 1 == chunks && self.next_chunk() == chunks
    }

    /// Who has sent chunks that are as the manifest says.
    pub fn senders(&self) -> impl Iterator<Item = &str> {
        self.senders.iter().map(String::as_str)
    }

    /// Builds the state, compares it with the app hash and puts it in the place of the present one. The chain is open
    /// again afterwards: with that state or, if the second part of the answer says why not, with the one that it had.
    ///
    /// # Errors
    /// The store's, where nothing is wrong with the snapshot.
    pub fn finish(self) -> Result<(Chain, Result<(), ferry::Error>), Error> {
        let Self { restore, home, settings, .. } = self;
        let restored = match restore.finish(&mut |_| ControlFlow::Continue(())) {
            Ok(_) => Ok(()),
            Err(error) if error.blame() == Blame::Export => Err(error),
            Err(error) => return Err(error.into()),
        };
        Ok((Chain::open(&home, settings)?, restored))
    }

    /// Deletes what was taken. The chain is open again afterwards, with the state that it had.
    ///
    /// # Errors
    /// The store's.
    pub fn give_up(self) -> Result<Chain, Error> {
        let Self { restore, home, settings, .. } = self;
        restore.abandon()?;
        Chain::open(&home, settings)
    }
}

/// The node is closed, so no reader begins; those that are there end. One that does not is told by the facade.
fn wait_for_readers(open: &OpenViews) {
    let until = Instant::now() + READERS_END_WITHIN;
    while open.count() > 0 && Instant::now() < until {
        thread::sleep(LOOK_EVERY);
    }
}
