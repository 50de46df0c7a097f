//! A request's head, as far as this server must understand it.
//!
//! ```text
//! METHOD SP /path[?query] SP HTTP/1.x CRLF    headers, unread, up to an empty line
//! ```

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method, in capitals.
    pub method: String,
    /// The path, as it was sent.
    pub path: String,
    /// What stands behind the question mark; empty without one.
    pub query: String,
}

impl Request {
    /// The request whose head begins `bytes`; none while the head is not whole.
    ///
    /// # Errors
    /// What no HTTP/1 client sends.
    pub(super) fn parse(bytes: &[u8]) -> Result<Option<Self>, Malformed> {
        let ends = |end: &[u8]| bytes.windows(end.len()).any(|window| window == end);
        if !ends(b"\r\n\r\n") && !ends(b"\n\n") {
            return Ok(None);
        }
        let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        // Visible ASCII only, so that nothing of a request can reach a terminal or a log in another form.
        if !line.iter().all(|byte| *byte == b' ' || byte.is_ascii_graphic()) {
            return Err(Malformed);
        }
        let line = str::from_utf8(line).map_err(|_| Malformed)?;
        let mut words = line.split(' ');
        let (Some(method), Some(target), Some(version), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(Malformed);
        };
        let is_method = !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase());
        if !is_method || !target.starts_with('/') || !version.starts_with("HTTP/1.") {
            return Err(Malformed);
        }
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Ok(Some(Self { method: method.to_owned(), path: path.to_owned(), query: query.to_owned() }))
    }
}

/// Bytes that are no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_once_it_is_whole() {
        let head = b"GET /status.json?pretty HTTP/1.1\r\nHost: here\r\n\r\n";
        for cut in 0..head.len() {
            assert_eq!(Request::parse(&head[..cut]), Ok(None), "{cut}");
        }
        let (method, path, query) = ("GET".to_owned(), "/status.json".to_owned(), "pretty".to_owned());
        assert_eq!(Request::parse(head), Ok(Some(Request { method, path, query })));
        let bare = Request::parse(b"POST / HTTP/1.0\n\n").expect("sound").expect("whole");
        assert_eq!((bare.method.as_str(), bare.path.as_str(), bare.query.as_str()), ("POST", "/", ""));
    }

    #[test]
    fn what_is_no_request_is_malformed() {
        for line in [
            "",
            "GET",
            "GET /",
            "GET / HTTP/2",
            "get / HTTP/1.1",
            "GET x HTTP/1.1",
            "GET  / HTTP/1.1",
            "GET / HTTP/1.1 x",
            "GET /\u{7} HTTP/1.1",
            "GET /é HTTP/1.1",
            " / HTTP/1.1",
        ] {
            let head = format!("{line}\r\n\r\n");
            assert_eq!(Request::parse(head.as_bytes()), Err(Malformed), "{line:?}");
        }
        assert_eq!(Request::parse(&[0xff; 10]), Ok(None));
        assert_eq!(Request::parse(b"\x16\x03\x01\n\n"), Err(Malformed), "the beginning of TLS");
    }
}
