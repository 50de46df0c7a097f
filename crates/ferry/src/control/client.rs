//! The socket, on the side of whoever asks.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::message::Command;
use super::running::Running;
use super::server::check_length;
use crate::error::Error;

/// How long an answer may take: the server answers between two turns of its loop.
const PATIENCE: Duration = Duration::from_secs(10);
/// The most bytes of an answer; a node of a hundred modules says 20 KiB.
const ANSWER_BYTES_MAX: u64 = 4 << 20;

/// Asks the process that listens at `path`, and returns how it stands afterwards.
///
/// # Errors
/// Nobody who listens there, [`Error::NotRunning`]; an answer that is none or says no; I/O.
pub fn ask(path: &Path, command: Command) -> Result<Running, Error> {
    check_length(path)?;
    let mut stream = UnixStream::connect(path).map_err(|source| Error::NotRunning { path: path.to_owned(), source })?;
    let answer = exchange(&mut stream, command).map_err(|source| Error::Io {
        action: "ask the running node",
        path: path.to_owned(),
        source,
    })?;
    Running::read(&answer).map_err(|said| Error::Answer { path: path.to_owned(), said })
}

fn exchange(stream: &mut UnixStream, command: Command) -> std::io::Result<String> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(format!("{} HTTP/1.1\r\n\r\n", command.line()).as_bytes())?;
    let mut answer = String::new();
    stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer)?;
    stream.shutdown(Shutdown::Both).or_else(|error| match error.kind() {
        // The server has hung up, as it does.
        std::io::ErrorKind::NotConnected => Ok(()),
        _ => Err(error),
    })?;
    Ok(answer)
}
