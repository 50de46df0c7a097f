//! The check of everything: each key against the model, each store's scans, the root from the rows.

use std::ops::{AddAssign, ControlFlow};

use bytes::Bytes;
use ferry::{ScanOrder, ScanRange, View};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::difference::{Difference, Halt, hex_or_none};
use crate::progress::Progress;

use super::model::Model;
use super::sampler::{Sample, check_stamps};

/// Keys read in one call.
const KEYS_AT_ONCE: usize = 1_000;
/// Keys compared before and after a restart.
const RESTART_SAMPLES: u64 = 5_000;

/// How much was compared with the model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Checked {
    pub(super) keys: u64,
    pub(super) scan_rows: u64,
}

impl AddAssign for Checked {
    fn add_assign(&mut self, other: Self) {
        self.keys += other.keys;
        self.scan_rows += other.scan_rows;
    }
}

/// Compares a sample of keys, and scans two stores whole, in the middle of a migration.
pub(super) fn sample(model: &Model, view: &View, seed: u64) -> Result<Checked, Halt> {
    check_stamps(model.keyspace(), view)?;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for _ in 0..RESTART_SAMPLES {
        let sample = Sample::pick(model.keyspace(), &mut rng);
        compare(view.height(), sample.store(), &sample.key, model.get(sample.store(), &sample.key), view)?;
    }
    let mut checked = Checked { keys: RESTART_SAMPLES, scan_rows: 0 };
    for store in ["bank", "wasm"] {
        checked.scan_rows += scan(model, view, store, ScanOrder::Ascending)?;
    }
    // The slots alone: a nonce whose account's code hash has moved first scans as zero until it has moved too.
    checked.scan_rows += scan_slots(model, view)?;
    Ok(checked)
}

/// Compares every key and every scan.
pub(super) fn everything(model: &Model, view: &View) -> Result<Checked, Halt> {
    let mut checked = Checked::default();
    let mut progress = Progress::start("demo: checking every key", "keys", Some(model.len()));
    for store in model.stores() {
        let pairs: Vec<_> = model.pairs(store).collect();
        for chunk in pairs.chunks(KEYS_AT_ONCE) {
            let keys: Vec<Bytes> = chunk.iter().map(|(key, _)| Bytes::clone(key)).collect();
            let values = view.get_many(store, &keys)?;
            for ((key, expected), got) in chunk.iter().zip(values) {
                differs(view.height(), store, key, Some(expected.clone()), got)?;
                checked.keys += 1;
            }
            progress.set(checked.keys, store);
        }
        for order in [ScanOrder::Ascending, ScanOrder::Descending] {
            checked.scan_rows += scan(model, view, store, order)?;
        }
    }
    Ok(checked)
}

/// Recomputes FlatKV's root from its rows: the root in the commit info is the sum of what is there.
pub(super) fn rows(view: &View) -> Result<(), Halt> {
    let height = view.height();
    let Some(flatkv) = view.new_store() else {
        let (expected, got) = ("there".to_owned(), "none".to_owned());
        return Err(Difference { height, what: "FlatKV at the end".to_owned(), expected, got }.into());
    };
    let Some(report) = flatkv.verify(&mut |_| ControlFlow::Continue(()))? else { return Ok(()) };
    for part in &report.parts {
        let what = || format!("root and totals of lane {:?}, module {}", part.lane, part.module);
        Difference::check(height, what, format!("{:?}", part.computed), format!("{:?}", part.stored))?;
    }
    let (root, in_commit_info) = (hex_or_none(Some(flatkv.root())), hex_or_none(view.root()));
    Difference::check(height, || "root of FlatKV in the commit info".to_owned(), root, in_commit_info)?;
    Difference::check(height, || "damaged rows".to_owned(), "0", report.damaged_rows.to_string())
}

fn compare(height: u64, store: &str, key: &Bytes, expected: Option<Bytes>, view: &View) -> Result<(), Halt> {
    let got = view.get(store, key)?;
    differs(height, store, key, expected, got)
}

fn differs(height: u64, store: &str, key: &[u8], expected: Option<Bytes>, got: Option<Bytes>) -> Result<(), Halt> {
    if expected == got {
        return Ok(());
    }
    let what = || format!("read of store {store} key {}", hex::encode(key));
    Difference::check(height, what, hex_or_none(expected), hex_or_none(got))
}

/// A whole store against the model: no row too many, none missing.
fn scan(model: &Model, view: &View, store: &str, order: ScanOrder) -> Result<u64, Halt> {
    let pairs = model.pairs(store);
    let rows = view.scan(store, &ScanRange::ALL, order)?;
    match order {
        ScanOrder::Ascending => side_by_side(view.height(), store, pairs, rows),
        ScanOrder::Descending => side_by_side(view.height(), store, pairs.rev(), rows),
    }
}

fn scan_slots(model: &Model, view: &View) -> Result<u64, Halt> {
    let range = ScanRange { start: Some(Bytes::from_static(&[3])), end: Some(Bytes::from_static(&[4])) };
    let pairs = model.pairs("evm").filter(|(key, _)| range.contains(key));
    side_by_side(view.height(), "evm", pairs, view.scan("evm", &range, ScanOrder::Ascending)?)
}

fn side_by_side<'a>(
    height: u64,
    store: &str,
    mut expected: impl Iterator<Item = (&'a Bytes, Bytes)>,
    mut rows: impl Iterator<Item = Result<(Bytes, Bytes), ferry::migrate_core::Error>>,
) -> Result<u64, Halt> {
    let mut count = 0;
    loop {
        let wanted = expected.next().map(|(key, value)| (key.clone(), value));
        let got = rows.next().transpose()?;
        if wanted.is_none() && got.is_none() {
            return Ok(count);
        }
        if wanted != got {
            let listed = |row: Option<(Bytes, Bytes)>| {
                row.map_or_else(
                    || "none".to_owned(),
                    |(key, value)| format!("{}={}", hex::encode(key), hex::encode(value)),
                )
            };
            let what = || format!("row {count} of the scan of store {store}");
            Difference::check(height, what, listed(wanted), listed(got))?;
        }
        count += 1;
    }
}
