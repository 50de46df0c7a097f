//! `ferry status`: how far the migration has come. Reads only, and writes nothing below the home.

use ferry::{Boundary, Status};
use serde::Serialize;
use serde_json::Value;

use crate::exit::Exit;
use crate::home::{self, DiskSizes};
use crate::output::{self, Output, Report};
use crate::settings::NodeArgs;
use crate::{table, units};

/// Say how far the migration has come.
///
/// The figures are exact: a moved key has left memiavl, and memiavl counts its keys. Nothing is written.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Example:\n  ferry status --home DIR --output json")]
pub(crate) struct Args {
    #[command(flatten)]
    node: NodeArgs,
}

#[derive(Debug, Serialize)]
struct StatusReport {
    height: u64,
    memiavl_height: Option<u64>,
    flatkv_height: Option<u64>,
    write_mode: &'static str,
    migration_version: u64,
    boundary: Option<Cursor>,
    flatkv_root: Option<String>,
    modules: Vec<Module>,
    #[serde(flatten)]
    disk: DiskSizes,
}

/// The boundary, as its record has it.
#[derive(Debug, Serialize)]
struct Cursor {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    module: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

#[derive(Debug, Serialize)]
struct Module {
    name: String,
    moved_keys: u64,
    remaining_keys: u64,
    moved_percent: f64,
}

/// Runs the command.
///
/// # Errors
/// A home that holds no state or cannot be read.
pub(crate) fn run(args: &Args, output: Output) -> anyhow::Result<Exit> {
    let options = args.node.options()?;
    let home = &args.node.home;
    home::require_state(home)?;
    let status = ferry::inspect(home, &options.modules)?;
    output::print(&StatusReport::new(status, home::sizes(home)?), output)?;
    Ok(Exit::Ok)
}

impl StatusReport {
    fn new(status: Status, disk: DiskSizes) -> Self {
        let modules = status.modules.into_iter().map(|module| Module {
            moved_percent: units::percent(module.moved, module.moved.saturating_add(module.remaining)),
            name: module.name,
            moved_keys: module.moved,
            remaining_keys: module.remaining,
        });
        Self {
            height: status.height,
            memiavl_height: status.memiavl_height,
            flatkv_height: status.flatkv_height,
            write_mode: status.mode.as_str(),
            migration_version: status.version,
            boundary: status.boundary.map(Cursor::from),
            flatkv_root: status.root.map(hex::encode),
            modules: modules.collect(),
            disk,
        }
    }
}

impl From<Boundary> for Cursor {
    fn from(boundary: Boundary) -> Self {
        let (status, place) = match boundary {
            Boundary::NotStarted => ("not_started", None),
            Boundary::InProgress { module, key } => {
                ("in_progress", Some((String::from_utf8_lossy(&module).into_owned(), hex::encode(key))))
            }
            Boundary::Complete => ("complete", None),
        };
        let (module, key) = place.unzip();
        Self { status, module, key }
    }
}

impl Report for StatusReport {
    const COMMAND: &'static str = "status";

    fn table(&self) -> String {
        let boundary = match &self.boundary {
            None => "none in flight".to_owned(),
            Some(Cursor { status, module: Some(module), key: Some(key) }) => format!("{status} in {module} at {key}"),
            Some(Cursor { status, .. }) => (*status).to_owned(),
        };
        let facts = table::facts([
            ("height", units::count(self.height)),
            ("write mode", self.write_mode.to_owned()),
            ("migration version", self.migration_version.to_string()),
            ("boundary", boundary),
            ("memiavl on disk", units::bytes(self.disk.memiavl_bytes)),
            ("FlatKV on disk", units::bytes(self.disk.flatkv_bytes)),
        ]);
        let modules = self.modules.iter().map(|module| {
            let Module { name, moved_keys, remaining_keys, moved_percent } = module;
            [name.clone(), units::count(*moved_keys), units::count(*remaining_keys), format!("{moved_percent:.2} %")]
        });
        format!("{facts}\n{}", table::figures(["module", "moved", "remaining", "done"], modules))
    }

    fn records(&self) -> serde_json::Result<Vec<(&'static str, Value)>> {
        let mut node = serde_json::to_value(self)?;
        if let Value::Object(fields) = &mut node {
            fields.remove("modules");
        }
        let mut records = vec![("node", node)];
        for module in &self.modules {
            records.push(("module", serde_json::to_value(module)?));
        }
        Ok(records)
    }
}
