//! What a command prints on stdout: a table for people, or JSON for programs.
//!
//! ```text
//! json     one object: schema_version, command, then the report's fields
//! ndjson   the report's records, one object a line, each with schema_version, command and record
//! ```
//! Bytes are lower-case hex and units stand in field names. A field never changes its meaning within a schema version.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;

/// The version of all JSON that the program prints.
pub(crate) const SCHEMA_VERSION: u64 = 1;

/// The form of what stands on stdout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Output {
    /// For people.
    #[default]
    Table,
    /// One JSON object.
    Json,
    /// One JSON object a line.
    Ndjson,
}

/// The result of a command.
pub(crate) trait Report: Serialize {
    /// The subcommand that makes it.
    const COMMAND: &'static str;

    /// For people.
    fn table(&self) -> String;

    /// For `ndjson`: (record, fields) in the order of the lines. By default one line with everything.
    fn records(&self) -> serde_json::Result<Vec<(&'static str, Value)>> {
        Ok(vec![(Self::COMMAND, serde_json::to_value(self)?)])
    }
}

/// Prints a report on stdout.
///
/// # Errors
/// Stdout that cannot be written; one that nobody reads any more is none.
pub(crate) fn print<R: Report>(report: &R, output: Output) -> io::Result<()> {
    text(&render(report, output)?)
}

/// Prints a report as a line of ndjson, one of many; whether anybody still reads them.
///
/// # Errors
/// As [`print`].
pub(crate) fn still_read<R: Report>(report: &R) -> io::Result<bool> {
    let text = render(report, Output::Ndjson)?;
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        written => written.map(|()| true),
    }
}

/// Prints a text on stdout.
///
/// # Errors
/// As [`print`].
pub(crate) fn text(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    unless_gone(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()))
}

/// What became of writing to stdout, where a reader that is gone is no error: they have seen enough, as `head` does, and the
/// exit code says the rest.
pub(crate) fn unless_gone(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// One record of a command's ndjson, for those that are told as they come.
pub(crate) fn line<R: Report, T: Serialize>(record: &'static str, fields: &T) -> serde_json::Result<String> {
    serde_json::to_string(&Headed::new(R::COMMAND, Some(record), fields))
}

/// A JSON document of a command's, for a file.
pub(crate) fn document<R: Report, T: Serialize>(fields: &T) -> serde_json::Result<String> {
    Ok(serde_json::to_string_pretty(&Headed::new(R::COMMAND, None, fields))? + "\n")
}

/// Says a line on stderr. Where nobody reads it there is nobody to tell, and the work goes on.
pub(crate) fn note(line: &str) {
    match writeln!(io::stderr(), "{line}") {
        Ok(()) | Err(_) => {}
    }
}

fn render<R: Report>(report: &R, output: Output) -> io::Result<String> {
    Ok(match output {
        Output::Table => report.table() + "\n",
        Output::Json => serde_json::to_string_pretty(&Headed::new(R::COMMAND, None, report))? + "\n",
        Output::Ndjson => {
            let mut text = String::new();
            for (record, fields) in report.records()? {
                text += &serde_json::to_string(&Headed::new(R::COMMAND, Some(record), &fields))?;
                text.push('\n');
            }
            text
        }
    })
}

/// A report behind what every JSON object of the program begins with.
#[derive(Serialize)]
struct Headed<'a, T> {
    schema_version: u64,
    command: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<&'static str>,
    #[serde(flatten)]
    fields: &'a T,
}

impl<'a, T> Headed<'a, T> {
    fn new(command: &'static str, record: Option<&'static str>, fields: &'a T) -> Self {
        Self { schema_version: SCHEMA_VERSION, command, record, fields }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Sample {
        elapsed_ms: u64,
    }

    impl Report for Sample {
        const COMMAND: &'static str = "sample";

        fn table(&self) -> String {
            format!("{} ms", self.elapsed_ms)
        }
    }

    #[test]
    fn json_says_its_schema_and_command() {
        let text = render(&Sample { elapsed_ms: 3 }, Output::Json).expect("renders");
        let value: Value = serde_json::from_str(&text).expect("is JSON");
        assert_eq!(value, serde_json::json!({"schema_version": 1, "command": "sample", "elapsed_ms": 3}));
    }

    #[test]
    fn ndjson_is_one_line_a_record() {
        let text = render(&Sample { elapsed_ms: 3 }, Output::Ndjson).expect("renders");
        assert_eq!(text.lines().count(), 1);
        let value: Value = serde_json::from_str(&text).expect("is JSON");
        assert_eq!(value["record"], "sample");
    }

    #[test]
    fn a_table_ends_with_its_line() {
        assert_eq!(render(&Sample { elapsed_ms: 3 }, Output::Table).expect("renders"), "3 ms\n");
    }
}
