//! The network's files: keys by the engine's own command, settings and genesis by ours.

use std::fs;
use std::net::TcpListener;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use example_chain::Genesis;
use rand::Rng;
use serde_json::Value;

/// Validators; three of them make blocks without the fourth.
pub(crate) const VALIDATORS: usize = 4;
/// The two nodes behind them, which have no vote and are started by a scenario.
pub(crate) const JOINER: usize = VALIDATORS;
pub(crate) const LATE_JOINER: usize = VALIDATORS + 1;
const NODES: usize = VALIDATORS + 2;

/// Where the section begins that a node's settings end with if it is to take its state from a snapshot.
const STATE_SYNC: &str = "\n[statesync]\n";

/// Below those that Linux gives to outgoing connections: one of these would hold a port that a node which is down comes back
/// to.
const PORTS: Range<u16> = 20_000..32_000;
const PORTS_TRIED_MAX: usize = 1_000;

/// A node's places.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The engine's home.
    pub(crate) engine: PathBuf,
    /// The chain's home.
    pub(crate) home: PathBuf,
    /// Between the two. Short, because a socket's path ends at 107 bytes.
    pub(crate) socket: PathBuf,
    pub(crate) rpc_port: u16,
    p2p_port: u16,
}

/// Makes the files of all nodes below `directory`.
pub(crate) fn make(program: &Path, directory: &Path, genesis: &Genesis) -> Result<Vec<Place>> {
    let (voting, others) = (VALIDATORS.to_string(), (NODES - VALIDATORS).to_string());
    output(Command::new(program).args(["testnet", "--v", &voting, "--n", &others, "--o"]).arg(directory))?;
    let ports = free_ports(2 * NODES)?;
    let place = |(index, ports): (usize, &[u16])| {
        let node = directory.join(format!("node{index}"));
        let socket = directory.join(format!("{index}.sock"));
        Place { home: node.join("app"), engine: node, socket, rpc_port: ports[0], p2p_port: ports[1] }
    };
    let places: Vec<Place> = ports.chunks_exact(2).enumerate().map(place).collect();
    let mut peers = Vec::new();
    for place in &places {
        let id = output(Command::new(program).arg("show-node-id").arg("--home").arg(&place.engine))?;
        peers.push(format!("{}@127.0.0.1:{}", id.trim(), place.p2p_port));
    }
    for (index, place) in places.iter().enumerate() {
        let others: Vec<&str> =
            peers.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, peer)| peer.as_str()).collect();
        write(&place.engine.join("config/config.toml"), &settings(index, place, &others.join(",")))?;
        let path = place.engine.join("config/genesis.json");
        let mut document: Value =
            serde_json::from_str(&fs::read_to_string(&path)?).context("the genesis is no JSON")?;
        document["app_state"] = serde_json::to_value(genesis)?;
        write(&path, &format!("{document:#}"))?;
    }
    Ok(places)
}

/// The settings that differ from the engine's own: a network on one machine, with short blocks.
fn settings(index: usize, place: &Place, peers: &str) -> String {
    let Place { socket, rpc_port, p2p_port, .. } = place;
    let socket = socket.display();
    format!(
        r#"proxy_app = "unix://{socket}"
moniker = "node{index}"
abci = "socket"
db_backend = "goleveldb"
log_level = "error"

[rpc]
laddr = "tcp://127.0.0.1:{rpc_port}"

[p2p]
laddr = "tcp://127.0.0.1:{p2p_port}"
persistent_peers = "{peers}"
flush_throttle_timeout = "5ms"
addr_book_strict = false
allow_duplicate_ip = true
pex = false

[consensus]
timeout_propose = "500ms"
timeout_prevote = "100ms"
timeout_precommit = "100ms"
timeout_commit = "50ms"
peer_gossip_sleep_duration = "10ms"

[tx_index]
indexer = "null"
"#
    )
}

/// The block that a node which joins by a snapshot begins to trust from.
#[derive(Clone, Debug)]
pub(crate) struct Trust {
    pub(crate) height: u64,
    /// In hex.
    pub(crate) block_hash: String,
    /// The engines that it asks for headers; two at least.
    pub(crate) rpc_ports: Vec<u16>,
}

impl Place {
    /// Has the node take its state from a snapshot when it starts without a block. Five seconds are the engine's least.
    pub(crate) fn set_state_sync(&self, trust: &Trust) -> Result<()> {
        let path = self.engine.join("config/config.toml");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let before = text.split_once(STATE_SYNC).map_or(text.as_str(), |(before, _)| before);
        let servers: Vec<String> = trust.rpc_ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        let (servers, height, hash) = (servers.join(","), trust.height, &trust.block_hash);
        let section = format!(
            r#"enable = true
rpc_servers = "{servers}"
trust_height = {height}
trust_hash = "{hash}"
trust_period = "168h0m0s"
discovery_time = "5s"
chunk_request_timeout = "5s"
"#
        );
        write(&path, &format!("{before}{STATE_SYNC}{section}"))
    }
}

/// Ports that nobody has, no two alike. They are free again for the engines when all of them are chosen.
fn free_ports(count: usize) -> Result<Vec<u16>> {
    let mut held = Vec::new();
    for _ in 0..PORTS_TRIED_MAX {
        let port = rand::rng().random_range(PORTS);
        held.extend(TcpListener::bind(("127.0.0.1", port)).map(|listener| (port, listener)));
        if held.len() == count {
            return Ok(held.into_iter().map(|(port, _)| port).collect());
        }
    }
    bail!("too few free ports on loopback: expected={count} got={}", held.len());
}

fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ports_differ_and_are_none_that_an_outgoing_connection_gets() {
        let ports = free_ports(60).expect("ports");
        assert_eq!(ports.iter().collect::<BTreeSet<_>>().len(), 60);
        assert!(ports.iter().all(|port| PORTS.contains(port)), "{ports:?}");
    }
}
