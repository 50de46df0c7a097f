//! Proofs of a view. Each is checked before it is handed out: it leads from its leaves to the root in the commit info.

use changeset::{CommitInfo, Hash, ScanOrder, ScanRange, app_hash_path};

use crate::error::{Error, Result};
use crate::proof::message::{ExistenceProof, InnerOp, LeafOp, NonExistenceProof, Proof, ProofOp};
use crate::proof::path::prove_leaf;
use crate::store::View;
use crate::tree::{Tree, TreeScan};

/// Prefix of a leaf in the app hash's tree.
const SIMPLE_LEAF: u8 = 0x00;
/// Prefix of a branch in the app hash's tree.
const SIMPLE_INNER: u8 = 0x01;

impl View {
    /// The proof that `key` of `module` has its value. `commit_info` is that of the view's block, with all its stores: the
    /// proof leads to its app hash.
    ///
    /// # Errors
    /// A module or key that is not there, a key or value that ICS-23 cannot prove, a commit info of another block.
    pub fn prove_existence(&self, commit_info: &CommitInfo, module: &str, key: &[u8]) -> Result<Proof> {
        let (tree, root) = self.tree_and_root(commit_info, module)?;
        match prove_leaf(tree, key)? {
            Some(proof) if proof.key == key => {
                check(module, &proof, root)?;
                let op = ProofOp::iavl(key, &proof.into());
                Ok(Proof { ops: vec![op, prove_store(commit_info, module, root)?] })
            }
            _ => Err(Error::NoSuchKey { module: module.to_owned(), key: key.to_vec() }),
        }
    }

    /// The proof that memiavl's tree of `module` does not have `key`, whatever another store has. The caller answers for it
    /// that this is what a verifier will take it for.
    ///
    /// # Errors
    /// A module that is not there, a key that is, an empty tree or a neighbour that ICS-23 cannot prove, a commit info of
    /// another block.
    pub fn prove_absence(&self, commit_info: &CommitInfo, module: &str, key: &[u8]) -> Result<Proof> {
        let (tree, root) = self.tree_and_root(commit_info, module)?;
        if key.is_empty() {
            return Err(unprovable(module, key));
        }
        if tree.contains(key)? {
            return Err(Error::KeyExists { module: module.to_owned(), key: key.to_vec() });
        }
        let [left, right] = [ScanOrder::Descending, ScanOrder::Ascending].map(|order| neighbour(tree, key, order));
        let (left, right) = (left?, right?);
        if left.is_none() && right.is_none() {
            return Err(unprovable(module, key));
        }
        [&left, &right].into_iter().flatten().try_for_each(|proof| check(module, proof, root))?;
        let op = ProofOp::iavl(key, &NonExistenceProof { key: key.to_vec(), left, right }.into());
        Ok(Proof { ops: vec![op, prove_store(commit_info, module, root)?] })
    }

    /// The module's tree and its root hash, which the commit info must have too.
    fn tree_and_root(&self, commit_info: &CommitInfo, module: &str) -> Result<(&Tree, Hash)> {
        let unknown = || Error::UnknownTree { name: module.to_owned(), version: self.version() };
        let tree = self.forest().tree(module).ok_or_else(unknown)?;
        let (_, root) = self.roots().find(|(name, _)| *name == module).ok_or_else(unknown)?;
        let store = commit_info.store_infos.iter().find(|store| store.name == module);
        match store {
            Some(store) if store.commit_id.hash == root.as_slice() => Ok((tree, root)),
            _ => Err(Error::CommitInfoDiffers {
                module: module.to_owned(),
                expected: root,
                got: store.map(|store| store.commit_id.hash.to_vec()),
            }),
        }
    }
}

/// The existence proof of the next key on one side of `key`, which the tree does not have.
fn neighbour(tree: &Tree, key: &[u8], order: ScanOrder) -> Result<Option<ExistenceProof>> {
    let bound = Some(key.to_vec().into());
    let range = match order {
        ScanOrder::Ascending => ScanRange { start: bound, end: None },
        ScanOrder::Descending => ScanRange { start: None, end: bound },
    };
    match TreeScan::new(tree.clone(), &range, order)?.next() {
        None => Ok(None),
        Some(pair) => prove_leaf(tree, &pair?.0),
    }
}

/// A proof must hold before it is handed out: damage on disk shows here, and so does what no verifier takes.
fn check(module: &str, proof: &ExistenceProof, root: Hash) -> Result<()> {
    if proof.key.is_empty() || proof.value.is_empty() {
        return Err(unprovable(module, &proof.key));
    }
    let got = proof.root();
    if got == root {
        return Ok(());
    }
    Err(Error::ProofRoot { module: module.to_owned(), key: proof.key.clone(), expected: root, got })
}

fn unprovable(module: &str, key: &[u8]) -> Error {
    Error::Unprovable { module: module.to_owned(), key: key.to_vec() }
}

/// The step from a store's hash to the app hash.
fn prove_store(commit_info: &CommitInfo, module: &str, root: Hash) -> Result<ProofOp> {
    let path = app_hash_path(commit_info, module);
    let path = path
        .ok_or_else(|| Error::UnknownTree { name: module.to_owned(), version: commit_info.version.cast_unsigned() })?;
    let inner = path.siblings.iter().map(|(sibling, stands_left)| {
        if *stands_left {
            InnerOp::new([&[SIMPLE_INNER][..], sibling].concat(), Vec::new())
        } else {
            InnerOp::new(vec![SIMPLE_INNER], sibling.to_vec())
        }
    });
    let proof = ExistenceProof {
        key: module.as_bytes().to_vec(),
        value: root.to_vec(),
        leaf: LeafOp::new(vec![SIMPLE_LEAF]),
        path: inner.collect(),
    };
    Ok(ProofOp::simple(module, &proof.into()))
}
