//! `ferry inspect row`: a row's bytes, decoded.

use ferry::RowFields;
use ferry::flatkv::{Lane, split};
use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Output, Report};
use crate::words::{HexBytes, readable};
use crate::{table, units};

/// Decode a row of FlatKV from its physical key and its bytes, as `explain` and `replay --final-rows` show them.
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Example:\n  ferry inspect row 62616e6b2f73 00000000000000000731   the misc row of key s of module bank"
)]
pub(super) struct Args {
    /// The physical key, in hex.
    #[arg(value_name = "KEY")]
    key: HexBytes,
    /// The row, in hex.
    #[arg(value_name = "ROW")]
    row: HexBytes,
}

#[derive(Debug, Serialize)]
struct RowReport {
    module: String,
    key: String,
    lane: &'static str,
    height: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    balance: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    #[serde(skip)]
    shown: (String, String),
}

pub(super) fn run(args: &Args, output: Output) -> anyhow::Result<Exit> {
    let (key, row) = (&args.key.0, &args.row.0);
    let place = Lane::ALL.into_iter().find_map(|lane| split(lane, key).ok().map(|(module, key)| (lane, module, key)));
    let (lane, module, key) = place.ok_or_else(|| Failure::NotAPhysicalKey { key: hex::encode(key) })?;
    let decoded = ferry::decode_row(lane, row)?;
    let (account, value) = match &decoded.fields {
        RowFields::Account { balance, nonce, code_hash } => (Some((balance, *nonce, code_hash)), None),
        RowFields::Value(value) => (None, Some(value)),
    };
    let report = RowReport {
        module: module.to_owned(),
        key: hex::encode(key),
        lane: lane.name(),
        height: decoded.height,
        balance: account.map(|(balance, ..)| hex::encode(balance)),
        nonce: account.map(|(_, nonce, _)| nonce),
        code_hash: account.map(|(.., code_hash)| hex::encode(code_hash)),
        value: value.map(hex::encode),
        shown: (readable(key), value.map_or(String::new(), |value| readable(value))),
    };
    output::print(&report, output)?;
    Ok(Exit::Ok)
}

impl Report for RowReport {
    const COMMAND: &'static str = "inspect row";

    fn table(&self) -> String {
        let (key, value) = &self.shown;
        let mut facts = vec![
            ("module", self.module.clone()),
            ("key", key.clone()),
            ("lane", self.lane.to_owned()),
            ("height", units::count(self.height)),
        ];
        match (&self.balance, self.nonce, &self.code_hash) {
            (Some(balance), Some(nonce), Some(code_hash)) => facts.extend([
                ("nonce", nonce.to_string()),
                ("code hash", code_hash.clone()),
                ("balance", balance.clone()),
            ]),
            _ => facts.push(("value", value.clone())),
        }
        table::facts(facts)
    }
}
