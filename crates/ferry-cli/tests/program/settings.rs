//! Where settings come from, who wins, and how a wrong one is told.

use std::fs;

use serde_json::Value;

use crate::common::{Ended, Home, ferry, run};

/// A home with this text as its own file of settings.
fn with_file(text: &str) -> Home {
    let home = Home::recorded("small");
    fs::create_dir(home.path().join("config")).expect("creates");
    fs::write(home.path().join("config/ferry.toml"), text).expect("writes");
    home
}

fn setting<'a>(shown: &'a Value, key: &str) -> &'a Value {
    let settings = shown["settings"].as_array().expect("settings");
    settings.iter().find(|setting| setting["key"] == key).unwrap_or_else(|| panic!("{key}"))
}

#[test]
fn each_layer_beats_the_one_below_and_is_named() {
    let home = with_file("[node]\nviews_max = 3\nrollback_blocks = 3\n[memory]\n\nrow_cache_bytes = \"3MiB\"\n");
    let arguments = ["config", "show", "--output", "json", "--home", home.text(), "--set", "node.views_max=1"];
    let mut command = ferry(&arguments);
    command.env("FERRY_NODE_VIEWS_MAX", "2").env("FERRY_NODE_ROLLBACK_BLOCKS", "2");
    let shown = Ended::from(command.output().expect("starts")).json(0);
    let views = setting(&shown, "node.views_max");
    assert_eq!((&views["value"], &views["from"]), (&Value::from(1), &Value::from("flag")));
    assert_eq!(views["flag"], "--set node.views_max");
    let blocks = setting(&shown, "node.rollback_blocks");
    assert_eq!((&blocks["value"], &blocks["from"]), (&Value::from(2), &Value::from("environment")));
    assert_eq!(blocks["variable"], "FERRY_NODE_ROLLBACK_BLOCKS");
    let cache = setting(&shown, "memory.row_cache_bytes");
    assert_eq!((&cache["value"], &cache["from"], &cache["line"]), (&(3 << 20).into(), &"file".into(), &6.into()));
    assert_eq!(setting(&shown, "chain.batch_keys")["from"], "default");
    assert_eq!(setting(&shown, "chain.batch_keys")["chain_wide"], true);
    assert_eq!(setting(&shown, "node.views_max")["chain_wide"], false);
}

#[test]
fn a_file_that_is_named_takes_the_place_of_the_homes_own() {
    let (home, other) = (with_file("[node]\nviews_max = 3\n"), Home::empty());
    let file = other.path().join("other.toml");
    fs::write(&file, "[node]\nviews_max = 4\n").expect("writes");
    let file = file.to_str().expect("UTF-8");
    let views = |arguments: &[&str]| {
        let shown = run(&[&["config", "show", "--output", "json", "--home", home.text()], arguments].concat()).json(0);
        setting(&shown, "node.views_max")["value"].clone()
    };
    assert_eq!(views(&[]), 3);
    assert_eq!(views(&["--config", file]), 4);
}

#[test]
fn a_wrong_file_stops_every_command_that_opens_the_home_and_changes_nothing() {
    let home = with_file("[memory]\nrow_cash_bytes = 1\n");
    let before = home.bytes();
    let said = "did you mean memory.row_cache_bytes?";
    for command in [&["status"][..], &["snapshot"], &["rollback", "--to", "12", "--apply"], &["config", "show"]] {
        run(&[command, &["--home", home.text()]].concat()).refused(2, said);
    }
    run(&["run", "--offline", "--at-height", "12", "--home", home.text()]).refused(2, said);
    run(&["status", "--home", home.text(), "--config", "/nonexistent"]).refused(2, "/nonexistent");
    run(&["status", "--home", home.text(), "--set", "memory"]).refused(2, "KEY=VALUE");
    assert_eq!(home.bytes(), before);
}

#[test]
fn check_lists_every_problem() {
    let home = with_file("[chain]\nbatch_keys = 5\nbatch_byte = 5\n[node]\nviews_max = \"many\"\n");
    let checked = run(&["config", "check", "--output", "json", "--home", home.text()]).json(2);
    assert_eq!(checked["outcome"], "wrong");
    let problems: Vec<_> = checked["problems"].as_array().expect("problems").iter().map(Value::to_string).collect();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].contains("line=3 key=chain.batch_byte"), "{problems:?}");
    assert!(problems[1].contains("line=5 key=node.views_max"), "{problems:?}");
    assert_eq!(checked["chain_wide_set"], serde_json::json!(["chain.batch_keys"]));
    let sound = with_file("[program]\nthreads = 1\nprogress_interval = \"1s\"\n");
    let checked = run(&["config", "check", "--output", "json", "--home", sound.text()]).json(0);
    assert_eq!((&checked["outcome"], &checked["settings_set"]), (&"sound".into(), &2.into()));
}

#[test]
fn a_setting_reaches_the_node() {
    let home = with_file("[chain]\nmodules = [\"bank\", \"evm\"]\n");
    let status = run(&["status", "--output", "json", "--home", home.text()]).json(0);
    let modules: Vec<_> = status["modules"].as_array().expect("modules").iter().map(|m| m["name"].clone()).collect();
    assert_eq!(modules, ["bank", "evm"]);
}
