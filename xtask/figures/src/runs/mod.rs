//! The runs of `cargo xtask bench`: their tables, their pictures, and the page that has both.

mod pictures;
mod tables;

use std::fmt::Write;

use serde_json::Value;

use crate::number::plain;
pub use pictures::pictures;
pub use tables::{INSTRUCTIONS, TABLES};

/// The tables and pictures of a run as Markdown, and what follows from them at a glance. Without a run it says so.
pub fn page(figures: Option<&Value>) -> String {
    let Some(figures) = figures else {
        return "\nNo whole run is kept yet: `cargo xtask bench --page docs/performance` makes one and puts it here.\n"
            .to_owned();
    };
    let (mut page, pictures) = (machine(figures), pictures(figures));
    for table in TABLES {
        let Some(markdown) = table.markdown(figures) else { continue };
        add(&mut page, format_args!("\n### {}\n\n{markdown}", table.title));
        if let Some(said) = finding(table.rows, figures) {
            add(&mut page, format_args!("\n{said}\n"));
        }
        for (name, plot) in pictures.iter().filter(|(name, _)| *name == picture_of(table.rows)) {
            add(&mut page, format_args!("\n![{}]({name}.svg)\n", plot.title));
        }
    }
    page
}

/// The picture that stands under a table has the name of its rows.
fn picture_of(rows: &str) -> String {
    match rows {
        "/reads/rows" => "reads".to_owned(),
        other => other.trim_start_matches('/').replace('/', "-"),
    }
}

fn machine(figures: &Value) -> String {
    let machine = &figures["machine"];
    let words = |name: &str| machine[name].as_str().unwrap_or("unknown").to_owned();
    let number = |name: &str| machine[name].as_f64().unwrap_or_default();
    let vectors = if machine["has_avx512"] == true { "with" } else { "without" };
    format!(
        "\n{} cores of {} {vectors} AVX-512, Linux {}. Load average of one minute {:.1} before the run, {:.1} behind it; the \
         run took {:.0} s.\n",
        number("cores"),
        words("cpu"),
        words("kernel"),
        number("load_before"),
        number("load_after"),
        figures["seconds"].as_f64().unwrap_or_default(),
    )
}

/// The ratio that a table is there for.
fn finding(rows: &str, figures: &Value) -> Option<String> {
    let rows_of = |at: &str| figures.pointer(at).and_then(Value::as_array);
    let ratio = |figure: &str| {
        let of = |row: &Value| row.pointer(figure).and_then(Value::as_f64);
        let (first, last) = (rows_of(rows)?.first()?, rows_of(rows)?.last()?);
        let ratio = of(last)? / of(first)?;
        ratio.is_finite().then(|| plain(ratio, 2))
    };
    match rows {
        "/growth" if rows_of(rows)?.len() > 1 => Some(format!(
            "A key of the largest home costs {} × the time of one of the smallest, and {} × its processor time.",
            ratio("/wall_us_per_key")?,
            ratio("/cpu_us_per_key")?
        )),
        "/rewrite" => {
            Some(format!("The p99 of blocks beside a rewrite is {} × that of blocks without.", ratio("/block/p99_us")?))
        }
        _ => None,
    }
}

fn add(page: &mut String, what: std::fmt::Arguments<'_>) {
    page.write_fmt(what).expect("a string takes what is written to it");
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_page_has_the_tables_and_pictures_of_what_was_run_and_no_others() {
        let growth =
            |keys: u64, wall: f64| json!({"home_keys": keys, "wall_us_per_key": wall, "cpu_us_per_key": 2.0 * wall});
        let figures = json!({
            "machine": {"cpu": "a < b", "cores": 2, "has_avx512": false, "load_before": 0.25},
            "growth": [growth(100_000, 20.0), growth(1_000_000, 25.0)],
        });
        let page = page(Some(&figures));
        assert!(page.contains("2 cores of a < b without AVX-512"), "{page}");
        assert!(page.contains("costs 1.25 × the time of one of the smallest, and 1.25 × its processor time"), "{page}");
        assert!(page.contains("](growth.svg)") && page.contains("| 1 000 000 |"), "{page}");
        assert_eq!(page.matches("\n### ").count(), 1, "{page}");
        assert_eq!(pictures(&figures).len(), 1);
    }

    #[test]
    fn without_a_run_the_page_says_so() {
        assert!(page(None).contains("No whole run is kept yet"));
    }

    #[test]
    fn every_picture_stands_under_a_table() {
        let under: Vec<String> = TABLES.iter().map(|table| picture_of(table.rows)).collect();
        for name in pictures::NAMES {
            assert_eq!(under.iter().filter(|known| *known == name).count(), 1, "{name}");
        }
    }
}
