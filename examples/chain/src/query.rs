//! Queries: they read published blocks, on any thread, beside the block in work.
//!
//! ```text
//! store/<module>   data = key      the value at a height, with a proof where there is one
//! status                           how far the chain is, as JSON
//! ```

use ferry::{ErrorKind, View, Views};
use serde::Serialize;
use tendermint_proto::v0_38::abci::{RequestQuery, ResponseQuery};
use tendermint_proto::v0_38::crypto::{ProofOp, ProofOps};

use crate::error::Error;
use crate::keys::MODULES;
use crate::plan::Plan;

/// What a client may do about a query that was not answered.
const NOT_FOUND_HERE: u32 = 1;
pub(crate) const TRY_AGAIN: u32 = 2;

/// How far the chain is.
#[derive(Debug, Serialize)]
struct Status {
    schema_version: u32,
    height: u64,
    app_hash: String,
    flatkv_root: Option<String>,
    write_mode: &'static str,
    plan_goal: &'static str,
    plan_keys_per_block: u64,
    boundary: String,
    remaining_keys: u64,
}

/// Answers a query from one block: the one asked for, or the newest.
///
/// # Errors
/// The store's. What a client can mend is an answer.
pub(crate) fn query(views: &Views, request: &RequestQuery) -> Result<ResponseQuery, Error> {
    let view = match request.height {
        0 => views.latest(),
        height => views.at(height.cast_unsigned()),
    };
    let view = match view.map_err(ferry::Error::from) {
        Ok(view) => view,
        Err(error) => return refusal(error),
    };
    let mut answer = match request.path.trim_start_matches('/').split_once('/') {
        Some(("store", module)) => store(&view, module, request)?,
        None if request.path.ends_with("status") => status(&view)?,
        _ => ResponseQuery { code: NOT_FOUND_HERE, log: "no such query".to_owned(), ..Default::default() },
    };
    answer.height = view.height().cast_signed();
    Ok(answer)
}

/// A key's value. The app hash of block H stands in the header of block H + 1: a proof is checked against that.
fn store(view: &View, module: &str, request: &RequestQuery) -> Result<ResponseQuery, Error> {
    if !MODULES.contains(&module) {
        return Ok(ResponseQuery { code: NOT_FOUND_HERE, log: "no such module".to_owned(), ..Default::default() });
    }
    let value = match view.get(module, &request.data).map_err(ferry::Error::from) {
        Ok(value) => value,
        Err(error) => return refusal(error),
    };
    let mut answer =
        ResponseQuery { key: request.data.clone(), value: value.unwrap_or_default(), ..Default::default() };
    if request.prove {
        match ferry::prove(view, module, &request.data) {
            Ok(proof) => answer.proof_ops = Some(proof_ops(proof)),
            // The value stands; that there is no proof of it is said and is no failure.
            Err(error) if error.kind() == ErrorKind::Refused => answer.log = error.to_string(),
            Err(error) => return refusal(error),
        }
    }
    Ok(answer)
}

fn status(view: &View) -> Result<ResponseQuery, Error> {
    let plan = Plan::read(view)?;
    let remaining = view.remaining().map_err(ferry::Error::from)?;
    let status = Status {
        schema_version: 1,
        height: view.height(),
        app_hash: hex::encode(view.app_hash()),
        flatkv_root: view.root().map(hex::encode),
        write_mode: view.mode().as_str(),
        plan_goal: plan.goal.as_str(),
        plan_keys_per_block: plan.keys_per_block,
        boundary: view.boundary().to_string(),
        remaining_keys: remaining.iter().map(|(_, keys)| keys).sum(),
    };
    Ok(ResponseQuery { value: serde_json::to_vec(&status)?.into(), ..Default::default() })
}

/// What the client did wrong, or may try again, is an answer; anything else ends the node.
fn refusal(error: ferry::Error) -> Result<ResponseQuery, Error> {
    let code = match error.kind() {
        ErrorKind::Input | ErrorKind::Refused => NOT_FOUND_HERE,
        ErrorKind::Retry => TRY_AGAIN,
        _ => return Err(error.into()),
    };
    Ok(ResponseQuery { code, log: error.to_string(), ..Default::default() })
}

fn proof_ops(proof: ferry::Proof) -> ProofOps {
    let op = |op: ferry::ProofOp| ProofOp { r#type: op.r#type, key: op.key, data: op.data };
    ProofOps { ops: proof.ops.into_iter().map(op).collect() }
}
