//! One connection: reads a request, writes the answer, waits for the client to hang up.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use nix::poll::PollFlags;

use super::request::{Malformed, Request};
use super::{Handler, Response};

/// Bytes that a client may still send while it is waited for: one that hangs up in the middle of sending would lose the
/// answer.
const DRAINED_BYTES_MAX: usize = 64 << 10;

/// A client, over either kind of socket.
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn end_writing(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Self::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}

enum Stage {
    Reading(Vec<u8>),
    Writing { bytes: Vec<u8>, written: usize },
    Draining { read: usize },
}

/// A connection on its way.
pub(super) struct Connection {
    stream: Stream,
    stage: Stage,
    /// By when it must be over, whatever it does.
    pub(super) deadline: Instant,
}

/// Whether there is more to come of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Waits,
    Ended,
}

impl Connection {
    /// `stream` does not block.
    pub(super) fn new(stream: Stream, deadline: Instant) -> Self {
        Self { stream, stage: Stage::Reading(Vec::new()), deadline }
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.stream.fd()
    }

    /// Whether it has not finished asking.
    pub(super) fn is_asking(&self) -> bool {
        matches!(self.stage, Stage::Reading(_))
    }

    pub(super) fn waits_for(&self) -> PollFlags {
        match self.stage {
            Stage::Reading(_) | Stage::Draining { .. } => PollFlags::POLLIN,
            Stage::Writing { .. } => PollFlags::POLLOUT,
        }
    }

    /// Goes on as far as the client lets it.
    pub(super) fn advance(&mut self, handler: &mut impl Handler, head_bytes_max: usize) -> Step {
        loop {
            let gone = match &mut self.stage {
                Stage::Reading(_) => self.read(handler, head_bytes_max),
                Stage::Writing { .. } => self.write(),
                Stage::Draining { .. } => self.drain(),
            };
            match gone {
                Ok(Step::Waits) => {}
                Ok(Step::Ended) => return Step::Ended,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Step::Waits,
                // The client is gone; there is nobody to tell.
                Err(_) => return Step::Ended,
            }
        }
    }

    fn read(&mut self, handler: &mut impl Handler, head_bytes_max: usize) -> io::Result<Step> {
        let Stage::Reading(head) = &mut self.stage else { return Ok(Step::Waits) };
        let mut buffer = [0; 1024];
        let room = head_bytes_max.saturating_sub(head.len()).min(buffer.len());
        let read = self.stream.read(&mut buffer[..room])?;
        if read == 0 && room > 0 {
            return Ok(Step::Ended);
        }
        head.extend_from_slice(&buffer[..read]);
        let (response, with_body) = match Request::parse(head) {
            Ok(None) if head.len() < head_bytes_max => return Ok(Step::Waits),
            Ok(None) => (Response::text(431, "the request is too long"), true),
            Err(Malformed) => (Response::text(400, "this is no HTTP/1 request"), true),
            Ok(Some(request)) => (answer(handler, request.clone()), request.method != "HEAD"),
        };
        self.stage = Stage::Writing { bytes: response.encode(with_body), written: 0 };
        Ok(Step::Waits)
    }

    fn write(&mut self) -> io::Result<Step> {
        let Stage::Writing { bytes, written } = &mut self.stage else { return Ok(Step::Waits) };
        *written += self.stream.write(&bytes[*written..])?;
        if *written == bytes.len() {
            self.stream.end_writing()?;
            self.stage = Stage::Draining { read: 0 };
        }
        Ok(Step::Waits)
    }

    fn drain(&mut self) -> io::Result<Step> {
        let Stage::Draining { read } = &mut self.stage else { return Ok(Step::Waits) };
        let more = self.stream.read(&mut [0; 1024])?;
        *read += more;
        Ok(if more == 0 || *read > DRAINED_BYTES_MAX { Step::Ended } else { Step::Waits })
    }
}

/// The handler's answer; HEAD is answered as GET, without the body. One that panics costs nobody but this client.
fn answer(handler: &mut impl Handler, mut request: Request) -> Response {
    if request.method == "HEAD" {
        "GET".clone_into(&mut request.method);
    }
    catch_unwind(AssertUnwindSafe(|| handler.answer(&request)))
        .unwrap_or_else(|_| Response::text(500, "the answer could not be made, this is a bug in ferry"))
}
