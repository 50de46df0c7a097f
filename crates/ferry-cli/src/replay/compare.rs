//! The comparison of one height: what was recorded after the block against a view of the node.

use std::ops::AddAssign;

use ferry::View;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::blocks::{Block, Chain, Expected, ReadCheck, ScanCheck};

use crate::difference::{Difference, Halt, hex_or_none};

/// How much was compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Tally {
    pub(crate) reads_checked: u64,
    pub(crate) scans_checked: u64,
    pub(crate) scan_rows_checked: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.reads_checked += other.reads_checked;
        self.scans_checked += other.scans_checked;
        self.scan_rows_checked += other.scan_rows_checked;
    }
}

/// Compares everything that the block's line recorded.
///
/// # Errors
/// The first difference, or a read that fails.
pub(super) fn view(block: &Block, view: &View) -> Result<Tally, Halt> {
    let (height, expected) = (block.height, &block.expected);
    Difference::check(height, || "height of the view".to_owned(), height.to_string(), view.height().to_string())?;
    commit_info(height, expected, view)?;
    if let Chain::Life { .. } = block.chain {
        records(height, expected, view)?;
    }
    for read in &expected.reads {
        point_read(height, read, view)?;
    }
    let mut tally = Tally { reads_checked: expected.reads.len() as u64, ..Tally::default() };
    for check in &expected.scans {
        tally.scan_rows_checked += scan(height, check, view)?;
        tally.scans_checked += 1;
    }
    Ok(tally)
}

fn commit_info(height: u64, expected: &Expected, view: &View) -> Result<(), Halt> {
    let info = view.commit_info();
    let what = || "version of the commit info".to_owned();
    Difference::check(height, what, height.to_string(), info.version.to_string())?;
    let names: Vec<_> = expected.stores.iter().map(|store| store.name.as_str()).collect();
    let got_names: Vec<_> = info.store_infos.iter().map(|store| store.name.as_str()).collect();
    Difference::check(height, || "stores in the commit info".to_owned(), names.join(" "), got_names.join(" "))?;
    for (store, got) in expected.stores.iter().zip(&info.store_infos) {
        let name = &store.name;
        let (hash, got_hash) = (hex::encode(store.hash), hex::encode(&got.commit_id.hash));
        Difference::check(height, || format!("hash of store {name}"), hash, got_hash)?;
        if let Some(version) = store.version {
            let got_version = got.commit_id.version.to_string();
            Difference::check(height, || format!("version of store {name}"), version.to_string(), got_version)?;
        }
    }
    let (hash, got) = (hex::encode(expected.app_hash), hex::encode(view.app_hash()));
    Difference::check(height, || "app hash".to_owned(), hash, got)
}

/// The migration's own records: absent on both sides, or the same bytes on both.
fn records(height: u64, expected: &Expected, view: &View) -> Result<(), Halt> {
    let check =
        |what: &str, expected: String, got: String| Difference::check(height, || what.to_owned(), expected, got);
    check("root of FlatKV", hex_or_none(expected.root), hex_or_none(view.root()))?;
    check("boundary record", hex_or_none(expected.boundary.as_ref()), hex_or_none(view.boundary_record()?))?;
    check("version record", hex_or_none(expected.version.as_ref()), hex_or_none(view.version_record()?))
}

fn point_read(height: u64, read: &ReadCheck, view: &View) -> Result<(), Halt> {
    let got = view.get(&read.store, &read.key)?;
    let what = || format!("read of store {} key {}", read.store, hex::encode(&read.key));
    Difference::check(height, what, hex_or_none(read.value.as_ref()), hex_or_none(got))
}

fn scan(height: u64, check: &ScanCheck, view: &View) -> Result<u64, Halt> {
    let what = |part: &str| {
        let bound = |bytes: &Option<bytes::Bytes>| bytes.as_ref().map_or_else(|| "open".to_owned(), hex::encode);
        let (start, end) = (bound(&check.range.start), bound(&check.range.end));
        format!("{part} of the scan of store {} from {start} to {end}, {:?}", check.store, check.order)
    };
    let mut hash = Sha256::new();
    let mut count = 0_u64;
    for row in view.scan(&check.store, &check.range, check.order)? {
        let (key, value) = row?;
        absorb(&mut hash, &key);
        absorb(&mut hash, &value);
        count += 1;
    }
    Difference::check(height, || what("rows"), check.count.to_string(), count.to_string())?;
    Difference::check(height, || what("SHA-256"), hex::encode(check.sha256), hex::encode(hash.finalize()))?;
    Ok(count)
}

/// uvarint(length) ‖ bytes.
fn absorb(hash: &mut Sha256, bytes: &[u8]) {
    let mut rest = bytes.len() as u64;
    while rest >= 0x80 {
        hash.update([rest as u8 | 0x80]);
        rest >>= 7;
    }
    hash.update([rest as u8]);
    hash.update(bytes);
}
