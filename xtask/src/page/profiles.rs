//! Where browsers keep their profiles while the page is looked at: a directory that goes with the command. What a command that
//! was killed has left goes with the next one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;

use anyhow::{Context, Result};

/// Behind it stands the process. Where temporary files go, and not below the target directory: a browser makes a socket
/// there, whose path must be short.
const PREFIX: &str = "ferry-page-";

/// The directory.
pub(super) struct Profiles(PathBuf);

impl Profiles {
    pub(super) fn make() -> Result<Self> {
        let place = std::env::temp_dir();
        for left in left_in(&place) {
            // Another user's is his to delete.
            if let Err(error) = fs::remove_dir_all(&left) {
                eprintln!("page: cannot delete {}: {error}", left.display());
            }
        }
        let path = place.join(format!("{PREFIX}{}", process::id()));
        fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Profiles {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("page: profiles stay in {}: {error}", self.0.display());
        }
    }
}

/// The directories of processes that are no more.
fn left_in(place: &Path) -> Vec<PathBuf> {
    let is_left = |path: &PathBuf| {
        let id = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_prefix(PREFIX));
        let id = id.and_then(|id| id.parse::<u32>().ok());
        id.is_some_and(|id| id == process::id() || !Path::new("/proc").join(id.to_string()).exists())
    };
    let entries = fs::read_dir(place).into_iter().flatten().flatten();
    let directories = entries.filter(|entry| entry.file_type().is_ok_and(|found| found.is_dir()));
    directories.map(|entry| entry.path()).filter(is_left).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_dead_have_left_is_taken_away() {
        let place = std::env::temp_dir().join(format!("xtask-profiles-{}", process::id()));
        // No process has a number so high.
        for name in ["ferry-page-4294967295", "ferry-page-1", "ferry-page-of-mine", "ferry-page-", "4294967295"] {
            fs::create_dir_all(place.join(name)).expect("makes");
        }
        let left = left_in(&place);
        fs::remove_dir_all(&place).expect("removes");
        assert_eq!(left, [place.join("ferry-page-4294967295")]);
    }
}
