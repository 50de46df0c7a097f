//! Numbers as people read them. JSON never sees these: there every field is a number with its unit in the name.

use std::time::Duration;

/// A count with thousands separated: `1 234 567`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// A size in binary units: `12.3 MiB`.
pub(crate) fn bytes(number: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if number < 1024 {
        return format!("{number} B");
    }
    let mut value = number as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// A rate: `1 234 keys/s`, or with a digit behind the point when it is small.
pub(crate) fn rate(per_second: f64, unit: &str) -> String {
    if per_second < 10.0 {
        format!("{per_second:.1} {unit}/s")
    } else {
        format!("{} {unit}/s", count(per_second as u64))
    }
}

/// A span of time as a clock would show it: `4.2 s`, `3 min 05 s`, `2 h 07 min`.
pub(crate) fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{:.1} s", duration.as_secs_f64()),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// A span of time as it is given on the command line: `250ms`, `2s`, `1.5s`, `5min`.
pub(crate) fn parse_span(text: &str) -> Result<Duration, NoSpan> {
    let no_span = || NoSpan { got: text.to_owned() };
    let units = [("ms", 1e-3), ("min", 60.0), ("s", 1.0)];
    let split = |(unit, seconds): (&str, f64)| Some((text.strip_suffix(unit)?, seconds));
    let (number, seconds) = units.into_iter().find_map(split).ok_or_else(no_span)?;
    let number: f64 = number.parse().map_err(|_| no_span())?;
    Duration::try_from_secs_f64(number * seconds).map_err(|_| no_span())
}

/// A text that is no span of time.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a number with ms, s or min behind it, as in 1.5s; got={got}")]
pub(crate) struct NoSpan {
    got: String,
}

/// A latency given in nanoseconds: `840 ns`, `1.7 us`, `12.3 ms`, `1.2 s`.
pub(crate) fn latency(nanoseconds: u64) -> String {
    let value = nanoseconds as f64;
    match nanoseconds {
        0..1_000 => format!("{nanoseconds} ns"),
        1_000..1_000_000 => format!("{:.1} µs", value / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} ms", value / 1e6),
        _ => format!("{:.2} s", value / 1e9),
    }
}

/// A share in percent, rounded down, so that 100 % says that nothing is left.
pub(crate) fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 100.0;
    }
    (u128::from(part) * 10_000 / u128::from(whole)) as f64 / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        let check = |number, expected: &str| assert_eq!(count(number), expected);
        check(0, "0");
        check(999, "999");
        check(1_000, "1 000");
        check(1_234_567, "1 234 567");
    }

    #[test]
    fn sizes_spans_and_latencies_pick_their_unit() {
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(u64::MAX), "16384.0 PiB");
        assert_eq!(span(Duration::from_millis(4_200)), "4.2 s");
        assert_eq!(span(Duration::from_secs(185)), "3 min 05 s");
        assert_eq!(span(Duration::from_secs(7_620)), "2 h 07 min");
        assert_eq!(latency(840), "840 ns");
        assert_eq!(latency(12_340_000), "12.3 ms");
    }

    #[test]
    fn spans_are_read_with_their_unit() {
        assert_eq!(parse_span("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_span("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse_span("5min"), Ok(Duration::from_secs(300)));
        for wrong in ["", "s", "5", "-1s", "nans", "infs", "1e30min", "1 h"] {
            assert_eq!(parse_span(wrong), Err(NoSpan { got: wrong.to_owned() }));
        }
    }

    #[test]
    fn a_hundred_percent_means_that_nothing_is_left() {
        assert_eq!(percent(999_999, 1_000_000), 99.99);
        assert_eq!(percent(1_000_000, 1_000_000), 100.0);
        assert_eq!(percent(0, 0), 100.0);
    }
}
