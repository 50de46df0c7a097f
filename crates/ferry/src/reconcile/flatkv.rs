//! What becomes of FlatKV: rows put right, states and counts made anew from them, records written, old ones given up.

use std::ops::ControlFlow;

use changeset::{AppHash, CommitInfo, Hash, LATTICE_STORE, app_hash};
use flatkv::{FlatKvError, Patient, RowMend, Tally};

use super::anchor::{Anchor, Records, readable};
use super::memiavl::FROM_ELSEWHERE;
use super::plan::{Refusal, Repair, RepairKind};
use crate::error::{Error, Hex};
use crate::verify::{Examined, words};

/// What is written to FlatKV's copy.
#[derive(Default)]
pub(super) struct Cure {
    rows: Vec<RowMend>,
    states: Option<Tally>,
    version: Option<u64>,
    /// Up to where memiavl's changelog is on disk.
    pub(super) changelog_synced: Option<u64>,
    block: Option<(u64, Hash, Option<u64>, CommitInfo, AppHash)>,
    forget_below: Option<u64>,
}

/// What becomes of FlatKV.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) cure: Cure,
    pub(super) repairs: Vec<Repair>,
    pub(super) refusals: Vec<Refusal>,
}

const ROWS_PROOF: &str = "all rows add up to the root in the last block's app hash";

/// Whether FlatKV lacks the note of how far memiavl's changelog is on disk, or a handoff behind it.
pub(super) fn needs_synced_changelog(examined: &Examined) -> bool {
    examined.faults.iter().any(|fault| match fault {
        FlatKvError::Record { record, .. } => *record == "changelog_synced",
        FlatKvError::Missing { record, .. } => *record == "handoff",
        _ => false,
    })
}

/// Finds out what becomes of FlatKV. `roots` are memiavl's, as it is or as it is made anew.
pub(super) fn judge(
    records: &Records<'_>,
    anchor: &Anchor,
    examined: &Examined,
    roots: Option<&[(String, Hash)]>,
    look: &mut dyn FnMut() -> ControlFlow<()>,
) -> Result<Outcome, Error> {
    let Some(view) = records.flatkv else { return Ok(Outcome::default()) };
    let mut outcome = Outcome::default();
    let strays = strays(view, examined)?;
    let expected = Expected::of(records, anchor, roots)?;
    match mended(examined, &expected, anchor) {
        None => outcome.refusals.extend(why_not(view, examined, look)?),
        Some((rows, tally)) => {
            let root = tally.root();
            outcome.rows(rows, strays);
            outcome.states(view, examined, tally);
            if let Expected::AppHash(_) = &expected
                && let Some(info) = expected.info_with(root, anchor)
            {
                outcome.block(anchor, root, info);
            }
        }
    }
    outcome.records(view, anchor, examined)?;
    outcome.past(view, look)?;
    Ok(outcome)
}

/// What the rows must come to.
enum Expected {
    /// The root in the last block's commit info.
    Root(Option<Hash>),
    /// That record is damaged: with the roots of memiavl, or of no store, they must make up the app hash.
    AppHash([CommitInfo; 2]),
}

impl Expected {
    fn of(records: &Records<'_>, anchor: &Anchor, roots: Option<&[(String, Hash)]>) -> Result<Self, Error> {
        let Some(info) = &anchor.info else {
            // Once everything has moved memiavl has no part any more, though it stays for a while.
            let stores = roots.unwrap_or_default().iter().map(|(name, root)| (name.as_str(), *root));
            return Ok(Self::AppHash([CommitInfo::new(anchor.height, stores), CommitInfo::new(anchor.height, [])]));
        };
        let imported = records.flatkv.map(|view| readable(view.imported().map_err(Into::into))).transpose()?;
        let imported = imported.flatten().flatten().filter(|imported| imported.version == anchor.height.cast_signed());
        let standing = imported.as_ref().unwrap_or(info);
        let store = standing.store_infos.iter().find(|store| store.name == LATTICE_STORE);
        Ok(Self::Root(store.and_then(|store| Hash::try_from(store.commit_id.hash.as_ref()).ok())))
    }

    /// The last block's commit info, if `root` makes up its app hash.
    fn info_with(&self, root: Hash, anchor: &Anchor) -> Option<CommitInfo> {
        let Self::AppHash(infos) = self else { return None };
        let lattice = CommitInfo::new(anchor.height, [(LATTICE_STORE, root)]).store_infos;
        let mut infos = infos.iter().map(|info| CommitInfo {
            version: info.version,
            store_infos: info.store_infos.iter().chain(&lattice).cloned().collect(),
        });
        infos.find(|info| app_hash(info) == anchor.app_hash)
    }

    fn is_met_by(&self, root: Hash, anchor: &Anchor) -> bool {
        match self {
            Self::Root(expected) => *expected == Some(root),
            Self::AppHash(_) => self.info_with(root, anchor).is_some(),
        }
    }
}

/// The mends with which all rows add up to the root, and what they add up to then; none if there are no such ones.
fn mended(examined: &Examined, expected: &Expected, anchor: &Anchor) -> Option<(Vec<RowMend>, Tally)> {
    let guessed = examined.mends.iter().chain(&examined.guesses).cloned().collect();
    [Vec::new(), examined.mends.clone(), guessed].into_iter().find_map(|mends: Vec<RowMend>| {
        let mut tally = examined.tally.clone();
        tally.mend(&mends);
        expected.is_met_by(tally.root(), anchor).then_some((mends, tally))
    })
}

/// Rows at keys that no module can have: they are part of no sum.
fn strays(view: &flatkv::View, examined: &Examined) -> Result<Vec<RowMend>, Error> {
    let mut strays = Vec::new();
    for (lane, key) in &examined.strays {
        let before = view.stored_row(*lane, key)?;
        strays.push(RowMend { lane: *lane, key: key.clone(), before, after: None });
    }
    Ok(strays)
}

fn why_not(
    view: &flatkv::View,
    examined: &Examined,
    look: &mut dyn FnMut() -> ControlFlow<()>,
) -> Result<Vec<Refusal>, Error> {
    let remedy = match view.sound_below(&examined.tally, look)? {
        Some(to) => format!(
            "`ferry rollback --to {to} --apply`: what the later blocks touched is as it was then, by the undo records, and rows \
             and states agree; the chain makes those blocks again"
        ),
        None => format!("no rollback that is possible brings them back; {FROM_ELSEWHERE}"),
    };
    let of_part = |(part, why): &(flatkv::PartReport, String)| Refusal {
        what: format!("rows of {} in lane {}", part.module, part.lane),
        why: why.clone(),
        remedy: remedy.clone(),
    };
    let refusals: Vec<_> = examined.unexplained.iter().map(of_part).collect();
    let whole = || Refusal {
        what: "FlatKV's rows".to_owned(),
        why: "they add up to what is kept of them, and not to the root of the last block".to_owned(),
        remedy: FROM_ELSEWHERE.to_owned(),
    };
    Ok(if refusals.is_empty() { vec![whole()] } else { refusals })
}

impl Outcome {
    fn rows(&mut self, rows: Vec<RowMend>, strays: Vec<RowMend>) {
        self.repairs.extend(rows.iter().map(|mend| Repair::of_row(mend, ROWS_PROOF)));
        let proof = "no module can have this key, and all rows without it add up to the root";
        self.repairs.extend(strays.iter().map(|mend| Repair::of_row(mend, proof)));
        self.cure.rows.extend(rows.into_iter().chain(strays));
    }

    /// States and counts anew, where what is kept is not what the rows come to.
    fn states(&mut self, view: &flatkv::View, examined: &Examined, tally: Tally) {
        let wrong: Vec<_> = view.compare(&tally).into_iter().filter(|part| !part.report.agrees()).collect();
        let is_undecoded = examined
            .faults
            .iter()
            .any(|fault| matches!(fault, FlatKvError::Record { record, .. } if record.starts_with("lattice")));
        for part in &wrong {
            let said = |(root, totals): &(Hash, flatkv::Totals)| {
                format!("root {} rows {} bytes {}", Hex(root), totals.rows, totals.bytes)
            };
            self.repairs.push(Repair {
                module: part.report.module.clone(),
                lane: Some(part.report.lane),
                ..Repair::general(
                    RepairKind::States,
                    said(&part.report.stored),
                    said(&part.report.computed),
                    ROWS_PROOF,
                )
            });
        }
        if wrong.is_empty() && is_undecoded {
            let after = "as the rows add up";
            self.repairs.push(Repair::general(RepairKind::States, "a state that does not decode", after, ROWS_PROOF));
        }
        if !wrong.is_empty() || is_undecoded {
            self.cure.states = Some(tally);
        }
    }

    fn block(&mut self, anchor: &Anchor, root: Hash, info: CommitInfo) {
        let before = format!("record of block {} does not decode, or not to its app hash", anchor.height);
        let after = format!("app hash {} root {}", Hex(&anchor.app_hash), Hex(&root));
        let proof = "the roots of both stores make up the app hash in the journal";
        self.repairs.push(Repair::general(RepairKind::Record, before, after, proof));
        self.cure.block = Some((anchor.height, root, anchor.memiavl, info, anchor.app_hash));
    }

    /// The records by which FlatKV knows where it is.
    fn records(&mut self, view: &flatkv::View, anchor: &Anchor, examined: &Examined) -> Result<(), Error> {
        for fault in &examined.faults {
            match fault {
                FlatKvError::Record { record: "version", .. } | FlatKvError::Disagree { what: "version", .. } => {
                    let proof = "the newest block that has a record; its root is that of the rows";
                    let after = format!("version {}", anchor.height);
                    if self.cure.version.is_none() {
                        self.repairs.push(Repair::general(RepairKind::Record, words(fault), after, proof));
                    }
                    self.cure.version = Some(anchor.height);
                }
                FlatKvError::Record { record: "first", .. } | FlatKvError::Disagree { what: "first", .. } => {
                    self.refusals.push(Refusal {
                        what: "FlatKV's record of its first block".to_owned(),
                        why: "nothing else tells it, and a rollback that took it to be later would remove the store"
                            .to_owned(),
                        remedy: FROM_ELSEWHERE.to_owned(),
                    })
                }
                _ => {}
            }
        }
        if needs_synced_changelog(examined)
            && let Some(last) = anchor.memiavl
        {
            let proof = "memiavl's changelog is written anew up to there, and synced";
            let before = "handoffs, or the note of how far the changelog is on disk, are missing";
            let after = format!("changelog on disk up to block {last}");
            self.repairs.push(Repair::general(RepairKind::Record, before, after, proof));
            self.cure.changelog_synced = Some(last);
        }
        let line = readable(view.journal(anchor.height).map_err(Into::into))?.flatten();
        let fits = line.is_some_and(|line| line.app_hash == anchor.app_hash.as_slice());
        if !fits {
            self.refusals.push(Refusal {
                what: format!("the journal's line of block {}", anchor.height),
                why: "it does not decode or has another app hash; what its block moved is told by nothing else"
                    .to_owned(),
                remedy: format!(
                    "`ferry rollback --to {} --apply`: the chain then makes the block again, and its line",
                    anchor.height.saturating_sub(1)
                ),
            });
        }
        Ok(())
    }

    /// Records of earlier blocks that are damaged, and all that lie before them.
    fn past(&mut self, view: &flatkv::View, look: &mut dyn FnMut() -> ControlFlow<()>) -> Result<(), Error> {
        let Some(faults) = view.past_faults(look)? else { return Err(migrate_core::Error::Cancelled.into()) };
        for fault in &faults {
            let after = format!("given up with all before it: a rollback leads no further back than {}", fault.lowest);
            let proof = "the last block does not depend on it";
            self.repairs.push(Repair::general(RepairKind::History, words(&fault.error), after, proof));
        }
        self.cure.forget_below = faults.iter().map(|fault| fault.lowest).max();
        Ok(())
    }
}

impl Cure {
    /// Whether there is nothing to write.
    pub(super) fn is_empty(&self) -> bool {
        let Self { rows, states, version, changelog_synced, block, forget_below } = self;
        rows.is_empty()
            && states.is_none()
            && version.is_none()
            && changelog_synced.is_none()
            && block.is_none()
            && forget_below.is_none()
    }

    /// Writes all of it to the copy in `dir`.
    pub(super) fn apply(&self, dir: &std::path::Path) -> Result<(), Error> {
        let mut patient = Patient::open(dir, &flatkv::Options::default())?;
        if let Some(lowest) = self.forget_below {
            patient.forget_below(lowest);
        }
        for mend in &self.rows {
            patient.set_row(mend);
        }
        if let Some(tally) = &self.states {
            patient.set_lattices(tally);
        }
        if let Some(version) = self.version {
            patient.set_version(version);
        }
        if let Some(height) = self.changelog_synced {
            patient.set_changelog_synced(height);
        }
        if let Some((height, root, last_handoff, info, app_hash)) = &self.block {
            patient.set_block(*height, *root, *last_handoff, (info, *app_hash));
        }
        Ok(patient.finish()?)
    }
}
