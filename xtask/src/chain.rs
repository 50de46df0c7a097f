//! `cargo xtask chain`: the example chain under a real consensus engine, four validators, disturbed while they migrate.
//!
//! The engine is CometBFT, pinned in a folder of its own and built by Go. What it needs is downloaded into Go's own cache.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{run, setup};

/// The folder that pins the engine.
const ENGINE: &str = "xtask/chain/cometbft";
const ENGINE_PACKAGE: &str = "github.com/cometbft/cometbft/cmd/cometbft";

/// What `cargo xtask chain` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only these scenarios; `cargo xtask chain -- --list` names them.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    scenario: Vec<String>,
    /// What all choices follow from; random if absent.
    #[arg(long)]
    seed: Option<u64>,
    /// So many seeds, one after the other.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seeds: u64,
    /// The short scenario: one kill, and one node that joins.
    #[arg(long, conflicts_with = "scenario")]
    smoke: bool,
    /// Skips, and says so, where there is no Go; without it that is a failure.
    #[arg(long)]
    if_possible: bool,
    /// Passed on: `cargo xtask chain -- --keys 1000000 --rate 1000`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    passed_on: Vec<String>,
}

/// Builds the chain, the engine and the rig, and runs it.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if let Some(obstacle) = obstacle() {
        if arguments.if_possible {
            eprintln!("chain: SKIPPED: {obstacle}");
            return Ok(());
        }
        bail!("{obstacle}");
    }
    setup::run()?;
    // ferry-cli is part of the build so that what is below RocksDB has the program's features.
    let packages = ["--package", "example-chain", "--package", "chain-net", "--package", "ferry-cli"];
    run::check(run::cargo(["build", "--release", "--locked"]).args(packages))?;
    let out = run::release_dir().join("chain");
    std::fs::create_dir_all(&out).with_context(|| format!("cannot make {}", out.display()))?;
    let engine = build_engine(&out.join("cometbft"))?;
    let mut command = Command::new(run::release_dir().join("chain-net"));
    command.arg("--app").arg(run::release_dir().join("example-chain"));
    command.arg("--engine").arg(engine).arg("--out").arg(out).args(words(arguments));
    run::check(&mut command)
}

/// The short scenario, for `cargo xtask test`: skipped, and said so, where the engine cannot be built. Always the same seed.
pub(crate) fn smoke() -> Result<()> {
    let passed_on = ["--keys", "3000"].map(str::to_owned).to_vec();
    run(&Arguments { scenario: Vec::new(), seed: Some(1), seeds: 1, smoke: true, if_possible: true, passed_on })
}

/// Why the engine cannot be built here, if it cannot. What it is made of is downloaded, if it is not there.
pub(crate) fn obstacle() -> Option<&'static str> {
    let is_done = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
    if !is_done(Command::new("go").arg("version")) {
        return Some("Go is needed for the consensus engine: install Go 1.26 or later (https://go.dev/dl)");
    }
    let mut sources = Command::new("go");
    sources.current_dir(run::root().join(ENGINE)).args(["list", "-deps", ENGINE_PACKAGE]);
    let missing = "the consensus engine's Go modules cannot be had: `go build github.com/cometbft/cometbft/cmd/cometbft` in xtask/chain/cometbft says why";
    (!is_done(&mut sources)).then_some(missing)
}

fn build_engine(program: &std::path::Path) -> Result<PathBuf> {
    eprintln!("chain: building CometBFT (the first build takes minutes)");
    let mut command = Command::new("go");
    command.current_dir(run::root().join(ENGINE)).args(["build", "-o"]).arg(program).arg(ENGINE_PACKAGE);
    run::check(&mut command)?;
    Ok(program.to_owned())
}

/// What the rig is told.
fn words(arguments: &Arguments) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    if !arguments.scenario.is_empty() {
        words.extend(["--scenario".to_owned(), arguments.scenario.join(",")]);
    }
    if let Some(seed) = arguments.seed {
        words.extend(["--seed".to_owned(), seed.to_string()]);
    }
    if arguments.smoke {
        words.push("--smoke".to_owned());
    }
    words.extend(["--seeds".to_owned(), arguments.seeds.to_string()]);
    words.extend(arguments.passed_on.iter().cloned());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rig_is_told_what_was_asked_for() {
        let arguments = Arguments {
            scenario: vec!["calm".to_owned(), "pause".to_owned()],
            seed: Some(7),
            seeds: 2,
            smoke: false,
            if_possible: false,
            passed_on: vec!["--keys".to_owned(), "9".to_owned()],
        };
        assert_eq!(words(&arguments).join(" "), "--scenario calm,pause --seed 7 --seeds 2 --keys 9");
    }

    #[test]
    fn the_engine_is_pinned() {
        let pins = std::fs::read_to_string(run::root().join(ENGINE).join("go.mod")).expect("go.mod");
        assert!(pins.contains("tool github.com/cometbft/cometbft/cmd/cometbft"));
        assert!(pins.contains("github.com/cometbft/cometbft v0.38.26"));
    }
}
