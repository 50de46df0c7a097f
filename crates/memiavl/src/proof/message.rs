//! The protobuf messages of a proof.
//!
//! ```text
//! ProofOps            1 repeated ProofOp                                          (Tendermint's envelope)
//! ProofOp             1 type, 2 key, 3 data: a CommitmentProof
//! CommitmentProof     one of 1 ExistenceProof, 2 NonExistenceProof                (cosmos.ics23.v1)
//! ExistenceProof      1 key, 2 value, 3 LeafOp, 4 repeated InnerOp, from the leaf up
//! NonExistenceProof   1 key, 2 left ExistenceProof, 3 right ExistenceProof
//! LeafOp              1 hash, 2 prehash_key, 3 prehash_value, 4 length, 5 prefix
//! InnerOp             1 hash, 2 prefix, 3 suffix
//! ```
//! A leaf's hash is that of prefix ‖ lp(key) ‖ lp(SHA-256(value)), a branch's that of prefix ‖ child ‖ suffix.

use changeset::Hash;
use prost::Message;
use sha2::{Digest, Sha256};

/// The type of the step from a key to its store's hash.
const TYPE_IAVL: &str = "ics23:iavl";
/// The type of the step from a store's hash to the app hash.
const TYPE_SIMPLE: &str = "ics23:simple";

/// A proof: the step from a key to its store's hash, then that from the store's hash to the app hash.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Proof {
    /// The steps, in order.
    #[prost(message, repeated, tag = "1")]
    pub ops: Vec<ProofOp>,
}

/// One step of a proof.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ProofOp {
    /// `ics23:iavl` or `ics23:simple`.
    #[prost(string, tag = "1")]
    pub r#type: String,
    /// The key, or the store's name.
    #[prost(bytes = "vec", tag = "2")]
    pub key: Vec<u8>,
    /// An `ics23.CommitmentProof`.
    #[prost(bytes = "vec", tag = "3")]
    pub data: Vec<u8>,
}

impl Proof {
    /// The proof's bytes, as a `tendermint.crypto.ProofOps`.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.encode_to_vec()
    }
}

impl ProofOp {
    pub(super) fn iavl(key: &[u8], proof: &CommitmentProof) -> Self {
        Self { r#type: TYPE_IAVL.to_owned(), key: key.to_vec(), data: proof.encode_to_vec() }
    }

    pub(super) fn simple(store: &str, proof: &CommitmentProof) -> Self {
        Self { r#type: TYPE_SIMPLE.to_owned(), key: store.as_bytes().to_vec(), data: proof.encode_to_vec() }
    }
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct CommitmentProof {
    #[prost(message, optional, tag = "1")]
    exist: Option<ExistenceProof>,
    #[prost(message, optional, tag = "2")]
    nonexist: Option<NonExistenceProof>,
}

impl From<ExistenceProof> for CommitmentProof {
    fn from(proof: ExistenceProof) -> Self {
        Self { exist: Some(proof), nonexist: None }
    }
}

impl From<NonExistenceProof> for CommitmentProof {
    fn from(proof: NonExistenceProof) -> Self {
        Self { exist: None, nonexist: Some(proof) }
    }
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct ExistenceProof {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) value: Vec<u8>,
    #[prost(message, required, tag = "3")]
    pub(super) leaf: LeafOp,
    #[prost(message, repeated, tag = "4")]
    pub(super) path: Vec<InnerOp>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct NonExistenceProof {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) key: Vec<u8>,
    #[prost(message, optional, tag = "2")]
    pub(super) left: Option<ExistenceProof>,
    #[prost(message, optional, tag = "3")]
    pub(super) right: Option<ExistenceProof>,
}

/// How data is hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
enum HashOp {
    NoHash = 0,
    Sha256 = 1,
}

/// How a length stands before data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
enum LengthOp {
    NoPrefix = 0,
    VarProto = 1,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct LeafOp {
    #[prost(enumeration = "HashOp", tag = "1")]
    hash: i32,
    #[prost(enumeration = "HashOp", tag = "2")]
    prehash_key: i32,
    #[prost(enumeration = "HashOp", tag = "3")]
    prehash_value: i32,
    #[prost(enumeration = "LengthOp", tag = "4")]
    length: i32,
    #[prost(bytes = "vec", tag = "5")]
    prefix: Vec<u8>,
}

impl LeafOp {
    /// The one way in which both kinds of leaf are hashed; they differ in the prefix.
    pub(super) fn new(prefix: Vec<u8>) -> Self {
        Self {
            hash: HashOp::Sha256.into(),
            prehash_key: HashOp::NoHash.into(),
            prehash_value: HashOp::Sha256.into(),
            length: LengthOp::VarProto.into(),
            prefix,
        }
    }
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct InnerOp {
    #[prost(enumeration = "HashOp", tag = "1")]
    hash: i32,
    #[prost(bytes = "vec", tag = "2")]
    prefix: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    suffix: Vec<u8>,
}

impl InnerOp {
    pub(super) fn new(prefix: Vec<u8>, suffix: Vec<u8>) -> Self {
        Self { hash: HashOp::Sha256.into(), prefix, suffix }
    }
}

impl ExistenceProof {
    /// The root hash that the proof leads to.
    pub(super) fn root(&self) -> Hash {
        let mut leaf = self.leaf.prefix.clone();
        for part in [self.key.as_slice(), &Sha256::digest(&self.value)] {
            prost::encoding::encode_varint(part.len() as u64, &mut leaf);
            leaf.extend_from_slice(part);
        }
        self.path.iter().fold(Sha256::digest(&leaf).into(), |child: Hash, step| {
            let parent = Sha256::new().chain_update(&step.prefix).chain_update(child).chain_update(&step.suffix);
            parent.finalize().into()
        })
    }
}
