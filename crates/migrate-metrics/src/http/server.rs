//! The thread that serves all connections.

use std::io::{self, ErrorKind, Write};
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::Handler;
use super::connection::{Connection, Step, Stream};
use crate::error::Error;

/// How long the listener rests when the system has no descriptor for a new connection: it would be asked in a circle.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// What the server grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once.
    pub connections_max: usize,
    /// Bytes of a request.
    pub head_bytes_max: usize,
    /// Time for everything from the connection to its end.
    pub deadline: Duration,
}

impl Default for Limits {
    /// Half a megabyte at the most, and more clients than a node has.
    fn default() -> Self {
        Self { connections_max: 64, head_bytes_max: 8 << 10, deadline: Duration::from_secs(5) }
    }
}

/// Where connections come from.
#[derive(Debug)]
pub enum Listener {
    /// A port.
    Tcp(TcpListener),
    /// A path.
    Unix(UnixListener),
}

impl Listener {
    fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(listener) => listener.as_fd(),
            Self::Unix(listener) => listener.as_fd(),
        }
    }

    fn set_nonblocking(&self) -> io::Result<()> {
        match self {
            Self::Tcp(listener) => listener.set_nonblocking(true),
            Self::Unix(listener) => listener.set_nonblocking(true),
        }
    }

    fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept()?;
                stream.set_nonblocking(true)?;
                Ok(Stream::Tcp(stream))
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept()?;
                stream.set_nonblocking(true)?;
                Ok(Stream::Unix(stream))
            }
        }
    }
}

/// A running server. It ends with [`close`](Self::close), or when it is dropped.
#[derive(Debug)]
pub struct Server {
    /// A byte sent here, or its end, wakes the thread and ends it.
    stop: UnixStream,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves what comes to `listener`, on a thread of its own.
    ///
    /// # Errors
    /// The system gives no thread or no descriptor.
    pub fn start(listener: Listener, limits: Limits, handler: impl Handler) -> Result<Self, Error> {
        let failed = |source| Error::Server { source };
        listener.set_nonblocking().map_err(failed)?;
        let (stop, stopped) = UnixStream::pair().map_err(failed)?;
        let state = Loop { listener, limits, handler, connections: Vec::new(), rests_until: None };
        let thread = std::thread::Builder::new().name("endpoint".to_owned()).spawn(move || state.run(&stopped));
        Ok(Self { stop, thread: Some(thread.map_err(failed)?) })
    }

    /// Ends the server: when this returns, its thread has ended, and port or path are free.
    pub fn close(self) {
        drop(self);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing to do about an error: then the other end is gone already.
        if let Err(error) = self.stop.write(&[0]) {
            debug_assert!(self.thread.as_ref().is_none_or(JoinHandle::is_finished), "{error}");
        }
        if let Some(thread) = self.thread.take() {
            // UNWRAP: the thread catches its handler's panics and has no other.
            thread.join().expect("the server's thread does not panic");
        }
    }
}

struct Loop<H> {
    listener: Listener,
    limits: Limits,
    handler: H,
    /// Oldest first.
    connections: Vec<Connection>,
    rests_until: Option<Instant>,
}

impl<H: Handler> Loop<H> {
    fn run(mut self, stopped: &UnixStream) {
        loop {
            let now = Instant::now();
            self.connections.retain(|connection| connection.deadline > now);
            self.rests_until = self.rests_until.filter(|until| *until > now);
            let Some(ready) = self.wait(stopped, now) else { return };
            let (handler, head_bytes_max) = (&mut self.handler, self.limits.head_bytes_max);
            let mut ready_ones = ready.connections.into_iter();
            self.connections.retain_mut(|connection| {
                let is_ready = ready_ones.next().unwrap_or(false);
                !is_ready || connection.advance(handler, head_bytes_max) == Step::Waits
            });
            if ready.listener {
                self.accept(Instant::now());
            }
        }
    }

    /// Waits until something can go on; none when the server is to end.
    fn wait(&self, stopped: &UnixStream, now: Instant) -> Option<Ready> {
        let accepts = if self.rests_until.is_none() { PollFlags::POLLIN } else { PollFlags::empty() };
        let mut fds = vec![PollFd::new(stopped.as_fd(), PollFlags::POLLIN), PollFd::new(self.listener.fd(), accepts)];
        fds.extend(self.connections.iter().map(|one| PollFd::new(one.fd(), one.waits_for())));
        let next = self.connections.iter().map(|one| one.deadline).chain(self.rests_until).min();
        // A millisecond more, so that what is due then is due.
        let left = next.map(|next| next.saturating_duration_since(now) + Duration::from_millis(1));
        let timeout = left.map_or(PollTimeout::NONE, |left| PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX));
        // An interruption is a wake-up for nothing.
        if poll(&mut fds, timeout).is_err() {
            return Some(Ready { listener: false, connections: Vec::new() });
        }
        let mut ready = fds.iter().map(|fd| fd.revents().is_none_or(|events| !events.is_empty()));
        if ready.next() == Some(true) {
            return None;
        }
        Some(Ready { listener: ready.next() == Some(true), connections: ready.collect() })
    }

    /// Takes in who waits. Beyond the limit the oldest that has not finished asking goes; those that are answered stay.
    fn accept(&mut self, now: Instant) {
        for _ in 0..self.limits.connections_max {
            let stream = match self.listener.accept() {
                Ok(stream) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::ConnectionAborted) => continue,
                Err(_) => {
                    self.rests_until = Some(now + ACCEPT_REST);
                    return;
                }
            };
            if self.connections.len() >= self.limits.connections_max {
                let oldest = self.connections.iter().position(Connection::is_asking).unwrap_or(0);
                self.connections.remove(oldest);
            }
            self.connections.push(Connection::new(stream, now + self.limits.deadline));
        }
    }
}

struct Ready {
    listener: bool,
    connections: Vec<bool>,
}
