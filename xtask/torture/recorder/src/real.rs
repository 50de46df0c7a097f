//! libc's own functions behind ours, and the few calls that the library makes for itself.

use std::ffi::{CStr, c_int, c_void};
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicPtr, Ordering};

/// The next definition of a function behind ours, looked up once.
pub(crate) struct Next {
    name: &'static CStr,
    found: AtomicPtr<c_void>,
}

impl Next {
    pub(crate) const fn new(name: &'static CStr) -> Self {
        Self { name, found: AtomicPtr::new(std::ptr::null_mut()) }
    }

    pub(crate) fn get(&self) -> *mut c_void {
        let known = self.found.load(Ordering::Acquire);
        if !known.is_null() {
            return known;
        }
        // SAFETY: the name ends with a zero byte, and RTLD_NEXT takes no other argument.
        let found = unsafe { libc::dlsym(libc::RTLD_NEXT, self.name.as_ptr()) };
        if found.is_null() {
            abort("torture-recorder: libc lacks a function");
        }
        self.found.store(found, Ordering::Release);
        found
    }
}

/// Calls libc's own `$name` with these arguments and types.
macro_rules! next {
    ($name:ident ( $($argument:expr => $type:ty),* ) -> $result:ty) => {{
        static NEXT: $crate::real::Next = $crate::real::Next::new(
            // UNWRAP: at compile time, and a name in the source has one zero byte, the one added here.
            match std::ffi::CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes()) {
                Ok(name) => name,
                Err(_) => panic!("a name"),
            }
        );
        // SAFETY: the symbol is libc's function of this name, whose signature is the one given; the arguments are those that
        // our caller gave, and it has promised libc what they must be.
        unsafe {
            let function: extern "C" fn($($type),*) -> $result = std::mem::transmute(NEXT.get());
            function($($argument),*)
        }
    }};
}
pub(crate) use next;

/// The number that the system gave this thread.
pub(crate) fn thread() -> u32 {
    // SAFETY: it takes nothing and cannot fail.
    let thread = unsafe { libc::syscall(libc::SYS_gettid) };
    u32::try_from(thread).unwrap_or(0)
}

/// Writes without going through a function that is hooked.
pub(crate) fn write_all(fd: RawFd, mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        // SAFETY: the pointer and the length are those of a live slice.
        let written = unsafe { libc::syscall(libc::SYS_write, fd, bytes.as_ptr(), bytes.len()) };
        match usize::try_from(written) {
            Ok(written) if written > 0 => bytes = &bytes[written..],
            _ => return false,
        }
    }
    true
}

/// Opens a file without going through a function that is hooked.
pub(crate) fn open(path: &CStr, flags: c_int) -> Option<RawFd> {
    // SAFETY: the path ends with a zero byte; the mode is given because the flags may create.
    let fd = unsafe { libc::syscall(libc::SYS_openat, libc::AT_FDCWD, path.as_ptr(), flags | libc::O_CLOEXEC, 0o600) };
    RawFd::try_from(fd).ok().filter(|fd| *fd >= 0)
}

pub(crate) fn set_errno(errno: c_int) {
    // SAFETY: the address of this thread's errno is always valid.
    unsafe { *libc::__errno_location() = errno };
}

pub(crate) fn errno() -> c_int {
    // SAFETY: as above.
    unsafe { *libc::__errno_location() }
}

/// Says why and ends the process.
pub(crate) fn abort(why: &str) -> ! {
    write_all(2, why.as_bytes());
    write_all(2, b"\n");
    std::process::abort()
}
