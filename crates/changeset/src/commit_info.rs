//! Commit info and the app hash over it.
//!
//! ```text
//! app hash  Merkle root (RFC 6962: 00 leaf, 01 inner, split at the largest power of two below n)
//!           over all stores sorted by name bytes
//! leaf      lp(name) | lp(SHA-256(store hash))         lp(x) = uvarint(length of x) | x
//! ```
//! Source: spec FORMATS, IAVL tree and commit hashes.

use bytes::Bytes;
use prost::encoding::encode_varint;
use sha2::{Digest, Sha256};

use crate::message::{CommitId, CommitInfo, StoreInfo};

/// A 32-byte hash: SHA-256 of a tree, BLAKE3 of a lattice state.
pub type Hash = [u8; 32];
/// The Merkle root over a block's store hashes.
pub type AppHash = Hash;

/// The name under which FlatKV's root stands in the commit info.
pub const LATTICE_STORE: &str = "evm_lattice";

impl CommitInfo {
    /// The commit info of block `version` with `stores` as (name, root hash), each at the block's version.
    pub fn new<'a>(version: u64, stores: impl IntoIterator<Item = (&'a str, Hash)>) -> Self {
        let version = version.cast_signed();
        let store_infos = stores
            .into_iter()
            .map(|(name, hash)| StoreInfo {
                name: name.to_owned(),
                commit_id: CommitId { version, hash: Bytes::copy_from_slice(&hash) },
            })
            .collect();
        Self { version, store_infos }
    }
}

/// The app hash of a commit info.
pub fn app_hash(info: &CommitInfo) -> AppHash {
    let mut stores: Vec<_> = info.store_infos.iter().collect();
    stores.sort_by(|a, b| a.name.as_bytes().cmp(b.name.as_bytes()));
    let leaves: Vec<Hash> = stores.iter().map(|store| leaf_hash(&store.name, &store.commit_id.hash)).collect();
    merkle_root(&leaves)
}

/// The hash of one store's leaf in the app hash's tree.
fn leaf_hash(name: &str, store_hash: &[u8]) -> Hash {
    let mut leaf = vec![0x00];
    length_prefixed(&mut leaf, name.as_bytes());
    length_prefixed(&mut leaf, &Sha256::digest(store_hash));
    Sha256::digest(&leaf).into()
}

fn length_prefixed(out: &mut Vec<u8>, bytes: &[u8]) {
    encode_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

fn merkle_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Sha256::digest([]).into(),
        [leaf] => *leaf,
        _ => {
            let split = leaves.len().next_power_of_two() / 2;
            let (left, right) = leaves.split_at(split);
            let mut inner = Sha256::new();
            inner.update([0x01]);
            inner.update(merkle_root(left));
            inner.update(merkle_root(right));
            inner.finalize().into()
        }
    }
}

/// The steps from one store's hash to the app hash: for each level, the bytes that stand before and after the child's
/// hash, from the leaf up, and the leaf's own prefix. Used to build ICS-23 proofs.
pub struct AppHashPath {
    /// Sibling hashes from the leaf to the root: `(sibling, sibling stands left)`.
    pub siblings: Vec<(Hash, bool)>,
}

/// The path from store `name` to the app hash; none if the commit info does not name the store.
pub fn app_hash_path(info: &CommitInfo, name: &str) -> Option<AppHashPath> {
    let mut stores: Vec<_> = info.store_infos.iter().collect();
    stores.sort_by(|a, b| a.name.as_bytes().cmp(b.name.as_bytes()));
    let index = stores.iter().position(|store| store.name == name)?;
    let leaves: Vec<Hash> = stores.iter().map(|store| leaf_hash(&store.name, &store.commit_id.hash)).collect();
    let mut siblings = Vec::new();
    path(&leaves, index, &mut siblings);
    Some(AppHashPath { siblings })
}

fn path(leaves: &[Hash], index: usize, out: &mut Vec<(Hash, bool)>) {
    if leaves.len() < 2 {
        return;
    }
    let split = leaves.len().next_power_of_two() / 2;
    let (left, right) = leaves.split_at(split);
    if index < split {
        path(left, index, out);
        out.push((merkle_root(right), false));
    } else {
        path(right, index - split, out);
        out.push((merkle_root(left), true));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_stores_does_not_change_the_app_hash() {
        let forward = CommitInfo::new(1, [("a", [1; 32]), ("b", [2; 32]), ("c", [3; 32])]);
        let backward = CommitInfo::new(1, [("c", [3; 32]), ("b", [2; 32]), ("a", [1; 32])]);
        assert_eq!(app_hash(&forward), app_hash(&backward));
    }

    #[test]
    fn a_path_leads_from_every_store_to_the_app_hash() {
        let names: Vec<String> = (0..21).map(|i| format!("store{i:02}")).collect();
        for count in 1..names.len() {
            let info = CommitInfo::new(7, names[..count].iter().map(|n| (n.as_str(), [n.len() as u8; 32])));
            for store in &info.store_infos {
                let mut hash = leaf_hash(&store.name, &store.commit_id.hash);
                for (sibling, is_left) in app_hash_path(&info, &store.name).expect("named").siblings {
                    let (left, right) = if is_left { (sibling, hash) } else { (hash, sibling) };
                    hash = Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into();
                }
                assert_eq!(hash, app_hash(&info));
            }
        }
    }
}
