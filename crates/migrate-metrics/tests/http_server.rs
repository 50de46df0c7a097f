//! The server under clients that are slow, broken, too many, or gone.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use migrate_metrics::http::{Limits, Listener, Request, Response, Server};

/// A deadline that a test waits out where it must.
const SHORT: Duration = Duration::from_millis(300);
/// One that no test waits out.
const LONG: Duration = Duration::from_secs(600);

fn answer(request: &Request) -> Response {
    match request.path.as_str() {
        "/panic" => panic!("planted: this page fails"),
        "/large" => Response::text(200, &"x".repeat(3 << 20)),
        path => Response::text(200, &format!("{} {path} {}", request.method, request.query)),
    }
}

fn serve(deadline: Duration) -> (Server, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let limits = Limits { connections_max: 8, head_bytes_max: 512, deadline };
    (Server::start(Listener::Tcp(listener), limits, answer).expect("starts"), address)
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("connects");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
    stream
}

fn exchange(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = connect(address);
    stream.write_all(request).expect("writes");
    read(stream)
}

/// Everything up to the end; nothing if the server hung up hard.
fn read(mut stream: impl Read) -> String {
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}"),
    }
    String::from_utf8(answer).expect("UTF-8")
}

#[track_caller]
fn is_alive(address: SocketAddr) {
    let answer = exchange(address, b"GET /alive HTTP/1.1\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("GET /alive \n"), "{answer}");
}

#[test]
fn a_page_is_served_whole_and_its_length_is_told() {
    let (server, address) = serve(LONG);
    let answer = exchange(address, b"GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{head}");
    assert_eq!(body, "GET /a b=c\n");
    let head_only = exchange(address, b"HEAD /a?b=c HTTP/1.1\r\n\r\n");
    assert_eq!(head_only, format!("{head}\r\n\r\n"), "as GET, without the body");
    let large = exchange(address, b"GET /large HTTP/1.1\r\n\r\n");
    assert!(large.len() > 3 << 20);
    server.close();
}

#[test]
fn broken_and_oversized_requests_are_told_so_and_harm_nobody() {
    let (_server, address) = serve(LONG);
    assert!(exchange(address, b"\x16\x03\x01\x02\x00\n\n").starts_with("HTTP/1.1 400 "), "TLS");
    assert!(exchange(address, b"GET / HTTP/2\r\n\r\n").starts_with("HTTP/1.1 400 "));
    let long = [b"GET /".as_slice(), &[b'a'; 4000], b" HTTP/1.1\r\n\r\n"].concat();
    let answer = exchange(address, &long);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    // Neither a line nor an end, byte for byte as many as are granted.
    assert!(exchange(address, &[b'a'; 512]).starts_with("HTTP/1.1 431 "));
    let body = [b"POST /a HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n".as_slice(), &[0; 5000]].concat();
    assert!(exchange(address, &body).starts_with("HTTP/1.1 200 "), "a body is not read");
    assert!(exchange(address, b"GET /panic HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 500 "));
    for request in [&b""[..], b"G", b"\r\n"] {
        let mut stream = connect(address);
        stream.write_all(request).expect("writes");
        stream.shutdown(Shutdown::Write).expect("ends");
        assert_eq!(read(stream), "", "{request:?}");
    }
    is_alive(address);
}

#[test]
fn a_client_that_is_slow_is_given_up_and_nobody_waits_for_it() {
    let (_server, address) = serve(SHORT);
    let began = Instant::now();
    let mut slow = connect(address);
    slow.write_all(b"GET /slow HT").expect("writes");
    is_alive(address);
    assert_eq!(read(slow), "", "hung up on");
    assert!(began.elapsed() >= SHORT, "not before its time");
    // One that asks and never reads: the answer does not fit the system's buffers.
    let mut deaf = connect(address);
    deaf.write_all(b"GET /large HTTP/1.1\r\n\r\n").expect("writes");
    is_alive(address);
    assert!(read(deaf).len() <= 4 << 20);
    is_alive(address);
}

#[test]
fn many_connections_push_out_those_that_do_not_ask() {
    let (_server, address) = serve(LONG);
    let idle: Vec<_> = (0..200).map(|_| connect(address)).collect();
    is_alive(address);
    // The newest are held, the others were hung up on: no more than the limit at once.
    let mut held = 0;
    for stream in idle {
        stream.set_nonblocking(true).expect("does not block");
        let mut byte = [0];
        held +=
            usize::from((&stream).read(&mut byte).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock));
    }
    assert!(held <= 8, "{held}");
    is_alive(address);
}

#[test]
fn closing_ends_the_thread_and_frees_the_port_whatever_clients_do() {
    let (server, address) = serve(LONG);
    let mut half = connect(address);
    half.write_all(b"GET /").expect("writes");
    is_alive(address);
    server.close();
    assert_eq!(read(half), "");
    TcpStream::connect(address).expect_err("nobody listens");
    drop(TcpListener::bind(address).expect("the port is free"));
}

#[test]
fn a_path_is_served_as_a_port_is() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("socket");
    let listener = Listener::Unix(UnixListener::bind(&path).expect("binds"));
    let _server = Server::start(listener, Limits::default(), answer).expect("starts");
    let mut stream = UnixStream::connect(&path).expect("connects");
    stream.write_all(b"POST /pause HTTP/1.1\r\n\r\n").expect("writes");
    assert!(read(stream).ends_with("\r\n\r\nPOST /pause \n"));
}
