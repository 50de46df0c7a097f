//! A file of settings, and the values in it.

#[path = "../../../../../crates/ferry/src/settings/document.rs"]
mod document;
#[path = "../../../../../crates/ferry/src/settings/error.rs"]
#[expect(dead_code, unreachable_pub, reason = "the facade knows more errors than reading a text has")]
mod error;
#[path = "../../../../../crates/ferry/src/settings/kind.rs"]
#[expect(dead_code, unreachable_pub, reason = "the facade asks more of a setting than a target does")]
mod kind;
#[path = "../../../../../crates/ferry/src/settings/value.rs"]
#[expect(unreachable_pub, reason = "the facade shows values to its callers")]
mod value;

use std::path::Path;
use std::time::Duration;

use document::Raw;
use kind::Kind;

/// One of each kind.
const KINDS: [Kind; 6] = [
    Kind::Count { least: 1, most: u64::MAX },
    Kind::Bytes { least: 0, most: u64::MAX, may_be_unlimited: true },
    Kind::Bytes { least: 0, most: 1 << 40, may_be_unlimited: false },
    Kind::Span { least: Duration::ZERO, most: Duration::MAX },
    Kind::Word(&["auto", "sync"]),
    Kind::Stores,
];

/// Reads the bytes as a file of settings, and each value as one of every kind. What is taken reads back from its own text.
pub(crate) fn file(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let lines = text.split('\n').count() as u64;
    let Ok(entries) = document::parse(text, Path::new("ferry.toml")) else { return };
    for entry in entries {
        assert!((1..=lines).contains(&entry.line), "a line of the file");
        for kind in KINDS {
            let Ok(value) = kind.read(&entry.raw) else { continue };
            let again = kind.read(&Raw::Loose(value.to_string())).expect("its own text is a value");
            assert_eq!(again, value, "{}", entry.key);
        }
    }
}
