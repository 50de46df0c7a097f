//! Serves the page of a node in each state, with made-up figures, until its input ends: for `cargo xtask page`.
//!
//! Prints a line `STATE ADDRESS` for each, then an empty one.

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use migrate_core::{BlockReport, ErrorKind, FlushReport, Mode, Observer};
use migrate_metrics::{Endpoint, Hold, Metrics, Sample, Sizes, State};

/// Modules of the second migration; a name with markup in it, which no chain has, must come out as text.
const LEFT: [(&str, u64); 5] =
    [("acc", 0), ("authz", 12), ("distribution", 48_211), ("<img src=x onerror=alert(1)>", 3), ("wasm", 1_904_377)];

fn report(height: u64, mode: Mode, version: u64, left: &[(&str, u64)]) -> BlockReport {
    BlockReport {
        height,
        version,
        mode,
        boundary_module: None,
        paused: false,
        remaining: left.iter().map(|(name, keys)| ((*name).to_owned(), *keys)).collect(),
        moved_keys: 3_150_000,
        app_hash: [0; 32],
        commit_elapsed: Duration::ZERO,
    }
}

/// Metrics of a node in `state`; none for a state that takes time to come to.
fn metrics(state: State) -> Option<Metrics> {
    let metrics = Metrics::new();
    let moving = report(8_123_456, Mode::MigrateAllButBank, 1, &LEFT);
    if state == State::Stalled {
        return None;
    }
    if state != State::Starting {
        metrics.opened(&moving);
        for block in 0..90_u64 {
            // Times as of a node: a few milliseconds, and now and then a slow block.
            let micros = 4_000 + block * 7_919 % 3_000 + if block % 23 == 0 { 21_000 } else { 0 };
            let elapsed = Duration::from_micros(micros);
            metrics.flush(&FlushReport { moved_keys: 5, advanced: true, elapsed, ..FlushReport::default() });
            metrics.block(&BlockReport { height: moving.height + block, ..moving.clone() });
        }
    }
    match state {
        State::Starting | State::Moving | State::Stalled => {}
        State::Paused => metrics.hold(Some(Hold::Paused)),
        State::Throttled => metrics.hold(Some(Hold::Pace { interval: Duration::from_secs(6) })),
        State::WaitingForModeStep => metrics.block(&report(8_123_600, Mode::EvmMigrated, 1, &[])),
        State::Failed => metrics.failed(ErrorKind::Io),
        State::Done => metrics.block(&report(8_123_600, Mode::FlatkvOnly, 3, &[])),
    }
    let gib = 1 << 30;
    let sizes = Sizes { memiavl_bytes: 61 * gib, flatkv_bytes: 37 * gib + gib / 2, disk_free_bytes: 812 * gib };
    let sample = Sample { views_open: 3, sizes: Some(sizes), ..Sample::default() };
    metrics.start_sampling(Duration::from_secs(3600), move || sample).ok()?;
    Some(metrics)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut served = Vec::new();
    for state in State::ALL {
        let Some(metrics) = metrics(state) else { continue };
        let endpoint = Endpoint::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), Arc::new(metrics))?;
        println!("{} {}", state.as_str(), endpoint.address());
        served.push(endpoint);
    }
    println!();
    std::io::stdin().read_to_end(&mut Vec::new())?;
    served.into_iter().for_each(Endpoint::close);
    Ok(())
}
