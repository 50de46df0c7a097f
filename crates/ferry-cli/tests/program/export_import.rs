//! `ferry export` and `ferry import`: a recorded life goes on elsewhere from the middle of a migration, and a kill or a signal
//! leaves the state as it was or as it is to be.

use crate::common::{Home, ferry, fixture, run};

/// The recorded life up to a height in the middle of its first migration, exported; both homes and the height.
fn exported() -> (Home, Home, u64) {
    let (home, to) = (Home::empty(), Home::empty());
    let blocks = fixture("small/blocks.jsonl.gz");
    let blocks = blocks.to_str().expect("UTF-8");
    let first: u64 = 30;
    let until = first.to_string();
    run(&[
        "replay",
        "--home",
        home.text(),
        "--blocks",
        blocks,
        "--from-genesis",
        "--until",
        &until,
        "--output",
        "json",
    ])
    .json(0);
    let report =
        run(&["export", "--home", home.text(), "--to", to.text(), "--chunk-bytes", "9000", "--output", "json"]).json(0);
    assert_eq!(report["height"], first);
    assert!(report["chunks"].as_u64() > Some(2), "{report}");
    (home, to, first)
}

fn height(home: &Home) -> serde_json::Value {
    run(&["status", "--home", home.text(), "--output", "json"]).json(0)["height"].clone()
}

#[test]
fn a_life_goes_on_equal_from_an_imported_state() {
    let (from, export, first) = exported();
    let app_hash =
        run(&["import", "--home", "unused", "--from", export.text(), "--output", "json"]).json(0)["app_hash"]
            .as_str()
            .expect("a hash")
            .to_owned();
    let home = Home::empty();
    let import = ["import", "--home", home.text(), "--from", export.text(), "--app-hash", &app_hash];
    let dry = run(&[&import[..], &["--output", "json"]].concat()).json(0);
    assert_eq!(dry["applied"], false);
    assert_eq!(std::fs::read_dir(home.path()).expect("lists").count(), 0, "a dry run writes nothing");
    let done = run(&[&import[..], &["--apply", "--output", "json"]].concat()).json(0);
    assert_eq!((&done["applied"], &done["app_hash_trusted"]), (&true.into(), &true.into()));
    assert_eq!(height(&home), first);
    assert_eq!(run(&["verify", "--home", home.text()]).code, 0, "also right behind the import, in mid-migration");
    let blocks = fixture("small/blocks.jsonl.gz");
    let blocks = blocks.to_str().expect("UTF-8");
    let replayed = run(&["replay", "--home", home.text(), "--blocks", blocks, "--output", "json"]).json(0);
    assert_eq!(replayed["last_height"], 175, "{replayed}");
    drop(from);
}

#[test]
fn an_export_and_an_import_take_names_alone() {
    let (from, _, first) = exported();
    let place = Home::empty();
    let here = |words: &[&str]| ferry(words).current_dir(place.path()).status().expect("the program starts");
    assert!(here(&["export", "--home", from.text(), "--to", "aside"]).success());
    assert!(here(&["import", "--home", "new", "--from", "aside", "--apply"]).success());
    let status = ferry(&["status", "--home", "new", "--output", "json"]).current_dir(place.path()).output();
    let status: serde_json::Value = serde_json::from_slice(&status.expect("the program starts").stdout).expect("JSON");
    assert_eq!(status["height"], first);
}

#[test]
fn a_checkpoint_of_a_stopped_home_goes_on_equal_and_both_are_whole() {
    let (home, _, first) = exported();
    let place = Home::empty();
    let beside = place.path().join("beside");
    let beside = beside.to_str().expect("UTF-8");
    let made = run(&["export", "--home", home.text(), "--checkpoint", beside, "--output", "json"]).json(0);
    assert_eq!((&made["height"], &made["source"]), (&first.into(), &"disk".into()));
    let digest = |home: &str| run(&["digest", "--home", home, "--output", "json"]).json(0)["digest"].clone();
    assert!(digest(beside).is_string());
    assert_eq!(digest(beside), digest(home.text()));
    let blocks = fixture("small/blocks.jsonl.gz");
    let blocks = blocks.to_str().expect("UTF-8");
    let replayed = run(&["replay", "--home", beside, "--blocks", blocks, "--output", "json"]).json(0);
    assert_eq!(replayed["last_height"], 175);
    for home in [beside, home.text()] {
        assert_eq!(run(&["verify", "--home", home]).code, 0);
    }
    assert_eq!(height(&home), first, "what was done to one is not done to the other");
    let inside = home.path().join("inside");
    run(&["export", "--home", home.text(), "--checkpoint", inside.to_str().expect("UTF-8")]).refused(2, "must not lie");
    run(&["export", "--home", home.text()]).refused(2, "--to");
}

#[test]
fn a_dry_run_finds_a_damaged_and_a_missing_chunk() {
    let (_from, export, _) = exported();
    let home = Home::empty();
    let import = ["import", "--home", home.text(), "--from", export.text()];
    let entries = std::fs::read_dir(export.path()).expect("lists").map(|entry| entry.expect("lists").path());
    let mut chunks: Vec<_> = entries.filter(|path| path.to_string_lossy().contains("chunk")).collect();
    chunks.sort();
    let sound = std::fs::read(&chunks[1]).expect("reads");
    let mut damaged = sound.clone();
    *damaged.last_mut().expect("a byte") ^= 1;
    std::fs::write(&chunks[1], damaged).expect("writes");
    run(&import).refused(4, "index=1");
    std::fs::remove_file(&chunks[1]).expect("removes");
    run(&import).refused(6, "No such file");
    std::fs::write(&chunks[1], sound).expect("writes");
    assert_eq!(run(&import).code, 0);
    assert_eq!(std::fs::read_dir(home.path()).expect("lists").count(), 0);
}

#[test]
fn another_app_hash_is_refused_and_nothing_is_written() {
    let (_from, export, _) = exported();
    let home = Home::empty();
    let hash = "ab".repeat(32);
    for apply in [&["--apply"][..], &[]] {
        let import = ["import", "--home", home.text(), "--from", export.text(), "--app-hash", &hash];
        run(&[&import[..], apply].concat()).refused(8, "lies");
    }
    assert_eq!(std::fs::read_dir(home.path()).expect("lists").count(), 0);
}

#[test]
fn a_kill_at_each_point_leaves_the_old_state_or_the_new_one() {
    let (_from, export, first) = exported();
    let sizes = ["--accounts", "20", "--slots", "20", "--bank", "20", "--wasm", "20"];
    for (point, is_done) in [
        ("restore::taken", false),
        ("restore::noted", false),
        ("restore::received", false),
        ("restore::built", false),
        ("restore::switched", true),
        ("restore::replaced", true),
    ] {
        let home = Home::empty();
        let before = run(&[&["gen", "--home", home.text(), "--output", "json"], sizes.as_slice()].concat()).json(0);
        let import = ["import", "--home", home.text(), "--from", export.text(), "--apply", "--output", "json"];
        let killed = ferry(&[&import[..], &["--kill-at", point]].concat()).output().expect("starts");
        assert_eq!(killed.status.code(), None, "{point}: killed by a signal");
        let expected = if is_done { first.into() } else { before["height"].clone() };
        let now = if is_done { expected.clone() } else { height(&home) };
        assert_eq!(now, expected, "{point}");
        run(&import).json(0);
        assert_eq!(height(&home), first, "{point}");
    }
}

#[test]
fn an_interrupt_stops_cleanly_and_the_import_goes_on() {
    let (_from, export, first) = exported();
    let home = Home::empty();
    let import = ["import", "--home", home.text(), "--from", export.text(), "--apply", "--output", "json"];
    let stopped = run(&[&import[..], &["--interrupt-at", "restore::noted"]].concat());
    assert_eq!((stopped.code, stopped.stdout.as_str()), (130, ""), "{}", stopped.stderr);
    let dry: Vec<_> = import.into_iter().filter(|word| *word != "--apply").collect();
    assert_eq!(run(&dry).json(0)["applied"], false);
    let done = run(&import).json(0);
    assert_eq!(done["chunks_before"], 1, "a look in between clears nothing away");
    assert_eq!(height(&home), first);
}

/// An import into a home that was interrupted behind its first chunk.
fn interrupted(home: &Home, export: &Home) {
    let import =
        ["import", "--home", home.text(), "--from", export.text(), "--apply", "--interrupt-at", "restore::noted"];
    assert_eq!(run(&import).code, 130);
}

#[test]
fn what_an_interrupted_import_has_left_is_told_and_can_be_given_up() {
    let (_from, export, first) = exported();
    let home = Home::empty();
    let discard = ["import", "--home", home.text(), "--discard", "--output", "json"];
    assert_eq!(run(&discard).json(0)["unfinished"], serde_json::Value::Null);
    interrupted(&home, &export);
    // There is no state yet, and every command says what to do.
    run(&["status", "--home", home.text()]).refused(7, "import --discard");

    let sizes = ["--accounts", "20", "--slots", "20", "--bank", "20", "--wasm", "20"];
    let home = Home::empty();
    let before = run(&[&["gen", "--home", home.text(), "--output", "json"], sizes.as_slice()].concat()).json(0);
    interrupted(&home, &export);
    let status = run(&["status", "--home", home.text(), "--output", "json"]).json(0);
    assert_eq!((&status["height"], &status["unfinished_import"]["height"]), (&before["height"], &first.into()));
    assert_eq!(status["unfinished_import"]["chunks"], 1);
    assert!(status["unfinished_import"]["bytes"].as_u64() > Some(0), "{status}");
    assert!(run(&["status", "--home", home.text()]).stdout.contains("ferry import --discard"));
    let opened = run(&["snapshot", "--home", home.text()]);
    assert!(opened.code == 0 && opened.stderr.contains("import was interrupted"), "{opened:?}");

    let left = home.path().join("data/state_commit/restore");
    let discard = ["import", "--home", home.text(), "--discard", "--output", "json"];
    let dry = run(&discard).json(0);
    assert_eq!((&dry["applied"], &dry["unfinished"]), (&false.into(), &status["unfinished_import"]));
    assert!(left.is_dir(), "a dry run deletes nothing");
    let done = run(&[&discard[..], &["--apply"]].concat()).json(0);
    assert_eq!((&done["applied"], &done["unfinished"]), (&true.into(), &status["unfinished_import"]));
    assert!(!left.exists());
    assert_eq!(height(&home), before["height"]);
    assert!(run(&["status", "--home", home.text(), "--output", "json"]).json(0)["unfinished_import"].is_null());
    run(&["import", "--home", home.text(), "--discard", "--from", export.text()]).refused(2, "cannot be used with");
}

/// Found by asking a home for its status that a kill had left right behind the commit point of an import: it had "no state", and
/// no command that could be named opened it.
#[test]
fn a_home_whose_stores_are_half_in_place_says_so_until_it_is_opened() {
    let (_from, export, first) = exported();
    let home = Home::empty();
    let import =
        ["import", "--home", home.text(), "--from", export.text(), "--apply", "--kill-at", "restore::switched"];
    assert_eq!(ferry(&import).output().expect("starts").status.code(), None, "killed by a signal");
    for looking in [&["status"][..], &["verify"], &["digest"], &["plan"], &["rollback", "--to", "29"]] {
        run(&[looking, &["--home", home.text()]].concat()).refused(7, "ferry snapshot");
    }
    run(&["import", "--home", home.text(), "--discard", "--apply"]).refused(7, "open it once");
    assert_eq!(run(&["snapshot", "--home", home.text()]).code, 0);
    assert_eq!(height(&home), first);
}
