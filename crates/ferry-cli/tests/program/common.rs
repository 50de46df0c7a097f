//! The built program, homes to run it on, and recordings to change.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::Value;
use tempfile::TempDir;

/// A recorded piece of a node's life.
pub(crate) fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(path)
}

/// The program, with nothing of the caller's environment that it listens to.
pub(crate) fn ferry(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ferry"));
    command
        .args(arguments)
        .env_remove("FERRY_HOME")
        .env_remove("FERRY_CONFIG")
        .env_remove("FERRY_LOG")
        .env("NO_COLOR", "1")
        .stdin(Stdio::null());
    command
}

/// Runs the program to its end: exit code, stdout, stderr.
pub(crate) fn run(arguments: &[&str]) -> Ended {
    Ended::from(ferry(arguments).output().expect("the program starts"))
}

/// A run that is over.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        let code = output.status.code().expect("an exit code, not a signal");
        Self { code, stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

impl Ended {
    /// Stdout as JSON, after checking the exit code.
    pub(crate) fn json(&self, code: i32) -> Value {
        assert_eq!(self.code, code, "stdout={} stderr={}", self.stdout, self.stderr);
        let value: Value =
            serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout));
        assert_eq!(value["schema_version"], 1);
        value
    }

    /// An error on stderr and nothing on stdout.
    pub(crate) fn refused(&self, code: i32, said: &str) {
        assert_eq!(self.code, code, "stdout={} stderr={}", self.stdout, self.stderr);
        assert_eq!(self.stdout, "");
        assert!(self.stderr.contains(said), "expected {said:?} in {}", self.stderr);
    }
}

/// A home in a temporary directory.
pub(crate) struct Home {
    pub(crate) directory: TempDir,
}

impl Home {
    /// With nothing in it.
    pub(crate) fn empty() -> Self {
        Self { directory: tempfile::tempdir().expect("a temporary directory") }
    }

    /// With a recorded memiavl.
    pub(crate) fn recorded(life: &str) -> Self {
        let home = Self::empty();
        copy(&fixture(life).join("memiavl"), &home.path().join("data/state_commit/memiavl"));
        home
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn text(&self) -> &str {
        self.path().to_str().expect("UTF-8")
    }

    /// Every path below the home with its bytes. The lock file is left out: taking the lock makes it.
    pub(crate) fn bytes(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        collect(self.path(), &mut files);
        files
    }
}

fn collect(directory: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(directory).expect("reads") {
        let path = entry.expect("reads").path();
        if path.is_dir() {
            files.insert(path.clone(), Vec::new());
            collect(&path, files);
        } else if path.file_name().is_some_and(|name| name != "LOCK") {
            files.insert(path.clone(), fs::read(&path).expect("reads"));
        }
    }
}

/// Copies a directory, and makes the copy writable.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("creates");
    for entry in fs::read_dir(from).expect("reads") {
        let path = entry.expect("reads").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::write(target, fs::read(&path).expect("reads")).expect("writes");
        }
    }
}

pub(crate) fn unpack(path: &Path) -> String {
    let mut text = String::new();
    GzDecoder::new(fs::File::open(path).expect("opens")).read_to_string(&mut text).expect("unpacks");
    text
}

pub(crate) fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).expect("a Vec takes bytes");
    encoder.finish().expect("a Vec takes bytes")
}

/// A recording that can be changed.
pub(crate) struct Recording {
    pub(crate) lines: Vec<Value>,
    directory: TempDir,
}

impl Recording {
    pub(crate) fn of(life: &str) -> Self {
        let text = unpack(&fixture(life).join("blocks.jsonl.gz"));
        let lines = text.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect();
        Self { lines, directory: tempfile::tempdir().expect("a temporary directory") }
    }

    /// The line of a height.
    pub(crate) fn at(&mut self, height: u64) -> &mut Value {
        self.lines.iter_mut().find(|line| line["height"] == height).expect("a recorded height")
    }

    /// Writes it; the path.
    pub(crate) fn write(&self) -> String {
        let text: String = self.lines.iter().map(|line| format!("{line}\n")).collect();
        self.write_bytes(text.as_bytes())
    }

    /// Writes these bytes instead; the path.
    pub(crate) fn write_bytes(&self, bytes: &[u8]) -> String {
        let path = self.directory.path().join("blocks");
        fs::write(&path, bytes).expect("writes");
        path.to_str().expect("UTF-8").to_owned()
    }
}

/// `text`, hex digits, with the lowest bit of its last byte flipped.
pub(crate) fn flipped(text: &Value) -> Value {
    let mut bytes = hex::decode(text.as_str().expect("hex")).expect("hex");
    *bytes.last_mut().expect("a byte") ^= 1;
    hex::encode(bytes).into()
}
