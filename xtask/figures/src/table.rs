//! A table: which figures of a run stand in which column.

use serde_json::Value;

use crate::number::plain;

/// A column: a figure of each row.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its heading, with the unit.
    pub heading: &'static str,
    /// Where in a row the figure stands, as a JSON pointer.
    pub pointer: &'static str,
    /// What the figure is divided by, so that it comes in the heading's unit.
    pub unit: f64,
    /// Decimals that are shown. Words are shown as they are.
    pub decimals: usize,
}

/// A table over the rows of one list in a run's figures.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// What it is about.
    pub title: &'static str,
    /// Where the list of rows stands, as a JSON pointer.
    pub rows: &'static str,
    /// Its columns.
    pub columns: &'static [Column],
}

impl Table {
    /// As Markdown; none if the run has no such rows.
    pub fn markdown(&self, figures: &Value) -> Option<String> {
        let cells = self.cells(figures)?;
        let cell = |cell: String| if cell.is_empty() { " |".to_owned() } else { format!(" {cell} |") };
        let line = |cells: Vec<String>| format!("|{}\n", cells.into_iter().map(cell).collect::<String>());
        let headings = self.columns.iter().map(|column| column.heading.to_owned()).collect();
        let rules: String =
            (0..self.columns.len()).map(|at| if is_words(&cells, at) { "---|" } else { "---:|" }).collect();
        let rows: String = cells.iter().cloned().map(line).collect();
        Some(format!("{}|{rules}\n{rows}", line(headings)))
    }

    /// As lines for a terminal, under the title; none if the run has no such rows.
    pub fn text(&self, figures: &Value) -> Option<String> {
        let cells = self.cells(figures)?;
        let width = |at: usize| {
            let longest = cells.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
            longest.max(self.columns[at].heading.chars().count())
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let line = |row: &[String]| {
            let cell = |(at, cell): (usize, &String)| match is_words(&cells, at) {
                true => format!("{cell:<width$}", width = widths[at]),
                false => format!("{cell:>width$}", width = widths[at]),
            };
            let line: Vec<String> = row.iter().enumerate().map(cell).collect();
            format!("  {}\n", line.join("  ").trim_end())
        };
        let headings: Vec<String> = self.columns.iter().map(|column| column.heading.to_owned()).collect();
        let rows: String = cells.iter().map(|row| line(row)).collect();
        Some(format!("{}\n{}{rows}", self.title, line(&headings)))
    }

    fn cells(&self, figures: &Value) -> Option<Vec<Vec<String>>> {
        let rows = figures.pointer(self.rows)?.as_array().filter(|rows| !rows.is_empty())?;
        Some(rows.iter().map(|row| self.columns.iter().map(|column| column.cell(row)).collect()).collect())
    }
}

impl Column {
    fn cell(&self, row: &Value) -> String {
        match row.pointer(self.pointer) {
            Some(Value::String(words)) => words.replace('|', "/"),
            Some(value) => value.as_f64().map_or_else(String::new, |number| plain(number / self.unit, self.decimals)),
            None => String::new(),
        }
    }
}

/// Whether the column is one of words: they begin at the left.
fn is_words(cells: &[Vec<String>], at: usize) -> bool {
    cells.iter().any(|row| row[at].starts_with(|first: char| first.is_alphabetic()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TABLE: Table = Table {
        title: "Reads",
        rows: "/reads/rows",
        columns: &[
            Column { heading: "keys", pointer: "/keys", unit: 1.0, decimals: 0 },
            Column { heading: "p50 ms", pointer: "/time/p50_us", unit: 1e3, decimals: 2 },
        ],
    };

    #[test]
    fn a_figure_that_is_missing_is_an_empty_cell_and_no_zero() {
        let figures = json!({"reads": {"rows": [{"keys": "absent", "time": {"p50_us": 12345.6}}, {"keys": "moved"}]}});
        let expected = "| keys | p50 ms |\n|---|---:|\n| absent | 12.35 |\n| moved | |\n";
        assert_eq!(TABLE.markdown(&figures).as_deref(), Some(expected));
        assert_eq!(TABLE.text(&figures).as_deref(), Some("Reads\n  keys    p50 ms\n  absent   12.35\n  moved\n"));
    }

    #[test]
    fn a_run_without_such_rows_has_no_such_table() {
        for figures in [json!({}), json!({"reads": {"rows": []}}), json!({"reads": 3})] {
            assert_eq!(TABLE.markdown(&figures), None, "{figures}");
        }
    }
}
