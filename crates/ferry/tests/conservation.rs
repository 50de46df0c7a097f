//! What leaves memiavl must be what enters FlatKV, or the block cannot be committed: with a FlatKV between whose rows and the
//! migration a fault was planted.

mod common;

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use changeset::{
    AppHash, BlockRecord, CommitInfo, EntrySum, Handoff, Hash, History, JournalLine, KvPair, NamedChangeSet, NewStore,
    PairIter, Read, Scan, ScanOrder, ScanRange, StoreResult, Syncer, Write,
};
use common::life::{beat, block, fill, migrate_all};
use common::{changes, code_hash_key, code_key, delete, nonce_key, options, set, slot_key};
use ferry::flatkv::{FlatKv, View};
use ferry::memiavl::{self, MemIavl, Unreplayed};
use ferry::migrate_core::{Config, Engine, Error, Found, Places};
use ferry::{BatchLimit, CancelToken, Durability, ErrorKind, Mode, ModeSetting, NoObserver, Node};

/// What goes wrong between the migration and the rows.
type Fault = fn(&mut Vec<KvPair>);

/// FlatKV with a fault in front of it.
struct Faulty {
    store: FlatKv,
    fault: Fault,
}

impl Read for Faulty {
    fn get(&self, module: &str, key: &[u8]) -> StoreResult<Option<Bytes>> {
        self.store.get(module, key)
    }
}

impl Scan for Faulty {
    fn scan<'a>(&'a self, module: &str, range: &ScanRange, order: ScanOrder) -> StoreResult<PairIter<'a>> {
        self.store.scan(module, range, order)
    }
}

impl Write for Faulty {
    fn apply(&mut self, changes: &[NamedChangeSet]) -> StoreResult<()> {
        self.store.apply(changes)
    }
}

impl History for Faulty {
    fn span(&self) -> Option<(u64, u64)> {
        self.store.span()
    }

    fn committed_root(&self) -> Hash {
        self.store.committed_root()
    }

    fn block(&self, height: u64) -> StoreResult<Option<(CommitInfo, AppHash)>> {
        self.store.block(height)
    }

    fn journal(&self, height: u64) -> StoreResult<Option<JournalLine>> {
        History::journal(&self.store, height)
    }

    fn handoff(&self, height: u64) -> StoreResult<Option<Handoff>> {
        History::handoff(&self.store, height)
    }

    fn last_handoff(&self) -> StoreResult<Option<u64>> {
        self.store.last_handoff()
    }

    fn changelog_synced(&self) -> StoreResult<u64> {
        self.store.changelog_synced()
    }

    fn last_handoff_at(&self, height: u64) -> StoreResult<Option<u64>> {
        self.store.last_handoff_at(height)
    }

    fn retired(&self) -> StoreResult<Option<u64>> {
        History::retired(&self.store)
    }

    fn imported(&self) -> StoreResult<Option<CommitInfo>> {
        self.store.imported()
    }

    fn is_left_to_os(&self) -> StoreResult<bool> {
        self.store.is_left_to_os()
    }

    fn rollback_target(&self) -> StoreResult<Option<u64>> {
        History::rollback_target(&self.store)
    }

    fn check_undo(&self, to: u64) -> StoreResult<()> {
        Ok(self.store.check_undo(to)?)
    }
}

impl NewStore for Faulty {
    type View = View;
    type Savepoint = <FlatKv as NewStore>::Savepoint;
    type Made = <FlatKv as NewStore>::Made;

    fn version(&self) -> Option<u64> {
        self.store.version()
    }

    fn seed(&mut self, next_version: u64) -> StoreResult<()> {
        self.store.seed(next_version)
    }

    fn make_moved(changes: &[NamedChangeSet], height: u64) -> StoreResult<Self::Made> {
        FlatKv::make_moved(changes, height)
    }

    fn apply_moving(
        &mut self,
        changes: &[NamedChangeSet],
        moved: &[Vec<bool>],
        made: Option<Self::Made>,
    ) -> StoreResult<EntrySum> {
        let mut changes = changes.to_vec();
        // The first changeset is the EVM module's: the migration's records come last.
        (self.fault)(&mut changes[0].changeset.pairs);
        self.store.apply_moving(&changes, moved, made)
    }

    fn savepoint(&self) -> Self::Savepoint {
        self.store.savepoint()
    }

    fn restore(&mut self, savepoint: Self::Savepoint) {
        self.store.restore(savepoint);
    }

    fn discard(&mut self) {
        self.store.discard();
    }

    fn working_root(&self) -> Hash {
        self.store.working_root()
    }

    fn commit(&mut self, record: &BlockRecord) -> StoreResult<()> {
        NewStore::commit(&mut self.store, record)
    }

    fn syncer(&self) -> Syncer {
        self.store.syncer()
    }

    fn view(&self) -> StoreResult<View> {
        self.store.view()
    }
}

/// An engine on the memiavl of `home`, with `fault` in front of its FlatKV.
fn engine(home: &Path, fault: Fault) -> Engine<MemIavl, Faulty> {
    let state = home.join("data/state_commit");
    let old: Unreplayed = memiavl::open(&state.join("memiavl"), memiavl::Options::writer()).expect("opens");
    let new = state.join("flatkv");
    let config = Config {
        mode: ModeSetting::Auto,
        batch: BatchLimit::keys(40),
        modules: common::MODULES.map(str::to_owned).to_vec(),
        initial_version: 1,
        block_bytes_max: 1 << 20,
        rollback_blocks: 1_000,
        durability: Durability::Sync,
        views_max: 4,
        observer: Arc::new(NoObserver),
        cancel: CancelToken::default(),
    };
    let places = Places::<Faulty> {
        take_over: Box::new(|_| unreachable!("there is no FlatKV yet")),
        make_new: Box::new(move |height| {
            let mut store = FlatKv::open(&new, &ferry::flatkv::Options::default())?;
            store.seed(height)?;
            Ok(Faulty { store, fault })
        }),
        remove_old: Box::new(|| Ok(())),
    };
    Engine::open(Found { old: Some(old), new: None }, config, places).expect("opens")
}

/// A home before its first migration, with keys of every kind.
fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().expect("a directory");
    let mut node = Node::open(home.path(), options(0)).expect("a fresh node");
    fill(&mut node);
    let pairs = vec![
        set(&code_hash_key(1), &[4; 32]),
        set(&code_key(1), b"code"),
        set(&nonce_key(30), &[0; 8]),
        set(&slot_key(30, 1), &[0; 32]),
        set(&code_key(30), b""),
        set(b"\x20misc", b""),
    ];
    block(&mut node, changes("evm", pairs));
    node.close().expect("closes");
    home
}

fn refused(fault: Fault) {
    let home = home();
    let mut engine = engine(home.path(), fault);
    let height = engine.height();
    engine.set_mode(Mode::MigrateEvm).expect("a step");
    let error = engine.apply(vec![]).expect_err("refused");
    assert!(matches!(error, Error::NotConserved { keys: 24, .. }), "{error}");
    assert_eq!(error.kind(), ErrorKind::Corruption);
    assert_eq!(engine.boundary(), ferry::Boundary::NotStarted, "the flush is undone");
    drop(engine);
    // Nothing was committed: the node goes on from where it was.
    let mut node = Node::open(home.path(), options(7)).expect("opens");
    assert_eq!(node.height(), height);
    migrate_all(&mut node);
}

#[test]
fn what_arrives_as_it_left_is_committed() {
    let home = home();
    let mut engine = engine(home.path(), |_| {});
    engine.set_mode(Mode::MigrateEvm).expect("a step");
    assert_eq!(engine.apply(vec![]).expect("conserved").moved_keys, 24);
    engine.commit().expect("commits");
}

#[test]
fn a_flipped_bit_on_the_way_is_refused_before_the_commit_point() {
    let flip: Fault = |pairs| {
        let pair = pairs.iter_mut().find(|pair| pair.key[0] == 0x03).expect("a slot");
        let mut value = pair.value.to_vec();
        value[31] ^= 1;
        pair.value = value.into();
    };
    refused(flip);
}

#[test]
fn a_pair_that_is_lost_on_the_way_is_refused_whatever_its_kind() {
    const LOST: [(u8, Fault); 5] = [
        (0x03, |pairs| lose(pairs, 0x03)),
        (0x07, |pairs| lose(pairs, 0x07)),
        (0x08, |pairs| lose(pairs, 0x08)),
        (0x0a, |pairs| lose(pairs, 0x0a)),
        (0x20, |pairs| lose(pairs, 0x20)),
    ];
    for (first, fault) in LOST {
        println!("a pair of kind {first:02x}");
        refused(fault);
    }
}

/// Turns the first pair of a kind into a delete: it keeps its place, as the marks of moved pairs do.
fn lose(pairs: &mut [KvPair], first: u8) {
    let pair = pairs.iter_mut().find(|pair| pair.key[0] == first).expect("a pair of the kind");
    *pair = KvPair::delete(pair.key.clone());
}

#[test]
fn every_line_of_a_whole_life_says_that_what_left_has_entered() {
    let home = tempfile::tempdir().expect("a directory");
    let mut node = Node::open(home.path(), options(3)).expect("a fresh node");
    fill(&mut node);
    block(&mut node, changes("evm", vec![set(&code_hash_key(1), &[4; 32]), set(&nonce_key(30), &[0; 8])]));
    node.set_mode(Mode::MigrateEvm).expect("a step");
    let first = node.next_height();
    // Writes to keys that the same block moves: over the moved value, over one field of a moved row, and deletes.
    let writes = vec![set(&slot_key(1, 1), &[9; 32]), set(&nonce_key(1), &[0, 0, 0, 0, 0, 0, 0, 99])];
    block(&mut node, changes("evm", [writes, vec![delete(&slot_key(2, 1)), delete(&code_hash_key(1))]].concat()));
    migrate_all(&mut node);
    beat(&mut node);
    let view = node.flatkv().expect("FlatKV").view().expect("a view");
    let mut before: Option<JournalLine> = None;
    let (mut lines, mut moved) = (0, 0);
    for line in view.journal_from(first) {
        let line = line.expect("a line");
        assert_eq!(line.left, line.entered, "height {}", line.height);
        assert_eq!(line.left.len(), 32);
        if line.keys == 0 {
            assert_eq!(line.left.as_ref(), [0; 32], "height {}", line.height);
        }
        if let Some(before) = before {
            assert_eq!(line.boundary_from, before.boundary, "height {}", line.height);
            assert!(line.unix_ms >= before.unix_ms, "height {}", line.height);
        }
        (lines, moved) = (lines + 1, moved + line.keys);
        before = Some(line);
    }
    assert_eq!(lines, node.height() + 1 - first);
    assert!(moved > 30, "{moved}");
}
