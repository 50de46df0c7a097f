//! `cargo xtask bench`: the whole runs of `benches/wholes`, beside the limits of this machine.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::json;

use crate::{instructions, performance, run, setup};

/// What `cargo xtask bench` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Where homes are made and kept for the next run; on the disk that is to be measured.
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// Keeps the figures in this directory, with a page and pictures made from them: `--page docs/performance`.
    #[arg(long, value_name = "DIR")]
    page: Option<PathBuf>,
    /// Only counts the instructions of a node's parts, with valgrind; with a page they are kept beside the figures there.
    #[arg(long)]
    instructions: bool,
    /// Passed on: `cargo xtask bench -- --parts live --batch 1000 --writes 500 --json FILE`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    passed_on: Vec<String>,
}

/// Builds the runs and the program that makes their homes, and runs them.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    setup::run()?;
    run::check(&mut run::cargo(["build", "--release", "--locked", "--package", "benches", "--package", "ferry-cli"]))?;
    if arguments.instructions {
        instructions::check()?;
        return count(arguments.page.as_deref());
    }
    let programs = run::release_dir();
    let scratch = arguments.scratch.clone().unwrap_or_else(|| programs.join("bench"));
    std::fs::create_dir_all(&scratch).with_context(|| format!("cannot make {}", scratch.display()))?;
    let mut command = std::process::Command::new(programs.join("wholes"));
    command.arg("--ferry").arg(programs.join("ferry")).arg("--scratch").arg(scratch).args(&arguments.passed_on);
    let Some(page) = &arguments.page else { return run::check(&mut command) };
    std::fs::create_dir_all(page).with_context(|| format!("cannot make {}", page.display()))?;
    run::check(command.arg("--json").arg(page.join(performance::FIGURES)))?;
    match instructions::check() {
        Ok(()) => count(Some(page)),
        Err(error) => {
            eprintln!("bench: {error}");
            performance::write(page)
        }
    }
}

/// Counts instructions, and tells them or keeps them.
fn count(page: Option<&Path>) -> Result<()> {
    let counted = instructions::count()?;
    match page {
        Some(page) => performance::keep_instructions(page, counted),
        None => {
            println!("{}", figures::runs::INSTRUCTIONS.text(&json!({ "instructions": counted })).unwrap_or_default());
            Ok(())
        }
    }
}
