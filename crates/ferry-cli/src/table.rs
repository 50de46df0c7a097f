//! Tables for people.

use std::io::{self, IsTerminal};

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};

/// Names and their values, one pair a line.
pub(crate) fn facts(rows: impl IntoIterator<Item = (&'static str, String)>) -> String {
    let mut table = new();
    for (name, value) in rows {
        table.add_row([name.to_owned(), value]);
    }
    trimmed(&table)
}

/// A table with a header; the first column is text, the others are figures.
pub(crate) fn figures<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = new();
    table.set_header(header.map(|name| Cell::new(name).set_alignment(CellAlignment::Center)));
    for row in rows {
        table.add_row(row.map(Cell::new));
    }
    for index in 1..N {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    trimmed(&table)
}

/// A table with a header; all columns are text.
pub(crate) fn texts<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = new();
    table.set_header(header);
    table.add_rows(rows);
    trimmed(&table)
}

fn new() -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED.with_rounded_corners());
    // Without a terminal there is no width to arrange for: a line of data stays a line.
    if io::stdout().is_terminal() {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    table
}

fn trimmed(table: &Table) -> String {
    let lines: Vec<_> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}
