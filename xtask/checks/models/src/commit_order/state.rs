//! The state: what is on disk, what a crash takes away, and what the node is doing.

use std::collections::BTreeMap;

/// How many keys there are. Two are enough for one on each side of the cursor.
pub const KEYS: usize = 2;

/// Values by key.
pub type Map = [Option<u8>; KEYS];

/// A fault planted into the protocol. The checker must find each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The protocol as it is.
    #[default]
    None,
    /// memiavl's changelog first, FlatKV's batch behind it.
    SwappedOrder,
    /// FlatKV's batch is not synced.
    UnsyncedBatch,
    /// A batch drops the handoffs of entries that were appended and not yet synced.
    HandoffsDroppedEarly,
    /// Opening takes what it reads of the changelog for synced.
    OpeningTrustsThePageCache,
    /// The rollback leaves no note.
    RollbackWithoutNote,
}

/// What memiavl does at a block: per key, nothing, or the new value, none for a delete.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    pub changes: [Option<Option<u8>>; KEYS],
    /// Which of several blocks of one height it is of: after a rollback there is another.
    pub of: u8,
}

/// FlatKV after a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rows {
    pub height: u8,
    pub map: Map,
    /// Keys below have moved.
    pub cursor: u8,
    pub complete: bool,
    /// The last block that had a handoff.
    pub last_handoff: u8,
}

/// FlatKV.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flat {
    /// By height; the last is the present state, the others are what undo records lead back to.
    pub blocks: Vec<Rows>,
    pub handoffs: BTreeMap<u8, Entry>,
    pub synced: u8,
    pub rollback_to: Option<u8>,
}

/// A block in work.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Work {
    /// FlatKV after it; none while FlatKV does not exist.
    pub rows: Option<Rows>,
    /// memiavl's part; none once memiavl rests.
    pub entry: Option<Entry>,
    pub in_flat: bool,
    pub in_log: bool,
}

/// Where an opening is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Open {
    Read,
    /// The changelog is cut behind its first so many entries, then appended up to `target`.
    Cut {
        keep: u8,
        target: u8,
    },
    Append {
        target: u8,
    },
    Sync,
}

/// Where a rollback is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Undo {
    Blocks(u8),
    Changelog(u8),
    Clear(u8),
}

/// What the node is doing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Flow {
    /// Between two blocks, serving reads.
    Idle,
    Commit(Work),
    Down,
    Opening(Open),
    RollingBack(Undo),
    /// An opening that says it cannot go on: no crash may lead here.
    Refused(&'static str),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub flow: Flow,
    /// FlatKV as it is read, and as it is on disk: they differ only under a fault.
    pub flat: Flat,
    pub flat_on_disk: Flat,
    /// The changelog; none for an entry that a crash has taken while a later one survived.
    pub log: Vec<Option<Entry>>,
    /// Entries that a sync has covered, and those that the node knows of.
    pub log_synced: u8,
    pub known_synced: u8,
    /// What the background syncs up to.
    pub goal: Option<u8>,
    /// The logical map by height, up to the block that was submitted last.
    pub logical: Vec<Map>,
    pub acked: u8,
    pub paused: bool,
    pub crashes: u8,
    pub pauses: u8,
    pub rollbacks: u8,
    /// What the run has seen, for the properties that ask whether something can happen.
    pub crashed_in_opening: bool,
    pub dropped: bool,
    pub rolled_back: bool,
    pub crashed_in_rollback: bool,
}

impl State {
    pub fn new() -> Self {
        Self {
            flow: Flow::Idle,
            flat: Flat::default(),
            flat_on_disk: Flat::default(),
            log: Vec::new(),
            log_synced: 0,
            known_synced: 0,
            goal: None,
            logical: vec![[Some(100), Some(101)]],
            acked: 0,
            paused: false,
            crashes: 0,
            pauses: 0,
            rollbacks: 0,
            crashed_in_opening: false,
            dropped: false,
            rolled_back: false,
            crashed_in_rollback: false,
        }
    }

    /// Entries of the changelog before the first hole.
    pub fn log_readable(&self) -> u8 {
        self.log.iter().take_while(|entry| entry.is_some()).count() as u8
    }

    /// memiavl as the changelog leads to it.
    pub fn old(&self) -> Map {
        let mut map = self.logical[0];
        for entry in self.log.iter().take_while(|entry| entry.is_some()).flatten() {
            for (value, change) in map.iter_mut().zip(entry.changes) {
                *value = change.unwrap_or(*value);
            }
        }
        map
    }

    /// The height that readers see.
    pub fn height(&self) -> u8 {
        self.flat.blocks.last().map_or(self.log_readable(), |rows| rows.height)
    }

    /// What readers see: each key on its side of the cursor.
    pub fn readable(&self) -> Map {
        let (old, rows) = (self.old(), self.flat.blocks.last());
        std::array::from_fn(|key| match rows {
            Some(rows) if rows.complete || key < usize::from(rows.cursor) => rows.map[key],
            Some(rows) => old[key].or(rows.map[key]),
            None => old[key],
        })
    }
}

impl Default for State {
    fn default() -> Self {
        Self::new()
    }
}
