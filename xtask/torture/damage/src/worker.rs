//! A process that judges cases, so that a case that kills it ends nothing but itself.
//!
//! ```text
//! stdin     a case a line
//! stdout    "ready", then a verdict a line, as JSON
//! ```

use std::io::{BufRead, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;

use crate::case::Case;
use crate::judge::{Judge, Verdict};

/// What the last panic said, on whatever thread.
static PANIC: Mutex<Option<String>> = Mutex::new(None);

fn take_panic() -> Option<String> {
    PANIC.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Judges until stdin ends.
pub(crate) fn serve(homes: &Path, plant: bool) -> Result<()> {
    // The parent decides when a run ends; what is sent to the whole group is not for a worker.
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))?;
    }
    std::panic::set_hook(Box::new(|panic| {
        *PANIC.lock().unwrap_or_else(PoisonError::into_inner) = Some(panic.to_string());
    }));
    let own = tempfile::tempdir_in(homes.parent().unwrap_or(homes))?;
    let mut judge = Judge::new(homes, own.path())?;
    judge.damages = !plant;
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "ready")?;
    stdout.flush()?;
    for line in std::io::stdin().lock().lines() {
        let case: Case = line?.parse()?;
        let verdict = judge_caught(&judge, &case)?;
        serde_json::to_writer(&mut stdout, &verdict)?;
        writeln!(stdout)?;
        stdout.flush()?;
    }
    Ok(())
}

/// Judges a case; a panic, also one of a thread in the background, is a verdict.
pub(crate) fn judge_caught(judge: &Judge, case: &Case) -> Result<Verdict> {
    let judged = catch_unwind(AssertUnwindSafe(|| judge.judge(case)));
    match (judged, take_panic()) {
        (Ok(verdict), None) => verdict,
        (_, said) => Ok(Verdict::died(said.unwrap_or_else(|| "a panic".to_owned()))),
    }
}
