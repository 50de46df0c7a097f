//! A setting's value, and the text that it is written as.
//!
//! ```text
//! count     7   1_000_000
//! bytes     4096   256MiB   1 GiB   100MB          KiB MiB GiB TiB are powers of 1024, kB MB GB TB of 1000
//! no limit  unlimited
//! span      500ms   10s   5min   2h   1d
//! word      one of those that the setting knows
//! names     a, b, c      in a file an array: ["a", "b", "c"]
//! ```

use std::fmt;
use std::time::Duration;

/// Units of bytes, the largest first, binary before decimal: the order in which a size looks for its own.
const BYTE_UNITS: [(&str, u64); 10] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("KB", 1_000),
    ("B", 1),
];
/// Units of time in milliseconds, the largest first.
const TIME_UNITS: [(&str, u64); 6] =
    [("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// The word for a limit that is none.
pub(super) const UNLIMITED: &str = "unlimited";

/// A setting's value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Value {
    /// A number of something.
    Count(u64),
    /// A number of bytes.
    Bytes(u64),
    /// No limit, where there could be one in bytes.
    Unlimited,
    /// A span of time, in whole milliseconds.
    Span(Duration),
    /// One of several words.
    Word(String),
    /// Names, in the order given.
    Names(Vec<String>),
}

impl fmt::Display for Value {
    /// The text that reads back as this value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Bytes(bytes) => write!(f, "{}", in_units(*bytes, &BYTE_UNITS, "B")),
            Self::Unlimited => f.write_str(UNLIMITED),
            Self::Span(span) => {
                let milliseconds = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
                write!(f, "{}", in_units(milliseconds, &TIME_UNITS, "ms"))
            }
            Self::Word(word) => f.write_str(word),
            Self::Names(names) => f.write_str(&names.join(", ")),
        }
    }
}

/// The number in the largest unit that divides it.
fn in_units(number: u64, units: &[(&str, u64)], least: &str) -> String {
    let unit = units.iter().find(|(_, size)| number != 0 && number.is_multiple_of(*size));
    unit.map_or_else(|| format!("{number}{least}"), |(name, size)| format!("{}{name}", number / size))
}

/// A size; none if the text is none, or one of more bytes than can be counted.
pub(super) fn bytes(text: &str) -> Option<u64> {
    with_unit(text, &BYTE_UNITS, Some(1))
}

/// A span of time in milliseconds. A number without a unit is none: of what?
pub(super) fn milliseconds(text: &str) -> Option<u64> {
    with_unit(text, &TIME_UNITS, None)
}

/// A count; digits may be set apart by underscores, as in a file.
pub(super) fn count(text: &str) -> Option<u64> {
    let is_number = text.starts_with(|first: char| first.is_ascii_digit())
        && text.chars().all(|char| char.is_ascii_digit() || char == '_');
    is_number.then(|| text.replace('_', "").parse().ok()).flatten()
}

fn with_unit(text: &str, units: &[(&str, u64)], bare: Option<u64>) -> Option<u64> {
    let end = text.find(|char: char| !char.is_ascii_digit() && char != '_').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = unit.trim_start();
    let size = match unit {
        "" => bare?,
        unit => units.iter().find(|(name, _)| *name == unit)?.1,
    };
    count(number)?.checked_mul(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_spans_are_read_with_their_units() {
        let check = |text, expected| assert_eq!(bytes(text), expected, "{text}");
        check("4096", Some(4096));
        check("256MiB", Some(256 << 20));
        check("1 GiB", Some(1 << 30));
        check("100MB", Some(100_000_000));
        check("1_000kB", Some(1_000_000));
        check("16777216TiB", None);
        check("1.5GiB", None);
        check("256mib", None);
        check("MiB", None);
        check("-1", None);
        let check = |text, expected| assert_eq!(milliseconds(text), expected, "{text}");
        check("500ms", Some(500));
        check("5min", Some(300_000));
        check("2 h", Some(7_200_000));
        check("10", None);
        check("", None);
    }

    #[test]
    fn a_values_text_reads_back_as_the_value() {
        for size in [0, 1, 1000, 1023, 1024, 1 << 30, 100_000_000, u64::MAX] {
            assert_eq!(bytes(&Value::Bytes(size).to_string()), Some(size));
        }
        for span in [0, 1, 999, 1_000, 90_000, 86_400_000, u64::MAX] {
            assert_eq!(milliseconds(&Value::Span(Duration::from_millis(span)).to_string()), Some(span));
        }
        assert_eq!(Value::Bytes(256 << 20).to_string(), "256MiB");
        assert_eq!(Value::Span(Duration::from_secs(90)).to_string(), "90s");
    }
}
