//! `docs/METRICS.md`, made from the catalogue.

use std::fmt::Write;

use crate::registry::CATALOGUE;

const HEAD: &str = "\
# Metrics

<!-- Made by `cargo xtask gen` from crates/migrate-metrics/src/registry.rs. Do not edit. -->

What a scrape of a node shows, in the OpenMetrics text format.
No label carries a key: label values are stores, write modes, modules of the configuration and kinds of errors.
Counters begin at 0 with the process. Rates, shares and forecasts are queries, not metrics: for example
`sum(ferry_remaining_keys) / rate(ferry_moved_keys_total[10m])` is the number of seconds that the present migration
will still take at the pace of the last ten minutes.

| metric | type | unit | labels | meaning |
|---|---|---|---|---|
";

/// The page, Markdown.
pub fn metrics_page() -> String {
    let mut page = HEAD.to_owned();
    for metric in CATALOGUE {
        let labels = metric.labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
        let (name, kind) = (metric.full_name(), metric.kind.as_str());
        // UNWRAP: writing to a string cannot fail.
        writeln!(page, "| `{name}` | {kind} | {} | {labels} | {}. |", metric.unit, metric.help).expect("text");
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_a_row() {
        let page = metrics_page();
        for metric in CATALOGUE {
            assert!(page.contains(&format!("\n| `{}` | ", metric.full_name())), "{}", metric.name);
        }
        assert_eq!(page.lines().filter(|line| line.starts_with("| `")).count(), CATALOGUE.len());
    }
}
