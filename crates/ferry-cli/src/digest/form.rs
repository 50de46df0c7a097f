//! A digest as JSON: what is printed, and what is read back to be compared.

use std::fs;
use std::path::Path;

use anyhow::Context;
use ferry::flatkv::Lane;
use ferry::{Digest, DigestRequest, ListedRow, ModuleDigest, RowsDigest};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::failure::Failure;
use crate::output::{Report, SCHEMA_VERSION};
use crate::{table, units};

/// A digest; bytes are in hex.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct DigestForm {
    height: u64,
    module: Option<String>,
    range: String,
    split_bytes: usize,
    rows: u64,
    digest: String,
    modules: Vec<ModuleForm>,
}

#[derive(Debug, Serialize, Deserialize)]
struct ModuleForm {
    module: String,
    rows: u64,
    digest: String,
    ranges: Vec<RangeForm>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    keys: Option<Vec<KeyForm>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct RangeForm {
    prefix: String,
    rows: u64,
    digest: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct KeyForm {
    key: String,
    lane: String,
    digest: String,
}

/// What every JSON object of the program begins with.
#[derive(Debug, Deserialize)]
struct Head {
    schema_version: u64,
    command: String,
}

impl From<&Digest> for DigestForm {
    fn from(digest: &Digest) -> Self {
        let module = |module: &ModuleDigest| ModuleForm {
            module: module.module.clone(),
            rows: module.whole.rows,
            digest: hex::encode(module.whole.digest),
            ranges: module.ranges.iter().map(|(prefix, sum)| range(prefix, sum)).collect(),
            keys: module.listed.as_ref().map(|rows| rows.iter().map(key).collect()),
        };
        Self {
            height: digest.height,
            module: digest.request.module.clone(),
            range: hex::encode(&digest.request.prefix),
            split_bytes: digest.request.split_bytes,
            rows: digest.whole.rows,
            digest: hex::encode(digest.whole.digest),
            modules: digest.modules.iter().map(module).collect(),
        }
    }
}

fn range(prefix: &[u8], sum: &RowsDigest) -> RangeForm {
    RangeForm { prefix: hex::encode(prefix), rows: sum.rows, digest: hex::encode(sum.digest) }
}

fn key(row: &ListedRow) -> KeyForm {
    KeyForm { key: hex::encode(&row.key), lane: row.lane.name().to_owned(), digest: hex::encode(row.digest) }
}

/// Reads a digest that `ferry digest --output json` printed.
///
/// # Errors
/// A file that cannot be read or is none.
pub(super) fn read(path: &Path) -> anyhow::Result<Digest> {
    let text = fs::read(path).with_context(|| format!("reading a digest: path={}", path.display()))?;
    let not_one = || Failure::NotADigest { path: path.to_owned() };
    let head: Head = serde_json::from_slice(&text).map_err(|_| not_one())?;
    if (head.schema_version, head.command.as_str()) != (SCHEMA_VERSION, DigestForm::COMMAND) {
        return Err(not_one().into());
    }
    let form: DigestForm = serde_json::from_slice(&text).map_err(|_| not_one())?;
    form.digest().ok_or_else(|| not_one().into())
}

impl DigestForm {
    /// The digest that this is the form of; none if its bytes are none.
    fn digest(self) -> Option<Digest> {
        let sum = |rows: u64, digest: &str| Some(RowsDigest { rows, digest: hash(digest)? });
        let modules = self.modules.into_iter().map(|module| {
            let ranges = module
                .ranges
                .iter()
                .map(|range| Some((hex::decode(&range.prefix).ok()?, sum(range.rows, &range.digest)?)));
            let listed = module.keys.map(|keys| keys.into_iter().map(KeyForm::row).collect::<Option<Vec<_>>>());
            let listed = match listed {
                Some(None) => return None,
                Some(listed) => listed,
                None => None,
            };
            Some(ModuleDigest {
                whole: sum(module.rows, &module.digest)?,
                ranges: ranges.collect::<Option<_>>()?,
                listed,
                module: module.module,
            })
        });
        Some(Digest {
            height: self.height,
            request: DigestRequest {
                module: self.module,
                prefix: hex::decode(&self.range).ok()?,
                split_bytes: self.split_bytes,
                threads: 1,
            },
            whole: sum(self.rows, &self.digest)?,
            modules: modules.collect::<Option<_>>()?,
        })
    }
}

impl KeyForm {
    fn row(self) -> Option<ListedRow> {
        let lane = Lane::ALL.into_iter().find(|lane| lane.name() == self.lane)?;
        Some(ListedRow { key: hex::decode(&self.key).ok()?, lane, digest: hash(&self.digest)? })
    }
}

fn hash(text: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    hex::decode_to_slice(text, &mut hash).ok()?;
    Some(hash)
}

impl Report for DigestForm {
    const COMMAND: &'static str = "digest";

    fn table(&self) -> String {
        let facts = table::facts([
            ("height", units::count(self.height)),
            ("rows", units::count(self.rows)),
            ("digest", self.digest.clone()),
        ]);
        if self.modules.is_empty() {
            return facts;
        }
        let modules =
            self.modules.iter().map(|module| [module.module.clone(), module.digest.clone(), units::count(module.rows)]);
        let mut text = format!("{facts}\n{}", table::figures(["module", "digest", "rows"], modules));
        // Of a whole state there are too many ranges to read; programs find them in the JSON.
        for module in self.modules.iter().filter(|_| !self.range.is_empty()) {
            let parts: Vec<_> = match &module.keys {
                Some(keys) => keys.iter().map(|key| [key.key.clone(), key.digest.clone(), "1".to_owned()]).collect(),
                None => {
                    let row =
                        |range: &RangeForm| [range.prefix.clone(), range.digest.clone(), units::count(range.rows)];
                    module.ranges.iter().map(row).collect()
                }
            };
            let first = if module.keys.is_some() { "key" } else { "range" };
            text += &format!("\n{}", table::figures([first, "digest", "rows"], parts));
        }
        text
    }

    fn records(&self) -> serde_json::Result<Vec<(&'static str, Value)>> {
        let mut whole = serde_json::to_value(self)?;
        if let Value::Object(fields) = &mut whole {
            fields.remove("modules");
        }
        let mut records = vec![("digest", whole)];
        let with_module = |name: &str, value: Value| {
            let mut value = value;
            if let Value::Object(fields) = &mut value {
                fields.insert("module".to_owned(), name.into());
            }
            value
        };
        for module in &self.modules {
            let of = serde_json::json!({"module": module.module, "rows": module.rows, "digest": module.digest});
            records.push(("module", of));
            for range in &module.ranges {
                records.push(("range", with_module(&module.module, serde_json::to_value(range)?)));
            }
            for key in module.keys.iter().flatten() {
                records.push(("key", with_module(&module.module, serde_json::to_value(key)?)));
            }
        }
        Ok(records)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_survives_its_json() {
        let sum = |rows, byte| RowsDigest { rows, digest: [byte; 32] };
        let listed = vec![ListedRow { key: vec![3, 1], lane: Lane::Storage, digest: [5; 32] }];
        let digest = Digest {
            height: 9,
            request: DigestRequest { module: Some("evm".to_owned()), prefix: vec![3], split_bytes: 1, threads: 1 },
            whole: sum(1, 7),
            modules: vec![ModuleDigest {
                module: "evm".to_owned(),
                whole: sum(1, 7),
                ranges: [(vec![3, 1], sum(1, 8))].into(),
                listed: Some(listed),
            }],
        };
        let form: DigestForm =
            serde_json::from_value(serde_json::to_value(DigestForm::from(&digest)).expect("a form")).expect("parses");
        assert_eq!(form.digest(), Some(digest));
    }
}
