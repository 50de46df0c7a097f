//! What the machine grants: room on the disk, open files, memory, mappings. Linux tells all of it in files.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::sys::statvfs::statvfs;

/// What the machine grants this process. What it does not tell is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// Bytes on the home's file system that an ordinary user may take.
    pub disk_free_bytes: Option<u64>,
    /// Files that the process may have open.
    pub open_files_max: Option<u64>,
    /// Bytes of memory that are there for the taking.
    pub memory_available_bytes: Option<u64>,
    /// Mappings that a process may have.
    pub mappings_max: Option<u64>,
}

impl Machine {
    /// Asks the machine; `home` says which file system counts.
    pub(super) fn look(home: &Path) -> Self {
        Self {
            disk_free_bytes: free_bytes(home),
            open_files_max: fs::read_to_string("/proc/self/limits").ok().as_deref().and_then(open_files),
            memory_available_bytes: memory(),
            mappings_max: number("/proc/sys/vm/max_map_count"),
        }
    }
}

/// Bytes on the file system of `path` that an ordinary user may take.
pub(crate) fn free_bytes(path: &Path) -> Option<u64> {
    let found = statvfs(path).ok()?;
    found.blocks_available().checked_mul(found.fragment_size())
}

/// Whether both paths lie on one file system.
///
/// # Errors
/// A path that is not there.
pub fn is_one_file_system(left: &Path, right: &Path) -> io::Result<bool> {
    Ok(fs::metadata(left)?.dev() == fs::metadata(right)?.dev())
}

/// The soft limit in /proc/self/limits.
fn open_files(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

/// What the system has, or what is left of the limit of a group of processes.
fn memory() -> Option<u64> {
    let system = fs::read_to_string("/proc/meminfo").ok().as_deref().and_then(available);
    let group = number("/sys/fs/cgroup/memory.max")
        .zip(number("/sys/fs/cgroup/memory.current"))
        .map(|(most, taken)| most.saturating_sub(taken));
    system.into_iter().chain(group).min()
}

fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

fn number(path: &str) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_as_linux_writes_them() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max open files            1024                 524288               files     \n";
        assert_eq!(open_files(limits), Some(1024));
        assert_eq!(open_files(&limits.replace("1024", "unlimited")), Some(u64::MAX));
        assert_eq!(open_files("nothing"), None);
        assert_eq!(available("MemTotal: 9 kB\nMemAvailable:   2048 kB\n"), Some(2 << 20));
    }

    #[test]
    fn this_machine_tells_its_room() {
        let machine = Machine::look(&std::env::temp_dir());
        assert!(machine.disk_free_bytes.is_some() && machine.open_files_max.is_some(), "{machine:?}");
    }
}
