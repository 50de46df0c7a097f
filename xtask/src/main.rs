//! The developers' commands: `cargo xtask <command>`, one file per command.
//!
//! **It is not** part of the program: nothing here ships, and nothing depends on it.
//!
//! Good starting points:
//! - [`mod@test`]: everything that must hold before a change lands.
//! - [`tidy`]: the rules of the house that a compiler does not know.
//! - [`setup`]: what a bare machine lacks.

mod bench;
mod chain;
mod demo;
mod generate;
mod instructions;
mod one_rocksdb;
mod ops;
mod page;
mod performance;
mod planted;
mod reliability;
mod run;
mod setup;
mod test;
mod tidy;
mod torture;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The developers' commands.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Installs what this machine lacks to build (a C++20 compiler, libclang); does nothing if all is there.
    Setup,
    /// Builds the program and migrates a small chain from beginning to end in a temporary home.
    Demo(demo::Arguments),
    /// Everything that must hold: format, tidy, lints, documentation, generated pages, then all tests.
    Test(test::Arguments),
    /// Breaks everything that can be broken, and checks that nothing is lost.
    Torture(torture::Arguments),
    /// Runs whole nodes and prints what they did beside the limits of this machine.
    Bench(bench::Arguments),
    /// Runs the example chain as a network of four validators, and disturbs it while it migrates.
    Chain(chain::Arguments),
    /// Plants the known faults of the field one by one, and has each found.
    Planted(planted::Arguments),
    /// Looks at the endpoint's page in a real browser; needs chromium and chromedriver.
    Page(page::Arguments),
    /// Checks the alerts, their tests and the units in ops/; needs promtool and systemd-analyze.
    Ops,
    /// Checks the rules of the house: layers, sizes, documents, habits.
    Tidy,
    /// Writes the generated pages below docs/.
    Gen(generate::Arguments),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Setup => setup::run(),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
        Command::Torture(arguments) => torture::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Chain(arguments) => chain::run(&arguments),
        Command::Planted(arguments) => planted::run(&arguments),
        Command::Page(arguments) => page::run(&arguments),
        Command::Ops => ops::run(),
        Command::Tidy => tidy::run(),
        Command::Gen(arguments) => generate::run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
