//! What the program refuses: with which exit code, with nothing on stdout, and without changing a byte of the home.

use std::fs::{self, File};

use crate::common::{Home, Recording, fixture, gzip, run};

/// A replay of `bytes` on the recorded home is refused with this exit code, and the home stays as it was.
#[track_caller]
fn replay_refuses(bytes: &[u8], code: i32, said: &str) {
    let home = Home::recorded("small");
    let before = home.bytes();
    let recording = Recording::of("small");
    let blocks = recording.write_bytes(bytes);
    run(&["replay", "--home", home.text(), "--blocks", &blocks]).refused(code, said);
    assert_eq!(home.bytes(), before, "the home was touched");
}

#[test]
fn recordings_of_no_use() {
    let sound = fs::read(fixture("small/blocks.jsonl.gz")).expect("reads");
    replay_refuses(b"", 1, "no block");
    replay_refuses(&gzip(b""), 1, "no block");
    replay_refuses(b"\0\0\0\0", 1, "line=1");
    replay_refuses(b"{\"height\":1", 1, "cut in the middle");
    replay_refuses(&sound[..30], 1, "cut in the middle");
    replay_refuses(b"{\"height\":1}\n", 1, "is no block");
    replay_refuses(&[&[0x1f, 0x8b], &[7; 60][..]].concat(), 1, "gzip");
    replay_refuses(b"[]\n[]\n", 1, "line=1");
}

#[test]
fn a_recording_that_does_not_continue_the_node() {
    let mut recording = Recording::of("small");
    recording.lines.drain(..14);
    let home = Home::recorded("small");
    let before = home.bytes();
    run(&["replay", "--home", home.text(), "--blocks", &recording.write()])
        .refused(1, "expected_height=13 got_height=15");
    assert_eq!(home.bytes(), before);
}

#[test]
fn a_recording_cut_in_the_middle_leaves_the_last_whole_block() {
    let sound = fs::read(fixture("small/blocks.jsonl.gz")).expect("reads");
    let (home, recording) = (Home::recorded("small"), Recording::of("small"));
    let cut = recording.write_bytes(&sound[..sound.len() / 2]);
    let ended = run(&["replay", "--home", home.text(), "--blocks", &cut]);
    ended.refused(1, "cut in the middle");
    let whole = ended.stderr.split("--until=").nth(1).and_then(|rest| rest.split(',').next()).expect("what is whole");
    let status = run(&["status", "--home", home.text(), "--output", "json"]).json(0);
    assert_eq!(status["height"].to_string(), whole, "every whole block ran, nothing behind it");
    run(&["replay", "--home", home.text(), "--blocks", &recording.write(), "--output", "json"]).json(0);
}

#[test]
fn a_recording_that_ends_before_the_wanted_height() {
    let (home, blocks) = (Home::recorded("small"), fixture("small/blocks.jsonl.gz"));
    let blocks = blocks.to_str().expect("UTF-8");
    run(&["replay", "--home", home.text(), "--until", "176", "--blocks", blocks]).refused(7, "until=176");
}

#[test]
fn a_recording_that_is_not_there_and_one_that_is_a_directory() {
    let home = Home::recorded("small");
    let before = home.bytes();
    run(&["replay", "--home", home.text(), "--blocks", "/nonexistent"]).refused(6, "/nonexistent");
    run(&["replay", "--home", home.text(), "--blocks", home.text()]).refused(6, "recording cannot be read");
    assert_eq!(home.bytes(), before);
}

#[test]
fn a_list_of_rows_that_is_none() {
    let (home, recording) = (Home::recorded("small"), Recording::of("small"));
    let rows = home.path().join("rows");
    fs::write(&rows, "00\t0\n").expect("writes");
    let rows = rows.to_str().expect("UTF-8");
    let arguments = ["replay", "--home", home.text(), "--until", "13", "--final-rows", rows, "--blocks"];
    run(&[&arguments[..], &[&recording.write()]].concat()).refused(1, "line=1");
}

#[test]
fn homes_without_a_node() {
    let home = Home::empty();
    let missing = home.path().join("missing");
    let missing = missing.to_str().expect("UTF-8");
    let blocks = fixture("small/blocks.jsonl.gz");
    let blocks = blocks.to_str().expect("UTF-8");
    for command in [&["status"][..], &["snapshot"], &["replay", "--blocks", blocks]] {
        run(&[command, &["--home", missing]].concat()).refused(2, "does not exist");
        run(&[command, &["--home", home.text()]].concat()).refused(2, "holds no state");
    }
    assert!(home.bytes().is_empty(), "nothing was made");
}

#[test]
fn a_home_that_is_not_empty_is_neither_filled_nor_begun() {
    let home = Home::recorded("small");
    let before = home.bytes();
    let blocks = fixture("small/blocks.jsonl.gz");
    run(&["gen", "--home", home.text()]).refused(8, "not empty");
    run(&["demo", "--home", home.text()]).refused(8, "not empty");
    let arguments = ["replay", "--from-genesis", "--home", home.text(), "--blocks", blocks.to_str().expect("UTF-8")];
    run(&arguments).refused(8, "not empty");
    assert_eq!(home.bytes(), before);
}

#[test]
fn a_home_that_another_process_holds() {
    let home = Home::recorded("small");
    let lock = File::create(home.path().join("data/state_commit/memiavl/LOCK")).expect("creates");
    lock.lock().expect("locks");
    let before = home.bytes();
    let blocks = fixture("small/blocks.jsonl.gz");
    run(&["replay", "--home", home.text(), "--blocks", blocks.to_str().expect("UTF-8")]).refused(5, "LOCK");
    run(&["snapshot", "--home", home.text()]).refused(5, "LOCK");
    assert_eq!(home.bytes(), before);
    let status = run(&["status", "--home", home.text(), "--output", "json"]);
    assert_eq!(status.json(0)["height"], 12, "reading needs no lock");
}

#[test]
fn a_damaged_snapshot_is_corruption() {
    let home = Home::recorded("small");
    let metadata = home.path().join("data/state_commit/memiavl/snapshot-00000000000000000008/evm/metadata");
    let mut bytes = fs::read(&metadata).expect("reads");
    bytes[0] ^= 1;
    fs::write(&metadata, bytes).expect("writes");
    let before = home.bytes();
    run(&["status", "--home", home.text()]).refused(4, "metadata");
    run(&["snapshot", "--home", home.text()]).refused(4, "metadata");
    assert_eq!(home.bytes(), before);
}

#[test]
fn a_store_of_the_reference_is_recognised_and_left_alone() {
    let home = Home::recorded("small");
    let flatkv = home.path().join("data/state_commit/flatkv/account");
    fs::create_dir_all(&flatkv).expect("creates");
    fs::write(flatkv.join("marker.format-version.000001.013"), "").expect("writes");
    let before = home.bytes();
    let blocks = fixture("small/blocks.jsonl.gz");
    run(&["status", "--home", home.text()]).refused(9, "flatkv");
    run(&["replay", "--home", home.text(), "--blocks", blocks.to_str().expect("UTF-8")]).refused(9, "flatkv");
    assert_eq!(home.bytes(), before);
}

#[test]
fn a_command_line_that_makes_no_sense() {
    for arguments in
        [&["status"][..], &["fly"], &["gen", "--home", "x", "--accounts", "0"], &["replay", "--home", "x"], &[]]
    {
        let ended = run(arguments);
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{arguments:?} {}", ended.stderr);
    }
    assert_eq!(run(&["--help"]).code, 0);
    assert_eq!(run(&["--version"]).code, 0);
}
