//! The report of a run as a page, with the pictures of some scenarios beside it.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::report::{Report, is_before, is_moving};
use crate::scenario::SCENARIOS;
use crate::{Args, plot};

/// The scenarios whose pictures the page shows.
const SHOWN: [&str; 3] = ["calm", "state-sync", "kill-random"];
const PAGE: &str = "README.md";

/// Writes the page and its pictures into `directory`.
pub(crate) fn write(directory: &Path, args: &Args, reports: &[Report]) -> Result<()> {
    fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let write = |name: &str, text: String| {
        let path = directory.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    for report in reports.iter().filter(|report| SHOWN.contains(&report.scenario)) {
        write(&picture(report), plot::svg(report))?;
    }
    write(PAGE, page(args, reports))
}

fn picture(report: &Report) -> String {
    format!("{}-{}.svg", report.scenario, report.seed)
}

fn page(args: &Args, reports: &[Report]) -> String {
    let mut page = String::from("# A run of the example chain\n\n");
    page.push_str("Written by `cargo xtask chain -- --page DIR`; not by hand. Four validators of `examples/chain` under CometBFT ");
    page.push_str(
        "on one machine,\ndisturbed while they migrate. What must hold at the end of each scenario stands in ",
    );
    page.push_str("`xtask/chain/src/check.rs`.\n\n");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let loads = reports.iter().flat_map(|report| report.load).map(|load| (load.before, load.after));
    let most = loads.flat_map(|(before, after)| [before, after]).fold(0.0_f64, f64::max);
    text(&mut page, format_args!("About {} keys, {} moved by a block. ", args.keys, args.rate));
    text(
        &mut page,
        format_args!("{cores} cores; load averages of one minute up to {most:.1}, the network's own included: "),
    );
    page.push_str(match args.quiet_machine {
        true => "nothing else\nran beside it.\n\n",
        false => "other work ran\nbeside it, and no time below is one of a quiet machine.\n\n",
    });
    table(&mut page, reports);
    let missing =
        SCENARIOS.iter().map(|known| known.name).filter(|name| reports.iter().all(|report| report.scenario != *name));
    let missing: Vec<&str> = missing.collect();
    if !missing.is_empty() {
        text(&mut page, format_args!("\nNot in this run: {}.\n", missing.join(", ")));
    }
    for report in reports.iter().filter(|report| SHOWN.contains(&report.scenario)) {
        let what = SCENARIOS.iter().find(|known| known.name == report.scenario).map_or("", |known| known.what);
        text(&mut page, format_args!("\n## {}\n\n{what}.\n\n![{0}]({})\n", report.scenario, picture(report)));
    }
    page
}

fn table(page: &mut String, reports: &[Report]) {
    page.push_str(
        "| scenario | seed | outcome | blocks | transactions | keys | kills | restarts | joins | slowest opening, ms ",
    );
    page.push_str(
        "| block before, ms | while moving, ms | load |\n|---|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|\n",
    );
    for report in reports {
        let checked = &report.checked;
        let median = |times: Option<[f64; 2]>| times.map_or_else(String::new, |[median, _]| format!("{median:.0}"));
        let load = report.load.map_or_else(String::new, |load| format!("{:.1} – {:.1}", load.before, load.after));
        let opening = checked.openings_ms.iter().max().map_or_else(String::new, u64::to_string);
        let row = [
            report.scenario.to_owned(),
            report.seed.to_string(),
            report.outcome().to_owned(),
            checked.height.to_string(),
            checked.txs.to_string(),
            checked.keys.to_string(),
            report.kills.to_string(),
            report.restarts.to_string(),
            report.joins.to_string(),
            opening,
            median(report.block_ms(is_before)),
            median(report.block_ms(is_moving)),
            load,
        ];
        text(page, format_args!("| {} |\n", row.join(" | ")));
    }
    page.push_str("\n*Block* is the median time from block to block by the headers' own times, under load, before the migration and ");
    page.push_str("while it\nmoves keys.\n");
}

fn text(page: &mut String, what: std::fmt::Arguments<'_>) {
    page.write_fmt(what).expect("a string takes what is written to it");
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn a_page_says_what_was_run_and_how_it_ended() {
        let args = Args::parse_from(["chain-net", "--app", "a", "--engine", "e", "--out", "o", "--keys", "77"]);
        let page = page(&args, &[Report::skipped("calm", 4, "no engine")]);
        assert!(page.contains("About 77 keys") && page.contains("| calm | 4 | SKIPPED |"), "{page}");
        assert!(page.contains("![calm](calm-4.svg)"), "{page}");
        assert!(page.contains("Not in this run: smoke, kill-one,"), "{page}");
    }
}
