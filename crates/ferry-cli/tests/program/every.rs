//! Every command of the program, with words that let it do its work on a small home, for what must hold of all of them.

use std::path::Path;

use tempfile::TempDir;

use crate::common::{Home, copy, fixture, run};

/// A call.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// The words behind the program's name.
    pub(crate) words: Vec<String>,
    /// How it ends where nothing is in its way.
    pub(crate) code: i32,
    /// The home that it changes, if it changes one.
    pub(crate) changes: Option<String>,
    /// Whether each line of its table fits the terminal: not so for raw data.
    pub(crate) is_arranged: bool,
}

impl Call {
    pub(crate) fn words(&self) -> Vec<&str> {
        self.words.iter().map(String::as_str).collect()
    }
}

/// Homes and files for all calls, in a directory that goes with it.
pub(crate) struct Place {
    directory: TempDir,
    /// In the middle of its first migration.
    home: Home,
}

const SIZES: &str = "--accounts 100 --slots 300 --bank 100 --wasm 100";

impl Place {
    pub(crate) fn make() -> Self {
        let place = Self { directory: tempfile::tempdir().expect("a directory"), home: Home::recorded("small") };
        let blocks = fixture("small/blocks.jsonl.gz");
        let blocks = blocks.to_str().expect("UTF-8");
        run(&["replay", "--home", place.home.text(), "--until", "30", "--output", "json", "--blocks", blocks]).json(0);
        let export = place.path("export");
        run(&["export", "--home", place.home.text(), "--to", &export, "--output", "json"]).json(0);
        place
    }

    pub(crate) fn home(&self) -> &Home {
        &self.home
    }

    /// A name in the directory.
    pub(crate) fn path(&self, name: &str) -> String {
        self.directory.path().join(name).to_str().expect("UTF-8").to_owned()
    }

    /// Another copy of the home under this name, in place of the one that was there.
    pub(crate) fn fresh(&self, name: &str) -> String {
        let path = self.path(name);
        self.gone(name);
        copy(self.home.path(), Path::new(&path));
        path
    }

    /// A name at which nothing is.
    pub(crate) fn gone(&self, name: &str) -> String {
        let path = self.path(name);
        match std::fs::remove_dir_all(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{path}: {error}"),
            _ => path,
        }
    }

    /// Every call, each ready to be run once: what it changes or makes is as it was or gone.
    pub(crate) fn calls(&self) -> Vec<Call> {
        let home = self.home.text();
        let memiavl = self.home.path().join("data/state_commit/memiavl");
        let memiavl = memiavl.to_str().expect("UTF-8");
        let blocks = fixture("small/blocks.jsonl.gz");
        let blocks = blocks.to_str().expect("UTF-8");
        let export = self.path("export");
        let made = self.gone("made");
        let call = |line: String| Call {
            words: line.split_whitespace().map(str::to_owned).collect(),
            code: 0,
            changes: None,
            is_arranged: true,
        };
        let looking = [
            format!("config show --home {home}"),
            format!("config check --home {home}"),
            format!("digest --home {home}"),
            format!("digest diff {home} {home}"),
            format!("explain --home {home} bank text:supply"),
            format!("import --home {made} --from {export}"),
            format!("inspect flatkv --home {home}"),
            format!("inspect changelog {memiavl}/changelog"),
            format!("inspect snapshot {memiavl}/snapshot-00000000000000000008"),
            "inspect row 62616e6b2f73 0000000000000000001e6f".to_owned(),
            "inspect constants".to_owned(),
            format!("journal show --home {home}"),
            format!("journal diff {home} {home}"),
            format!("plan --home {home}"),
            format!("reconcile --home {home}"),
            format!("rollback --home {home} --to 29"),
            format!("status --home {home}"),
            format!("verify --home {home}"),
        ];
        let mut calls: Vec<_> = looking.into_iter().map(call).collect();
        for data in ["completions bash".to_owned(), format!("journal export --home {home}")] {
            calls.push(Call { is_arranged: false, ..call(data) });
        }
        // Nobody runs this home.
        for nobody in ["ctl status", "top"] {
            calls.push(Call { code: 2, ..call(format!("{nobody} --home {home}")) });
        }
        for made in [
            format!("demo --home {} {SIZES} --batch 300 --writes 5 --rest-blocks 1", self.gone("demo")),
            format!("gen --home {} {SIZES}", self.gone("gen")),
            format!("export --home {home} --to {}", self.gone("exported")),
            format!("export --home {} --checkpoint {}", self.fresh("of"), self.gone("beside")),
            format!("import --home {} --from {export} --apply", self.gone("imported")),
        ] {
            calls.push(call(made));
        }
        for (name, line) in [
            ("replayed", format!("replay --until 40 --blocks {blocks}")),
            ("back", "rollback --to 29 --apply".to_owned()),
            ("run", "run --blocks 3 --empty".to_owned()),
            ("offline", "run --offline --at-height 30".to_owned()),
            ("snapshot", "snapshot".to_owned()),
        ] {
            let home = self.fresh(name);
            calls.push(Call { changes: Some(home.clone()), ..call(format!("{line} --home {home}")) });
        }
        calls
    }
}

#[test]
fn every_command_that_help_shows_is_among_the_calls_and_each_call_ends_as_it_says() {
    let place = Place::make();
    let calls = place.calls();
    let mut shown = 0;
    for line in run(&["--help"]).stdout.lines().skip_while(|line| *line != "Commands:").skip(1) {
        let Some(name) = line.split_whitespace().next() else { break };
        let is_indented_once = line.starts_with("  ") && !line.starts_with("   ");
        if is_indented_once && name != "help" {
            assert!(calls.iter().any(|call| call.words[0] == name), "{name}");
            shown += 1;
        }
    }
    assert!(shown > 15, "{shown}");
    for call in &calls {
        let ended = run(&call.words());
        assert_eq!(ended.code, call.code, "{call:?}: {}", ended.stderr);
        assert_eq!(ended.stdout.is_empty(), call.code == 2, "{call:?}");
    }
}
