//! A browser, driven through chromedriver by the `WebDriver` protocol: JSON over HTTP on this machine.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// How long a page may take to be as it is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running chromedriver. It ends with this value, and its browsers with it.
pub(super) struct Driver {
    child: Child,
    port: u16,
}

impl Driver {
    /// Starts it; its browsers keep their profiles in `profiles`.
    pub(super) fn start(program: &Path, profiles: &Path) -> Result<Self> {
        let mut child = super::piped(Command::new(program).arg("--port=0").env("TMPDIR", profiles))?;
        let stdout = child.stdout.take().context("chromedriver has no output")?;
        for line in BufReader::new(stdout).lines() {
            let line = line.context("cannot read chromedriver's output")?;
            let port = line.split("started successfully on port ").nth(1);
            if let Some(port) = port.and_then(|rest| rest.trim_end_matches('.').parse().ok()) {
                return Ok(Self { child, port });
            }
        }
        bail!("chromedriver did not say on which port it listens")
    }

    /// A window of a browser of its own.
    pub(super) fn session(&self, browser: &Path) -> Result<Session<'_>> {
        let arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage"];
        let options = json!({ "binary": browser, "args": arguments });
        let wanted = json!({ "goog:chromeOptions": options, "goog:loggingPrefs": { "browser": "ALL" } });
        let made = self.ask("POST", "/session", &json!({ "capabilities": { "alwaysMatch": wanted } }))?;
        let id = made["sessionId"].as_str().context("chromedriver gave no session")?.to_owned();
        let session = Session { driver: self, id };
        session.post("timeouts", &json!({ "script": u64::try_from(PATIENCE.as_millis())? }))?;
        Ok(session)
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).context("cannot reach chromedriver")?;
        stream.set_read_timeout(Some(PATIENCE * 2))?;
        let body = if method == "POST" { body.to_string() } else { String::new() };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(body.as_bytes())?;
        let body = body_of(BufReader::new(stream)).context("chromedriver gave no answer")?;
        let mut answer: Value = serde_json::from_slice(&body).context("chromedriver's answer is no JSON")?;
        let value = answer["value"].take();
        if let Some(error) = value.get("error").filter(|error| error.is_string()) {
            bail!("{path}: {error} {}", value["message"]);
        }
        Ok(value)
    }
}

/// The body of an answer, as long as its head says: chromedriver keeps the connection.
fn body_of(mut answer: impl BufRead) -> Result<Vec<u8>> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        answer.read_line(&mut line)?;
        if line.trim().is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().context("no length")?;
        }
    }
    let mut body = Vec::new();
    answer.take(length).read_to_end(&mut body)?;
    Ok(body)
}

impl Drop for Driver {
    fn drop(&mut self) {
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            eprintln!("page: chromedriver did not end: {error}");
        }
    }
}

/// A window. It closes with this value.
pub(super) struct Session<'a> {
    driver: &'a Driver,
    id: String,
}

impl Session<'_> {
    fn post(&self, what: &str, body: &Value) -> Result<Value> {
        self.driver.ask("POST", &format!("/session/{}/{what}", self.id), body)
    }

    pub(super) fn open(&self, address: &str) -> Result<()> {
        self.post("url", &json!({ "url": address })).map(drop)
    }

    /// A command of the browser's own protocol.
    pub(super) fn emulate(&self, command: &str, parameters: &Value) -> Result<()> {
        self.post("goog/cdp/execute", &json!({ "cmd": command, "params": parameters })).map(drop)
    }

    /// The value with which a script calls its last argument.
    pub(super) fn run_async(&self, script: &str) -> Result<Value> {
        self.post("execute/async", &json!({ "script": script, "args": [] }))
    }

    /// What the browser's console has of errors.
    pub(super) fn errors(&self) -> Result<Vec<Value>> {
        let log = self.post("se/log", &json!({ "type": "browser" }))?;
        let lines = log.as_array().cloned().unwrap_or_default();
        Ok(lines.into_iter().filter(|line| line["level"] == "SEVERE").collect())
    }

    /// The window as a PNG.
    pub(super) fn screenshot(&self) -> Result<Vec<u8>> {
        let path = format!("/session/{}/screenshot", self.id);
        let picture = self.driver.ask("GET", &path, &Value::Null)?;
        base64(picture.as_str().context("no picture")?).context("a picture that is not Base64")
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.driver.ask("DELETE", &format!("/session/{}", self.id), &Value::Null) {
            eprintln!("page: a window did not close: {error:#}");
        }
    }
}

/// The bytes of a text in Base64; none if it is not.
fn base64(text: &str) -> Option<Vec<u8>> {
    let digit = |c: u8| match c {
        b'A'..=b'Z' => Some(c - b'A'),
        b'a'..=b'z' => Some(c - b'a' + 26),
        b'0'..=b'9' => Some(c - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held) = (0_u32, 0);
    for c in text.trim_end_matches('=').bytes() {
        bits = bits << 6 | u32::from(digit(c)?);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held & 0xff) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_with_and_without_padding() {
        assert_eq!(base64("").as_deref(), Some(b"".as_slice()));
        assert_eq!(base64("Zg==").as_deref(), Some(b"f".as_slice()));
        assert_eq!(base64("Zm8=").as_deref(), Some(b"fo".as_slice()));
        assert_eq!(base64("Zm9vYmFy").as_deref(), Some(b"foobar".as_slice()));
        assert_eq!(base64("+/8=").as_deref(), Some([0xfb, 0xff].as_slice()));
        assert_eq!(base64("Zm9 v"), None);
    }
}
