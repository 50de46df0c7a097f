//! The rows that the reference implementation was left with at the end of recorded lives, and what it read from them.

use std::collections::BTreeMap;
use std::io::Read as _;

use crate::common::{open, record, rows, scan};
use bytes::Bytes;
use changeset::{History, KvPair, NamedChangeSet, NewStore, Read, ScanOrder, ScanRange};
use flate2::read::GzDecoder;
use flatkv::{AccountRow, CodeRow, Lane, MiscRow, StorageRow, check_row, split};
use lthash::LtHash;
use serde::Deserialize;

#[derive(Deserialize)]
struct LastBlock {
    flatkv_root: String,
    reads: Vec<RecordedRead>,
    #[serde(default)]
    scans: Vec<RecordedScan>,
}

#[derive(Deserialize)]
struct RecordedRead {
    store: String,
    k: String,
    v: Option<String>,
}

#[derive(Deserialize)]
struct RecordedScan {
    store: String,
    start: String,
    end: String,
    ascending: bool,
    count: usize,
    sha256: String,
}

type Rows = Vec<(Bytes, Bytes)>;

fn bytes(text: &str) -> Bytes {
    hex::decode(text).expect("the fixture is hex").into()
}

fn recorded_rows(gzipped: &[u8]) -> Rows {
    let mut text = String::new();
    GzDecoder::new(gzipped).read_to_string(&mut text).expect("the fixture is gzipped text");
    let rows = text.lines().map(|line| line.split_once('\t').expect("a key and a row"));
    rows.map(|(key, row)| (bytes(key), bytes(row))).collect()
}

fn lives() -> [(&'static str, Rows, LastBlock); 2] {
    let block = |json| serde_json::from_str(json).expect("the fixture has a block's shape");
    [
        (
            "exact",
            recorded_rows(include_bytes!("../fixtures/exact-final-rows.tsv.gz")),
            block(include_str!("../fixtures/exact-last-block.json")),
        ),
        (
            "small",
            recorded_rows(include_bytes!("../fixtures/small-final-rows.tsv.gz")),
            block(include_str!("../fixtures/small-last-block.json")),
        ),
    ]
}

/// The lane that takes a physical key.
fn lane_of(key: &[u8]) -> Lane {
    let lanes: Vec<Lane> = Lane::ALL.into_iter().filter(|lane| split(*lane, key).is_ok()).collect();
    assert_eq!(lanes.len(), 1, "one lane takes {}", hex::encode(key));
    lanes[0]
}

fn encoded_again(lane: Lane, row: &[u8]) -> Vec<u8> {
    match lane {
        Lane::Account => AccountRow::decode(row).expect("an account").encode(),
        Lane::Code => CodeRow::decode(row).expect("code").encode(),
        Lane::Storage => StorageRow::decode(row).expect("a slot").encode(),
        Lane::Misc => MiscRow::decode(row).expect("a misc row").encode(),
    }
}

/// The changes that make a row.
fn changes_of(key: &[u8], row: &[u8]) -> Vec<(String, KvPair)> {
    let lane = lane_of(key);
    let (module, key) = split(lane, key).expect("a physical key");
    let pair = |key: &[u8], value: &[u8]| (module.to_owned(), KvPair::set(key.to_vec(), value.to_vec()));
    match lane {
        Lane::Code => vec![pair(key, CodeRow::decode(row).expect("code").code)],
        Lane::Storage => vec![pair(key, &StorageRow::decode(row).expect("a slot").value)],
        Lane::Misc => vec![pair(key, MiscRow::decode(row).expect("a misc row").value)],
        Lane::Account => {
            let account = AccountRow::decode(row).expect("an account");
            let hash_key = [&[0x08], &key[1..]].concat();
            vec![pair(key, &account.nonce.to_be_bytes()), pair(&hash_key, &account.code_hash)]
        }
    }
}

#[test]
fn recorded_rows_decode_and_encode_to_the_same_bytes() {
    for (life, rows, _) in lives() {
        assert!(!rows.is_empty());
        for (key, row) in rows {
            assert_eq!(encoded_again(lane_of(&key), &row), row, "life={life} key={}", hex::encode(&key));
        }
    }
}

#[test]
fn recorded_rows_add_up_to_the_recorded_root() {
    for (life, rows, block) in lives() {
        let mut state = LtHash::new();
        for (key, row) in &rows {
            state.add(key, row);
        }
        assert_eq!(hex::encode(state.root()), block.flatkv_root, "life={life}");
    }
}

/// Rows carry the height of the block that wrote them, so a store that is given each row's changes in that block ends with
/// the recorded rows, root, reads and scans.
#[test]
fn writing_the_recorded_rows_at_their_heights_leads_to_the_recorded_store() {
    for (life, recorded, block) in lives() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut store = open(&dir.path().join("flatkv"));
        let mut by_height: BTreeMap<u64, Vec<(String, KvPair)>> = BTreeMap::new();
        for (key, row) in &recorded {
            let height = check_row(lane_of(key), row).expect("a row");
            by_height.entry(height).or_default().extend(changes_of(key, row));
        }
        let (first, last) = (*by_height.keys().next().expect("rows"), *by_height.keys().last().expect("rows"));
        store.seed(first).expect("seeds");
        for height in first..=last {
            let changes = by_height.remove(&height).unwrap_or_default();
            let changes: Vec<_> =
                changes.into_iter().map(|(name, pair)| NamedChangeSet::new(name, vec![pair])).collect();
            changeset::Write::apply(&mut store, &changes).expect("applies");
            let record = record(&store);
            store.commit(&record).expect("commits");
        }
        assert_eq!(rows(&store), recorded, "life={life}");
        assert_eq!(hex::encode(store.committed_root()), block.flatkv_root, "life={life}");
        let view = store.view().expect("a view");
        check_reads(&view, &block);
        check_scans(&view, &block);
    }
}

fn check_reads(view: &flatkv::View, block: &LastBlock) {
    assert!(!block.reads.is_empty());
    for read in &block.reads {
        let found = view.get(&read.store, &bytes(&read.k)).expect("reads");
        assert_eq!(found.map(hex::encode), read.v, "store={} key={}", read.store, read.k);
    }
}

fn check_scans(view: &flatkv::View, block: &LastBlock) {
    for recorded in &block.scans {
        let bound = |text: &str| Some(bytes(text)).filter(|key| !key.is_empty());
        let range = ScanRange { start: bound(&recorded.start), end: bound(&recorded.end) };
        let order = if recorded.ascending { ScanOrder::Ascending } else { ScanOrder::Descending };
        let pairs = scan(view, &recorded.store, &range, order);
        assert_eq!(pairs.len(), recorded.count, "store={} {range:?} {order:?}", recorded.store);
        assert_eq!(digest(&pairs), recorded.sha256, "store={} {range:?} {order:?}", recorded.store);
    }
}

/// SHA-256 over the pairs, each key and value with its length in front.
fn digest(pairs: &[(Bytes, Bytes)]) -> String {
    let mut message = Vec::new();
    for bytes in pairs.iter().flat_map(|(key, value)| [key, value]) {
        prost::encoding::encode_varint(bytes.len() as u64, &mut message);
        message.extend_from_slice(bytes);
    }
    hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&message))
}
