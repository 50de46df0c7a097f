//! Nothing in the repository names a place on somebody's machine.

use super::Finding;
use super::repository::Repository;

/// Beginnings of paths that exist on one machine only. Written in two parts, so that this file passes.
const PLACES: &[(&str, &str)] = &[("/ro", "ot/"), ("/ho", "me/"), ("/wo", "rk/"), ("/Us", "ers/")];

pub(super) fn check(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &repository.files {
        for (number, line) in file.lines() {
            for place in PLACES.iter().map(|(first, second)| format!("{first}{second}")) {
                if line.match_indices(&place).any(|(at, _)| begins_a_path(&line[..at])) {
                    findings.push(Finding::new(&file.path, number, format!("a path of one machine: {place}")));
                }
            }
        }
    }
    findings
}

/// Whether what follows `before` is the beginning of a path and not a part in the middle of one.
fn begins_a_path(before: &str) -> bool {
    !before.ends_with(|c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '}' | '>' | '~' | '*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_on_one_machine_is_found_in_any_file() {
        for (first, second) in PLACES {
            let line = format!("cd {first}{second}project\n");
            assert_eq!(check(&Repository::of(&[("docs/a.md", &line)])).len(), 1, "{line}");
            assert_eq!(check(&Repository::of(&[(".ci/run", &format!("\n\"{}\"", line.trim()))])).len(), 1, "{line}");
        }
    }

    #[test]
    fn the_middle_of_a_path_is_no_place() {
        for (first, second) in PLACES {
            let line = format!("data{first}{second}x and https://example.org{first}{second}x\n");
            assert_eq!(check(&Repository::of(&[("docs/a.md", &line)])), [], "{line}");
        }
    }
}
