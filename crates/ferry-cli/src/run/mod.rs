//! `ferry run`: moves a node's state without a chain, block by block or, of a stopped node, at once.

mod live;
mod offline;

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use ferry::drive::BATCH_KEYS_MAX;

use crate::exit::Exit;
use crate::goal::Goal;
use crate::home;
use crate::output::Output;
use crate::settings::NodeArgs;
use crate::signals::Signals;
use crate::units;

/// Move a node's state from memiavl to FlatKV without a chain: block by block, or at once.
///
/// Block by block: makes empty blocks, takes the steps of the write mode, and ends when the goal is reached. `ferry ctl`
/// pauses, resumes, stops it and changes the batch size meanwhile; `ferry status` and `ferry top` watch it. The line on
/// stderr always says rate, remaining keys, ETA, and why it does not move when it does not. A node of a living chain must
/// not be driven so: its blocks are its chain's, and a block of its own parts it from the others for good.
///
/// With --offline: all keys that the migrations up to a mode have left to move become rows of the home's last block, on
/// all cores. That block's app hash stays as it is; the next block's is the first with the new roots. So this is a step
/// of the whole chain: every node must stop at the same block and import behind it, and a home at another height is
/// refused. A signal, an error or a crash leaves the state as it was, or, from one moment on, as it is to be.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Example:
  ferry run --home DIR --batch-keys 10000
  ferry run --home DIR --to evm_migrated --blocks-per-second 2 --metrics-addr 127.0.0.1:9464
  ferry run --home DIR --offline --at-height 1200000 --to evm_migrated")]
pub(crate) struct Args {
    #[command(flatten)]
    node: NodeArgs,
    /// The mode that the node is in afterwards; all is the last one.
    #[arg(long, value_name = "MODE", value_enum, default_value_t = Goal::FlatkvOnly)]
    to: Goal,
    /// Keys that a block moves; with 0 it is paused until `ferry ctl batch` gives another number. By default what
    /// chain.batch_keys says, and 1000 if that says 0.
    #[arg(long, value_name = "KEYS", value_parser = clap::value_parser!(u64).range(..=BATCH_KEYS_MAX), conflicts_with = "offline")]
    batch_keys: Option<u64>,
    /// The pace in blocks a second; as fast as it goes by default.
    #[arg(long, value_name = "BLOCKS", value_parser = parse_pace, conflicts_with_all = ["offline", "every"])]
    blocks_per_second: Option<Pace>,
    /// The pace as the time from block to block: 500ms, 2s, 1min.
    #[arg(long, value_name = "TIME", value_parser = units::parse_span, conflicts_with = "offline")]
    every: Option<Duration>,
    /// Stop behind so many blocks; exit code 7 if the goal is not reached by then.
    #[arg(long, value_name = "N", conflicts_with = "offline")]
    blocks: Option<u64>,
    /// Make empty blocks and nothing else: nothing moves, no step of the write mode is taken. Needs --blocks.
    #[arg(long, requires = "blocks", conflicts_with_all = ["offline", "to"])]
    empty: bool,
    /// Where `ferry ctl` and `ferry status` find this process; by default data/state_commit/ferry.sock in the home.
    #[arg(long, value_name = "PATH", conflicts_with = "offline")]
    socket: Option<PathBuf>,
    /// Serve /metrics, /healthz, /readyz, /status.json and a page for people here: an address, or a port of this machine
    /// alone.
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address, conflicts_with = "offline")]
    metrics_addr: Option<SocketAddr>,
    /// The node is stopped; this program alone works on its home, and moves everything at once.
    #[arg(long, requires = "at_height")]
    offline: bool,
    /// With --offline: the block that the whole chain has agreed on, the home's last one.
    #[arg(long, value_name = "HEIGHT", requires = "offline")]
    at_height: Option<u64>,
    /// With --offline: threads that move keys; as many as program.threads says by default.
    #[arg(long, value_name = "N", requires = "offline")]
    threads: Option<NonZeroU64>,
    /// Die by SIGKILL at this named point.
    #[arg(long, value_name = "POINT", hide = true, requires = "offline")]
    kill_at: Option<offline::At>,
    /// Get a SIGINT at this named point.
    #[arg(long, value_name = "POINT", hide = true, requires = "offline")]
    interrupt_at: Option<offline::At>,
}

/// The time from block to block that a number of blocks a second comes to.
#[derive(Clone, Copy, Debug)]
struct Pace(Duration);

/// A number that is no pace.
#[derive(Debug, thiserror::Error)]
#[error("expected a number of blocks a second above 0; got={got}")]
struct NoPace {
    got: String,
}

fn parse_pace(text: &str) -> Result<Pace, NoPace> {
    let no_pace = || NoPace { got: text.to_owned() };
    let blocks: f64 = text.parse().map_err(|_| no_pace())?;
    Duration::try_from_secs_f64(1.0 / blocks).map(Pace).map_err(|_| no_pace())
}

/// A text that is no address.
#[derive(Debug, thiserror::Error)]
#[error("expected an address such as 127.0.0.1:9464, or a port; got={got}")]
struct NoAddress {
    got: String,
}

/// An address; a port alone is one of this machine, which nobody else reaches.
fn parse_address(text: &str) -> Result<SocketAddr, NoAddress> {
    let port = || text.parse().map(|port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    text.parse().or_else(|_| port()).map_err(|_| NoAddress { got: text.to_owned() })
}

/// Runs the command.
///
/// # Errors
/// A home that is in use or damaged, or, offline, at another height; what a block meets; I/O.
pub(crate) fn run(args: &Args, output: Output, signals: &Signals) -> anyhow::Result<Exit> {
    home::require_node(&args.node.home)?;
    match args.at_height {
        Some(at_height) => offline::run(args, at_height, output, signals),
        None => live::run(args, output, signals),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_is_a_number_of_blocks_above_none() {
        assert_eq!(parse_pace("4").expect("a pace").0, Duration::from_millis(250));
        assert_eq!(parse_pace("0.1").expect("a pace").0, Duration::from_secs(10));
        for wrong in ["0", "-1", "nan", "fast", "", "1e-300"] {
            assert!(parse_pace(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_port_alone_is_reached_from_this_machine_alone() {
        assert_eq!(parse_address("9464").expect("an address").to_string(), "127.0.0.1:9464");
        assert_eq!(parse_address("[::1]:0").expect("an address").to_string(), "[::1]:0");
        for wrong in ["", "localhost", "70000", "127.0.0.1", "a:1"] {
            assert!(parse_address(wrong).is_err(), "{wrong}");
        }
    }
}
