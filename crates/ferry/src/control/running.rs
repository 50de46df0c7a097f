//! What a running node says of itself.

use boundary::Boundary;
use migrate_core::Mode;
use migrate_metrics::Progress;
use serde::{Deserialize, Serialize};

use crate::drive::{CheckpointNews, Wish};
use crate::status::{ModuleStatus, Status};

/// A running node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Running {
    /// The process.
    pub process_id: u32,
    /// Whether an operator has paused it.
    pub paused: bool,
    /// Keys that a block moves.
    pub batch_keys: u64,
    /// How the migration stands, and why.
    pub progress: Progress,
    /// The last checkpoint that somebody asked for.
    #[serde(default)]
    pub checkpoint: Option<CheckpointNews>,
    node: Wire,
}

/// A [`Status`] as it goes through the socket: names for modes, lower-case hex for bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Wire {
    height: u64,
    memiavl_height: Option<u64>,
    flatkv_height: Option<u64>,
    write_mode: String,
    migration_version: u64,
    boundary: Option<String>,
    flatkv_root: Option<String>,
    modules: Vec<WireModule>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct WireModule {
    name: String,
    moved_keys: u64,
    remaining_keys: u64,
}

impl Running {
    pub(super) fn new(wish: Wish, progress: Progress, status: Status, checkpoint: Option<CheckpointNews>) -> Self {
        let modules = status.modules.into_iter().map(|module| WireModule {
            name: module.name,
            moved_keys: module.moved,
            remaining_keys: module.remaining,
        });
        let node = Wire {
            height: status.height,
            memiavl_height: status.memiavl_height,
            flatkv_height: status.flatkv_height,
            write_mode: status.mode.as_str().to_owned(),
            migration_version: status.version,
            boundary: status.boundary.map(|boundary| hex::encode(boundary.encode())),
            flatkv_root: status.root.map(hex::encode),
            modules: modules.collect(),
        };
        let Wish { paused, batch_keys, .. } = wish;
        Self { process_id: std::process::id(), paused, batch_keys, progress, checkpoint, node }
    }

    /// Reads what was answered, head and all.
    ///
    /// # Errors
    /// In words: no HTTP answer, a refusal, another form.
    pub(super) fn read(answer: &str) -> Result<Self, String> {
        let (head, body) = answer.split_once("\r\n\r\n").ok_or("no HTTP answer")?;
        if head.split(' ').nth(1) != Some("200") {
            return Err(body.trim().to_owned());
        }
        serde_json::from_str(body).map_err(|error| error.to_string())
    }

    /// What the node holds, as [`inspect`](crate::inspect) tells it of one that does not run; none if another version of
    /// the program said something that this one does not know.
    pub fn status(&self) -> Option<Status> {
        let node = &self.node;
        let mode: Mode = node.write_mode.parse().ok()?;
        let boundary = match &node.boundary {
            Some(record) => Some(Boundary::decode(&hex::decode(record).ok()?).ok()?),
            None => None,
        };
        let root = match &node.flatkv_root {
            Some(root) => Some(hex::decode(root).ok()?.try_into().ok()?),
            None => None,
        };
        let modules = node.modules.iter().map(|module| ModuleStatus {
            route: mode.route(&module.name),
            name: module.name.clone(),
            moved: module.moved_keys,
            remaining: module.remaining_keys,
        });
        Some(Status {
            height: node.height,
            memiavl_height: node.memiavl_height,
            flatkv_height: node.flatkv_height,
            mode,
            version: node.migration_version,
            boundary,
            root,
            modules: modules.collect(),
        })
    }
}
