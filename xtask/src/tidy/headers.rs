//! The first screen: every file says what it is, every library what it is not and where to begin.

use super::Finding;
use super::repository::Repository;

/// What the first comment of a library must hold, and why.
const FIRST_SCREEN: &[(&str, &str)] = &[
    ("**It is not**", "says what the crate is not"),
    ("Good starting points:", "names good starting points"),
    ("Invariants:", "names the crate's invariants"),
    ("```", "has an example that runs"),
];

pub(super) fn check(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in repository.rust() {
        if !file.text.starts_with("//! ") {
            findings.push(Finding::new(&file.path, 1, "the first line is no `//!` that says what the file is"));
        }
        if !(file.path.starts_with("crates/") && file.path.ends_with("/src/lib.rs")) {
            continue;
        }
        let screen: Vec<_> = file.text.lines().take_while(|line| line.starts_with("//!")).collect();
        for (needle, what) in FIRST_SCREEN {
            if !screen.iter().any(|line| line.contains(needle)) {
                findings.push(Finding::new(&file.path, 1, format!("no line of the first comment {what}: `{needle}`")));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_header_is_found() {
        let repository = Repository::of(&[("crates/x/src/a.rs", "use std::fmt;\n"), ("xtask/src/b.rs", "//! Fine.\n")]);
        let findings = check(&repository);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].path, "crates/x/src/a.rs");
    }

    #[test]
    fn a_library_that_does_not_say_what_it_is_not_is_found() {
        let whole =
            "//! X.\n//!\n//! **It is not** y.\n//!\n//! Good starting points:\n//! Invariants: z.\n//! ```\n//! ```\n";
        assert_eq!(check(&Repository::of(&[("crates/x/src/lib.rs", whole)])), []);
        for (needle, _) in FIRST_SCREEN {
            let planted = whole.replace(needle, "");
            let findings = check(&Repository::of(&[("crates/x/src/lib.rs", &planted)]));
            assert_eq!(findings.len(), 1, "{needle}");
            assert!(findings[0].message.contains(needle));
        }
    }
}
