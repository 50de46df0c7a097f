//! What `cargo xtask chain` tells a node through its environment. A chain of your own leaves this out.

use anyhow::{Context, bail};
use ferry::{KillHook, KillPoint};
use signal_hook::consts::SIGKILL;
use signal_hook::low_level::raise;

/// `POINT:COUNT`: the process kills itself at so many hits of this point of the commit.
const KILL_AT: &str = "CHAIN_KILL_AT";
/// So many keys less than all others are moved by each block: the node must be found out.
const KEYS_LESS: &str = "CHAIN_KEYS_LESS";

/// What the node calls at each kill point, if it is to die at one.
pub(crate) fn kill_hook() -> anyhow::Result<Option<KillHook>> {
    let Ok(text) = std::env::var(KILL_AT) else { return Ok(None) };
    let (name, count) = text.rsplit_once(':').with_context(|| format!("{KILL_AT}: expected POINT:COUNT got={text}"))?;
    let Some(wanted) = KillPoint::ALL.into_iter().find(|point| point.as_str() == name) else {
        bail!("{KILL_AT}: no such kill point: got={name}");
    };
    let mut left: u64 = count.parse().with_context(|| format!("{KILL_AT}: expected a count got={count}"))?;
    Ok(Some(Box::new(move |point| {
        if point == wanted {
            left = left.saturating_sub(1);
            if left == 0 {
                raise(SIGKILL).expect("a process may kill itself");
            }
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
