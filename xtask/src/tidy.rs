//! `cargo xtask tidy`: the rules of the house that a compiler does not know. Also a test, so `cargo test` is the gate.
//!
//! A rule is a function from the files of the repository to findings; it reads nothing else, so that each has a test
//! in which a violation is planted.

mod documents;
mod features;
mod habits;
mod headers;
mod layers;
mod manifest;
mod places;
mod repository;
mod sizes;
mod source;

use std::fmt;

use anyhow::{Result, bail};

use crate::run::root;
use repository::Repository;

/// A rule.
type Rule = fn(&Repository) -> Vec<Finding>;

const RULES: &[(&str, Rule)] = &[
    ("headers", headers::check),
    ("layers", layers::check),
    ("features", features::check),
    ("sizes", sizes::check),
    ("habits", habits::check),
    ("documents", documents::check),
    ("places", places::check),
];

/// Something that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    path: String,
    line: usize,
    message: String,
}

impl Finding {
    fn new(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.message)
    }
}

/// Checks all rules and lists what breaks them.
pub(crate) fn run() -> Result<()> {
    let repository = Repository::load(&root())?;
    let mut findings = Vec::new();
    for (name, rule) in RULES {
        findings.extend(rule(&repository).into_iter().map(|finding| format!("{finding} ({name})")));
    }
    if findings.is_empty() {
        return Ok(());
    }
    bail!("{} finding(s):\n{}", findings.len(), findings.join("\n"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_is_tidy() {
        run().unwrap_or_else(|error| panic!("{error}"));
    }

    #[test]
    fn ci_runs_the_command_that_the_readme_names() {
        let repository = Repository::load(&root()).expect("the repository is readable");
        for path in [".ci/run", "README.md"] {
            let file = repository.file(path).unwrap_or_else(|| panic!("{path} is there"));
            assert!(file.text.contains("cargo xtask test"), "{path}");
        }
    }
}
