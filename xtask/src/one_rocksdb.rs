//! Whether RocksDB compiles once for the program and for the tests.
//!
//! Cargo builds a crate anew for every set of features that it or anything below it is asked for. A test dependency that
//! asks a crate below RocksDB for one more feature would cost eleven minutes more, on every machine, without a word.

use std::collections::BTreeSet;

use anyhow::{Result, bail};

use crate::run::{cargo, output};

const ROCKSDB: &str = "librocksdb-sys";

/// Compares what is below RocksDB when the program is built with what is below it when the tests are.
///
/// # Errors
/// Crates that are built with other features for the one than for the other.
pub(crate) fn check() -> Result<()> {
    let program = below_rocksdb(&tree(&["--package", "ferry-cli", "--edges", "normal,build"])?);
    let tests = below_rocksdb(&tree(&["--workspace", "--edges", "normal,build,dev"])?);
    let differ: Vec<&String> = program.symmetric_difference(&tests).collect();
    if program.is_empty() || !differ.is_empty() {
        bail!("RocksDB would compile twice, for the program and for the tests, because of: {differ:?}");
    }
    Ok(())
}

fn tree(selection: &[&str]) -> Result<String> {
    let mut command = cargo(["tree", "--offline", "--locked", "--no-dedupe", "--prefix", "depth"]);
    output(command.args(["--format", " {p} [{f}]"]).args(selection))
}

/// The crates of the first subtree of RocksDB, each with its features.
fn below_rocksdb(tree: &str) -> BTreeSet<String> {
    let mut lines = tree.lines().filter_map(|line| {
        let (depth, krate) = line.split_once(' ')?;
        Some((depth.parse::<usize>().ok()?, krate.to_owned()))
    });
    let Some((root, rocksdb)) = lines.find(|(_, krate)| krate.starts_with(ROCKSDB)) else { return BTreeSet::new() };
    let below = lines.take_while(|(depth, _)| *depth > root).map(|(_, krate)| krate);
    std::iter::once(rocksdb).chain(below).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn program_and_tests_share_one_build_of_rocksdb() {
        check().expect("one build");
    }

    #[test]
    fn another_feature_below_rocksdb_is_seen_and_one_beside_it_is_not() {
        let tree = |below: &str, beside: &str| {
            format!(
                "0 ferry v1 []\n1 rocksdb v1 []\n2 librocksdb-sys v1 [lz4]\n3 bindgen v1 [{below}]\n1 serde v1 [{beside}]\n"
            )
        };
        let plain = below_rocksdb(&tree("", ""));
        assert_eq!(plain.len(), 2);
        assert_eq!(below_rocksdb(&tree("", "derive")), plain);
        assert_ne!(below_rocksdb(&tree("runtime", "")), plain);
        assert!(below_rocksdb("0 ferry v1 []\n").is_empty());
    }
}
