//! The chain behind ABCI 2.0: what a consensus engine calls, and what it gets.

use std::sync::Arc;

use ferry::{Committed, Views};
use parking_lot::Mutex;
use tendermint_proto::v0_38::abci::request::Value as Request;
use tendermint_proto::v0_38::abci::response::Value as Response;
use tendermint_proto::v0_38::abci::{
    ExecTxResult, RequestCheckTx, RequestFinalizeBlock, RequestInitChain, RequestPrepareProposal, ResponseCheckTx,
    ResponseCommit, ResponseEcho, ResponseFinalizeBlock, ResponseFlush, ResponseInfo, ResponseInitChain,
    ResponsePrepareProposal, ResponseProcessProposal,
};

use crate::chain::Chain;
use crate::error::Error;
use crate::execute::{self, Outcome};
use crate::query::query;

/// ABCI's numbers for a proposal and a snapshot.
const ACCEPT: i32 = 1;

/// What is told of each committed block.
type OnCommit = Arc<dyn Fn(&Committed) + Send + Sync>;

/// The chain as the consensus engine's connections share it.
#[derive(Clone)]
pub struct App {
    /// The block in work, one caller at a time; none once the node is closed.
    chain: Arc<Mutex<Option<Chain>>>,
    /// What queries and the mempool read. They do not take the lock.
    views: Views,
    on_commit: OnCommit,
}

impl App {
    /// Puts a chain behind ABCI. `on_commit` is called after each committed block, on the engine's thread.
    pub fn new(chain: Chain, on_commit: impl Fn(&Committed) + Send + Sync + 'static) -> Self {
        let views = chain.views();
        Self { chain: Arc::new(Mutex::new(Some(chain))), views, on_commit: Arc::new(on_commit) }
    }

    /// Answers a request.
    ///
    /// # Errors
    /// The store's, and an engine that is at another block. The node has no answer then and must end.
    pub fn handle(&self, request: Request) -> Result<Response, Error> {
        Ok(match request {
            Request::Echo(echo) => Response::Echo(ResponseEcho { message: echo.message }),
            Request::Flush(_) => Response::Flush(ResponseFlush {}),
            Request::Info(_) => Response::Info(self.info()?),
            Request::InitChain(request) => Response::InitChain(self.init_chain(&request)?),
            Request::Query(request) => Response::Query(query(&self.views, &request)?),
            Request::CheckTx(request) => Response::CheckTx(self.check_tx(&request)?),
            Request::PrepareProposal(request) => Response::PrepareProposal(prepare_proposal(request)),
            Request::ProcessProposal(_) => Response::ProcessProposal(ResponseProcessProposal { status: ACCEPT }),
            Request::FinalizeBlock(request) => Response::FinalizeBlock(self.finalize_block(&request)?),
            Request::Commit(_) => Response::Commit(self.commit()?),
            // Off by default in the engine.
            Request::ExtendVote(_) => Response::ExtendVote(Default::default()),
            Request::VerifyVoteExtension(_) => Response::VerifyVoteExtension(Default::default()),
            // No snapshots yet: an empty list, and a refusal of whatever is offered.
            Request::ListSnapshots(_) => Response::ListSnapshots(Default::default()),
            Request::OfferSnapshot(_) => Response::OfferSnapshot(Default::default()),
            Request::LoadSnapshotChunk(_) => Response::LoadSnapshotChunk(Default::default()),
            Request::ApplySnapshotChunk(_) => Response::ApplySnapshotChunk(Default::default()),
        })
    }

    /// Closes the node, between two blocks.
    ///
    /// # Errors
    /// The store's.
    pub fn close(&self) -> Result<(), Error> {
        let chain = self.chain.lock().take();
        chain.map_or(Ok(()), Chain::close)
    }

    /// Does something with the block in work.
    fn with_chain<T>(&self, work: impl FnOnce(&mut Chain) -> Result<T, Error>) -> Result<T, Error> {
        work(self.chain.lock().as_mut().ok_or(Error::Closed)?)
    }

    /// Where the chain stands. The engine replays what its own blocks are ahead; a chain ahead of its engine cannot go on.
    fn info(&self) -> Result<ResponseInfo, Error> {
        self.with_chain(|chain| {
            Ok(ResponseInfo {
                data: "example-chain".to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                app_version: 1,
                last_block_height: chain.height().cast_signed(),
                last_block_app_hash: chain.app_hash().map_or_else(Default::default, |hash| hash.to_vec().into()),
            })
        })
    }

    fn init_chain(&self, request: &RequestInitChain) -> Result<ResponseInitChain, Error> {
        let genesis = serde_json::from_slice(&request.app_state_bytes)?;
        self.with_chain(|chain| {
            chain.init(genesis);
            Ok(ResponseInitChain::default())
        })
    }

    fn check_tx(&self, request: &RequestCheckTx) -> Result<ResponseCheckTx, Error> {
        let view = self.views.latest().map_err(ferry::Error::from)?;
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
        let committed = self.with_chain(Chain::commit)?;
        (self.on_commit)(&committed);
        // The engine keeps all its blocks, so that a node can join by replaying them.
        Ok(ResponseCommit { retain_height: 0 })
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
