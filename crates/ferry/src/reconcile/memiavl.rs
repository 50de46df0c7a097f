//! What becomes of memiavl: nothing, or a store made of sound snapshots and the entries that lead on from them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use changeset::Hash;
use memiavl::{Log, current_version};

use super::anchor::{Anchor, Records, readable};
use super::plan::{Refusal, Repair, RepairKind};
use super::trail::{NoWay, Origin, Trail, Way};
use crate::error::{Error, Hex};

/// How memiavl is made anew.
#[derive(Clone, Debug)]
pub(super) struct Rebuilt {
    /// Snapshots that it keeps, oldest first.
    snapshots: Vec<PathBuf>,
    /// The versions of its changelog's entries.
    entries: std::ops::RangeInclusive<u64>,
    /// Entries that are not the present changelog's.
    replaced: BTreeMap<u64, Bytes>,
}

/// What becomes of memiavl.
pub(super) enum Outcome {
    /// It is in order, or there is none. Its roots, where it is there.
    Sound(Option<Vec<(String, Hash)>>),
    /// It is made anew.
    Rebuild(Rebuilt, Vec<Repair>, Vec<(String, Hash)>),
    /// It cannot be mended.
    Lost(Refusal),
}

/// The remedy where a state cannot be had from what the home holds.
pub(super) const FROM_ELSEWHERE: &str = "take the state of another node: `ferry import` of an export, or a state sync; keep this home until that is verified";

const PROOF: &str = "the roots behind the replay are those stored with the last block";

/// Finds out what becomes of memiavl. `must_sync` asks for a changelog that is known to be on disk.
pub(super) fn judge(
    records: &Records<'_>,
    anchor: &Anchor,
    residue: &[(String, Vec<u8>)],
    must_sync: bool,
) -> Result<Outcome, Error> {
    let Some(last) = anchor.memiavl else { return Ok(Outcome::Sound(None)) };
    let dir = records.home.memiavl();
    let trail = Trail { records, anchor, residue };
    let (sound, damaged) = trail.sound_snapshots()?;
    let way = match trail.find(&sound)? {
        Ok(way) => way,
        Err(failed) => return Ok(Outcome::Lost(lost(last, &damaged, &failed))),
    };
    let current = readable(current_version(dir).map_err(Into::into))?.flatten();
    let log_last = records.log.as_ref().and_then(Log::last_version).unwrap_or(0);
    let is_as_it_was = current == Some(way.base) && way.replaced.is_empty() && log_last <= last;
    let is_whole = damaged.is_empty() && way.astray.is_empty();
    if is_as_it_was && is_whole && !must_sync {
        return Ok(Outcome::Sound(Some(way.roots)));
    }
    let repairs = repairs(records, last, &way, &damaged, log_last, residue)?;
    let rebuilt = rebuilt(records, last, &way, &sound)?;
    Ok(Outcome::Rebuild(rebuilt, repairs, way.roots))
}

fn lost(last: u64, damaged: &[NoWay], failed: &[NoWay]) -> Refusal {
    let reasons: Vec<_> =
        damaged.iter().chain(failed).map(|no_way| format!("snapshot {}: {}", no_way.base, no_way.why)).collect();
    let why = match reasons.is_empty() {
        true => "there is no snapshot to begin with".to_owned(),
        false => format!("no snapshot and no changelog lead to its roots: {}", reasons.join("; ")),
    };
    Refusal { what: format!("memiavl at block {last}"), why, remedy: FROM_ELSEWHERE.to_owned() }
}

fn repairs(
    records: &Records<'_>,
    last: u64,
    way: &Way,
    damaged: &[NoWay],
    log_last: u64,
    residue: &[(String, Vec<u8>)],
) -> Result<Vec<Repair>, Error> {
    let proof = PROOF;
    let mut repairs = Vec::new();
    for (version, why) in damaged
        .iter()
        .map(|damaged| (damaged.base, damaged.why.as_str()))
        .chain(way.astray.iter().map(|version| (*version, "its roots are not those that the changelog leads to")))
    {
        let after = format!("given up; the snapshot of {} and the changelog lead to block {last}", way.base);
        let proof = if version > way.base {
            proof
        } else {
            "no later block needs it; a rollback cannot lead below the next one"
        };
        repairs.push(Repair::general(RepairKind::Snapshot, format!("snapshot of {version}: {why}"), after, proof));
    }
    for replaced in &way.replaced {
        let present = match &records.log {
            Some(log) => {
                readable(log.entry(replaced.height).map_err(|error| memiavl::Error::from(error).into()))?.flatten()
            }
            None => None,
        };
        let entry = |bytes: &Bytes| {
            format!("entry of {}: blake3 {}", replaced.height, Hex(&blake3::hash(bytes).as_bytes()[..]))
        };
        let before = present.as_ref().map_or_else(|| format!("entry of {}: none that reads", replaced.height), entry);
        let from = match replaced.from {
            Origin::Changelog => "the changelog",
            Origin::Handoff => "FlatKV's handoff",
            Origin::Completed => "the present one, with deletes of what its block moved",
        };
        let after = format!("{}, from {from}", entry(&replaced.entry));
        repairs.push(Repair::general(RepairKind::ChangelogEntry, before, after, proof));
    }
    if log_last > last {
        let before = format!("entries up to block {log_last}");
        let proof = "FlatKV's last block is the chain's: what it did not commit did not happen";
        repairs.push(Repair::general(RepairKind::ChangelogEnd, before, format!("entries up to block {last}"), proof));
    }
    if !repairs.is_empty() {
        repairs.extend(residue.iter().map(|(module, key)| Repair {
            module: module.clone(),
            key: Some(key.clone()),
            ..Repair::general(RepairKind::Residue, "in memiavl", "moved to FlatKV alone", proof)
        }));
    }
    Ok(repairs)
}

/// Which snapshots stay, and from where on the changelog is kept: as far back as both are sound.
fn rebuilt(records: &Records<'_>, last: u64, way: &Way, sound: &[(u64, PathBuf)]) -> Result<Rebuilt, Error> {
    let replaced: BTreeMap<u64, Bytes> =
        way.replaced.iter().map(|replaced| (replaced.height, replaced.entry.clone())).collect();
    let first = records.log.as_ref().and_then(Log::first_version).unwrap_or(last + 1);
    let mut from = way.base + 1;
    while from > first && readable(entry(records, &replaced, from - 1))?.flatten().is_some() {
        from -= 1;
    }
    let kept: Vec<_> =
        sound.iter().filter(|(version, _)| *version + 1 >= from && !way.astray.contains(version)).collect();
    let oldest = kept.first().map_or(way.base, |(version, _)| *version);
    // An entry of the oldest snapshot's own version is never replayed; its seal is worth keeping.
    let entries = from.max(oldest)..=last;
    Ok(Rebuilt { snapshots: kept.into_iter().map(|(_, path)| path.clone()).collect(), entries, replaced })
}

fn entry(records: &Records<'_>, replaced: &BTreeMap<u64, Bytes>, height: u64) -> Result<Option<Bytes>, Error> {
    match (replaced.get(&height), &records.log) {
        (Some(entry), _) => Ok(Some(entry.clone())),
        (None, Some(log)) => log.entry(height).map_err(|error| memiavl::Error::from(error).into()),
        (None, None) => Ok(None),
    }
}

impl Rebuilt {
    /// Makes the store in `dir`, which must not exist.
    pub(super) fn build(&self, dir: &Path, records: &Records<'_>) -> Result<(), Error> {
        let mut entries = self.entries.clone().map(|height| {
            let missing = || memiavl::Error::LogGap { path: records.home.memiavl().join("changelog"), version: height };
            match (self.replaced.get(&height), &records.log) {
                (Some(entry), _) => Ok((height, entry.clone())),
                (None, Some(log)) => Ok((height, log.entry(height)?.ok_or_else(missing)?)),
                (None, None) => Err(missing()),
            }
        });
        Ok(memiavl::assemble(dir, &self.snapshots, &mut entries)?)
    }
}
