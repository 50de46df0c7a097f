//! Which cases a run has.
//!
//! Each kind of file and row of ours is whole in one home, byte by byte, in every run. In samples that depend on the seed
//! come RocksDB's files, lattice states (long runs of bytes that are all alike), and the same kinds once more in the other
//! homes, those whole in a long run. A smoke changes each byte of a hash in one way, and every other byte in three. Bytes that a change would leave as they are make no case.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::case::{Case, Change, Target};
use crate::classes::{Class, Surroundings, class, states};
use crate::homes::{HOMES, Home};
use crate::rows::Database;

/// How much of everything a run takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) long: bool,
}

/// A case and what it damages.
pub(crate) type Classed = (Case, Class);

/// One in how many cases of a kind is taken.
const ALL: u64 = 1;
const SOME: u64 = 4;
const FEW: u64 = 256;
/// Lattice states: runs of 2048 bytes that are all alike, dozens of them.
const STATE: u64 = 16;

/// All cases of the homes in `homes`, in an order that the seed shuffles, so that a rate means something.
pub(crate) fn cases(homes: &Path, plan: Plan) -> Result<Vec<Classed>> {
    let mut cases = Vec::new();
    for home in HOMES {
        let dir = homes.join(home.name);
        let mut maker = Maker { home, current: current(&dir)?, plan, cases: &mut cases };
        let mut files = Vec::new();
        list(&dir, "", &mut files)?;
        files.sort();
        for path in files {
            maker.file(&dir, &path)?;
        }
        if let Some(database) = Database::open(&dir)? {
            for row in &database.rows {
                maker.row(&row.family, &row.key, &row.value);
            }
        }
    }
    let mut at = 0;
    cases.sort_by_cached_key(|_| {
        at += 1;
        mixed(plan.seed ^ mixed(at))
    });
    Ok(cases)
}

fn current(home: &Path) -> Result<String> {
    let target = fs::read_link(home.join("data/state_commit/memiavl/current")).context("a home has a snapshot")?;
    Ok(target.to_string_lossy().into_owned())
}

fn list(dir: &Path, below: &str, files: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(dir.join(below))? {
        let entry = entry?;
        let path = match below {
            "" => entry.file_name().to_string_lossy().into_owned(),
            below => format!("{below}/{}", entry.file_name().to_string_lossy()),
        };
        if entry.file_type()?.is_dir() { list(dir, &path, files)? } else { files.push(path) }
    }
    Ok(())
}

/// A number that looks like chance: the finalizer of SplitMix64.
fn mixed(mut number: u64) -> u64 {
    number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// Makes the cases of one home.
struct Maker<'a> {
    home: Home,
    current: String,
    plan: Plan,
    cases: &'a mut Vec<Classed>,
}

impl Maker<'_> {
    fn file(&mut self, dir: &Path, path: &str) -> Result<()> {
        let full = dir.join(path);
        let content = match fs::read_link(&full) {
            Ok(target) => target.to_string_lossy().into_owned().into_bytes(),
            Err(_) => fs::read(&full)?,
        };
        let one_in = self.share_of_file(path);
        let target = Target::File(path.to_owned());
        for (at, byte) in content.iter().enumerate() {
            let values = self.values(&target, at, *byte);
            let chosen = self.chance(&target, at as u64) as usize % values.len();
            for (place, value) in values.into_iter().enumerate() {
                let kept = self.cases.len();
                self.push(&target, &content, Change::Byte { at, value }, one_in);
                if !self.plan.long && place != chosen && self.cases[kept..].iter().any(|(_, class)| class.is_uniform())
                {
                    self.cases.truncate(kept);
                }
            }
        }
        for length in 0..content.len() {
            self.push(&target, &content, Change::Cut { length }, one_in);
        }
        self.push(&target, &content, Change::Gone, ALL);
        Ok(())
    }

    /// One in how many cases of a file is taken.
    fn share_of_file(&self, path: &str) -> u64 {
        let is_log = path.contains("/changelog/");
        let is_moving = path.contains(&format!("/{}/evm/", self.current));
        match (self.home.name, self.plan.long) {
            (_, false) if path.contains("/OPTIONS-") => 16 * FEW,
            (_, true) if path.contains("/OPTIONS-") => FEW,
            (_, false) if path.contains("/flatkv/") => FEW,
            (_, true) if path.contains("/flatkv/") => SOME,
            (_, true) => ALL,
            ("before", _) => ALL,
            ("evm", _) if is_moving && path.ends_with("/kvs") => ALL,
            ("evm", _) if is_moving || is_log => SOME,
            ("reference", _) if is_log => ALL,
            _ => FEW,
        }
    }

    fn row(&mut self, family: &str, key: &[u8], value: &[u8]) {
        let target = Target::Row { family: family.to_owned(), key: key.to_vec() };
        let is_whole = self.home.name == "evm";
        let one_in = if self.plan.long || is_whole { ALL } else { FEW };
        let states = states(family, key, value);
        for (at, byte) in value.iter().enumerate() {
            let is_state = states.iter().any(|range| range.contains(&at));
            let one_in = if is_state && !(self.plan.long && is_whole) { STATE * one_in } else { one_in };
            for changed in self.values(&target, at, *byte) {
                self.push(&target, value, Change::Byte { at, value: changed }, one_in);
            }
        }
        for (at, byte) in key.iter().enumerate() {
            for changed in self.values(&target, at, *byte) {
                self.push(&target, value, Change::KeyByte { at, value: changed }, one_in);
            }
        }
        for length in [0, value.len().saturating_sub(1)].into_iter().filter(|length| *length < value.len()) {
            self.push(&target, value, Change::Cut { length }, one_in);
        }
        self.push(&target, value, Change::Gone, ALL);
    }

    /// What a byte is changed to: one bit flipped, zero, all bits set; as far as these differ from it and each other.
    fn values(&self, target: &Target, at: usize, byte: u8) -> Vec<u8> {
        let mut values = vec![byte ^ (1 << (self.chance(target, at as u64) % 8)), 0, 0xff];
        values.sort_unstable();
        values.dedup();
        values.retain(|value| *value != byte);
        values
    }

    fn push(&mut self, target: &Target, content: &[u8], change: Change, one_in: u64) {
        let words = match change {
            Change::Byte { at, value } => (at as u64) << 10 | u64::from(value),
            Change::KeyByte { at, value } => (at as u64) << 10 | 1 << 8 | u64::from(value),
            Change::Cut { length } => (length as u64) << 10 | 2 << 8,
            Change::Gone => 3 << 8,
        };
        if !self.chance(target, words).is_multiple_of(one_in) {
            return;
        }
        let case = Case { home: self.home.name.to_owned(), target: target.clone(), change };
        let around = Surroundings { content, current: &self.current, height: self.home.height };
        let class = class(&case, &around);
        self.cases.push((case, class));
    }

    /// A number that depends on the seed, the target and a place in it alone.
    fn chance(&self, target: &Target, place: u64) -> u64 {
        let name = match target {
            Target::File(path) => path.as_bytes(),
            Target::Row { key, .. } => key,
        };
        mixed(self.plan.seed ^ mixed(place) ^ mixed(u64::from(crc32c::crc32c(name))))
    }
}
