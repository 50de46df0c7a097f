//! The calls of a consensus engine, over a real socket, without the engine.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::mpsc::{self, Receiver};
use std::thread;

use example_chain::{App, Chain, Error, Settings, SnapshotSettings, serve};
use prost::Message;
use tendermint_proto::v0_38::abci::request::Value as Request;
use tendermint_proto::v0_38::abci::response::Value as Response;
use tendermint_proto::v0_38::abci::{
    self, RequestCheckTx, RequestFinalizeBlock, RequestFlush, RequestInitChain, RequestQuery, ResponseInfo,
};

use common::{Load, genesis, migrate, user};

mod common;

/// An app on a socket, and where it tells of what it has no answer to.
struct Served {
    app: App,
    socket: std::path::PathBuf,
    failed: Receiver<Error>,
}

fn start(directory: &Path) -> Served {
    let chain = Chain::open(&directory.join("home"), Settings::default()).expect("the chain opens");
    let app = App::new(chain, SnapshotSettings::default(), |_| ());
    let socket = directory.join("socket");
    let listener = UnixListener::bind(&socket).expect("a socket");
    let (sender, failed) = mpsc::channel();
    let served = app.clone();
    thread::spawn(move || serve(&listener, &served, &sender));
    Served { app, socket, failed }
}

/// A connection of the engine.
struct Engine(UnixStream);

impl Engine {
    fn connect(served: &Served) -> Self {
        Self(UnixStream::connect(&served.socket).expect("a connection"))
    }

    fn ask(&mut self, request: Request) -> Response {
        let messages = [request, Request::Flush(RequestFlush {})]
            .map(|value| abci::Request { value: Some(value) }.encode_length_delimited_to_vec());
        // Sent as one: behind an exception the app hangs up, and may have done so before a second one was sent.
        self.0.write_all(&messages.concat()).expect("sent");
        let answer = self.read();
        if !matches!(answer, Response::Exception(_)) {
            assert!(matches!(self.read(), Response::Flush(_)));
        }
        answer
    }

    fn read(&mut self) -> Response {
        let mut bytes = Vec::new();
        loop {
            let mut byte = [0];
            self.0.read_exact(&mut byte).expect("an answer");
            bytes.push(byte[0]);
            if byte[0] < 0x80 {
                break;
            }
        }
        let length = prost::decode_length_delimiter(bytes.as_slice()).expect("a length");
        let mut message = vec![0; length];
        self.0.read_exact(&mut message).expect("an answer");
        abci::Response::decode(message.as_slice()).expect("a response").value.expect("a value")
    }

    fn info(&mut self) -> ResponseInfo {
        let Response::Info(info) = self.ask(Request::Info(Default::default())) else { panic!("no info") };
        info
    }

    fn init(&mut self) {
        let app_state_bytes = serde_json::to_vec(&genesis()).expect("genesis").into();
        self.ask(Request::InitChain(RequestInitChain { app_state_bytes, ..Default::default() }));
    }

    fn block(&mut self, height: i64, txs: Vec<Vec<u8>>) -> Vec<u8> {
        let txs = txs.into_iter().map(Into::into).collect();
        let request = RequestFinalizeBlock { height, txs, ..Default::default() };
        let Response::FinalizeBlock(block) = self.ask(Request::FinalizeBlock(request)) else { panic!("no block") };
        assert!(matches!(self.ask(Request::Commit(Default::default())), Response::Commit(_)));
        block.app_hash.to_vec()
    }

    fn query(&mut self, path: &str, height: i64, data: Vec<u8>) -> abci::ResponseQuery {
        let request = RequestQuery { path: path.to_owned(), height, data: data.into(), prove: true };
        let Response::Query(answer) = self.ask(Request::Query(request)) else { panic!("no answer") };
        answer
    }
}

#[test]
fn an_engine_that_comes_back_finds_the_height_and_hash_that_it_was_told() {
    let directory = tempfile::tempdir().expect("a directory");
    let served = start(directory.path());
    let mut engine = Engine::connect(&served);
    assert_eq!(engine.info().last_block_height, 0);
    engine.init();
    let mut load = Load::new(5);
    engine.block(1, load.txs(5));
    drop(engine);

    // The engine died after a block was worked out and before it was committed, and asks for it again.
    let mut engine = Engine::connect(&served);
    let txs = load.txs(5);
    let request = RequestFinalizeBlock { height: 2, txs: vec![txs[0].clone().into()], ..Default::default() };
    engine.ask(Request::FinalizeBlock(request));
    drop(engine);
    let mut engine = Engine::connect(&served);
    assert_eq!(engine.info().last_block_height, 1);
    let app_hash = engine.block(2, txs);
    let info = engine.info();
    assert_eq!((info.last_block_height, info.last_block_app_hash.to_vec()), (2, app_hash));
    served.app.close().expect("closed");
}

#[test]
fn a_query_is_answered_at_two_heights_with_a_proof_where_there_is_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let served = start(directory.path());
    let mut engine = Engine::connect(&served);
    engine.init();
    let nonce = |user: example_chain::Address| [&[0x0a], user.0.as_slice()].concat();
    let sent = |nonce| {
        let action = example_chain::Action::Transfer { to: user(1), amount: 1 };
        example_chain::Tx { sender: user(0), nonce, action }.to_bytes()
    };
    engine.block(1, vec![sent(0)]);
    engine.block(2, vec![sent(1), migrate(0, 100, "evm_migrated")]);
    let mut readers = Engine::connect(&served);
    for (height, expected) in [(1, 1u64), (2, 2), (0, 2)] {
        let answer = readers.query("store/evm", height, nonce(user(0)));
        assert_eq!(answer.value.as_ref(), expected.to_be_bytes(), "height {height}");
        assert_eq!(answer.proof_ops.expect("a proof").ops.len(), 2);
    }
    engine.block(3, vec![]);
    let moved = readers.query("store/evm", 0, nonce(user(0)));
    assert_eq!(moved.value.as_ref(), 2u64.to_be_bytes());
    assert!(moved.proof_ops.is_none() && !moved.log.is_empty(), "a moved key has no proof: {}", moved.log);
    assert_ne!(readers.query("store/evm", 99, nonce(user(0))).code, 0, "a height that is not kept");
    assert_ne!(readers.query("store/nothing", 0, vec![1]).code, 0, "an unknown module");
    let status = readers.query("status", 0, vec![]);
    let status: serde_json::Value = serde_json::from_slice(&status.value).expect("JSON");
    assert_eq!(status["height"], 3);
    assert_eq!(status["plan_goal"], "evm_migrated");
    served.app.close().expect("closed");
}

#[test]
fn the_mempool_takes_what_may_come_and_refuses_what_was_or_is_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let served = start(directory.path());
    let mut engine = Engine::connect(&served);
    engine.init();
    engine.block(1, vec![migrate(0, 0, "memiavl_only")]);
    let mut code = |tx: Vec<u8>| {
        let request = RequestCheckTx { tx: tx.into(), ..Default::default() };
        let Response::CheckTx(answer) = engine.ask(Request::CheckTx(request)) else { panic!("no answer") };
        answer.code
    };
    assert_eq!(code(migrate(1, 0, "memiavl_only")), 0);
    assert_eq!(code(migrate(2, 0, "memiavl_only")), 0, "a later one waits");
    assert_ne!(code(migrate(0, 0, "memiavl_only")), 0, "it was there already");
    assert_ne!(code(b"{".to_vec()), 0);
    served.app.close().expect("closed");
}

#[test]
fn an_engine_at_another_block_gets_an_exception_and_the_program_is_told() {
    let directory = tempfile::tempdir().expect("a directory");
    let served = start(directory.path());
    let mut engine = Engine::connect(&served);
    engine.init();
    let request = RequestFinalizeBlock { height: 7, ..Default::default() };
    let Response::Exception(exception) = engine.ask(Request::FinalizeBlock(request)) else { panic!("no exception") };
    assert!(exception.error.contains("expected=1 got=7"), "{}", exception.error);
    let error = served.failed.recv().expect("told");
    assert!(matches!(error, Error::Height { expected: 1, got: 7 }));
}
