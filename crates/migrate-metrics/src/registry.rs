//! Every metric, declared once: its name, help, type, unit and labels. `docs/METRICS.md` is made from this file.
//!
//! The exposition format adds the unit and, to a counter, `_total` to a name; [`Description::full_name`] does so too.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Metric, Registry, Unit};

/// What every name begins with.
pub const PREFIX: &str = "ferry";

/// The type of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only rises, from 0 at the start of the process.
    Counter,
    /// Goes up and down.
    Gauge,
    /// How often values of each size occurred.
    Histogram,
}

impl Kind {
    /// The type's name in the exposition format.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A metric as declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Description {
    /// Name without prefix, unit and suffix.
    pub name: &'static str,
    /// What it counts, without a full stop.
    pub help: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Its unit; empty for a plain number.
    pub unit: &'static str,
    /// The names of its labels.
    pub labels: &'static [&'static str],
}

impl Description {
    /// The name that a query uses: prefix, name, unit, and `_total` for a counter.
    pub fn full_name(&self) -> String {
        let unit = if self.unit.is_empty() { String::new() } else { format!("_{}", self.unit) };
        let suffix = if self.kind == Kind::Counter { "_total" } else { "" };
        format!("{PREFIX}_{}{unit}{suffix}", self.name)
    }
}

/// A store that pairs go to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Store {
    pub(crate) store: &'static str,
}

/// A write mode.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct WriteMode {
    pub(crate) mode: &'static str,
}

/// A state of the migration.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct StateLabel {
    pub(crate) state: &'static str,
}

/// A module of the chain.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Module {
    pub(crate) module: String,
}

/// A kind of error.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ErrorKind {
    pub(crate) kind: &'static str,
}

/// The program's build.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Build {
    pub(crate) version: &'static str,
}

/// A gauge of a real number.
pub(crate) type RealGauge = Gauge<f64, std::sync::atomic::AtomicU64>;

/// A metric that can be made and registered.
trait Instrument: Metric + Clone {
    const KIND: Kind;

    fn new() -> Self;
}

impl Instrument for Counter {
    const KIND: Kind = Kind::Counter;

    fn new() -> Self {
        Self::default()
    }
}

impl Instrument for Gauge {
    const KIND: Kind = Kind::Gauge;

    fn new() -> Self {
        Self::default()
    }
}

impl Instrument for RealGauge {
    const KIND: Kind = Kind::Gauge;

    fn new() -> Self {
        Self::default()
    }
}

impl Instrument for Histogram {
    const KIND: Kind = Kind::Histogram;

    /// 1 µs to 17 s by powers of two: less than the first is no wait, more than the last is longer than any block.
    fn new() -> Self {
        Self::new(exponential_buckets(1e-6, 2.0, 25))
    }
}

impl<S, M> Instrument for Family<S, M>
where
    S: EncodeLabelSet + Clone + Eq + std::hash::Hash + std::fmt::Debug + Send + Sync + 'static,
    M: Instrument + Default + prometheus_client::metrics::TypedMetric,
{
    const KIND: Kind = M::KIND;

    fn new() -> Self {
        Self::default()
    }
}

/// From one list: the struct of all metrics, the catalogue of their descriptions, and their registration.
macro_rules! metrics {
    ($($field:ident: $type:ty = $name:literal [$unit:literal] {$($label:literal),*} $help:literal;)*) => {
        /// All metrics. Clones share their values.
        #[derive(Clone, Debug)]
        pub(crate) struct Instruments {
            $(#[doc = $help] pub(crate) $field: $type,)*
        }

        /// All metrics as declared, in the order of a scrape.
        pub const CATALOGUE: &[Description] = &[$(Description {
            name: $name,
            help: $help,
            kind: <$type as Instrument>::KIND,
            unit: $unit,
            labels: &[$($label),*],
        }),*];

        impl Instruments {
            /// New metrics, registered with `registry`.
            pub(crate) fn register(registry: &mut Registry) -> Self {
                $(let $field = <$type as Instrument>::new();
                match unit($unit) {
                    Some(unit) => registry.register_with_unit($name, $help, unit, $field.clone()),
                    None => registry.register($name, $help, $field.clone()),
                })*
                Self { $($field),* }
            }
        }
    };
}

fn unit(name: &str) -> Option<Unit> {
    match name {
        "" => None,
        "bytes" => Some(Unit::Bytes),
        "seconds" => Some(Unit::Seconds),
        other => Some(Unit::Other(other.to_owned())),
    }
}

metrics! {
    build_info: Family<Build, Gauge> = "build_info" [""] {"version"}
        "Always 1; the label says which version of the program runs";
    block_height: Gauge = "block_height" [""] {}
        "Height of the last committed block";
    migration_version: Gauge = "migration_version" [""] {}
        "How many of the chain's migrations are complete, 0 to 3";
    write_mode: Family<WriteMode, Gauge> = "write_mode" [""] {"mode"}
        "1 for the write mode of the last block, 0 for the others";
    paused: Gauge = "paused" [""] {}
        "1 while the mode migrates and the batch size is 0";
    state: Family<StateLabel, Gauge> = "state" [""] {"state"}
        "1 for the state of the migration, 0 for the others: whether it moves, and if not, why";
    boundary_module: Family<Module, Gauge> = "boundary_module" [""] {"module"}
        "1 for the module that the cursor stands in; no series while no migration is in flight";
    progress_ratio: RealGauge = "progress_ratio" [""] {}
        "Share of the present migration's keys that has moved since it began; 1 while nothing is left to move";
    remaining_keys: Family<Module, Gauge> = "remaining_keys" [""] {"module"}
        "Keys of the present migration that have not moved yet; exact";
    moved_keys: Counter = "moved_keys" [""] {}
        "Keys that batches moved from memiavl to FlatKV, those of blocks that were dropped again included";
    moved_key_bytes: Counter = "moved_key" ["bytes"] {}
        "Bytes of the keys that batches moved";
    moved_value_bytes: Counter = "moved_value" ["bytes"] {}
        "Bytes of the values that batches moved";
    batches: Counter = "batches" [""] {}
        "Batches that advanced the cursor, empty ones included";
    routed_pairs: Family<Store, Counter> = "routed_pairs" [""] {"store"}
        "Pairs of the caller, by the store that they were routed to";
    written_pairs: Family<Store, Counter> = "written_pairs" [""] {"store"}
        "Pairs written, by store: the caller's, moved ones, deletes of moved ones, metadata";
    apply: Histogram = "apply" ["seconds"] {}
        "Time that a flush took, from the caller's pairs to the working state";
    commit: Histogram = "commit" ["seconds"] {}
        "Time that a commit took, from the working state to the published view";
    lock_wait: Histogram = "lock_wait" ["seconds"] {}
        "Time that somebody waited for the manager's lock";
    views_open: Gauge = "views_open" [""] {}
        "Views that readers hold; sampled";
    oldest_view_age: RealGauge = "oldest_view_age" ["seconds"] {}
        "Age of the oldest view that a reader holds, 0 if there is none; sampled";
    memory_anonymous: Gauge = "memory_anonymous" ["bytes"] {}
        "Memory of the process that is backed by no file (RssAnon), 0 where the system does not tell; sampled";
    memiavl: Gauge = "memiavl" ["bytes"] {}
        "Size of memiavl's directory, 0 until it was measured; sampled";
    flatkv: Gauge = "flatkv" ["bytes"] {}
        "Size of FlatKV's directory, 0 until it was measured; sampled";
    disk_free: Gauge = "disk_free" ["bytes"] {}
        "Space that is left on the file system of the home, 0 until it was measured; sampled";
    residue_keys: Gauge = "residue_keys" [""] {}
        "Keys in memiavl of modules whose migration is over, which must be 0; sampled";
    checkpoint_height: Gauge = "checkpoint_height" [""] {}
        "The last height that was a multiple of 1000; 0 until one was committed";
    checkpoint_app_hash: Gauge = "checkpoint_app_hash" [""] {}
        "First 6 bytes of that block's app hash as a number, equal on all nodes of a chain; 0 until one was committed";
    errors: Family<ErrorKind, Counter> = "errors" [""] {"kind"}
        "Errors that callers were given, by what they can do about them";
    poisoned: Gauge = "poisoned" [""] {}
        "1 once the node refuses all work until it is opened again";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_made_of_words() {
        let names: BTreeSet<_> = CATALOGUE.iter().map(Description::full_name).collect();
        assert_eq!(names.len(), CATALOGUE.len());
        for name in names {
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{name}");
        }
    }

    #[test]
    fn names_end_in_their_unit() {
        let full = |name| CATALOGUE.iter().find(|metric| metric.name == name).map(Description::full_name);
        assert_eq!(full("moved_keys").as_deref(), Some("ferry_moved_keys_total"));
        assert_eq!(full("moved_key").as_deref(), Some("ferry_moved_key_bytes_total"));
        assert_eq!(full("apply").as_deref(), Some("ferry_apply_seconds"));
    }

    #[test]
    fn help_is_a_sentence_whose_full_stop_the_format_adds() {
        for metric in CATALOGUE {
            let first = metric.help.chars().next();
            assert!(first.is_some_and(|c| c.is_uppercase() || c.is_ascii_digit()), "{}", metric.name);
            assert!(!metric.help.ends_with('.'), "{}", metric.name);
        }
    }
}
