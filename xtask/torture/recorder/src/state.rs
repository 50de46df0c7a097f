//! What the library knows: the directory, the log, the fault in force; and the lock around every call.

use std::ffi::CString;
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStringExt;
use std::sync::{Mutex, MutexGuard, OnceLock};

use crate::fault::Faults;
use crate::log::Record;
use crate::real;
use crate::scope;

/// Everything, behind the one lock.
pub(crate) struct State {
    home: Vec<u8>,
    log: Option<RawFd>,
    pub(crate) control: Vec<u8>,
    pub(crate) faults: Faults,
}

static STATE: OnceLock<Option<Mutex<State>>> = OnceLock::new();

/// The state, locked; none in a process that was told no directory. The lock is held while the real call runs.
pub(crate) fn state() -> Option<MutexGuard<'static, State>> {
    let state = STATE.get_or_init(|| {
        let home = std::env::var_os("TORTURE_HOME")?.into_vec();
        let control = std::env::var_os("TORTURE_CONTROL").map(OsStringExt::into_vec).unwrap_or_default();
        let log = std::env::var_os("TORTURE_LOG").map(|path| {
            let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_APPEND;
            let path = CString::new(path.into_vec()).ok();
            let opened = path.and_then(|path| real::open(&path, flags));
            opened.unwrap_or_else(|| real::abort("torture-recorder: the log cannot be opened"))
        });
        Some(Mutex::new(State { home, log, control, faults: Faults::default() }))
    });
    // A panic in a hook aborts, so that there is no poisoned lock to recover from.
    state.as_ref().and_then(|state| state.lock().ok())
}

impl State {
    /// A path below the directory, relative to it.
    pub(crate) fn below<'p>(&self, path: Option<&'p [u8]>) -> Option<&'p [u8]> {
        scope::below(&self.home, path?)
    }

    /// Whether a descriptor is of a file below the directory.
    pub(crate) fn has(&self, fd: RawFd) -> bool {
        scope::path_of(fd).is_some_and(|path| scope::below(&self.home, &path).is_some())
    }

    pub(crate) fn record(&self, record: &Record<'_>) {
        if let Some(log) = self.log {
            let errno = real::errno();
            record.append(log);
            real::set_errno(errno);
        }
    }
}
