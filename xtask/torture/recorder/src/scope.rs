//! Which calls concern the directory, and which file they are about. Nothing is remembered between calls: the system knows.

use std::ffi::{CStr, CString, OsString, c_char, c_int};
use std::mem::MaybeUninit;
use std::os::fd::RawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// What the system says about a file.
#[derive(Clone, Copy)]
pub(crate) struct Found {
    pub(crate) ino: u64,
    pub(crate) is_dir: bool,
    pub(crate) bytes: u64,
}

fn found(stat: &libc::stat) -> Found {
    Found {
        ino: stat.st_ino,
        is_dir: stat.st_mode & libc::S_IFMT == libc::S_IFDIR,
        bytes: u64::try_from(stat.st_size).unwrap_or(0),
    }
}

/// What is at `path`, a link itself not followed.
pub(crate) fn at_path(path: &[u8]) -> Option<Found> {
    let path = CString::new(path).ok()?;
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the path ends with a zero byte, and the buffer is one stat long.
    let done = unsafe { libc::lstat(path.as_ptr(), stat.as_mut_ptr()) };
    // SAFETY: a call that succeeded has filled the buffer.
    (done == 0).then(|| found(unsafe { stat.assume_init_ref() }))
}

pub(crate) fn at_fd(fd: RawFd) -> Option<Found> {
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the buffer is one stat long; a descriptor that is none makes the call fail.
    let done = unsafe { libc::fstat(fd, stat.as_mut_ptr()) };
    // SAFETY: a call that succeeded has filled the buffer.
    (done == 0).then(|| found(unsafe { stat.assume_init_ref() }))
}

/// The path that a descriptor was opened by, as the system has it now.
pub(crate) fn path_of(fd: RawFd) -> Option<Vec<u8>> {
    let link = CString::new(format!("/proc/self/fd/{fd}")).ok()?;
    let mut buffer = vec![0_u8; 4096];
    // SAFETY: the path ends with a zero byte, and the length is the buffer's.
    let length = unsafe { libc::readlink(link.as_ptr(), buffer.as_mut_ptr().cast(), buffer.len()) };
    buffer.truncate(usize::try_from(length).ok()?);
    Some(buffer)
}

/// A caller's path, made absolute and without dots.
pub(crate) fn absolute(dir: c_int, path: *const c_char) -> Option<Vec<u8>> {
    if path.is_null() {
        return None;
    }
    // SAFETY: libc's functions that take a path ask for one that ends with a zero byte, and so does our caller's promise.
    let path = unsafe { CStr::from_ptr(path) }.to_bytes();
    let joined = if path.starts_with(b"/") {
        path.to_vec()
    } else {
        let base = if dir == libc::AT_FDCWD {
            std::env::current_dir().ok()?.into_os_string().into_vec()
        } else {
            path_of(dir)?
        };
        [base.as_slice(), b"/", path].concat()
    };
    let normal: std::path::PathBuf = Path::new(&OsString::from_vec(joined)).components().collect();
    Some(normal.as_os_str().as_bytes().to_vec())
}

/// `path` relative to `home`, if it lies in it.
pub(crate) fn below<'p>(home: &[u8], path: &'p [u8]) -> Option<&'p [u8]> {
    let rest = path.strip_prefix(home)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix(b"/") }
}
