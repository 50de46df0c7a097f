//! `ferry inspect constants`.

use serde::Serialize;

use crate::exit::Exit;
use crate::output::{self, Output, Report};
use crate::table;

/// List the constants of every format that a node reads and writes.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Example:\n  ferry inspect constants --output json")]
pub(super) struct Args {}

pub(super) fn run(output: Output) -> anyhow::Result<Exit> {
    let constants = ferry::constants().into_iter();
    let constants = constants.map(|it| Constant { format: it.format, name: it.name, value: it.value });
    output::print(&ConstantsReport { constants: constants.collect() }, output)?;
    Ok(Exit::Ok)
}

#[derive(Debug, Serialize)]
struct ConstantsReport {
    constants: Vec<Constant>,
}

#[derive(Debug, Serialize)]
struct Constant {
    format: &'static str,
    name: &'static str,
    value: String,
}

impl Report for ConstantsReport {
    const COMMAND: &'static str = "inspect constants";

    fn table(&self) -> String {
        let rows = self.constants.iter();
        let rows = rows.map(|it| [it.format.to_owned(), it.name.to_owned(), it.value.clone()]);
        table::texts(["format", "constant", "value"], rows)
    }
}
