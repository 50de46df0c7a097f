//! Every read-only command leaves the tree below the home as it found it: names, sizes, contents, modes, link targets, and
//! the times of files and directories. On an idle home, on one that a node holds, on one with everything that a crash can
//! leave, and where nothing can be written at all.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use ferry::{Node, Options};
use sha2::{Digest, Sha256};

use crate::common::{Ended, Home, ferry, fixture, run};

/// What a path is: kind and permissions, size, nanoseconds of the last change, and a hash of the content or target.
pub(crate) type Entry = (u32, u64, (i64, i64), [u8; 32]);

pub(crate) fn tree(root: &Path) -> BTreeMap<PathBuf, Entry> {
    let mut entries = BTreeMap::new();
    enter(root, &mut entries);
    entries
}

fn enter(path: &Path, entries: &mut BTreeMap<PathBuf, Entry>) {
    let found = fs::symlink_metadata(path).expect("stats");
    let content = match found.file_type() {
        kind if kind.is_symlink() => fs::read_link(path).expect("reads").into_os_string().into_encoded_bytes(),
        // An empty file is not opened: closing it would end the lock that a node of this process holds on it.
        kind if kind.is_file() && found.len() > 0 => fs::read(path).expect("reads"),
        _ => Vec::new(),
    };
    let entry = (found.mode(), found.len(), (found.mtime(), found.mtime_nsec()), Sha256::digest(content).into());
    entries.insert(path.to_owned(), entry);
    if found.is_dir() {
        for below in fs::read_dir(path).expect("lists") {
            enter(&below.expect("lists").path(), entries);
        }
    }
}

/// Every command that only reads, on the home at `home`.
fn commands(home: &str) -> Vec<Vec<&str>> {
    vec![
        vec!["status", "--home", home],
        vec!["status", "--home", home, "--output", "json"],
        vec!["status", "--home", home, "--output", "ndjson"],
        // Without --apply it only says what it would do.
        vec!["rollback", "--home", home, "--to", "12", "--output", "json"],
        vec!["rollback", "--home", home, "--to", "9999", "--output", "json"],
        vec!["plan", "--home", home, "--output", "json"],
        vec!["reconcile", "--home", home, "--output", "json"],
    ]
}

/// Runs every command with `start` and compares the tree; the exit codes.
fn codes(home: &Home, start: impl Fn(&[&str]) -> Command) -> Vec<i32> {
    let before = tree(home.path());
    let run = |words: &Vec<&str>| {
        let ended = Ended::from(start(words).output().expect("the program starts"));
        assert_eq!(tree(home.path()), before, "{words:?} changed the home: {ended:?}");
        ended.code
    };
    commands(home.text()).iter().map(run).collect()
}

/// A home at a height of the recorded life.
fn at(height: u64) -> Home {
    let home = Home::recorded("small");
    replay(&home, height);
    home
}

fn replay(home: &Home, height: u64) {
    let (blocks, height) = (fixture("small/blocks.jsonl.gz"), height.to_string());
    let blocks = blocks.to_str().expect("UTF-8");
    run(&["replay", "--home", home.text(), "--until", &height, "--output", "json", "--blocks", blocks]).json(0);
}

#[test]
fn an_idle_home_stays_as_it_is_in_each_phase() {
    // A height beyond the last one is wrong usage.
    for height in [14, 30, 58, 130, 175] {
        assert_eq!(codes(&at(height), ferry), [0, 0, 0, 0, 2, 0, 0], "height {height}");
    }
}

#[test]
fn a_home_that_a_node_holds_stays_as_it_is_between_its_blocks() {
    // memiavl can be looked at while it is held; what a rollback of FlatKV would do is not told while somebody writes.
    for (height, rollback) in [(14, [0, 2]), (30, [5, 5]), (175, [5, 5])] {
        let home = at(height);
        let mut node = Node::open(home.path(), Options::default()).expect("opens");
        for _ in 0..2 {
            let codes = codes(&home, ferry);
            // A plan can be made beside a node; what mends a home must have it alone.
            assert_eq!(codes[5..], [0, 5], "height {height}");
            assert_eq!((&codes[..3], &codes[3..5]), (&[0; 3][..], &rollback[..]), "height {height}");
            node.apply(vec![]).expect("applies");
            node.commit().expect("commits");
        }
        node.close().expect("closes");
    }
}

/// What crashes leave: a torn entry and a torn log, temporary snapshots and links, a store that is half removed.
fn leave_leftovers(home: &Home) {
    let state = home.path().join("data/state_commit");
    let append = |path: &Path, bytes: &[u8]| {
        let mut file = fs::OpenOptions::new().append(true).open(path).expect("opens");
        file.write_all(bytes).expect("appends");
    };
    let memiavl = state.join("memiavl");
    let mut segments: Vec<_> =
        fs::read_dir(memiavl.join("changelog")).expect("lists").map(|entry| entry.expect("lists").path()).collect();
    segments.sort();
    append(segments.last().expect("a segment"), &[0x40, 0x08, 0x1f, 0x12]);
    fs::create_dir_all(memiavl.join("snapshot-00000000000000000099-tmp/evm")).expect("makes");
    fs::write(memiavl.join("snapshot-00000000000000000099-tmp/evm/kvs"), "half").expect("writes");
    std::os::unix::fs::symlink("snapshot-00000000000000000099", memiavl.join("current-tmp")).expect("links");
    fs::create_dir(state.join("flatkv.removed")).expect("makes");
    fs::write(state.join("flatkv.removed/000001.sst"), "gone").expect("writes");
    let flatkv = state.join("flatkv");
    let logs = fs::read_dir(&flatkv).expect("lists").map(|entry| entry.expect("lists").path());
    let log = logs.filter(|path| path.extension().is_some_and(|kind| kind == "log")).max().expect("a log");
    append(&log, &[0x11, 0x22, 0x33, 0x44, 0xff, 0x00, 0x01, 0x55]);
}

#[test]
fn torn_tails_and_leftovers_are_neither_mended_nor_swept() {
    let home = at(30);
    leave_leftovers(&home);
    let codes = codes(&home, ferry);
    assert_eq!(codes[..3], [0, 0, 0]);
    // A writer does both, so these are leftovers indeed.
    Node::open(home.path(), Options::default()).expect("opens").close().expect("closes");
    assert!(!home.path().join("data/state_commit/flatkv.removed").exists());
    assert!(!home.path().join("data/state_commit/memiavl/snapshot-00000000000000000099-tmp").exists());
}

#[test]
fn commands_work_on_a_home_where_nothing_can_be_written() {
    for height in [14, 30, 175] {
        let home = at(height);
        leave_writable_by_nobody(&home, |start| {
            let touched = start(&["touch", home.path().join("new").to_str().expect("UTF-8")]).output().expect("starts");
            assert!(!touched.status.success(), "the home can be written: {touched:?}");
            let program = copy_of_the_program();
            let start = |words: &[&str]| start(&[&[program.1.as_str()], words].concat());
            assert_eq!(codes(&home, start)[..4], [0, 0, 0, 0], "height {height}");
        });
    }
}

/// The program where any user can start it.
fn copy_of_the_program() -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).expect("opens the directory");
    let path = dir.path().join("ferry");
    fs::copy(env!("CARGO_BIN_EXE_ferry"), &path).expect("copies");
    let text = path.to_str().expect("UTF-8").to_owned();
    (dir, text)
}

/// Lets `test` start programs that cannot write below the home: on a mount that is read-only, where this process may make
/// one; else with all permissions to write taken away, and as a user whom permissions bind.
fn leave_writable_by_nobody(home: &Home, test: impl Fn(&dyn Fn(&[&str]) -> Command)) {
    let mounted = |words: &[&str]| {
        let script = "mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro \"$0\" && exec \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["--mount", "--map-root-user", "sh", "-c", script, home.text()]).args(words);
        command.env_remove("FERRY_HOME").env_remove("FERRY_LOG");
        command
    };
    if mounted(&["true"]).output().is_ok_and(|ended| ended.status.success()) {
        return test(&mounted);
    }
    println!("no mount can be made here: permissions are taken away instead");
    set_permissions(home.path(), 0o555, 0o444);
    let is_root = fs::metadata("/proc/self").expect("stats").uid() == 0;
    test(&|words: &[&str]| {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).current_dir("/").env_remove("FERRY_HOME").env_remove("FERRY_LOG");
        if is_root {
            // Permissions bind everybody but root.
            command.uid(65_534).gid(65_534);
        }
        command
    });
    set_permissions(home.path(), 0o755, 0o644);
}

fn set_permissions(path: &Path, directory: u32, file: u32) {
    let found = fs::symlink_metadata(path).expect("stats");
    if found.is_symlink() {
        return;
    }
    if found.is_dir() {
        // Before it is closed, after it is opened.
        fs::set_permissions(path, PermissionsExt::from_mode(0o755)).expect("changes");
        for below in fs::read_dir(path).expect("lists") {
            set_permissions(&below.expect("lists").path(), directory, file);
        }
    }
    fs::set_permissions(path, PermissionsExt::from_mode(if found.is_dir() { directory } else { file }))
        .expect("changes");
}
