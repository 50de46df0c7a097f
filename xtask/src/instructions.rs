//! Instructions of a node's parts, counted by valgrind: figures that no neighbour on the machine disturbs, for comparing two
//! builds where times are too noisy.
//!
//! valgrind shows a processor without AVX-512 and without instructions for SHA-256, so what hashes takes more here than on most
//! machines; the ratio of two builds is what counts. Each part is run twice, and the difference is what is told, so that what
//! it needs beforehand is left out.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::run;

/// Rounds of the two runs.
const ROUNDS: [u64; 2] = [1, 5];

/// Whether there is a valgrind; if not, what to do is the error.
pub(crate) fn check() -> Result<()> {
    match Command::new("valgrind").arg("--version").output() {
        Ok(output) if output.status.success() => Ok(()),
        _ => bail!("instructions are counted by valgrind, which is not here: apt-get install valgrind"),
    }
}

/// The instructions of each part, a row each.
pub(crate) fn count() -> Result<Value> {
    let program = run::release_dir().join("instructions");
    let parts = run::output(&mut Command::new(&program))?;
    let mut rows = Vec::new();
    for line in parts.lines() {
        let (units, part) = line.split_once('\t').with_context(|| format!("no part in {line:?}"))?;
        let units: u64 = units.parse().with_context(|| format!("no number of units in {line:?}"))?;
        let [few, many] = [collected(&program, part, ROUNDS[0])?, collected(&program, part, ROUNDS[1])?];
        let each = many.saturating_sub(few) as f64 / (units * (ROUNDS[1] - ROUNDS[0])) as f64;
        eprintln!("bench: {part}: {each:.0} instructions");
        rows.push(json!({ "part": part, "instructions": each.round() }));
    }
    Ok(rows.into())
}

/// Instructions of a whole run of a part.
fn collected(program: &Path, part: &str, rounds: u64) -> Result<u64> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(program).args([part, &rounds.to_string()]);
    let output = command.output().with_context(|| format!("cannot start {}", run::line(&command)))?;
    let told = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("{} failed: {}\n{told}", run::line(&command), output.status);
    }
    in_words(&told).with_context(|| format!("{} told no count:\n{told}", run::line(&command)))
}

/// The count in what valgrind tells at the end, `==123== Collected : 456`.
fn in_words(told: &str) -> Option<u64> {
    told.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_found_among_the_words() {
        assert_eq!(in_words("==7== Events    : Ir\n==7== Collected : 12894649\n==7==\n"), Some(12_894_649));
        assert_eq!(in_words("==7== Events    : Ir\n"), None);
    }
}
