//! The figures of docs/performance: tables between two marks in its page, and a picture each, all from one file.
//!
//! The words around the tables are written by hand. `cargo xtask bench --page DIR` leaves the file; this reads it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::run;

/// Where the page stands, and the figures that it is made from.
const DIRECTORY: &str = "docs/performance";
/// The name of the file with the figures.
pub(crate) const FIGURES: &str = "figures.json";
const PAGE: &str = "README.md";
const BEGIN: &str = "<!-- figures:begin -->";
const END: &str = "<!-- figures:end -->";

/// The page and its pictures, by path from the root.
///
/// # Errors
/// A page without the two marks, figures that are no JSON, I/O.
pub(crate) fn pages() -> Result<BTreeMap<PathBuf, String>> {
    let pages = in_directory(&run::root().join(DIRECTORY))?;
    Ok(pages.into_iter().map(|(name, text)| (Path::new(DIRECTORY).join(name), text)).collect())
}

/// Writes the page and its pictures into a directory that has figures; a page that is there keeps its words.
///
/// # Errors
/// As [`pages`].
pub(crate) fn write(directory: &Path) -> Result<()> {
    for (name, text) in in_directory(directory)? {
        let path = directory.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// Puts counted instructions into the figures of a directory, and writes what is made from them.
///
/// # Errors
/// As [`pages`], and no figures.
pub(crate) fn keep_instructions(directory: &Path, counted: Value) -> Result<()> {
    let path = directory.join(FIGURES);
    let mut figures = kept(&path)?.with_context(|| format!("no whole run is kept in {}", directory.display()))?;
    figures["instructions"] = counted;
    std::fs::write(&path, serde_json::to_string_pretty(&figures)? + "\n")
        .with_context(|| format!("cannot write {}", path.display()))?;
    write(directory)
}

fn in_directory(directory: &Path) -> Result<BTreeMap<String, String>> {
    let figures = kept(&directory.join(FIGURES))?;
    let page = directory.join(PAGE);
    let words = match page.exists() {
        true => std::fs::read_to_string(&page).with_context(|| format!("cannot read {}", page.display()))?,
        false => format!("# A whole run\n\n{BEGIN}\n{END}\n"),
    };
    let text = between_marks(&words, figures.as_ref()).with_context(|| format!("{} lacks a mark", page.display()))?;
    let mut pages = BTreeMap::from([(PAGE.to_owned(), text)]);
    let pictures = figures.iter().flat_map(figures::runs::pictures);
    pages.extend(pictures.map(|(name, plot)| (format!("{name}.svg"), plot.svg())));
    Ok(pages)
}

/// The figures; none if no run was kept.
fn kept(path: &Path) -> Result<Option<Value>> {
    if !path.exists() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let figures = serde_json::from_str(&text).with_context(|| format!("{} is no JSON", path.display()))?;
    Ok(Some(figures))
}

/// The page with what stands between its marks replaced.
fn between_marks(page: &str, figures: Option<&Value>) -> Result<String> {
    let (before, rest) = page.split_once(BEGIN).with_context(|| format!("no {BEGIN}"))?;
    let (_, after) = rest.split_once(END).with_context(|| format!("no {END}"))?;
    Ok(format!("{before}{BEGIN}\n{}\n{END}{after}", figures::runs::page(figures)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PAGE: &str = "# Words\n<!-- figures:begin -->\nold\n<!-- figures:end -->\nmore\n";

    #[test]
    fn the_words_around_the_figures_stay() {
        let figures = json!({ "reopen": [{ "blocks": 25, "opening": { "p50_us": 7000.0 } }] });
        let page = between_marks(PAGE, Some(&figures)).expect("both marks");
        assert!(page.starts_with("# Words\n") && page.ends_with("<!-- figures:end -->\nmore\n"), "{page}");
        assert!(page.contains("| 25 | | 7 |") && !page.contains("old"), "{page}");
        assert_eq!(between_marks(&page, Some(&figures)).expect("both marks"), page, "a second time changes nothing");
    }

    #[test]
    fn a_page_without_marks_is_refused() {
        assert!(between_marks("# Words\n", None).is_err());
    }
}
