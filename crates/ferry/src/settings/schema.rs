//! The settings of a node, each bound to its field of [`Options`].
//!
//! Not among them: `create` and `accept_memiavl_ahead`, which are decisions of one call, and what is no value at all.

use migrate_core::{BatchLimit, Durability, Mode, ModeSetting};

use super::kind::{Kind, Setting};
use super::value::Value;
use crate::drive::BATCH_KEYS_MAX;
use crate::options::Options;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;
/// memiavl's files hold versions in four bytes.
const INITIAL_VERSION_MAX: u64 = u32::MAX as u64;
const AUTO: &str = "auto";
const MODES: [&str; 8] = [
    AUTO,
    Mode::MemiavlOnly.as_str(),
    Mode::MigrateEvm.as_str(),
    Mode::EvmMigrated.as_str(),
    Mode::MigrateAllButBank.as_str(),
    Mode::AllMigratedButBank.as_str(),
    Mode::MigrateBank.as_str(),
    Mode::FlatkvOnly.as_str(),
];
const SYNC: &str = "sync";
const OS: &str = "os";

/// A setting, and the field that it sets. A value of another kind never comes here.
pub(super) struct Bound {
    pub(super) setting: Setting,
    pub(super) set: fn(&mut Options, &Value),
}

/// What the whole chain must share.
const fn chain(key: &'static str, kind: Kind, meaning: &'static str, default: fn() -> Value) -> Setting {
    Setting { key, kind, chain_wide: true, meaning, default }
}

/// What is the node's own.
const fn own(key: &'static str, kind: Kind, meaning: &'static str, default: fn() -> Value) -> Setting {
    Setting { key, kind, chain_wide: false, meaning, default }
}

const fn bytes(least: u64, most: u64) -> Kind {
    Kind::Bytes { least, most, may_be_unlimited: false }
}

const fn limit(least: u64, most: u64) -> Kind {
    Kind::Bytes { least, most, may_be_unlimited: true }
}

/// The settings of a node in the order in which they are shown.
pub(super) static BOUND: [Bound; 20] = [
    Bound {
        setting: chain(
            "chain.write_mode",
            Kind::Word(&MODES),
            "The write mode; auto takes it from the migration's own records.",
            || Value::Word(mode(Options::default().mode).to_owned()),
        ),
        set: |options, value| {
            if let Value::Word(word) = value {
                options.mode = word.parse().map_or(ModeSetting::Auto, ModeSetting::Fixed);
            }
        },
    },
    Bound {
        setting: chain(
            "chain.batch_keys",
            Kind::Count { least: 0, most: BATCH_KEYS_MAX },
            "Keys that a block moves when the node opens; 0 pauses the migration.",
            || Value::Count(Options::default().batch.keys),
        ),
        set: |options, value| options.batch = BatchLimit { keys: number(value), ..options.batch },
    },
    Bound {
        setting: chain(
            "chain.batch_bytes",
            limit(1, TIB),
            "Bytes of keys and values that a block moves; the pair that reaches them is the last. 64MiB is a good limit.",
            || Options::default().batch.bytes.map_or(Value::Unlimited, Value::Bytes),
        ),
        set: |options, value| options.batch = BatchLimit { bytes: limited(value), ..options.batch },
    },
    Bound {
        setting: chain("chain.modules", Kind::Stores, "The chain's modules.", || {
            Value::Names(Options::default().modules)
        }),
        set: |options, value| options.modules = names(value),
    },
    Bound {
        setting: chain(
            "chain.initial_version",
            Kind::Count { least: 1, most: INITIAL_VERSION_MAX },
            "The first height of a node that has no block yet.",
            || Value::Count(Options::default().initial_version),
        ),
        set: |options, value| options.initial_version = number(value),
    },
    Bound {
        setting: chain("chain.initial_stores", Kind::Stores, "The trees of a node that has no block yet.", || {
            Value::Names(Options::default().initial_stores)
        }),
        set: |options, value| options.initial_stores = names(value),
    },
    Bound {
        setting: own(
            "node.durability",
            Kind::Word(&[SYNC, OS]),
            "sync: a block is on disk before it is acknowledged; os: a power cut takes back the last two seconds.",
            || Value::Word(durability(Options::default().durability).to_owned()),
        ),
        set: |options, value| {
            options.durability = if *value == Value::Word(OS.to_owned()) { Durability::Os } else { Durability::Sync };
        },
    },
    Bound {
        setting: own(
            "node.rollback_blocks",
            Kind::Count { least: 0, most: 1_000_000 },
            "How many of the last blocks can be rolled back.",
            || Value::Count(Options::default().rollback_blocks),
        ),
        set: |options, value| options.rollback_blocks = number(value),
    },
    Bound {
        setting: own(
            "node.views_max",
            Kind::Count { least: 1, most: 65_536 },
            "How many views readers may hold at once.",
            || Value::Count(Options::default().views_max as u64),
        ),
        set: |options, value| options.views_max = size(value),
    },
    Bound {
        setting: own(
            "node.block_bytes_max",
            bytes(MIB, TIB),
            "Bytes of keys and values that a block may have; a larger one is refused before work.",
            || Value::Bytes(Options::default().block_bytes_max),
        ),
        set: |options, value| options.block_bytes_max = number(value),
    },
    Bound {
        setting: own(
            "memory.block_cache_bytes",
            bytes(MIB, TIB),
            "FlatKV's blocks, indexes and filters kept in memory.",
            || Value::Bytes(Options::default().block_cache_bytes as u64),
        ),
        set: |options, value| options.block_cache_bytes = size(value),
    },
    Bound {
        setting: own("memory.row_cache_bytes", bytes(0, TIB), "FlatKV's hot rows kept in memory; 0 for none.", || {
            Value::Bytes(Options::default().row_cache_bytes as u64)
        }),
        set: |options, value| options.row_cache_bytes = size(value),
    },
    Bound {
        setting: own("memory.memtable_bytes", bytes(MIB, 64 * GIB), "FlatKV's memtables.", || {
            Value::Bytes(Options::default().memtable_bytes as u64)
        }),
        set: |options, value| options.memtable_bytes = size(value),
    },
    Bound {
        setting: own(
            "snapshot.interval_blocks",
            Kind::Count { least: 0, most: 100_000_000 },
            "Blocks between two snapshots of memiavl; 0 for none by height.",
            || Value::Count(Options::default().snapshot.interval_blocks),
        ),
        set: |options, value| options.snapshot.interval_blocks = number(value),
    },
    Bound {
        setting: own(
            "snapshot.replay_bytes_min",
            bytes(MIB, TIB),
            "Above so much changelog behind memiavl's newest snapshot one is written once it is a sixteenth of that snapshot, \
             at most once a minute: opening replays it.",
            || Value::Bytes(Options::default().snapshot.replay_bytes_min),
        ),
        set: |options, value| options.snapshot.replay_bytes_min = number(value),
    },
    Bound {
        setting: own(
            "snapshot.replay_bytes_max",
            bytes(MIB, TIB),
            "With so much changelog behind memiavl's newest snapshot one is written in any case.",
            || Value::Bytes(Options::default().snapshot.replay_bytes_max),
        ),
        set: |options, value| options.snapshot.replay_bytes_max = number(value),
    },
    Bound {
        setting: own(
            "snapshot.changed_bytes_min",
            bytes(MIB, TIB),
            "Above so many bytes of changed nodes in memory a snapshot of memiavl is written once they are a sixteenth of the \
             newest one: behind it they are in files.",
            || Value::Bytes(Options::default().snapshot.changed_bytes_min),
        ),
        set: |options, value| options.snapshot.changed_bytes_min = number(value),
    },
    Bound {
        setting: own(
            "snapshot.changed_bytes_max",
            bytes(MIB, TIB),
            "With so many bytes of changed nodes in memory a snapshot of memiavl is written in any case.",
            || Value::Bytes(Options::default().snapshot.changed_bytes_max),
        ),
        set: |options, value| options.snapshot.changed_bytes_max = number(value),
    },
    Bound {
        setting: own(
            "snapshot.keep_recent",
            Kind::Count { least: 0, most: 10_000 },
            "Older snapshots kept beside the newest.",
            || Value::Count(Options::default().snapshot.keep_recent as u64),
        ),
        set: |options, value| options.snapshot.keep_recent = size(value),
    },
    Bound {
        setting: own(
            "snapshot.write_bytes_per_second",
            limit(MIB, TIB),
            "The most that a snapshot in the background writes in a second, and 32 bytes more for each that blocks log \
             meanwhile: the faster they come, the more would have to be replayed on it.",
            || Options::default().snapshot.write_bytes_per_second.map_or(Value::Unlimited, Value::Bytes),
        ),
        set: |options, value| options.snapshot.write_bytes_per_second = limited(value),
    },
];

fn mode(setting: ModeSetting) -> &'static str {
    match setting {
        ModeSetting::Auto => AUTO,
        ModeSetting::Fixed(mode) => mode.as_str(),
    }
}

fn durability(setting: Durability) -> &'static str {
    match setting {
        Durability::Sync => SYNC,
        Durability::Os => OS,
    }
}

fn number(value: &Value) -> u64 {
    match value {
        Value::Count(number) | Value::Bytes(number) => *number,
        _ => 0,
    }
}

fn limited(value: &Value) -> Option<u64> {
    match value {
        Value::Bytes(number) => Some(*number),
        _ => None,
    }
}

fn size(value: &Value) -> usize {
    usize::try_from(number(value)).unwrap_or(usize::MAX)
}

fn names(value: &Value) -> Vec<String> {
    match value {
        Value::Names(names) => names.clone(),
        _ => Vec::new(),
    }
}
