//! What the threads of a process that hangs wait for, told before it is ended: nothing else says it afterwards.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// Frames of a thread that a debugger tells.
const FRAMES: usize = 24;

/// Each thread by its name and the kernel's function that it waits in, then the debugger's stacks if there is a debugger.
pub(crate) fn describe(process: u32) -> String {
    let mut lines = waits(Path::new("/proc").join(process.to_string()).join("task").as_path());
    lines.extend(stacks(process));
    if lines.is_empty() { format!("nothing is known of process {process}") } else { lines.join("; ") }
}

fn waits(tasks: &Path) -> Vec<String> {
    let threads = fs::read_dir(tasks).into_iter().flatten().flatten().map(|entry| entry.path());
    let read = |thread: &Path, name| fs::read_to_string(thread.join(name)).unwrap_or_default().trim().to_owned();
    let mut lines: Vec<_> =
        threads.map(|thread| format!("{} in {}", read(&thread, "comm"), read(&thread, "wchan"))).collect();
    lines.sort();
    lines
}

/// One line for each frame. Without a debugger there are none.
fn stacks(process: u32) -> Vec<String> {
    let mut debugger = Command::new("gdb");
    debugger.args(["--batch", "--nx", "--pid", &process.to_string()]);
    debugger.args(["--eval-command", &format!("thread apply all backtrace {FRAMES}")]);
    let said = debugger.stdin(Stdio::null()).stderr(Stdio::null()).output();
    let said = said.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let is_told = |line: &&str| line.starts_with("Thread ") || line.starts_with('#');
    said.lines().filter(is_told).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_sleeps_is_told_with_its_thread() {
        let mut sleeper = Command::new("sleep").arg("60").spawn().expect("a process");
        let told = describe(sleeper.id());
        sleeper.kill().expect("ended");
        sleeper.wait().expect("gone");
        // The name is the test's own until the program is there.
        assert!(told.contains(" in "), "{told}");
        assert_eq!(describe(sleeper.id()), format!("nothing is known of process {}", sleeper.id()));
    }
}
