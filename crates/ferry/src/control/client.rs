//! The socket, on the side of whoever asks.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::Duration;

use migrate_core::ErrorKind;

use super::message::Command;
use super::running::Running;
use super::server::check_length;
use crate::checkpoint::Checkpoint;
use crate::drive::CheckpointEnd;
use crate::error::Error;

/// How long an answer may take: the server answers between two turns of its loop.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a checkpoint that is being made is asked after.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// The most bytes of an answer; a node of a hundred modules says 20 KiB.
const ANSWER_BYTES_MAX: u64 = 4 << 20;

/// What a checkpoint can fail of.
const KINDS: [ErrorKind; 7] = [
    ErrorKind::Input,
    ErrorKind::Corruption,
    ErrorKind::Io,
    ErrorKind::Locked,
    ErrorKind::Refused,
    ErrorKind::Poisoned,
    ErrorKind::Retry,
];

/// Asks the process that listens at `path`, and returns how it stands afterwards.
///
/// # Errors
/// Nobody who listens there, [`Error::NotRunning`]; an answer that is none or says no; I/O.
pub fn ask(path: &Path, command: Command) -> Result<Running, Error> {
    ask_line(path, &command.line())
}

/// Asks the process that listens at `path` for a checkpoint of its node in `to`, and waits until it is made. `waits` is called
/// now and then meanwhile, and ends the waiting by breaking; the checkpoint is made all the same then.
///
/// # Errors
/// As [`ask`]; what the node says of the checkpoint.
pub fn checkpoint(path: &Path, to: &Path, waits: &mut dyn FnMut() -> ControlFlow<()>) -> Result<Checkpoint, Error> {
    let to = std::path::absolute(to).map_err(|source| Error::Io { action: "look at", path: to.to_owned(), source })?;
    let line = format!("POST /checkpoint?to={}", hex::encode(to.as_os_str().as_bytes()));
    let mut running = ask_line(path, &line)?;
    let number = running.checkpoint.as_ref().map(|asked| asked.number);
    loop {
        let asked = running.checkpoint.as_ref().filter(|asked| Some(asked.number) == number);
        let Some(asked) = asked else {
            let said = "another checkpoint was asked for meanwhile".to_owned();
            return Err(Error::Answer { path: path.to_owned(), said });
        };
        match &asked.end {
            Some(CheckpointEnd::Made { height, app_hash, bytes }) => {
                let hash = hex::decode(app_hash).ok().and_then(|hash| hash.try_into().ok());
                let said = || Error::Answer { path: path.to_owned(), said: format!("no app hash: {app_hash}") };
                return Ok(Checkpoint { height: *height, app_hash: hash.ok_or_else(said)?, bytes: *bytes });
            }
            Some(CheckpointEnd::Failed { kind, said }) => {
                let kind = KINDS.into_iter().find(|known| known.as_str() == kind).unwrap_or(ErrorKind::Input);
                return Err(Error::CheckpointRefused { kind, said: said.clone() });
            }
            None => {}
        }
        if waits().is_break() {
            return Err(migrate_core::Error::Cancelled.into());
        }
        thread::sleep(LOOK_INTERVAL);
        running = ask(path, Command::Status)?;
    }
}

fn ask_line(path: &Path, line: &str) -> Result<Running, Error> {
    check_length(path)?;
    let mut stream = UnixStream::connect(path).map_err(|source| Error::NotRunning { path: path.to_owned(), source })?;
    let answer = exchange(&mut stream, line).map_err(|source| Error::Io {
        action: "ask the running node",
        path: path.to_owned(),
        source,
    })?;
    Running::read(&answer).map_err(|said| Error::Answer { path: path.to_owned(), said })
}

fn exchange(stream: &mut UnixStream, line: &str) -> std::io::Result<String> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(format!("{line} HTTP/1.1\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer)?;
    stream.shutdown(Shutdown::Both).or_else(|error| match error.kind() {
        // The server has hung up, as it does.
        std::io::ErrorKind::NotConnected => Ok(()),
        _ => Err(error),
    })?;
    Ok(answer)
}
