//! Talking to the process that runs a node: a socket on the same machine, for its owner alone.
//!
//! ```text
//! <home>/data/state_commit/ferry.sock   mode 600; HTTP/1, so that curl --unix-socket speaks it too
//!
//! GET  /status.json      how the node stands, a Running as JSON
//! POST /pause            no blocks are made
//! POST /resume           they are made again
//! POST /batch?keys=N     a block moves N keys from the next one on
//! POST /checkpoint?to=P  a checkpoint between two blocks, in the directory P (absolute, in hex)
//! POST /stop             the drive ends behind the block in work
//! ```
//! Every answer is the state behind the change, unless a block in work takes longer than a second. The path of a socket has
//! at most 107 bytes, a limit of the system.

mod client;
mod message;
mod running;
mod server;

use std::path::{Path, PathBuf};

pub use client::{ask, checkpoint};
pub use message::Command;
pub use running::Running;
pub use server::ControlSocket;

/// The most bytes of a socket's path: 108 with the zero at its end, as in `sockaddr_un`.
pub const SOCKET_PATH_BYTES_MAX: usize = 107;

/// Where the process that runs the home at `root` listens, unless it was told another place.
pub fn socket_path(root: &Path) -> PathBuf {
    root.join("data/state_commit/ferry.sock")
}
