//! A file of recorded blocks, plain or gzipped.

use std::fs;

use crate::blocks::BlockReader;

/// Reads the bytes as a recording to its end. An error is the last item.
pub(crate) fn blocks_file(bytes: &[u8]) {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    fs::write(file.path(), bytes).expect("writes");
    let mut reader = BlockReader::open(file.path()).expect("a file that is there");
    let mut height = None;
    while let Some(block) = reader.next() {
        match block {
            Ok(block) => {
                assert!(height.is_none_or(|last: u64| last.checked_add(1) == Some(block.height)), "heights follow");
                height = Some(block.height);
            }
            Err(error) => {
                assert!(!error.to_string().is_empty());
                assert!(reader.next().is_none(), "something came behind an error");
            }
        }
    }
}
