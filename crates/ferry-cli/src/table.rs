//! Tables for people.

use std::io::{self, IsTerminal};

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};

/// Columns of a terminal that a column of a table needs to be read.
const COLUMN_LEAST: usize = 10;

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
    let rows: Vec<_> = rows.into_iter().collect();
    if is_too_narrow(&header, &rows, columns()) {
        return records(header, &rows);
    }
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
    let rows: Vec<_> = rows.into_iter().collect();
    if is_too_narrow(&header, &rows, columns()) {
        return records(header, &rows);
    }
    let mut table = new();
    table.set_header(header);
    table.add_rows(rows);
    trimmed(&table)
}

/// Columns of the terminal on stdout; none without one: then there is no width to arrange for, and a line of data stays a line.
fn columns() -> Option<usize> {
    let size = io::stdout().is_terminal().then(crossterm::terminal::size)?;
    size.ok().map(|(columns, _)| usize::from(columns))
}

/// Whether a column would be left with less than a word.
fn is_too_narrow<const N: usize>(header: &[&str; N], rows: &[[String; N]], columns: Option<usize>) -> bool {
    let widest = |at: usize| {
        let cells = rows.iter().map(|row| row[at].as_str()).chain([header[at]]);
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    // A border and two blanks belong to each.
    let whole: usize = (0..N).map(|at| widest(at) + 3).sum::<usize>() + 1;
    columns.is_some_and(|columns| columns < whole.min(N * COLUMN_LEAST))
}

/// Each row by itself, a line for each column.
fn records<const N: usize>(header: [&str; N], rows: &[[String; N]]) -> String {
    let record = |row: &[String; N]| {
        let mut table = new();
        for (name, value) in header.iter().zip(row) {
            table.add_row([(*name).to_owned(), value.clone()]);
        }
        trimmed(&table)
    };
    rows.iter().map(record).collect::<Vec<_>>().join("\n")
}

fn new() -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED.with_rounded_corners());
    if columns().is_some() {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    table
}

fn trimmed(table: &Table) -> String {
    let lines: Vec<_> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_columns_on_a_narrow_terminal_are_records() {
        let header = ["module", "moved", "remaining", "done", "p50", "p99"];
        let rows = [["staking", "1 000", "20", "98 %", "3.1 ms", "4.0 ms"].map(str::to_owned)];
        assert!(!is_too_narrow(&header, &rows, None), "no terminal");
        assert!(!is_too_narrow(&header, &rows, Some(80)));
        assert!(is_too_narrow(&header, &rows, Some(40)));
        assert!(!is_too_narrow(&["module", "moved"], &[["staking", "1"].map(str::to_owned)], Some(20)), "it fits");
        let records = records(header, &rows);
        assert!(records.lines().any(|line| line.contains("remaining") && line.contains("20")), "{records}");
    }
}
