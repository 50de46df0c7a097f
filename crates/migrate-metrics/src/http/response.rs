//! An answer, and its bytes.

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    status: u16,
    content_type: &'static str,
    headers: Vec<(&'static str, &'static str)>,
    body: String,
}

impl Response {
    /// A body of some type with 200.
    pub fn new(content_type: &'static str, body: impl Into<String>) -> Self {
        Self { status: 200, content_type, headers: Vec::new(), body: body.into() }
    }

    /// A line of text with a status.
    pub fn text(status: u16, line: &str) -> Self {
        Self { status, ..Self::new("text/plain; charset=utf-8", format!("{line}\n")) }
    }

    /// JSON.
    pub fn json(body: impl Into<String>) -> Self {
        Self::new("application/json", body)
    }

    /// With one more header; neither name nor value come from outside.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }

    /// As it goes over the wire. Nothing is kept anywhere, and nobody guesses at types.
    pub(super) fn encode(&self, with_body: bool) -> Vec<u8> {
        let Self { status, content_type, headers, body } = self;
        let mut text = format!(
            "HTTP/1.1 {status} {}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\nConnection: close\r\n\
             Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n",
            reason(*status),
            body.len()
        );
        for (name, value) in headers {
            text += &format!("{name}: {value}\r\n");
        }
        text += "\r\n";
        if with_body {
            text += body;
        }
        text.into_bytes()
    }
}

const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Unknown",
    }
}
