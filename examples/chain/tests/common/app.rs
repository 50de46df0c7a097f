//! An app without a consensus engine: its calls, one by one.

use std::path::Path;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use example_chain::{App, AtPoint, Chain, Error, Event, Settings, SnapshotSettings};
use tendermint_proto::v0_38::abci::request::Value as Request;
use tendermint_proto::v0_38::abci::response::Value as Response;
use tendermint_proto::v0_38::abci::response_apply_snapshot_chunk::Result as Applied;
use tendermint_proto::v0_38::abci::response_offer_snapshot::Result as Offered;
use tendermint_proto::v0_38::abci::{
    RequestApplySnapshotChunk, RequestFinalizeBlock, RequestInitChain, RequestLoadSnapshotChunk, RequestOfferSnapshot,
    RequestQuery, ResponseApplySnapshotChunk, Snapshot,
};

use crate::common::genesis;

/// A snapshot every so many blocks, in chunks so small that records fall apart between them.
pub(crate) const EVERY_BLOCKS: u64 = 4;
pub(crate) const SNAPSHOTS: SnapshotSettings =
    SnapshotSettings { every_blocks: EVERY_BLOCKS, kept: 1_000, chunk_bytes: 700 };
/// How long a snapshot of a small state may take.
const TAKEN_WITHIN: Duration = Duration::from_secs(60);

/// An app, and what it told.
pub(crate) struct Driven {
    pub(crate) app: App,
    pub(crate) told: Receiver<Event>,
}

impl Driven {
    pub(crate) fn start(home: &Path) -> Self {
        Self::start_with(home, SNAPSHOTS, None)
    }

    pub(crate) fn start_with(home: &Path, snapshots: SnapshotSettings, at_point: Option<AtPoint>) -> Self {
        let chain = Chain::open(home, Settings { at_point, ..Settings::default() }).expect("the chain opens");
        let (tell, told) = mpsc::channel();
        // Nobody may listen any more.
        let app = App::new(chain, snapshots, move |event| drop(tell.send(event)));
        Self { app, told }
    }

    pub(crate) fn ask(&self, request: Request) -> Result<Response, Error> {
        self.app.handle(request)
    }

    pub(crate) fn init(&self) {
        let app_state_bytes = serde_json::to_vec(&genesis()).expect("genesis").into();
        let request = RequestInitChain { app_state_bytes, ..Default::default() };
        self.ask(Request::InitChain(request)).expect("genesis");
    }

    /// Commits a block; its app hash.
    pub(crate) fn block(&self, height: u64, txs: &[Vec<u8>]) -> Vec<u8> {
        let txs = txs.iter().map(|tx| tx.clone().into()).collect();
        let request = RequestFinalizeBlock { height: height.cast_signed(), txs, ..Default::default() };
        let Ok(Response::FinalizeBlock(block)) = self.ask(Request::FinalizeBlock(request)) else { panic!("no block") };
        self.ask(Request::Commit(Default::default())).expect("committed");
        block.app_hash.to_vec()
    }

    /// Height and app hash, as the engine is told.
    pub(crate) fn info(&self) -> (u64, Vec<u8>) {
        let Ok(Response::Info(info)) = self.ask(Request::Info(Default::default())) else { panic!("no info") };
        (info.last_block_height.cast_unsigned(), info.last_block_app_hash.to_vec())
    }

    /// What clients are told: the code of the answer, and how far the chain is.
    pub(crate) fn status(&self) -> (u32, serde_json::Value) {
        let request = RequestQuery { path: "status".to_owned(), ..Default::default() };
        let Ok(Response::Query(answer)) = self.ask(Request::Query(request)) else { panic!("no answer") };
        (answer.code, serde_json::from_slice(&answer.value).unwrap_or_default())
    }

    /// Waits for the snapshot of a height.
    pub(crate) fn wait_for_snapshot(&self, height: u64) {
        loop {
            match self.told.recv_timeout(TAKEN_WITHIN).expect("a snapshot") {
                Event::SnapshotTaken(taken) if taken == height => return,
                _ => {}
            }
        }
    }

    pub(crate) fn snapshots(&self) -> Vec<Snapshot> {
        let Ok(Response::ListSnapshots(list)) = self.ask(Request::ListSnapshots(Default::default())) else {
            panic!("no list")
        };
        list.snapshots
    }

    pub(crate) fn chunk(&self, snapshot: &Snapshot, index: u32) -> Vec<u8> {
        let request = RequestLoadSnapshotChunk { height: snapshot.height, format: snapshot.format, chunk: index };
        let Ok(Response::LoadSnapshotChunk(chunk)) = self.ask(Request::LoadSnapshotChunk(request)) else {
            panic!("no chunk")
        };
        chunk.chunk.to_vec()
    }

    pub(crate) fn offer(&self, snapshot: &Snapshot, app_hash: &[u8]) -> Offered {
        let request = RequestOfferSnapshot { snapshot: Some(snapshot.clone()), app_hash: app_hash.to_vec().into() };
        let Ok(Response::OfferSnapshot(offer)) = self.ask(Request::OfferSnapshot(request)) else { panic!("no answer") };
        offer.result()
    }

    pub(crate) fn apply(&self, index: u32, chunk: Vec<u8>, sender: &str) -> ResponseApplySnapshotChunk {
        let request = RequestApplySnapshotChunk { index, chunk: chunk.into(), sender: sender.to_owned() };
        match self.ask(Request::ApplySnapshotChunk(request)) {
            Ok(Response::ApplySnapshotChunk(answer)) => answer,
            other => panic!("no answer: {other:?}"),
        }
    }

    /// Takes the chunks from `first` on, as an engine sends them.
    pub(crate) fn apply_all(&self, from: &Self, snapshot: &Snapshot, first: u32) {
        for index in first..snapshot.chunks {
            let answer = self.apply(index, from.chunk(snapshot, index), "peer");
            assert_eq!(answer.result(), Applied::Accept, "chunk {index}");
        }
    }

    /// Gets its state from a snapshot of `from`.
    pub(crate) fn sync(&self, from: &Self, snapshot: &Snapshot, app_hash: &[u8]) {
        assert_eq!(self.offer(snapshot, app_hash), Offered::Accept);
        self.apply_all(from, snapshot, 0);
        assert_eq!(self.info(), (snapshot.height, app_hash.to_vec()));
    }
}
