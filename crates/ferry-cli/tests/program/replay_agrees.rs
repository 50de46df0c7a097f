//! Recorded lives replay to the end, from a node's directory and from nothing, in one go and in pieces.

use crate::common::{Home, Recording, fixture, run};

#[test]
fn a_life_replays_from_the_recorded_directory_down_to_the_last_row() {
    let home = Home::recorded("small");
    let (blocks, rows) = (fixture("small/blocks.jsonl.gz"), fixture("small/final_rows.tsv.gz"));
    let arguments = ["replay", "--home", home.text(), "--output", "json", "--blocks", blocks.to_str().expect("UTF-8")];
    let with_rows = [&arguments[..], &["--final-rows", rows.to_str().expect("UTF-8")]].concat();
    let report = run(&with_rows).json(0);
    assert_eq!(report["outcome"], "agrees");
    assert_eq!(report["heights_checked"], 163);
    assert_eq!(report["heights_skipped"], 12);
    assert_eq!(report["head_checked"], true);
    assert_eq!(report["reads_checked"], 3936, "24 a height, the opened one included");
    assert_eq!(report["final_rows_checked"], 2027);
    assert_eq!(report["write_mode"], "flatkv_only");

    let again = run(&with_rows).json(0);
    assert_eq!((&again["heights_checked"], &again["heights_skipped"]), (&0.into(), &175.into()));
    assert_eq!(again["head_checked"], true, "the node's last height is looked at");
    assert_eq!(again["final_rows_checked"], 2027);
}

#[test]
fn a_life_replays_from_nothing_in_pieces_with_a_snapshot_on_the_way() {
    let home = Home::empty();
    let recording = Recording::of("small");
    let blocks = recording.write();
    let base = ["replay", "--home", home.text(), "--output", "json", "--blocks", &blocks];
    let first = run(&[&base[..], &["--from-genesis", "--until", "20", "--snapshot-at", "18"]].concat()).json(0);
    assert_eq!((&first["heights_checked"], &first["last_height"]), (&20.into(), &20.into()));
    assert!(home.path().join("data/state_commit/memiavl/snapshot-00000000000000000018").is_dir());
    for until in (25..=170).step_by(29) {
        let report = run(&[&base[..], &["--until", &until.to_string()]].concat()).json(0);
        assert_eq!((&report["last_height"], &report["head_checked"]), (&until.into(), &true.into()));
    }
    let last = run(&base).json(0);
    assert_eq!((&last["last_height"], &last["migration_version"]), (&175.into(), &serde_json::Value::Null));
}

#[test]
fn memiavl_alone_replays_its_upgrades_with_tree_versions() {
    let recording = Recording::of("iavl-upgrades");
    let blocks = recording.write();
    let home = Home::empty();
    let arguments = ["replay", "--home", home.text(), "--output", "json", "--from-genesis", "--blocks", &blocks];
    let report = run(&arguments).json(0);
    assert_eq!((&report["heights_checked"], &report["last_height"]), (&80.into(), &179.into()));

    let recorded = Home::recorded("iavl-upgrades");
    let report = run(&["replay", "--home", recorded.text(), "--output", "json", "--blocks", &blocks]).json(0);
    assert_eq!((&report["heights_checked"], &report["head_checked"]), (&0.into(), &true.into()));
}

#[test]
fn what_lies_behind_the_wanted_height_is_not_read() {
    let home = Home::recorded("small");
    let recording = Recording::of("small");
    let mut text: String = recording.lines[..15].iter().map(|line| format!("{line}\n")).collect();
    text.push_str("{\"height\":16,");
    let blocks = recording.write_bytes(text.as_bytes());
    let report = run(&["replay", "--home", home.text(), "--until", "15", "--output", "json", "--blocks", &blocks]);
    assert_eq!(report.json(0)["last_height"], 15);
}

#[test]
fn a_table_for_people_says_the_result_first() {
    let home = Home::recorded("small");
    let recording = Recording::of("small");
    let blocks = recording.write();
    let ended = run(&["replay", "--home", home.text(), "--until", "14", "--blocks", &blocks]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(ended.stdout.lines().nth(1).expect("lines").contains("agrees with the recording"), "{}", ended.stdout);
    assert!(!ended.stdout.contains('\u{1b}'), "no colours off a terminal");
}
