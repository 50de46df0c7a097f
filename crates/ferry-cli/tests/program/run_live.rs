//! `ferry run` block by block, and `ferry ctl` beside it.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::common::{Ended, ferry, run};

/// A home with something of every kind.
pub(crate) fn home() -> TempDir {
    let home = tempfile::tempdir().expect("a directory");
    let sizes = ["--accounts", "400", "--slots", "3000", "--bank", "500", "--wasm", "500"];
    run(&[&["gen", "--home", text(&home)], sizes.as_slice()].concat());
    home
}

pub(crate) fn text(home: &TempDir) -> &str {
    home.path().to_str().expect("UTF-8")
}

fn socket(home: &TempDir) -> PathBuf {
    home.path().join("data/state_commit/ferry.sock")
}

fn drive(home: &TempDir, arguments: &[&str]) -> Ended {
    run(&[&["run", "--output", "json", "--home", text(home)], arguments].concat())
}

pub(crate) fn ctl(home: &TempDir, arguments: &[&str]) -> Value {
    run(&[&["ctl", "--output", "json", "--home", text(home)], arguments].concat()).json(0)
}

fn status(home: &TempDir) -> Value {
    run(&["status", "--output", "json", "--home", text(home)]).json(0)
}

/// A run that makes one block and then waits an hour for the next one.
pub(crate) struct Waiting {
    child: Child,
    stderr: BufReader<ChildStderr>,
}

impl Waiting {
    pub(crate) fn start(home: &TempDir, arguments: &[&str]) -> Self {
        let mut waiting = Self::begin(home, arguments);
        waiting.says("remaining");
        waiting
    }

    fn begin(home: &TempDir, arguments: &[&str]) -> Self {
        let line = [&["run", "--output", "json", "--every", "60min", "--home", text(home)], arguments].concat();
        let mut child = ferry(&line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
        let stderr = BufReader::new(child.stderr.take().expect("a pipe"));
        Self { child, stderr }
    }

    /// Waits for a line with this in it.
    #[track_caller]
    pub(crate) fn says(&mut self, what: &str) -> String {
        loop {
            let mut line = String::new();
            assert!(self.stderr.read_line(&mut line).expect("reads") > 0, "it ended without saying {what:?}");
            if line.contains(what) {
                return line;
            }
        }
    }

    fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("sh").args(["-c", r#"kill "$0" "$1""#, signal, &id]).status().expect("a shell runs");
        assert!(sent.success());
    }

    pub(crate) fn ended(mut self) -> Ended {
        let mut stderr = String::new();
        self.stderr.read_to_string(&mut stderr).expect("reads");
        let output = self.child.wait_with_output().expect("ends");
        Ended { stderr, ..Ended::from(output) }
    }
}

#[test]
fn a_run_leads_through_a_phase_and_then_through_all() {
    let home = home();
    let before = status(&home);
    let report = drive(&home, &["--to", "evm_migrated", "--batch-keys", "1000"]).json(0);
    assert_eq!((&report["outcome"], &report["write_mode"]), (&"done".into(), &"evm_migrated".into()));
    assert!(report["keys"].as_u64() > Some(3000), "{report}");
    let again = drive(&home, &["--to", "evm_migrated"]).json(0);
    assert_eq!((&again["outcome"], &again["blocks"]), (&"done".into(), &0.into()), "nothing is left to do");
    let report = drive(&home, &["--to", "all", "--batch-keys", "700"]).json(0);
    assert_eq!((&report["write_mode"], &report["remaining_keys"]), (&"flatkv_only".into(), &0.into()));

    let after = status(&home);
    let sum = |status: &Value, field: &str| -> u64 {
        status["modules"].as_array().expect("modules").iter().filter_map(|module| module[field].as_u64()).sum()
    };
    assert_eq!((sum(&after, "remaining_keys"), sum(&after, "moved_keys")), (0, sum(&before, "remaining_keys")));
    assert_eq!(after["write_mode"], "flatkv_only");
    assert!(!socket(&home).exists(), "its socket went with it");
}

#[test]
fn blocks_and_batch_sizes_alone_decide_what_a_node_comes_to() {
    let (one, other) = (home(), home());
    let whole = drive(&one, &["--batch-keys", "300", "--blocks", "5"]).json(7);
    assert_eq!((&whole["outcome"], &whole["blocks"]), (&"blocks_made".into(), &5.into()));
    drive(&other, &["--batch-keys", "300", "--blocks", "2", "--blocks-per-second", "50"]).json(7);
    let parts = drive(&other, &["--batch-keys", "300", "--blocks", "3"]).json(7);
    assert_eq!(parts["app_hash"], whole["app_hash"]);
}

#[test]
fn empty_blocks_move_nothing() {
    let home = home();
    let report = drive(&home, &["--empty", "--blocks", "3"]).json(0);
    assert_eq!((&report["blocks"], &report["keys"]), (&3.into(), &0.into()));
    assert_eq!(report["write_mode"], "memiavl_only");
    drive(&home, &["--empty"]).refused(2, "--blocks");
}

#[test]
fn a_run_is_paused_changed_resumed_and_stopped_from_outside() {
    let home = home();
    let mut waiting = Waiting::start(&home, &["--batch-keys", "100"]);
    let mode = fs::symlink_metadata(socket(&home)).expect("a socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "its owner's alone");
    let first = ctl(&home, &["status"]);
    assert_eq!(first["progress"]["state"], "throttled");
    assert!(first["progress"]["reason"].as_str().expect("a reason").contains("every 3600.0 s"), "{first}");

    let paused = ctl(&home, &["pause"]);
    assert_eq!((&paused["paused"], &paused["progress"]["state"]), (&true.into(), &"paused".into()), "{paused}");
    let line = waiting.says("paused");
    assert!(line.contains("remaining, ETA unknown") && line.contains("resume"), "{line}");
    assert_eq!(ctl(&home, &["status"])["progress"]["state"], "paused");
    assert_eq!(ctl(&home, &["batch", "7"])["batch_keys"], 7);
    assert_eq!(ctl(&home, &["resume"])["paused"], false);
    waiting.says("throttled");
    // Without a number of keys, and with one that nobody asked for.
    run(&["ctl", "--home", text(&home), "batch"]).refused(2, "KEYS");
    run(&["ctl", "--home", text(&home), "pause", "7"]).refused(2, "batch");
    ctl(&home, &["stop"]);
    let report = waiting.ended().json(7);
    assert_eq!(report["outcome"], "stopped");
    assert!(!socket(&home).exists());
    run(&["ctl", "--home", text(&home), "status"]).refused(2, "no process runs this node");
}

/// What the endpoint at `address` answers.
fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("connects");
    stream.write_all(format!("GET {path} HTTP/1.1\r\n\r\n").as_bytes()).expect("writes");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("reads");
    answer
}

#[test]
fn a_run_serves_its_metrics_where_it_is_told_to() {
    let home = home();
    let mut waiting = Waiting::begin(&home, &["--batch-keys", "100", "--metrics-addr", "0"]);
    let line = waiting.says("http://127.0.0.1:");
    let address = line.trim().trim_end_matches('/').rsplit('/').next().expect("an address").to_owned();
    waiting.says("throttled");
    assert!(get(&address, "/healthz").ends_with("\r\n\r\nok\n"));
    assert!(get(&address, "/readyz").starts_with("HTTP/1.1 200 "));
    assert!(get(&address, "/metrics").contains("ferry_state{state=\"throttled\"} 1\n"));
    assert!(get(&address, "/status.json").contains("\"state\":\"throttled\""));
    assert!(get(&address, "/").contains("<title>ferry</title>"));
    drive(&home, &["--metrics-addr", "nowhere"]).refused(2, "expected an address");
    ctl(&home, &["stop"]);
    waiting.ended().json(7);

    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    drive(&home, &["--metrics-addr", &port]).refused(2, "choose another address");
}

#[test]
fn status_and_top_ask_the_run_and_agree_with_the_disk() {
    let home = home();
    let mut waiting = Waiting::start(&home, &["--batch-keys", "100"]);
    waiting.says("throttled");
    ctl(&home, &["pause"]);
    waiting.says("paused");
    let told = status(&home);
    assert_eq!((&told["source"], &told["state"]), (&"socket".into(), &"paused".into()));
    assert_eq!(told["process_id"], waiting.child.id());
    assert!(told["keys_per_second"].is_number() && told["eta_seconds"].is_null(), "{told}");
    let page = run(&["top", "--home", text(&home)]);
    assert_eq!(page.code, 0, "{}", page.stderr);
    for said in ["paused", "remaining", "ETA         unknown", "left to move", "evm"] {
        assert!(page.stdout.contains(said), "{said}: {}", page.stdout);
    }
    assert!(!page.stdout.contains('\u{1b}'), "no escapes without a terminal");
    ctl(&home, &["stop"]);
    waiting.ended().json(7);

    let looked = status(&home);
    assert_eq!((&looked["source"], &looked["process_id"]), (&"disk".into(), &Value::Null));
    assert!(looked["reason"].as_str().expect("a reason").starts_with("nobody has the home open"), "{looked}");
    assert!(looked["keys_per_second"].is_null() && looked["eta_seconds"].is_null(), "one block has no pace: {looked}");
    for field in ["height", "write_mode", "migration_version", "boundary", "flatkv_root", "modules"] {
        assert_eq!(told[field], looked[field], "{field}");
    }
    run(&["top", "--home", text(&home)]).refused(2, "no process runs this node");

    drive(&home, &["--batch-keys", "100", "--blocks", "4", "--blocks-per-second", "20"]).json(7);
    let looked = status(&home);
    let figure = |name: &str| looked[name].as_f64().unwrap_or_else(|| panic!("{name}: {looked}"));
    assert!(figure("keys_per_second") > 0.0 && figure("last_block_seconds") < 600.0);
    let evm = looked["modules"].as_array().expect("modules").iter().find(|module| module["name"] == "evm");
    let left = evm.and_then(|evm| evm["remaining_keys"].as_f64()).expect("a count");
    assert!((figure("eta_seconds") * figure("keys_per_second") - left).abs() < 1.0, "{looked}");
}

#[test]
fn a_run_makes_a_checkpoint_between_two_blocks_and_goes_on() {
    let (home, place) = (home(), tempfile::tempdir().expect("a directory"));
    let beside = place.path().join("beside");
    let beside = beside.to_str().expect("UTF-8");
    let checkpoint = |to: &str| run(&["export", "--home", text(&home), "--checkpoint", to, "--output", "json"]);
    let waiting = Waiting::start(&home, &["--batch-keys", "100"]);
    let made = checkpoint(beside).json(0);
    let now = ctl(&home, &["status"]);
    assert_eq!((&made["source"], &made["height"]), (&"socket".into(), &now["progress"]["height"]));
    checkpoint(beside).refused(8, "not empty");
    checkpoint(place.path().join("nowhere/beside").to_str().expect("UTF-8")).refused(6, "nowhere");
    assert_eq!(run(&["verify", "--home", beside]).code, 0);
    ctl(&home, &["stop"]);
    let stopped = waiting.ended().json(7);
    assert_eq!(stopped["app_hash"], made["app_hash"]);

    // Both lead to the same, and each by itself.
    let ended = run(&["run", "--home", beside, "--batch-keys", "700", "--output", "json"]).json(0);
    assert_eq!(status(&home)["height"], made["height"]);
    assert_eq!(drive(&home, &["--batch-keys", "700"]).json(0)["app_hash"], ended["app_hash"]);
}

#[test]
fn a_batch_of_zero_is_a_pause_that_says_so() {
    let home = home();
    let waiting = Waiting::start(&home, &["--batch-keys", "0"]);
    let status = ctl(&home, &["status"]);
    assert_eq!(status["progress"]["state"], "paused");
    assert!(status["progress"]["reason"].as_str().expect("a reason").contains("batch size is 0"), "{status}");
    ctl(&home, &["stop"]);
    assert_eq!(waiting.ended().json(7)["keys"], 0);
}

#[test]
fn a_signal_ends_a_run_cleanly_and_it_goes_on_from_there() {
    let home = home();
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let mut waiting = Waiting::start(&home, &["--batch-keys", "100"]);
        waiting.says("throttled");
        waiting.signal(signal);
        let report = waiting.ended().json(code);
        assert_eq!((&report["outcome"], &report["blocks"]), (&"stopped".into(), &1.into()));
        assert_eq!(status(&home)["height"], report["height"]);
    }
    drive(&home, &["--batch-keys", "100000"]).json(0);
}

#[test]
fn two_signals_at_once_and_a_kill_leave_a_home_that_goes_on() {
    let home = home();
    for signals in [["-INT", "-INT"], ["-TERM", "-INT"], ["-KILL", "-KILL"]] {
        let mut waiting = Waiting::start(&home, &["--batch-keys", "100"]);
        waiting.says("throttled");
        for signal in signals {
            let id = waiting.child.id().to_string();
            // The second one finds nobody where the first was quick.
            Command::new("sh").args(["-c", r#"kill "$0" "$1" 2>/dev/null"#, signal, &id]).status().expect("runs");
        }
        let mut child = waiting.child;
        let code = child.wait().expect("ends").code();
        assert!(matches!(code, Some(130 | 143) | None), "{code:?}");
    }
    assert!(socket(&home).exists(), "a kill leaves the socket");
    // Also what `status` makes of it: a socket that nobody listens on is no node that runs.
    assert_eq!(status(&home)["write_mode"], "migrate_evm");
    drive(&home, &["--batch-keys", "100000"]).json(0);
    assert!(!socket(&home).exists());
}

#[test]
fn a_socket_that_cannot_be_had_is_refused_before_a_block_is_made() {
    let home = home();
    let height = status(&home)["height"].clone();
    let place = tempfile::tempdir().expect("a directory");
    let path = |name: &str| place.path().join(name).to_str().expect("UTF-8").to_owned();

    let long = path(&"x".repeat(120));
    drive(&home, &["--socket", &long]).refused(2, "max=107");
    run(&["ctl", "--socket", &long, "status"]).refused(2, "max=107");

    fs::write(path("file"), "precious").expect("writes");
    drive(&home, &["--socket", &path("file")]).refused(8, "no socket");
    assert_eq!(fs::read(path("file")).expect("reads"), b"precious");

    let living = UnixListener::bind(path("living")).expect("binds");
    drive(&home, &["--socket", &path("living")]).refused(5, "another process");
    drop(living);
    assert_eq!(status(&home)["height"], height);

    assert!(fs::symlink_metadata(path("living")).expect("left behind").file_type().is_socket());
    drive(&home, &["--socket", &path("living"), "--blocks", "1"]).json(7);
    assert!(!PathBuf::from(path("living")).exists(), "the stale one was replaced, and went with the run");
}

#[test]
fn a_target_in_the_middle_of_a_migration_is_refused() {
    let home = home();
    // What is listed is what is taken there, and no more.
    for not_an_end in ["migrate_evm", "memiavl_only", "auto", "nowhere"] {
        let listed = "[possible values: evm_migrated, all_migrated_but_bank, flatkv_only]";
        let refused = drive(&home, &["--to", not_an_end]);
        refused.refused(2, not_an_end);
        refused.refused(2, listed);
    }
    drive(&home, &["--every", "2"]).refused(2, "expected a number with ms, s or min");
    drive(&home, &["--every", "1s", "--blocks-per-second", "1"]).refused(2, "cannot be used with");
    drive(&home, &["--at-height", "3"]).refused(2, "--offline");
}

#[test]
fn a_disk_that_is_full_ends_a_run_and_a_larger_one_lets_it_go_on() {
    let home = home();
    // A limit on the size of files stands for the disk: beyond it every write fails.
    let script = r#"ulimit -f 64; trap "" XFSZ; exec "$@""#;
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh", env!("CARGO_BIN_EXE_ferry"), "run", "--home", text(&home)]);
    command.args(["--batch-keys", "2000"]).env_remove("FERRY_HOME").env_remove("FERRY_LOG").stdin(Stdio::null());
    let ended = Ended::from(command.output().expect("starts"));
    ended.refused(6, "error:");
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    drive(&home, &["--batch-keys", "2000"]).json(0);
    assert_eq!(status(&home)["write_mode"], "flatkv_only");
}
