//! Documents that rot: crates without a place in the architecture, paths and tests that are gone, links that lead nowhere.

use super::Finding;
use super::repository::{File, Repository};

const ARCHITECTURE: &str = "docs/ARCHITECTURE.md";
/// The page that answers what users of such tools complained of, and how many complaints there are.
const COMPLAINTS: (&str, usize) = ("docs/operating/complaints.md", 33);
/// What every crate's heading is followed by.
const INVARIANT: &str = "**Architecture Invariant:**";
/// A word in code font that begins so is a path in this repository, from the root or from the heading's crate.
const ROOTS: &[&str] = &["crates/", "docs/", "xtask/", "benches/", "src/", "tests/", "examples/", ".ci/", ".cargo/"];

pub(super) fn check(repository: &Repository) -> Vec<Finding> {
    let mut findings = architecture(repository);
    for file in repository.files.iter().filter(|file| file.path.ends_with(".md")) {
        findings.extend(paths(repository, file));
        findings.extend(tests_named(repository, file));
        findings.extend(links(repository, file));
    }
    findings.extend(repository.file(COMPLAINTS.0).into_iter().flat_map(complaints));
    for file in repository.rust() {
        findings.extend(pages_named_in_source(repository, file));
    }
    findings
}

/// Each complaint has one row, and each row a test.
fn complaints(page: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut rows = vec![0; COMPLAINTS.1];
    for (number, line) in prose(page) {
        let cell = line.strip_prefix("| ").and_then(|rest| rest.split(' ').next());
        let Some(complaint) = cell.and_then(|cell| cell.parse::<usize>().ok()) else { continue };
        match complaint.checked_sub(1).and_then(|at| rows.get_mut(at)) {
            Some(count) => *count += 1,
            None => findings.push(Finding::new(&page.path, number, format!("no such complaint: {complaint}"))),
        }
        if !line.rsplit(" | ").next().is_some_and(|tests| tests.contains(".rs::")) {
            findings.push(Finding::new(&page.path, number, format!("no test is named: complaint {complaint}")));
        }
    }
    let uneven = rows.iter().enumerate().filter(|(_, count)| **count != 1);
    findings.extend(
        uneven.map(|(at, count)| Finding::new(&page.path, 1, format!("complaint {} has {count} rows", at + 1))),
    );
    findings
}

/// Every package has a heading, and its section an invariant.
fn architecture(repository: &Repository) -> Vec<Finding> {
    let Some(page) = repository.file(ARCHITECTURE) else {
        return vec![Finding::new(ARCHITECTURE, 1, "the page is not there")];
    };
    let mut findings = Vec::new();
    for (directory, _) in repository.packages() {
        let heading = format!("### `{directory}`");
        let mut section = page.lines().skip_while(|(_, line)| *line != heading);
        let Some((number, _)) = section.next() else {
            findings.push(Finding::new(ARCHITECTURE, 1, format!("no heading for a package: {heading}")));
            continue;
        };
        let mut body = section.take_while(|(_, line)| !line.starts_with('#'));
        if !body.any(|(_, line)| line.contains(INVARIANT)) {
            findings.push(Finding::new(ARCHITECTURE, number, format!("{directory} has no {INVARIANT}")));
        }
    }
    findings
}

/// Paths in code font.
fn paths(repository: &Repository, page: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut here = String::new();
    for (number, line) in prose(page) {
        let heading = line.trim_start_matches('#');
        if heading.len() < line.len() {
            here = heading.trim().trim_matches('`').to_owned();
        }
        for word in line.split('`').skip(1).step_by(2) {
            let is_path = ROOTS.iter().any(|root| word.starts_with(root))
                && !word.contains(|c: char| c.is_whitespace() || matches!(c, '*' | '<' | '{' | '…' | ':'));
            let path = word.trim_end_matches('/');
            if is_path && !repository.exists(path) && !repository.exists(&format!("{here}/{path}")) {
                findings.push(Finding::new(&page.path, number, format!("no such path: {word}")));
            }
        }
    }
    findings
}

/// Tests in code font, as `path::name`: a page that says what is tested says where.
fn tests_named(repository: &Repository, page: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in prose(page) {
        let words = line.split('`').skip(1).step_by(2).filter(|word| ROOTS.iter().any(|root| word.starts_with(root)));
        for (path, test) in words.filter_map(|word| word.split_once(".rs::")) {
            let path = format!("{path}.rs");
            let head = format!("fn {test}(");
            let is_test = |file: &File| {
                let lines: Vec<_> = file.text.lines().map(str::trim).collect();
                let at = lines.iter().position(|line| line.starts_with(&head));
                // Attributes stand between a test's mark and its head.
                at.is_some_and(|at| {
                    lines[..at].iter().rev().take_while(|line| line.starts_with("#[")).any(|line| *line == "#[test]")
                })
            };
            // Properties are written in a macro of their own, which marks them.
            let is_property = |file: &File| file.text.contains("proptest!") && file.text.contains(&head);
            if !repository.file(&path).is_some_and(|file| is_test(file) || is_property(file)) {
                findings.push(Finding::new(&page.path, number, format!("no such test: {path}::{test}")));
            }
        }
    }
    findings
}

/// Links to files and to headings.
fn links(repository: &Repository, page: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in prose(page) {
        let plain = line.split('`').step_by(2).collect::<Vec<_>>().join("``");
        for (at, _) in plain.match_indices("](") {
            let target = plain[at + 2..].split(')').next().unwrap_or_default();
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = if path.is_empty() { page.path.clone() } else { resolve(&page.path, path) };
            if !repository.exists(&path) {
                findings.push(Finding::new(&page.path, number, format!("dead link: {target}")));
            } else if !anchor.is_empty() && !repository.file(&path).is_some_and(|file| has_heading(file, anchor)) {
                findings.push(Finding::new(&page.path, number, format!("dead link, no such heading: {target}")));
            }
        }
    }
    findings
}

/// `docs/….md` in a comment or a message.
fn pages_named_in_source(repository: &Repository, file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in file.lines() {
        for (at, _) in line.match_indices("docs/") {
            let inside = line[..at].ends_with(|c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '"'));
            let length = line[at..].find(|c: char| !c.is_alphanumeric() && !matches!(c, '/' | '.' | '-' | '_'));
            let word = &line[at..length.map_or(line.len(), |length| at + length)];
            let page = word.trim_end_matches('.');
            if !inside && page.ends_with(".md") && !repository.exists(page) {
                findings.push(Finding::new(&file.path, number, format!("no such page: {page}")));
            }
        }
    }
    findings
}

/// The lines of a page outside fenced code.
fn prose(page: &File) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    page.lines().filter(move |(_, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    })
}

/// `link` as a path from the root, seen from the page at `from`.
fn resolve(from: &str, link: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "." | "" => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Whether a heading of the page has this anchor: lower case, spaces as hyphens, other signs left out.
fn has_heading(page: &File, anchor: &str) -> bool {
    prose(page).filter(|(_, line)| line.starts_with('#')).any(|(_, line)| {
        let heading = line.trim_start_matches('#').trim().to_lowercase();
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).eq(anchor.chars())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: (&str, &str) = ("crates/x/Cargo.toml", "");
    const PAGE: &str = "# A\n\n### `crates/x`\n\nText.\n**Architecture Invariant:** none.\n";

    fn messages(files: &[(&str, &str)]) -> Vec<String> {
        check(&Repository::of(files)).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn a_crate_without_a_heading_or_an_invariant_is_found() {
        assert!(messages(&[MANIFEST, (ARCHITECTURE, PAGE)]).is_empty());
        assert_eq!(messages(&[MANIFEST, (ARCHITECTURE, "# A\n")]), ["no heading for a package: ### `crates/x`"]);
        assert_eq!(
            messages(&[MANIFEST, (ARCHITECTURE, "### `crates/x`\n## B\n**Architecture Invariant:** of B.\n")]).len(),
            1
        );
        assert_eq!(messages(&[MANIFEST]), ["the page is not there"]);
    }

    #[test]
    fn a_path_that_is_gone_is_found() {
        let page = format!("{PAGE}See `src/a.rs`, `crates/x/src/gone.rs` and `data/x`.\n```\n`src/other.rs`\n```\n");
        let found = messages(&[MANIFEST, (ARCHITECTURE, &page), ("crates/x/src/a.rs", "//! A.\n")]);
        assert_eq!(found, ["no such path: crates/x/src/gone.rs"]);
    }

    #[test]
    fn a_test_that_is_gone_is_found() {
        let page = format!(
            "{PAGE}`crates/x/tests/a.rs::it_holds` `crates/x/tests/a.rs::helper` `crates/x/tests/a.rs::gone` \
             `crates/x/tests/b.rs::it_holds`\n"
        );
        let source = "//! A.\n#[test]\n#[ignore = \"slow\"]\nfn it_holds() {}\n\nfn helper() {}\n";
        let found = messages(&[MANIFEST, (ARCHITECTURE, &page), ("crates/x/tests/a.rs", source)]);
        let gone = ["a.rs::helper", "a.rs::gone", "b.rs::it_holds"];
        assert_eq!(found, gone.map(|name| format!("no such test: crates/x/tests/{name}")));
    }

    #[test]
    fn a_complaint_without_a_row_or_a_test_is_found() {
        let row = |number: usize| format!("| {number} | slow | [fast](#a) | `crates/x/tests/a.rs::it_holds` |\n");
        let source = "//! A.\n#[test]\nfn it_holds() {}\n";
        let found = |rows: &str| {
            let page = format!("# A\n\n| | complaint | here | test |\n|---|---|---|---|\n{rows}");
            messages(&[MANIFEST, (ARCHITECTURE, PAGE), (COMPLAINTS.0, &page), ("crates/x/tests/a.rs", source)])
        };
        let all: String = (1..=COMPLAINTS.1).map(row).collect();
        assert!(found(&all).is_empty());
        assert_eq!(found(&all.replace(&row(7), "")), ["complaint 7 has 0 rows"]);
        assert_eq!(found(&(all.clone() + &row(7))), ["complaint 7 has 2 rows"]);
        assert_eq!(found(&(all.clone() + &row(34))), ["no such complaint: 34"]);
        let untested = all.replace(&row(9), "| 9 | slow | `crates/x/tests/a.rs::it_holds` | none |\n");
        assert_eq!(found(&untested), ["no test is named: complaint 9"]);
    }

    #[test]
    fn a_dead_link_is_found() {
        let page = format!(
            "{PAGE}[a](../README.md) [b](gone.md) [c](#a) [d](#z) [e](https://x.org) [f](../README.md#two-words)\n"
        );
        let found = messages(&[MANIFEST, (ARCHITECTURE, &page), ("README.md", "# R\n\n## Two words\n")]);
        assert_eq!(found, ["dead link: gone.md", "dead link, no such heading: #z"]);
    }

    #[test]
    fn a_page_that_source_names_must_be_there() {
        let gone = format!("docs{}", "/GONE.md");
        let source = format!("//! See {gone} and docs/ARCHITECTURE.md.\n");
        let found = messages(&[MANIFEST, (ARCHITECTURE, PAGE), ("crates/x/src/a.rs", &source)]);
        assert_eq!(found, [format!("no such page: {gone}")]);
    }
}
