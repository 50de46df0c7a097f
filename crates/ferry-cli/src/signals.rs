//! SIGINT and SIGTERM: the first asks for a clean stop between two blocks, the second ends the process at once. A command that
//! only looks has nothing to finish, and ends at the first.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::exit::Exit;

/// The signal received, if any. Cheap to ask between two blocks.
#[derive(Clone, Default)]
pub(crate) struct Signals {
    received: Arc<AtomicUsize>,
}

impl Signals {
    /// Takes both signals over for the rest of the process, for a command that asks for them.
    pub(crate) fn install() -> io::Result<Self> {
        Self::take(false)
    }

    /// Takes both signals over for a command that has nothing to finish: the first ends it, with the exit code of its kind.
    pub(crate) fn install_for_looking() -> io::Result<Self> {
        Self::take(true)
    }

    fn take(armed: bool) -> io::Result<Self> {
        let signals = Self::default();
        let armed = Arc::new(AtomicBool::new(armed));
        for signal in [SIGINT, SIGTERM] {
            // The order matters: the first signal arms the flag that the second one finds set.
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&armed))?;
            flag::register(signal, Arc::clone(&armed))?;
            flag::register_usize(signal, Arc::clone(&signals.received), signal.unsigned_abs() as usize)?;
        }
        Ok(signals)
    }

    /// How the program is to end once the block in work is finished; none while nobody asked.
    pub(crate) fn received(&self) -> Option<Exit> {
        match self.received.load(Ordering::Relaxed) {
            0 => None,
            signal if signal == SIGTERM.unsigned_abs() as usize => Some(Exit::Terminated),
            _ => Some(Exit::Interrupted),
        }
    }
}
