//! What the run was made on, and whether something else ran beside it.

use std::fs;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::threads;

/// The machine as it was before the run.
pub(crate) struct Machine {
    load_before: f64,
}

impl Machine {
    /// Looks at it before the run.
    pub(crate) fn look() -> Result<Self> {
        Ok(Self { load_before: load()? })
    }

    /// Describes it behind the run.
    pub(crate) fn describe(&self) -> Result<Value> {
        let cpu = fs::read_to_string("/proc/cpuinfo").context("cannot read /proc/cpuinfo")?;
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").context("cannot read the kernel's release")?;
        let flags = field(&cpu, "flags").unwrap_or_default();
        let has_avx512 = flags.split_whitespace().any(|flag| flag == "avx512f");
        Ok(json!({
            "cpu": field(&cpu, "model name").unwrap_or("unknown"), "has_avx512": has_avx512, "cores": threads(),
            "kernel": release.trim(), "load_before": self.load_before, "load_after": load()?,
        }))
    }
}

/// The first field of a name.
fn field<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let is_named = |line: &&str| line.split(':').next().is_some_and(|word| word.trim() == name);
    text.lines().find(is_named)?.split_once(':').map(|(_, value)| value.trim())
}

/// The load average of the last minute.
fn load() -> Result<f64> {
    let text = fs::read_to_string("/proc/loadavg").context("cannot read /proc/loadavg")?;
    let first = text.split_whitespace().next().with_context(|| format!("/proc/loadavg holds {text:?}"))?;
    Ok(first.parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let text = "model\t\t: 17\nmodel name\t: EPYC: two\nflags\t: fpu avx512f\n";
        assert_eq!(field(text, "model name"), Some("EPYC: two"));
        assert_eq!(field(text, "name"), None);
    }
}
