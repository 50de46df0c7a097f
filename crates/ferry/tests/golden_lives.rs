//! Recorded lives of reference nodes, replayed from nothing: the node is closed and reopened between any two blocks, and
//! in another run a snapshot is taken at every height. Neither changes a hash, a record, a read, a scan or a row.

use std::io::Read;
use std::path::Path;

use bytes::Bytes;
use ferry::{
    BatchLimit, DEFAULT_MODULES, KvPair, Mode, ModeSetting, NamedChangeSet, Node, Options, ScanOrder, ScanRange, View,
};
use serde_json::Value;
use sha2::{Digest, Sha256};

fn unpack(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(path);
    let packed = std::fs::read(&path).expect("a fixture");
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed.as_slice()).read_to_string(&mut text).expect("the fixture unpacks");
    text
}

fn blocks(life: &str) -> Vec<Value> {
    let text = unpack(&format!("{life}/blocks.jsonl.gz"));
    text.lines().map(|line| serde_json::from_str(line).expect("a block")).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn bytes(value: &Value) -> Bytes {
    hex::decode(text(value)).expect("hex").into()
}

fn list(value: &Value) -> &[Value] {
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

fn options(first: &Value, batch: u64) -> Options {
    Options {
        create: true,
        mode: ModeSetting::Auto,
        batch: BatchLimit::keys(batch),
        modules: DEFAULT_MODULES.map(str::to_owned).to_vec(),
        initial_stores: list(&first["commit_info"]).iter().map(|store| text(&store["name"]).to_owned()).collect(),
        block_cache_bytes: 8 << 20,
        memtable_bytes: 8 << 20,
        ..Options::default()
    }
}

/// What happens to the node between two blocks.
#[derive(Clone, Copy, PartialEq)]
enum Between {
    Reopening,
    Snapshots,
}

fn run(life: &str, between: Between) {
    let home = tempfile::tempdir().expect("a directory");
    let blocks = blocks(life);
    let mut node = Node::open(home.path(), options(&blocks[0], 0)).expect("a fresh node");
    for block in &blocks {
        if between == Between::Reopening {
            node.close().expect("a clean close");
            node = Node::open(home.path(), options(&blocks[0], 0)).expect("a reopening");
        } else if node.height() > 0 && !node.memiavl().is_none_or(|_| node.mode() == Mode::FlatkvOnly) {
            let written = node.snapshot_now().map(|dir| dir.exists());
            // The last migration may be complete while the mode still leads there: memiavl rests from then on.
            let rests = node.view().expect("a view").commit_info().store_infos.len() == 1;
            assert!(written.as_ref().map_or(rests, |written| *written), "{written:?}");
        }
        take(&mut node, block);
        check(&node.view().expect("a view"), block);
    }
    let view = node.view().expect("a view");
    let rows = view.new_store().expect("FlatKV").rows();
    let rows = rows.map(|row| row.map(|row| format!("{}\t{}\n", hex::encode(row.key), hex::encode(row.row))));
    let rows: String = rows.collect::<Result<_, _>>().expect("rows");
    assert_eq!(rows, unpack(&format!("{life}/final_rows.tsv.gz")), "final rows");
}

fn take(node: &mut Node, block: &Value) {
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

fn check(view: &View, block: &Value) {
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

#[test]
fn small_reopened_between_any_two_blocks() {
    run("small", Between::Reopening);
}

#[test]
fn exact_reopened_between_any_two_blocks() {
    run("exact", Between::Reopening);
}

#[test]
fn small_with_a_snapshot_at_every_height() {
    run("small", Between::Snapshots);
}

#[test]
fn exact_with_a_snapshot_at_every_height() {
    run("exact", Between::Snapshots);
}

/// The hash of each file of a snapshot, as `sha256sum` lists them.
fn listing(dir: &Path) -> String {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).expect("a snapshot") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(std::fs::read_dir(&path).expect("a tree").map(|file| file.expect("a file").path()));
        } else {
            files.push(path);
        }
    }
    let name = |path: &Path| path.strip_prefix(dir).expect("below the snapshot").display().to_string();
    files.sort_by_key(|path| name(path));
    let line = |path: &std::path::PathBuf| {
        format!("{}  {}\n", hex::encode(Sha256::digest(std::fs::read(path).expect("a file"))), name(path))
    };
    files.iter().map(line).collect()
}

#[test]
fn snapshots_are_byte_equal_to_the_references() {
    for (life, height) in [("small", 8), ("exact", 11)] {
        let home = tempfile::tempdir().expect("a directory");
        let blocks = blocks(life);
        let mut node = Node::open(home.path(), options(&blocks[0], 0)).expect("a fresh node");
        blocks[..height].iter().for_each(|block| take(&mut node, block));
        let written = listing(&node.snapshot_now().expect("a snapshot"));
        let path = format!("{}/fixtures/{life}/snapshot-{height}.sha256", env!("CARGO_MANIFEST_DIR"));
        let recorded = std::fs::read_to_string(path).expect("a fixture");
        let sorted = |text: &str| text.lines().map(str::to_owned).collect::<std::collections::BTreeSet<_>>();
        assert_eq!(sorted(&written), sorted(&recorded), "{life}");
    }
}
