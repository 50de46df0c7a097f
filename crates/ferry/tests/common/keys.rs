//! The keys and values of random lives: every lane, keys between the lanes, and values that delete a row.

use ferry::{KvPair, NamedChangeSet};
use proptest::prelude::*;

use super::{code_hash_key, code_key, nonce_key, slot_key};

/// A key's index, and the seed of its value or none to delete it.
pub(crate) type Pick = (usize, Option<u8>);

/// Every key that the test writes, and some that it only reads.
pub(crate) fn keys() -> Vec<(String, Vec<u8>)> {
    let mut evm: Vec<Vec<u8>> = Vec::new();
    for account in 1..5 {
        evm.extend([nonce_key(account), code_hash_key(account), code_key(account)]);
        evm.extend([slot_key(account, 0), slot_key(account, 9)]);
    }
    // Misc keys that interleave with the lanes: other prefixes, and prefixes of a lane with another length.
    evm.extend([vec![0x01], vec![0x03, 1], vec![0x07; 22], vec![0x08, 3], vec![0x0a; 20], vec![0x0b], vec![0xff]]);
    let mut keys: Vec<_> = evm.into_iter().map(|key| ("evm".to_owned(), key)).collect();
    for store in ["acc", "bank", "wasm"] {
        keys.extend([vec![], vec![0], vec![0, 0], vec![5], vec![0xff, 1]].map(|key| (store.to_owned(), key)));
    }
    keys
}

/// A value that fits the key's lane; 0 is the value that deletes a row in FlatKV.
fn value(store: &str, key: &[u8], seed: u8) -> Vec<u8> {
    match (store, key.first(), key.len()) {
        ("evm", Some(0x03), 53) | ("evm", Some(0x08), 21) => vec![seed; 32],
        ("evm", Some(0x0a), 21) => u64::from(seed).to_be_bytes().to_vec(),
        _ => vec![seed; usize::from(seed)],
    }
}

/// The changes that `picks` name: a key's index, and the seed of its value or none to delete it.
pub(crate) fn changes(keys: &[(String, Vec<u8>)], picks: &[Pick]) -> Vec<NamedChangeSet> {
    let pair = |(index, seed): &Pick| {
        let (store, key) = &keys[index % keys.len()];
        let pair = match seed {
            Some(seed) => KvPair::set(key.clone(), value(store, key, *seed)),
            None => KvPair::delete(key.clone()),
        };
        NamedChangeSet::new(store.clone(), vec![pair])
    };
    picks.iter().map(pair).collect()
}

/// A flush's picks.
pub(crate) fn picks() -> impl Strategy<Value = Vec<Pick>> + Clone {
    let seed = prop_oneof![1 => Just(None), 1 => Just(Some(0)), 4 => (1u8..40).prop_map(Some)];
    prop::collection::vec((any::<usize>(), seed), 0..12)
}
