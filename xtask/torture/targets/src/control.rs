//! What reaches a running node through a port or its control socket, and what it says of itself.

#[path = "../../../../crates/ferry/src/control/message.rs"]
#[expect(unreachable_pub, reason = "the facade shows commands to its callers")]
mod message;
#[path = "../../../../crates/migrate-metrics/src/http/request.rs"]
#[expect(unreachable_pub, reason = "the server shows requests to who answers them")]
mod request;
#[path = "../../../../crates/ferry/src/control/running.rs"]
#[expect(dead_code, unreachable_pub, reason = "a target asks nobody and shows nobody what was answered")]
mod running;

use message::Command;
use request::Request;
use running::Running;

/// The first byte says how many bytes arrive first; the rest is what a client sends. A request is the same however it
/// arrives, and reads back from what it says.
pub(crate) fn http_request(bytes: &[u8]) {
    let Some((first, sent)) = bytes.split_first() else { return };
    let arrived = sent.len() * usize::from(*first) / 255;
    let whole = Request::parse(sent);
    match Request::parse(&sent[..arrived]) {
        Ok(None) => {}
        early => assert_eq!(early, whole, "what follows a whole head changes it: arrived={arrived}"),
    }
    let Ok(Some(request)) = whole else { return };
    let Request { method, path, query } = &request;
    assert!([method, path, query].iter().all(|text| text.bytes().all(|byte| byte.is_ascii_graphic())), "{request:?}");
    let again = format!("{method} {path}?{query} HTTP/1.1\r\n\r\n");
    assert_eq!(Request::parse(again.as_bytes()), Ok(Some(request)));
}

/// A request to the control socket, or an answer of it. A command reads back from its own line; what a node says of itself
/// from its own text.
pub(crate) fn message(bytes: &[u8]) {
    if let Ok(Some(Request { method, path, query })) = Request::parse(bytes) {
        match Command::read(&method, &path, &query) {
            Ok(command) => {
                let line = format!("{} HTTP/1.1\r\n\r\n", command.line());
                let Ok(Some(again)) = Request::parse(line.as_bytes()) else { panic!("no request: {line:?}") };
                assert_eq!(Command::read(&again.method, &again.path, &again.query), Ok(command));
            }
            Err(refused) => assert!((400..500).contains(&refused.status) && !refused.said.is_empty()),
        }
    }
    let Ok(text) = str::from_utf8(bytes) else { return };
    let Ok(running) = Running::read(text) else { return };
    let json = serde_json::to_string(&running).expect("it came from JSON");
    let again = Running::read(&format!("HTTP/1.1 200 OK\r\n\r\n{json}")).expect("its own text");
    assert_eq!(again.status(), running.status());
}
