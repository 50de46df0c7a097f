//! The commands of docs/operating/walk-through.md, run in an empty directory, lead to what the page shows.
//!
//! ```text
//! ```console            commands behind "$ ", each with its output below; a line of "…" stands for lines left out
//! ```console exit=8     the last command ends with this exit code
//! ```console meanwhile  the command is started, and what follows happens while it runs
//! ```console then       what that command says at its end; nothing is started
//! ```
//! Numbers, sizes, times and hashes may be others: words, and what stands between them, must be the same.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const PAGE: &str = "docs/operating/walk-through.md";
const PATIENCE: Duration = Duration::from_secs(60);

/// A fenced block of the page.
struct Block {
    line: usize,
    /// What stands behind `console`.
    words: String,
    /// Commands, each with the lines that the page shows of its output.
    steps: Vec<(String, Vec<String>)>,
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (number, line) in page.lines().enumerate() {
        match (&mut open, line) {
            (None, line) if line.starts_with("```console") => {
                let words = line["```console".len()..].trim().to_owned();
                let steps = if words == "then" { vec![(String::new(), Vec::new())] } else { Vec::new() };
                open = Some(Block { line: number + 1, words, steps });
            }
            (Some(_), "```") => blocks.extend(open.take()),
            (Some(block), line) => match line.strip_prefix("$ ") {
                Some(command) => block.steps.push((command.to_owned(), Vec::new())),
                None => block.steps.last_mut().expect("a command before its output").1.push(line.to_owned()),
            },
            (None, _) => {}
        }
    }
    assert!(open.is_none(), "a block without an end");
    blocks
}

/// The line without what may be another one next time: numbers with their units, hashes, borders, widths.
fn masked(line: &str) -> String {
    let mut words = Vec::new();
    let apart = |c: char| c.is_whitespace() || "│┆─╌╭╮╰╯├┤┼╞═╪╡┬┴,".contains(c);
    for word in line.split(apart).filter(|word| !word.is_empty()) {
        let bare = word.trim_matches(|c: char| "()[]:;%#.>=<-".contains(c));
        let is_number = bare.starts_with(|c: char| c.is_ascii_digit());
        let is_hash = bare.len() >= 16 && bare.chars().all(|c| c.is_ascii_hexdigit() || c == '…');
        let is_unit = matches!(bare, "B" | "KiB" | "MiB" | "GiB" | "ns" | "µs" | "ms" | "s" | "min" | "h");
        let is_bar = bare.is_empty() && word.len() > 3;
        let is_number = is_number || is_hash || is_unit || is_bar || bare == "unknown";
        // A number in a word, as in last=40, is masked where it stands.
        let digits_masked = || {
            let mut mask = word.replace(|c: char| c.is_ascii_digit(), "#");
            while mask.contains("##") {
                mask = mask.replace("##", "#");
            }
            mask
        };
        let mask = if is_number { "#".to_owned() } else { digits_masked() };
        // `1 234 567` is one number.
        if !(is_number && words.last().is_some_and(|last| last == "#")) {
            words.push(mask);
        }
    }
    words.join(" ")
}

/// Fails unless the shown lines are among those of the output, in their order, and every line is shown but those that a "…"
/// stands for.
#[track_caller]
fn compare(at: &str, shown: &[String], output: &str) {
    let lines: Vec<_> = output.lines().map(masked).filter(|line| !line.is_empty()).collect();
    let mut next = 0;
    let mut gap = false;
    for line in shown {
        if line.trim() == "…" {
            gap = true;
            continue;
        }
        let wanted = masked(line);
        if wanted.is_empty() {
            continue;
        }
        let found = lines[next..].iter().position(|line| *line == wanted);
        match found {
            Some(skipped) if skipped == 0 || gap => next += skipped + 1,
            _ => panic!("{at}: the page shows {line:?} ({wanted}), which does not come next in:\n{output}"),
        }
        gap = false;
    }
    assert!(gap || next == lines.len(), "{at}: the page leaves out what follows line {next} of:\n{output}");
}

fn shell(directory: &Path, line: &str) -> Command {
    let program = Path::new(env!("CARGO_BIN_EXE_ferry"));
    let path =
        format!("{}:{}", program.parent().expect("a directory").display(), std::env::var("PATH").expect("a path"));
    let mut command = Command::new("bash");
    // A run that the page shows beside others is one process, so that its end is the shell's.
    command.args(["--norc", "-c", line]).current_dir(directory).env("PATH", path).env("HOME", directory);
    for variable in ["FERRY_HOME", "FERRY_CONFIG", "FERRY_LOG"] {
        command.env_remove(variable);
    }
    command.env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

/// A command that runs beside the others, its output in a file.
struct Meanwhile {
    child: Child,
    at: String,
    output: std::path::PathBuf,
}

impl Meanwhile {
    fn start(directory: &Path, at: &str, line: &str) -> Self {
        let output = directory.join("meanwhile.txt");
        let file = fs::File::create(&output).expect("creates");
        let mut command = shell(directory, &format!("exec {line}"));
        command.stdout(file.try_clone().expect("a handle")).stderr(file);
        let child = command.spawn().expect("bash starts");
        // A person reads its first line before the next command, and some blocks are made meanwhile.
        let home = line.split("--home ").nth(1).and_then(|rest| rest.split(' ').next()).expect("a home");
        let ask = format!("ferry status --home {home} --output json 2>&1");
        let began = Instant::now();
        loop {
            let told = shell(directory, &ask).output().expect("bash starts").stdout;
            if String::from_utf8_lossy(&told).contains("in_progress") {
                break;
            }
            assert!(began.elapsed() < PATIENCE, "{at}: nothing moves: {}", String::from_utf8_lossy(&told));
            thread::sleep(Duration::from_millis(20));
        }
        Self { child, at: at.to_owned(), output }
    }

    /// Its output, once it has ended.
    fn ended(mut self) -> String {
        let began = Instant::now();
        while self.child.try_wait().expect("waits").is_none() {
            assert!(began.elapsed() < PATIENCE, "{}: it does not end", self.at);
            thread::sleep(Duration::from_millis(50));
        }
        let output = fs::read_to_string(&self.output).expect("reads");
        fs::remove_file(&self.output).expect("removes");
        output
    }
}

#[test]
fn the_walk_through_leads_where_it_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(PAGE);
    let page = fs::read_to_string(path).expect("the page");
    let directory = tempfile::tempdir().expect("a directory");
    let mut meanwhile = None;
    let mut commands = 0;
    for block in blocks(&page) {
        let at = format!("{PAGE}:{}", block.line);
        let code = block.words.strip_prefix("exit=").map_or(0, |code| code.parse().expect("an exit code"));
        let last = block.steps.len() - 1;
        for (place, (line, shown)) in block.steps.iter().enumerate() {
            commands += 1;
            match block.words.as_str() {
                "meanwhile" => {
                    meanwhile = Some(Meanwhile::start(directory.path(), &at, line));
                    continue;
                }
                "then" => {
                    let started: Meanwhile = meanwhile.take().expect("something was started");
                    compare(&at, shown, &started.ended());
                    continue;
                }
                _ => {}
            }
            // Progress is a bar that goes again, where people look; an error stays.
            let to_page = if code == 0 { "exec 2>/dev/null; " } else { "exec 2>&1; " };
            let ended = shell(directory.path(), &format!("{to_page}{line}")).output().expect("bash starts");
            let output = String::from_utf8(ended.stdout).expect("UTF-8");
            let expected = if place == last { code } else { 0 };
            assert_eq!(ended.status.code(), Some(expected), "{at}: {line}\n{output}");
            compare(&at, shown, &output);
        }
    }
    assert!(meanwhile.is_none() && commands > 15, "{commands} commands");
}

#[test]
fn a_page_that_shows_something_else_is_found() {
    let shown = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let output = "│ keys ┆ 1 234 │\n│ time ┆ 3.2 s │\n│ app hash ┆ 00112233445566778899aabbccddeeff │\n";
    compare("same", &shown("│ keys   ┆ 99 │\n│ time ┆ 12 ms │\n│ app hash ┆ ffffffffffffffffffff │"), output);
    compare("shortened", &shown("│ keys   ┆ 99 │\n…"), output);
    for wrong in [
        "│ rows ┆ 99 │\n…",
        "│ keys ┆ 99 │",
        "│ keys ┆ none │\n…",
        "│ keys ┆ 99 │\n│ app hash ┆ 00112233445566778899 │",
    ] {
        let found = std::panic::catch_unwind(|| compare("wrong", &shown(wrong), output));
        assert!(found.is_err(), "{wrong}");
    }
}
