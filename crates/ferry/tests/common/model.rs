//! The model of a node: two plain maps, the rules of the migration written out once more, and nothing durable.
//!
//! It is written from the rules, not from the code that it checks: keys are compared as (module, key) tuples, rows are a
//! struct of maps, and a flush works on a copy.

use std::collections::BTreeMap;

use ferry::{Mode, NamedChangeSet, ScanOrder};

type Key = Vec<u8>;
type Value = Vec<u8>;
type Map = BTreeMap<Key, Value>;

/// How far the present migration is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cursor {
    NotStarted,
    At(String, Key),
    Complete,
}

/// FlatKV's rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rows {
    /// Nonce and code hash by address.
    accounts: BTreeMap<Key, (u64, [u8; 32])>,
    storage: Map,
    code: Map,
    misc: BTreeMap<(String, Key), Value>,
}

/// A flush that the rules refuse.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused;

#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) old: BTreeMap<String, Map>,
    pub(crate) new: Rows,
    pub(crate) cursor: Cursor,
    pub(crate) version: u64,
    pub(crate) mode: Mode,
    pub(crate) batch: u64,
    /// Whether the block in work has had its first flush.
    pub(crate) flushed: bool,
}

enum Field {
    Storage,
    Code,
    Nonce,
    CodeHash,
    Misc,
}

fn field(store: &str, key: &[u8]) -> Field {
    match (store, key.first(), key.len()) {
        ("evm", Some(0x03), 53) => Field::Storage,
        ("evm", Some(0x07), 21) => Field::Code,
        ("evm", Some(0x0a), 21) => Field::Nonce,
        ("evm", Some(0x08), 21) => Field::CodeHash,
        _ => Field::Misc,
    }
}

impl Rows {
    fn get(&self, store: &str, key: &[u8]) -> Option<Value> {
        let account = || self.accounts.get(&key[1..]);
        match field(store, key) {
            Field::Storage => self.storage.get(key).cloned(),
            Field::Code => self.code.get(key).cloned(),
            Field::Nonce => account().map(|(nonce, _)| nonce.to_be_bytes().to_vec()),
            Field::CodeHash => account().filter(|(_, hash)| *hash != [0; 32]).map(|(_, hash)| hash.to_vec()),
            Field::Misc => self.misc.get(&(store.to_owned(), key.to_vec())).cloned(),
        }
    }

    fn write(&mut self, store: &str, key: &[u8], value: Option<&[u8]>) -> Result<(), Refused> {
        match field(store, key) {
            Field::Misc if store == "evm" && key.is_empty() => return Err(Refused),
            Field::Misc => {
                let key = (store.to_owned(), key.to_vec());
                match value {
                    Some(value) => self.misc.insert(key, value.to_vec()),
                    None => self.misc.remove(&key),
                };
            }
            Field::Storage => match value {
                Some(value) if value.len() != 32 => return Err(Refused),
                Some(value) if value != [0; 32] => drop(self.storage.insert(key.to_vec(), value.to_vec())),
                _ => drop(self.storage.remove(key)),
            },
            Field::Code => match value {
                Some(value) if !value.is_empty() => drop(self.code.insert(key.to_vec(), value.to_vec())),
                _ => drop(self.code.remove(key)),
            },
            Field::Nonce => {
                let nonce =
                    value.map_or(Ok(0), |value| value.try_into().map(u64::from_be_bytes).map_err(|_| Refused))?;
                self.account(key, |account| account.0 = nonce);
            }
            Field::CodeHash => {
                let hash = value.map_or(Ok([0; 32]), |value| value.try_into().map_err(|_| Refused))?;
                self.account(key, |account| account.1 = hash);
            }
        }
        Ok(())
    }

    fn account(&mut self, key: &[u8], change: impl FnOnce(&mut (u64, [u8; 32]))) {
        let address = key[1..].to_vec();
        let mut account = self.accounts.get(&address).copied().unwrap_or((0, [0; 32]));
        change(&mut account);
        if account == (0, [0; 32]) {
            self.accounts.remove(&address);
        } else {
            self.accounts.insert(address, account);
        }
    }

    /// All rows of a store, as memiavl would name them.
    fn pairs(&self, store: &str) -> Map {
        let misc = self.misc.iter().filter(|((name, _), _)| name == store);
        let mut pairs: Map = misc.map(|((_, key), value)| (key.clone(), value.clone())).collect();
        if store == "evm" {
            pairs.extend(self.storage.clone());
            pairs.extend(self.code.clone());
            for (address, (nonce, hash)) in &self.accounts {
                pairs.insert([&[0x0a], address.as_slice()].concat(), nonce.to_be_bytes().to_vec());
                if *hash != [0; 32] {
                    pairs.insert([&[0x08], address.as_slice()].concat(), hash.to_vec());
                }
            }
        }
        pairs
    }
}

impl Model {
    pub(crate) fn new(stores: &[&str], batch: u64) -> Self {
        Self {
            old: stores.iter().map(|store| ((*store).to_owned(), Map::new())).collect(),
            new: Rows::default(),
            cursor: Cursor::NotStarted,
            version: 0,
            mode: Mode::MemiavlOnly,
            batch,
            flushed: false,
        }
    }

    /// The stores that the present mode moves.
    pub(crate) fn moving(&self) -> Vec<String> {
        let all = self.old.keys().cloned();
        match self.mode {
            Mode::MigrateEvm => vec!["evm".to_owned()],
            Mode::MigrateAllButBank => all.filter(|store| store != "evm" && store != "bank").collect(),
            Mode::MigrateBank => vec!["bank".to_owned()],
            _ => vec![],
        }
    }

    /// Whether everything of `store` has moved in an earlier migration.
    fn settled(&self, store: &str) -> bool {
        let (after, moves) = match store {
            "evm" => (1, Mode::MigrateEvm),
            "bank" => (3, Mode::MigrateBank),
            _ => (2, Mode::MigrateAllButBank),
        };
        self.version >= after && self.mode > moves
    }

    fn migrated(&self, store: &str, key: &[u8]) -> bool {
        match &self.cursor {
            Cursor::NotStarted => false,
            Cursor::Complete => true,
            Cursor::At(module, last) => (store, key) <= (module.as_str(), last.as_slice()),
        }
    }

    /// Whether FlatKV takes part.
    pub(crate) fn exists(&self) -> bool {
        self.version > 0 || matches!(self.cursor, Cursor::At(..))
    }

    pub(crate) fn migration_is_complete(&self) -> bool {
        self.moving().is_empty() || self.cursor == Cursor::Complete
    }

    /// Steps to the next mode; false if the rules refuse it.
    pub(crate) fn step(&mut self) -> bool {
        let Some(next) = self.mode.next() else { return false };
        if !self.migration_is_complete() || (next == Mode::MigrateEvm && self.batch == 0) {
            return false;
        }
        self.mode = next;
        self.cursor = Cursor::NotStarted;
        true
    }

    /// Drops what no record keeps: a step to a mode that has not moved anything yet.
    pub(crate) fn reopen(&mut self) {
        self.flushed = false;
        if !matches!(self.cursor, Cursor::At(..)) {
            self.mode = Mode::resting_at(self.version).expect("a version of the chain");
            self.cursor = Cursor::NotStarted;
        }
    }

    pub(crate) fn read(&self, store: &str, key: &[u8]) -> Option<Value> {
        let old = || self.old[store].get(key).cloned();
        let moves = self.moving().iter().any(|moving| moving == store);
        if self.settled(store) || (moves && self.migrated(store, key)) {
            self.new.get(store, key)
        } else {
            old().or_else(|| self.new.get(store, key))
        }
    }

    /// A scan: the union of both stores' rows, FlatKV's counting.
    pub(crate) fn scan(
        &self,
        store: &str,
        start: Option<&[u8]>,
        end: Option<&[u8]>,
        order: ScanOrder,
    ) -> Vec<(Key, Value)> {
        let mut pairs = self.old[store].clone();
        pairs.extend(self.new.pairs(store));
        pairs.retain(|key, _| start.is_none_or(|start| key.as_slice() >= start));
        pairs.retain(|key, _| end.is_none_or(|end| key.as_slice() < end));
        match order {
            ScanOrder::Ascending => pairs.into_iter().collect(),
            ScanOrder::Descending => pairs.into_iter().rev().collect(),
        }
    }

    /// One flush: nothing is changed when it is refused.
    pub(crate) fn flush(&mut self, changes: &[NamedChangeSet]) -> Result<(), Refused> {
        let mut after = self.clone();
        after.flush_in_place(changes)?;
        *self = after;
        Ok(())
    }

    fn flush_in_place(&mut self, changes: &[NamedChangeSet]) -> Result<(), Refused> {
        let first = !std::mem::replace(&mut self.flushed, true);
        let moving = self.moving();
        let before = self.old.clone();
        let advances = first && self.batch > 0 && !self.migration_is_complete();
        if advances {
            self.advance(&moving)?;
        }
        for set in changes {
            for pair in set.pairs() {
                let (store, key) = (set.name.as_str(), pair.key.as_ref());
                let value = (!pair.delete).then_some(pair.value.as_ref());
                let to_new = if moving.contains(&set.name) {
                    let started = self.exists();
                    started && (self.migrated(store, key) || !before[store].contains_key(key))
                } else {
                    self.settled(store)
                };
                if to_new {
                    self.new.write(store, key, value)?;
                } else {
                    let tree = self.old.get_mut(store).ok_or(Refused)?;
                    match value {
                        Some(value) => tree.insert(key.to_vec(), value.to_vec()),
                        None => tree.remove(key),
                    };
                }
            }
        }
        Ok(())
    }

    /// One batch: the first keys behind the cursor, in the order of (module, key).
    fn advance(&mut self, moving: &[String]) -> Result<(), Refused> {
        let left: Vec<(String, Key)> = moving
            .iter()
            .flat_map(|store| self.old[store].keys().map(move |key| (store.clone(), key.clone())))
            .filter(|(store, key)| !self.migrated(store, key))
            .collect();
        let taken: Vec<_> = left.iter().take(usize::try_from(self.batch).unwrap_or(usize::MAX)).cloned().collect();
        for (store, key) in &taken {
            let tree = self.old.get_mut(store).expect("a walked tree");
            let value = tree.remove(key).expect("a walked key");
            self.new.write(store, key, Some(&value))?;
        }
        self.cursor = match taken.last() {
            None => Cursor::Complete,
            // The walk stops when the batch is full: a tree behind the last one it looked into was not passed.
            Some((store, key)) => {
                let last_tree = moving.last() == Some(store) || taken.len() < self.batch as usize;
                let drained = left.len() == taken.len();
                if drained && last_tree { Cursor::Complete } else { Cursor::At(store.clone(), key.clone()) }
            }
        };
        if self.cursor == Cursor::Complete {
            self.version += 1;
        }
        Ok(())
    }
}
