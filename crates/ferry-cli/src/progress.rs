//! Progress on stderr: a bar on a terminal, elsewhere a line after a second and then every ten, with rate, remaining and ETA.

use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::{output, units};

/// How often a line goes to stderr when that is no terminal, unless the settings say otherwise.
pub(crate) const LINE_INTERVAL: Duration = Duration::from_secs(10);
/// When the first line is due: what takes longer than this wants to be seen at work.
const FIRST_LINE: Duration = Duration::from_secs(1);
static LINE_INTERVAL_MS: AtomicU64 = AtomicU64::new(LINE_INTERVAL.as_secs() * 1000);

/// Sets how often a line goes to stderr when that is no terminal.
pub(crate) fn say_every(interval: Duration) {
    LINE_INTERVAL_MS.store(u64::try_from(interval.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
}

/// How often a line goes to stderr when that is no terminal.
pub(crate) fn line_interval() -> Duration {
    Duration::from_millis(LINE_INTERVAL_MS.load(Ordering::Relaxed))
}

/// One run of a command.
pub(crate) struct Progress {
    label: &'static str,
    unit: &'static str,
    total: Option<u64>,
    began: Instant,
    said: Option<Instant>,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// A run over `total` units, or over a number not known yet.
    pub(crate) fn start(label: &'static str, unit: &'static str, total: Option<u64>) -> Self {
        let now = Instant::now();
        let bar = io::stderr().is_terminal().then(|| bar(label, total));
        Self { label, unit, total, began: now, said: None, bar }
    }

    /// Says that `position` units are done. Cheap: most calls print nothing.
    pub(crate) fn set(&mut self, position: u64, note: &str) {
        if let Some(bar) = &self.bar {
            bar.set_position(position);
            bar.set_message(self.figures(position, self.began.elapsed(), note));
        } else if self.is_due(Instant::now()) {
            self.said = Some(Instant::now());
            let figures = self.figures(position, self.began.elapsed(), note);
            output::note(&format!("{}: {figures}", self.label));
        }
    }

    /// Whether a line is to be said: the first one soon, then one an interval.
    fn is_due(&self, now: Instant) -> bool {
        let (since, wait) = match self.said {
            None => (self.began, line_interval().min(FIRST_LINE)),
            Some(said) => (said, line_interval()),
        };
        now.saturating_duration_since(since) >= wait
    }

    fn figures(&self, position: u64, elapsed: Duration, note: &str) -> String {
        let per_second = position as f64 / elapsed.as_secs_f64().max(1e-3);
        let mut text = units::count(position);
        if let Some(total) = self.total {
            text += &format!(" of {} {} ({:.0} %)", units::count(total), self.unit, units::percent(position, total));
        } else {
            text += &format!(" {}", self.unit);
        }
        text += &format!(", {}", units::rate(per_second, self.unit));
        if let Some(total) = self.total {
            let remaining = total.saturating_sub(position);
            text += &format!(", {} remaining", units::count(remaining));
            if position > 0 {
                let eta = Duration::try_from_secs_f64(remaining as f64 / per_second).unwrap_or(Duration::MAX);
                text += &format!(", ETA {}", units::span(eta));
            }
        }
        if !note.is_empty() {
            text += &format!(", {note}");
        }
        text
    }
}

impl Drop for Progress {
    /// Takes the bar off the terminal, however the run ends.
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(label: &'static str, total: Option<u64>) -> ProgressBar {
    let bar = match total {
        Some(total) => ProgressBar::new(total),
        None => ProgressBar::no_length(),
    };
    let template = if total.is_some() { "{prefix} [{bar:24}] {msg}" } else { "{prefix} {msg}" };
    // UNWRAP: both templates are constants that the test below parses.
    bar.set_style(ProgressStyle::with_template(template).expect("a constant template").progress_chars("=> "));
    bar.set_prefix(label);
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_rate_remaining_and_eta() {
        let progress = Progress::start("demo", "keys", Some(4_000));
        let line = progress.figures(1_000, Duration::from_secs(10), "migrate_evm");
        assert_eq!(line, "1 000 of 4 000 keys (25 %), 100 keys/s, 3 000 remaining, ETA 30.0 s, migrate_evm");
    }

    #[test]
    fn the_first_line_comes_within_a_second_and_then_one_an_interval() {
        let mut progress = Progress::start("verify", "records", None);
        let at = |ms| progress.began + Duration::from_millis(ms);
        let (early, first) = (at(999), at(1_000));
        assert!(!progress.is_due(early) && progress.is_due(first));
        progress.said = Some(first);
        assert!(!progress.is_due(first + Duration::from_millis(9_999)));
        assert!(progress.is_due(first + Duration::from_secs(10)));
    }

    #[test]
    fn without_a_total_there_is_no_eta_and_no_percentage() {
        let progress = Progress::start("replay", "blocks", None);
        assert_eq!(progress.figures(30, Duration::from_secs(10), ""), "30 blocks, 3.0 blocks/s");
    }

    #[test]
    fn the_bars_templates_parse() {
        bar("demo", Some(1)).finish();
        bar("demo", None).finish();
    }
}
