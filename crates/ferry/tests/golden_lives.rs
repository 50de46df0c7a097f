//! Recorded lives of reference nodes, replayed from nothing: the node is closed and reopened between any two blocks, and
//! in another run a snapshot is taken at every height. Neither changes a hash, a record, a read, a scan or a row.

mod common;

use std::path::Path;

use common::golden::{blocks, check, options, take, unpack};
use ferry::{Mode, Node};
use sha2::{Digest, Sha256};

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
        } else if node.height() > 0 && node.mode() != Mode::FlatkvOnly {
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
