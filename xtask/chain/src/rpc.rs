//! What a node's consensus engine is asked, over HTTP on loopback.

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

/// Seconds that an answer may take.
const TIMEOUT_SECONDS: u64 = 10;
/// The most headers that the engine gives at once.
const HEADERS_MAX: u64 = 20;

/// A block's header.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    pub(crate) height: u64,
    /// The app hash of the block before: that of block H stands in header H + 1.
    pub(crate) last_app_hash: String,
    /// The block's time, in seconds since midnight.
    pub(crate) day_seconds: f64,
}

/// A node's engine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rpc {
    pub(crate) port: u16,
}

impl Rpc {
    /// The height of the newest block that the engine has stored.
    pub(crate) fn height(self) -> Result<u64> {
        let status = self.get("status?")?;
        number(&status["sync_info"]["latest_block_height"])
    }

    /// The transaction enters the mempool, or does not: nothing is waited for. One that is sent again may be there already.
    pub(crate) fn send(self, tx: &[u8]) -> Result<()> {
        match self.get(&format!("broadcast_tx_async?tx=0x{}", hex::encode(tx))) {
            Err(error) if error.to_string().contains("tx already exists in cache") => Ok(()),
            sent => sent.map(drop),
        }
    }

    /// How many transactions wait in the node's mempool.
    pub(crate) fn waiting(self) -> Result<u64> {
        number(&self.get("num_unconfirmed_txs?")?["total"])
    }

    /// What the chain answers to a query of one block.
    pub(crate) fn query(self, path: &str, key: &[u8], height: u64) -> Result<Vec<u8>> {
        // The engine takes no empty hex.
        let data = if key.is_empty() { String::new() } else { format!("&data=0x{}", hex::encode(key)) };
        let answer = self.get(&format!("abci_query?path=%22{path}%22&height={height}{data}"))?;
        let response = &answer["response"];
        if response["code"].as_u64().unwrap_or(0) != 0 {
            bail!("a query was refused: path={path} answer={response}");
        }
        decode(&response["value"])
    }

    /// How far the chain is, at one block; 0 for the newest.
    pub(crate) fn status(self, height: u64) -> Result<Value> {
        serde_json::from_slice(&self.query("status", &[], height)?).context("the chain's status is no JSON")
    }

    /// The height of the oldest block that the engine has: 1 unless the node began with a snapshot.
    pub(crate) fn first(self) -> Result<u64> {
        let status = self.get("status?")?;
        number(&status["sync_info"]["earliest_block_height"])
    }

    /// The hash of a block, in hex.
    pub(crate) fn block_hash(self, height: u64) -> Result<String> {
        let answer = self.get(&format!("block?height={height}"))?;
        answer["block_id"]["hash"].as_str().map(str::to_owned).context("a block without a hash")
    }

    /// The transactions of a block.
    pub(crate) fn txs(self, height: u64) -> Result<Vec<Vec<u8>>> {
        let answer = self.get(&format!("block?height={height}"))?;
        // A node that began with a snapshot answers for the blocks before it too, with nothing.
        ensure!(!answer["block"].is_null(), "the engine has no such block: height={height}");
        answer["block"]["data"]["txs"].as_array().into_iter().flatten().map(decode).collect()
    }

    /// The headers that the node has up to `last`, in no order.
    pub(crate) fn headers(self, last: u64) -> Result<Vec<Header>> {
        let mut headers = Vec::new();
        for first in (self.first()?.max(1)..=last).step_by(HEADERS_MAX as usize) {
            let to = last.min(first + HEADERS_MAX - 1);
            let answer = self.get(&format!("blockchain?minHeight={first}&maxHeight={to}"))?;
            for meta in answer["block_metas"].as_array().into_iter().flatten() {
                let header = &meta["header"];
                let text = |name: &str| header[name].as_str().with_context(|| format!("a header without {name}"));
                headers.push(Header {
                    height: number(&header["height"])?,
                    last_app_hash: text("app_hash")?.to_lowercase(),
                    day_seconds: day_seconds(text("time")?)?,
                });
            }
        }
        Ok(headers)
    }

    fn get(self, call: &str) -> Result<Value> {
        let url = format!("http://127.0.0.1:{}/{call}", self.port);
        let response = minreq::get(url).with_timeout(TIMEOUT_SECONDS).send().context("asking the consensus engine")?;
        let mut answer: Value =
            serde_json::from_slice(response.as_bytes()).context("the engine's answer is no JSON")?;
        match answer["result"].take() {
            Value::Null => bail!("the engine refused: {}", answer["error"]),
            result => Ok(result),
        }
    }
}

fn number(value: &Value) -> Result<u64> {
    value.as_str().and_then(|text| text.parse().ok()).with_context(|| format!("not a number: {value}"))
}

/// The time of day in `2026-01-31T23:59:59.123456789Z`.
fn day_seconds(time: &str) -> Result<f64> {
    let of_day = time.split_once('T').and_then(|(_, of_day)| of_day.strip_suffix('Z'));
    let parts: Option<Vec<f64>> = of_day.map(|text| text.split(':').map_while(|part| part.parse().ok()).collect());
    match parts.as_deref() {
        Some([hours, minutes, seconds]) => Ok((hours * 60.0 + minutes) * 60.0 + seconds),
        _ => bail!("not a time: {time}"),
    }
}

fn decode(value: &Value) -> Result<Vec<u8>> {
    match value.as_str() {
        Some(text) => BASE64_STANDARD.decode(text).context("not base64"),
        None => Ok(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_time_is_read_with_its_fraction() {
        assert_eq!(day_seconds("2026-01-31T01:02:03.25Z").expect("a time"), 3723.25);
        assert_eq!(day_seconds("2026-01-31T00:00:10Z").expect("a time"), 10.0);
        for text in ["", "2026-01-31", "2026-01-31T01:02Z", "2026-01-31T01:02:xZ"] {
            assert!(day_seconds(text).is_err(), "{text}");
        }
    }
}
