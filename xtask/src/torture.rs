//! `cargo xtask torture`: the proof by fault injection. Each layer is a program of its own below `xtask/torture`; this
//! builds them, runs them, and keeps what they found.
//!
//! ```text
//! crash    every file operation of a life, and what a power cut could leave there; I/O errors at every operation
//! damage   every byte of every file changed
//! kill     the real program killed, at random and at every named point
//! fuzz     whatever reads bytes from outside, under libFuzzer; in a long run, or when it is asked for by name
//! ```

mod fuzz;
mod legs;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

use crate::{generate, run, setup};

/// A layer: its name, and the packages that it is built from, its program first; the fuzzers are a workspace of their own.
struct Layer {
    name: &'static str,
    packages: &'static [&'static str],
    /// Whether a long run takes one seed after the other until its time is over.
    is_endless: bool,
}

const LAYERS: &[Layer] = &[
    Layer { name: "crash", packages: &["torture-crash", "torture-recorder"], is_endless: true },
    Layer { name: "damage", packages: &["torture-damage"], is_endless: false },
    Layer { name: "kill", packages: &["torture-kill", "ferry-cli"], is_endless: false },
    Layer { name: FUZZ, packages: &[], is_endless: false },
];
const FUZZ: &str = "fuzz";
/// Seconds for each fuzzer, and in a long run.
const FUZZ_SECONDS: [u64; 2] = [60, 600];
/// Where the figures are kept that docs/RELIABILITY.md shows.
pub(crate) const FIGURES: &str = "docs/reliability";

/// What `cargo xtask torture` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// What every choice follows from. The same seed makes the same run.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Runs for hours instead of minutes.
    #[arg(long)]
    long: bool,
    /// How long the layers go on that know no end of their own.
    #[arg(long, requires = "long", default_value_t = 60)]
    minutes: u64,
    /// Only these layers.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    layer: Vec<String>,
    /// Keeps the figures for docs/RELIABILITY.md and writes that page. Those of a long run are added to what other seeds
    /// have brought: it may be run in legs.
    #[arg(long)]
    publish: bool,
    /// Runs nothing: the reports that layers' programs have left with their `--json` are kept instead. Several of a layer are
    /// parts of one run.
    #[arg(long, value_name = "FILE", requires = "publish", conflicts_with = "layer")]
    report: Vec<PathBuf>,
    /// Nothing but this: crash points of some blocks of the real migration on a copy of that home, which is only read.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["long", "layer", "publish"])]
    home: Option<PathBuf>,
    /// Passed on with `--home`: `-- --blocks 20 --images 2000`; `-- --help` lists what there is.
    #[arg(last = true, requires = "home")]
    passed_on: Vec<String>,
}

/// Runs the layers; a violation in any of them is an error, after all have run.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    setup::run()?;
    if let Some(home) = &arguments.home {
        return user_home(home, arguments);
    }
    let found = if arguments.report.is_empty() { run_layers(arguments)? } else { read_reports(&arguments.report)? };
    let mut failed = Vec::new();
    for (layer, report) in &found {
        println!("{}", summary(layer, report));
        if violations(report) > 0 {
            failed.push(layer.clone());
        }
    }
    if arguments.publish {
        publish(arguments, found)?;
    }
    if !failed.is_empty() {
        bail!("promises were broken: {}", failed.join(", "));
    }
    Ok(())
}

fn run_layers(arguments: &Arguments) -> Result<Map<String, Value>> {
    let chosen = chosen(&arguments.layer, arguments.long)?;
    build(&chosen)?;
    let mut found = Map::new();
    for layer in chosen {
        let began = Instant::now();
        eprintln!("torture: {}", layer.name);
        let report = match layer.name {
            FUZZ => fuzz::run(arguments.seed, FUZZ_SECONDS[usize::from(arguments.long)])?,
            _ => run_layer(layer, arguments)?,
        };
        eprintln!("torture: {}: {} violations in {} s", layer.name, violations(&report), began.elapsed().as_secs());
        found.insert(layer.name.to_owned(), report);
    }
    Ok(found)
}

/// Reports by layer, as the layers' programs have left them.
fn read_reports(files: &[PathBuf]) -> Result<Map<String, Value>> {
    let mut found = Map::new();
    for file in files {
        let report = read_report(file)?;
        let layer = layer_of(&report).with_context(|| format!("{} is no report of a layer", file.display()))?;
        let report = match found.remove(layer.name) {
            Some(before) => legs::parts(&before, &report),
            None => report,
        };
        found.insert(layer.name.to_owned(), report);
    }
    Ok(found)
}

fn layer_of(report: &Value) -> Option<&'static Layer> {
    let name = report["layer"].as_str()?;
    LAYERS.iter().find(|layer| layer.name == name)
}

fn read_report(file: &Path) -> Result<Value> {
    let text = std::fs::read_to_string(file).with_context(|| format!("no report in {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("the report in {} is no JSON", file.display()))
}

/// How many there are; a report that does not say is one itself.
fn violations(report: &Value) -> usize {
    report["violations"].as_array().map_or(1, Vec::len)
}

/// The crash rig over a copy of somebody's home.
fn user_home(home: &Path, arguments: &Arguments) -> Result<()> {
    let layer = LAYERS.iter().find(|layer| layer.name == "crash").context("a layer of crash points")?;
    build(&[layer])?;
    let home = home.canonicalize().with_context(|| format!("no home at {}", home.display()))?;
    let seed = arguments.seed.to_string();
    let mut command = std::process::Command::new(run::release_dir().join(layer.packages[0]));
    command.current_dir(run::root()).arg("home").arg("--home").arg(home).args(["--seed", &seed]);
    run::check(command.args(&arguments.passed_on))
}

/// What the tests run of it, some fifteen minutes' worth: of the short run the lives that are not long for what they add, and
/// a third of the damage.
pub(crate) fn in_tests() -> Result<()> {
    const PARTS: [(&str, &[&str]); 3] = [
        ("crash", &["--smoke", "--life", "whole,bare"]),
        ("damage", &["--smoke", "--one-in", "3"]),
        ("kill", &["--smoke"]),
    ];
    build(&LAYERS.iter().filter(|layer| PARTS.iter().any(|(name, _)| *name == layer.name)).collect::<Vec<_>>())?;
    for (name, words) in PARTS {
        let layer = LAYERS.iter().find(|layer| layer.name == name).context("a part is of a layer")?;
        let report = run_program(layer, 1, words)?;
        println!("{}", summary(name, &report));
        if violations(&report) > 0 {
            bail!("a promise was broken: {}", layer.name);
        }
    }
    Ok(())
}

fn chosen(names: &[String], long: bool) -> Result<Vec<&'static Layer>> {
    for name in names {
        if !LAYERS.iter().any(|layer| layer.name == name) {
            let known: Vec<_> = LAYERS.iter().map(|layer| layer.name).collect();
            bail!("there is no layer {name}; there are {}", known.join(", "));
        }
    }
    let is_chosen = |layer: &&Layer| match names {
        [] => long || layer.name != FUZZ,
        _ => names.iter().any(|name| name == layer.name),
    };
    Ok(LAYERS.iter().filter(is_chosen).collect())
}

/// One build for all of them: packages built alone would ask what is below RocksDB for other features.
fn build(layers: &[&Layer]) -> Result<()> {
    if layers.iter().all(|layer| layer.packages.is_empty()) {
        return Ok(());
    }
    let mut command = run::cargo(["build", "--release", "--locked"]);
    for package in layers.iter().flat_map(|layer| layer.packages) {
        command.args(["--package", package]);
    }
    // Always part of the build, so that the features are the program's.
    command.args(["--package", "ferry-cli"]);
    run::check(&mut command)
}

fn run_layer(layer: &Layer, arguments: &Arguments) -> Result<Value> {
    let minutes = arguments.minutes.to_string();
    let words: &[&str] = match (arguments.long, layer.is_endless) {
        (false, _) => &["--smoke"],
        (true, false) => &["--long"],
        (true, true) => &["--long", "--minutes", &minutes],
    };
    run_program(layer, arguments.seed, words)
}

/// Runs a layer's program to its end, and reads what it reports.
fn run_program(layer: &Layer, seed: u64, words: &[&str]) -> Result<Value> {
    let program = run::release_dir().join(layer.packages[0]);
    // Kept, with the recordings that repeat a failure, until the next run.
    let folder = run::release_dir().join("torture");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let report = folder.join(format!("{}.json", layer.name));
    if report.exists() {
        std::fs::remove_file(&report).with_context(|| format!("cannot remove {}", report.display()))?;
    }
    let mut command = std::process::Command::new(&program);
    command.current_dir(run::root()).args(["--seed", &seed.to_string()]).args(words).arg("--json").arg(&report);
    let status = run::status(&mut command)?;
    let report = read_report(&report).with_context(|| format!("{}: {status}", run::line(&command)))?;
    if !status.success() && violations(&report) == 0 {
        bail!("{} failed: {status}", run::line(&command));
    }
    Ok(report)
}

/// A layer's figures on one line.
fn summary(name: &str, report: &Value) -> String {
    let figures = report["figures"].as_object();
    let figures = figures.into_iter().flatten().map(|(what, figure)| format!("{} {figure}", what.replace('_', " ")));
    format!("{name}: {}", figures.collect::<Vec<_>>().join(", "))
}

/// Keeps the figures beside those of other layers and of the other kind of run, and writes the page.
fn publish(arguments: &Arguments, found: Map<String, Value>) -> Result<()> {
    let path = run::root().join(FIGURES).join(if arguments.long { "long.json" } else { "smoke.json" });
    let folder = path.parent().context("the figures have a folder")?;
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut kept: Value = match std::fs::read_to_string(&path) {
        Ok(text) => serde_json::from_str(&text).with_context(|| format!("{} is no JSON", path.display()))?,
        Err(_) => json!({}),
    };
    for (layer, report) in found {
        let before = kept[&layer].take();
        kept[layer] = if arguments.long { legs::join(before, report) } else { report };
    }
    let text = serde_json::to_string_pretty(&kept)? + "\n";
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    generate::run(&generate::Arguments { check: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_chosen_by_name_and_an_unknown_one_is_refused() {
        let names = |words: &[&str], long| {
            let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
            chosen(&words, long).map(|layers| layers.iter().map(|layer| layer.name).collect::<Vec<_>>())
        };
        assert_eq!(names(&[], false).expect("all"), ["crash", "damage", "kill"]);
        assert_eq!(names(&[], true).expect("all"), ["crash", "damage", "kill", "fuzz"]);
        assert_eq!(names(&["kill"], false).expect("one"), ["kill"]);
        assert_eq!(names(&["fuzz"], false).expect("one"), ["fuzz"]);
        let error = names(&["crush"], false).expect_err("unknown");
        assert_eq!(error.to_string(), "there is no layer crush; there are crash, damage, kill, fuzz");
    }

    #[test]
    fn a_report_is_of_a_layer_and_says_what_was_violated() {
        let of = |report: Value| layer_of(&report).map(|layer| layer.name);
        assert_eq!(of(json!({"layer": "kill"})), Some("kill"));
        assert_eq!(of(json!({"layer": "crush"})), None);
        assert_eq!(of(json!({})), None);
        assert_eq!(violations(&json!({"violations": []})), 0);
        assert_eq!(violations(&json!({"violations": [{}, {}]})), 2);
        assert_eq!(violations(&json!({})), 1, "a report that does not say so is not clean");
    }

    #[test]
    fn a_summary_names_every_figure() {
        let report = json!({"figures": {"crash_points": 7, "images": 90}});
        assert_eq!(summary("crash", &report), "crash: crash points 7, images 90");
    }
}
