//! `ferry completions`: what a shell needs to complete the command line, from the definitions that parse it.

use clap::{Command, CommandFactory};
use clap_complete::aot::{self, Generator};

use crate::cli::Cli;
use crate::exit::Exit;
use crate::output;

/// Print what a shell needs to complete commands, options and their values.
///
/// Put it where the shell looks, and open a new shell. bash: ~/.local/share/bash-completion/completions/ferry, which the
/// package bash-completion reads. zsh: a file _ferry in a directory of $fpath. fish: ~/.config/fish/completions/ferry.fish.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Example:
  ferry completions bash   > ~/.local/share/bash-completion/completions/ferry
  ferry completions fish   > ~/.config/fish/completions/ferry.fish")]
pub(crate) struct Args {
    /// The shell.
    #[arg(value_name = "SHELL", value_enum)]
    shell: Shell,
}

/// A shell that can be completed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// Runs the command.
///
/// # Errors
/// Stdout that cannot be written.
pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    output::text(&match args.shell {
        Shell::Bash => script(aot::Bash),
        Shell::Zsh => script(aot::Zsh),
        Shell::Fish => script(aot::Fish),
    })?;
    Ok(Exit::Ok)
}

fn script(shell: impl Generator) -> String {
    let mut command = shown(&Cli::command());
    let mut bytes = Vec::new();
    aot::generate(shell, &mut command, "ferry", &mut bytes);
    // UNWRAP: a script of names and sentences of ours, all of them text.
    String::from_utf8(bytes).expect("text")
}

/// The command without what is hidden: points to die at are for rigs, and the generators leave nothing out by themselves.
fn shown(command: &Command) -> Command {
    // clap wants names that live for ever; these are twenty, and the process ends right behind them.
    let name: &'static str = command.get_name().to_owned().leak();
    let mut copy = Command::new(name);
    copy = copy.args(command.get_arguments().filter(|argument| !argument.is_hide_set()).cloned());
    copy = copy.subcommands(command.get_subcommands().filter(|sub| !sub.is_hide_set()).map(shown));
    if command.get_version().is_some() {
        copy = copy.version(env!("CARGO_PKG_VERSION"));
    }
    match command.get_about() {
        Some(about) => copy.about(about.clone()),
        None => copy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_and_option_that_is_shown_is_in_every_script_and_nothing_that_is_hidden() {
        fn check(command: &Command, script: &str) {
            for sub in command.get_subcommands() {
                let name = sub.get_name();
                assert_eq!(script.contains(name), !sub.is_hide_set(), "{name}");
                check(sub, script);
            }
            for long in command.get_arguments().filter(|argument| !argument.is_hide_set()).filter_map(|a| a.get_long())
            {
                assert!(script.contains(long), "--{long}");
            }
        }
        for script in [script(aot::Bash), script(aot::Zsh), script(aot::Fish)] {
            check(&Cli::command(), &script);
            assert!(!script.contains("kill-at") && !script.contains("interrupt-at"), "hooks of rigs");
        }
    }
}
