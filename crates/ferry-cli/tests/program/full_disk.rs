//! A disk that is full ends every command that writes with the exit code of its kind, and once there is room the same
//! command does its work.

use std::process::Command;

use crate::common::{Home, fixture, run};

/// Kibibytes that are free: so few that nothing can be begun, and enough for a part of it.
const FREE_KIB: [u64; 2] = [16, 700];

/// On a disk of its own: copies what there is, fills it, runs the command, makes room, runs it again if it is one that can be
/// given again, and verifies. What is said goes elsewhere: it would find no room.
const SCRIPT: &str = r#"
place=$1; source=$2; free=$3; ferry=$4; home_after=$5; shift 5
mount -t tmpfs -o size=1g none "$place" || exit 77
cp -a "$source/." "$place/" && cd "$place" || exit 78
used=$(du -sk . | cut -f1)
mount -o "remount,size=$((used + free))k" "$place" || exit 79
said=$("$ferry" "$@" 2>&1 >/dev/null); first=$?
mount -o remount,size=1g "$place"
second=0; again=""; verified=0
if [ "$home_after" != begun ]; then again=$("$ferry" "$@" 2>&1 >/dev/null); second=$?; fi
if [ -d "$home_after" ]; then "$ferry" verify --home "$home_after" >/dev/null 2>&1; verified=$?; fi
echo "$first $second $verified"; echo "$said"; echo "$again"
"#;

/// What became of a command on a full disk.
#[derive(Debug)]
struct Met {
    first: i32,
    /// Once there is room.
    second: i32,
    /// By `verify`, behind both.
    verified: i32,
    said: String,
}

/// Runs a command on a full disk; none where no disk can be made.
fn on_a_full_disk(source: &Home, free_kib: u64, home_after: &str, words: &[&str]) -> Option<Met> {
    let place = tempfile::tempdir().expect("a directory");
    let mut command = Command::new("unshare");
    command.args(["--mount", "--map-root-user", "sh", "-c", SCRIPT, "sh"]).arg(place.path()).arg(source.path());
    command.arg(free_kib.to_string()).arg(env!("CARGO_BIN_EXE_ferry")).arg(home_after).args(words);
    for variable in ["FERRY_HOME", "FERRY_CONFIG", "FERRY_LOG"] {
        command.env_remove(variable);
    }
    let ended = command.output().expect("starts");
    if !ended.status.success() {
        return None;
    }
    let stdout = String::from_utf8(ended.stdout).expect("UTF-8");
    let (codes, said) = stdout.split_once('\n').expect("a line of codes");
    let codes: Vec<i32> = codes.split(' ').map(|code| code.parse().expect("an exit code")).collect();
    Some(Met { first: codes[0], second: codes[1], verified: codes[2], said: said.to_owned() })
}

/// A directory with a home in the middle of a migration, an export of it, and a recording.
fn source() -> Home {
    let source = Home::empty();
    let path = |name: &str| source.path().join(name).to_str().expect("UTF-8").to_owned();
    let (home, export, blocks) = (path("home"), path("export"), fixture("small/blocks.jsonl.gz"));
    crate::common::copy(&fixture("small").join("memiavl"), &source.path().join("home/data/state_commit/memiavl"));
    let blocks = blocks.to_str().expect("UTF-8");
    run(&["replay", "--home", &home, "--until", "30", "--output", "json", "--blocks", blocks]).json(0);
    run(&["export", "--home", &home, "--to", &export, "--output", "json"]).json(0);
    std::fs::copy(blocks, path("blocks")).expect("copies");
    source
}

#[test]
fn a_full_disk_ends_every_command_that_writes_and_room_lets_it_go_on() {
    let source = source();
    let calls = [
        ("home", "run --home home --batch-keys 2000"),
        ("home", "run --home home --offline --at-height 30"),
        ("home", "replay --home home --blocks blocks"),
        ("new", "import --home new --from export --apply"),
        ("", "export --home home --to again"),
        ("beside", "export --home home --checkpoint beside"),
        ("home", "snapshot --home home"),
        ("home", "plan --home home --rehearse aside"),
        // Those that make a home make it once.
        ("begun", "gen --home gen --accounts 2000 --slots 9000 --bank 2000 --wasm 2000"),
        ("begun", "demo --home demo --accounts 2000 --slots 9000 --bank 2000 --wasm 2000"),
    ];
    let mut full = 0;
    for ((home_after, line), free_kib) in calls.iter().flat_map(|call| FREE_KIB.map(|free| (call, free))) {
        let words: Vec<_> = line.split_whitespace().collect();
        let Some(met) = on_a_full_disk(&source, free_kib, home_after, &words) else {
            println!("skipped: no disk of its own can be mounted here");
            return;
        };
        let names_it = met.said.contains("No space left");
        // What a preflight sees is refused before it is begun; with some room a little may be done.
        let is_told = (met.first == 6 && names_it)
            || (words[0] == "plan" && met.first == 8)
            || (met.first == 0 && free_kib > FREE_KIB[0]);
        assert!(is_told && !met.said.contains("panicked"), "{line}, {free_kib} KiB: {met:?}");
        // A checkpoint that was made with the little room there was is not made once more.
        let is_there = met.first == 0 && home_after == &"beside";
        assert_eq!((met.second, met.verified), (if is_there { 8 } else { 0 }, 0), "{line}, {free_kib} KiB: {met:?}");
        full += usize::from(met.first == 6);
    }
    assert!(full > calls.len(), "only {full} met a full disk");
}
