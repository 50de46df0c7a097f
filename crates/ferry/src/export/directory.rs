//! Exports on disk: one alone, or several of a node's heights beside each other, to be offered to nodes that join.
//!
//! ```text
//! DIR/<height, 20 digits>/   an export, see write.rs
//! ```

use std::fs;
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::View;
use crate::error::Error;
use crate::export::chunk::decode;
use crate::export::manifest::Manifest;
use crate::export::source::Source;
use crate::export::write::{ExportProgress, ExportReport, MANIFEST, at, chunk_path, export, read_if_there};
use crate::reclaim;

const HEIGHT_DIGITS: usize = 20;

/// A whole export in a directory of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Exported {
    dir: PathBuf,
    manifest: Manifest,
}

impl Exported {
    /// Opens the export in `dir`: reads its manifest. Chunks are checked by whoever applies them, or by [`check`](Self::check).
    ///
    /// # Errors
    /// No whole export there, a damaged manifest, I/O.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let bytes = read_if_there(&dir.join(MANIFEST))?.ok_or_else(|| Error::NoExport { path: dir.to_owned() })?;
        Ok(Self { dir: dir.to_owned(), manifest: Manifest::decode(&bytes)? })
    }

    /// What it is of.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Reads every chunk and compares it with the manifest. `progress` is told how many are checked, and stops by breaking.
    ///
    /// # Errors
    /// The first chunk that is missing, damaged or of another export; a stop.
    pub fn check(&self, progress: &mut dyn FnMut(u32) -> ControlFlow<()>) -> Result<(), Error> {
        for index in 0..self.manifest.chunk_count() {
            let chunk = self.chunk(index)?;
            let out_of_order = || Error::ChunkOrder { expected: self.manifest.chunk_count(), got: index };
            let expected = self.manifest.expected(index).ok_or_else(out_of_order)?;
            decode(&chunk, &expected).map_err(|source| Error::Chunk { index, source })?;
            if progress(index + 1).is_break() {
                return Err(migrate_core::Error::Cancelled.into());
            }
        }
        Ok(())
    }

    /// The bytes of chunk `index`, as they are to be sent.
    ///
    /// # Errors
    /// An index behind the last, I/O.
    pub fn chunk(&self, index: u32) -> Result<Vec<u8>, Error> {
        let chunks = self.manifest.chunk_count();
        if index >= chunks {
            return Err(Error::ChunkOrder { expected: chunks - 1, got: index });
        }
        let path = chunk_path(&self.dir, index);
        fs::read(&path).map_err(at("read", &path))
    }
}

/// A directory with exports of several heights, as a node keeps them to offer them. Any thread may take one or read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exports {
    dir: PathBuf,
}

impl Exports {
    /// The exports in `dir`, which need not exist yet.
    pub fn at(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// Exports the state that `view` sees. Blocks go on meanwhile; the view is open until it is done.
    ///
    /// # Errors
    /// As [`export`].
    pub fn take(
        &self,
        view: &View,
        chunk_bytes: u32,
        progress: &mut dyn FnMut(ExportProgress) -> ControlFlow<()>,
    ) -> Result<ExportReport, Error> {
        let source = Source::of_view(view)?;
        let dir = self.place(source.height());
        // The same height of another chain, or with other chunks, is of no use any more.
        match export(&source, &dir, chunk_bytes, progress) {
            Err(Error::ExportOther { .. }) => {
                fs::remove_dir_all(&dir).map_err(at("remove", &dir))?;
                export(&source, &dir, chunk_bytes, progress)
            }
            exported => exported,
        }
    }

    /// The whole exports, lowest first.
    ///
    /// # Errors
    /// I/O. One that is damaged is left out.
    pub fn list(&self) -> Result<Vec<Exported>, Error> {
        let mut found = Vec::new();
        for height in self.heights()? {
            match Exported::open(&self.place(height)) {
                Ok(exported) => found.push(exported),
                Err(Error::NoExport { .. }) => {}
                Err(error @ Error::Io { .. }) => return Err(error),
                Err(error) => tracing::warn!(height, %error, "an export is damaged"),
            }
        }
        Ok(found)
    }

    /// The export of `height`.
    ///
    /// # Errors
    /// None there, damage, I/O.
    pub fn open(&self, height: u64) -> Result<Exported, Error> {
        Exported::open(&self.place(height))
    }

    /// Removes all but the `keep` highest whole exports, and what was begun below the highest and never finished.
    ///
    /// # Errors
    /// I/O.
    pub fn prune(&self, keep: usize) -> Result<(), Error> {
        let whole: Vec<_> = self.list()?.iter().map(|exported| exported.manifest.height).collect();
        let Some(highest) = whole.last() else { return Ok(()) };
        let kept = &whole[whole.len().saturating_sub(keep)..];
        for height in self.heights()?.into_iter().filter(|height| height <= highest && !kept.contains(height)) {
            let dir = self.place(height);
            // Without its manifest first, and durably, so that what a crash leaves is no export.
            match fs::remove_file(dir.join(MANIFEST)) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(at("remove", &dir)(error)),
                _ => reclaim::sync_dir(&dir).map_err(at("sync", &dir))?,
            }
            fs::remove_dir_all(&dir).map_err(at("remove", &dir))?;
        }
        Ok(())
    }

    fn place(&self, height: u64) -> PathBuf {
        self.dir.join(format!("{height:0HEIGHT_DIGITS$}"))
    }

    fn heights(&self) -> Result<Vec<u64>, Error> {
        let entries = match fs::read_dir(&self.dir) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(at("list", &self.dir))?,
        };
        let mut heights = Vec::new();
        for entry in entries {
            let name = entry.map_err(at("list", &self.dir))?.file_name();
            let digits = name.to_str().filter(|name| name.len() == HEIGHT_DIGITS);
            heights.extend(digits.and_then(|digits| digits.parse::<u64>().ok()));
        }
        heights.sort_unstable();
        Ok(heights)
    }
}
