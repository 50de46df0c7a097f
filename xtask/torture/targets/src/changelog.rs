//! A changelog segment with any bytes: what a reader sees is what a writer keeps, and what it cuts stays cut.

use std::fs;
use std::path::Path;

use memiavl::{Changelog, Log, LogError, LogOptions};

/// The first byte says up to which version the log is known to be on disk (0: not known); the rest is a segment.
pub(crate) fn segment(bytes: &[u8]) {
    let Some((synced, segment)) = bytes.split_first() else { return };
    let options = || match synced {
        0 => LogOptions::default(),
        synced => LogOptions::synced(u64::from(*synced)),
    };
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("00000000000000000001");
    fs::write(&path, segment).expect("writes");

    let seen = Log::read(dir.path(), options()).and_then(|log| entries(&log));
    assert_eq!(fs::read(&path).expect("reads"), segment, "a reader changed the log");
    let Ok(writer) = Changelog::open_writer(dir.path(), options()) else {
        return;
    };
    let kept = entries(&writer);
    if let (Ok(seen), Ok(kept)) = (&seen, &kept) {
        assert_eq!(seen, kept, "the writer keeps what the reader saw");
    }
    drop(writer);
    let again = Changelog::open_writer(dir.path(), options()).expect("a mended log opens");
    assert!(again.torn().is_none(), "a mended log is whole");
    if let Ok(kept) = kept {
        assert_eq!(entries(&again).expect("as before"), kept, "a mended log holds what it held");
        go_on(again, dir.path());
    }
}

/// A mended log takes the next entry.
fn go_on(mut log: Changelog, dir: &Path) {
    let Some(next) = log.last_version().map_or(Some(1), |last| last.checked_add(1)) else { return };
    let entry = changeset::ChangelogEntry {
        version: i64::try_from(next).unwrap_or(i64::MAX),
        changesets: Vec::new(),
        upgrades: Vec::new(),
    };
    let sealed = changeset::seal_entry(&entry, [1; 32]);
    if log.append(next, &sealed).is_ok() {
        log.sync().expect("syncs");
        drop(log);
        let log = Log::read(dir, LogOptions::default()).expect("reads");
        assert_eq!(log.entry(next).expect("reads"), Some(sealed), "an appended entry is there");
    }
}

/// All entries' bytes.
fn entries(log: &Log) -> Result<Vec<(u64, bytes::Bytes)>, LogError> {
    let mut entries = Vec::new();
    for version in log.versions().into_iter().flatten() {
        if let Some(entry) = log.entry(version)? {
            entries.push((version, entry));
        }
    }
    Ok(entries)
}
