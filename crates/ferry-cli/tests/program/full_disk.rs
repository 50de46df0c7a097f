//! A disk that is full ends every command that writes with the exit code of its kind, and once there is room the same
//! command does its work.

use std::path::Path;
use std::process::Command;

use crate::common::{Home, fixture, run};

/// Kibibytes that are free: so few that nothing can be begun, and enough for a part of it.
const FREE_KIB: [u64; 2] = [16, 700];

/// What ends a disk's room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Disk {
    /// A small file system of its own, which takes the right to mount one.
    Mounted,
    /// A limit on the size of each file, which everybody may set: beyond it every write fails, if by another word.
    Limited,
}

/// Makes a disk that becomes full, and one with room.
const MOUNTED: &str = r#"
mount -t tmpfs -o size=1g none "$place" || exit 77
full() { mount -o "remount,size=$(($(du -sk "$place" | cut -f1) + free))k" "$place" || exit 79; "$@"; }
roomy() { mount -o remount,size=1g "$place" || exit 79; "$@"; }
"#;
/// The same by a limit, in blocks of 512 bytes.
const LIMITED: &str = r#"
full() { (trap "" XFSZ; ulimit -f $((free * 2)) || exit 79; exec "$@"); }
roomy() { "$@"; }
"#;
/// Copies what there is, fills the disk, runs the command, makes room, runs it again if it is one that can be given again, and
/// verifies. What is said goes elsewhere: it would find no room.
const SCRIPT: &str = r#"
cp -a "$source/." "$place/" && cd "$place" || exit 78
said=$(full "$ferry" "$@" 2>&1 >/dev/null); first=$?
second=0; again=""; verified=0
if [ "$home_after" != begun ]; then again=$(roomy "$ferry" "$@" 2>&1 >/dev/null); second=$?; fi
if [ -d "$home_after" ]; then roomy "$ferry" verify --home "$home_after" >/dev/null 2>&1; verified=$?; fi
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

impl Disk {
    fn can_be_made(self) -> bool {
        let mut command = self.shell("true", tempfile::tempdir().expect("a directory").path());
        command.output().is_ok_and(|ended| ended.status.success())
    }

    /// A shell that makes the disk at `place` and then runs `script`.
    fn shell(self, script: &str, place: &Path) -> Command {
        let (mut command, disk) = match self {
            Self::Mounted => (Command::new("unshare"), MOUNTED),
            Self::Limited => (Command::new("sh"), LIMITED),
        };
        if self == Self::Mounted {
            command.args(["--mount", "--map-root-user", "sh"]);
        }
        let arguments = "place=$1; source=$2; free=$3; ferry=$4; home_after=$5; shift 5";
        command.args(["-c", &format!("{arguments}\n{disk}\n{script}"), "sh"]).arg(place);
        if script != SCRIPT {
            command.args(["", "", "", ""]);
        }
        for variable in ["FERRY_HOME", "FERRY_CONFIG", "FERRY_LOG"] {
            command.env_remove(variable);
        }
        command
    }

    /// Runs a command while the disk is full, and again.
    fn meets(self, source: &Home, free_kib: u64, home_after: &str, words: &[&str]) -> Met {
        let place = tempfile::tempdir().expect("a directory");
        let mut command = self.shell(SCRIPT, place.path());
        command.arg(source.path()).arg(free_kib.to_string()).arg(env!("CARGO_BIN_EXE_ferry"));
        let ended = command.arg(home_after).args(words).output().expect("starts");
        assert!(ended.status.success(), "{self:?} {words:?}: {ended:?}");
        let stdout = String::from_utf8(ended.stdout).expect("UTF-8");
        let (codes, said) = stdout.split_once('\n').expect("a line of codes");
        let codes: Vec<i32> = codes.split(' ').map(|code| code.parse().expect("an exit code")).collect();
        Met { first: codes[0], second: codes[1], verified: codes[2], said: said.to_owned() }
    }

    /// What the system says of it.
    fn word(self) -> &'static str {
        match self {
            Self::Mounted => "No space left",
            Self::Limited => "File too large",
        }
    }
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

/// Every command that writes, with the home that it leaves.
const CALLS: [(&str, &str); 10] = [
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

fn every_command_meets(disk: Disk) {
    let source = source();
    let mut full = 0;
    for ((home_after, line), free_kib) in CALLS.iter().flat_map(|call| FREE_KIB.map(|free| (call, free))) {
        let words: Vec<_> = line.split_whitespace().collect();
        let met = disk.meets(&source, free_kib, home_after, &words);
        let names_it = met.said.contains(disk.word());
        // What a preflight sees is refused before it is begun; with some room a little may be done.
        let is_told = (met.first == 6 && names_it)
            || (words[0] == "plan" && met.first == 8)
            || (met.first == 0 && (free_kib > FREE_KIB[0] || disk == Disk::Limited));
        assert!(is_told && !met.said.contains("panicked"), "{line}, {free_kib} KiB: {met:?}");
        // A checkpoint that was made with the little room there was is not made once more.
        let is_there = met.first == 0 && home_after == &"beside";
        assert_eq!((met.second, met.verified), (if is_there { 8 } else { 0 }, 0), "{line}, {free_kib} KiB: {met:?}");
        full += usize::from(met.first == 6);
    }
    assert!(full >= CALLS.len(), "only {full} met a full disk");
}

/// On a disk of its own, where one can be mounted; where none can be, what the test below does must do.
#[test]
fn a_full_disk_ends_every_command_that_writes_and_room_lets_it_go_on() {
    let disks = [Disk::Mounted, Disk::Limited];
    every_command_meets(disks.into_iter().find(|disk| disk.can_be_made()).expect("everybody may set a limit"));
}

#[test]
fn a_limit_on_the_size_of_files_ends_every_command_that_writes_and_without_it_they_go_on() {
    every_command_meets(Disk::Limited);
}
