//! What `cargo xtask chain` tells a node through its environment. A chain of your own leaves this out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, ensure};
use example_chain::AtPoint;
use ferry::{KillPoint, RestorePoint};
use signal_hook::consts::SIGKILL;
use signal_hook::low_level::raise;

/// `POINT:COUNT`: the process kills itself at so many hits of this point of a commit or of a snapshot that comes in.
const KILL_AT: &str = "CHAIN_KILL_AT";
/// So many keys less than all others are moved by each block: the node must be found out.
const KEYS_LESS: &str = "CHAIN_KEYS_LESS";

/// What the node calls at each such point, if it is to die at one.
pub(crate) fn at_point() -> anyhow::Result<Option<AtPoint>> {
    let Ok(text) = std::env::var(KILL_AT) else { return Ok(None) };
    let (name, count) = text.rsplit_once(':').with_context(|| format!("{KILL_AT}: expected POINT:COUNT got={text}"))?;
    let mut known =
        KillPoint::ALL.map(KillPoint::as_str).into_iter().chain(RestorePoint::ALL.map(RestorePoint::as_str));
    ensure!(known.any(|known| known == name), "{KILL_AT}: no such point: got={name}");
    let count: u64 = count.parse().with_context(|| format!("{KILL_AT}: expected a count got={count}"))?;
    let (wanted, hits) = (name.to_owned(), AtomicU64::new(0));
    Ok(Some(Arc::new(move |point| {
        if point == wanted && hits.fetch_add(1, Ordering::Relaxed) + 1 == count {
            raise(SIGKILL).expect("a process may kill itself");
        }
    })))
}

/// How many keys less than the chain's plan says are to be moved.
pub(crate) fn keys_less() -> anyhow::Result<u64> {
    match std::env::var(KEYS_LESS) {
        Ok(text) => text.parse().with_context(|| format!("{KEYS_LESS}: expected a number got={text}")),
        Err(_) => Ok(0),
    }
}
