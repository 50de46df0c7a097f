//! What can go wrong with a node.

mod kind;

use std::path::PathBuf;

use changeset::Hash;
use migrate_core::{ErrorKind, Mode};

use crate::digest::DigestRequest;
use crate::export::ChunkError;

/// An error of a node. [`kind`](Self::kind) says what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The migration or the protocol.
    #[error(transparent)]
    Migration(#[from] migrate_core::Error),
    /// memiavl.
    #[error("memiavl")]
    Memiavl(#[from] memiavl::Error),
    /// FlatKV.
    #[error("FlatKV")]
    FlatKv(#[from] flatkv::FlatKvError),
    /// The settings.
    #[error("settings")]
    Settings(#[from] crate::settings::SettingsError),
    /// What shows the node to others.
    #[error("metrics")]
    Metrics(#[from] migrate_metrics::Error),
    /// The home is not there.
    #[error("there is no node at this home; give the home of a node, which has {}: home={}", expected.display(), home.display())]
    NoNode {
        /// The home.
        home: PathBuf,
        /// The directory that was looked for.
        expected: PathBuf,
    },
    /// The directory of something else than the part of memiavl that is to be looked at.
    #[error(transparent)]
    NoPart(#[from] crate::look::NoPart),
    /// No directory outside the home for a reader's own files.
    #[error("no temporary directory; set TMPDIR to a place that can be written")]
    TemporaryDirectory {
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The system refused something beside the stores.
    #[error("cannot {action}: path={}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// To which file or directory.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The file that says which stores take their places is damaged.
    #[error("the list of stores that take their places is damaged; if the stores beside it are whole, delete it together with {}: path={}", next.display(), path.display())]
    Switch {
        /// The file.
        path: PathBuf,
        /// Where the stores were built.
        next: PathBuf,
    },
    /// An import at another height than the home's.
    #[error(
        "the home is not at this height; an import is a step of the whole chain, so stop every node at the same block and give that: home={} expected={expected} got={got}",
        home.display()
    )]
    ImportHeight {
        /// The home.
        home: PathBuf,
        /// The height asked for.
        expected: u64,
        /// The home's last block.
        got: u64,
    },
    /// An import that is to lead to where no migration ends.
    #[error("an import leads to the end of a migration, not into one: mode={mode}")]
    ImportTarget {
        /// The mode asked for.
        mode: Mode,
    },
    /// An import of everything, of a home that has keys of a module which no migration moves.
    #[error(
        "the home has keys of a module that is not one of the chain's; configure it, or delete its tree by a store upgrade: module={module} keys={keys}"
    )]
    ImportLeaves {
        /// The module.
        module: String,
        /// Its keys.
        keys: u64,
    },
    /// A drive that is to lead to where no migration ends.
    #[error("a drive leads to the end of a migration, not into one: mode={mode}")]
    DriveTarget {
        /// The mode asked for.
        mode: Mode,
    },
    /// Nobody listens at the control socket.
    #[error("no process runs this node, or it has another control socket; name the home or the socket of one that runs: path={}", path.display())]
    NotRunning {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The process behind the control socket refused, or said what this program does not understand.
    #[error("the running node gave no answer to that: path={} said={said}", path.display())]
    Answer {
        /// The socket.
        path: PathBuf,
        /// What it said.
        said: String,
    },
    /// A path that the system cannot name a socket by.
    #[error("the path is too long for a socket; name a shorter one, below a directory that only you can write to: path={} bytes={bytes} max={max}", path.display())]
    SocketPathTooLong {
        /// The path.
        path: PathBuf,
        /// Its bytes.
        bytes: usize,
        /// The most that a path may have.
        max: usize,
    },
    /// A process listens there.
    #[error("another process listens at this socket; name another one: path={}", path.display())]
    SocketInUse {
        /// The socket.
        path: PathBuf,
    },
    /// Something else stands where the socket is to be.
    #[error("this is no socket and stays as it is; name another path: path={}", path.display())]
    NoSocket {
        /// The path.
        path: PathBuf,
    },
    /// A thread of an import panicked.
    #[error("a thread of the import panicked; the home is as it was")]
    ImportPanicked,
    /// A value that has another length than its key asks for, so that it could not become a row.
    #[error(
        "value has another length than its key asks for, and could not move to FlatKV: module={module} key={} expected={expected} got={got}",
        Hex(key)
    )]
    ValueLength {
        /// The module.
        module: String,
        /// The key.
        key: Vec<u8>,
        /// Bytes that it must have.
        expected: usize,
        /// Bytes that it has.
        got: usize,
    },
    /// Digests that do not speak of the same ranges.
    #[error(
        "digests are of different parts of a state; make both with the same options: first={first:?} second={second:?}"
    )]
    DigestsApart {
        /// What the first one was asked for.
        first: Box<DigestRequest>,
        /// What the second one was asked for.
        second: Box<DigestRequest>,
    },
    /// A memiavl that has not got FlatKV's last block yet.
    #[error(
        "memiavl has not got FlatKV's last block: if the node is running, ask again; if it has crashed, open it once, which finishes the block: memiavl={memiavl} flatkv={flatkv}"
    )]
    MemiavlBehind {
        /// memiavl's last version.
        memiavl: u64,
        /// The last block that FlatKV handed to it.
        flatkv: u64,
    },
    /// A changelog that was opened for reading and has a hole at its end.
    #[error(
        "the changelog reads up to block {last} and has a hole behind it, as a power cut leaves of blocks that were not on disk yet; open the home once, with its node or by `ferry snapshot`, and `--set node.durability=os` if it ran so, which mends that; if that is refused the log is damaged, and a copy is to be restored: path={}",
        path.display()
    )]
    ChangelogHole {
        /// The log's directory.
        path: PathBuf,
        /// The last block before the hole.
        last: u64,
        /// What reading the log whole ends with.
        #[source]
        source: Box<Self>,
    },
    /// Bytes that are no row of their lane.
    #[error("not a row")]
    Row {
        /// What is wrong with them.
        #[source]
        source: flatkv::RowError,
    },
    /// A thread of a read-only command panicked.
    #[error("a thread that was reading panicked, this is a bug in ferry")]
    ReaderPanicked,
    /// A height that a home cannot tell about any more, or not yet.
    #[error("the home does not keep this height; ask for one from {oldest} to {newest}: height={height}")]
    HeightGone {
        /// The height asked for.
        height: u64,
        /// The lowest one that can be told about.
        oldest: u64,
        /// The last block.
        newest: u64,
    },
    /// A directory that should hold nothing.
    #[error("the directory is not empty; name a new or an empty one: path={}", path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// A rehearsal in the home that it is to leave alone.
    #[error("a rehearsal must not lie in its home, nor around it; name another directory: path={} home={}", path.display(), home.display())]
    RehearsalPlace {
        /// The directory.
        path: PathBuf,
        /// The home.
        home: PathBuf,
    },
    /// A checkpoint in the home that it is of.
    #[error("a checkpoint must not lie in its home; name another directory: path={} home={}", path.display(), home.display())]
    CheckpointPlace {
        /// The directory.
        path: PathBuf,
        /// The home.
        home: PathBuf,
    },
    /// A running node that was asked for a checkpoint, and failed.
    #[error("the running node made no checkpoint: said={said}")]
    CheckpointRefused {
        /// What to do about it, as the node's own error has it.
        kind: ErrorKind,
        /// What it said.
        said: String,
    },
    /// A rehearsal of a home whose FlatKV somebody writes.
    #[error("a node has this home open, and its FlatKV cannot be copied meanwhile; stop the node, or rehearse a copy: home={}", home.display())]
    RehearsalOfRunning {
        /// The home.
        home: PathBuf,
    },
    /// A rehearsal that would lead nowhere.
    #[error(
        "a rehearsal needs a batch size that is not 0 and ends where a migration ends: mode={mode} batch_keys={batch_keys}"
    )]
    RehearsalTerms {
        /// The mode asked for.
        mode: Mode,
        /// The batch size asked for.
        batch_keys: u64,
    },
    /// Too little room.
    #[error("there is too little room; make some, or name a directory on another disk: path={} needed_bytes={needed} free_bytes={free}", path.display())]
    NoRoom {
        /// A directory on the file system.
        path: PathBuf,
        /// Bytes that are needed.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// A thread that counted keys panicked.
    #[error("a thread that counted keys panicked, this is a bug in ferry; nothing was changed")]
    CountPanicked,
    /// A state before the first block.
    #[error("there is no block yet, and nothing to export")]
    ExportNothing,
    /// An export of another height than the home's.
    #[error(
        "the home is not at this height; the state of its last block is what can be exported, of an earlier one that of a checkpoint that was rolled back: home={} expected={expected} got={got}",
        home.display()
    )]
    ExportHeight {
        /// The home.
        home: PathBuf,
        /// The height asked for.
        expected: u64,
        /// The home's last block.
        got: u64,
    },
    /// A state that its block's app hash does not stand for, as behind an offline import.
    #[error(
        "the app hash of this block does not stand for the state, as behind an offline import; export a later block: height={height} store={store}"
    )]
    ExportUncovered {
        /// The block.
        height: u64,
        /// The store whose root it does not have.
        store: String,
    },
    /// A directory with the export of another state.
    #[error("the directory has the export of another state or with other chunks; name another one or delete it: height={height} path={}", path.display())]
    ExportOther {
        /// The directory.
        path: PathBuf,
        /// The height of what it has.
        height: u64,
    },
    /// A directory that is not an export's.
    #[error("the directory holds something else; name a new or an empty one: path={} found={}", path.display(), found.display())]
    ExportForeign {
        /// The directory.
        path: PathBuf,
        /// What gave it away.
        found: PathBuf,
    },
    /// A directory without a whole export.
    #[error("there is no whole export; name the directory that `ferry export --to` wrote, and give that command again if it was interrupted: path={}", path.display())]
    NoExport {
        /// The directory.
        path: PathBuf,
    },
    /// Chunks that nobody could take.
    #[error("chunks must have at least one byte and at most {max}: got={got}")]
    ChunkBytes {
        /// The most.
        max: u32,
        /// The bytes asked for.
        got: u32,
    },
    /// An export of another format.
    #[error("the export has another format, use the release that wrote it: expected={expected} got={got}")]
    ExportFormat {
        /// The format that this program reads.
        expected: u32,
        /// The format found.
        got: u32,
    },
    /// A manifest that is damaged or contradicts itself.
    #[error("the manifest of the export is of no use, get it again: {what}")]
    Manifest {
        /// What is wrong with it.
        what: &'static str,
    },
    /// A manifest with another app hash than the chain's.
    #[error(
        "the export has another app hash than the trusted one; its sender is on another chain or lies: height={height} expected={} got={}",
        Hex(expected),
        Hex(got)
    )]
    AppHashUntrusted {
        /// The height.
        height: u64,
        /// The trusted hash.
        expected: Hash,
        /// The manifest's.
        got: Hash,
    },
    /// A chunk that is not the one that the manifest names.
    #[error("the chunk is not accepted; get it again, or from another sender: index={index}")]
    Chunk {
        /// Its index.
        index: u32,
        /// What is wrong with it.
        #[source]
        source: ChunkError,
    },
    /// A chunk out of order, or behind the last.
    #[error("this is not the chunk that is wanted: expected={expected} got={got}")]
    ChunkOrder {
        /// The index wanted.
        expected: u32,
        /// The index given.
        got: u32,
    },
    /// A restore that is to be finished before all chunks are there.
    #[error("chunks are missing: expected={expected} got={got}")]
    ChunksMissing {
        /// The export's chunks.
        expected: u32,
        /// Those that are in.
        got: u32,
    },
    /// Chunks that are what the manifest names, and whose content is no state.
    #[error("the export is no state, its sender made it up: it has {what}: chunk={chunk}")]
    Stream {
        /// The chunk.
        chunk: u32,
        /// What it has.
        what: &'static str,
    },
    /// A store of an export whose root is not the commit info's.
    #[error(
        "the exported state is not the one that the app hash stands for; get it from another sender: height={height} store={store} expected={} got={}",
        Hex(expected),
        Hex(got)
    )]
    RestoredRoot {
        /// The store.
        store: String,
        /// The height.
        height: u64,
        /// The root in the commit info.
        expected: Vec<u8>,
        /// The root of what was sent.
        got: Hash,
    },
    /// A store of the commit info that the export does not have.
    #[error(
        "the exported state lacks a store that the app hash stands for; get it from another sender: height={height} store={store}"
    )]
    RestoredStoreMissing {
        /// The store.
        store: String,
        /// The height.
        height: u64,
    },
    /// A restore that an earlier failure has ended.
    #[error("an earlier failure has ended this restore; begin it again")]
    RestoreSpoiled,
    /// A file of a check's progress that is none, or lies where it must not.
    #[error("progress cannot be kept in this file; name a new one outside the home: {what}, path={}", path.display())]
    ProgressFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A check that was begun on another block, or on other files.
    #[error(
        "the check in this file was begun on another state of the home, or asks for other things; delete the file to begin anew: path={} expected={expected} got={got}",
        path.display()
    )]
    ProgressOfAnother {
        /// The file.
        path: PathBuf,
        /// What the file is about.
        expected: String,
        /// What the home is at.
        got: String,
    },
    /// A home that cannot be mended as a whole.
    #[error(
        "the home cannot be mended, and nothing was changed: {}: {}; {} (refusals={refusals})", first.what, first.why, first.remedy
    )]
    ReconcileRefused {
        /// How many things cannot be mended.
        refusals: usize,
        /// The first of them.
        first: Box<crate::reconcile::Refusal>,
    },
    /// A plan that is not the one that was confirmed.
    #[error(
        "this is not the plan that was confirmed; look at what would be done and confirm that: expected={expected} got={got}"
    )]
    ReconcileUnconfirmed {
        /// The name of the plan for the home as it is.
        expected: String,
        /// The name given.
        got: String,
    },
    /// Mended stores that are still not in order.
    #[error(
        "the mended stores are not in order, and the home was left as it is; take the state of another node: findings={findings} first={first}"
    )]
    ReconcileUnproven {
        /// How many things are wrong with them.
        findings: u64,
        /// The first of them.
        first: String,
    },
    /// A home in which something is to be finished first.
    #[error("a {what} was interrupted in this home; open it once, which finishes that, and look again: home={}", home.display())]
    ReconcileUnfinished {
        /// The home.
        home: PathBuf,
        /// What was interrupted.
        what: &'static str,
    },
    /// Views of an earlier opening are alive in this process.
    #[error("views of this home are open in this process; drop them first: home={} open={open}", home.display())]
    ViewsOpen {
        /// The home.
        home: PathBuf,
        /// How many.
        open: usize,
    },
}

/// Bytes as lower-case hex, for messages.
pub(crate) struct Hex<'a>(pub(crate) &'a [u8]);

impl std::fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
