//! Why damage to some classes of bytes may go unnoticed, each with its reason. What stands nowhere here is a violation.

use crate::classes::Class;
use crate::judge::Stage;

/// Beginning of the class of file, beginning of the class of bytes, what may become of it, and why.
const REASONS: &[(&str, &str, Stage, &str)] = &[
    // memiavl's log.
    (
        "changelog",
        "entry, no checksum",
        Stage::Unnoticed,
        "the reference writes no checksum: a changed key or value is as good as the true one until the chain compares the next app hash",
    ),
    (
        "changelog",
        "",
        Stage::Older,
        "before FlatKV exists the log alone says how far the node was: a last entry that does not decode, or fails its checksum, reads like one that was being written when the power went; the chain hands the block in again",
    ),
    (
        "changelog",
        "",
        Stage::Harmless,
        "the snapshot holds what the entry did, or FlatKV holds the entry as a handoff and the log is mended from it",
    ),
    (
        "memiavl current",
        "link",
        Stage::Harmless,
        "it names an older snapshot now, from which the log leads to the same state",
    ),
    ("memiavl LOCK", "gone", Stage::Harmless, "made anew by whoever opens"),
    ("memiavl older snapshot", "", Stage::Harmless, "an empty snapshot, kept to go back to"),
    // RocksDB's files.
    ("RocksDB LOCK", "gone", Stage::Harmless, "made anew by whoever opens"),
    (
        "RocksDB IDENTITY",
        "",
        Stage::Harmless,
        "a name for the database; made anew, and nothing of ours is computed from it",
    ),
    ("RocksDB OPTIONS", "", Stage::Harmless, "a record for people: ferry opens with its own options"),
    (
        "RocksDB MANIFEST",
        "",
        Stage::Harmless,
        "a superseded one, or the size to which it was to grow: each record that is read has a checksum",
    ),
    (
        "RocksDB table",
        "",
        Stage::Harmless,
        "blocks that no read has met: undo records, journal and handoffs of earlier blocks, filters, properties; each block has a checksum and is refused when it is read",
    ),
    ("RocksDB log", "", Stage::Harmless, "a log whose rows are in tables already, or one without rows"),
    (
        "RocksDB log",
        "",
        Stage::Older,
        "memiavl rests, so RocksDB's log alone says how far the node was; a log that is cut or lost reads like one that ended there, and the chain hands the block in again",
    ),
    // Rows, rewritten so that RocksDB's checksums are sound. A medium cannot do that.
    (
        "row handoff, earlier one",
        "",
        Stage::Harmless,
        "the changelog is known to be on disk up to there, and holds the entry",
    ),
    (
        "row handoff, last one",
        "",
        Stage::Harmless,
        "the changelog is known to be on disk up to there, and holds the entry",
    ),
    (
        "row journal",
        "",
        Stage::Harmless,
        "a line for people; what is computed from it is the count of moved keys that status shows",
    ),
    (
        "row meta block, earlier one",
        "",
        Stage::Harmless,
        "read by a rollback to that block, which compares memiavl's roots with it",
    ),
    (
        "row meta changelog_synced",
        "",
        Stage::Harmless,
        "how much of the log is compared with its handoffs: less trust, the same answer",
    ),
    ("row meta block, last one", "commit info", Stage::Harmless, "a field that protobuf leaves out when it is zero"),
    (
        "row meta first",
        "height",
        Stage::Harmless,
        "a lower one: how far back a rollback may ask; the undo records say how far it can go",
    ),
    (
        "row undo",
        "",
        Stage::Harmless,
        "the record of FlatKV's first block: going back behind it removes the store whole",
    ),
];

/// What may become of damage to `class`.
pub(crate) fn of(class: &Class) -> impl Iterator<Item = (Stage, &'static str)> {
    let fits =
        |(file, bytes, ..): &&(&str, &str, Stage, &str)| class.file.starts_with(file) && class.bytes.starts_with(bytes);
    REASONS.iter().filter(fits).map(|(.., stage, reason)| (*stage, *reason))
}
