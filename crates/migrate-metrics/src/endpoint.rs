//! The pages of a node on a port: for Prometheus, for probes, and one for people.
//!
//! ```text
//! GET /metrics      the scrape, OpenMetrics
//! GET /healthz      200, or 503 with the reason while the migration has failed
//! GET /readyz       200 once the node is open and has not failed, else 503
//! GET /status.json  a Progress
//! GET /             the same as a page that asks for it every second; it loads nothing from anywhere
//! ```
//! Nothing can be changed through it, and whoever reaches the port may read: the address is loopback unless it is chosen
//! otherwise.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use crate::error::Error;
use crate::http::{Limits, Listener, Request, Response, Server};
use crate::metrics::Metrics;
use crate::state::State;

const PAGE: &str = include_str!("endpoint/page.html");
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The page runs its own script and style and asks its own origin, and nobody frames it.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                           connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// A port that is served. Dropping it ends that.
#[derive(Debug)]
pub struct Endpoint {
    address: SocketAddr,
    server: Server,
}

impl Endpoint {
    /// Serves `metrics` at `address`; port 0 takes a free one.
    ///
    /// # Errors
    /// An address that cannot be listened on; no thread to be had.
    pub fn start(address: SocketAddr, metrics: Arc<Metrics>) -> Result<Self, Error> {
        let listen = |source| Error::Listen { address, source };
        let listener = TcpListener::bind(address).map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let answer = move |request: &Request| answer(request, &metrics);
        Ok(Self { address, server: Server::start(Listener::Tcp(listener), Limits::default(), answer)? })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it: when this returns, the port is free.
    pub fn close(self) {
        self.server.close();
    }
}

fn answer(request: &Request, metrics: &Metrics) -> Response {
    if request.method != "GET" {
        return Response::text(405, "nothing can be changed here").with("Allow", "GET, HEAD");
    }
    match request.path.as_str() {
        "/" => Response::new("text/html; charset=utf-8", PAGE)
            .with("Content-Security-Policy", PAGE_POLICY)
            .with("Referrer-Policy", "no-referrer"),
        "/metrics" => Response::new(OPEN_METRICS, metrics.encode()),
        "/status.json" => match serde_json::to_string(&metrics.progress()) {
            Ok(json) => Response::json(json),
            Err(error) => Response::text(500, &error.to_string()),
        },
        "/healthz" => probe(metrics, &[State::Failed]),
        "/readyz" => probe(metrics, &[State::Failed, State::Starting]),
        _ => Response::text(404, "known are /, /metrics, /status.json, /healthz and /readyz"),
    }
}

/// 200, unless the migration is in one of these states.
fn probe(metrics: &Metrics, unfit: &[State]) -> Response {
    let progress = metrics.progress();
    if unfit.contains(&progress.state) { Response::text(503, &progress.reason) } else { Response::text(200, "ok") }
}
