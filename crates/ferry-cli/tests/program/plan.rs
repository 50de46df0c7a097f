//! `plan` counts exactly, says what is unsafe, rehearses in a copy, and leaves the home and the rest of the disk as they were.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ferry::{KvPair, NamedChangeSet, Node, Options};
use serde_json::Value;

use crate::common::{Ended, Home, ferry, fixture, run};

fn plan(home: &Home, more: &[&str], code: i32) -> Value {
    let arguments = [&["plan", "--output", "json", "--home", home.text()], more].concat();
    run(&arguments).json(code)
}

fn finding<'a>(plan: &'a Value, check: &str) -> &'a Value {
    let findings = plan["findings"].as_array().expect("findings");
    findings.iter().find(|finding| finding["check"] == check).unwrap_or_else(|| panic!("{check}: {plan}"))
}

fn sum(items: &Value, field: &str) -> u64 {
    items.as_array().expect("a list").iter().map(|item| item[field].as_u64().expect("a number")).sum()
}

fn at(height: u64) -> Home {
    let home = Home::recorded("small");
    let (blocks, height) = (fixture("small/blocks.jsonl.gz"), height.to_string());
    let blocks = blocks.to_str().expect("UTF-8");
    run(&["replay", "--home", home.text(), "--until", &height, "--output", "json", "--blocks", blocks]).json(0);
    home
}

fn signal(name: &str, to: &Child) {
    let sent = Command::new("sh").args(["-c", r#"kill -"$0" "$1""#, name, &to.id().to_string()]).status();
    let sent = sent.expect("a shell");
    assert!(sent.success());
}

#[test]
fn keys_are_counted_as_status_counts_them_in_every_phase() {
    for (height, phases) in [(14, 3), (30, 3), (58, 2), (130, 1), (175, 0)] {
        let home = at(height);
        let plan = plan(&home, &["--no-sample", "--batch-keys", "10", "--block-time", "1s"], 0);
        let status = run(&["status", "--home", home.text(), "--output", "json"]).json(0);
        assert_eq!(plan["keys"], sum(&status["modules"], "remaining_keys"), "height {height}");
        assert_eq!(plan["phases"].as_array().map(Vec::len), Some(phases), "height {height}");
        for phase in plan["phases"].as_array().expect("phases") {
            let keys = phase["keys"].as_u64().expect("a number");
            assert_eq!(phase["blocks"], keys.div_ceil(10).max(1), "height {height}");
        }
        let quick = crate::plan::plan(&home, &["--quick", "--no-sample"], 0);
        assert_eq!(quick["keys"], plan["keys"], "counting one by one gives what the trees say");
    }
}

#[test]
fn a_sample_is_moved_and_leaves_nothing() {
    let (home, scratch) = (Home::recorded("small"), Home::empty());
    let before = home.bytes();
    let plan = plan(&home, &["--scratch", scratch.text(), "--batch-keys", "50", "--block-time", "1s"], 0);
    let sample = &plan["sample"];
    assert!(sample["keys"].as_u64().is_some_and(|keys| keys > 100), "{sample}");
    assert!(sample["blocks"].as_u64().is_some_and(|blocks| blocks > 2), "{sample}");
    assert!(plan["phases"][0]["elapsed_seconds"].as_f64().is_some_and(|time| time >= 1.0), "{plan}");
    assert!(fs::read_dir(scratch.path()).expect("lists").next().is_none(), "the scratch directory is empty again");
    assert_eq!(home.bytes(), before);
    let inside = format!("{}/data", home.text());
    run(&["plan", "--home", home.text(), "--scratch", &inside]).refused(2, "outside of it");
    run(&["plan", "--home", home.text(), "--scratch", "/nonexistent"]).refused(6, "--scratch");
}

#[test]
fn modules_that_would_stay_behind_are_unsafe() {
    let home = Home::recorded("small");
    let plan = plan(&home, &["--no-sample", "--set", "chain.modules=bank,evm"], 8);
    assert_eq!(plan["verdict"], "unsafe");
    let stores = finding(&plan, "stores");
    assert_eq!(stores["severity"], "unsafe");
    assert!(stores["says"].as_str().is_some_and(|says| says.contains("staking")), "{stores}");
}

#[test]
fn a_key_that_no_row_can_hold_is_found_before_it_stops_the_chain() {
    let home = Home::recorded("small");
    let slot = [&[0x03][..], &[0xee; 52]].concat();
    let mut node = Node::open(home.path(), Options::default()).expect("opens");
    let pairs = vec![KvPair::set(slot.clone(), vec![1; 31]), KvPair::set(vec![0x0a, 1], vec![1])];
    node.apply(vec![NamedChangeSet::new("evm", pairs)]).expect("memiavl takes every key");
    node.commit().expect("commits");
    node.close().expect("closes");
    let plan = plan(&home, &["--no-sample"], 8);
    let keys = finding(&plan, "keys")["says"].as_str().expect("text").to_owned();
    assert!(keys.contains("wrong_value_length 1") && keys.contains(&hex::encode(&slot)), "{keys}");
    // So it is indeed: the block that would move it fails.
    let place = Home::empty();
    let rehearsed = ferry::rehearsal::rehearse(
        home.path(),
        &place.path().join("copy"),
        &Options::default(),
        &ferry::rehearsal::Terms { batch_keys: 1000, to: ferry::Mode::EvmMigrated, room_bytes: 0, keeps: false },
        &mut |_| std::ops::ControlFlow::Continue(()),
    );
    let chain = |error: &dyn std::error::Error| {
        let sources = std::iter::successors(error.source(), |source| source.source());
        sources.fold(error.to_string(), |text, source| format!("{text}: {source}"))
    };
    let error = chain(&rehearsed.expect_err("it fails"));
    assert!(error.contains("expected=32") && error.contains("got=31"), "{error}");
    assert!(fs::read_dir(place.path()).expect("lists").next().is_none(), "and leaves nothing");
}

#[test]
fn no_window_to_roll_back_and_no_memory_are_unsafe() {
    let home = Home::recorded("small");
    let plan = plan(
        &home,
        &["--quick", "--no-sample", "--set", "node.rollback_blocks=0", "--set", "memory.block_cache_bytes=1TiB"],
        8,
    );
    assert_eq!(finding(&plan, "rollback")["severity"], "unsafe");
    assert_eq!(finding(&plan, "memory")["severity"], "unsafe");
}

#[test]
fn a_node_that_runs_is_named_and_does_no_harm() {
    let home = Home::recorded("small");
    let node = Node::open(home.path(), Options::default()).expect("opens");
    let plan = plan(&home, &["--no-sample"], 0);
    let lock = finding(&plan, "lock");
    assert_eq!(lock["severity"], "note");
    assert!(lock["says"].as_str().is_some_and(|says| says.contains(&std::process::id().to_string())), "{lock}");
    node.close().expect("closes");
    assert_eq!(finding(&crate::plan::plan(&home, &["--no-sample"], 0), "lock")["severity"], "fine");
}

#[test]
fn a_rehearsal_migrates_a_copy_from_every_phase_and_the_home_stays() {
    for height in [14, 30, 58, 130, 175] {
        let (home, place) = (at(height), Home::empty());
        let before = home.bytes();
        let copy = place.path().join("copy");
        let copy = copy.to_str().expect("UTF-8");
        let plan = plan(&home, &["--rehearse", copy, "--keep", "--batch-keys", "20", "--block-time", "1s"], 0);
        assert_eq!(home.bytes(), before, "height {height}");
        let rehearsal = &plan["rehearsal"];
        assert_eq!(sum(&rehearsal["phases"], "keys"), plan["keys"].as_u64().expect("a number"), "height {height}");
        for (ahead, rehearsed) in
            plan["phases"].as_array().expect("a list").iter().zip(rehearsal["phases"].as_array().expect("a list"))
        {
            assert_eq!(ahead["keys"], rehearsed["keys"], "height {height}");
            let (ahead, rehearsed) = (ahead["blocks"].as_u64(), rehearsed["blocks"].as_u64());
            // A batch that is filled exactly may want one more block, which moves nothing.
            assert!(ahead == rehearsed || ahead.map(|blocks| blocks + 1) == rehearsed, "{ahead:?} {rehearsed:?}");
        }
        let status = run(&["status", "--home", copy, "--output", "json"]).json(0);
        assert_eq!((&status["write_mode"], sum(&status["modules"], "remaining_keys")), (&"flatkv_only".into(), 0));
        assert_eq!(status["flatkv_root"], rehearsal["flatkv_root"]);
    }
}

#[test]
fn a_rehearsal_leaves_nothing_unless_told_to_and_refuses_what_will_not_do() {
    let (home, place) = (Home::recorded("small"), Home::empty());
    let copy = place.path().join("copy");
    let copy = copy.to_str().expect("UTF-8");
    let plan = plan(&home, &["--rehearse", copy, "--to", "evm_migrated"], 0);
    assert_eq!(plan["rehearsal"]["phases"].as_array().map(Vec::len), Some(1));
    assert!(fs::read_dir(place.path()).expect("lists").next().is_none(), "it is gone");
    let inside = format!("{}/copy", home.text());
    let before = home.bytes();
    run(&["plan", "--home", home.text(), "--rehearse", &inside]).refused(2, "another directory");
    fs::write(place.path().join("something"), "x").expect("writes");
    run(&["plan", "--home", home.text(), "--rehearse", place.text()]).refused(8, "not empty");
    assert_eq!(home.bytes(), before);
}

#[test]
fn an_interrupt_ends_a_rehearsal_without_a_trace() {
    let (home, place) = (Home::empty(), Home::empty());
    let sizes = ["--accounts", "2000", "--slots", "2000", "--bank", "2000", "--wasm", "2000"];
    run(&[&["gen", "--home", home.text(), "--output", "json"], &sizes[..]].concat()).json(0);
    let copy = place.path().join("copy");
    let before = home.bytes();
    let arguments = ["plan", "--home", home.text(), "--batch-keys", "1", "--rehearse", copy.to_str().expect("UTF-8")];
    let mut command = ferry(&arguments);
    command.env("FERRY_PROGRAM_PROGRESS_INTERVAL", "100ms").stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("starts");
    let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines().map(|line| line.expect("reads"));
    // A key a block: it is far from its end when it says so for the first time.
    let line = lines.find(|line| line.starts_with("rehearsal:")).expect("progress is told");
    assert!(line.contains("remaining") && line.contains("ETA"), "{line}");
    signal("INT", &child);
    assert!(lines.any(|line| line.contains("stopped by a signal")), "it says so");
    assert_eq!(Ended::from(child.wait_with_output().expect("ends")).code, 130);
    assert!(fs::read_dir(place.path()).expect("lists").next().is_none(), "nothing is left");
    assert_eq!(home.bytes(), before);
}

/// What `working` has made in `place`, once there is work in it.
fn made_in(place: &Path, working: &mut Child) -> PathBuf {
    let entries = |dir: &Path| fs::read_dir(dir).into_iter().flatten().map(|entry| entry.expect("lists").path());
    loop {
        if let Some(made) = entries(place).find(|made| entries(made).any(|path| path.is_dir())) {
            return made;
        }
        assert!(working.try_wait().expect("waits").is_none(), "it ended before it had made anything");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A plan was killed, and what it had made in a temporary directory stayed there for good.
#[test]
fn what_a_killed_plan_has_left_goes_with_the_next_one_and_never_while_it_works() {
    let (home, place) = (Home::empty(), Home::empty());
    let sizes = ["--accounts", "2000", "--slots", "2000", "--bank", "2000", "--wasm", "2000"];
    run(&[&["gen", "--home", home.text(), "--output", "json"], &sizes[..]].concat()).json(0);
    let plan = |more: &[&str]| {
        let arguments = [&["plan", "--home", home.text(), "--output", "json"], more].concat();
        ferry(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts")
    };
    let sample = ["--scratch", place.text()];
    let copy = place.path().join("copy");
    let rehearse = ["--rehearse", copy.to_str().expect("UTF-8"), "--to", "evm_migrated"];
    for arguments in [sample, ["--rehearse", rehearse[1]]] {
        let mut working = plan(&[&["--batch-keys", "1"], &arguments[..]].concat());
        let made = made_in(place.path(), &mut working);
        // It stands still, so that it is at work for as long as the other one takes.
        signal("STOP", &working);
        // Another one leaves it alone.
        let other = [&["plan", "--home", home.text(), "--quick"], &arguments[..]].concat();
        if arguments == sample {
            assert_eq!(run(&other).code, 0);
        } else {
            run(&other).refused(8, "not empty");
        }
        assert!(fs::read_dir(&made).is_ok_and(|mut entries| entries.next().is_some()), "and what it has made is there");
        working.kill().expect("kills");
        working.wait().expect("ends");
        assert!(made.exists(), "a kill leaves it");
        let next = if arguments == sample { &sample[..] } else { &rehearse[..] };
        let ended = plan(&[&["--batch-keys", "1000"], next].concat());
        assert_eq!(Ended::from(ended.wait_with_output().expect("ends")).code, 0);
        // A directory that was named is nobody's to delete once it was there.
        assert_eq!(made.exists(), arguments != sample);
        assert!(fs::read_dir(&made).into_iter().flatten().next().is_none(), "nothing is left");
    }
}
