//! Restoring a state from the chunks of an export, into a home that is empty or whose state it replaces.
//!
//! ```text
//! begin      a manifest; its app hash is compared with the one that the caller trusts
//! apply      chunk after chunk: checked on arrival, into files beside the stores, noted         a crash: goes on behind it
//! finish     the stores are built from the files, read back, and compared with the app hash
//!   | SWITCH, see replace.rs
//! replaced   at one moment, whole; before it the home has what it had
//! ```
//! Nothing that a sender says is believed: a chunk must be the one that the manifest names, and the state must have the app
//! hash. A chunk that is not accepted changes nothing and may be sent again; a state that turns out to be another one ends
//! the restore.

mod blame;
mod build;
mod left;
mod point;
mod staging;
mod take;

use std::ops::ControlFlow;
use std::path::Path;

use changeset::AppHash;
use memiavl::Lock;

use crate::error::Error;
use crate::export::{Manifest, decode_chunk};
use crate::home::Home;
use crate::options::Options;
use crate::registry;
use crate::replace::{self, Replacement};
use staging::{Building, Progress, Staging};

pub use blame::Blame;
pub(crate) use left::tell;
pub use left::{UnfinishedRestore, discard_restore, unfinished_restore};
pub use point::{RestoreHook, RestorePoint};

/// What became of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It was taken.
    Taken,
    /// It was there already, from before: it is the right one, and nothing was done.
    Before,
}

/// How far a restore is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RestoreProgress {
    /// Chunks that are in.
    pub chunks: u32,
    /// Chunks of the export.
    pub chunks_total: u32,
    /// Rows of the finished store that were read back.
    pub rows_checked: u64,
}

/// A restore under way. The home is locked as long as it lives; dropped, it can be gone on with by another
/// [`begin`](Self::begin) with the same manifest.
pub struct Restore {
    home: Home,
    lock: Lock,
    options: Options,
    manifest: Manifest,
    staging: Staging,
    progress: Progress,
    building: Building,
    /// Whether a failure left the files with more or less than is known.
    is_spoiled: bool,
    hook: Option<RestoreHook>,
}

impl Restore {
    /// Begins to restore the export of `manifest` into the home at `root`, or goes on with it; what a restore of another
    /// export has left there is deleted. `trusted` is the app hash that the chain has for the manifest's height: without it,
    /// the state is only held against what the manifest says of itself.
    ///
    /// # Errors
    /// Another app hash than the trusted one; a home that is open, or that has another program's FlatKV; I/O.
    pub fn begin(root: &Path, manifest: &Manifest, trusted: Option<AppHash>, options: &Options) -> Result<Self, Error> {
        trusted.map_or(Ok(()), |trusted| manifest.check_trusted(trusted))?;
        registry::check(root)?;
        let home = Home::locate(root);
        flatkv::check_place(home.flatkv())?;
        let lock = home.lock()?;
        // What a restore that has happened has left is not what this one goes on with.
        replace::finish(&home)?;
        let staging = Staging::of(&home);
        let flatkv = options.flatkv();
        let (progress, building) = match staging.find(manifest, manifest.hash(), &flatkv)? {
            Some(found) => found,
            None => staging.begin(manifest, &flatkv)?,
        };
        let (manifest, options) = (manifest.clone(), options.clone());
        Ok(Self { home, lock, options, manifest, staging, progress, building, is_spoiled: false, hook: None })
    }

    /// What is being restored.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The index of the chunk that is wanted next; the number of chunks once all are there.
    pub fn next_chunk(&self) -> u32 {
        self.progress.chunks
    }

    /// Calls `hook` at each point: for rigs.
    pub fn set_hook(&mut self, hook: RestoreHook) {
        self.hook = Some(hook);
    }

    /// Takes chunk `index`, which must be the next one; it is on disk when the call returns. One that is in already is
    /// checked and passed over, so that a sender may begin anew.
    ///
    /// # Errors
    /// [`Error::ChunkOrder`] and [`Error::Chunk`]: nothing has changed, the right chunk may follow. Anything else ends the
    /// restore: content that is not of the state (the sender lied), I/O. [`Error::blame`] says which of these it is.
    pub fn apply(&mut self, index: u32, chunk: &[u8]) -> Result<Applied, Error> {
        if self.is_spoiled {
            return Err(Error::RestoreSpoiled);
        }
        let next = self.progress.chunks;
        if index > next {
            return Err(Error::ChunkOrder { expected: next, got: index });
        }
        let expected = self.manifest.expected(index).ok_or(Error::ChunkOrder { expected: next, got: index })?;
        let payload = decode_chunk(chunk, &expected).map_err(|source| Error::Chunk { index, source })?;
        if index < next {
            return Ok(Applied::Before);
        }
        self.is_spoiled = true;
        match self.take(&payload) {
            Ok(()) => {
                self.is_spoiled = false;
                Ok(Applied::Taken)
            }
            Err(error) => Err(self.end(error)),
        }
    }

    fn take(&mut self, payload: &[u8]) -> Result<(), Error> {
        take::take(&self.manifest, &mut self.progress, &mut self.building, payload)?;
        self.at(RestorePoint::Taken);
        self.staging.note(&mut self.progress, &mut self.building)?;
        self.at(RestorePoint::Noted);
        Ok(())
    }

    /// Builds the stores, compares them with the app hash, and puts them in the places of what the home has. `progress` is
    /// called now and then and stops the work by breaking; all chunks stay then, to go on from.
    ///
    /// # Errors
    /// Chunks that are missing; a state that is not the one that the app hash stands for; damage; views of the home that are
    /// open; I/O; a stop. The home has then what it had.
    pub fn finish(mut self, progress: &mut dyn FnMut(RestoreProgress) -> ControlFlow<()>) -> Result<Manifest, Error> {
        if self.is_spoiled {
            return Err(Error::RestoreSpoiled);
        }
        let (got, expected) = (self.progress.chunks, self.manifest.chunk_count());
        if got < expected {
            return Err(Error::ChunksMissing { expected, got });
        }
        if !self.progress.is_over {
            let error = Error::Stream { chunk: got.saturating_sub(1), what: "no end" };
            return Err(self.end(error));
        }
        registry::check(self.home.root())?;
        self.at(RestorePoint::Received);
        let Self { home, lock, options, manifest, staging, mut building, hook, .. } = self;
        let mut hook = hook;
        let mut at = |point| {
            if let Some(hook) = &mut hook {
                hook(point);
            }
        };
        let replacement = Replacement::whole_under(home, lock)?;
        if let Err(error) = build::build(&manifest, &mut building, &replacement, &options.flatkv(), progress) {
            drop(building);
            replacement.abandon()?;
            if error.blame() == Blame::Export {
                staging.delete()?;
            }
            return Err(error);
        }
        at(RestorePoint::Built);
        replacement.put_in_place_with(&mut || at(RestorePoint::Switched))?;
        at(RestorePoint::Replaced);
        tracing::info!(height = manifest.height, "restored");
        Ok(manifest)
    }

    /// Gives the restore up and deletes what it has taken.
    ///
    /// # Errors
    /// I/O. The home has what it had in any case.
    pub fn abandon(self) -> Result<(), Error> {
        let Self { staging, building, .. } = self;
        drop(building);
        staging.delete()
    }

    /// Behind a failure: what a lie has left is deleted, for nothing good can follow it.
    fn end(&mut self, error: Error) -> Error {
        self.is_spoiled = true;
        if error.blame() == Blame::Export
            && let Err(left) = self.staging.delete()
        {
            tracing::warn!(error = %left, "after a restore that was given up");
        }
        error
    }

    fn at(&mut self, point: RestorePoint) {
        if let Some(hook) = &mut self.hook {
            hook(point);
        }
    }
}
