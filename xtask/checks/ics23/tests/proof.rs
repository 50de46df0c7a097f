//! Proofs as another chain's light client checks them: with the ICS-23 verifier and the app hashes of recorded blocks.

#[path = "../../../../crates/memiavl/tests/common/mod.rs"]
mod common;

use changeset::{CommitInfo, Hash, OldLog, OldStore, Read, Scan, ScanOrder, ScanRange, StoreErrorKind, app_hash};
use ics23::{
    CommitmentProof, HostFunctionsProvider, iavl_spec, tendermint_spec, verify_membership, verify_non_membership,
};
use memiavl::{Error, Options, Proof, ProofOp, View, open};
use prost::Message as _;
use prost_ferry::Message;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::common::recorded;

/// SHA-256 alone: nothing else occurs in a chain's proofs.
struct Functions;

impl HostFunctionsProvider for Functions {
    fn sha2_256(message: &[u8]) -> [u8; 32] {
        Sha256::digest(message).into()
    }
    fn sha2_512(_: &[u8]) -> [u8; 64] {
        unreachable!("not in our proofs")
    }
    fn sha2_512_truncated(_: &[u8]) -> [u8; 32] {
        unreachable!("not in our proofs")
    }
    fn keccak_256(_: &[u8]) -> [u8; 32] {
        unreachable!("not in our proofs")
    }
    fn ripemd160(_: &[u8]) -> [u8; 20] {
        unreachable!("not in our proofs")
    }
    fn blake2b_512(_: &[u8]) -> [u8; 64] {
        unreachable!("not in our proofs")
    }
    fn blake2s_256(_: &[u8]) -> [u8; 32] {
        unreachable!("not in our proofs")
    }
    fn blake3(_: &[u8]) -> [u8; 32] {
        unreachable!("not in our proofs")
    }
}

/// A view of the last block of a recorded life: mapped nodes under the nodes of the replayed blocks.
fn view_of(life: &str) -> (TempDir, View) {
    let dir = recorded::unpack(life);
    let view = open(dir.path(), Options::read_only()).expect("opens").replay().expect("replays").view();
    (dir, view)
}

fn commitment(op: &ProofOp, expected: (&str, &[u8])) -> CommitmentProof {
    assert_eq!((op.r#type.as_str(), op.key.as_slice()), expected);
    CommitmentProof::decode(op.data.as_slice()).expect("a commitment proof")
}

/// The two steps of a proof as a verifier reads them, behind a round through the envelope's bytes.
fn steps(proof: &Proof, module: &str, key: &[u8]) -> (CommitmentProof, CommitmentProof) {
    let proof = Proof::decode(proof.to_bytes().as_slice()).expect("an envelope");
    let [iavl, simple] = proof.ops.as_slice() else { panic!("{} steps", proof.ops.len()) };
    (commitment(iavl, ("ics23:iavl", key)), commitment(simple, ("ics23:simple", module.as_bytes())))
}

fn store_is_in(app_hash: &Hash, step: &CommitmentProof, module: &str, root: &Hash) -> bool {
    verify_membership::<Functions>(step, &tendermint_spec(), &app_hash.to_vec(), module.as_bytes(), root)
}

fn check_exists(view: &View, info: &CommitInfo, (module, root): (&str, Hash), key: &[u8], value: &[u8]) {
    let proof = view.prove_existence(info, module, key).expect("proves");
    let (iavl, simple) = steps(&proof, module, key);
    let verify = |root: &Hash, key: &[u8], value: &[u8]| {
        verify_membership::<Functions>(&iavl, &iavl_spec(), &root.to_vec(), key, value)
    };
    assert!(verify(&root, key, value), "{module} {}", hex::encode(key));
    assert!(
        !verify(&root, key, b"another value") && !verify(&root, b"another key", value) && !verify(&[7; 32], key, value)
    );
    assert!(store_is_in(&app_hash(info), &simple, module, &root));
    assert!(!store_is_in(&app_hash(info), &simple, module, &[7; 32]) && !store_is_in(&[7; 32], &simple, module, &root));
}

fn check_absent(view: &View, info: &CommitInfo, (module, root): (&str, Hash), key: &[u8]) {
    let proof = view.prove_absence(info, module, key).expect("proves");
    let (iavl, simple) = steps(&proof, module, key);
    let verify = |root: &Hash, key: &[u8]| verify_non_membership::<Functions>(&iavl, &iavl_spec(), &root.to_vec(), key);
    assert!(verify(&root, key), "{module} {}", hex::encode(key));
    assert!(!verify(&[7; 32], key));
    assert!(store_is_in(&app_hash(info), &simple, module, &root));
}

fn pairs(view: &View, module: &str) -> Vec<(bytes::Bytes, bytes::Bytes)> {
    let scan = view.scan(module, &ScanRange::ALL, ScanOrder::Ascending).expect("scans");
    scan.collect::<Result<_, _>>().expect("reads")
}

#[test]
fn every_key_of_recorded_lives_is_proven_up_to_the_recorded_app_hash() {
    let mut proven = 0;
    for life in ["small", "exact", "iavl-upgrades"] {
        let (_dir, view) = view_of(life);
        let info = view.commit_info();
        let block = recorded::blocks(life).find(|block| block.height == view.version()).expect("recorded");
        assert_eq!(app_hash(&info), block.app_hash);
        for (module, root) in view.roots() {
            for (key, value) in pairs(&view, module) {
                if value.is_empty() {
                    let error = view.prove_existence(&info, module, &key).expect_err("no verifier takes it");
                    assert!(matches!(error, Error::Unprovable { .. }), "{error:?}");
                } else {
                    check_exists(&view, &info, (module, root), &key, &value);
                    proven += 1;
                }
            }
        }
    }
    assert!(proven > 1000, "{proven}");
}

#[test]
fn absence_is_proven_between_neighbours_and_at_both_ends() {
    let mut proven = 0;
    for life in ["small", "exact"] {
        let (_dir, view) = view_of(life);
        let info = view.commit_info();
        for (module, root) in view.roots() {
            let pairs = pairs(&view, module);
            let ends = [vec![0], vec![0xff; 64]];
            let between = pairs.iter().flat_map(|(key, _)| [[key, &[0][..]].concat(), key[..key.len() - 1].to_vec()]);
            for key in ends.into_iter().chain(between) {
                if key.is_empty() || view.contains(module, &key).expect("reads") {
                    continue;
                }
                let at = pairs.partition_point(|(other, _)| other.as_ref() < key.as_slice());
                let neighbours = [at.checked_sub(1), Some(at)].map(|at| at.and_then(|at| pairs.get(at)));
                let is_provable = neighbours.iter().any(Option::is_some)
                    && neighbours.iter().flatten().all(|(_, value)| !value.is_empty());
                if is_provable {
                    check_absent(&view, &info, (module, root), &key);
                    proven += 1;
                } else {
                    let error = view.prove_absence(&info, module, &key).expect_err("no verifier takes it");
                    assert!(matches!(error, Error::Unprovable { .. }), "{error:?}");
                }
            }
        }
    }
    assert!(proven > 1000, "{proven}");
}

#[test]
fn an_empty_tree_and_a_single_leaf() {
    let (_dir, view) = view_of("exact");
    let info = view.commit_info();
    let sizes: Vec<(&str, Hash, usize)> =
        view.roots().map(|(module, root)| (module, root, pairs(&view, module).len())).collect();
    let (empty, ..) = sizes.iter().find(|(.., size)| *size == 0).expect("an empty tree");
    let error = view.prove_absence(&info, empty, b"key").expect_err("no verifier takes it");
    assert!(matches!(error, Error::Unprovable { .. }), "{error:?}");
    let error = view.prove_existence(&info, empty, b"key").expect_err("absent");
    assert!(matches!(error, Error::NoSuchKey { .. }), "{error:?}");
    let (single, root, _) = sizes.iter().find(|(.., size)| *size == 1).expect("a single leaf");
    let (key, value) = pairs(&view, single).remove(0);
    check_exists(&view, &info, (single, *root), &key, &value);
    check_absent(&view, &info, (single, *root), &[&key, &[0][..]].concat());
    check_absent(&view, &info, (single, *root), &[0]);
}

#[test]
fn the_step_to_the_app_hash_covers_stores_that_are_not_memiavls() {
    let (_dir, view) = view_of("small");
    let roots: Vec<(&str, Hash)> = view.roots().collect();
    let info = CommitInfo::new(view.version(), roots.iter().copied().chain([(changeset::LATTICE_STORE, [9; 32])]));
    assert_ne!(app_hash(&info), app_hash(&view.commit_info()));
    for (module, root) in roots {
        let (key, value) = pairs(&view, module).remove(0);
        if !value.is_empty() {
            check_exists(&view, &info, (module, root), &key, &value);
        }
    }
}

#[test]
fn what_cannot_be_proven_is_refused() {
    let (_dir, view) = view_of("small");
    let info = view.commit_info();
    let (key, _) = pairs(&view, "bank").remove(0);
    let refused = |result: Result<Proof, Error>| {
        let error = result.expect_err("refused");
        assert_eq!(error.kind(), StoreErrorKind::Input, "{error}");
        error
    };
    let error = refused(view.prove_existence(&info, "nowhere", b"key"));
    assert!(matches!(&error, Error::UnknownTree { name, .. } if name == "nowhere"), "{error:?}");
    let error = refused(view.prove_existence(&info, "bank", b"no such key"));
    assert!(
        matches!(&error, Error::NoSuchKey { module, key } if module == "bank" && key == b"no such key"),
        "{error:?}"
    );
    let error = refused(view.prove_absence(&info, "bank", &key));
    assert!(matches!(&error, Error::KeyExists { module, .. } if module == "bank"), "{error:?}");
    let error = refused(view.prove_absence(&info, "bank", b""));
    assert!(matches!(&error, Error::Unprovable { .. }), "{error:?}");
    let other = CommitInfo::new(view.version(), [("bank", [7; 32])]);
    let error = refused(view.prove_existence(&other, "bank", &key));
    assert!(matches!(&error, Error::CommitInfoDiffers { got: Some(got), .. } if *got == [7; 32]), "{error:?}");
    let error = refused(view.prove_existence(&CommitInfo::default(), "bank", &key));
    assert!(matches!(&error, Error::CommitInfoDiffers { got: None, .. }), "{error:?}");
}

#[test]
fn a_proof_over_damage_is_not_handed_out() {
    let dir = recorded::unpack("small");
    let leaves = dir.path().join("snapshot-00000000000000000008/bank/leaves");
    let mut bytes = std::fs::read(&leaves).expect("reads");
    // The stored hash of the fourth leaf.
    bytes[3 * 48 + 20] ^= 1;
    std::fs::write(&leaves, bytes).expect("written");
    let mut options = Options::read_only();
    options.at_version = Some(8);
    let view = open(dir.path(), options).expect("opens").replay().expect("nothing to replay").view();
    let info = view.commit_info();
    let mut refused = 0;
    for (key, value) in pairs(&view, "bank") {
        match view.prove_existence(&info, "bank", &key) {
            Ok(proof) => {
                let (iavl, _) = steps(&proof, "bank", &key);
                let root = view.roots().find(|(name, _)| *name == "bank").expect("there").1.to_vec();
                assert!(verify_membership::<Functions>(&iavl, &iavl_spec(), &root, &key, &value));
            }
            Err(Error::Unprovable { .. }) => assert!(value.is_empty()),
            Err(error) => {
                assert!(matches!(&error, Error::ProofRoot { module, .. } if module == "bank"), "{error:?}");
                assert_eq!(error.kind(), StoreErrorKind::Corruption);
                refused += 1;
            }
        }
    }
    assert!(refused >= 1, "the leaf's sibling leads through the damaged hash");
}
