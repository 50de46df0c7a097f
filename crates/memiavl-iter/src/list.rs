//! The snapshots of a memiavl directory.
//!
//! ```text
//! snapshot-<version, 20 decimal digits>/    __metadata and a directory per tree
//! …-tmp                                     garbage of an interrupted write
//! ```

use std::path::{Path, PathBuf};

use crate::error::Error;

/// File name of a snapshot's metadata.
pub const SNAPSHOT_METADATA: &str = "__metadata";
/// How the name of an unfinished file or directory ends.
pub const TMP_SUFFIX: &str = "-tmp";

const PREFIX: &str = "snapshot-";
const DIGITS: usize = 20;

/// The name of the snapshot of `version`.
pub fn snapshot_name(version: u64) -> String {
    format!("{PREFIX}{version:0DIGITS$}")
}

/// The version in a snapshot's name; none if it is no such name, a temporary one included.
pub fn parse_snapshot_name(name: &str) -> Option<u64> {
    let digits = name.strip_prefix(PREFIX)?;
    let all_digits = digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    if all_digits { digits.parse().ok() } else { None }
}

/// The finished snapshots in `dir` with their versions, in order of version whatever order the system lists them in.
///
/// # Errors
/// A directory that cannot be read.
pub fn list_snapshots(dir: &Path) -> Result<Vec<(u64, PathBuf)>, Error> {
    let io = |source| Error::Io { path: dir.to_owned(), source };
    let mut found = Vec::new();
    for entry in dir.read_dir().map_err(io)? {
        let entry = entry.map_err(io)?;
        let version = entry.file_name().to_str().and_then(parse_snapshot_name);
        if let Some(version) = version
            && entry.file_type().map_err(io)?.is_dir()
        {
            found.push((version, entry.path()));
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_twenty_digits_name_a_snapshot() {
        assert_eq!(parse_snapshot_name(&snapshot_name(8)), Some(8));
        assert_eq!(parse_snapshot_name(&snapshot_name(u64::MAX)), Some(u64::MAX));
        for name in [
            "snapshot-8",
            "snapshot-00000000000000000008-tmp",
            "snapshot-+0000000000000000008",
            "snapshot-99999999999999999999",
        ] {
            assert_eq!(parse_snapshot_name(name), None, "{name}");
        }
    }

    #[test]
    fn temporary_directories_and_files_are_no_snapshots() {
        let dir = tempfile::tempdir().expect("temporary directory");
        for name in
            ["snapshot-00000000000000000020", "snapshot-00000000000000000003", "snapshot-00000000000000000021-tmp"]
        {
            std::fs::create_dir(dir.path().join(name)).expect("created");
        }
        std::fs::write(dir.path().join(snapshot_name(22)), "a file").expect("written");
        let versions: Vec<u64> =
            list_snapshots(dir.path()).expect("lists").into_iter().map(|(version, _)| version).collect();
        assert_eq!(versions, [3, 20]);
    }
}
