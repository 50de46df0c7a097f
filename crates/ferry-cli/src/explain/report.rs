//! What is known of a key, in sentences and as JSON.

use ferry::migrate_core::Route;
use ferry::{Boundary, DecodedRow, Explanation, JournalLine, Passing, RowFields, Side};
use serde::Serialize;

use crate::output::Report;
use crate::words::readable;
use crate::{table, units};

#[derive(Debug, Serialize)]
pub(super) struct ExplainReport {
    height: u64,
    store: String,
    key: String,
    write_mode: &'static str,
    migration_version: u64,
    boundary_module: Option<String>,
    boundary_key: Option<String>,
    /// `memiavl`, `flatkv`, or `nowhere`.
    lives_in: &'static str,
    migrated: bool,
    why: String,
    passed_at_height: Option<u64>,
    passed_before_height: Option<u64>,
    passing: String,
    lane: Option<&'static str>,
    physical_key: Option<String>,
    flatkv_row: Option<String>,
    flatkv_row_height: Option<u64>,
    flatkv_account: Option<Account>,
    flatkv_value: Option<String>,
    memiavl_height: Option<u64>,
    memiavl_value: Option<String>,
    reader_value: Option<String>,
    #[serde(skip)]
    shown: Shown,
}

#[derive(Debug, Serialize)]
struct Account {
    balance: String,
    nonce: u64,
    code_hash: String,
}

/// Bytes as people read them.
#[derive(Debug)]
struct Shown {
    key: String,
    memiavl: String,
    flatkv: String,
    reader: String,
}

impl From<Explanation> for ExplainReport {
    fn from(explanation: Explanation) -> Self {
        let Explanation { module, key, mode, row, place, .. } = &explanation;
        let value = |value: &Option<bytes::Bytes>| value.as_ref().map(hex::encode);
        let shown = |value: &Option<bytes::Bytes>| value.as_ref().map_or("absent".to_owned(), |value| readable(value));
        let (boundary_module, boundary_key) = match &explanation.boundary {
            Some(Boundary::InProgress { module, key }) => {
                (Some(String::from_utf8_lossy(module).into_owned()), Some(hex::encode(key)))
            }
            _ => (None, None),
        };
        let (passed_at_height, passed_before_height) = match &explanation.passing {
            Passing::Block(line) => (Some(line.height), None),
            Passing::BeforeJournal { oldest } => (None, Some(*oldest)),
            Passing::NotYet => (None, None),
        };
        let account = row.as_ref().and_then(|row| match &row.fields {
            RowFields::Account { balance, nonce, code_hash } => {
                Some(Account { balance: hex::encode(balance), nonce: *nonce, code_hash: hex::encode(code_hash) })
            }
            RowFields::Value(_) => None,
        });
        Self {
            height: explanation.height,
            store: module.clone(),
            key: hex::encode(key),
            write_mode: mode.as_str(),
            migration_version: explanation.version,
            boundary_module,
            boundary_key,
            lives_in: match explanation.reader_side {
                Some(Side::Memiavl) => "memiavl",
                Some(Side::FlatKv) => "flatkv",
                None => "nowhere",
            },
            migrated: explanation.is_migrated,
            why: why(&explanation),
            passed_at_height,
            passed_before_height,
            passing: passing(&explanation),
            lane: place.as_ref().map(|place| place.lane().name()),
            physical_key: place.as_ref().map(|place| hex::encode(&place.physical)),
            flatkv_row: place.as_ref().and_then(|place| place.row.as_ref()).map(hex::encode),
            flatkv_row_height: row.as_ref().map(|row| row.height),
            flatkv_account: account,
            flatkv_value: value(&explanation.flatkv),
            memiavl_height: explanation.memiavl_height,
            memiavl_value: value(&explanation.memiavl),
            reader_value: value(&explanation.reader),
            shown: Shown {
                key: readable(key),
                memiavl: match explanation.memiavl_height {
                    None => "there is none any more".to_owned(),
                    Some(_) => shown(&explanation.memiavl),
                },
                flatkv: match place {
                    None => "does not exist yet, or cannot hold the key".to_owned(),
                    Some(_) => shown(&explanation.flatkv),
                },
                reader: shown(&explanation.reader),
            },
        }
    }
}

/// Why the key is where it is.
fn why(explanation: &Explanation) -> String {
    let Explanation { module, mode, .. } = explanation;
    let rule = match (explanation.route, explanation.is_migrated) {
        (Route::Old, _) => format!("in mode {mode} keys of {module} stay in memiavl"),
        (Route::New, _) => format!("in mode {mode} all keys of {module} are in FlatKV"),
        (Route::Moving, true) => format!("mode {mode} moves {module}, and the boundary has passed the key"),
        (Route::Moving, false) => format!("mode {mode} moves {module}, and the boundary has not come to the key"),
    };
    let exception = match (explanation.is_migrated, explanation.reader_side, explanation.memiavl.is_some()) {
        (false, Some(Side::FlatKv), _) => {
            "; memiavl does not have it, so it was new when it was written, and went to FlatKV ahead of the boundary"
        }
        (true, _, true) => "; what memiavl still has of it is read by nobody",
        (_, None, _) => "; neither store has it where it counts",
        _ => "",
    };
    rule + exception
}

/// Which block moved it.
fn passing(explanation: &Explanation) -> String {
    match &explanation.passing {
        Passing::NotYet => "no block so far".to_owned(),
        Passing::BeforeJournal { oldest } => {
            format!("a block before the journal's window, which begins with block {oldest}")
        }
        Passing::Block(line) => passed_by(line, explanation.row.as_ref()),
    }
}

fn passed_by(line: &JournalLine, row: Option<&DecodedRow>) -> String {
    let block = format!("the boundary passed it in block {}, which moved {} keys", line.height, line.keys);
    match row {
        None => format!("{block}; there is no row of it now"),
        Some(row) if row.height == line.height => format!("{block}; the row is of that block"),
        Some(row) if row.height > line.height => format!("{block}; the row was written again in block {}", row.height),
        Some(row) => format!("{block}; the row is older, of block {}, so nothing of it was moved then", row.height),
    }
}

impl Report for ExplainReport {
    const COMMAND: &'static str = "explain";

    fn table(&self) -> String {
        let boundary = match (&self.boundary_module, &self.boundary_key) {
            (Some(module), Some(key)) => format!("in {module} at {key}"),
            _ => "none in flight".to_owned(),
        };
        let place = match (self.lane, &self.physical_key) {
            (Some(lane), Some(key)) => format!("lane {lane}, {key}"),
            _ => "none".to_owned(),
        };
        let mut facts = vec![
            ("store", self.store.clone()),
            ("key", self.shown.key.clone()),
            ("height", units::count(self.height)),
            ("write mode", self.write_mode.to_owned()),
            ("boundary", boundary),
            ("lives in", self.lives_in.to_owned()),
            ("why", self.why.clone()),
            ("moved by", self.passing.clone()),
            ("memiavl", self.shown.memiavl.clone()),
            ("FlatKV", self.shown.flatkv.clone()),
            ("place in FlatKV", place),
        ];
        if let Some(height) = self.flatkv_row_height {
            facts.push(("row's height", units::count(height)));
        }
        if let Some(Account { balance, nonce, code_hash }) = &self.flatkv_account {
            facts.push(("account", format!("nonce {nonce}, code hash {code_hash}, balance {balance}")));
        }
        facts.push(("a reader finds", self.shown.reader.clone()));
        table::facts(facts)
    }
}
