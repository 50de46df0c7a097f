//! What changes and reads the bytes of a file.

use std::ffi::{c_char, c_int, c_void};
use std::os::fd::RawFd;
use std::sync::OnceLock;

use libc::{iovec, off_t, size_t, ssize_t};

use crate::control;
use crate::fault::Asks;
use crate::hooks::{Turn, on_fd, on_path};
use crate::log::{Kind, Record};
use crate::real::next;
use crate::scope;
use crate::state::{State, state};

/// The bytes that a caller hands to a write.
fn slice<'a>(bytes: *const c_void, length: usize) -> &'a [u8] {
    if length == 0 || bytes.is_null() {
        return &[];
    }
    // SAFETY: the caller of a write promises libc that so many bytes can be read there, and the call has just succeeded.
    unsafe { std::slice::from_raw_parts(bytes.cast(), length) }
}

/// Where the next `write` of a descriptor goes.
fn position(fd: RawFd) -> u64 {
    // SAFETY: the calls take a number and no pointers.
    let (flags, at) = unsafe { (libc::fcntl(fd, libc::F_GETFL), libc::lseek(fd, 0, libc::SEEK_CUR)) };
    let end = || scope::at_fd(fd).map_or(0, |found| found.bytes);
    if flags & libc::O_APPEND != 0 { end() } else { u64::try_from(at).unwrap_or(0) }
}

fn record_write(state: &State, fd: RawFd, offset: u64, data: &[u8]) {
    if let Some(found) = scope::at_fd(fd)
        && !data.is_empty()
    {
        state.record(&Record { a: offset, data, ..Record::of(Kind::Write, found.ino) });
    }
}

fn written(done: ssize_t) -> usize {
    usize::try_from(done).unwrap_or(0)
}

#[unsafe(no_mangle)]
extern "C" fn write(fd: c_int, bytes: *const c_void, count: size_t) -> ssize_t {
    if let Some(mut state) = state()
        && !state.control.is_empty()
        && scope::path_of(fd).is_some_and(|path| path == state.control)
    {
        control::obey(&mut state, slice(bytes, count));
        return ssize_t::try_from(count).unwrap_or(ssize_t::MAX);
    }
    match on_fd("write", fd, Asks::Write(count)) {
        Turn::Aside => next!(write(fd => c_int, bytes => *const c_void, count => size_t) -> ssize_t),
        Turn::Failed(_) => -1,
        Turn::Ours(state, less) => {
            let (at, count) = (position(fd), less.unwrap_or(count));
            let done = next!(write(fd => c_int, bytes => *const c_void, count => size_t) -> ssize_t);
            record_write(&state, fd, at, slice(bytes, written(done)));
            done
        }
    }
}

macro_rules! pwrite {
    ($name:ident) => {
        #[unsafe(no_mangle)]
        extern "C" fn $name(fd: c_int, bytes: *const c_void, count: size_t, at: off_t) -> ssize_t {
            match on_fd("pwrite", fd, Asks::Write(count)) {
                Turn::Aside => {
                    next!($name(fd => c_int, bytes => *const c_void, count => size_t, at => off_t) -> ssize_t)
                }
                Turn::Failed(_) => -1,
                Turn::Ours(state, less) => {
                    let count = less.unwrap_or(count);
                    let done =
                        next!($name(fd => c_int, bytes => *const c_void, count => size_t, at => off_t) -> ssize_t);
                    record_write(&state, fd, u64::try_from(at).unwrap_or(0), slice(bytes, written(done)));
                    done
                }
            }
        }
    };
}
pwrite!(pwrite);
pwrite!(pwrite64);

/// The parts of a gathered write, as one; written one after the other it may stop early, which callers must bear anyway.
#[unsafe(no_mangle)]
extern "C" fn writev(fd: c_int, parts: *const iovec, count: c_int) -> ssize_t {
    if !state().is_some_and(|state| state.has(fd)) {
        return next!(writev(fd => c_int, parts => *const iovec, count => c_int) -> ssize_t);
    }
    for index in 0..usize::try_from(count).unwrap_or(0) {
        // SAFETY: the caller promises `count` parts.
        let part = unsafe { &*parts.add(index) };
        if part.iov_len > 0 {
            return write(fd, part.iov_base, part.iov_len);
        }
    }
    0
}

macro_rules! pread {
    ($name:ident) => {
        #[unsafe(no_mangle)]
        extern "C" fn $name(fd: c_int, bytes: *mut c_void, count: size_t, at: off_t) -> ssize_t {
            match on_fd("pread", fd, Asks::Read) {
                Turn::Failed(_) => -1,
                Turn::Aside | Turn::Ours(..) => {
                    next!($name(fd => c_int, bytes => *mut c_void, count => size_t, at => off_t) -> ssize_t)
                }
            }
        }
    };
}
pread!(pread);
pread!(pread64);

#[unsafe(no_mangle)]
extern "C" fn read(fd: c_int, bytes: *mut c_void, count: size_t) -> ssize_t {
    match on_fd("read", fd, Asks::Read) {
        Turn::Failed(_) => -1,
        Turn::Aside | Turn::Ours(..) => {
            next!(read(fd => c_int, bytes => *mut c_void, count => size_t) -> ssize_t)
        }
    }
}

macro_rules! ftruncate {
    ($name:ident) => {
        #[unsafe(no_mangle)]
        extern "C" fn $name(fd: c_int, length: off_t) -> c_int {
            match on_fd("ftruncate", fd, Asks::Other) {
                Turn::Aside => next!($name(fd => c_int, length => off_t) -> c_int),
                Turn::Failed(_) => -1,
                Turn::Ours(state, _) => {
                    let done = next!($name(fd => c_int, length => off_t) -> c_int);
                    if let (0, Some(found), Ok(a)) = (done, scope::at_fd(fd), u64::try_from(length)) {
                        state.record(&Record { a, ..Record::of(Kind::Truncate, found.ino) });
                    }
                    done
                }
            }
        }
    };
}
ftruncate!(ftruncate);
ftruncate!(ftruncate64);

macro_rules! truncate {
    ($name:ident) => {
        #[unsafe(no_mangle)]
        extern "C" fn $name(path: *const c_char, length: off_t) -> c_int {
            let full = scope::absolute(libc::AT_FDCWD, path);
            match on_path("truncate", full.as_deref(), Asks::Other) {
                Turn::Aside => next!($name(path => *const c_char, length => off_t) -> c_int),
                Turn::Failed(_) => -1,
                Turn::Ours(state, _) => {
                    let done = next!($name(path => *const c_char, length => off_t) -> c_int);
                    let found = full.as_deref().and_then(scope::at_path);
                    if let (0, Some(found), Ok(a)) = (done, found, u64::try_from(length)) {
                        state.record(&Record { a, ..Record::of(Kind::Truncate, found.ino) });
                    }
                    done
                }
            }
        }
    };
}
truncate!(truncate);
truncate!(truncate64);

/// Whether nobody may allocate ahead: on a tmpfs that zeroes megabytes for each database that is opened. File systems
/// without the call exist, and callers go on without it.
fn refuses_allocation() -> bool {
    static REFUSES: OnceLock<bool> = OnceLock::new();
    *REFUSES.get_or_init(|| std::env::var_os("TORTURE_NO_ALLOCATION").is_some())
}

macro_rules! fallocate {
    ($name:ident) => {
        #[unsafe(no_mangle)]
        extern "C" fn $name(fd: c_int, mode: c_int, at: off_t, length: off_t) -> c_int {
            if refuses_allocation() {
                crate::real::set_errno(libc::EOPNOTSUPP);
                return -1;
            }
            match on_fd("fallocate", fd, Asks::Space) {
                Turn::Aside => {
                    next!($name(fd => c_int, mode => c_int, at => off_t, length => off_t) -> c_int)
                }
                Turn::Failed(_) => -1,
                Turn::Ours(state, _) => {
                    let done =
                        next!($name(fd => c_int, mode => c_int, at => off_t, length => off_t) -> c_int);
                    if let (0, Some(found)) = (done, scope::at_fd(fd)) {
                        let end = u64::try_from(at.saturating_add(length)).unwrap_or(0);
                        let keeps_size = u64::from(mode & libc::FALLOC_FL_KEEP_SIZE != 0);
                        let kind = match mode & !libc::FALLOC_FL_KEEP_SIZE {
                            0 => Kind::Allocate,
                            // Punching holes and the like: nobody did so far.
                            _ => Kind::Escape,
                        };
                        let record = Record { a: end, b: keeps_size, ..Record::of(kind, found.ino) };
                        state.record(&Record { data: b"fallocate with another mode", ..record });
                    }
                    done
                }
            }
        }
    };
}
fallocate!(fallocate);
fallocate!(fallocate64);

macro_rules! posix_fallocate {
    ($name:ident) => {
        #[unsafe(no_mangle)]
        extern "C" fn $name(fd: c_int, at: off_t, length: off_t) -> c_int {
            match on_fd("posix_fallocate", fd, Asks::Space) {
                Turn::Aside => next!($name(fd => c_int, at => off_t, length => off_t) -> c_int),
                // This one returns its error.
                Turn::Failed(_) => crate::real::errno(),
                Turn::Ours(state, _) => {
                    let done = next!($name(fd => c_int, at => off_t, length => off_t) -> c_int);
                    if let (0, Some(found)) = (done, scope::at_fd(fd)) {
                        let a = u64::try_from(at.saturating_add(length)).unwrap_or(0);
                        state.record(&Record { a, ..Record::of(Kind::Allocate, found.ino) });
                    }
                    done
                }
            }
        }
    };
}
posix_fallocate!(posix_fallocate);
posix_fallocate!(posix_fallocate64);
