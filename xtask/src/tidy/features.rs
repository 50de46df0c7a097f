//! What is there for tests does not ship: a test feature is turned on by development dependencies alone.

use super::Finding;
use super::manifest::{self, Table};
use super::repository::Repository;

/// Features that exist for tests: the package, and the feature's name.
const TEST_FEATURES: &[(&str, &str)] = &[("migrate-core", "in-memory")];

pub(super) fn check(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    let root = repository.file("Cargo.toml").map(|file| ("", file));
    for (directory, manifest) in repository.packages().chain(root) {
        let package = directory.rsplit('/').next().unwrap_or(directory);
        for dependency in manifest::dependencies(manifest) {
            let test = |feature: &String| TEST_FEATURES.contains(&(dependency.package.as_str(), feature.as_str()));
            if dependency.table != Table::Development
                && let Some(feature) = dependency.features.iter().find(|feature| test(feature))
            {
                let message = format!("the test feature {feature} of {} would ship", dependency.package);
                findings.push(Finding::new(&manifest.path, dependency.line, message));
            }
        }
        for (name, list, line) in manifest::features(manifest) {
            for (owner, feature) in TEST_FEATURES {
                let forwarded = list.iter().any(|item| {
                    item.split_once('/')
                        .is_some_and(|(from, what)| from.trim_end_matches('?') == *owner && what == *feature)
                });
                let own = package == *owner && list.iter().any(|item| item == feature);
                if forwarded || own {
                    let message = format!("feature {name} turns on the test feature {feature} of {owner}");
                    findings.push(Finding::new(&manifest.path, line, message));
                }
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(path: &str, text: &str) -> usize {
        check(&Repository::of(&[(path, text)])).len()
    }

    #[test]
    fn a_test_feature_that_would_ship_is_found() {
        let ferry = "crates/ferry/Cargo.toml";
        let line = "migrate-core = { workspace = true, features = [\"in-memory\"] }\n";
        assert_eq!(count(ferry, &format!("[dependencies]\n{line}")), 1);
        assert_eq!(count(ferry, &format!("[build-dependencies]\n{line}")), 1);
        assert_eq!(count("Cargo.toml", &format!("[workspace.dependencies]\n{line}")), 1);
        assert_eq!(count(ferry, &format!("[dev-dependencies]\n{line}")), 0, "tests may");
    }

    #[test]
    fn a_test_feature_that_another_feature_turns_on_is_found() {
        assert_eq!(count("crates/ferry/Cargo.toml", "[features]\ndefault = [\"migrate-core/in-memory\"]\n"), 1);
        assert_eq!(count("crates/ferry/Cargo.toml", "[features]\nx = [\n  \"migrate-core?/in-memory\",\n]\n"), 1);
        assert_eq!(count("crates/migrate-core/Cargo.toml", "[features]\ndefault = [\"in-memory\"]\n"), 1);
        assert_eq!(count("crates/migrate-core/Cargo.toml", "[features]\nin-memory = []\n"), 0);
    }
}
