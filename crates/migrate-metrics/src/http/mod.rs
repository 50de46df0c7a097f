//! A very small HTTP/1 server for pages about this process: no bodies, one request a connection.
//!
//! What it must stand is a client that is slow, broken, hostile or one of a thousand. So one thread serves all of them
//! with `poll`, each connection has one deadline for all it does, its request has a limit in bytes, and there are so many
//! connections and no more: a new one takes the place of the oldest that has not finished asking.
//!
//! Servers that are there to be had were not: tiny_http takes a thread per connection and has no deadlines, hyper wants an
//! asynchronous runtime, which is the host's choice and not ours.

mod connection;
mod request;
mod response;
mod server;

pub use request::Request;
pub use response::Response;
pub use server::{Limits, Listener, Server};

/// What answers requests, on the server's thread: at once, and without a lock that a commit holds.
pub trait Handler: Send + 'static {
    /// The answer to `request`.
    fn answer(&mut self, request: &Request) -> Response;
}

impl<F: FnMut(&Request) -> Response + Send + 'static> Handler for F {
    fn answer(&mut self, request: &Request) -> Response {
        self(request)
    }
}
