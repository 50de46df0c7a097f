//! Recorded lives of reference nodes: reading them, running their blocks on a node, comparing what was recorded.

use std::io::Read;
use std::path::Path;

use bytes::Bytes;
use ferry::{
    BatchLimit, DEFAULT_MODULES, KvPair, Mode, ModeSetting, NamedChangeSet, Node, Options, ScanOrder, ScanRange, View,
};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// A packed text of the fixtures.
pub(crate) fn unpack(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(path);
    let packed = std::fs::read(&path).expect("a fixture");
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed.as_slice()).read_to_string(&mut text).expect("the fixture unpacks");
    text
}

/// A life's blocks.
pub(crate) fn blocks(life: &str) -> Vec<Value> {
    let text = unpack(&format!("{life}/blocks.jsonl.gz"));
    text.lines().map(|line| serde_json::from_str(line).expect("a block")).collect()
}

/// A JSON text.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn bytes(value: &Value) -> Bytes {
    hex::decode(text(value)).expect("hex").into()
}

/// A JSON list; empty if there is none.
pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn flush(recorded: &Value) -> Vec<NamedChangeSet> {
    let pair = |pair: &Value| match pair.get("delete") {
        Some(_) => KvPair::delete(bytes(&pair["k"])),
        None => KvPair::set(bytes(&pair["k"]), bytes(&pair["v"])),
    };
    let set = |set: &Value| NamedChangeSet::new(text(&set["store"]), list(&set["pairs"]).iter().map(pair).collect());
    list(recorded).iter().map(set).collect()
}

/// Options of a node that begins with a life's first block.
pub(crate) fn options(first: &Value, batch: u64) -> Options {
    Options {
        create: true,
        mode: ModeSetting::Auto,
        batch: BatchLimit::keys(batch),
        modules: DEFAULT_MODULES.map(str::to_owned).to_vec(),
        initial_stores: list(&first["commit_info"]).iter().map(|store| text(&store["name"]).to_owned()).collect(),
        block_cache_bytes: 8 << 20,
        row_cache_bytes: 8 << 20,
        memtable_bytes: 8 << 20,
        ..Options::default()
    }
}

/// Runs one recorded block on a node.
pub(crate) fn take(node: &mut Node, block: &Value) {
    let height = block["height"].as_u64().expect("a height");
    assert_eq!(node.next_height(), height);
    node.set_batch_size(block["batch_size"].as_u64().expect("a batch size")).expect("between blocks");
    let mode: Mode = text(&block["write_mode"]).parse().expect("a mode");
    node.set_mode(mode).unwrap_or_else(|error| panic!("height {height}: step to {mode}: {error}"));
    let mut working = None;
    for recorded in list(&block["flushes"]) {
        node.apply(flush(recorded)).expect("a flush");
        working = Some(node.working_commit_info().expect("roots"));
    }
    let committed = node.commit().expect("a commit");
    assert!(
        working.is_none_or(|working| working == committed.commit_info),
        "height {height}: the working hash differs"
    );
}

/// Compares a view with what was recorded of its block.
pub(crate) fn check(view: &View, block: &Value) {
    let height = view.height();
    let info: Vec<_> =
        view.commit_info().store_infos.iter().map(|s| (s.name.clone(), hex::encode(&s.commit_id.hash))).collect();
    let expected: Vec<_> = list(&block["commit_info"])
        .iter()
        .map(|s| (text(&s["name"]).to_owned(), text(&s["hash"]).to_owned()))
        .collect();
    assert_eq!(info, expected, "height {height}: commit info");
    assert_eq!(hex::encode(view.app_hash()), text(&block["app_hash"]), "height {height}: app hash");
    let recorded = |name: &str| block.get(name).map(bytes);
    assert_eq!(view.root().map(|root| Bytes::copy_from_slice(&root)), recorded("flatkv_root"), "height {height}: root");
    assert_eq!(view.boundary_record().expect("a record"), recorded("boundary"), "height {height}: boundary");
    assert_eq!(view.version_record().expect("a record"), recorded("migration_version"), "height {height}: version");
    for read in list(&block["reads"]) {
        let got = view.get(text(&read["store"]), &bytes(&read["k"])).expect("a read");
        let expected = (!read["v"].is_null()).then(|| bytes(&read["v"]));
        assert_eq!(got, expected, "height {height}: {read}");
    }
    for scan in list(&block["scans"]) {
        check_scan(view, scan);
    }
}

fn check_scan(view: &View, scan: &Value) {
    let bound = |name: &str| Some(bytes(&scan[name])).filter(|bound| !bound.is_empty());
    let ascending = scan["ascending"].as_bool().expect("a bool");
    let order = if ascending { ScanOrder::Ascending } else { ScanOrder::Descending };
    let range = ScanRange { start: bound("start"), end: bound("end") };
    let (mut digest, mut count) = (Sha256::new(), 0);
    for pair in view.scan(text(&scan["store"]), &range, order).expect("a scan") {
        let (key, value) = pair.expect("a pair");
        for part in [key, value] {
            let mut prefix = Vec::new();
            prost::encoding::encode_varint(part.len() as u64, &mut prefix);
            digest.update(&prefix);
            digest.update(&part);
        }
        count += 1;
    }
    assert_eq!(count, scan["count"].as_u64().expect("a count"), "height {}: {scan}", view.height());
    assert_eq!(hex::encode(digest.finalize()), text(&scan["sha256"]), "height {}: {scan}", view.height());
}
