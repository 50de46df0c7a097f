//! The recorded lives in `fixtures/`: blocks as the reference applied them, and directories as it left them.
//!
//! ```text
//! <life>.blocks.jsonl.gz   per block: height, upgrades, flushes, root hash of each store, app hash
//! <life>.dir.jsonl.gz      per file: path and content in hex, or the target of a link
//! <life>.sha256            where the directory is too large to carry: the hash of each file
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use changeset::{AppHash, Hash, KvPair, NamedChangeSet, TreeNameUpgrade};
use flate2::read::GzDecoder;
use serde_json::Value;
use tempfile::TempDir;

/// One recorded block.
pub(crate) struct Block {
    pub(crate) height: u64,
    pub(crate) upgrades: Vec<TreeNameUpgrade>,
    pub(crate) flushes: Vec<Vec<NamedChangeSet>>,
    pub(crate) roots: Vec<(String, Hash)>,
    pub(crate) app_hash: AppHash,
}

/// The recorded blocks of `life`, in order.
pub(crate) fn blocks(life: &str) -> impl Iterator<Item = Block> + use<> {
    lines(&format!("{life}.blocks.jsonl.gz")).map(|line| block(&line))
}

/// The trees that `life` starts with.
pub(crate) fn initial_stores(life: &str) -> Vec<String> {
    let first = blocks(life).next().expect("a block");
    first.roots.into_iter().map(|(name, _)| name).collect()
}

/// The directory of `life` as the reference left it.
pub(crate) fn unpack(life: &str) -> TempDir {
    let dir = tempfile::tempdir().expect("temporary directory");
    for file in lines(&format!("{life}.dir.jsonl.gz")) {
        let path = dir.path().join(text(&file["path"]));
        fs::create_dir_all(path.parent().expect("a parent")).expect("directory made");
        match file.get("link") {
            Some(target) => symlink(text(target), path).expect("link made"),
            None => fs::write(path, bytes(&file["hex"])).expect("file written"),
        }
    }
    dir
}

/// The files below `dir` with their content, links as their target; `LOCK` left out.
pub(crate) fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut ahead = vec![dir.to_owned()];
    while let Some(at) = ahead.pop() {
        for entry in fs::read_dir(&at).expect("listed") {
            let entry = entry.expect("entry");
            let (path, kind) = (entry.path(), entry.file_type().expect("kind"));
            let name = path.strip_prefix(dir).expect("below").to_owned();
            if kind.is_dir() {
                ahead.push(path);
            } else if kind.is_symlink() {
                found.insert(name, fs::read_link(path).expect("link").into_os_string().into_encoded_bytes());
            } else if name != Path::new("LOCK") {
                found.insert(name, fs::read(path).expect("read"));
            }
        }
    }
    found
}

/// The hash of each file of `life`'s directory.
pub(crate) fn file_hashes(life: &str) -> BTreeMap<PathBuf, String> {
    let text = fs::read_to_string(fixture(&format!("{life}.sha256"))).expect("fixture");
    text.lines()
        .map(|line| line.split_once("  ").expect("two columns"))
        .map(|(hash, path)| (path.into(), hash.into()))
        .collect()
}

fn fixture(name: &str) -> PathBuf {
    // A package elsewhere in the repository, which checks the proofs, uses the same fixtures.
    let mut above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let found = above.find_map(|dir| Some(dir.join("crates/memiavl/fixtures").join(name)).filter(|path| path.exists()));
    found.unwrap_or_else(|| panic!("no fixture {name}"))
}

fn lines(name: &str) -> impl Iterator<Item = Value> + use<> {
    let file = fs::File::open(fixture(name)).expect("fixture");
    BufReader::new(GzDecoder::new(file)).lines().map(|line| serde_json::from_str(&line.expect("line")).expect("json"))
}

fn block(line: &Value) -> Block {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let hash = |value: &Value| Hash::try_from(bytes(value)).expect("32 bytes");
    let mut roots: Vec<(String, Hash)> =
        line["stores"].as_object().expect("stores").iter().map(|(name, root)| (name.clone(), hash(root))).collect();
    roots.sort();
    Block {
        height: line["height"].as_u64().expect("height"),
        upgrades: list(&line["upgrades"]).iter().map(upgrade).collect(),
        flushes: list(&line["flushes"]).iter().map(|flush| list(flush).iter().map(changes).collect()).collect(),
        roots,
        app_hash: hash(&line["app_hash"]),
    }
}

fn upgrade(value: &Value) -> TreeNameUpgrade {
    TreeNameUpgrade {
        name: text(&value["name"]).to_owned(),
        rename_from: value["rename_from"].as_str().unwrap_or_default().to_owned(),
        delete: value["delete"].as_bool().unwrap_or_default(),
    }
}

fn changes(value: &Value) -> NamedChangeSet {
    let pairs = value["pairs"].as_array().expect("pairs").iter().map(|pair| {
        if pair["delete"].as_bool().unwrap_or_default() {
            KvPair::delete(bytes(&pair["k"]))
        } else {
            KvPair::set(bytes(&pair["k"]), bytes(&pair["v"]))
        }
    });
    NamedChangeSet::new(text(&value["store"]), pairs.collect())
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a string")
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap_or_default()).expect("hex")
}
