//! The verdict: what speaks against beginning, why, and what to do about it.

use memiavl::LockState;

use super::{ModuleCount, Preflight, Terms};
use crate::options::Options;

/// How much something matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Severity {
    /// As it should be.
    Fine,
    /// To be known before beginning.
    Note,
    /// Not to be begun like this.
    Unsafe,
}

impl Severity {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Note => "note",
            Self::Unsafe => "unsafe",
        }
    }
}

/// A question that was asked, and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The question.
    pub check: &'static str,
    /// How much the answer matters.
    pub severity: Severity,
    /// The answer, and what to do about it.
    pub says: String,
}

/// What a table of RocksDB's holds, at least: a floor for how many files there will be.
const TABLE_BYTES: u64 = 16 << 20;
/// Files that are open whatever the size: logs, manifests, locks, a scrape.
const OTHER_FILES: u64 = 128;
/// Files of a tree's snapshot that are mapped.
const TREE_FILES: u64 = 4;
/// Mappings of a process beside ours.
const OTHER_MAPPINGS: u64 = 1_000;
/// Memory beside caches and memtables: nodes that were copied, threads, the block in work.
const OTHER_MEMORY_BYTES: u64 = 256 << 20;

/// Asks everything.
pub(super) fn judge(found: &Preflight, options: &Options, terms: &Terms) -> Vec<Finding> {
    let mut findings = vec![format(found), writer(found), batch(found, terms), disk(found), rollback(found, options)];
    findings.extend([open_files(found), memory(found, options), mappings(found, options)].into_iter().flatten());
    findings.extend(stores(found));
    findings.push(keys(found));
    findings.extend(pace(found, terms));
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

fn fine(check: &'static str, says: String) -> Finding {
    Finding { check, severity: Severity::Fine, says }
}

fn note(check: &'static str, says: String) -> Finding {
    Finding { check, severity: Severity::Note, says }
}

fn bad(check: &'static str, says: String) -> Finding {
    Finding { check, severity: Severity::Unsafe, says }
}

fn format(found: &Preflight) -> Finding {
    let flatkv = match found.status.flatkv_height {
        Some(height) => format!("FlatKV has format {} and block {height}", flatkv::FORMAT),
        None => "FlatKV does not exist yet".to_owned(),
    };
    let leaves = if found.is_counted { ", every leaf fits its hash" } else { "" };
    fine("format", format!("memiavl reads{leaves}; {flatkv}"))
}

fn writer(found: &Preflight) -> Finding {
    match &found.writer {
        LockState::Held(Some(holder)) => note(
            "lock",
            format!(
                "process {} ({}) has the home open; the figures are those of one of its blocks",
                holder.pid, holder.command
            ),
        ),
        LockState::Held(None) => {
            note("lock", "a process has the home open; the figures are those of one of its blocks".to_owned())
        }
        _ => fine("lock", "nobody has the home open".to_owned()),
    }
}

fn batch(found: &Preflight, terms: &Terms) -> Finding {
    if found.phases.is_empty() {
        return fine("batch", "everything has moved".to_owned());
    }
    match terms.batch_keys {
        0 => note(
            "batch",
            "the batch size is 0: nothing would move; set chain.batch_keys, on every node at the same height"
                .to_owned(),
        ),
        keys => fine("batch", format!("{keys} keys a block")),
    }
}

fn disk(found: &Preflight) -> Finding {
    let need = found.room.bytes();
    match found.machine.disk_free_bytes {
        None => note("disk", format!("needs {} at the worst moment; the system does not tell what is free", mib(need))),
        Some(free) if free < need => bad(
            "disk",
            format!("needs {} at the worst moment, {} are free: make room before you begin", mib(need), mib(free)),
        ),
        Some(free) if free / 2 < need => note(
            "disk",
            format!(
                "needs {} at the worst moment, {} are free: less than twice as much, watch it",
                mib(need),
                mib(free)
            ),
        ),
        Some(free) => fine("disk", format!("needs {} at the worst moment, {} are free", mib(need), mib(free))),
    }
}

fn rollback(found: &Preflight, options: &Options) -> Finding {
    let window = options.rollback_blocks;
    if window == 0 {
        return bad(
            "rollback",
            "node.rollback_blocks is 0: not one block could be taken back; 1000 is the default".to_owned(),
        );
    }
    let height = found.status.height;
    if let Some(oldest) = found.memiavl_snapshots.first().filter(|oldest| **oldest > height.saturating_sub(1)) {
        return note(
            "rollback",
            format!(
                "memiavl's oldest snapshot is of block {oldest}, so nothing leads back to before it; the next ones are kept as long as a rollback needs them"
            ),
        );
    }
    let longest = found.phases.iter().filter_map(|phase| phase.blocks).max().unwrap_or(0);
    match longest > window {
        true => note(
            "rollback",
            format!(
                "a migration takes {longest} blocks and {window} can be rolled back: from then on nothing leads back to before it; raise node.rollback_blocks if that is wanted"
            ),
        ),
        false => fine("rollback", format!("{window} blocks can be rolled back, the longest migration takes {longest}")),
    }
}

fn open_files(found: &Preflight) -> Option<Finding> {
    let most = found.machine.open_files_max?;
    let tables = found.room.rows_bytes.saturating_mul(2) / TABLE_BYTES + 64;
    let need = tables.min(FLATKV_FILES_MAX) + found.trees * TREE_FILES + OTHER_FILES;
    Some(match most < need {
        true => bad("open files", format!("may open {most}, will need {need}: ulimit -n, or LimitNOFILE in the unit")),
        false => fine("open files", format!("may open {most}, will need {need}")),
    })
}

/// Files that FlatKV keeps open, at most.
const FLATKV_FILES_MAX: u64 = 4096;

fn memory(found: &Preflight, options: &Options) -> Option<Finding> {
    let available = found.machine.memory_available_bytes?;
    let caches = [options.block_cache_bytes, options.row_cache_bytes, options.memtable_bytes];
    let need = caches.into_iter().fold(OTHER_MEMORY_BYTES, |sum, bytes| sum.saturating_add(bytes as u64));
    let says = format!("caches, memtables and work take {}, {} are there", mib(need), mib(available));
    Some(if available < need { bad("memory", says + ": lower the settings in [memory]") } else { fine("memory", says) })
}

fn mappings(found: &Preflight, options: &Options) -> Option<Finding> {
    let most = found.machine.mappings_max?;
    // Snapshots that are kept, the newest one, and those that views of recent blocks may hold.
    let snapshots = (options.snapshot.keep_recent as u64).saturating_add(4);
    let need = found.trees.saturating_mul(TREE_FILES).saturating_mul(snapshots).saturating_add(OTHER_MAPPINGS);
    let says = format!("may map {most} times, will need {need}");
    Some(if most < need { bad("mappings", says + ": sysctl vm.max_map_count") } else { fine("mappings", says) })
}

fn stores(found: &Preflight) -> Vec<Finding> {
    let named = |wanted: fn(&&ModuleCount) -> bool| {
        let names: Vec<_> = found.modules.iter().filter(wanted).map(|module| module.name.as_str()).collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    let mut findings = Vec::new();
    if let Some(names) = named(|module| module.is_reserved) {
        findings.push(bad(
            "stores",
            format!("memiavl has trees whose names are reserved, no migration can do with them: {names}"),
        ));
    }
    if let Some(names) = named(|module| !module.is_known && !module.is_reserved && module.count.keys > 0) {
        findings.push(bad(
            "stores",
            format!("memiavl has keys of modules that chain.modules does not name, they would stay behind: {names}"),
        ));
    }
    if findings.is_empty() {
        findings.push(fine("stores", "memiavl's trees with keys are all modules of the chain".to_owned()));
    }
    findings
}

fn keys(found: &Preflight) -> Finding {
    let shapes = found.modules.iter().flat_map(|module| &module.count.shapes);
    let told: Vec<_> = shapes
        .map(|(shape, (keys, first))| (shape, format!("{} {keys} (first {})", shape.as_str(), hex(first))))
        .collect();
    let text = |stops: bool| {
        let texts = told.iter().filter(|(shape, _)| shape.stops_the_chain() == stops).map(|(_, text)| text.as_str());
        texts.collect::<Vec<_>>().join(", ")
    };
    match (!found.is_counted, text(true), text(false)) {
        (true, ..) => note("keys", "keys were not looked at".to_owned()),
        (_, bad_ones, _) if !bad_ones.is_empty() => bad(
            "keys",
            format!(
                "keys of evm that no row can hold, the block that moves one fails on every node; the chain must delete or mend them first: {bad_ones}"
            ),
        ),
        (.., odd) if !odd.is_empty() => {
            note("keys", format!("keys of evm that become rows of the misc lane, as on every node: {odd}"))
        }
        _ => fine("keys", "no key of evm has an unusual shape".to_owned()),
    }
}

fn pace(found: &Preflight, terms: &Terms) -> Option<Finding> {
    let (sample, time) = (found.sample.as_ref()?, terms.block_time?);
    let work = sample.block(terms.batch_keys);
    let says = format!("a batch takes {} ms here, the chain's block {} ms", work.as_millis(), time.as_millis());
    Some(match (work >= time, work.saturating_mul(2) >= time) {
        (true, _) => bad("pace", says + ": lower the batch size, or this node falls behind"),
        (_, true) => note("pace", says + ": more than half of it"),
        _ => fine("pace", says),
    })
}

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

fn hex(bytes: &[u8]) -> String {
    // More than any key that is told apart by its beginning.
    bytes.iter().take(64).map(|byte| format!("{byte:02x}")).collect()
}
