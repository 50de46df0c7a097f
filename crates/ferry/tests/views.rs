//! What views cost: readers wait for nobody, and any number of views maps a file once.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use common::{changes, life, nonce_key, options, set};
use ferry::{KillPoint, Mode, Node, ScanOrder, ScanRange, Views};

/// Longer than any read takes, and shorter than anybody's patience: a reader that waits for the writer takes for ever.
const PATIENCE: Duration = Duration::from_secs(30);

/// Reads of both stores on a view of its own: the view's height, the marker that its block wrote, and rows of a scan.
fn read(views: &Views) -> (u64, Vec<u8>, usize) {
    let view = views.latest().expect("a view");
    let marker = view.get("bank", b"beat").expect("reads").expect("a marker");
    assert!(view.get("evm", &nonce_key(1)).expect("reads").is_some());
    let scan = view.scan("evm", &ScanRange::ALL, ScanOrder::Ascending).expect("a scan");
    let pairs = scan.collect::<Result<Vec<_>, _>>().expect("pairs");
    (view.height(), marker.to_vec(), pairs.len())
}

#[test]
fn readers_go_on_while_the_committing_thread_stands_still_at_any_point() {
    let home = tempfile::tempdir().expect("a directory");
    let mut node = Node::open(home.path(), options(4)).expect("a fresh node");
    life::fill(&mut node);
    life::beat(&mut node);
    node.set_mode(Mode::MigrateEvm).expect("a step");
    life::beat(&mut node);

    let (ask, asked) = mpsc::channel::<()>();
    let (answer, answers) = mpsc::channel();
    let views = node.views();
    let reader = thread::spawn(move || {
        for () in asked {
            answer.send(read(&views)).expect("somebody waits");
        }
    });
    let (tell, told) = mpsc::channel();
    let wait = ask.clone();
    node.set_kill_hook(Box::new(move |point| {
        // The committing thread stands still here until the reader is done.
        wait.send(()).expect("a reader");
        let read = answers.recv_timeout(PATIENCE).expect("a reader that waits for nobody");
        tell.send((point, read)).expect("the test waits");
    }));
    for _ in 0..8 {
        let before = node.height();
        let committed = life::beat(&mut node);
        for point in KillPoint::ALL {
            let (at, (height, marker, rows)) = told.try_recv().expect("every point was met");
            assert_eq!(at, point);
            let expected = if point == KillPoint::Published { committed.height } else { before };
            assert_eq!((height, marker.as_slice()), (expected, expected.to_be_bytes().as_slice()), "at {point}");
            assert_eq!(rows, 18, "at {point}");
        }
    }
    assert!(node.flatkv().is_some() && node.memiavl().is_some(), "both stores took part");
    node.close().expect("closes");
    drop(ask);
    reader.join().expect("the reader ends");
}

/// How often each file of a snapshot below `home` is mapped in this process.
fn mappings(home: &str) -> BTreeMap<String, usize> {
    let mut files = BTreeMap::new();
    for line in fs::read_to_string("/proc/self/maps").expect("Linux has it").lines() {
        if let Some(path) = line.find(home).map(|at| line[at..].to_owned()).filter(|path| path.contains("/snapshot-")) {
            *files.entry(path).or_default() += 1;
        }
    }
    files
}

#[test]
fn views_share_one_mapping_of_each_file() {
    let home = tempfile::tempdir().expect("a directory");
    let mut node = Node::open(home.path(), options(4)).expect("a fresh node");
    life::fill(&mut node);
    node.snapshot_now().expect("a snapshot");
    let path = home.path().to_str().expect("UTF-8");
    let before = mappings(path);
    assert!(!before.is_empty() && before.values().all(|times| *times == 1), "{before:?}");
    let mut views = Vec::new();
    for height in 0..40_u8 {
        life::block(&mut node, changes("bank", vec![set(b"k", &[height])]));
        views.push(node.view().expect("a view"));
        views.last().expect("one").get("evm", &nonce_key(1)).expect("reads");
    }
    assert_eq!(mappings(path), before, "forty views, and no file is mapped again");
    drop(views);
    node.close().expect("closes");
    assert_eq!(mappings(path), BTreeMap::new(), "all of it is given back");
}
