//! Which crate may know which: an edge that is not drawn in docs/ARCHITECTURE.md is forbidden.

use super::Finding;
use super::manifest::{self, Table};
use super::repository::{File, Repository};
use super::source::Code;

/// The edges that are drawn. What follows from them counts as drawn too.
const EDGES: &[(&str, &[&str])] = &[
    ("beside", &[]),
    ("boundary", &[]),
    ("multibuffer", &[]),
    ("changeset", &["multibuffer"]),
    ("lthash", &["multibuffer"]),
    ("memiavl-iter", &["multibuffer", "changeset"]),
    ("memiavl", &["memiavl-iter", "changeset", "beside"]),
    ("flatkv", &["lthash", "changeset", "beside"]),
    ("migrate-core", &["boundary", "changeset", "beside"]),
    ("migrate-metrics", &["migrate-core"]),
    ("ferry", &["migrate-metrics", "memiavl", "flatkv"]),
    ("ferry-cli", &["ferry"]),
];
/// Edges for tests alone, each with its reason.
const TEST_EDGES: &[(&str, &str, &str)] = &[];
/// Packages of ours that may know everything: nothing depends on them.
const FREE: &[&str] = &["xtask", "benches", "examples"];
/// Foreign crates that belong to some of ours: the rest reach what they do through those.
const OWNED: &[(&str, &[&str])] = &[
    ("anyhow", &["ferry-cli", "xtask", "benches", "examples"]),
    ("clap", &["ferry-cli", "xtask", "benches", "examples"]),
    ("memmap2", &["memiavl-iter"]),
    ("rayon-core", &["beside"]),
    ("prometheus-client", &["migrate-metrics"]),
    // The rig that damages a store's rows writes them past the store.
    ("rocksdb", &["flatkv", "benches", "xtask"]),
];
/// The page that draws the edges for people.
const PICTURE: &str = "docs/ARCHITECTURE.md";
/// Where code may be unsafe: the one crate that ships, and the library that a rig puts between a process and libc.
const UNSAFE: &[&str] = &["crates/memiavl-iter/", "xtask/torture/recorder/"];

pub(super) fn check(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (directory, manifest) in repository.packages() {
        // What stands below xtask/ is a tool of ours, as xtask itself is; examples are all alike.
        let folder = directory.split_once('/').map(|(folder, _)| folder).filter(|folder| FREE.contains(folder));
        let package = folder.unwrap_or_else(|| directory.rsplit('/').next().unwrap_or(directory));
        if !manifest::has_workspace_lints(manifest) {
            findings.push(Finding::new(&manifest.path, 1, "the package does not take the workspace's lints"));
        }
        let free = FREE.contains(&package);
        if !free && !EDGES.iter().any(|(name, _)| *name == package) {
            findings.push(Finding::new(&manifest.path, 1, format!("no edges are drawn for the crate {package}")));
            continue;
        }
        for dependency in manifest::dependencies(manifest) {
            let Some(problem) = judge(package, free, &dependency) else { continue };
            findings.push(Finding::new(&manifest.path, dependency.line, problem));
        }
    }
    findings.extend(repository.file(PICTURE).into_iter().flat_map(edges_not_drawn));
    for file in repository.rust().filter(|file| !UNSAFE.iter().any(|place| file.path.starts_with(place))) {
        let code = Code::new(&file.text);
        findings.extend(code.words("unsafe").map(|offset| {
            Finding::new(&file.path, code.line(offset), format!("unsafe code outside {}", UNSAFE.join(" and ")))
        }));
    }
    findings
}

/// Rows that the page's table of edges lacks, or has otherwise than here.
fn edges_not_drawn(page: &File) -> Vec<Finding> {
    let row = |(name, next): &(&str, &[&str])| {
        let next = next.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        format!("| `{name}` | {next} |").replace("|  |", "| |")
    };
    let rows = EDGES.iter().map(row).filter(|row| !page.lines().any(|(_, line)| line == row));
    rows.map(|row| Finding::new(PICTURE, 1, format!("the table of edges lacks this row: {row}"))).collect()
}

/// What is wrong with an edge, if anything is.
fn judge(package: &str, free: bool, dependency: &manifest::Dependency) -> Option<String> {
    let name = dependency.package.as_str();
    if FREE.contains(&name) {
        return Some(format!("nothing may depend on {name}"));
    }
    if let Some((_, owners)) = OWNED.iter().find(|(owned, _)| *owned == name) {
        let fits = owners.contains(&package);
        return (!fits).then(|| format!("only {} may depend on {name}", owners.join(", ")));
    }
    let ours = EDGES.iter().any(|(known, _)| *known == name);
    if !ours || free || reaches(package, name) {
        return None;
    }
    let for_tests = TEST_EDGES.iter().any(|(from, to, _)| *from == package && *to == name);
    if dependency.table == Table::Development && for_tests {
        return None;
    }
    Some(format!("the edge {package} -> {name} is not drawn"))
}

/// Whether the drawn edges lead from one crate to the other.
fn reaches(from: &str, to: &str) -> bool {
    let Some((_, next)) = EDGES.iter().find(|(name, _)| *name == from) else { return false };
    next.iter().any(|name| *name == to || reaches(name, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(package: &str, dependencies: &str) -> Vec<String> {
        let path = if FREE.contains(&package) {
            format!("{package}/Cargo.toml")
        } else {
            format!("crates/{package}/Cargo.toml")
        };
        let text = format!("[package]\nname = \"{package}\"\n{dependencies}\n[lints]\nworkspace = true\n");
        check(&Repository::of(&[(&path, &text)])).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn an_edge_that_is_not_drawn_is_found_wherever_it_stands() {
        let expected = ["the edge migrate-core -> memiavl is not drawn"];
        assert_eq!(findings("migrate-core", "[dependencies]\nmemiavl.workspace = true"), expected);
        assert_eq!(findings("migrate-core", "[dev-dependencies]\nmemiavl.workspace = true"), expected);
        assert_eq!(findings("migrate-core", "[build-dependencies]\nmemiavl = { path = \"../memiavl\" }"), expected);
        assert_eq!(findings("migrate-core", "[dependencies]\nx = { package = \"memiavl\", path = \"..\" }"), expected);
        assert_eq!(findings("migrate-core", "[target.'cfg(unix)'.dependencies.memiavl]\nworkspace = true"), expected);
    }

    #[test]
    fn what_follows_from_drawn_edges_is_allowed() {
        assert!(
            findings("ferry", "[dependencies]\nboundary.workspace = true\nmemiavl-iter.workspace = true").is_empty()
        );
        assert!(findings("ferry-cli", "[dependencies]\nferry.workspace = true").is_empty());
        assert!(findings("benches", "[dependencies]\nlthash.workspace = true").is_empty());
    }

    #[test]
    fn the_drawn_edges_have_no_circle() {
        for (name, _) in EDGES {
            assert!(!reaches(name, name), "{name}");
        }
    }

    #[test]
    fn a_picture_that_draws_other_edges_is_found() {
        let page = "| `boundary` | |\n| `ferry-cli` | `flatkv` |\n";
        let found = check(&Repository::of(&[(PICTURE, page)]));
        assert_eq!(found.len(), EDGES.len() - 1);
        assert!(found.iter().any(|finding| finding.message.ends_with("| `ferry-cli` | `ferry` |")));
    }

    #[test]
    fn a_foreign_crate_in_the_wrong_place_is_found() {
        let expected = ["only ferry-cli, xtask, benches, examples may depend on anyhow"];
        assert_eq!(findings("flatkv", "[dependencies]\nanyhow.workspace = true"), expected);
        assert_eq!(
            findings("ferry", "[dev-dependencies]\nrocksdb.workspace = true"),
            ["only flatkv, benches, xtask may depend on rocksdb"]
        );
        assert!(findings("ferry-cli", "[dependencies]\nanyhow.workspace = true").is_empty());
    }

    #[test]
    fn nothing_depends_on_the_developers_tools() {
        assert_eq!(
            findings("ferry", "[dev-dependencies]\nxtask = { path = \"../../xtask\" }"),
            ["nothing may depend on xtask"]
        );
    }

    #[test]
    fn a_crate_without_a_place_in_the_picture_is_found() {
        assert_eq!(findings("novelty", ""), ["no edges are drawn for the crate novelty"]);
    }

    #[test]
    fn a_package_without_the_lints_is_found() {
        let repository = Repository::of(&[("crates/boundary/Cargo.toml", "[package]\nname = \"boundary\"\n")]);
        assert_eq!(check(&repository).len(), 1);
    }

    #[test]
    fn unsafe_code_is_found_outside_its_crate_and_not_in_comments() {
        let source = "//! Nothing unsafe here.\nfn f() { unsafe { g() } }\n";
        let found = check(&Repository::of(&[("crates/flatkv/src/a.rs", source)]));
        assert_eq!(found.iter().map(|finding| finding.line).collect::<Vec<_>>(), [2]);
        assert_eq!(check(&Repository::of(&[("crates/memiavl-iter/src/a.rs", source)])), []);
    }
}
