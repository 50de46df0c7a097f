//! `cargo xtask gen`: the pages that are made from the code, so that they cannot lag behind it.
//!
//! ```text
//! docs/METRICS.md     from the registry of migrate-metrics
//! docs/cli/*.md       from the help of the program
//! docs/RELIABILITY.md its figures, from what the last runs of `cargo xtask torture` have left
//! docs/performance    its tables and pictures, from what the last `cargo xtask bench --page` has left
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::{performance, reliability, run};

/// The folder that holds nothing but pages about the program.
const CLI_PAGES: &str = "docs/cli";

/// What `cargo xtask gen` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Writes nothing; fails if a page is not what it would be.
    #[arg(long)]
    pub(crate) check: bool,
}

/// Pages by path from the root.
type Pages = BTreeMap<PathBuf, String>;

/// Writes the pages, or checks that they are current.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let wanted = pages()?;
    let found = present(&wanted)?;
    let stale: Vec<_> = wanted.iter().filter(|(path, text)| found.get(*path) != Some(*text)).collect();
    let leftover: Vec<_> = found.keys().filter(|path| !wanted.contains_key(*path)).collect();
    if arguments.check {
        let names: Vec<_> =
            stale.iter().map(|(path, _)| *path).chain(leftover).map(|path| path.display().to_string()).collect();
        if !names.is_empty() {
            bail!("generated pages are not current: run `cargo xtask gen`: {}", names.join(", "));
        }
        return Ok(());
    }
    for (path, text) in stale {
        let full = run::root().join(path);
        let folder = full.parent().context("a page stands in a folder")?;
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        std::fs::write(&full, text).with_context(|| format!("cannot write {}", full.display()))?;
        eprintln!("gen: wrote {}", path.display());
    }
    for path in leftover {
        std::fs::remove_file(run::root().join(path)).with_context(|| format!("cannot remove {}", path.display()))?;
        eprintln!("gen: removed {}", path.display());
    }
    Ok(())
}

/// What the pages should be.
fn pages() -> Result<Pages> {
    let mut pages = Pages::new();
    let metrics =
        ["run", "--release", "--locked", "--quiet", "--package", "migrate-metrics", "--example", "metrics_page"];
    pages.insert("docs/METRICS.md".into(), run::output(&mut run::cargo(metrics))?);
    let scratch = std::env::temp_dir().join(format!("ferry-pages-{}", std::process::id()));
    let program = ["run", "--release", "--locked", "--quiet", "--package", "ferry-cli", "--", "gen-docs"];
    let written = run::check(run::cargo(program).arg(&scratch)).and_then(|()| folder(&scratch));
    if scratch.exists() {
        std::fs::remove_dir_all(&scratch).with_context(|| format!("cannot remove {}", scratch.display()))?;
    }
    let (path, text) = reliability::page()?;
    pages.insert(path.into(), text);
    pages.extend(performance::pages()?);
    pages.extend(written?.into_iter().map(|(name, text)| (Path::new(CLI_PAGES).join(name), text)));
    Ok(pages)
}

/// The pages as they are, and whatever else stands where only generated pages may.
fn present(wanted: &Pages) -> Result<Pages> {
    let root = run::root();
    let mut found = Pages::new();
    for path in wanted.keys() {
        if let Ok(text) = std::fs::read_to_string(root.join(path)) {
            found.insert(path.clone(), text);
        }
    }
    found
        .extend(folder(&root.join(CLI_PAGES))?.into_iter().map(|(name, text)| (Path::new(CLI_PAGES).join(name), text)));
    Ok(found)
}

/// The files of a folder; none if there is no such folder.
fn folder(path: &Path) -> Result<Pages> {
    let mut pages = Pages::new();
    let Ok(entries) = std::fs::read_dir(path) else { return Ok(pages) };
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot read {}", path.display()))?;
        let text =
            std::fs::read_to_string(entry.path()).with_context(|| format!("cannot read {}", entry.path().display()))?;
        pages.insert(entry.file_name().into(), text);
    }
    Ok(pages)
}
