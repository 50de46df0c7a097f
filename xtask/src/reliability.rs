//! The figures of docs/RELIABILITY.md, made from what `cargo xtask torture --publish` has kept.
//!
//! The words around them are written by hand; what stands between the two marks is replaced.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use anyhow::{Context, Result};
use serde_json::{Map, Value};

use crate::{run, torture};

const PAGE: &str = "docs/RELIABILITY.md";
const BEGIN: &str = "<!-- figures:begin -->";
const END: &str = "<!-- figures:end -->";

/// The page's path, and its text with the figures as they are kept.
///
/// # Errors
/// A page without the two marks, figures that are no JSON, I/O.
pub(crate) fn page() -> Result<(&'static str, String)> {
    let path = run::root().join(PAGE);
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let (before, rest) = text.split_once(BEGIN).with_context(|| format!("{PAGE} has no {BEGIN}"))?;
    let (_, after) = rest.split_once(END).with_context(|| format!("{PAGE} has no {END}"))?;
    Ok((PAGE, format!("{before}{BEGIN}\n{}{END}{after}", figures(&kept("smoke")?, &kept("long")?))))
}

/// The reports by layer; none if there was no such run.
fn kept(run: &str) -> Result<Map<String, Value>> {
    let path = run::root().join(torture::FIGURES).join(format!("{run}.json"));
    let Ok(text) = std::fs::read_to_string(&path) else { return Ok(Map::new()) };
    serde_json::from_str(&text).with_context(|| format!("{} is no JSON", path.display()))
}

fn figures(smoke: &Map<String, Value>, long: &Map<String, Value>) -> String {
    let mut page = String::new();
    for layer in names(smoke, long) {
        let reports = [smoke.get(&layer), long.get(&layer)];
        page.push_str(&table(&layer, &reports));
        let fullest = reports[1].or(reports[0]);
        if let Some(report) = fullest {
            page.push_str(&targets(report));
            page.push_str(&histogram(report));
            page.push_str(&ledger(report));
        }
    }
    page
}

fn names(a: &Map<String, Value>, b: &Map<String, Value>) -> BTreeSet<String> {
    a.keys().chain(b.keys()).cloned().collect()
}

/// A layer's figures, the short run beside the long one.
fn table(layer: &str, reports: &[Option<&Value>; 2]) -> String {
    let empty = Map::new();
    let of = |report: &Option<&Value>, part: &str| {
        report.and_then(|report| report[part].as_object()).unwrap_or(&empty).clone()
    };
    let [smoke, long] = reports.each_ref().map(|report| of(report, "figures"));
    let mut text = format!("\n### {layer}\n\n| | smoke | long |\n|---|---:|---:|\n");
    for figure in names(&smoke, &long) {
        let cell = |figures: &Map<String, Value>| figures.get(&figure).map_or("-".to_owned(), plain);
        writeln!(text, "| {} | {} | {} |", figure.replace('_', " "), cell(&smoke), cell(&long)).ok();
    }
    for (what, read) in [("seed", seed as fn(&Value) -> String), ("seconds", seconds), ("**violations**", violations)] {
        let cell = |report: &Option<&Value>| report.map_or("-".to_owned(), read);
        writeln!(text, "| {what} | {} | {} |", cell(&reports[0]), cell(&reports[1])).ok();
    }
    text
}

fn seed(report: &Value) -> String {
    let legs = report["legs"].as_array().map(|legs| legs.iter().map(plain).collect::<Vec<_>>().join(", "));
    legs.unwrap_or_else(|| plain(&report["seed"]))
}

fn seconds(report: &Value) -> String {
    format!("{:.0}", report["seconds"].as_f64().unwrap_or_default())
}

fn violations(report: &Value) -> String {
    format!("**{}**", report["violations"].as_array().map_or(0, Vec::len))
}

/// What each fuzzer did.
fn targets(report: &Value) -> String {
    let Some(rows) = report["targets"].as_array() else { return String::new() };
    let mut text = "\n| target | seconds | executions | edges |\n|---|---:|---:|---:|\n".to_owned();
    for row in rows {
        let [seconds, executions, edges] = ["seconds", "executions", "edges"].map(|column| plain(&row[column]));
        let target = row["target"].as_str().unwrap_or_default();
        writeln!(text, "| `{target}` | {seconds} | {executions} | {edges} |").ok();
    }
    text
}

/// How often each point was hit.
fn histogram(report: &Value) -> String {
    let Some(points) = report["histogram"].as_object() else { return String::new() };
    let mut text = "\n| killed at | times |\n|---|---:|\n".to_owned();
    for (point, times) in points {
        writeln!(text, "| `{point}` | {} |", plain(times)).ok();
    }
    text
}

/// What became of damage, by class of bytes.
fn ledger(report: &Value) -> String {
    let Some(rows) = report["ledger"].as_array() else { return String::new() };
    let columns =
        ["cases", "noticed_at_open", "noticed_by_check", "noticed_on_use", "older", "harmless", "not_noticeable"];
    let mut text = "\n| file | bytes | cases | at opening | by the full check | on use | an older whole block | harmless | by nobody alone | why |\n|---|---|---:|---:|---:|---:|---:|---:|---:|---|\n".to_owned();
    for row in rows {
        let words = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        let counts = columns.map(|column| plain(&row[column])).join(" | ");
        writeln!(text, "| {} | {} | {counts} | {} |", words("file_class"), words("byte_class"), words("reason")).ok();
    }
    text
}

/// A number with its thousands apart, a text as it is.
fn plain(value: &Value) -> String {
    match value {
        Value::Number(number) if number.is_u64() => figures::grouped(&number.to_string()),
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn figures_of_both_runs_stand_beside_each_other() {
        let map = |value: Value| value.as_object().cloned().expect("an object");
        let smoke = map(json!({"kill": {"seed": 1, "seconds": 60.4, "figures": {"kills": 1300}, "violations": []}}));
        let long = map(json!({"kill": {"seed": 2, "seconds": 7200.0, "figures": {"kills": 12_000, "homes": 3},
            "violations": [{}], "histogram": {"commit::durable": 21}}}));
        let page = figures(&smoke, &long);
        for line in
            ["### kill", "| kills | 1 300 | 12 000 |", "| homes | - | 3 |", "| **violations** | **0** | **1** |"]
        {
            assert!(page.contains(line), "{line} is missing in {page}");
        }
        assert!(page.contains("| `commit::durable` | 21 |"), "{page}");
    }
}
