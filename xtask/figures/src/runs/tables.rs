//! The tables of a run.

use crate::table::{Column, Table};

const MIB: f64 = 1_048_576.0;
const MS: f64 = 1e3;

const fn column(heading: &'static str, pointer: &'static str, unit: f64, decimals: usize) -> Column {
    Column { heading, pointer, unit, decimals }
}

/// All tables, in the order of the page.
pub const TABLES: &[Table] =
    &[LIMITS, LIVE, IMPORT, READS_DURING, READS, WORST, READS_AFTER, PARKED, GROWTH, REOPEN, REWRITE, INSTRUCTIONS];

const LIMITS: Table = Table {
    title: "What the machine can do",
    rows: "/limits",
    columns: &[
        column("limit", "/limit", 1.0, 0),
        column("a second, all cores", "/per_second", 1.0, 0),
        column("ms", "/ms", 1.0, 2),
    ],
};

const LIVE: Table = Table {
    title: "Blocks of a live migration",
    rows: "/live",
    columns: &[
        column("batch", "/batch", 1.0, 0),
        column("writes", "/writes", 1.0, 0),
        column("readers", "/readers", 1.0, 0),
        column("keys/s", "/keys_per_second", 1.0, 0),
        column("block p50 ms", "/block/p50_us", MS, 2),
        column("p99 ms", "/block/p99_us", MS, 2),
        column("apply p50 ms", "/apply/p50_us", MS, 2),
        column("root ms", "/working_root/p50_us", MS, 2),
        column("commit ms", "/commit/p50_us", MS, 2),
        column("CPU ms, its thread", "/cpu_of_block_us/thread", MS, 2),
        column("CPU ms, all", "/cpu_of_block_us/all", MS, 2),
        column("reads/s", "/reads_per_second", 1.0, 0),
        column("read p50 µs", "/read/p50_us", 1.0, 2),
        column("p99.9 µs", "/read/p999_us", 1.0, 1),
        column("worst µs", "/read/max_us", 1.0, 0),
        column("reopen ms", "/reopen_ms", 1.0, 0),
        column("RssAnon MiB", "/anonymous_bytes", MIB, 0),
    ],
};

const IMPORT: Table = Table {
    title: "Offline import",
    rows: "/import",
    columns: &[
        column("moved", "/moved", 1.0, 0),
        column("home, accounts × slots", "/home", 1.0, 0),
        column("keys", "/keys", 1.0, 0),
        column("keys/s", "/keys_per_second", 1.0, 0),
        column("limit, rows/s", "/limit_rows_per_second", 1.0, 0),
        column("time ÷ limit's", "/times_the_limit", 1.0, 2),
        column("fixed cost s", "/fixed_seconds", 1.0, 2),
        column("RssAnon MiB at most", "/rss_anon_bytes_max", MIB, 1),
    ],
};

const READS_DURING: Table = Table {
    title: "A whole migration of evm with readers",
    rows: "/reads/during",
    columns: &[
        column("readers", "/readers", 1.0, 0),
        column("keys/s", "/keys_per_second", 1.0, 0),
        column("reads/s", "/per_second", 1.0, 0),
        column("p50 µs", "/read/p50_us", 1.0, 2),
        column("p99 µs", "/read/p99_us", 1.0, 2),
        column("p99.9 µs", "/read/p999_us", 1.0, 1),
        column("p99.99 µs", "/read/p9999_us", 1.0, 1),
        column("worst µs", "/read/max_us", 1.0, 0),
    ],
};

const READS: Table = Table {
    title: "Its reads by kind, and those behind it",
    rows: "/reads/rows",
    columns: &[
        column("when", "/when", 1.0, 0),
        column("keys", "/keys", 1.0, 0),
        column("chosen", "/choice", 1.0, 0),
        column("reads", "/read/count", 1.0, 0),
        column("p50 µs", "/read/p50_us", 1.0, 2),
        column("p99 µs", "/read/p99_us", 1.0, 2),
        column("p99.9 µs", "/read/p999_us", 1.0, 1),
        column("p99.99 µs", "/read/p9999_us", 1.0, 1),
        column("worst µs", "/read/max_us", 1.0, 0),
    ],
};

const WORST: Table = Table {
    title: "The slowest reads, and what the scheduler did to their threads",
    rows: "/reads/worst",
    columns: &[
        column("when", "/when", 1.0, 0),
        column("keys", "/keys", 1.0, 0),
        column("chosen", "/choice", 1.0, 0),
        column("read ms", "/read_us", MS, 2),
        column("waited for a processor ms", "/waited_us", MS, 2),
        column("turns on one", "/turns", 1.0, 0),
        column("since the last look ms", "/window_us", MS, 2),
    ],
};

const READS_AFTER: Table = Table {
    title: "Nonces behind the migration, without a clock around each read",
    rows: "/reads/after",
    columns: &[
        column("keys", "/keys", 1.0, 0),
        column("threads", "/readers", 1.0, 0),
        column("reads/s", "/per_second", 1.0, 0),
    ],
};

const PARKED: Table = Table {
    title: "Readers while the committing thread is parked",
    rows: "/parked",
    columns: &[
        column("committing thread", "/thread", 1.0, 0),
        column("for s", "/seconds", 1.0, 1),
        column("reads/s", "/reads_per_second", 1.0, 0),
        column("of those while asleep", "/share_of_asleep", 1.0, 2),
        column("p50 µs", "/read/p50_us", 1.0, 2),
        column("p99.9 µs", "/read/p999_us", 1.0, 1),
        column("worst µs", "/read/max_us", 1.0, 0),
    ],
};

const GROWTH: Table = Table {
    title: "What a key costs, by the size of the home",
    rows: "/growth",
    columns: &[
        column("keys of the home", "/home_keys", 1.0, 0),
        column("moved", "/keys", 1.0, 0),
        column("µs a key", "/wall_us_per_key", 1.0, 2),
        column("CPU µs a key", "/cpu_us_per_key", 1.0, 2),
        column("draining s", "/drain_seconds", 1.0, 2),
        column("block p50 ms", "/block/p50_us", MS, 2),
        column("p99 ms", "/block/p99_us", MS, 2),
        column("RssAnon MiB at most", "/rss_anon_bytes_max", MIB, 0),
        column("beyond the caches' sizes MiB", "/beyond_caches_bytes", MIB, 0),
    ],
};

const REOPEN: Table = Table {
    title: "Opening again",
    rows: "/reopen",
    columns: &[
        column("blocks to replay", "/blocks", 1.0, 0),
        column("changelog MiB", "/changelog_bytes", MIB, 1),
        column("median ms", "/opening/p50_us", MS, 0),
        column("longest ms", "/opening/max_us", MS, 0),
        column("processor ms", "/processor_us", MS, 0),
    ],
};

const REWRITE: Table = Table {
    title: "Blocks while a snapshot of memiavl is written",
    rows: "/rewrite",
    columns: &[
        column("snapshot", "/snapshot", 1.0, 0),
        column("blocks", "/blocks", 1.0, 0),
        column("snapshots written", "/rewrites", 1.0, 0),
        column("block p50 ms", "/block/p50_us", MS, 2),
        column("p99 ms", "/block/p99_us", MS, 2),
        column("worst ms", "/block/max_us", MS, 2),
    ],
};

/// Instructions of the parts, counted apart from the whole runs.
pub const INSTRUCTIONS: Table = Table {
    title: "Instructions of the parts",
    rows: "/instructions",
    columns: &[column("part", "/part", 1.0, 0), column("instructions", "/instructions", 1.0, 0)],
};
