//! The endpoint as Prometheus, a probe and a browser see it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use migrate_core::{BlockReport, ErrorKind, Mode, Observer};
use migrate_metrics::{Endpoint, Error, Hold, Metrics, Progress, State};

fn serve() -> (Arc<Metrics>, Endpoint) {
    let metrics = Arc::new(Metrics::new());
    let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let endpoint = Endpoint::start(free, Arc::clone(&metrics)).expect("a port");
    (metrics, endpoint)
}

fn opened() -> BlockReport {
    BlockReport {
        height: 7,
        version: 0,
        mode: Mode::MigrateEvm,
        boundary_module: Some("evm".to_owned()),
        paused: false,
        remaining: vec![("evm".to_owned(), 30)],
        moved_keys: 10,
        app_hash: [1; 32],
        commit_elapsed: Duration::ZERO,
    }
}

/// Head and body of an answer.
fn ask(endpoint: &Endpoint, line: &str) -> (String, String) {
    let mut stream = TcpStream::connect(endpoint.address()).expect("connects");
    stream.write_all(format!("{line} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).expect("writes");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("reads");
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
    (head.to_owned(), body.to_owned())
}

#[track_caller]
fn check(endpoint: &Endpoint, path: &str, status: u16, said: &str) {
    let (head, body) = ask(endpoint, &format!("GET {path}"));
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {head}");
    assert!(body.contains(said), "{path}: {body}");
}

#[test]
fn a_node_is_ready_once_it_is_open_and_healthy_until_it_fails() {
    let (metrics, endpoint) = serve();
    check(&endpoint, "/healthz", 200, "ok");
    check(&endpoint, "/readyz", 503, "being opened");
    metrics.opened(&opened());
    check(&endpoint, "/readyz", 200, "ok");
    metrics.hold(Some(Hold::Paused));
    check(&endpoint, "/healthz", 200, "ok");
    check(&endpoint, "/readyz", 200, "ok");
    metrics.failed(ErrorKind::Io);
    check(&endpoint, "/healthz", 503, "kind=io");
    check(&endpoint, "/readyz", 503, "kind=io");
}

#[test]
fn the_status_reads_back_and_the_scrape_tells_the_same_state() {
    let (metrics, endpoint) = serve();
    metrics.opened(&opened());
    metrics.hold(Some(Hold::Paused));
    let (head, body) = ask(&endpoint, "GET /status.json");
    assert!(head.contains("Content-Type: application/json"), "{head}");
    let progress: Progress = serde_json::from_str(&body).expect("JSON");
    assert_eq!((progress.state, progress.height, progress.remaining_keys), (State::Paused, 7, 30));
    assert_eq!(progress.eta_seconds, None);
    let (head, scrape) = ask(&endpoint, "GET /metrics");
    assert!(head.contains("Content-Type: application/openmetrics-text; version=1.0.0"), "{head}");
    assert!(scrape.contains("ferry_state{state=\"paused\"} 1\n"), "{scrape}");
    assert!(scrape.contains("ferry_state{state=\"moving\"} 0\n"), "{scrape}");
    assert!(scrape.ends_with("# EOF\n"));
}

#[test]
fn the_page_loads_nothing_from_elsewhere_and_nothing_can_be_changed() {
    let (_metrics, endpoint) = serve();
    let (head, page) = ask(&endpoint, "GET /");
    assert!(head.contains("Content-Security-Policy: default-src 'none'"), "{head}");
    for foreign in ["http:", "https:", "src=", "@import", "url(", "innerHTML"] {
        let found = page.replace("http://www.w3.org/2000/svg", "");
        assert!(!found.contains(foreign), "{foreign}");
    }
    check(&endpoint, "/nothing", 404, "known are");
    for method in ["POST", "PUT", "DELETE"] {
        let (head, _) = ask(&endpoint, &format!("{method} /"));
        assert!(head.starts_with("HTTP/1.1 405 ") && head.contains("Allow: GET, HEAD"), "{head}");
    }
}

#[test]
fn an_address_that_is_taken_is_an_error_that_names_it() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    let refused = Endpoint::start(address, Arc::new(Metrics::new())).expect_err("taken");
    assert!(matches!(refused, Error::Listen { .. }) && refused.to_string().contains(&address.to_string()), "{refused}");
    let (_, endpoint) = serve();
    let address = endpoint.address();
    endpoint.close();
    drop(TcpListener::bind(address).expect("closing frees the port"));
}

#[test]
fn a_checkpoint_is_the_beginning_of_the_app_hash_at_a_round_height() {
    let (metrics, endpoint) = serve();
    let block = |height| BlockReport { height, app_hash: [0xff; 32], ..opened() };
    metrics.block(&block(999));
    check(&endpoint, "/metrics", 200, "ferry_checkpoint_height 0\n");
    metrics.block(&block(2000));
    metrics.block(&BlockReport { app_hash: [0; 32], ..block(2001) });
    check(&endpoint, "/metrics", 200, "ferry_checkpoint_height 2000\n");
    check(&endpoint, "/metrics", 200, "ferry_checkpoint_app_hash 281474976710655\n");
}
