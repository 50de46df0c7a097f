//! `cargo xtask ops`: what stands in ops/ under the tools that it is for.
//!
//! That every metric named there exists, a test of migrate-metrics says, without any tool. Asked for by name, a tool that
//! is missing is an error and no skip.

use std::process::Command;

use anyhow::{Result, bail};

use crate::{page, run};

/// Checks alerts and their tests, the scrape's configuration, and the units.
pub(crate) fn run() -> Result<()> {
    let Some(promtool) = page::find("promtool") else {
        bail!("no promtool to check the alerts with: install Prometheus (Debian: prometheus)");
    };
    let rules = run::root().join("ops/prometheus");
    for words in [
        ["check", "rules", "alerts.yml"].as_slice(),
        &["test", "rules", "alerts_test.yml"],
        &["check", "config", "--syntax-only", "scrape.yml"],
    ] {
        run::check(Command::new(&promtool).args(words).current_dir(&rules))?;
    }
    Ok(())
}
