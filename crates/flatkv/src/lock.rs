//! Who holds a store.

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The file that RocksDB locks in a store's directory.
const LOCK_FILE: &str = "LOCK";

/// The process that holds a store, as far as can be found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// This process: a store or a view of it is still open.
    Ourselves,
    /// Another process.
    Process {
        /// Its number.
        pid: u32,
        /// Its program's name, if it could be read.
        name: Option<String>,
    },
    /// Somebody.
    Unknown,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ourselves => write!(f, "this process, through an open store or view"),
            Self::Process { pid, name: Some(name) } => write!(f, "process {pid} ({name})"),
            Self::Process { pid, name: None } => write!(f, "process {pid}"),
            Self::Unknown => write!(f, "unknown"),
        }
    }
}

/// Who holds the lock of the store in `dir`; none if nobody does. Reads `/proc/locks` and takes no lock itself, because a
/// lock tried for a moment would make a starting node fail.
pub(crate) fn holder(dir: &Path) -> Option<Holder> {
    let lock = fs::metadata(dir.join(LOCK_FILE)).ok()?;
    let locks = fs::read_to_string("/proc/locks").ok()?;
    let pid = locks.lines().find_map(|line| lock_of(line, lock.dev(), lock.ino()))?;
    if pid == std::process::id() {
        return Some(Holder::Ourselves);
    }
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok().map(|name| name.trim_end().to_owned());
    Some(Holder::Process { pid, name })
}

/// The process that a line of `/proc/locks` names, if the line is a lock on this file.
///
/// ```text
/// 1: POSIX  ADVISORY  WRITE 2451 fe:01:1443099 0 EOF      device major and minor in hex, inode in decimal
/// ```
fn lock_of(line: &str, device: u64, inode: u64) -> Option<u32> {
    let mut words = line.split_ascii_whitespace().skip_while(|word| *word != "POSIX").skip(3);
    let (pid, file) = (words.next()?, words.next()?);
    let mut parts = file.split(':');
    let major = u64::from_str_radix(parts.next()?, 16).ok()?;
    let minor = u64::from_str_radix(parts.next()?, 16).ok()?;
    let same = (major, minor) == split_device(device) && parts.next()?.parse() == Ok(inode);
    if same { pid.parse().ok() } else { None }
}

/// Major and minor number of a device, as Linux packs them.
fn split_device(device: u64) -> (u64, u64) {
    let major = (device >> 8 & 0xfff) | (device >> 32 & !0xfff);
    let minor = (device & 0xff) | (device >> 12 & 0xffff_ff00);
    (major, minor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_found_by_device_and_inode() {
        let line = "1: POSIX  ADVISORY  WRITE 2451 fe:01:1443099 0 EOF";
        let device = 0xfe << 8 | 1;
        assert_eq!(lock_of(line, device, 1_443_099), Some(2451));
        assert_eq!(lock_of(line, device, 1_443_098), None);
        assert_eq!(lock_of(line, device + 1, 1_443_099), None);
        assert_eq!(lock_of("2: FLOCK  ADVISORY  WRITE 2451 fe:01:1443099 0 EOF", device, 1_443_099), None);
        assert_eq!(lock_of("nonsense", device, 1_443_099), None);
    }
}
