//! Ways to change a file that leave no bytes to record: refused where programs have another way, told where they have none.

use std::ffi::{c_int, c_uint, c_void};

use libc::{off_t, size_t, ssize_t};

use crate::log::{Kind, Record};
use crate::real::{self, next};
use crate::scope;
use crate::state::state;

/// Whether `fd` is of a file in the directory.
fn is_ours(fd: c_int) -> bool {
    state().is_some_and(|state| state.has(fd))
}

/// Copying inside the system: the caller is told that there is no such call, and reads and writes instead.
#[unsafe(no_mangle)]
extern "C" fn copy_file_range(
    from: c_int,
    from_at: *mut off_t,
    to: c_int,
    to_at: *mut off_t,
    count: size_t,
    flags: c_uint,
) -> ssize_t {
    if is_ours(to) {
        real::set_errno(libc::ENOSYS);
        return -1;
    }
    next!(copy_file_range(from => c_int, from_at => *mut off_t, to => c_int, to_at => *mut off_t, count => size_t,
                          flags => c_uint) -> ssize_t)
}

macro_rules! sendfile {
    ($name:ident) => {
        #[unsafe(no_mangle)]
        extern "C" fn $name(to: c_int, from: c_int, at: *mut off_t, count: size_t) -> ssize_t {
            if is_ours(to) {
                real::set_errno(libc::ENOSYS);
                return -1;
            }
            next!($name(to => c_int, from => c_int, at => *mut off_t, count => size_t) -> ssize_t)
        }
    };
}
sendfile!(sendfile);
sendfile!(sendfile64);

macro_rules! mmap {
    ($name:ident) => {
        #[unsafe(no_mangle)]
        extern "C" fn $name(
            at: *mut c_void,
            length: size_t,
            protection: c_int,
            flags: c_int,
            fd: c_int,
            offset: off_t,
        ) -> *mut c_void {
            // Shared and writable: stores into it would reach the file and pass the log by.
            if fd >= 0
                && protection & libc::PROT_WRITE != 0
                && flags & libc::MAP_SHARED != 0
                && let Some(state) = state()
                && state.has(fd)
                && let Some(found) = scope::at_fd(fd)
            {
                state.record(&Record { data: b"a writable mapping", ..Record::of(Kind::Escape, found.ino) });
            }
            next!($name(at => *mut c_void, length => size_t, protection => c_int, flags => c_int, fd => c_int,
                        offset => off_t) -> *mut c_void)
        }
    };
}
mmap!(mmap);
mmap!(mmap64);
