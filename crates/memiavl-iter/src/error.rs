//! What can be wrong with a snapshot.

use std::fmt;
use std::io;
use std::path::PathBuf;

use changeset::{Hash, StoreError, StoreErrorKind};

/// An error of reading a snapshot. `path` is the file or directory at fault, `offset` the byte in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system failed a call.
    #[error("cannot read snapshot: path={}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A metadata file of another length than 12.
    #[error("tree metadata has the wrong length: path={} expected={expected} got={got}", path.display())]
    MetadataLength {
        /// The tree's metadata.
        path: PathBuf,
        /// Bytes expected.
        expected: u64,
        /// Bytes found.
        got: u64,
    },
    /// A metadata file that does not begin with the magic number.
    #[error("not a memiavl tree: path={} offset=0 expected={expected:#010x} got={got:#010x}", path.display())]
    Magic {
        /// The tree's metadata.
        path: PathBuf,
        /// The magic number.
        expected: u32,
        /// The number found.
        got: u32,
    },
    /// A format that this program does not know.
    #[error("unknown tree format; a newer program wrote it: path={} offset=4 expected={expected} got={got}", path.display())]
    Format {
        /// The tree's metadata.
        path: PathBuf,
        /// The format known.
        expected: u32,
        /// The format found.
        got: u32,
    },
    /// A file of records that ends inside one.
    #[error("file ends inside a record: path={} record_bytes={record_bytes} got={got}", path.display())]
    PartialRecord {
        /// `leaves` or `nodes`.
        path: PathBuf,
        /// Length of a record.
        record_bytes: u64,
        /// Length of the file.
        got: u64,
    },
    /// More leaves than 32 bits can count.
    #[error("too many leaves: path={} max={max} got={got}", path.display())]
    LeafCount {
        /// The tree's leaves.
        path: PathBuf,
        /// The most there can be.
        max: u64,
        /// Leaves found.
        got: u64,
    },
    /// A number of branches that does not fit the leaves.
    #[error("branches do not fit the leaves: path={} expected={expected} got={got}", path.display())]
    BranchCount {
        /// The tree's nodes.
        path: PathBuf,
        /// Leaves - 1, or 0 without leaves.
        expected: u64,
        /// Branches found.
        got: u64,
    },
    /// A field of a record that cannot have its value.
    #[error("{field} is out of range: path={} offset={offset} expected={min}..={max} got={got}", path.display())]
    Field {
        /// The file.
        path: PathBuf,
        /// Where the field stands.
        offset: u64,
        /// Which field.
        field: Field,
        /// The least value it can have here.
        min: u64,
        /// The greatest value it can have here.
        max: u64,
        /// The value found.
        got: u64,
    },
    /// A leaf whose key does not sort behind the key before it.
    #[error("keys are out of order: path={} offset={offset} leaf={leaf}", path.display())]
    KeyOrder {
        /// The tree's leaves.
        path: PathBuf,
        /// Where the leaf's record stands.
        offset: u64,
        /// The leaf's index.
        leaf: u32,
    },
    /// A stored hash that is not the hash of what it stands for.
    #[error("hash mismatch: path={} offset={offset} expected={} got={}", path.display(), Hex(expected), Hex(got))]
    HashMismatch {
        /// The file that holds the stored hash.
        path: PathBuf,
        /// Where it stands.
        offset: u64,
        /// The stored hash.
        expected: Hash,
        /// The hash computed.
        got: Hash,
    },
    /// A leaf or branch index beyond the tree, asked for by a caller.
    #[error("no such node: path={} count={count} got={got}", path.display())]
    NoSuchNode {
        /// `leaves` or `nodes`.
        path: PathBuf,
        /// Records in the file.
        count: u64,
        /// The index asked for.
        got: u64,
    },
    /// A name that no tree can have.
    #[error("bad tree name: {problem}: path={} got={}", path.display(), String::from_utf8_lossy(name))]
    TreeName {
        /// The directory or metadata that names the tree.
        path: PathBuf,
        /// The name's bytes.
        name: Vec<u8>,
        /// What is wrong with it.
        problem: NameProblem,
    },
    /// Snapshot metadata that does not decode.
    #[error("snapshot metadata does not decode: path={}", path.display())]
    MetadataDecode {
        /// The `__metadata` file.
        path: PathBuf,
        /// What the decoder says.
        source: prost::DecodeError,
    },
    /// Snapshot metadata without a commit info.
    #[error("snapshot metadata has no commit info: path={}", path.display())]
    NoCommitInfo {
        /// The `__metadata` file.
        path: PathBuf,
    },
    /// A version that does not fit 32 bits.
    #[error("{field} is out of range: path={} expected=0..={} got={got}", path.display(), u32::MAX)]
    VersionRange {
        /// The `__metadata` file.
        path: PathBuf,
        /// Which version.
        field: Field,
        /// The value found.
        got: i64,
    },
    /// Two places that must name the same version and do not.
    #[error("versions disagree: path={} expected={expected} got={got}", path.display())]
    VersionMismatch {
        /// The file or directory that disagrees with the snapshot's metadata.
        path: PathBuf,
        /// What the snapshot's metadata says.
        expected: u64,
        /// What `path` says.
        got: u64,
    },
    /// A tree whose root hash is not the one in the snapshot's commit info.
    #[error("root hash is not the one in the commit info: path={} expected={} got={}", path.display(), Hex(expected), Hex(got))]
    RootMismatch {
        /// The tree's directory.
        path: PathBuf,
        /// The hash in the commit info.
        expected: Vec<u8>,
        /// The tree's root hash.
        got: Hash,
    },
    /// A tree in the commit info, but not in the directory: the snapshot was copied in part.
    #[error("tree is missing; restore the whole snapshot: path={}", path.display())]
    MissingTree {
        /// Where the tree should be.
        path: PathBuf,
    },
    /// A tree in the directory, but not in the commit info.
    #[error("tree is not in the snapshot's commit info: path={}", path.display())]
    UnlistedTree {
        /// The tree's directory.
        path: PathBuf,
    },
    /// A commit info that names a tree twice.
    #[error("commit info names a tree twice: path={} name={name}", path.display())]
    DuplicateTree {
        /// The `__metadata` file.
        path: PathBuf,
        /// The tree.
        name: String,
    },
}

/// A field of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Field {
    /// Height of a branch.
    Height,
    /// Number of finished trees before a branch.
    PreTrees,
    /// Unused bytes of a branch.
    Padding,
    /// Number of leaves below a branch.
    Size,
    /// Index of the leaf whose key a branch carries.
    KeyLeaf,
    /// Offset of a leaf's record in `kvs`.
    KvsOffset,
    /// Length of a key.
    KeyLength,
    /// Length of a value.
    ValueLength,
    /// End of the records in `kvs`.
    KvsEnd,
    /// The snapshot's version.
    Version,
    /// The chain's initial version.
    InitialVersion,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Height => "height of a branch",
            Self::PreTrees => "pre-trees of a branch",
            Self::Padding => "padding of a branch",
            Self::Size => "size of a branch",
            Self::KeyLeaf => "key leaf of a branch",
            Self::KvsOffset => "kvs offset of a leaf",
            Self::KeyLength => "key length",
            Self::ValueLength => "value length",
            Self::KvsEnd => "end of kvs",
            Self::Version => "version of the snapshot",
            Self::InitialVersion => "initial version",
        })
    }
}

/// Why a name is no tree's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NameProblem {
    /// It has no bytes.
    Empty,
    /// It is not UTF-8.
    NotUtf8,
    /// It has a `/` or a zero byte, or is `.` or `..`: it would lead out of the snapshot.
    NotAFileName,
}

impl fmt::Display for NameProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "it is empty",
            Self::NotUtf8 => "it is not UTF-8",
            Self::NotAFileName => "it cannot be the name of a directory",
        })
    }
}

struct Hex<'a, T>(&'a T);

impl<T: AsRef<[u8]>> fmt::Display for Hex<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Error {
    /// What to do about it.
    pub fn kind(&self) -> StoreErrorKind {
        match self {
            Self::Io { .. } => StoreErrorKind::Io,
            Self::Format { .. } => StoreErrorKind::Incompatible,
            Self::NoSuchNode { .. } => StoreErrorKind::Input,
            _ => StoreErrorKind::Corruption,
        }
    }
}

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        Self::new(error.kind(), error)
    }
}
