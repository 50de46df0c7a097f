//! How a migration stands, in one line: rate, remaining, ETA, and why it does not move.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use ferry::{Progress, State};
use indicatif::{ProgressBar, ProgressStyle};

use crate::{output, progress, units};

/// The line on stderr: rewritten on a terminal, elsewhere one now and then, and when the state is another one.
pub(crate) struct StatusLine {
    label: &'static str,
    said: Option<(Instant, State)>,
    bar: Option<ProgressBar>,
}

impl StatusLine {
    pub(crate) fn start(label: &'static str) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            // UNWRAP: a constant template, which the test below parses.
            let style = ProgressStyle::with_template("{wide_msg}").expect("a constant template");
            ProgressBar::no_length().with_style(style)
        });
        Self { label, said: None, bar }
    }

    /// Shows how things stand. Cheap: most calls print nothing.
    pub(crate) fn show(&mut self, progress: &Progress) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{}: {}", self.label, text(progress)));
            bar.tick();
            return;
        }
        let is_due =
            |(at, state): (Instant, State)| at.elapsed() >= progress::line_interval() || state != progress.state;
        if self.said.is_none_or(is_due) {
            self.said = Some((Instant::now(), progress.state));
            output::note(&format!("{}: {}", self.label, text(progress)));
        }
    }
}

impl Drop for StatusLine {
    /// Takes the line off the terminal, however the run ends.
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// The line.
pub(crate) fn text(progress: &Progress) -> String {
    let mut text = format!(
        "{}, {}, {} remaining, ETA {}, height {}, {}",
        progress.state,
        units::rate(progress.keys_per_second, "keys"),
        units::count(progress.keys_to_go()),
        eta(progress.eta_seconds),
        units::count(progress.height),
        progress.write_mode.as_deref().unwrap_or("no write mode yet"),
    );
    if !progress.reason.is_empty() {
        text += &format!(": {}", progress.reason);
    }
    text
}

/// The time until nothing is left, as far as it is known.
pub(crate) fn eta(seconds: Option<f64>) -> String {
    let time = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    time.map_or_else(|| "unknown".to_owned(), units::span)
}

#[cfg(test)]
mod tests {
    use ferry::Metrics;
    use ferry::migrate_metrics::Hold;
    use ferry::{Mode, Observer};

    use super::*;

    fn progress() -> Progress {
        let metrics = Metrics::new();
        let opened = ferry::migrate_core::BlockReport {
            height: 1234,
            version: 0,
            mode: Mode::MigrateEvm,
            boundary_module: None,
            paused: false,
            remaining: vec![("evm".to_owned(), 4_000)],
            moved_keys: 1_000,
            app_hash: [0; 32],
            commit_elapsed: Duration::ZERO,
        };
        metrics.opened(&opened);
        metrics.hold(Some(Hold::Paused));
        metrics.progress()
    }

    #[test]
    fn the_line_says_rate_remaining_eta_and_why() {
        let paused = progress();
        let line = "paused, 0.0 keys/s, 4 000 remaining, ETA unknown, height 1 234, migrate_evm: no blocks are made; \
                    resume and it goes on";
        assert_eq!(text(&paused), line);
        let moving = Progress {
            state: State::Moving,
            reason: String::new(),
            keys_per_second: 100.0,
            eta_seconds: Some(40.0),
            ..paused
        };
        let line = "moving, 100 keys/s, 4 000 remaining, ETA 40.0 s, height 1 234, migrate_evm";
        assert_eq!(text(&moving), line);
    }

    #[test]
    fn the_template_parses() {
        ProgressStyle::with_template("{wide_msg}").expect("parses");
    }
}
