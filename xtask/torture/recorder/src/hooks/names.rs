//! What changes the names in a directory: creating, renaming, linking, removing.

use std::ffi::{CStr, c_char, c_int, c_uint};

use crate::fault::Asks;
use crate::hooks::{Turn, on_path};
use crate::log::{Kind, Record};
use crate::real::next;
use crate::scope;

use libc::mode_t;

/// Opens, and records a file that was made or emptied. `mode` is what stands in its place if the caller gave none.
fn open_at(dir: c_int, path: *const c_char, flags: c_int, real: impl FnOnce() -> c_int) -> c_int {
    let changes = flags & (libc::O_CREAT | libc::O_TRUNC) != 0;
    let full = scope::absolute(dir, path).filter(|_| changes);
    let before = full.as_deref().and_then(scope::at_path);
    let is_new = before.is_none() && flags & libc::O_CREAT != 0;
    // What is there already and is not emptied changes nothing.
    let empties = flags & libc::O_TRUNC != 0 && before.is_some_and(|found| found.bytes > 0);
    if !(is_new || empties) {
        return real();
    }
    match on_path("open", full.as_deref(), if is_new { Asks::Space } else { Asks::Other }) {
        Turn::Aside => real(),
        Turn::Failed(_) => -1,
        Turn::Ours(state, _) => {
            let fd = real();
            if let (true, Some(found), Some(path)) = (fd >= 0, scope::at_fd(fd), state.below(full.as_deref())) {
                let kind = if is_new { Kind::Create } else { Kind::Truncate };
                let path = if is_new { path } else { &[] };
                state.record(&Record { path, ..Record::of(kind, found.ino) });
            }
            fd
        }
    }
}

macro_rules! open {
    ($name:ident) => {
        #[unsafe(no_mangle)]
        extern "C" fn $name(path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
            open_at(libc::AT_FDCWD, path, flags, || {
                next!($name(path => *const c_char, flags => c_int, mode => c_uint) -> c_int)
            })
        }
    };
}
open!(open);
open!(open64);

macro_rules! openat {
    ($name:ident) => {
        #[unsafe(no_mangle)]
        extern "C" fn $name(dir: c_int, path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
            open_at(dir, path, flags, || {
                next!($name(dir => c_int, path => *const c_char, flags => c_int, mode => c_uint) -> c_int)
            })
        }
    };
}
openat!(openat);
openat!(openat64);

#[unsafe(no_mangle)]
extern "C" fn mkdir(path: *const c_char, mode: mode_t) -> c_int {
    mkdirat(libc::AT_FDCWD, path, mode)
}

#[unsafe(no_mangle)]
extern "C" fn mkdirat(dir: c_int, path: *const c_char, mode: mode_t) -> c_int {
    let real = || next!(mkdirat(dir => c_int, path => *const c_char, mode => mode_t) -> c_int);
    let full = scope::absolute(dir, path);
    match on_path("mkdir", full.as_deref(), Asks::Space) {
        Turn::Aside => real(),
        Turn::Failed(_) => -1,
        Turn::Ours(state, _) => {
            let done = real();
            let found = full.as_deref().and_then(scope::at_path);
            if let (0, Some(found), Some(path)) = (done, found, state.below(full.as_deref())) {
                state.record(&Record { a: 1, path, ..Record::of(Kind::Create, found.ino) });
            }
            done
        }
    }
}

#[unsafe(no_mangle)]
extern "C" fn rename(from: *const c_char, to: *const c_char) -> c_int {
    renameat2(libc::AT_FDCWD, from, libc::AT_FDCWD, to, 0)
}

#[unsafe(no_mangle)]
extern "C" fn renameat(from_dir: c_int, from: *const c_char, to_dir: c_int, to: *const c_char) -> c_int {
    renameat2(from_dir, from, to_dir, to, 0)
}

#[unsafe(no_mangle)]
extern "C" fn renameat2(
    from_dir: c_int,
    from: *const c_char,
    to_dir: c_int,
    to: *const c_char,
    flags: c_uint,
) -> c_int {
    let real = || {
        next!(renameat2(from_dir => c_int, from => *const c_char, to_dir => c_int, to => *const c_char,
                        flags => c_uint) -> c_int)
    };
    let (old, new) = (scope::absolute(from_dir, from), scope::absolute(to_dir, to));
    match on_path("rename", new.as_deref(), Asks::Other) {
        Turn::Aside => real(),
        Turn::Failed(_) => -1,
        Turn::Ours(state, _) => {
            let found = old.as_deref().and_then(scope::at_path);
            let done = real();
            if let (0, Some(found)) = (done, found) {
                let (path, second) = (state.below(old.as_deref()), state.below(new.as_deref()));
                match (path, second, flags) {
                    (Some(path), Some(second), 0 | libc::RENAME_NOREPLACE) => {
                        state.record(&Record { path, second, ..Record::of(Kind::Rename, found.ino) });
                    }
                    _ => state.record(&Record {
                        data: b"a rename into the directory, or an exchange",
                        ..Record::of(Kind::Escape, found.ino)
                    }),
                }
            }
            done
        }
    }
}

#[unsafe(no_mangle)]
extern "C" fn unlink(path: *const c_char) -> c_int {
    unlinkat(libc::AT_FDCWD, path, 0)
}

#[unsafe(no_mangle)]
extern "C" fn rmdir(path: *const c_char) -> c_int {
    unlinkat(libc::AT_FDCWD, path, libc::AT_REMOVEDIR)
}

/// C's own name for both.
#[unsafe(no_mangle)]
extern "C" fn remove(path: *const c_char) -> c_int {
    let is_dir =
        scope::absolute(libc::AT_FDCWD, path).and_then(|path| scope::at_path(&path)).is_some_and(|found| found.is_dir);
    unlinkat(libc::AT_FDCWD, path, if is_dir { libc::AT_REMOVEDIR } else { 0 })
}

#[unsafe(no_mangle)]
extern "C" fn unlinkat(dir: c_int, path: *const c_char, flags: c_int) -> c_int {
    let real = || next!(unlinkat(dir => c_int, path => *const c_char, flags => c_int) -> c_int);
    let full = scope::absolute(dir, path);
    match on_path("unlink", full.as_deref(), Asks::Other) {
        Turn::Aside => real(),
        Turn::Failed(_) => -1,
        Turn::Ours(state, _) => {
            let found = full.as_deref().and_then(scope::at_path);
            let done = real();
            if let (0, Some(found), Some(path)) = (done, found, state.below(full.as_deref())) {
                state.record(&Record { a: u64::from(found.is_dir), path, ..Record::of(Kind::Unlink, found.ino) });
            }
            done
        }
    }
}

#[unsafe(no_mangle)]
extern "C" fn link(old: *const c_char, new: *const c_char) -> c_int {
    linkat(libc::AT_FDCWD, old, libc::AT_FDCWD, new, 0)
}

#[unsafe(no_mangle)]
extern "C" fn linkat(old_dir: c_int, old: *const c_char, new_dir: c_int, new: *const c_char, flags: c_int) -> c_int {
    let real = || {
        next!(linkat(old_dir => c_int, old => *const c_char, new_dir => c_int, new => *const c_char,
                     flags => c_int) -> c_int)
    };
    let (from, to) = (scope::absolute(old_dir, old), scope::absolute(new_dir, new));
    match on_path("link", to.as_deref(), Asks::Space) {
        Turn::Aside => real(),
        Turn::Failed(_) => -1,
        Turn::Ours(state, _) => {
            let done = real();
            let found = to.as_deref().and_then(scope::at_path);
            if let (0, Some(found), Some(second)) = (done, found, state.below(to.as_deref())) {
                let path = state.below(from.as_deref()).unwrap_or_default();
                state.record(&Record { path, second, ..Record::of(Kind::Link, found.ino) });
            }
            done
        }
    }
}

#[unsafe(no_mangle)]
extern "C" fn symlink(target: *const c_char, path: *const c_char) -> c_int {
    symlinkat(target, libc::AT_FDCWD, path)
}

#[unsafe(no_mangle)]
extern "C" fn symlinkat(target: *const c_char, dir: c_int, path: *const c_char) -> c_int {
    let real = || next!(symlinkat(target => *const c_char, dir => c_int, path => *const c_char) -> c_int);
    let full = scope::absolute(dir, path);
    match on_path("symlink", full.as_deref(), Asks::Space) {
        Turn::Aside => real(),
        Turn::Failed(_) => -1,
        Turn::Ours(state, _) => {
            let done = real();
            let found = full.as_deref().and_then(scope::at_path);
            if let (0, Some(found), Some(path)) = (done, found, state.below(full.as_deref())) {
                // SAFETY: the call has just succeeded with this target, which therefore ends with a zero byte.
                let data = unsafe { CStr::from_ptr(target) }.to_bytes();
                state.record(&Record { path, data, ..Record::of(Kind::Symlink, found.ino) });
            }
            done
        }
    }
}
