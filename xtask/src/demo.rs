//! `cargo xtask demo`: the program's own demonstration, in a home that is gone afterwards.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::{run, setup};

/// What `cargo xtask demo` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Keeps the home and says where it is.
    #[arg(long)]
    keep: bool,
    /// Passed on to `ferry demo`; see `cargo xtask demo -- --help`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    passed_on: Vec<String>,
}

/// Builds the program in release and runs its demonstration; ends with the program's own exit code.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    setup::run()?;
    eprintln!("demo: building ferry (the first build compiles RocksDB: about ten minutes on two cores)");
    run::check(&mut run::cargo(["build", "--release", "--locked", "--package", "ferry-cli"]))?;
    let own_home = !arguments.passed_on.iter().any(|word| word == "--home" || word.starts_with("--home="));
    let home = Home::new(arguments.keep)?;
    let mut command = run::cargo(["run", "--release", "--locked", "--quiet", "--package", "ferry-cli", "--", "demo"]);
    if own_home {
        command.arg("--home").arg(&home.path);
    }
    let status = run::status(command.args(&arguments.passed_on))?;
    if arguments.keep && own_home {
        eprintln!("demo: home kept at {}", home.path.display());
    }
    home.remove()?;
    match status.code() {
        Some(0) => Ok(()),
        code => std::process::exit(code.unwrap_or(1)),
    }
}

/// The demonstration's home.
struct Home {
    path: PathBuf,
    keep: bool,
}

impl Home {
    fn new(keep: bool) -> Result<Self> {
        let path = std::env::temp_dir().join(format!("ferry-demo-{}", std::process::id()));
        std::fs::create_dir(&path).with_context(|| format!("cannot make the demo's home at {}", path.display()))?;
        Ok(Self { path, keep })
    }

    fn remove(self) -> Result<()> {
        if self.keep {
            return Ok(());
        }
        std::fs::remove_dir_all(&self.path)
            .with_context(|| format!("cannot remove the demo's home at {}", self.path.display()))
    }
}
