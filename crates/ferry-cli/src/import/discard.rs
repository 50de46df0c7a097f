//! `ferry import --discard`: what an interrupted import has left, and its end.

use std::path::Path;

use ferry::UnfinishedRestore;
use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Output, Report};
use crate::{table, units};

/// An import that was interrupted, as it is printed.
#[derive(Debug, Serialize)]
pub(crate) struct UnfinishedForm {
    path: String,
    bytes: u64,
    height: Option<u64>,
    chunks: u32,
    chunks_total: u32,
}

#[derive(Debug, Serialize)]
struct DiscardReport {
    applied: bool,
    unfinished: Option<UnfinishedForm>,
}

/// Says what there is, and deletes it if it is to be.
///
/// # Errors
/// No home, one that somebody has open, I/O.
pub(super) fn run(home: &Path, applied: bool, output: Output) -> anyhow::Result<Exit> {
    if !home.is_dir() {
        return Err(Failure::HomeMissing { home: home.to_owned() }.into());
    }
    let unfinished = if applied { ferry::discard_restore(home)? } else { ferry::unfinished_restore(home)? };
    output::print(&DiscardReport { applied, unfinished: unfinished.map(UnfinishedForm::from) }, output)?;
    Ok(Exit::Ok)
}

impl From<UnfinishedRestore> for UnfinishedForm {
    fn from(left: UnfinishedRestore) -> Self {
        let UnfinishedRestore { path, bytes, height, chunks, chunks_total } = left;
        Self { path: path.display().to_string(), bytes, height, chunks, chunks_total }
    }
}

impl UnfinishedForm {
    /// In a few words.
    pub(crate) fn said(&self) -> String {
        let of = self.height.map(|height| format!(" of height {}", units::count(height))).unwrap_or_default();
        let [chunks, total] = [self.chunks, self.chunks_total].map(|chunks| units::count(chunks.into()));
        format!("{chunks} of {total} chunks{of}, {}", units::bytes(self.bytes))
    }
}

impl Report for DiscardReport {
    const COMMAND: &'static str = "import";

    fn table(&self) -> String {
        let Some(left) = &self.unfinished else {
            return table::facts([("unfinished", "nothing: no import was interrupted in this home".to_owned())]);
        };
        let done = match self.applied {
            true => "what it had taken is deleted",
            false => "nothing yet: a dry run; the import goes on with the same export, --discard --apply deletes this",
        };
        table::facts([("unfinished", left.said()), ("directory", left.path.clone()), ("changed", done.to_owned())])
    }
}
