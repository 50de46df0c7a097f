//! Random blocks against a model of two maps: accounts, and every other row.

use std::collections::BTreeMap;

use bytes::Bytes;
use changeset::{History, KvPair, NamedChangeSet, NewStore, Read, Scan, ScanOrder, ScanRange, Write};
use flatkv::{AccountRow, CodeRow, Durability, EVM, FlatKv, MiscRow, Options, StorageRow, View};
use lthash::LtHash;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::common::{code_hash_key, code_key, get, nonce, nonce_key, options, record, rows, scan, slot_key};

/// Modules that random changes write, in a size that makes them meet.
const MODULES: [&str; 3] = ["bank", EVM, "evm2"];

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Account {
    height: u64,
    nonce: u64,
    code_hash: u8,
}

/// The rows as the format's description has them, without lanes, physical keys or column families.
#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    accounts: BTreeMap<u8, Account>,
    /// By module and memiavl key: height and value.
    others: BTreeMap<(String, Vec<u8>), (u64, Vec<u8>)>,
}

impl Model {
    fn apply(&mut self, change: &Change, height: u64) {
        match *change {
            Change::Nonce(address, value) => self.touch(address, height, |account| account.nonce = value),
            Change::CodeHash(address, value) => self.touch(address, height, |account| account.code_hash = value),
            Change::Slot(address, slot, value) => {
                let value = (value != 0).then(|| vec![value; 32]);
                self.put(EVM, slot_key(address, slot), value, height);
            }
            Change::Code(address, length) => {
                let code = (length != 0).then(|| vec![address; usize::from(length)]);
                self.put(EVM, code_key(address), code, height);
            }
            Change::Misc(module, ref key, ref value) => {
                self.put(MODULES[module], key.clone(), value.clone(), height);
            }
        }
    }

    fn touch(&mut self, address: u8, height: u64, change: impl FnOnce(&mut Account)) {
        let account = self.accounts.entry(address).or_default();
        account.height = height;
        change(account);
        if account.nonce == 0 && account.code_hash == 0 {
            self.accounts.remove(&address);
        }
    }

    fn put(&mut self, module: &str, key: Vec<u8>, value: Option<Vec<u8>>, height: u64) {
        match value {
            Some(value) => self.others.insert((module.to_owned(), key), (height, value)),
            None => self.others.remove(&(module.to_owned(), key)),
        };
    }

    /// What a scan of a module yields.
    fn pairs(&self, module: &str) -> BTreeMap<Bytes, Bytes> {
        let others = self.others.iter().filter(|((name, _), _)| name == module);
        let mut pairs: BTreeMap<Bytes, Bytes> =
            others.map(|((_, key), (_, value))| (key.clone().into(), value.clone().into())).collect();
        for (address, account) in self.accounts.iter().filter(|_| module == EVM) {
            pairs.insert(nonce_key(*address).into(), nonce(account.nonce).into());
            if account.code_hash != 0 {
                pairs.insert(code_hash_key(*address).into(), vec![account.code_hash; 32].into());
            }
        }
        pairs
    }

    /// Every row as it must be stored.
    fn rows(&self) -> BTreeMap<Bytes, Bytes> {
        let others = self.others.iter().map(|((module, key), (height, value))| {
            let row = match (module.as_str(), key.len(), key.first()) {
                (EVM, 53, Some(3)) => {
                    StorageRow { height: *height, value: value.as_slice().try_into().expect("32 bytes") }.encode()
                }
                (EVM, 21, Some(7)) => CodeRow { height: *height, code: value }.encode(),
                _ => MiscRow { height: *height, value }.encode(),
            };
            (Bytes::from([module.as_bytes(), b"/", key].concat()), Bytes::from(row))
        });
        let accounts = self.accounts.iter().map(|(address, account)| {
            let code_hash = [account.code_hash; 32];
            let row = AccountRow { height: account.height, balance: [0; 32], nonce: account.nonce, code_hash };
            (Bytes::from([b"evm/".as_slice(), &nonce_key(*address)].concat()), Bytes::from(row.encode()))
        });
        others.chain(accounts).collect()
    }

    fn root(&self) -> [u8; 32] {
        let mut state = LtHash::new();
        for (key, row) in self.rows() {
            state.add(&key, &row);
        }
        state.root()
    }
}

/// A change of one key; zero and none are deletes where the format says so, and here an explicit one.
#[derive(Clone, Debug)]
enum Change {
    Nonce(u8, u64),
    CodeHash(u8, u8),
    Slot(u8, u8, u8),
    Code(u8, u8),
    Misc(usize, Vec<u8>, Option<Vec<u8>>),
}

impl Change {
    /// The change as a caller writes it. A zero is written as a value when `explicit` is false, else as a delete.
    fn pair(&self, explicit: bool) -> (&'static str, KvPair) {
        let pair = |key: Vec<u8>, value: Vec<u8>, is_zero: bool| {
            if is_zero && explicit { KvPair::delete(key) } else { KvPair::set(key, value) }
        };
        match self {
            Self::Nonce(address, value) => (EVM, pair(nonce_key(*address), nonce(*value), *value == 0)),
            Self::CodeHash(address, value) => (EVM, pair(code_hash_key(*address), vec![*value; 32], *value == 0)),
            Self::Slot(address, slot, value) => (EVM, pair(slot_key(*address, *slot), vec![*value; 32], *value == 0)),
            Self::Code(address, length) => {
                (EVM, pair(code_key(*address), vec![*address; usize::from(*length)], *length == 0))
            }
            Self::Misc(module, key, Some(value)) => (MODULES[*module], KvPair::set(key.clone(), value.clone())),
            Self::Misc(module, key, None) => (MODULES[*module], KvPair::delete(key.clone())),
        }
    }
}

fn change() -> impl Strategy<Value = (Change, bool)> {
    let address = 0..4_u8;
    // Keys of misc lie among the others: in front of, between and behind them.
    let key = prop_oneof![
        vec(prop_oneof![Just(3), Just(7), Just(8), Just(10), any::<u8>()], 1..4),
        (0..4_u8, 0..3_u8).prop_map(|(address, slot)| [slot_key(address, slot), vec![1]].concat()),
    ];
    let change = prop_oneof![
        (address.clone(), 0..3_u64).prop_map(|(address, value)| Change::Nonce(address, value)),
        (address.clone(), 0..3_u8).prop_map(|(address, value)| Change::CodeHash(address, value)),
        (address.clone(), 0..3_u8, 0..3_u8).prop_map(|(address, slot, value)| Change::Slot(address, slot, value)),
        (address, 0..3_u8).prop_map(|(address, length)| Change::Code(address, length)),
        (0..MODULES.len(), key, prop::option::of(vec(any::<u8>(), 0..3)))
            .prop_map(|(module, key, value)| Change::Misc(module, key, value)),
    ];
    (change, any::<bool>())
}

/// What a test does next.
#[derive(Clone, Debug)]
enum Step {
    Flush(Vec<(Change, bool)>),
    /// A flush that is taken back.
    FlushAndRestore(Vec<(Change, bool)>),
    Commit,
    Discard,
    Reopen,
    UndoBlock,
    HoldView,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => vec(change(), 0..12).prop_map(Step::Flush),
        2 => vec(change(), 1..12).prop_map(Step::FlushAndRestore),
        5 => Just(Step::Commit),
        1 => Just(Step::Discard),
        1 => Just(Step::Reopen),
        1 => Just(Step::UndoBlock),
        2 => Just(Step::HoldView),
    ]
}

fn named(changes: &[(Change, bool)]) -> Vec<NamedChangeSet> {
    let pairs = changes.iter().map(|(change, explicit)| change.pair(*explicit));
    pairs.map(|(module, pair)| NamedChangeSet::new(module, vec![pair])).collect()
}

/// A store beside its model.
struct Pair {
    dir: tempfile::TempDir,
    /// None only while it is closed for a moment.
    store: Option<FlatKv>,
    /// The committed states, oldest first; the first is that of no block.
    committed: Vec<Model>,
    working: Model,
    held: Vec<(View, Model)>,
}

const FIRST: u64 = 5;

impl Pair {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let mut pair =
            Self { dir, store: None, committed: vec![Model::default()], working: Model::default(), held: Vec::new() };
        pair.reopen();
        pair
    }

    fn store(&mut self) -> &mut FlatKv {
        self.store.as_mut().expect("it is open")
    }

    fn height(&self) -> u64 {
        FIRST + self.committed.len() as u64 - 1
    }

    fn run(&mut self, step: &Step) {
        match step {
            Step::Flush(changes) => self.flush(changes),
            Step::FlushAndRestore(changes) => {
                let (savepoint, working) = (self.store().savepoint(), self.working.clone());
                self.flush(changes);
                self.store().restore(savepoint);
                self.working = working;
            }
            Step::Commit => {
                let record = record(self.store());
                self.store().commit(&record).expect("commits");
                self.committed.push(self.working.clone());
            }
            Step::Discard => {
                self.store().discard();
                self.working = self.committed.last().expect("a state").clone();
            }
            Step::Reopen => self.reopen(),
            Step::UndoBlock => {
                self.run(&Step::Discard);
                // The first block stays: below it there is no store.
                if self.committed.len() > 2 {
                    self.store().undo_block().expect("undoes");
                    self.committed.pop();
                    self.working = self.committed.last().expect("a state").clone();
                }
            }
            Step::HoldView => {
                let state = self.committed.last().expect("a state").clone();
                let view = self.store().view().expect("a view");
                self.held.push((view, state));
            }
        }
    }

    fn flush(&mut self, changes: &[(Change, bool)]) {
        self.store().apply(&named(changes)).expect("applies");
        let height = self.height();
        for (change, _) in changes {
            self.working.apply(change, height);
        }
    }

    fn reopen(&mut self) {
        self.check_held();
        self.held.clear();
        self.store = None;
        // What a power cut does is not this test's subject.
        let options = Options { durability: Durability::Os, ..options() };
        let mut store = FlatKv::open(&self.dir.path().join("flatkv"), &options).expect("opens");
        if self.committed.len() == 1 {
            store.seed(FIRST).expect("seeds");
        }
        self.store = Some(store);
        self.working = self.committed.last().expect("a state").clone();
    }

    fn check(&self) {
        let store = self.store.as_ref().expect("it is open");
        check_reader(store, &self.working);
        assert_eq!(store.working_root(), self.working.root());
        let committed = self.committed.last().expect("a state");
        assert_eq!(store.committed_root(), committed.root());
        assert_eq!(rows(store), committed.rows().into_iter().collect::<Vec<_>>());
        let view = store.view().expect("a view");
        check_reader(&view, committed);
        check_totals(&view, committed);
    }

    fn check_held(&self) {
        for (view, model) in &self.held {
            check_reader(view, model);
            assert_eq!(view.root(), model.root());
            check_totals(view, model);
        }
    }
}

fn check_reader(reader: &(impl Read + Scan), model: &Model) {
    for module in MODULES {
        let expected = model.pairs(module);
        let forwards: Vec<_> = expected.clone().into_iter().collect();
        assert_eq!(scan(reader, module, &ScanRange::ALL, ScanOrder::Ascending), forwards);
        let backwards: Vec<_> = expected.clone().into_iter().rev().collect();
        assert_eq!(scan(reader, module, &ScanRange::ALL, ScanOrder::Descending), backwards);
        check_part(reader, module, &forwards);
        for (key, value) in &expected {
            assert_eq!(get(reader, module, key).as_deref(), Some(value.as_ref()));
        }
    }
    let everything = model.pairs(EVM);
    let keys = (0..4).flat_map(|a| [nonce_key(a), code_hash_key(a), code_key(a), slot_key(a, 0), slot_key(a, 1)]);
    for key in keys.map(Bytes::from) {
        assert_eq!(get(reader, EVM, &key).as_deref(), everything.get(&key).map(AsRef::as_ref));
    }
}

/// A range that begins and ends at keys that are there.
fn check_part(reader: &impl Scan, module: &str, pairs: &[(Bytes, Bytes)]) {
    let (from, to) = (pairs.len() / 3, pairs.len() * 2 / 3);
    let Some((start, end)) = pairs.get(from).zip(pairs.get(to)) else { return };
    let range = ScanRange { start: Some(start.0.clone()), end: Some(end.0.clone()) };
    assert_eq!(scan(reader, module, &range, ScanOrder::Ascending), pairs[from..to]);
    let backwards: Vec<_> = pairs[from..to].iter().rev().cloned().collect();
    assert_eq!(scan(reader, module, &range, ScanOrder::Descending), backwards);
}

fn check_totals(view: &View, model: &Model) {
    let rows = model.rows();
    let bytes: usize = rows.iter().map(|(key, row)| key.len() + row.len()).sum();
    let totals: Vec<_> = view.totals().map(|(_, _, totals)| totals).collect();
    assert_eq!(totals.iter().map(|totals| totals.rows).sum::<u64>(), rows.len() as u64);
    assert_eq!(totals.iter().map(|totals| totals.bytes).sum::<u64>(), bytes as u64);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn random_blocks_leave_what_the_model_has(steps in vec(step(), 1..30)) {
        let mut pair = Pair::new();
        for step in &steps {
            pair.run(step);
            pair.check();
        }
        pair.check_held();
    }
}
