//! `cargo xtask demo`: the program's own demonstration, in a temporary home that is gone afterwards.

use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result};

use crate::{run, setup};

/// What `cargo xtask demo` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Keeps the home and says where it is.
    #[arg(long)]
    keep: bool,
    /// Passed on to `ferry demo`; `cargo xtask demo -- --help` lists them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    passed_on: Vec<String>,
}

/// Builds the program in release and becomes it, so that signals and the exit code are its own.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    setup::run()?;
    eprintln!("demo: building ferry (the first build compiles RocksDB: about ten minutes on two cores)");
    run::check(&mut run::cargo(["build", "--release", "--locked", "--package", "ferry-cli"]))?;
    let mut command = demonstration(arguments);
    let error = command.exec();
    Err(error).with_context(|| format!("cannot start {}", run::line(&command)))
}

/// The demonstration: it makes its own home and removes it, unless it is given one.
fn demonstration(arguments: &Arguments) -> Command {
    let mut command = run::cargo(["run", "--release", "--locked", "--quiet", "--package", "ferry-cli", "--", "demo"]);
    let has_home = arguments.passed_on.iter().any(|word| word == "--home" || word.starts_with("--home="));
    if arguments.keep && !has_home {
        let home = std::env::temp_dir().join(format!("ferry-demo-{}", std::process::id()));
        eprintln!("demo: the home is kept at {}", home.display());
        command.arg("--home").arg(home);
    }
    command.args(&arguments.passed_on);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(keep: bool, passed_on: &[&str]) -> String {
        let passed_on = passed_on.iter().map(|word| (*word).to_owned()).collect();
        run::line(&demonstration(&Arguments { keep, passed_on }))
    }

    #[test]
    fn the_program_minds_its_own_home_unless_it_is_to_be_kept() {
        assert!(line(false, &["--batch", "10"]).ends_with(" -- demo --batch 10"));
        assert!(line(true, &[]).contains(" -- demo --home "));
        assert!(line(true, &["--home", "here"]).ends_with(" -- demo --home here"));
    }
}
