//! Recorded logs and damaged ones: what is torn is cut, what is damaged is refused, and nothing else happens.

mod common;

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use changeset::{ChangelogEntry, KvPair, NamedChangeSet, StoreErrorKind, seal_entry};
use memiavl::{Changelog, Log, LogError, LogOptions, SEGMENT_BYTES, Torn};
use proptest::prelude::*;
use prost::Message;
use tempfile::TempDir;

use crate::common::recorded::{self, files};

const FIRST: &str = "00000000000000000001";

fn read(dir: &Path) -> Result<Log, LogError> {
    Log::read(dir, LogOptions::default())
}

#[test]
fn recorded_logs_of_the_reference_read() {
    for (life, versions) in [("longlog", 1..=60), ("small", 1..=12), ("exact", 1..=16), ("iavl-upgrades", 100..=179)] {
        let keep = recorded::unpack(life);
        let log = read(&keep.path().join("changelog")).expect("reads");
        assert_eq!(log.versions(), Some(versions.clone()), "{life}");
        assert_eq!(log.torn(), None);
        for version in versions {
            let opened = log.sealed_entry(version).expect("opens").expect("there");
            assert_eq!((opened.entry.version.cast_unsigned(), opened.app_hash), (version, None));
        }
    }
}

/// The roll from one segment to the next is the library's: the same entries give the same files, byte for byte.
#[test]
fn appending_the_recorded_entries_gives_the_recorded_segments() {
    let unpacked = recorded::unpack("longlog");
    let recorded = unpacked.path().join("changelog");
    let log = read(&recorded).expect("reads");
    let keep = tempfile::tempdir().expect("temporary directory");
    let dir = keep.path().join("changelog");
    let mut copy = Changelog::open_writer(&dir, LogOptions::default()).expect("opens");
    for version in log.versions().expect("entries") {
        copy.append(version, &log.entry(version).expect("reads").expect("there")).expect("appends");
    }
    copy.close().expect("closes");
    let [expected, got] = [&recorded, &dir].map(|dir| files(dir));
    assert_eq!(expected.keys().collect::<Vec<_>>(), got.keys().collect::<Vec<_>>());
    assert!(expected == got, "the segments differ");
    assert_eq!(got.len(), 3);
    assert!(got[Path::new(FIRST)].len() as u64 >= SEGMENT_BYTES);
}

fn changes(version: u64, value_bytes: usize) -> ChangelogEntry {
    let changes = NamedChangeSet::new("evm", vec![KvPair::set(version.to_string(), vec![version as u8; value_bytes])]);
    ChangelogEntry { version: version.cast_signed(), changesets: vec![changes], upgrades: vec![] }
}

fn sealed(version: u64) -> Bytes {
    seal_entry(&changes(version, 30), [7; 32])
}

/// One entry's bytes in a segment.
fn framed(entry: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    prost::encoding::encode_varint(entry.len() as u64, &mut bytes);
    bytes.extend_from_slice(entry);
    bytes
}

/// A log of one segment with the given bytes.
fn log_of(content: &[u8]) -> (TempDir, PathBuf) {
    let keep = tempfile::tempdir().expect("temporary directory");
    let dir = keep.path().join("changelog");
    fs::create_dir(&dir).expect("created");
    fs::write(dir.join(FIRST), content).expect("written");
    (keep, dir)
}

fn torn(log: &Log) -> (u64, u64) {
    let Some(Torn { offset, bytes, .. }) = log.torn() else { panic!("nothing is torn") };
    (*offset, *bytes)
}

#[test]
fn a_torn_end_is_ignored_by_a_reader_and_cut_by_a_writer() {
    let whole = [framed(&sealed(1)), framed(&sealed(2))].concat();
    let last = framed(&sealed(3));
    for length in 1..last.len() {
        let content = [&whole, &last[..length]].concat();
        let (_keep, dir) = log_of(&content);
        let log = read(&dir).expect("reads");
        assert_eq!((log.versions(), torn(&log)), (Some(1..=2), (whole.len() as u64, length as u64)));
        assert_eq!(fs::read(dir.join(FIRST)).expect("reads"), content, "a reader changes nothing");
        let mut log = Changelog::open_writer(&dir, LogOptions::default()).expect("opens");
        assert_eq!(fs::read(dir.join(FIRST)).expect("reads"), whole);
        log.append(3, &sealed(3)).expect("appends");
        drop(log);
        assert_eq!(fs::read(dir.join(FIRST)).expect("reads"), [&whole[..], &last].concat());
    }
}

/// A torn entry can hold what looks like a shorter entry of its own version: the last byte of its length, then its content
/// up to the end of a field. Entries of 384 to 511 bytes at heights of two varint bytes do, for one.
#[test]
fn a_torn_entry_is_not_taken_for_damage_with_an_entry_behind() {
    for version in [1, 90, 127, 128, 300, 16_383, 16_384, 3_000_000] {
        for value_bytes in (0..700).step_by(13) {
            let first = framed(&changes(version, 10).encode_to_vec());
            let second = framed(&changes(version + 1, value_bytes).encode_to_vec());
            for cut in [1, 2, second.len() / 2, second.len() - 3] {
                let content = [&first[..], &second[..second.len() - cut.min(second.len() - 1)]].concat();
                let (_keep, dir) = log_of(&content);
                let log = read(&dir).unwrap_or_else(|error| panic!("{version} {value_bytes} {cut}: {error}"));
                assert_eq!(torn(&log).0, first.len() as u64);
            }
        }
    }
}

#[test]
fn a_tail_of_zeros_is_torn() {
    let whole = [framed(&sealed(1)), framed(&sealed(2))].concat();
    for zeros in [1, 2, 511, 4096, 70_000, 200_000] {
        let (_keep, dir) = log_of(&[&whole[..], &vec![0; zeros]].concat());
        let log = read(&dir).expect("reads");
        assert_eq!((log.versions(), torn(&log)), (Some(1..=2), (whole.len() as u64, zeros as u64)));
    }
    let (_keep, dir) = log_of(&[0; 5000]);
    assert_eq!(read(&dir).expect("reads").versions(), None);
}

#[test]
fn an_entry_whose_end_was_never_written_is_torn() {
    let first = framed(&sealed(1));
    let mut second = framed(&sealed(2));
    let half = second.len() / 2;
    second[half..].fill(0);
    let (_keep, dir) = log_of(&[first.clone(), second].concat());
    assert_eq!(torn(&read(&dir).expect("reads")).0, first.len() as u64);
}

/// The last page of an append that was never acknowledged: found by the crash points of a life, where one began in an app hash.
#[test]
fn an_entry_whose_app_hash_was_not_written_to_its_end_is_torn() {
    let first = framed(&sealed(1));
    let page = 4096;
    let hash_begins_at = |value_bytes| {
        let second = framed(&seal_entry(&changes(2, value_bytes), [7; 32]));
        (first.len() + second.len() - 32, second)
    };
    let (begin, second) = (3000..5000).map(hash_begins_at).find(|(begin, _)| *begin == page - 20).expect("a length");
    let mut content = [first.clone(), second].concat();
    content[page..].fill(0);
    assert_eq!(content.len(), begin + 32);
    let (_keep, dir) = log_of(&content);
    assert_eq!(torn(&read(&dir).expect("reads")).0, first.len() as u64);
}

/// A power cut behind entries that were left to the operating system: found by the crash points of such a life.
#[test]
fn a_hole_in_a_log_that_was_left_to_the_system_is_its_end() {
    let options = || {
        let mut options = LogOptions::default();
        options.may_have_holes = true;
        options
    };
    let entries: Vec<Vec<u8>> = (1..=4).map(|version| framed(&sealed(version))).collect();
    let long = framed(&seal_entry(&changes(3, 9000), [3; 32]));
    let [first, second, third, fourth] = [0, 1, 2, 3].map(|at| entries[at].as_slice());
    let check = |content: &[u8], is_torn: bool| {
        let (_keep, dir) = log_of(content);
        read(&dir).expect_err("where every append was synced it is damage");
        match Log::read(&dir, options()) {
            Ok(log) => assert!(is_torn && log.versions() == Some(1..=2), "{:?}", log.versions()),
            Err(error) => assert!(!is_torn, "{error}"),
        }
    };
    check(&[first, second, &vec![0; third.len()], fourth].concat(), true);
    let whole = [first, second, &long, fourth].concat();
    let mut paged = whole.clone();
    paged[4096..8192].fill(0);
    check(&paged, true);
    let mut rotten = whole.clone();
    rotten[5000] ^= 1;
    check(&rotten, false);
    let mut rotten = whole;
    rotten[4100..4200].fill(0);
    check(&rotten, false);
}

#[test]
fn something_valid_behind_damage_is_corruption() {
    let entries: Vec<Vec<u8>> = (1..=4).map(|version| framed(&sealed(version))).collect();
    let offset = (entries[0].len() + entries[1].len()) as u64;
    let check = |content: Vec<u8>, is_right: &dyn Fn(&LogError) -> bool| {
        let (_keep, dir) = log_of(&content);
        let error = read(&dir).expect_err("corruption");
        assert!(is_right(&error), "{error:?}");
        assert_eq!(error.kind(), StoreErrorKind::Corruption);
        let error = Changelog::open_writer(&dir, LogOptions::default()).expect_err("corruption");
        assert!(is_right(&error), "{error:?}");
        assert_eq!(fs::read(dir.join(FIRST)).expect("reads"), content, "nothing was changed");
        // What is not known to be on disk is no evidence.
        for synced in [0, 1, 2] {
            let log = Log::read(&dir, LogOptions::synced(synced)).expect("torn");
            assert_eq!(torn(&log).0, offset);
        }
        Log::read(&dir, LogOptions::synced(3)).expect_err("corruption");
        let mut log = Changelog::open_writer(&dir, LogOptions::synced(2)).expect("cut");
        log.append(3, &sealed(3)).expect("appends");
    };
    let mut third = entries[2].clone();
    third[20] ^= 1;
    let damaged = [&entries[0][..], &entries[1], &third, &entries[3]].concat();
    check(
        damaged,
        &|error| matches!(error, LogError::Entry { path, offset: at, .. } if path.ends_with(FIRST) && *at == offset),
    );
    let zeros = [&entries[0][..], &entries[1], &[0; 300], &entries[2]].concat();
    check(zeros, &|error| matches!(error, LogError::EntryLength { offset: at, got: 0, .. } if *at == offset));
    let mut length = entries[2].clone();
    length[0] = 0xff;
    let damaged = [&entries[0][..], &entries[1], &length, &entries[3]].concat();
    check(damaged, &|error| matches!(error, LogError::EntryLength { offset: at, .. } if *at == offset));
    let gap = [&entries[0][..], &entries[1], &entries[3]].concat();
    check(
        gap,
        &|error| matches!(error, LogError::EntryVersion { offset: at, expected: 3, got: 4, .. } if *at == offset),
    );
}

#[test]
fn each_flipped_byte_of_a_sealed_log_is_noticed_or_changes_nothing() {
    let entries: Vec<Bytes> = (1..=3).map(sealed).collect();
    let content: Vec<u8> = entries.iter().flat_map(|entry| framed(entry)).collect();
    let (_keep, dir) = log_of(&content);
    let file = fs::File::options().write(true).open(dir.join(FIRST)).expect("opens");
    for at in 0..content.len() {
        // The app hash in a seal is checked by who knows the roots; without its tag a seal is none.
        let place = at % (content.len() / 3);
        let in_app_hash = place >= content.len() / 3 - 32;
        let in_seal_tag = (place + 38).checked_sub(content.len() / 3).is_some_and(|place| place < 2);
        for flip in [1, 0x08, 0x10, 0x80] {
            file.write_all_at(&[content[at] ^ flip], at as u64).expect("written");
            match read(&dir) {
                Err(error) => assert_eq!(error.kind(), StoreErrorKind::Corruption, "byte {at} flip {flip:#x}"),
                Ok(log) if log.torn().is_some() => {
                    assert_eq!(log.versions(), Some(1..=2), "byte {at}: only the last entry can be torn");
                }
                Ok(log) => {
                    assert!(in_app_hash || in_seal_tag, "byte {at} flip {flip:#x} was not noticed");
                    for version in 1..=3 {
                        let got = log.sealed_entry(version).expect("opens").expect("there").entry;
                        assert_eq!(got, changes(version, 30), "byte {at} flip {flip:#x}");
                    }
                }
            }
        }
        file.write_all_at(&content[at..=at], at as u64).expect("written");
    }
}

fn rename(dir: &Path, from: &str, to: &str) {
    fs::rename(dir.join(from), dir.join(to)).expect("renamed");
}

#[test]
fn a_missing_segment_is_a_gap() {
    let keep = recorded::unpack("longlog");
    let dir = keep.path().join("changelog");
    fs::remove_file(dir.join("00000000000000000025")).expect("removed");
    let error = read(&dir).expect_err("a gap");
    assert!(
        matches!(&error, LogError::SegmentIndex { path, expected: 25, got: 51 } if path.ends_with("00000000000000000051")),
        "{error:?}"
    );
    // Known to be on disk up to version 24 only: the rest was never promised.
    assert_eq!(Log::read(&dir, LogOptions::synced(24)).expect("reads").versions(), Some(1..=24));
    let mut log = Changelog::open_writer(&dir, LogOptions::synced(24)).expect("cut");
    assert!(!dir.join("00000000000000000051").exists());
    log.append(25, &sealed(25)).expect("appends");
}

#[test]
fn a_segment_under_another_index_is_a_gap_and_indices_need_not_begin_at_one() {
    let keep = recorded::unpack("longlog");
    let dir = keep.path().join("changelog");
    fs::remove_file(dir.join(FIRST)).expect("removed");
    assert_eq!(read(&dir).expect("reads").versions(), Some(25..=60));
    rename(&dir, "00000000000000000051", "00000000000000000052");
    let error = read(&dir).expect_err("a gap");
    assert!(matches!(error, LogError::SegmentIndex { expected: 51, got: 52, .. }), "{error:?}");
}

#[test]
fn damage_in_a_segment_that_is_not_the_last_is_corruption_even_at_its_end() {
    let keep = recorded::unpack("longlog");
    let dir = keep.path().join("changelog");
    let path = dir.join(FIRST);
    let file = fs::File::options().write(true).open(&path).expect("opens");
    file.set_len(fs::metadata(&path).expect("there").len() - 1).expect("cut");
    let error = read(&dir).expect_err("corruption");
    assert!(matches!(&error, LogError::EntryLength { path: at, .. } if *at == path), "{error:?}");
    let log = Log::read(&dir, LogOptions::synced(23)).expect("torn");
    assert_eq!((log.versions(), log.torn().map(|torn| torn.later.len())), (Some(1..=23), Some(2)));
    let mut log = Changelog::open_writer(&dir, LogOptions::synced(23)).expect("cut");
    log.append(24, &sealed(24)).expect("appends");
    assert_eq!(dir.read_dir().expect("lists").count(), 1, "later segments are gone");
}

#[test]
fn an_entry_damaged_after_the_log_was_opened_is_refused_when_it_is_read() {
    let content = [framed(&sealed(1)), framed(&sealed(2))].concat();
    let (_keep, dir) = log_of(&content);
    let log = read(&dir).expect("reads");
    let file = fs::File::options().write(true).open(dir.join(FIRST)).expect("opens");
    file.write_all_at(&[0xff], 10).expect("written");
    let error = log.sealed_entry(1).expect_err("damaged");
    assert!(matches!(error, LogError::Entry { offset: 0, .. }), "{error:?}");
    file.write_all_at(&[0x01], 0).expect("written");
    let error = log.entry(1).expect_err("damaged");
    assert!(matches!(error, LogError::EntryLength { offset: 0, got: 1, .. }), "{error:?}");
    file.set_len(30).expect("cut");
    let error = log.entry(2).expect_err("gone");
    assert!(matches!(&error, LogError::Io { path, .. } if path.ends_with(FIRST)), "{error:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_never_do_more_than_fail(
        content in proptest::collection::vec(prop_oneof![any::<u8>(), 0u8..12], 0..400),
        synced in proptest::option::of(0u64..20),
    ) {
        let (_keep, dir) = log_of(&content);
        let options = synced.map_or(LogOptions::default(), LogOptions::synced);
        if let Ok(log) = Log::read(&dir, options) {
            for version in log.versions().into_iter().flatten() {
                prop_assert!(log.entry(version).expect("scanned").is_some());
            }
        }
    }

    /// Whatever is cut off a log and whatever is written over its end, the entries before it are all there, and no other.
    /// (An entry's last bytes are the seal's app hash, which is checked by who knows the roots.)
    #[test]
    fn a_log_torn_anywhere_keeps_what_is_before(
        entries in 1u64..8,
        cut in any::<proptest::sample::Index>(),
        rubbish in proptest::collection::vec(any::<u8>(), 0..60),
    ) {
        let framed: Vec<Vec<u8>> = (1..=entries).map(|version| framed(&sealed(version))).collect();
        let whole = framed.concat();
        let cut = cut.index(whole.len());
        let (_keep, dir) = log_of(&[&whole[..cut], &rubbish].concat());
        let mut end = 0;
        let kept = framed.iter().take_while(|entry| { end += entry.len(); end <= cut }).count() as u64;
        let log = read(&dir).expect("torn at most");
        let app_hash_cut = framed[kept as usize].len() + framed[..kept as usize].concat().len() - cut <= 32;
        let last = log.last_version().unwrap_or(0);
        prop_assert!(last == kept || (app_hash_cut && last == kept + 1), "{} of {}", last, kept);
    }
}
