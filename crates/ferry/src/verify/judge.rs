//! What the records of the last block say, beside what was read.

use boundary::{BOUNDARY_KEY, MIGRATION_STORE};
use changeset::{Hash, LATTICE_STORE, Read, app_hash};
use flatkv::{PartDifference, Tally};
use migrate_core::Mode;

use super::finding::{Finding, FindingKind, words};
use super::subject::{Subject, root_in};
use crate::error::Error;

/// Compares the rows' sums, the roots, the app hash, the journal and the boundary. `found` hears of what differs.
pub(super) fn judge(
    subject: &Subject,
    tally: &Tally,
    found: &mut dyn FnMut(Finding) -> Result<(), Error>,
) -> Result<Vec<PartDifference>, Error> {
    let Some(flatkv) = &subject.flatkv else { return Ok(Vec::new()) };
    let differences = flatkv.compare(tally);
    for part in differences.iter().map(|difference| &difference.report).filter(|part| !part.agrees()) {
        let ((stored, kept), (computed, counted)) = (part.stored, part.computed);
        let detail = format!(
            "rows do not add up to what is kept: rows={} counted={} bytes={} counted={} root={} counted={}",
            kept.rows,
            counted.rows,
            kept.bytes,
            counted.bytes,
            Hex(&stored),
            Hex(&computed)
        );
        let lane = Some(part.lane);
        let module = part.module.clone();
        found(Finding { kind: FindingKind::SumMismatch, module, lane, key: None, detail })?;
    }
    judge_roots(subject, flatkv, found)?;
    judge_journal(subject, flatkv, found)?;
    Ok(differences)
}

fn judge_roots(
    subject: &Subject,
    flatkv: &flatkv::View,
    found: &mut dyn FnMut(Finding) -> Result<(), Error>,
) -> Result<(), Error> {
    let Some((info, recorded, standing)) = subject.recorded()? else { return Ok(()) };
    let computed = app_hash(&info);
    if computed != recorded {
        let detail = format!("app hash of the commit info: expected={} got={}", Hex(&recorded), Hex(&computed));
        found(Finding::general(FindingKind::RecordMismatch, detail))?;
    }
    let differs = |name: &str, expected: Option<Hash>, got: Option<Hash>| {
        let hex = |hash: Option<Hash>| hash.map_or_else(|| "none".to_owned(), |hash| Hex(&hash).to_string());
        let detail = format!("root beside the one stored with the block: expected={} got={}", hex(expected), hex(got));
        let kind = if got.is_none() { FindingKind::TreeMissing } else { FindingKind::RootMismatch };
        Finding::of_module(kind, name, None, detail)
    };
    let (expected, got) = (root_in(&standing, LATTICE_STORE), flatkv.root());
    if expected != Some(got) {
        found(differs(LATTICE_STORE, expected, Some(got)))?;
    }
    // Once everything has moved, memiavl rests and stands in no commit info any more.
    let Some(memiavl) = subject.memiavl.as_ref().filter(|_| subject.mode != Some(Mode::FlatkvOnly)) else {
        return Ok(());
    };
    for (name, got) in memiavl.roots() {
        let expected = root_in(&standing, name);
        if expected != Some(got) {
            found(differs(name, expected, Some(got)))?;
        }
    }
    let missing = |name: &str| name != LATTICE_STORE && memiavl.roots().all(|(known, _)| known != name);
    for store in standing.store_infos.iter().filter(|store| missing(&store.name)) {
        found(differs(&store.name, root_in(&standing, &store.name), None))?;
    }
    Ok(())
}

/// The journal's line of the last block has what its commit left: boundary, root, app hash.
fn judge_journal(
    subject: &Subject,
    flatkv: &flatkv::View,
    found: &mut dyn FnMut(Finding) -> Result<(), Error>,
) -> Result<(), Error> {
    let line = match flatkv.journal(subject.height) {
        Ok(Some(line)) => line,
        Ok(None) => {
            let detail = format!("the last block's line of the journal is missing: height={}", subject.height);
            return found(Finding::general(FindingKind::RecordDamaged, detail));
        }
        Err(error) if error.kind() == changeset::StoreErrorKind::Corruption => {
            return found(Finding::general(FindingKind::RecordDamaged, words(&error)));
        }
        Err(error) => return Err(error.into()),
    };
    if line.root != flatkv.root().as_slice() {
        let detail = format!("root in the journal: expected={} got={}", Hex(&line.root), Hex(&flatkv.root()));
        found(Finding::general(FindingKind::RecordMismatch, detail))?;
    }
    let reading = |source| migrate_core::Error::New { action: "reading the boundary record", source };
    let record = match flatkv.get(MIGRATION_STORE, BOUNDARY_KEY) {
        Err(error) if error.kind() == changeset::StoreErrorKind::Corruption => return Ok(()),
        record => record.map_err(reading)?.unwrap_or_default(),
    };
    // The line of an import says nothing of the boundary, and has no sums either.
    let is_told = !line.boundary.is_empty() || !line.left.is_empty();
    if is_told && record != line.boundary {
        let detail = format!("boundary beside the journal's: expected={} got={}", Hex(&line.boundary), Hex(&record));
        let key = Some(BOUNDARY_KEY.to_vec());
        found(Finding {
            kind: FindingKind::BoundaryMoved,
            module: MIGRATION_STORE.to_owned(),
            lane: Some(flatkv::Lane::Misc),
            key,
            detail,
        })?;
    }
    Ok(())
}

struct Hex<'a>(&'a [u8]);

impl std::fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
