//! Recordings, sound and unsound.

use std::io::{Cursor, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::*;

const APP_HASH: &str = "aa00000000000000000000000000000000000000000000000000000000000000";

fn life(height: u64) -> String {
    format!(
        r#"{{"height":{height},"write_mode":"migrate_evm","batch_size":7,"flushes":[[{{"store":"evm","pairs":[{{"k":"0a","v":""}},{{"k":"0b","delete":true}}]}}],[]],"commit_info":[{{"name":"evm","hash":"{APP_HASH}"}}],"app_hash":"{APP_HASH}","boundary":"02","reads":[{{"store":"evm","k":"0b","v":null}}],"scans":[{{"store":"evm","start":"","end":"0c","ascending":false,"count":1,"sha256":"{APP_HASH}"}}]}}"#
    )
}

fn memiavl_alone(height: u64) -> String {
    format!(
        r#"{{"height":{height},"changesets":[],"upgrades":[{{"name":"b","rename_from":"a"}}],"commit_info":[{{"name":"b","hash":"{APP_HASH}","version":9}}],"app_hash":"{APP_HASH}"}}"#
    )
}

fn reader(bytes: impl Into<Vec<u8>>) -> BlockReader {
    BlockReader::from_source(Path::new("recording"), Cursor::new(bytes.into())).expect("a Cursor reads")
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).expect("a Vec takes bytes");
    encoder.finish().expect("a Vec takes bytes")
}

/// Reads to the end: how many blocks came, and the error that ended it.
fn drain(mut reader: BlockReader) -> (u64, Option<BlocksError>) {
    let mut blocks = 0;
    let error = loop {
        match reader.next() {
            Some(Ok(_)) => blocks += 1,
            Some(Err(error)) => break Some(error),
            None => break None,
        }
    };
    assert!(reader.next().is_none(), "nothing follows the end or an error");
    (blocks, error)
}

#[test]
fn plain_and_gzipped_recordings_read_alike() {
    let text = [life(5), life(6)].join("\n") + "\n";
    let plain: Vec<_> = reader(text.clone()).map(|block| block.expect("reads")).collect();
    let packed: Vec<_> = reader(gzip(&text)).map(|block| block.expect("reads")).collect();
    assert_eq!(plain, packed);
    let block = &plain[0];
    assert_eq!(block.chain, Chain::Life { mode: ferry::Mode::MigrateEvm, batch_size: 7 });
    assert_eq!(block.flushes.len(), 2, "an empty flush is a flush");
    assert!(block.flushes[0][0].pairs()[1].delete);
    assert!(!block.flushes[0][0].pairs()[0].delete, "an empty value is a value");
    assert_eq!(block.expected.boundary.as_deref(), Some(&[2][..]));
    assert_eq!(block.expected.version, None);
    assert_eq!(block.expected.reads[0].value, None);
    assert_eq!(block.expected.scans[0].range.start, None, "an empty bound is open");
}

#[test]
fn a_recording_of_memiavl_alone_has_upgrades_and_versions() {
    let block = reader(memiavl_alone(100)).next().expect("a block").expect("reads");
    assert_eq!(block.chain, Chain::Memiavl);
    assert_eq!(block.upgrades[0].rename_from, "a");
    assert_eq!(block.expected.stores[0].version, Some(9));
}

#[test]
fn a_last_line_without_its_end_and_blank_lines_are_fine() {
    assert!(matches!(drain(reader(format!("\n{}\n\n{}", life(1), life(2)))), (2, None)));
}

#[test]
fn gzip_members_one_after_the_other_are_one_recording() {
    let bytes = [gzip(&(life(1) + "\n")), gzip(&(life(2) + "\n"))].concat();
    assert!(matches!(drain(reader(bytes)), (2, None)));
}

#[test]
fn a_recording_without_a_block_is_an_error() {
    for bytes in [vec![], b"\n \n".to_vec(), gzip("")] {
        assert!(matches!(drain(reader(bytes)), (0, Some(BlocksError::Empty { .. }))));
    }
}

#[test]
fn half_a_line_at_the_end_is_a_cut_and_says_what_is_whole() {
    let text = format!("{}\n{}", life(1), &life(2)[..100]);
    let (blocks, error) = drain(reader(text));
    let error = error.expect("an error");
    assert_eq!(blocks, 1);
    assert!(matches!(error, BlocksError::Cut { line: 2, whole: 1, .. }), "{error}");
    assert!(error.to_string().contains("--until=1"), "{error}");
}

#[test]
fn half_a_line_in_the_middle_is_no_cut() {
    let text = format!("{}\n{}\n{}\n", life(1), &life(2)[..100], life(3));
    assert!(matches!(drain(reader(text)), (1, Some(BlocksError::Json { line: 2, .. }))));
}

#[test]
fn every_prefix_of_a_gzip_stream_is_a_cut() {
    let bytes = gzip(&(life(1) + "\n" + &life(2) + "\n"));
    for length in 2..bytes.len() {
        let (_, error) = drain(reader(&bytes[..length]));
        assert!(matches!(error, Some(BlocksError::Cut { .. })), "length={length} {error:?}");
    }
}

#[test]
fn garbage_behind_a_gzip_stream_is_an_error() {
    let bytes = [gzip(&(life(1) + "\n")), vec![7; 40]].concat();
    assert!(matches!(drain(reader(bytes)), (1, Some(BlocksError::Gzip { .. }))));
}

#[test]
fn a_line_beyond_the_limit_is_refused() {
    let limited = reader(life(1) + "\n" + &life(2)).with_line_bytes_max(life(1).len());
    assert!(matches!(drain(limited), (2, None)), "the limit itself is allowed");
    let limited = reader(life(9) + "\n" + &life(10)).with_line_bytes_max(life(9).len());
    assert!(matches!(drain(limited), (1, Some(BlocksError::LineTooLong { line: 2, .. }))));
}

#[test]
fn heights_follow_each_other() {
    for second in [1, 3] {
        let (blocks, error) = drain(reader(life(1) + "\n" + &life(second)));
        assert_eq!(blocks, 1);
        assert!(matches!(error, Some(BlocksError::Height { line: 2, expected: 2, .. })), "{error:?}");
    }
}

#[test]
fn a_line_of_another_kind_is_refused() {
    assert!(matches!(drain(reader(life(1) + "\n" + &memiavl_alone(2))), (1, Some(BlocksError::Kind { line: 2, .. }))));
    let neither = format!(r#"{{"height":1,"commit_info":[],"app_hash":"{APP_HASH}"}}"#);
    assert!(matches!(drain(reader(neither)), (0, Some(BlocksError::Kind { line: 1, .. }))));
}

#[test]
fn malformed_fields_are_refused_with_their_line() {
    let check = |from: &str, to: &str| {
        let text = life(1) + "\n" + &life(2).replacen(from, to, 1);
        let (blocks, error) = drain(reader(text));
        let error = error.unwrap_or_else(|| panic!("{from} -> {to} was taken"));
        assert_eq!(blocks, 1, "{from} -> {to}");
        assert!(error.to_string().contains("line=2"), "{error}");
        assert_eq!(error.exit(), crate::exit::Exit::Other);
    };
    check(r#""k":"0a""#, r#""k":"0""#);
    check(r#""k":"0a""#, r#""k":"zz""#);
    check(r#""k":"0a""#, r#""k":7"#);
    check(r#","v":"""#, "");
    check(r#","v":"""#, r#","v":"","delete":true"#);
    check(r#""migrate_evm""#, r#""migrate_all""#);
    check(r#""height":2"#, r#""height":-2"#);
    check(r#""height":2"#, r#""heights":2"#);
    check(&format!(r#""app_hash":"{APP_HASH}""#), r#""app_hash":"aa""#);
    check(r#""count":1"#, r#""count":"1""#);
    check("{", "[");
    check(r#""flushes""#, r#""flashes""#);
}

#[test]
fn a_failing_device_is_no_end_of_the_data() {
    struct Failing(Option<Vec<u8>>);
    impl std::io::Read for Failing {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let bytes = self.0.take().ok_or_else(|| std::io::Error::other("device gone"))?;
            buffer[..bytes.len()].copy_from_slice(&bytes);
            Ok(bytes.len())
        }
    }
    let source = Failing(Some((life(1) + "\n").into_bytes()));
    let (blocks, error) =
        drain(BlockReader::from_source(Path::new("recording"), source).expect("the first read is fine"));
    assert_eq!(blocks, 1);
    assert_eq!(error.expect("an error").exit(), crate::exit::Exit::Io);
}

proptest! {
    #[test]
    fn no_garbage_makes_the_reader_panic_or_run_on(bytes in prop::collection::vec(any::<u8>(), 0..400), packed: bool) {
        let bytes = if packed { gzip(&String::from_utf8_lossy(&bytes)) } else { bytes };
        let (blocks, error) = drain(reader(bytes));
        prop_assert!(blocks == 0 && error.is_some());
    }

    #[test]
    fn a_damaged_byte_never_yields_a_different_number_of_blocks_silently(at in 0_usize..10_000, byte: u8) {
        let text = [life(1), life(2), life(3)].join("\n") + "\n";
        let mut bytes = gzip(&text);
        let at = at % bytes.len();
        prop_assume!(bytes[at] != byte);
        bytes[at] = byte;
        let (blocks, error) = drain(reader(bytes));
        // The header's time stamp and flags of no meaning may change; the data may not.
        prop_assert!(error.is_some() || blocks == 3);
    }
}
