//! Prints `docs/METRICS.md`; `cargo xtask gen` puts it there.

fn main() {
    print!("{}", migrate_metrics::metrics_page());
}
