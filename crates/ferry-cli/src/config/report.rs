//! What `ferry config` prints.

use std::error::Error;
use std::path::PathBuf;

use ferry::Settings;
use ferry::settings::{Origin, Set, SettingsError, Value};
use serde::Serialize;
use serde_json::Value as Json;

use crate::output::Report;
use crate::table;

#[derive(Debug, Serialize)]
pub(super) struct ShowReport {
    file: Option<String>,
    settings: Vec<Shown>,
}

/// A setting with its value and where that comes from.
#[derive(Debug, Serialize)]
struct Shown {
    key: &'static str,
    value: Json,
    from: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    flag: Option<String>,
    variable: String,
    chain_wide: bool,
    expected: String,
    meaning: &'static str,
    #[serde(skip)]
    text: String,
}

#[derive(Debug, Serialize)]
pub(super) struct CheckReport {
    outcome: &'static str,
    file: Option<String>,
    settings_set: usize,
    chain_wide_set: Vec<&'static str>,
    problems: Vec<String>,
}

impl ShowReport {
    pub(super) fn new(file: Option<PathBuf>, settings: &Settings) -> Self {
        Self { file: file.map(text), settings: settings.all().iter().map(Shown::new).collect() }
    }
}

impl Shown {
    fn new(set: &Set) -> Self {
        let (from, file, line, flag) = match &set.origin {
            Origin::File { path, line } => ("file", Some(text(path.clone())), Some(*line), None),
            Origin::Environment { .. } => ("environment", None, None, None),
            Origin::Flag { flag } => ("flag", None, None, Some(flag.clone())),
            _ => ("default", None, None, None),
        };
        Self {
            key: set.setting.key,
            value: json(&set.value),
            from,
            file,
            line,
            flag,
            variable: set.setting.variable(),
            chain_wide: set.setting.chain_wide,
            expected: set.setting.kind.to_string(),
            meaning: set.setting.meaning,
            text: set.value.to_string(),
        }
    }

    fn origin(&self) -> String {
        match (&self.flag, self.line) {
            (Some(flag), _) => flag.clone(),
            (None, Some(line)) => format!("file, line {line}"),
            _ if self.from == "environment" => self.variable.clone(),
            _ => self.from.to_owned(),
        }
    }
}

/// Numbers as numbers, sizes in bytes.
fn json(value: &Value) -> Json {
    match value {
        Value::Count(number) | Value::Bytes(number) => (*number).into(),
        Value::Names(names) => names.clone().into(),
        other => other.to_string().into(),
    }
}

impl CheckReport {
    pub(super) fn new(file: Option<PathBuf>, settings: &Settings, problems: &[SettingsError]) -> Self {
        let set: Vec<_> = settings.all().iter().filter(|set| set.origin != Origin::Default).collect();
        let problem = |problem: &SettingsError| match problem.source() {
            Some(source) => format!("{problem}: {source}"),
            None => problem.to_string(),
        };
        Self {
            outcome: if problems.is_empty() { "sound" } else { "wrong" },
            file: file.map(text),
            settings_set: set.len(),
            chain_wide_set: set.iter().filter(|set| set.setting.chain_wide).map(|set| set.setting.key).collect(),
            problems: problems.iter().map(problem).collect(),
        }
    }
}

fn text(path: PathBuf) -> String {
    path.display().to_string()
}

impl Report for ShowReport {
    const COMMAND: &'static str = "config";

    fn table(&self) -> String {
        let rows = self.settings.iter().map(|shown| {
            let shared = if shown.chain_wide { "the same on every node" } else { "" };
            let value = if shown.text.is_empty() { "none" } else { &shown.text };
            [shown.key.to_owned(), value.to_owned(), shown.origin(), shared.to_owned()]
        });
        let file = self.file.clone().unwrap_or_else(|| "none".to_owned());
        format!("{}\n{}", table::facts([("file", file)]), table::texts(["setting", "value", "from", "chain"], rows))
    }

    fn records(&self) -> serde_json::Result<Vec<(&'static str, Json)>> {
        self.settings.iter().map(|shown| Ok(("setting", serde_json::to_value(shown)?))).collect()
    }
}

impl Report for CheckReport {
    const COMMAND: &'static str = "config";

    fn table(&self) -> String {
        let result = match self.problems.len() {
            0 => "sound".to_owned(),
            1 => "wrong, 1 problem".to_owned(),
            more => format!("wrong, {more} problems"),
        };
        let shared = self.chain_wide_set.join(", ");
        let facts = table::facts([
            ("result", result),
            ("file", self.file.clone().unwrap_or_else(|| "none".to_owned())),
            ("settings set", self.settings_set.to_string()),
            ("of these the same on every node", if shared.is_empty() { "none".to_owned() } else { shared }),
        ]);
        self.problems.iter().fold(facts, |text, problem| format!("{text}\n{problem}"))
    }
}
