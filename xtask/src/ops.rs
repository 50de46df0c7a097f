//! `cargo xtask ops`: what stands in ops/ under the tools that it is for.
//!
//! That every metric named there exists, a test of migrate-metrics says, without any tool. Asked for by name, a tool that
//! is missing is an error and no skip.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::{page, run};

/// The unit that stands for a chain's node, which the drop-in is for.
const NODE: &str = "[Service]\nExecStart=/bin/true\n";
/// What stands in the place of a program that is not installed here.
const PROGRAM: (&str, &str) = ("/usr/local/bin/ferry", "/bin/true");

/// Checks alerts and their tests, the scrape's configuration, and the units.
pub(crate) fn run() -> Result<()> {
    let Some(promtool) = page::find("promtool") else {
        bail!("no promtool to check the alerts with: install Prometheus (Debian: prometheus)");
    };
    let Some(analyze) = page::find("systemd-analyze") else {
        bail!("no systemd-analyze to check the units with: install systemd (Debian: systemd)");
    };
    let ops = run::root().join("ops");
    for words in [
        ["check", "rules", "alerts.yml"].as_slice(),
        &["test", "rules", "alerts_test.yml"],
        &["check", "config", "--syntax-only", "scrape.yml"],
    ] {
        run::check(Command::new(&promtool).args(words).current_dir(ops.join("prometheus")))?;
    }
    units(&analyze, &ops.join("systemd"))
}

/// Checks copies of the units, whose program need not be installed.
fn units(analyze: &Path, units: &Path) -> Result<()> {
    let copy = run::target_dir().join("ops-units");
    let drop_in = copy.join("node.service.d");
    fs::create_dir_all(&drop_in).with_context(|| format!("cannot make {}", drop_in.display()))?;
    let service = read(&units.join("ferry-run.service"))?;
    ensure!(service.contains(PROGRAM.0), "the service does not start {}", PROGRAM.0);
    for (name, text) in [
        ("ferry-run.service", service.replace(PROGRAM.0, PROGRAM.1)),
        ("node.service", NODE.to_owned()),
        ("node.service.d/ferry.conf", read(&units.join("node.service.d/ferry.conf"))?),
    ] {
        fs::write(copy.join(name), text).with_context(|| format!("cannot write {name}"))?;
    }
    let mut command = Command::new(analyze);
    command.args(["verify", "--man=no", "./ferry-run.service", "./node.service"]).current_dir(&copy);
    let ended = command.output().with_context(|| format!("cannot start {}", run::line(&command)))?;
    // A word that systemd does not know is a warning to it, and no failure; what it says of this machine's units is not ours.
    let said = String::from_utf8_lossy(&ended.stderr);
    let ours: Vec<_> = said.lines().filter(|line| line.contains("ferry") || line.contains("node.service")).collect();
    ensure!(ended.status.success() && ours.is_empty(), "systemd would not take the units as they are meant: {said}");
    eprintln!("ops: alerts, their tests, the scrape and the units: as they should be");
    Ok(())
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
