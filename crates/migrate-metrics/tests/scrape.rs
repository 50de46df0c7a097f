//! A scrape as a Prometheus server sees it: parsed line by line, and held against the catalogue and its page.

use std::collections::BTreeMap;
use std::time::Duration;

use migrate_core::{BlockReport, FlushReport, Mode, Observer};
use migrate_metrics::{CATALOGUE, Description, Kind, Metrics, Sample, metrics_page};

/// A sample line: name, labels as written, value.
type Line = (String, String, f64);

/// All sample lines of a scrape; panics on a line that is no `OpenMetrics` text.
fn parse(scrape: &str) -> Vec<Line> {
    assert!(scrape.ends_with("\n# EOF\n"), "a scrape ends with its end mark");
    let mut samples = Vec::new();
    for line in scrape.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let word = comment.split(' ').next();
            assert!(matches!(word, Some("HELP" | "TYPE" | "UNIT" | "EOF")), "{line}");
            continue;
        }
        let (series, value) = line.rsplit_once(' ').expect("a series and its value");
        let (name, labels) = match series.split_once('{') {
            Some((name, rest)) => (name, rest.strip_suffix('}').expect("labels are closed")),
            None => (series, ""),
        };
        samples.push((name.to_owned(), labels.to_owned(), value.parse().expect("a number")));
    }
    samples
}

/// The value of the series with exactly this name and these labels.
fn value(metrics: &Metrics, series: &str) -> Option<f64> {
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    let labels = labels.strip_suffix('}').expect("labels are closed");
    let lines = parse(&metrics.encode());
    lines.into_iter().find(|line| line.0 == name && line.1 == labels).map(|line| line.2)
}

fn flush() -> FlushReport {
    FlushReport {
        moved_keys: 10,
        moved_key_bytes: 530,
        moved_value_bytes: 320,
        advanced: true,
        routed_old: 3,
        routed_new: 4,
        written_old: 13,
        written_new: 15,
        elapsed: Duration::from_millis(3),
    }
}

fn block(height: u64) -> BlockReport {
    BlockReport {
        height,
        version: 1,
        mode: Mode::MigrateAllButBank,
        boundary_module: Some("acc".to_owned()),
        paused: false,
        remaining: vec![("acc".to_owned(), 20), ("wasm".to_owned(), 10)],
        moved_keys: 10,
        app_hash: [0xa5; 32],
        commit_elapsed: Duration::from_millis(5),
    }
}

/// Metrics of which every one has been used.
fn used() -> Metrics {
    let metrics = Metrics::new();
    metrics.flush(&flush());
    metrics.block(&block(7));
    metrics.lock_wait(Duration::from_micros(30));
    metrics.error("retry");
    let sample = Sample { views_open: 3, oldest_view_age: Duration::from_millis(1500), ..Sample::default() };
    metrics.start_sampling(Duration::from_secs(3600), move || sample).expect("a thread");
    metrics.close();
    metrics
}

#[test]
fn every_metric_of_the_catalogue_is_in_a_scrape_with_its_type_help_and_labels() {
    let scrape = used().encode();
    let samples = parse(&scrape);
    for metric in CATALOGUE {
        let name = metric.full_name();
        let family = name.strip_suffix("_total").filter(|_| metric.kind == Kind::Counter).unwrap_or(&name);
        assert!(scrape.contains(&format!("# TYPE {family} {}\n", metric.kind.as_str())), "type of {name}");
        assert!(scrape.contains(&format!("# HELP {family} {}.\n", metric.help)), "help of {name}");
        let sample = if metric.kind == Kind::Histogram { format!("{name}_count") } else { name.clone() };
        let lines: Vec<_> = samples.iter().filter(|line| line.0 == sample).collect();
        assert!(!lines.is_empty(), "{sample} has no sample");
        for (_, labels, _) in lines {
            assert_eq!(label_names(labels), metric.labels, "{sample}");
        }
    }
}

#[test]
fn every_metric_of_the_page_is_in_a_scrape() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/METRICS.md");
    let page = std::fs::read_to_string(path).expect("docs/METRICS.md is there");
    assert_eq!(page, metrics_page(), "docs/METRICS.md is old: run `cargo xtask gen`");
    let named: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    assert_eq!(named.len(), CATALOGUE.len());
    let scrape = used().encode();
    for name in named {
        assert!(scrape.contains(&format!("\n{name}")), "{name}");
    }
}

#[test]
fn nothing_is_in_a_scrape_that_the_catalogue_does_not_name() {
    let names: Vec<_> = CATALOGUE.iter().map(Description::full_name).collect();
    for (name, ..) in parse(&used().encode()) {
        let bare = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
        assert!(names.contains(&name) || bare.is_some_and(|bare| names.iter().any(|name| name == bare)), "{name}");
    }
}

#[test]
fn labels_hold_words_from_fixed_sets_and_never_a_key() {
    let allowed = BTreeMap::from([
        ("store", vec!["memiavl", "flatkv"]),
        ("mode", Mode::ALL.map(Mode::as_str).to_vec()),
        ("module", vec!["acc", "wasm"]),
        ("state", migrate_metrics::State::ALL.map(migrate_metrics::State::as_str).to_vec()),
        ("kind", vec!["retry"]),
        ("version", vec![env!("CARGO_PKG_VERSION")]),
    ]);
    for (series, labels, _) in parse(&used().encode()) {
        for label in labels.split(',').filter(|label| !label.is_empty() && !label.starts_with("le=")) {
            let (name, value) = label.split_once('=').expect("a label has a value");
            let value = value.trim_matches('"');
            assert!(allowed.get(name).is_some_and(|values| values.contains(&value)), "{series}{{{label}}}");
        }
    }
}

#[test]
fn flushes_add_up() {
    let metrics = Metrics::new();
    metrics.flush(&flush());
    metrics.flush(&FlushReport { advanced: false, ..flush() });
    let check = |series: &str, expected: f64| assert_eq!(value(&metrics, series), Some(expected), "{series}");
    check("ferry_moved_keys_total", 20.0);
    check("ferry_moved_key_bytes_total", 1060.0);
    check("ferry_moved_value_bytes_total", 640.0);
    check("ferry_batches_total", 1.0);
    check("ferry_routed_pairs_total{store=\"memiavl\"}", 6.0);
    check("ferry_routed_pairs_total{store=\"flatkv\"}", 8.0);
    check("ferry_written_pairs_total{store=\"memiavl\"}", 26.0);
    check("ferry_written_pairs_total{store=\"flatkv\"}", 30.0);
    check("ferry_apply_seconds_count", 2.0);
}

#[test]
fn a_block_moves_the_gauges_and_takes_back_what_is_over() {
    let metrics = Metrics::new();
    metrics.block(&block(7));
    let check = |series: &str, expected| assert_eq!(value(&metrics, series), expected, "{series}");
    check("ferry_block_height", Some(7.0));
    check("ferry_migration_version", Some(1.0));
    check("ferry_progress_ratio", Some(0.25));
    check("ferry_boundary_module{module=\"acc\"}", Some(1.0));
    check("ferry_write_mode{mode=\"migrate_all_but_bank\"}", Some(1.0));
    check("ferry_write_mode{mode=\"memiavl_only\"}", Some(0.0));
    check("ferry_remaining_keys{module=\"wasm\"}", Some(10.0));

    metrics.block(&BlockReport {
        boundary_module: Some("wasm".to_owned()),
        remaining: vec![("wasm".to_owned(), 5)],
        paused: true,
        ..block(8)
    });
    check("ferry_boundary_module{module=\"acc\"}", None);
    check("ferry_boundary_module{module=\"wasm\"}", Some(1.0));
    check("ferry_remaining_keys{module=\"acc\"}", Some(0.0));
    check("ferry_paused", Some(1.0));

    let version = 2;
    let mode = Mode::AllMigratedButBank;
    metrics.block(&BlockReport { version, mode, boundary_module: None, remaining: Vec::new(), ..block(9) });
    check("ferry_boundary_module{module=\"wasm\"}", None);
    check("ferry_remaining_keys{module=\"wasm\"}", Some(0.0));
    check("ferry_progress_ratio", Some(1.0));
    check("ferry_paused", Some(0.0));
    check("ferry_write_mode{mode=\"migrate_all_but_bank\"}", Some(0.0));
}

#[test]
fn errors_are_counted_by_kind_and_poison_stays() {
    let metrics = Metrics::new();
    assert_eq!(value(&metrics, "ferry_poisoned"), Some(0.0));
    metrics.error("retry");
    metrics.error("corruption");
    metrics.error("retry");
    metrics.poisoned();
    assert_eq!(value(&metrics, "ferry_errors_total{kind=\"retry\"}"), Some(2.0));
    assert_eq!(value(&metrics, "ferry_errors_total{kind=\"corruption\"}"), Some(1.0));
    assert_eq!(value(&metrics, "ferry_poisoned"), Some(1.0));
}

#[test]
fn waits_fall_into_their_buckets() {
    let metrics = Metrics::new();
    metrics.lock_wait(Duration::from_nanos(500));
    metrics.lock_wait(Duration::from_secs(60));
    assert_eq!(value(&metrics, "ferry_lock_wait_seconds_count"), Some(2.0));
    assert_eq!(value(&metrics, "ferry_lock_wait_seconds_sum"), Some(60.000_000_5));
    let buckets: Vec<_> =
        parse(&metrics.encode()).into_iter().filter(|line| line.0 == "ferry_lock_wait_seconds_bucket").collect();
    assert_eq!(buckets.first().map(|line| line.2), Some(1.0), "half a microsecond is in the first");
    assert_eq!(buckets.iter().rev().nth(1).map(|line| line.2), Some(1.0), "a minute is in none but the last");
    assert_eq!(buckets.last().map(|line| line.2), Some(2.0));
}

/// The names of labels as written, `le` of a bucket apart.
fn label_names(labels: &str) -> Vec<&str> {
    labels.split(',').filter_map(|label| Some(label.split_once('=')?.0)).collect()
}
