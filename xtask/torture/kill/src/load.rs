//! The load that is killed: a small chain from its first block through all three migrations, while a reader looks on.
//!
//! A block's changes follow from the seed and its height alone, so that every run makes the same chain, wherever it was
//! killed before.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, bail, ensure};
use ferry::{ErrorKind, KillHook, KillPoint, KvPair, Mode, NamedChangeSet, Node, Options, SnapshotOptions, Views};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use signal_hook::consts::SIGKILL;
use signal_hook::low_level::raise;

/// The chain's modules.
const MODULES: [&str; 4] = ["acc", "bank", "evm", "wasm"];
/// Blocks that write every key once.
const FILL_BLOCKS: u64 = 10;
/// Accounts of module evm; each has the five keys of `evm_key`.
const ACCOUNTS: u64 = 160;
const ACCOUNT_KEYS: u64 = 5;
/// Keys of each other module.
const PLAIN_KEYS: u64 = 240;
/// Random changes of a block.
const CHANGES: u64 = 20;
/// Every so many blocks the migration pauses for one.
const PAUSE_EVERY: u64 = 13;

/// What the load takes.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The node's home.
    #[arg(long)]
    home: PathBuf,
    /// What the blocks follow from.
    #[arg(long)]
    seed: u64,
    /// The last height.
    #[arg(long)]
    blocks: u64,
    /// Die by SIGKILL at this hit of a named point.
    #[arg(long, value_name = "POINT:COUNT")]
    kill_at: Option<String>,
}

/// Runs the chain from where the home stands to its last block, and reports what it holds then.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let mut node = Node::open(&args.home, options()).context("opening the load's home")?;
    eprintln!("opened height={}", node.height());
    if let Some(kill_at) = &args.kill_at {
        node.set_kill_hook(kill_hook(kill_at)?);
    }
    let reader = Reader::start(node.views());
    while node.height() < args.blocks {
        block(&mut node, args)?;
    }
    reader.stop()?;
    let view = node.view()?;
    let flatkv = view.new_store().context("the last block is in FlatKV")?;
    let verified = flatkv.verify(&mut |_| ControlFlow::Continue(()))?.context("nobody stops the check")?;
    ensure!(verified.is_clean(), "FlatKV's rows do not lead to its root: {verified:?}");
    let report = json!({
        "height": view.height(),
        "mode": node.mode().as_str(),
        "app_hash": hex::encode(view.app_hash()),
        "root": view.root().map(hex::encode),
        "rows": flatkv.rows().count(),
    });
    drop(view);
    node.close()?;
    println!("{report}");
    Ok(ExitCode::SUCCESS)
}

fn options() -> Options {
    Options {
        create: true,
        modules: MODULES.map(str::to_owned).to_vec(),
        initial_stores: MODULES.map(str::to_owned).to_vec(),
        snapshot: SnapshotOptions {
            interval_blocks: 40,
            keep_recent: 1,
            write_bytes_per_second: None,
            ..SnapshotOptions::default()
        },
        rollback_blocks: 30,
        block_cache_bytes: 8 << 20,
        memtable_bytes: 8 << 20,
        ..Options::default()
    }
}

fn kill_hook(text: &str) -> Result<KillHook> {
    let (name, count) = text.rsplit_once(':').context("expected POINT:COUNT")?;
    let at = KillPoint::ALL.into_iter().find(|point| point.as_str() == name).context("no such kill point")?;
    let mut left: u64 = count.parse().context("no such count")?;
    Ok(Box::new(move |point| {
        if point == at {
            left = left.saturating_sub(1);
            if left == 0 {
                raise(SIGKILL).expect("a process may kill itself");
            }
        }
    }))
}

fn block(node: &mut Node, args: &Args) -> Result<()> {
    let height = node.next_height();
    let limit = if height.is_multiple_of(PAUSE_EVERY) { 0 } else { batch(args.blocks) };
    node.set_batch_size(limit)?;
    step(node, wanted_mode(height, args.blocks))?;
    node.apply(changes(args.seed, height))?;
    let working = node.working_commit_info()?;
    let committed = node.commit()?;
    ensure!(working == committed.commit_info, "the working commit info was another: height={height}");
    eprintln!("committed height={height} app_hash={}", hex::encode(committed.app_hash));
    Ok(())
}

/// Keys a block, so that each migration is done well before the next one begins.
fn batch(blocks: u64) -> u64 {
    1 + 10 * ACCOUNTS * ACCOUNT_KEYS / (2 * blocks)
}

fn wanted_mode(height: u64, blocks: u64) -> Mode {
    match height * 100 / blocks.max(1) {
        _ if height <= 2 * FILL_BLOCKS => Mode::MemiavlOnly,
        ..38 => Mode::MigrateEvm,
        38..68 => Mode::MigrateAllButBank,
        68..97 => Mode::MigrateBank,
        _ => Mode::FlatkvOnly,
    }
}

/// Towards `wanted`, as far as the migration under way allows.
fn step(node: &mut Node, wanted: Mode) -> Result<()> {
    while node.mode() < wanted
        && let Some(next) = node.mode().next()
    {
        match node.set_mode(next) {
            Err(error) if error.kind() == ErrorKind::Unfinished => break,
            result => result?,
        }
    }
    Ok(())
}

fn changes(seed: u64, height: u64) -> Vec<NamedChangeSet> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ height.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut sets = vec![
        NamedChangeSet::new("bank", vec![KvPair::set("stamp", height.to_be_bytes().to_vec())]),
        NamedChangeSet::new("evm", vec![KvPair::set(stamp_slot(), word(height))]),
    ];
    if height <= FILL_BLOCKS {
        for index in (0..ACCOUNTS * ACCOUNT_KEYS).filter(|index| index % FILL_BLOCKS == height - 1) {
            sets.push(evm(index, Some(rng.random_range(1..200))));
        }
        for index in (0..3 * PLAIN_KEYS).filter(|index| index % FILL_BLOCKS == height - 1) {
            sets.push(plain(index, Some(rng.random_range(1..200))));
        }
        return sets;
    }
    for _ in 0..CHANGES {
        // Zero is the value that deletes a slot, a nonce and a code hash; none a delete.
        let value = (!rng.random_ratio(1, 5)).then(|| rng.random_range(0..200));
        // Beyond the keys of the first blocks lie brand-new ones.
        sets.push(match rng.random_ratio(1, 2) {
            true => evm(rng.random_range(0..ACCOUNTS * ACCOUNT_KEYS * 5 / 4), value),
            false => plain(rng.random_range(0..PLAIN_KEYS * 3 * 5 / 4), value),
        });
    }
    sets
}

fn evm(index: u64, value: Option<u8>) -> NamedChangeSet {
    let (account, field) = (index / ACCOUNT_KEYS, index % ACCOUNT_KEYS);
    let address = [&[0; 12][..], &account.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()].concat();
    let (prefix, slot) = match field {
        0 => (0x0a, None),
        1 => (0x08, None),
        2 => (0x07, None),
        slot => (0x03, Some(word(slot))),
    };
    let key = [&[prefix], address.as_slice(), slot.unwrap_or_default().as_slice()].concat();
    let value = value.map(|value| match prefix {
        0x0a => u64::from(value).to_be_bytes().to_vec(),
        0x07 => vec![value; usize::from(value)],
        _ => vec![value; 32],
    });
    NamedChangeSet::new("evm", vec![value.map_or_else(|| KvPair::delete(key.clone()), |v| KvPair::set(key.clone(), v))])
}

fn plain(index: u64, value: Option<u8>) -> NamedChangeSet {
    let store = ["acc", "bank", "wasm"][usize::try_from(index % 3).expect("below three")];
    let key = (index / 3).to_be_bytes().to_vec();
    let pair = match value {
        Some(value) => KvPair::set(key, vec![value; usize::from(value)]),
        None => KvPair::delete(key),
    };
    NamedChangeSet::new(store, vec![pair])
}

/// A slot that every block writes, as it writes a key of bank.
fn stamp_slot() -> Vec<u8> {
    [&[0x03], [0xee; 20].as_slice(), &[0xee; 32]].concat()
}

fn word(value: u64) -> Vec<u8> {
    [&[0; 24][..], &value.to_be_bytes()].concat()
}

/// Looks at view after view while the chain runs: both stamps of a view are the view's height, or it is torn.
struct Reader {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<()>>,
}

impl Reader {
    fn start(views: Views) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let view = views.latest()?;
                let height = view.height();
                let bank = view.get("bank", b"stamp")?.unwrap_or_default();
                let evm = view.get("evm", &stamp_slot())?.unwrap_or_default();
                if height > 0 && (bank != height.to_be_bytes().as_slice() || evm != word(height)) {
                    bail!("view is torn: height={height} bank={} evm={}", hex::encode(bank), hex::encode(evm));
                }
                thread::yield_now();
            }
            Ok(())
        });
        Self { stop, thread }
    }

    fn stop(self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow::anyhow!("the reader panicked"))?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blocks_changes_follow_from_seed_and_height() {
        for height in [1, 10, 11, 400] {
            assert_eq!(changes(7, height), changes(7, height));
            assert_ne!(changes(7, height), changes(8, height));
        }
    }

    #[test]
    fn the_schedule_leads_through_all_modes_in_their_order() {
        let modes: Vec<Mode> = (1..=300).map(|height| wanted_mode(height, 300)).collect();
        assert!(modes.is_sorted());
        assert_eq!((modes[0], modes[299]), (Mode::MemiavlOnly, Mode::FlatkvOnly));
        for mode in [Mode::MigrateEvm, Mode::MigrateAllButBank, Mode::MigrateBank] {
            assert!(modes.contains(&mode), "{mode}");
        }
    }
}
