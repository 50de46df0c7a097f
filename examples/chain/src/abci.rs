//! The chain behind ABCI 2.0: what a consensus engine calls, and what it gets.

use std::sync::Arc;

use ferry::{AppHash, Committed, ErrorKind, Views};
use parking_lot::{Mutex, RwLock};
use tendermint_proto::v0_38::abci::request::Value as Request;
use tendermint_proto::v0_38::abci::response::Value as Response;
use tendermint_proto::v0_38::abci::response_apply_snapshot_chunk::Result as Applied;
use tendermint_proto::v0_38::abci::{
    ExecTxResult, RequestApplySnapshotChunk, RequestCheckTx, RequestFinalizeBlock, RequestInitChain,
    RequestLoadSnapshotChunk, RequestOfferSnapshot, RequestPrepareProposal, ResponseApplySnapshotChunk,
    ResponseCheckTx, ResponseCommit, ResponseEcho, ResponseFinalizeBlock, ResponseFlush, ResponseInfo,
    ResponseInitChain, ResponseListSnapshots, ResponseLoadSnapshotChunk, ResponseOfferSnapshot,
    ResponsePrepareProposal, ResponseProcessProposal,
};

use crate::chain::Chain;
use crate::error::Error;
use crate::execute::{self, Outcome};
use crate::query::{TRY_AGAIN, query};
use crate::snapshots::{SnapshotSettings, Snapshots};
use crate::state_sync::{self, Stage};

/// ABCI's number for a proposal that is taken.
const ACCEPT: i32 = 1;

/// Where the snapshots lie, below the chain's home.
const SNAPSHOTS: &str = "snapshots";

/// What has happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A block is committed.
    Committed(Committed),
    /// There is a snapshot of the block at this height.
    SnapshotTaken(u64),
    /// The snapshot of this height has become the chain's state.
    Restored(u64, AppHash),
}

/// The chain as the consensus engine's connections share it.
#[derive(Clone)]
pub struct App {
    /// The block in work, one caller at a time.
    stage: Arc<Mutex<Stage>>,
    /// What queries and the mempool read. They wait for no block.
    views: Arc<RwLock<Views>>,
    snapshots: Arc<Snapshots>,
    told: Arc<dyn Fn(Event) + Send + Sync>,
}

impl App {
    /// Puts a chain behind ABCI. `told` is called after each event; after a block, on the engine's thread.
    pub fn new(chain: Chain, snapshots: SnapshotSettings, told: impl Fn(Event) + Send + Sync + 'static) -> Self {
        let snapshots = Snapshots::at(chain.home().join(SNAPSHOTS), snapshots);
        Self {
            views: Arc::new(RwLock::new(chain.views())),
            stage: Arc::new(Mutex::new(Stage::Running(Box::new(chain)))),
            snapshots: Arc::new(snapshots),
            told: Arc::new(told),
        }
    }

    /// Answers a request.
    ///
    /// # Errors
    /// The store's, and an engine that is at another block. The node has no answer then and must end.
    pub fn handle(&self, request: Request) -> Result<Response, Error> {
        Ok(match request {
            Request::Echo(echo) => Response::Echo(ResponseEcho { message: echo.message }),
            Request::Flush(_) => Response::Flush(ResponseFlush {}),
            Request::Info(_) => Response::Info(self.info()),
            Request::InitChain(request) => Response::InitChain(self.init_chain(&request)?),
            Request::Query(request) => Response::Query(query(&self.views(), &request)?),
            Request::CheckTx(request) => Response::CheckTx(self.check_tx(&request)?),
            Request::PrepareProposal(request) => Response::PrepareProposal(prepare_proposal(request)),
            Request::ProcessProposal(_) => Response::ProcessProposal(ResponseProcessProposal { status: ACCEPT }),
            Request::FinalizeBlock(request) => Response::FinalizeBlock(self.finalize_block(&request)?),
            Request::Commit(_) => Response::Commit(self.commit()?),
            // Off by default in the engine.
            Request::ExtendVote(_) => Response::ExtendVote(Default::default()),
            Request::VerifyVoteExtension(_) => Response::VerifyVoteExtension(Default::default()),
            Request::ListSnapshots(_) => {
                Response::ListSnapshots(ResponseListSnapshots { snapshots: self.snapshots.offers() })
            }
            Request::LoadSnapshotChunk(request) => Response::LoadSnapshotChunk(self.load_chunk(&request)),
            Request::OfferSnapshot(request) => Response::OfferSnapshot(self.offer(&request)?),
            Request::ApplySnapshotChunk(request) => Response::ApplySnapshotChunk(self.apply_chunk(&request)?),
        })
    }

    /// Closes the node, between two blocks.
    ///
    /// # Errors
    /// The store's.
    pub fn close(&self) -> Result<(), Error> {
        self.snapshots.stop();
        match std::mem::replace(&mut *self.stage.lock(), Stage::Closed) {
            Stage::Running(chain) => chain.close(),
            // A snapshot that comes in is gone on with the next time.
            Stage::Restoring(_) | Stage::Closed => Ok(()),
        }
    }

    /// Does something with the block in work.
    fn with_chain<T>(&self, work: impl FnOnce(&mut Chain) -> Result<T, Error>) -> Result<T, Error> {
        match &mut *self.stage.lock() {
            Stage::Running(chain) => work(chain),
            Stage::Restoring(_) => Err(Error::Restoring),
            Stage::Closed => Err(Error::Closed),
        }
    }

    fn views(&self) -> Views {
        self.views.read().clone()
    }

    /// Where the chain stands: nowhere while a snapshot comes in. The engine replays what its own blocks are ahead; a chain
    /// ahead of its engine cannot go on.
    fn info(&self) -> ResponseInfo {
        let (height, app_hash) = match &*self.stage.lock() {
            Stage::Running(chain) => (chain.height(), chain.app_hash()),
            Stage::Restoring(_) | Stage::Closed => (0, None),
        };
        ResponseInfo {
            data: "example-chain".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            app_version: 1,
            last_block_height: height.cast_signed(),
            last_block_app_hash: app_hash.map_or_else(Default::default, |hash| hash.to_vec().into()),
        }
    }

    fn init_chain(&self, request: &RequestInitChain) -> Result<ResponseInitChain, Error> {
        let genesis = serde_json::from_slice(&request.app_state_bytes)?;
        self.with_chain(|chain| {
            chain.init(genesis);
            Ok(ResponseInitChain::default())
        })
    }

    fn check_tx(&self, request: &RequestCheckTx) -> Result<ResponseCheckTx, Error> {
        let view = match self.views().latest().map_err(ferry::Error::from) {
            Ok(view) => view,
            Err(error) if error.kind() == ErrorKind::Retry => {
                return Ok(ResponseCheckTx { code: TRY_AGAIN, log: error.to_string(), ..Default::default() });
            }
            Err(error) => return Err(error.into()),
        };
        let outcome = execute::check(&view, &request.tx)?;
        Ok(ResponseCheckTx { code: outcome.code(), log: outcome.to_string(), ..Default::default() })
    }

    fn finalize_block(&self, request: &RequestFinalizeBlock) -> Result<ResponseFinalizeBlock, Error> {
        let height = u64::try_from(request.height);
        let block = self.with_chain(|chain| {
            let height = height.map_err(|_| Error::Height { expected: chain.height() + 1, got: request.height })?;
            chain.finalize(height, &request.txs)
        })?;
        let result =
            |outcome: Outcome| ExecTxResult { code: outcome.code(), log: outcome.to_string(), ..Default::default() };
        Ok(ResponseFinalizeBlock {
            app_hash: block.app_hash.to_vec().into(),
            tx_results: block.outcomes.into_iter().map(result).collect(),
            ..Default::default()
        })
    }

    fn commit(&self) -> Result<ResponseCommit, Error> {
        let committed = self.with_chain(|chain| {
            let committed = chain.commit()?;
            if self.snapshots.is_due(committed.height) {
                let told = Arc::clone(&self.told);
                self.snapshots.begin(&chain.views(), move |height| told(Event::SnapshotTaken(height)));
            }
            Ok(committed)
        })?;
        (self.told)(Event::Committed(committed));
        // The engine keeps all its blocks, so that a node can join by replaying them.
        Ok(ResponseCommit { retain_height: 0 })
    }

    fn load_chunk(&self, request: &RequestLoadSnapshotChunk) -> ResponseLoadSnapshotChunk {
        let chunk = self.snapshots.chunk(request.height, request.chunk);
        ResponseLoadSnapshotChunk { chunk: chunk.unwrap_or_default().into() }
    }

    fn offer(&self, request: &RequestOfferSnapshot) -> Result<ResponseOfferSnapshot, Error> {
        // Its view would hold the state that is to be replaced.
        self.snapshots.stop();
        let result = state_sync::offer(&mut self.stage.lock(), request)?;
        Ok(ResponseOfferSnapshot { result: result.into() })
    }

    fn apply_chunk(&self, request: &RequestApplySnapshotChunk) -> Result<ResponseApplySnapshotChunk, Error> {
        let mut stage = self.stage.lock();
        let is_asked_for = matches!(&*stage, Stage::Restoring(_));
        let answer = state_sync::apply(&mut stage, request)?;
        if is_asked_for && let Stage::Running(chain) = &*stage {
            // It is open again, with the snapshot's state or with the one that it had.
            *self.views.write() = chain.views();
            if let (Applied::Accept, Some(app_hash)) = (answer.result(), chain.app_hash()) {
                (self.told)(Event::Restored(chain.height(), app_hash));
            }
        }
        Ok(answer)
    }
}

/// The engine's own order, as much of it as fits.
fn prepare_proposal(request: RequestPrepareProposal) -> ResponsePrepareProposal {
    let mut left = usize::try_from(request.max_tx_bytes).unwrap_or(0);
    let fits = |tx: &bytes::Bytes| match left.checked_sub(tx.len()) {
        Some(rest) => {
            left = rest;
            true
        }
        None => false,
    };
    ResponsePrepareProposal { txs: request.txs.into_iter().take_while(fits).collect() }
}
