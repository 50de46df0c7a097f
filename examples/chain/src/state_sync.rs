//! State sync: what the engine is answered while it gets a snapshot from peers whom nobody trusts.
//!
//! An engine without a block offers a snapshot with the app hash that the chain has for its height, sends its chunks in
//! order, and asks for height and hash at the end. It does so again if it died before it had noted that: by then this node
//! has a state already, and gets another one in its place.

use ferry::{AppHash, Blame, Manifest};
use tendermint_proto::v0_38::abci::response_apply_snapshot_chunk::Result as Applied;
use tendermint_proto::v0_38::abci::response_offer_snapshot::Result as Offered;
use tendermint_proto::v0_38::abci::{
    RequestApplySnapshotChunk, RequestOfferSnapshot, ResponseApplySnapshotChunk, Snapshot,
};

use crate::chain::Chain;
use crate::error::Error;
use crate::restoring::Restoring;

/// What stands behind the engine's calls.
pub(crate) enum Stage {
    /// The chain.
    Running(Box<Chain>),
    /// The chain while a snapshot comes in.
    Restoring(Box<Restoring>),
    /// Nothing any more.
    Closed,
}

/// Takes an offer, or says why not. The present state stays for now.
///
/// # Errors
/// The store's.
pub(crate) fn offer(stage: &mut Stage, request: &RequestOfferSnapshot) -> Result<Offered, Error> {
    let (manifest, app_hash) = match examine(request) {
        Ok(examined) => examined,
        Err(refused) => return Ok(refused),
    };
    let restoring = match std::mem::replace(stage, Stage::Closed) {
        Stage::Running(chain) => Restoring::begin(*chain, &manifest, app_hash)?,
        Stage::Restoring(before) => before.begin_another(&manifest, app_hash)?,
        Stage::Closed => return Err(Error::Closed),
    };
    *stage = Stage::Restoring(Box::new(restoring));
    Ok(Offered::Accept)
}

/// What is offered, if it can be the chain's state at that height.
fn examine(request: &RequestOfferSnapshot) -> Result<(Manifest, AppHash), Offered> {
    let snapshot = request.snapshot.as_ref().ok_or(Offered::Reject)?;
    let app_hash = AppHash::try_from(request.app_hash.as_ref()).map_err(|_| Offered::Abort)?;
    let refuse = |error: ferry::Error| {
        tracing::warn!(height = snapshot.height, %error, "a snapshot is refused");
        if error.blame() == Blame::Format { Offered::RejectFormat } else { Offered::RejectSender }
    };
    let manifest = Manifest::decode(&snapshot.metadata).map_err(refuse)?;
    manifest.check_trusted(app_hash).map_err(refuse)?;
    if !is_of(snapshot, &manifest) {
        tracing::warn!(height = snapshot.height, "a snapshot is refused: the offer is not its manifest's");
        return Err(Offered::RejectSender);
    }
    Ok((manifest, app_hash))
}

/// The engine puts offers together that are alike, and asks for as many chunks as they say.
fn is_of(snapshot: &Snapshot, manifest: &Manifest) -> bool {
    (snapshot.height, snapshot.format, snapshot.chunks) == (manifest.height, manifest.format(), manifest.chunk_count())
        && snapshot.hash == manifest.hash().as_slice()
}

/// Takes a chunk; with the last one the state is compared and put in its place. Where this leaves a running chain, it is
/// another one than before.
///
/// # Errors
/// The store's, where nothing is wrong with what was sent.
pub(crate) fn apply(
    stage: &mut Stage,
    request: &RequestApplySnapshotChunk,
) -> Result<ResponseApplySnapshotChunk, Error> {
    let Stage::Restoring(restoring) = stage else { return Ok(answer(Applied::Abort)) };
    match restoring.take(request.index, &request.chunk, &request.sender) {
        Ok(()) if restoring.is_whole_with(request.index) => end(stage, Restoring::finish),
        Ok(()) => Ok(answer(Applied::Accept)),
        Err(error) if error.blame() == Blame::Chunk => Ok(again(restoring, request, &error)),
        // No other chunk can make this snapshot good.
        Err(error) if error.blame() == Blame::Export => end(stage, |restoring| Ok((restoring.give_up()?, Err(error)))),
        Err(error) => Err(error.into()),
    }
}

/// Asks for the chunks from the wanted one on, and for no more from who sent a wrong one. That a chunk is too early is
/// nobody's fault.
fn again(
    restoring: &Restoring,
    request: &RequestApplySnapshotChunk,
    error: &ferry::Error,
) -> ResponseApplySnapshotChunk {
    tracing::warn!(index = request.index, sender = request.sender, %error, "a chunk is refused");
    let (refetch_chunks, reject_senders) = match error {
        ferry::Error::ChunkOrder { .. } => ((restoring.next_chunk()..request.index).collect(), vec![]),
        _ => (vec![request.index], vec![request.sender.clone()]),
    };
    ResponseApplySnapshotChunk { refetch_chunks, reject_senders, ..answer(Applied::Retry) }
}

/// What a restore ends in: the chain, open again, and why the snapshot was not taken if it was not.
type Ended = (Chain, Result<(), ferry::Error>);

fn end(
    stage: &mut Stage,
    how: impl FnOnce(Restoring) -> Result<Ended, Error>,
) -> Result<ResponseApplySnapshotChunk, Error> {
    let Stage::Restoring(restoring) = std::mem::replace(stage, Stage::Closed) else { return Err(Error::Closed) };
    let senders: Vec<String> = restoring.senders().map(str::to_owned).collect();
    let (chain, restored) = how(*restoring)?;
    *stage = Stage::Running(Box::new(chain));
    Ok(match restored {
        Ok(()) => answer(Applied::Accept),
        Err(error) => {
            // Whoever sent a chunk of it has offered this very manifest, and an honest node has another one.
            tracing::warn!(?senders, %error, "a snapshot was made up");
            ResponseApplySnapshotChunk { reject_senders: senders, ..answer(Applied::RejectSnapshot) }
        }
    })
}

fn answer(result: Applied) -> ResponseApplySnapshotChunk {
    ResponseApplySnapshotChunk { result: result.into(), ..Default::default() }
}
