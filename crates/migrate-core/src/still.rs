//! A view of stores that are open for reading alone: what a command looks at, beside a node or without one.

use boundary::Boundary;
use changeset::{CommitInfo, History, Read, Scan, Walk, app_hash};

use crate::engine::ModeSetting;
use crate::error::Error;
use crate::metadata::Metadata;
use crate::mode::{LAST_VERSION, Mode};
use crate::publish::Publisher;
use crate::recover::{Heights, derive_mode};
use crate::view::{View, ViewState};

/// Stores of one block, open for reading.
pub struct Still<O, N> {
    /// memiavl and its commit info; none where it is retired or never was.
    pub old: Option<(O, CommitInfo)>,
    /// FlatKV; none before it has a block.
    pub new: Option<N>,
    /// The chain's modules.
    pub modules: Vec<String>,
}

impl<O: Read + Scan + Walk, N: Read + Scan + History> Still<O, N> {
    /// The view of the stores' block, in the mode that its records ask for.
    ///
    /// # Errors
    /// Records that no migration leaves, a block's record that is missing, I/O.
    pub fn view(self) -> Result<View<O, N>, Error> {
        let Self { old, new, mut modules } = self;
        modules.sort_unstable();
        modules.dedup();
        let new = new.filter(|new| new.span().is_some());
        let metadata = new.as_ref().map(Metadata::read).transpose()?.unwrap_or_default();
        let last = new.as_ref().and_then(History::span).map(|(_, last)| last);
        let old_height = old.as_ref().map_or(0, |(_, info)| info.version.unsigned_abs());
        let mode = derive_mode(ModeSetting::Auto, &metadata, Heights { old: old_height, new: last })?;
        let (height, commit_info, app_hash) = match (&new, last, &old) {
            (Some(new), Some(height), _) => {
                let block = new.block(height).map_err(Error::new("reading the last block's record"))?;
                let (commit_info, app_hash) = block.ok_or(Error::RecordMissing { height })?;
                (height, commit_info, app_hash)
            }
            (_, _, Some((_, info))) => (old_height, info.clone(), app_hash(info)),
            _ => (0, CommitInfo::default(), app_hash(&CommitInfo::default())),
        };
        let old_counts = mode != Mode::FlatkvOnly && metadata.version.unwrap_or(0) < LAST_VERSION;
        let state = ViewState {
            height,
            mode,
            boundary: metadata.boundary.unwrap_or(Boundary::NotStarted),
            commit_info,
            app_hash,
            modules: modules.into(),
            old: old.map(|(old, _)| old).filter(|_| old_counts),
            new,
        };
        Publisher::new(state, 1).views().latest()
    }
}
