//! What the page says, line by line, within a number of columns.

use std::time::Duration;

use ferry::control::Running;
use ferry::{Progress, State};

use crate::status_line;
use crate::units;

/// How a line is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    /// It moves, or is done.
    Good,
    /// Somebody holds it.
    Held,
    /// Somebody should look.
    Bad,
    /// Beside the point.
    Faint,
}

/// A line of the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) tone: Tone,
}

/// The page about a run.
pub(super) fn lines(running: &Running, columns: usize) -> Vec<Line> {
    let progress = &running.progress;
    let mut page = Page { columns, lines: Vec::new() };
    let mode = progress.write_mode.as_deref().unwrap_or("no write mode yet");
    page.add(Tone::Plain, &format!("ferry  {mode}  height {}", units::count(progress.height)));
    page.add(
        Tone::Faint,
        &format!("process {}, {} keys a block", running.process_id, units::count(running.batch_keys)),
    );
    page.add(Tone::Plain, "");
    page.add(tone(progress.state), &format!("{}", progress.state));
    page.wrapped(Tone::Plain, &progress.reason);
    page.add(tone(progress.state), &bar(progress, columns));
    page.add(Tone::Plain, "");
    for (name, value) in figures(progress) {
        page.add(Tone::Plain, &format!("{name:<12}{value}"));
    }
    let left: Vec<_> = progress.modules.iter().filter(|module| module.remaining_keys > 0).collect();
    if !left.is_empty() {
        page.add(Tone::Plain, "");
        page.add(Tone::Faint, "left to move");
    }
    for module in left {
        page.add(Tone::Plain, &format!("{:<16}{:>14}", module.name, units::count(module.remaining_keys)));
    }
    page.lines
}

/// The page while nobody answers.
pub(super) fn without_a_run(error: &str, columns: usize) -> Vec<Line> {
    let mut page = Page { columns, lines: Vec::new() };
    page.add(Tone::Plain, "ferry");
    page.add(Tone::Plain, "");
    page.add(Tone::Bad, "no answer");
    page.wrapped(Tone::Plain, error);
    page.lines
}

struct Page {
    columns: usize,
    lines: Vec<Line>,
}

impl Page {
    /// A line, cut where the terminal ends: one that wraps would push the others down.
    fn add(&mut self, tone: Tone, text: &str) {
        // What comes from elsewhere must not move the cursor.
        let shown = text.chars().map(|c| if c.is_control() { '?' } else { c });
        let mut cut: String = shown.clone().take(self.columns).collect();
        if shown.count() > self.columns && self.columns > 1 {
            cut.pop();
            cut.push('…');
        }
        self.lines.push(Line { text: cut, tone });
    }

    /// As many lines as it takes, broken between words.
    fn wrapped(&mut self, tone: Tone, text: &str) {
        let mut line = String::new();
        for word in text.split_whitespace() {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > self.columns {
                self.add(tone, &std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        if !line.is_empty() {
            self.add(tone, &line);
        }
    }
}

const fn tone(state: State) -> Tone {
    match state {
        State::Moving | State::Done | State::Throttled => Tone::Good,
        State::Paused | State::WaitingForModeStep => Tone::Held,
        State::Stalled | State::Failed => Tone::Bad,
        _ => Tone::Faint,
    }
}

/// `[#####......] 41.2 %` of the present migration.
fn bar(progress: &Progress, columns: usize) -> String {
    let whole = progress.moved_keys.saturating_add(progress.remaining_keys);
    let percent = units::percent(progress.moved_keys, whole);
    let width = columns.saturating_sub(12).clamp(4, 50);
    let filled = (percent / 100.0 * width as f64) as usize;
    format!("[{}{}] {percent:.1} %", "#".repeat(filled), ".".repeat(width.saturating_sub(filled)))
}

fn figures(progress: &Progress) -> Vec<(&'static str, String)> {
    let block = |q: f64| {
        let mut times = progress.block_ms.clone();
        times.sort_by(f64::total_cmp);
        let at = ((times.len() as f64 * q).ceil() as usize).clamp(1, times.len().max(1)) - 1;
        times.get(at).map_or_else(|| "-".to_owned(), |ms| units::latency((ms * 1e6) as u64))
    };
    let to = progress.goal.as_ref().map(|goal| format!(" to {}", goal.write_mode)).unwrap_or_default();
    let last = progress.last_block_seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let mut figures = vec![
        ("rate", units::rate(progress.keys_per_second, "keys")),
        ("remaining", format!("{} keys{to}", units::count(progress.keys_to_go()))),
        ("ETA", status_line::eta(progress.eta_seconds)),
        ("blocks", format!("{}, p50 {}, p99 {}", units::count(progress.blocks), block(0.5), block(0.99))),
        ("last block", last.map_or_else(|| "none yet".to_owned(), |last| format!("{} ago", units::span(last)))),
        ("memory", units::bytes(progress.memory_anonymous_bytes)),
        ("views", units::count(progress.views_open)),
    ];
    if let Some(sizes) = &progress.sizes {
        let [memiavl, flatkv, free] =
            [sizes.memiavl_bytes, sizes.flatkv_bytes, sizes.disk_free_bytes].map(units::bytes);
        figures.push(("on disk", format!("memiavl {memiavl}, FlatKV {flatkv}, free {free}")));
    }
    figures
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn running(state: &str, reason: &str) -> Running {
        let progress = json!({
            "schema_version": 1, "state": state, "reason": reason, "height": 8_123_456, "write_mode": "migrate_all_but_bank",
            "migration_version": 1, "boundary_module": "acc", "moved_keys": 600, "remaining_keys": 400,
            "modules": [{ "name": "acc", "remaining_keys": 0 }, { "name": "wasm\u{1b}[2J", "remaining_keys": 400 }],
            "goal": { "write_mode": "flatkv_only", "remaining_keys": 1400 }, "keys_per_second": 100.0,
            "eta_seconds": 14.0, "blocks": 3, "last_block_seconds": 0.5, "block_ms": [3.0, 1.0, 2.0],
            "sizes": { "memiavl_bytes": 1024, "flatkv_bytes": 2048, "disk_free_bytes": 4096 },
            "views_open": 2, "memory_anonymous_bytes": 1_048_576,
        });
        let node = json!({
            "height": 8_123_456, "memiavl_height": null, "flatkv_height": null, "write_mode": "migrate_all_but_bank",
            "migration_version": 1, "boundary": null, "flatkv_root": null, "modules": [],
        });
        let running = json!({
            "process_id": 42, "paused": false, "batch_keys": 1000, "progress": progress, "node": node,
        });
        serde_json::from_value(running).expect("a running node")
    }

    #[test]
    fn the_page_says_all_there_is_to_say() {
        let text: Vec<_> = lines(&running("moving", ""), 80).into_iter().map(|line| line.text).collect();
        let text = text.join("\n");
        for said in [
            "migrate_all_but_bank  height 8 123 456",
            "process 42, 1 000 keys a block",
            "moving",
            "60.0 %",
            "100 keys/s",
            "1 400 keys to flatkv_only",
            "14.0 s",
            "3, p50 2.0 ms, p99 3.0 ms",
            "500.0 ms ago",
            "free 4.0 KiB",
            "400",
        ] {
            let said = said.replace("500.0 ms", "0.5 s");
            assert!(text.contains(&said), "{said}\n{text}");
        }
        assert!(!text.contains("acc"), "a module that is done is left out\n{text}");
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_and_none_moves_the_cursor() {
        let reason = "no block has moved the cursor for 75 s: no blocks come, or one hangs; see the log";
        for columns in [1, 10, 20, 40, 80, 200] {
            for line in lines(&running("stalled", reason), columns) {
                assert!(line.text.chars().count() <= columns.max(18), "{columns}: {}", line.text);
                assert!(!line.text.contains('\u{1b}'), "{}", line.text);
            }
            assert!(without_a_run(reason, columns).iter().all(|line| line.text.chars().count() <= columns));
        }
        let narrow: Vec<_> = lines(&running("stalled", reason), 40).into_iter().map(|line| line.text).collect();
        assert!(narrow.join(" ").contains(reason), "wrapped, not cut: {narrow:?}");
    }

    #[test]
    fn each_kind_of_state_has_its_tone() {
        let tone_of = |state: &str| lines(&running(state, "why"), 80)[3].tone;
        assert_eq!(tone_of("moving"), Tone::Good);
        assert_eq!(tone_of("paused"), Tone::Held);
        assert_eq!(tone_of("failed"), Tone::Bad);
    }
}
