//! What stands in ops/: every metric named there exists, and has the labels that it is asked for.

use std::collections::BTreeSet;
use std::path::PathBuf;

use migrate_metrics::{CATALOGUE, Description, Kind, State};
use serde_json::Value;

fn ops(path: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../ops")).join(path)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(ops(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The metric behind the name of a series.
fn metric(series: &str) -> Option<&'static Description> {
    let is_its = |metric: &&Description| {
        let name = metric.full_name();
        let parts = ["_bucket", "_sum", "_count"].map(|part| format!("{name}{part}"));
        if metric.kind == Kind::Histogram { parts.iter().any(|part| part == series) } else { name == series }
    };
    CATALOGUE.iter().find(is_its)
}

/// Every series named in a text, with the labels that it is asked for and their values.
fn named(text: &str) -> Vec<(String, Vec<(String, String)>)> {
    let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
    let mut found = Vec::new();
    for (at, _) in text.match_indices("ferry_") {
        if text[..at].ends_with(|c: char| is_name(c) || c == '/') {
            continue;
        }
        let name: String = text[at..].chars().take_while(|c| is_name(*c)).collect();
        let rest = text[at + name.len()..].replace("\\\"", "\"");
        let asked = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).map_or("", |(labels, _)| labels);
        let label = |part: &str| {
            // `label="value"`, or with one of the other three signs.
            let (label, value) = part.split_at(part.find(['=', '!'])?);
            Some((label.trim().to_owned(), value.trim_matches(['=', '!', '~', '"']).to_owned()))
        };
        found.push((name, asked.split(',').filter_map(label).collect()));
    }
    found
}

#[track_caller]
fn check(path: &str, least: usize) {
    let text = read(path);
    let series = named(&text);
    for (name, labels) in &series {
        let metric = metric(name).unwrap_or_else(|| panic!("{path}: no such metric: {name}"));
        for (label, value) in labels {
            // What Prometheus adds to every series.
            let added = ["job", "instance", "le"].contains(&label.as_str());
            assert!(added || metric.labels.contains(&label.as_str()), "{path}: {name} has no label {label}");
            let is_state = State::ALL.iter().any(|state| state.as_str() == value);
            assert!(label != "state" || is_state, "{path}: no such state: {value}");
        }
    }
    let names: BTreeSet<_> = series.iter().map(|(name, _)| name).collect();
    assert!(names.len() >= least, "{path}: {names:?}");
}

#[test]
fn every_metric_of_an_alert_exists() {
    check("prometheus/alerts.yml", 9);
    check("prometheus/alerts_test.yml", 9);
}

#[test]
fn every_metric_of_the_dashboard_exists() {
    check("grafana/ferry.json", 15);
}

#[test]
fn a_metric_that_does_not_exist_is_found() {
    assert!(metric("ferry_gone").is_none());
    assert!(metric("ferry_apply_seconds").is_none(), "a histogram has no series of its own name");
    let found = named(r#"rate(ferry_errors_total{kind!~"input|retry", job="x"}[1m]) + ferry_poisoned"#);
    let labels = vec![("kind".to_owned(), "input|retry".to_owned()), ("job".to_owned(), "x".to_owned())];
    assert_eq!(found, [("ferry_errors_total".to_owned(), labels), ("ferry_poisoned".to_owned(), Vec::new())]);
}

#[test]
fn every_alert_has_a_test_of_its_own() {
    let (alerts, tests) = (read("prometheus/alerts.yml"), read("prometheus/alerts_test.yml"));
    let names: Vec<_> = alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(names.len() >= 7, "{names:?}");
    for name in names {
        let fires = tests.split(&format!("alertname: {name}\n")).nth(1).expect("a test in which it fires");
        assert!(fires.trim_start().starts_with("exp_alerts:\n"), "{name}");
    }
}

#[test]
fn the_dashboard_is_json_whose_panels_are_told_apart_and_do_not_overlap() {
    let dashboard: Value = serde_json::from_str(&read("grafana/ferry.json")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64()).collect();
    assert_eq!(ids.len(), panels.len());
    let mut taken = BTreeSet::new();
    for panel in panels {
        let side = |name: &str| panel["gridPos"][name].as_u64().expect("a number");
        assert!(side("x") + side("w") <= 24, "{}", panel["title"]);
        for cell in
            (side("y")..side("y") + side("h")).flat_map(|y| (side("x")..side("x") + side("w")).map(move |x| (x, y)))
        {
            assert!(taken.insert(cell), "{} overlaps another panel", panel["title"]);
        }
    }
}
