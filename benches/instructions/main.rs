//! Parts of a node that are run so many times and nothing else, for whoever counts instructions: `cargo xtask bench
//! --instructions`. What a part needs is made before, so only the difference between two runs counts.
//!
//! No part here waits for a disk, and each goes on with one thread where it would start another only for more work.

use std::hint::black_box;
use std::ops::ControlFlow;
use std::path::Path;

use anyhow::{Context, Result};
use benches::fixture;
use bytes::Bytes;
use changeset::{NamedChangeSet, OldStore, Walk, Write, open_entry_in_place};
use clap::Parser;
use flatkv::{AccountRow, StorageRow, locate};
use lthash::LtHash;
use memiavl::MemIavl;

/// Changed keys of a tree: fewer than what a second thread is started for.
const CHANGED: usize = 64;
/// Rows of one round.
const ROWS: u64 = 1_000;

/// Runs one part.
#[derive(Parser)]
struct Arguments {
    /// The part; without it their names are printed, one a line, with the units of one round.
    part: Option<String>,
    /// How often.
    #[arg(default_value_t = 1)]
    rounds: u64,
}

/// A part: what it makes, and what one round of it does.
struct Part {
    name: &'static str,
    /// Units of work of one round.
    units: u64,
    run: fn(&Path, u64) -> Result<()>,
}

const PARTS: &[Part] = &[
    Part { name: "LtHash of a storage row", units: ROWS, run: lattice },
    Part { name: "storage row encoded and decoded", units: ROWS, run: storage_rows },
    Part { name: "account row encoded and decoded", units: ROWS, run: account_rows },
    Part { name: "place of an EVM key", units: ROWS, run: places },
    Part { name: "new value of a mapped leaf", units: CHANGED as u64, run: tree_sets },
    Part { name: "mapped leaf removed", units: CHANGED as u64, run: tree_removals },
    Part { name: "new value of a mapped leaf, hashed", units: CHANGED as u64, run: tree_hashes },
    Part { name: "leaf met by a walk again", units: fixture::SLOTS, run: walks },
    Part { name: "pair of a changelog entry decoded", units: ROWS, run: entries },
];

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let Some(name) = arguments.part else {
        PARTS.iter().for_each(|part| println!("{}\t{}", part.units, part.name));
        return Ok(());
    };
    let part = PARTS.iter().find(|part| part.name == name).with_context(|| format!("there is no part {name}"))?;
    let dir = tempfile::tempdir()?;
    (part.run)(dir.path(), arguments.rounds)
}

fn lattice(_: &Path, rounds: u64) -> Result<()> {
    let (mut state, row) = (LtHash::new(), StorageRow { height: 7, value: [9; 32] }.encode());
    for number in 0..rounds * ROWS {
        state.add(&fixture::slot(number, rounds * ROWS), &row);
    }
    black_box(state);
    Ok(())
}

fn storage_rows(_: &Path, rounds: u64) -> Result<()> {
    for height in 0..rounds * ROWS {
        let row = StorageRow { height, value: [9; 32] }.encode();
        black_box(StorageRow::decode(black_box(&row))?);
    }
    Ok(())
}

fn account_rows(_: &Path, rounds: u64) -> Result<()> {
    for height in 0..rounds * ROWS {
        let row = AccountRow { height, balance: [0; 32], nonce: 7, code_hash: [5; 32] }.encode();
        black_box(AccountRow::decode(black_box(&row))?);
    }
    Ok(())
}

fn places(_: &Path, rounds: u64) -> Result<()> {
    let (key, mut physical) = (fixture::slot(7, fixture::SLOTS), Vec::new());
    for _ in 0..rounds * ROWS {
        black_box(locate("evm", black_box(&key), &mut physical)?);
    }
    Ok(())
}

fn tree_sets(dir: &Path, rounds: u64) -> Result<()> {
    changes(dir, rounds, |keys| fixture::sets(keys, 1), |_| Ok(()))
}

fn tree_removals(dir: &Path, rounds: u64) -> Result<()> {
    changes(dir, rounds, fixture::removals, |_| Ok(()))
}

fn tree_hashes(dir: &Path, rounds: u64) -> Result<()> {
    let hash = |store: &mut MemIavl| {
        black_box(store.working_roots()?);
        Ok(())
    };
    changes(dir, rounds, |keys| fixture::sets(keys, 1), hash)
}

/// Changes of leaves that were not met before in each round.
fn changes(
    dir: &Path,
    rounds: u64,
    make: impl Fn(&[Bytes]) -> NamedChangeSet,
    after: impl Fn(&mut MemIavl) -> Result<()>,
) -> Result<()> {
    let mut store = fixture::tree(dir);
    let step = fixture::SLOTS / CHANGED as u64;
    for round in 0..rounds {
        let number = |at: u64| fixture::slot(at * step + round, fixture::SLOTS);
        let keys: Vec<Bytes> = (0..CHANGED as u64).map(number).collect();
        store.apply(&[make(&keys)])?;
        after(&mut store)?;
    }
    Ok(())
}

fn walks(dir: &Path, rounds: u64) -> Result<()> {
    let store = fixture::tree(dir);
    for _ in 0..=rounds {
        store.walk("evm", None, &mut |key, value| {
            black_box((key, value));
            ControlFlow::Continue(())
        })?;
    }
    Ok(())
}

fn entries(_: &Path, rounds: u64) -> Result<()> {
    let keys = fixture::slots(usize::try_from(fixture::SLOTS / ROWS)?);
    let entry =
        changeset::ChangelogEntry { version: 7, changesets: vec![fixture::sets(&keys, 1)], upgrades: Vec::new() };
    let bytes = changeset::seal_entry(&entry, [3; 32]);
    for _ in 0..rounds {
        black_box(open_entry_in_place(black_box(&bytes))?);
    }
    Ok(())
}
