//! A line of the journal as JSON: what is exported, and what is read back to be compared.

use bytes::Bytes;
use ferry::{Boundary, JournalLine, ModuleCount};
use serde::{Deserialize, Serialize};

use crate::output::SCHEMA_VERSION;

/// What an exported line says that it is.
pub(super) const COMMAND: &str = "journal";

/// A line with its head, as a file has it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Headed {
    schema_version: u64,
    command: String,
    record: String,
    #[serde(flatten)]
    line: LineForm,
}

/// A line; records, sums and roots are in hex.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LineForm {
    pub(super) height: u64,
    pub(super) migration_version: u64,
    pub(super) boundary_from: String,
    pub(super) boundary: String,
    pub(super) moved_keys: u64,
    pub(super) moved_key_bytes: u64,
    pub(super) moved_value_bytes: u64,
    pub(super) left: String,
    pub(super) entered: String,
    pub(super) flatkv_root: String,
    pub(super) app_hash: String,
    pub(super) moved_keys_total: Vec<ModuleForm>,
    pub(super) committed_unix_ms: u64,
    pub(super) work_us: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ModuleForm {
    pub(super) module: String,
    pub(super) keys: u64,
}

impl Headed {
    pub(super) fn new(line: &JournalLine) -> Self {
        let (command, record) = (COMMAND.to_owned(), "line".to_owned());
        Self { schema_version: SCHEMA_VERSION, command, record, line: line.into() }
    }

    /// The line; none if this is another command's or its bytes are none.
    pub(super) fn line(self) -> Option<JournalLine> {
        let is_ours = (self.schema_version, self.command.as_str()) == (SCHEMA_VERSION, COMMAND);
        if is_ours { self.line.line() } else { None }
    }
}

impl From<&JournalLine> for LineForm {
    fn from(line: &JournalLine) -> Self {
        let module = |count: &ModuleCount| ModuleForm { module: count.module.clone(), keys: count.keys };
        Self {
            height: line.height,
            migration_version: line.version,
            boundary_from: hex::encode(&line.boundary_from),
            boundary: hex::encode(&line.boundary),
            moved_keys: line.keys,
            moved_key_bytes: line.key_bytes,
            moved_value_bytes: line.value_bytes,
            left: hex::encode(&line.left),
            entered: hex::encode(&line.entered),
            flatkv_root: hex::encode(&line.root),
            app_hash: hex::encode(&line.app_hash),
            moved_keys_total: line.moved.iter().map(module).collect(),
            committed_unix_ms: line.unix_ms,
            work_us: line.work_us,
        }
    }
}

impl LineForm {
    fn line(self) -> Option<JournalLine> {
        let bytes = |text: &str| hex::decode(text).ok().map(Bytes::from);
        let module = |module: ModuleForm| ModuleCount { module: module.module, keys: module.keys };
        Some(JournalLine {
            height: self.height,
            version: self.migration_version,
            boundary: bytes(&self.boundary)?,
            keys: self.moved_keys,
            key_bytes: self.moved_key_bytes,
            value_bytes: self.moved_value_bytes,
            root: bytes(&self.flatkv_root)?,
            app_hash: bytes(&self.app_hash)?,
            moved: self.moved_keys_total.into_iter().map(module).collect(),
            boundary_from: bytes(&self.boundary_from)?,
            left: bytes(&self.left)?,
            entered: bytes(&self.entered)?,
            unix_ms: self.committed_unix_ms,
            work_us: self.work_us,
        })
    }
}

/// A boundary record for people.
pub(super) fn cursor(record: &[u8]) -> String {
    match record {
        [] => "none".to_owned(),
        record => match Boundary::decode(record) {
            Ok(Boundary::InProgress { module, key }) => {
                format!("{} {}", String::from_utf8_lossy(&module), hex::encode(key))
            }
            Ok(Boundary::NotStarted) => "not started".to_owned(),
            Ok(Boundary::Complete) => "complete".to_owned(),
            Err(_) => format!("damaged: {}", hex::encode(record)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_survives_its_json_and_other_objects_are_none() {
        let line = JournalLine {
            height: 7,
            version: 1,
            boundary: Boundary::in_progress("evm", "k").encode().into(),
            keys: 3,
            moved: vec![ModuleCount { module: "evm".to_owned(), keys: 3 }],
            left: vec![1; 32].into(),
            unix_ms: 5,
            ..JournalLine::default()
        };
        let text = serde_json::to_string(&Headed::new(&line)).expect("a line");
        let read: Headed = serde_json::from_str(&text).expect("parses");
        assert_eq!(read.line(), Some(line));
        let other: Headed = serde_json::from_str(&text.replace("\"journal\"", "\"status\"")).expect("parses");
        assert_eq!(other.line(), None);
    }
}
