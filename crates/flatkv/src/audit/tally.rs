//! What rows add up to, beside what the store keeps of them.
//!
//! ```text
//! tally   u64 big endian rows | per lane and module: lane u8 | module (bytes) | entry (bytes), see lattice.rs
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use changeset::Hash;
use lthash::LtHash;

use crate::audit::search::RowMend;
use crate::codec::{Fields, put_bytes};
use crate::error::{FlatKvError, Result};
use crate::lane::Lane;
use crate::lattice::{Entry, Lattices, Part, Totals};
use crate::verify::PartReport;
use crate::view::View;

/// What the rows of some ranges add up to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub(crate) parts: BTreeMap<Part, Entry>,
    /// Rows read, also those that belong to no module.
    pub rows: u64,
}

/// A lane and module whose rows do not add up to what the store keeps.
#[derive(Clone, Debug)]
pub struct PartDifference {
    /// What stands beside what.
    pub report: PartReport,
    /// Stored less computed.
    pub(crate) state: LtHash,
}

impl Tally {
    pub(crate) fn keep(&mut self, part: Option<(Part, Entry)>) {
        if let Some((part, entry)) = part {
            let sum = self.parts.entry(part).or_default();
            sum.hash.merge(&entry.hash);
            sum.totals = sum.totals.saturating_add(entry.totals);
        }
    }

    /// Adds what other ranges add up to.
    pub fn merge(&mut self, other: Self) {
        self.rows += other.rows;
        for part in other.parts {
            self.keep(Some(part));
        }
    }

    /// The root of a store that holds these rows.
    pub fn root(&self) -> Hash {
        self.lattices().root()
    }

    pub(crate) fn lattices(&self) -> Lattices {
        let mut lattices = Lattices::default();
        for (part, entry) in &self.parts {
            lattices.insert(part.clone(), entry.clone());
        }
        lattices
    }

    /// Takes rows out and puts others in.
    pub fn mend(&mut self, mends: &[RowMend]) {
        for mend in mends {
            let module = crate::key::split(mend.lane, &mend.key).map_or("", |(module, _)| module);
            let entry = self.parts.entry((mend.lane, Arc::from(module))).or_default();
            mend.apply(entry);
        }
        self.parts.retain(|_, entry| entry.totals != Totals::default() || !entry.hash.is_empty());
    }

    /// Its bytes, for who goes on with the work another day.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.rows.to_be_bytes().to_vec();
        for ((lane, module), entry) in &self.parts {
            out.push(lane.number());
            put_bytes(&mut out, module.as_bytes());
            put_bytes(&mut out, &entry.encode());
        }
        out
    }

    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    /// Other bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut fields = Fields::new("tally", bytes);
        let mut tally = Self { rows: fields.u64()?, ..Self::default() };
        while !fields.is_empty() {
            let wrong = || FlatKvError::Record { record: "tally", at: 0 };
            let lane = Lane::from_number(fields.u8()?).ok_or_else(wrong)?;
            let module = std::str::from_utf8(fields.bytes()?).map_err(|_| wrong())?.into();
            tally.parts.insert((lane, module), Entry::decode(fields.bytes()?)?);
        }
        Ok(tally)
    }
}

impl View {
    /// Every lane and module that the store keeps totals for or has rows of, with what `tally` has of it.
    pub fn compare(&self, tally: &Tally) -> Vec<PartDifference> {
        let (stored, computed) = (self.lattices(), tally.lattices());
        let none = Entry::default();
        let mut parts: BTreeMap<&Part, (&Entry, &Entry)> = BTreeMap::new();
        for (part, entry) in stored.iter() {
            parts.insert(part, (entry, &none));
        }
        for (part, entry) in computed.iter() {
            parts.entry(part).or_insert((&none, &none)).1 = entry;
        }
        let difference = |(part, (stored, computed)): (&Part, (&Entry, &Entry))| {
            let mut state = stored.hash.clone();
            state.unmerge(&computed.hash);
            let of = |entry: &Entry| (entry.hash.root(), entry.totals);
            let (lane, module) = (part.0, part.1.to_string());
            PartDifference { report: PartReport { lane, module, stored: of(stored), computed: of(computed) }, state }
        };
        parts.into_iter().map(difference).collect()
    }
}

impl PartDifference {
    #[cfg(test)]
    pub(crate) fn new(report: PartReport, state: LtHash) -> Self {
        Self { report, state }
    }

    /// Stored less computed.
    pub(crate) fn state(&self) -> &LtHash {
        &self.state
    }

    /// Whether `mends`, all of this lane and module, lead from what the rows are to what the store keeps.
    pub fn is_mended_by(&self, mends: &[RowMend]) -> bool {
        let mut entry = Entry { hash: LtHash::new(), totals: self.report.computed.1 };
        for mend in mends {
            mend.apply(&mut entry);
        }
        entry.hash == self.state && entry.totals == self.report.stored.1
    }

    /// What is left of the difference once `mends` are made.
    #[must_use]
    pub fn after(&self, mends: &[RowMend]) -> Self {
        let mut left = self.clone();
        let mut entry = Entry { hash: LtHash::new(), totals: self.report.computed.1 };
        for mend in mends {
            mend.apply(&mut entry);
        }
        left.state.unmerge(&entry.hash);
        left.report.computed.1 = entry.totals;
        left
    }
}
