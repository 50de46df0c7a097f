//! What a restore keeps on disk while it is under way.
//!
//! ```text
//! data/state_commit/restore/manifest    what is being restored
//! data/state_commit/restore/progress    BLAKE3 of the rest 32 | protobuf Progress: how many chunks are in the files
//! data/state_commit/restore/memiavl/    trees being built
//! data/state_commit/restore/rows/       tables being built
//! ```
//! Files may have more than the progress says: what a chunk brought before a crash, which is cut off. They never have less.

use std::path::PathBuf;

use changeset::Hash;
use flatkv::RowTables;
use memiavl::Rebuild;
use prost::Message;

use crate::error::Error;
use crate::export::{Manifest, at, read_if_there, replace_file};
use crate::home::Home;
use crate::reclaim;

const MANIFEST: &str = "manifest";
const PROGRESS: &str = "progress";
const MEMIAVL: &str = "memiavl";
const ROWS: &str = "rows";
const HASH_BYTES: usize = 32;

/// How far a restore has come.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Progress {
    /// Chunks whose records are in the files.
    #[prost(uint32, tag = "1")]
    pub(super) chunks: u32,
    /// Records in the files.
    #[prost(uint64, tag = "2")]
    pub(super) records: u64,
    /// The beginning of a record whose rest is in the next chunk.
    #[prost(bytes = "vec", tag = "3")]
    pub(super) left_over: Vec<u8>,
    /// The lane whose rows are coming; none before the first.
    #[prost(uint32, optional, tag = "4")]
    pub(super) lane: Option<u32>,
    /// Whether the last record was there.
    #[prost(bool, tag = "5")]
    pub(super) is_over: bool,
    /// How to go on with the trees, and with the rows.
    #[prost(bytes = "vec", tag = "6")]
    pub(super) memiavl: Vec<u8>,
    #[prost(bytes = "vec", tag = "7")]
    pub(super) rows: Vec<u8>,
}

/// The stores being built.
pub(super) struct Building {
    pub(super) memiavl: Rebuild,
    pub(super) rows: RowTables,
}

/// The directory of a restore.
#[derive(Clone, Debug)]
pub(super) struct Staging {
    dir: PathBuf,
}

impl Staging {
    pub(super) fn of(home: &Home) -> Self {
        Self { dir: home.restore() }
    }

    /// What an earlier restore of the same export has left; none if there was none, or of another one.
    pub(super) fn find(
        &self,
        manifest: &Manifest,
        hash: Hash,
        options: &flatkv::Options,
    ) -> Result<Option<(Progress, Building)>, Error> {
        let kept = read_if_there(&self.dir.join(MANIFEST))?;
        if kept.is_none_or(|kept| kept.last_chunk::<HASH_BYTES>() != Some(&hash) || kept != manifest.encode()) {
            return Ok(None);
        }
        let Some(progress) = read_if_there(&self.dir.join(PROGRESS))?.as_deref().and_then(decode) else {
            return Ok(None);
        };
        let (version, initial_version) = (manifest.height, manifest.initial_version);
        let memiavl = Rebuild::resume(&self.dir.join(MEMIAVL), version, initial_version, &progress.memiavl);
        let rows = RowTables::resume(&self.dir.join(ROWS), options, &progress.rows);
        match (memiavl, rows) {
            (Ok(memiavl), Ok(rows)) => Ok(Some((progress, Building { memiavl, rows }))),
            (memiavl, rows) => {
                let errors = [memiavl.err().map(Error::from), rows.err().map(Error::from)];
                for error in errors.iter().flatten() {
                    tracing::warn!(%error, "what an interrupted restore left is of no use, beginning anew");
                }
                Ok(None)
            }
        }
    }

    /// What was noted of the export and of how far it is, as far as that reads.
    pub(super) fn noted(&self) -> Result<(Option<Manifest>, Option<Progress>), Error> {
        let manifest = read_if_there(&self.dir.join(MANIFEST))?;
        let progress = read_if_there(&self.dir.join(PROGRESS))?;
        Ok((manifest.and_then(|bytes| Manifest::decode(&bytes).ok()), progress.as_deref().and_then(decode)))
    }

    /// Begins with nothing; what an earlier restore has left is deleted.
    pub(super) fn begin(&self, manifest: &Manifest, options: &flatkv::Options) -> Result<(Progress, Building), Error> {
        self.delete()?;
        std::fs::create_dir(&self.dir).map_err(at("create", &self.dir))?;
        reclaim::sync_parent(&self.dir).map_err(at("sync", &self.dir))?;
        let memiavl = Rebuild::begin(&self.dir.join(MEMIAVL), manifest.height, manifest.initial_version)?;
        let rows = RowTables::begin(&self.dir.join(ROWS), options)?;
        let mut building = Building { memiavl, rows };
        let mut progress = Progress::default();
        self.note(&mut progress, &mut building)?;
        replace_file(&self.dir.join(MANIFEST), &manifest.encode())?;
        Ok((progress, building))
    }

    /// Puts on disk what was built, then what says how far that is.
    pub(super) fn note(&self, progress: &mut Progress, building: &mut Building) -> Result<(), Error> {
        progress.memiavl = building.memiavl.mark()?;
        progress.rows = building.rows.mark()?;
        let rest = progress.encode_to_vec();
        let bytes = [blake3::hash(&rest).as_bytes().as_slice(), &rest].concat();
        replace_file(&self.dir.join(PROGRESS), &bytes)
    }

    pub(super) fn delete(&self) -> Result<(), Error> {
        reclaim::delete_now(&self.dir).map_err(at("delete", &self.dir))
    }
}

fn decode(bytes: &[u8]) -> Option<Progress> {
    let (hash, rest) = bytes.split_first_chunk::<HASH_BYTES>()?;
    if blake3::hash(rest).as_bytes() != hash {
        return None;
    }
    Progress::decode(rest).ok()
}
