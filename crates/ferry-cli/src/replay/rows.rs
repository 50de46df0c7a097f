//! FlatKV's rows at the end of a recording, byte for byte.
//!
//! ```text
//! line   physical key in hex | tab | serialized value in hex      in byte order of the keys, plain or gzipped
//! ```

use std::io::{self, BufRead};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use ferry::Node;

use crate::blocks::open_maybe_gzipped;

use crate::difference::{Difference, Halt};

/// Rows that a file lists.
pub(super) struct ExpectedRows {
    path: PathBuf,
    source: Box<dyn BufRead>,
    line: u64,
    text: String,
}

/// A list of rows that cannot be read to its end.
#[derive(Debug, thiserror::Error)]
enum RowsError {
    #[error("list of rows cannot be read: path={} line={line}", path.display())]
    Io { path: PathBuf, line: u64, source: io::Error },
    #[error(
        "list of rows has a line that is no row: expected key, tab, value in hex, path={} line={line}",
        path.display()
    )]
    Line { path: PathBuf, line: u64 },
}

impl ExpectedRows {
    /// Opens a list of rows.
    ///
    /// # Errors
    /// A file that cannot be opened or read.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let source = open_maybe_gzipped(path);
        let source = source.map_err(|source| RowsError::Io { path: path.to_owned(), line: 0, source })?;
        Ok(Self { path: path.to_owned(), source, line: 0, text: String::new() })
    }

    fn next_row(&mut self) -> Result<Option<(Bytes, Bytes)>, RowsError> {
        self.line += 1;
        self.text.clear();
        let read = self.source.read_line(&mut self.text);
        let read = read.map_err(|source| RowsError::Io { path: self.path.clone(), line: self.line, source })?;
        if read == 0 {
            return Ok(None);
        }
        let row = self.text.trim_end_matches('\n').split_once('\t').and_then(|(key, value)| {
            Some((Bytes::from(hex::decode(key).ok()?), Bytes::from(hex::decode(value).ok()?)))
        });
        row.map(Some).ok_or_else(|| RowsError::Line { path: self.path.clone(), line: self.line })
    }
}

/// Compares all rows of the node; their number. Before FlatKV exists it has none.
///
/// # Errors
/// The first difference; a list or a store that cannot be read.
pub(super) fn compare(node: &Node, mut expected: ExpectedRows) -> Result<u64, Halt> {
    let view = node.view()?;
    let mut rows = view.new_store().into_iter().flat_map(|flatkv| flatkv.rows());
    let mut count = 0_u64;
    loop {
        let wanted = expected.next_row().map_err(anyhow::Error::new)?;
        let got = rows.next().transpose()?.map(|row| (row.key, row.row));
        if wanted.is_none() && got.is_none() {
            return Ok(count);
        }
        Difference::check(view.height(), || format!("row {count} of FlatKV"), listed(wanted), listed(got))?;
        count += 1;
    }
}

fn listed(row: Option<(Bytes, Bytes)>) -> String {
    row.map_or_else(|| "none".to_owned(), |(key, value)| format!("{}={}", hex::encode(key), hex::encode(value)))
}
