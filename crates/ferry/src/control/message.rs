//! What is asked through the socket: a command is the first line of an HTTP request.

use crate::drive::BATCH_KEYS_MAX;

/// What is asked of a running node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// How it stands.
    Status,
    /// To make no more blocks.
    Pause,
    /// To make them again.
    Resume,
    /// To move so many keys with each block.
    Batch(u64),
    /// To end behind the block in work.
    Stop,
}

/// A request that is no command: the answer's status, and what is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoCommand {
    pub(super) status: u16,
    pub(super) said: &'static str,
}

impl Command {
    /// As it is asked for.
    pub(super) fn line(self) -> String {
        match self {
            Self::Status => "GET /status.json".to_owned(),
            Self::Pause => "POST /pause".to_owned(),
            Self::Resume => "POST /resume".to_owned(),
            Self::Batch(keys) => format!("POST /batch?keys={keys}"),
            Self::Stop => "POST /stop".to_owned(),
        }
    }

    /// The command that a request asks for.
    ///
    /// # Errors
    /// What is no command, with what there is instead.
    pub(super) fn read(method: &str, path: &str, query: &str) -> Result<Self, NoCommand> {
        let refused = |status, said| Err(NoCommand { status, said });
        match (method, path) {
            ("GET", "/status.json") => Ok(Self::Status),
            ("POST", "/pause") => Ok(Self::Pause),
            ("POST", "/resume") => Ok(Self::Resume),
            ("POST", "/stop") => Ok(Self::Stop),
            ("POST", "/batch") => match query.strip_prefix("keys=").and_then(|keys| keys.parse().ok()) {
                Some(keys) if keys <= BATCH_KEYS_MAX => Ok(Self::Batch(keys)),
                _ => refused(400, "a batch is a number of keys, at most a million: POST /batch?keys=1000"),
            },
            (_, "/status.json" | "/pause" | "/resume" | "/stop" | "/batch") => {
                refused(405, "GET /status.json; POST everything else")
            }
            _ => refused(404, "known are /status.json, /pause, /resume, /batch and /stop"),
        }
    }
}
