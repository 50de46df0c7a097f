//! The pictures of a run.

use serde_json::Value;

use crate::number::plain;
use crate::plot::{Plot, Series, Style};
use crate::scale::Axis;

/// The pictures that a whole run has.
#[cfg(test)]
pub(super) const NAMES: [&str; 7] = ["live", "import", "reads", "parked", "growth", "reopen", "rewrite"];

/// Percentiles in a picture, and where a row has them.
const PERCENTILES: [(&str, &str); 5] =
    [("p50", "p50_us"), ("p99", "p99_us"), ("p99.9", "p999_us"), ("p99.99", "p9999_us"), ("worst", "max_us")];

/// The pictures of what was run, by name.
pub fn pictures(figures: &Value) -> Vec<(&'static str, Plot)> {
    let rows = |at: &str| figures.pointer(at).and_then(Value::as_array).map_or(&[] as &[Value], Vec::as_slice);
    let pictures = [
        ("live", live(rows("/live"))),
        ("import", import(rows("/import"))),
        ("reads", reads(rows("/reads/rows"))),
        ("parked", parked(rows("/parked"))),
        ("growth", growth(rows("/growth"))),
        ("reopen", reopen(rows("/reopen"))),
        ("rewrite", rewrite(rows("/rewrite"))),
    ];
    pictures.into_iter().filter(|(_, plot)| plot.series.iter().any(|series| !series.points.is_empty())).collect()
}

fn number(row: &Value, pointer: &str) -> Option<f64> {
    row.pointer(pointer)?.as_f64()
}

/// A figure of each row over another one of the same row.
fn over(rows: &[&Value], x: &str, y: &str, unit: f64) -> Vec<(f64, f64)> {
    rows.iter().filter_map(|row| Some((number(row, x)?, number(row, y)? / unit))).collect()
}

fn words<'r>(rows: &'r [Value], name: &str) -> Vec<&'r str> {
    rows.iter().filter_map(|row| row[name].as_str()).collect()
}

fn live(rows: &[Value]) -> Plot {
    let readers = rows.iter().filter_map(|row| row["readers"].as_u64()).min();
    let quiet: Vec<&Value> = rows.iter().filter(|row| row["readers"].as_u64() == readers).collect();
    let mut writes: Vec<u64> = quiet.iter().filter_map(|row| row["writes"].as_u64()).collect();
    writes.sort_unstable();
    writes.dedup();
    let series = writes.into_iter().map(|writes| {
        let rows: Vec<&Value> = quiet.iter().copied().filter(|row| row["writes"].as_u64() == Some(writes)).collect();
        Series {
            name: format!("{} writes a block", plain(writes as f64, 0)),
            points: over(&rows, "/batch", "/keys_per_second", 1e3),
        }
    });
    Plot {
        title: "Keys moved a second while blocks go on".to_owned(),
        x: Axis::log("keys that a block moves"),
        y: Axis::linear("thousand keys a second"),
        series: series.collect(),
        marks: Vec::new(),
        style: Style::LinesAndPoints,
    }
}

fn import(rows: &[Value]) -> Plot {
    let label =
        |row: &Value| format!("{} of {}", row["moved"].as_str().unwrap_or(""), row["home"].as_str().unwrap_or(""));
    let labels: Vec<String> = rows.iter().map(label).collect();
    let points = |figure: &str| {
        let figures = rows.iter().enumerate().filter_map(|(at, row)| Some((at as f64, number(row, figure)? / 1e3)));
        figures.collect()
    };
    Plot {
        title: "Offline import beside the least that any import must do".to_owned(),
        x: Axis::words("what was moved of which home (accounts × slots)", labels.iter().map(String::as_str)),
        y: Axis::linear("thousand keys a second"),
        series: vec![
            Series { name: "ferry".to_owned(), points: points("/keys_per_second") },
            Series { name: "hashes and sorted files alone".to_owned(), points: points("/limit_rows_per_second") },
        ],
        marks: Vec::new(),
        style: Style::Points,
    }
}

/// The percentiles of a row's times.
fn percentiles(row: &Value, times: &str, unit: f64) -> Vec<(f64, f64)> {
    let figures = PERCENTILES.iter().enumerate();
    figures.filter_map(|(at, (_, name))| Some((at as f64, row[times][*name].as_f64()? / unit))).collect()
}

fn reads(rows: &[Value]) -> Plot {
    let during = rows.iter().filter(|row| row["when"] == "during");
    let series = during.map(|row| Series {
        name: format!("{}, {}", row["keys"].as_str().unwrap_or(""), row["choice"].as_str().unwrap_or("")),
        points: percentiles(row, "read", 1.0),
    });
    Plot {
        title: "Point reads during a whole migration, two readers".to_owned(),
        x: Axis::words("share of reads that were as fast", PERCENTILES.map(|(word, _)| word)),
        y: Axis::log("µs"),
        series: series.collect(),
        marks: Vec::new(),
        style: Style::LinesAndPoints,
    }
}

fn parked(rows: &[Value]) -> Plot {
    let states = words(rows, "thread")
        .into_iter()
        .map(|word| word.trim_start_matches("commit::").trim_end_matches(" between blocks"));
    let points =
        rows.iter().enumerate().filter_map(|(at, row)| Some((at as f64, number(row, "/reads_per_second")? / 1e3)));
    Plot {
        title: "Reads a second by what the committing thread does".to_owned(),
        x: Axis::words("committing thread: asleep, making blocks, parked at a kill point", states),
        y: Axis::linear("thousand reads a second"),
        series: vec![Series { name: "two readers".to_owned(), points: points.collect() }],
        marks: Vec::new(),
        style: Style::Points,
    }
}

fn growth(rows: &[Value]) -> Plot {
    let rows: Vec<&Value> = rows.iter().collect();
    let series = [("time", "/wall_us_per_key"), ("processor time, all threads", "/cpu_us_per_key")];
    let series =
        series.map(|(name, figure)| Series { name: name.to_owned(), points: over(&rows, "/home_keys", figure, 1.0) });
    Plot {
        title: "What a moved key costs, 500 writes beside each 1 000".to_owned(),
        x: Axis::log("keys of the home"),
        y: Axis::linear("µs a key, compactions included"),
        series: series.into(),
        marks: Vec::new(),
        style: Style::LinesAndPoints,
    }
}

fn reopen(rows: &[Value]) -> Plot {
    let rows: Vec<&Value> = rows.iter().collect();
    Plot {
        title: "Opening by what is to be replayed".to_owned(),
        x: Axis::linear("blocks of 1 000 moved keys and 500 writes"),
        y: Axis::linear("ms, median"),
        series: vec![Series { name: "opening".to_owned(), points: over(&rows, "/blocks", "/opening/p50_us", 1e3) }],
        marks: Vec::new(),
        style: Style::LinesAndPoints,
    }
}

fn rewrite(rows: &[Value]) -> Plot {
    let series = rows.iter().map(|row| Series {
        name: format!("snapshot: {}", row["snapshot"].as_str().unwrap_or("")),
        points: percentiles(row, "block", 1e3),
    });
    Plot {
        title: "Blocks while a snapshot of memiavl is written".to_owned(),
        x: Axis::words("share of blocks that were as fast", PERCENTILES.map(|(word, _)| word)),
        y: Axis::linear("ms a block"),
        series: series.collect(),
        marks: Vec::new(),
        style: Style::LinesAndPoints,
    }
}
