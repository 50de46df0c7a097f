//! Layers, errors, and what becomes of the options.

use std::path::PathBuf;

use migrate_core::{Durability, Mode, ModeSetting};

use super::*;

struct Written {
    _directory: tempfile::TempDir,
    path: PathBuf,
}

fn written(text: &str) -> Written {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("ferry.toml");
    std::fs::write(&path, text).expect("writes");
    Written { _directory: directory, path }
}

/// What the file's text is refused with, its own path left out.
fn refused(text: &str) -> String {
    let file = written(text);
    let error = Settings::read(&file.path).expect_err("refused").to_string();
    error.replace(&file.path.display().to_string(), "F")
}

#[test]
fn a_file_becomes_the_options_that_it_describes() {
    let file = written(
        "[chain]\nwrite_mode = \"evm_migrated\"\nbatch_keys = 1_000\nbatch_bytes = \"64MiB\"\nmodules = [\"bank\", \"evm\"]\n\
         initial_version = 7\ninitial_stores = [\"evm\"]\n[node]\ndurability = \"os\"\nrollback_blocks = 5\nviews_max = 3\n\
         block_bytes_max = \"2MiB\"\n[memory]\nblock_cache_bytes = 4194304\nrow_cache_bytes = 0\nmemtable_bytes = \"8 MiB\"\n\
         [snapshot]\ninterval_blocks = 9\nreplay_bytes_min = \"5MiB\"\nreplay_bytes_max = \"6MiB\"\n\
         changed_bytes_min = \"3MiB\"\nchanged_bytes_max = \"7MiB\"\nkeep_recent = 2\nwrite_bytes_per_second = \"unlimited\"\n\
         [program]\nanything = \"passed over by a library\"\n",
    );
    let settings = Settings::read(&file.path).expect("reads");
    let options = settings.options();
    assert_eq!(options.mode, ModeSetting::Fixed(Mode::EvmMigrated));
    assert_eq!((options.batch.keys, options.batch.bytes), (1_000, Some(64 << 20)));
    assert_eq!((options.modules, options.initial_stores), (vec!["bank".into(), "evm".into()], vec!["evm".into()]));
    assert_eq!((options.initial_version, options.rollback_blocks, options.views_max), (7, 5, 3));
    assert_eq!((options.durability, options.block_bytes_max), (Durability::Os, 2 << 20));
    assert_eq!((options.block_cache_bytes, options.row_cache_bytes, options.memtable_bytes), (4 << 20, 0, 8 << 20));
    let snapshot = options.snapshot;
    assert_eq!((snapshot.interval_blocks, snapshot.keep_recent, snapshot.write_bytes_per_second), (9, 2, None));
    assert_eq!((snapshot.replay_bytes_min, snapshot.replay_bytes_max), (5 << 20, 6 << 20));
    assert_eq!((snapshot.changed_bytes_min, snapshot.changed_bytes_max), (3 << 20, 7 << 20));
    assert!(
        settings.all().iter().all(|set| matches!(set.origin, Origin::File { .. })),
        "no setting was forgotten here"
    );
}

#[test]
fn without_layers_the_options_are_the_defaults() {
    let (settings, defaults) = (Settings::defaults(&[]), Options::default());
    let options = settings.options();
    assert_eq!((options.mode, options.batch, options.modules), (defaults.mode, defaults.batch, defaults.modules));
    assert_eq!((options.snapshot, options.durability), (defaults.snapshot, defaults.durability));
    assert_eq!(
        (options.initial_version, options.rollback_blocks),
        (defaults.initial_version, defaults.rollback_blocks)
    );
    assert_eq!((options.views_max, options.block_bytes_max), (defaults.views_max, defaults.block_bytes_max));
    assert_eq!(
        (options.block_cache_bytes, options.row_cache_bytes),
        (defaults.block_cache_bytes, defaults.row_cache_bytes)
    );
    assert_eq!(options.memtable_bytes, defaults.memtable_bytes);
}

#[test]
fn every_default_is_a_value_that_may_be_set() {
    for set in Settings::defaults(&[]).all() {
        let text = Raw::Loose(set.value.to_string());
        assert_eq!(set.setting.kind.read(&text).expect("a value"), set.value, "{}", set.setting.key);
    }
}

#[test]
fn a_flag_beats_a_variable_which_beats_the_file_which_beats_the_default() {
    let file = written("[chain]\nbatch_keys = 1\n[node]\nviews_max = 1\nrollback_blocks = 1\n");
    let variable = |name: &str| (name.to_owned(), "2".to_owned());
    let layers = Layers {
        file: Some(&file.path),
        environment: vec![
            variable("FERRY_CHAIN_BATCH_KEYS"),
            variable("FERRY_NODE_VIEWS_MAX"),
            ("FERRY_NODE_ROLLBACK_BLOCKS".to_owned(), String::new()),
            variable("FERRY_SERVICE_PORT"),
            variable("HOME"),
        ],
        flags: vec![("--batch-keys".to_owned(), "chain.batch_keys".to_owned(), "3".to_owned())],
        ..Layers::default()
    };
    let settings = Settings::load(&layers).expect("loads");
    let got = |key| {
        let set = settings.all().iter().find(|set| set.setting.key == key).expect("a setting");
        (set.value.clone(), set.origin.to_string().replace(&file.path.display().to_string(), "F"))
    };
    assert_eq!(got("chain.batch_keys"), (Value::Count(3), "flag=--batch-keys".to_owned()));
    assert_eq!(got("node.views_max"), (Value::Count(2), "variable=FERRY_NODE_VIEWS_MAX".to_owned()));
    assert_eq!(got("node.rollback_blocks"), (Value::Count(1), "file=F line=5".to_owned()));
    assert_eq!(got("snapshot.keep_recent"), (Value::Count(1), "default".to_owned()));
}

#[test]
fn an_unknown_key_is_told_with_the_nearest_one() {
    let check = |text: &str, expected: &str| assert_eq!(refused(text), expected);
    check(
        "[memory]\n\nblock_cache_byte = 1\n",
        "unknown setting, did you mean memory.block_cache_bytes?: file=F line=3 key=memory.block_cache_byte",
    );
    check(
        "[chain]\nrollback_blocks = 1\n",
        "unknown setting, did you mean node.rollback_blocks?: file=F line=2 key=chain.rollback_blocks",
    );
    check("batch_keys = 1\n", "unknown setting, did you mean chain.batch_keys?: file=F line=1 key=batch_keys");
    check("[x]\ny = 1\n", "unknown setting, `ferry config show` lists all there are: file=F line=2 key=x.y");
    let variable = vec![("FERRY_CHAIN_BATCH_KEY".to_owned(), "1".to_owned())];
    let error = Settings::load(&Layers { environment: variable, ..Layers::default() }).expect_err("refused");
    assert_eq!(
        error.to_string(),
        "unknown setting, did you mean chain.batch_keys?: variable=FERRY_CHAIN_BATCH_KEY key=chain.batch_key"
    );
}

#[test]
fn a_value_that_cannot_be_is_told_with_its_place_and_what_would_be_right() {
    let check = |text: &str, expected: &str| assert_eq!(refused(text), expected);
    check(
        "[node]\nviews_max = 0\n",
        "out of range, expected a number from 1 to 65536: got=0 file=F line=2 key=node.views_max",
    );
    check(
        "[chain]\nbatch_keys = -1\n",
        "expected a number from 0 to 1000000: got=-1 file=F line=2 key=chain.batch_keys",
    );
    check(
        "[chain]\nbatch_keys = 1_000_001\n",
        "out of range, expected a number from 0 to 1000000: got=1000001 file=F line=2 key=chain.batch_keys",
    );
    check(
        "[memory]\nrow_cache_bytes = \"9000TiB\"\n",
        "out of range, expected a size from 0B to 1TiB: got=9000TiB file=F line=2 key=memory.row_cache_bytes",
    );
    check(
        "[chain]\nbatch_bytes = \"64 megabytes\"\n",
        "expected a size from 1B to 1TiB, or unlimited: got=\"64 megabytes\" file=F line=2 key=chain.batch_bytes",
    );
    check("[node]\ndurability = true\n", "expected one of sync, os: got=a boolean file=F line=2 key=node.durability");
    check(
        "[chain]\nmodules = [\"evm\", 1]\n",
        "expected names of stores, each once: got=an array of other things file=F line=2 key=chain.modules",
    );
    check(
        "[chain]\nmodules = [\"evm\", \"migration\"]\n",
        "no store can have this name: got=\"migration\" file=F line=2 key=chain.modules",
    );
    check("[chain]\nmodules = [\"evm\", \"evm\"]\n", "a store is named twice: got=evm file=F line=2 key=chain.modules");
    assert!(
        refused("[chain]\nbatch_keys = \n").starts_with("the settings are not TOML, "),
        "{}",
        refused("[chain]\nbatch_keys = \n")
    );
    assert!(refused("[node]\nviews_max = 1\nviews_max = 2\n").ends_with("line=3"), "twice the same key");
}

#[test]
fn every_problem_is_found_and_not_the_first_alone() {
    let file = written("[node]\nviews_max = 0\nview_max = 1\nrollback_blocks = 4\n");
    let (settings, problems) = Settings::inspect(&Layers { file: Some(&file.path), ..Layers::default() });
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert_eq!(settings.get("node.rollback_blocks"), Some(&Value::Count(4)));
    assert_eq!(settings.get("node.views_max"), Some(&Value::Count(64)), "a wrong value sets nothing");
}

#[test]
fn a_file_that_is_none_is_refused() {
    let missing = Settings::read(Path::new("nowhere/ferry.toml")).expect_err("refused");
    assert!(matches!(missing, SettingsError::Unreadable { .. }), "{missing}");
    let large = written(&"#".repeat(FILE_BYTES_MAX as usize + 1));
    let large = Settings::read(&large.path).expect_err("refused");
    assert!(matches!(large, SettingsError::TooLarge { .. }), "{large}");
    assert!(refused(&format!("[chain]\nmodules = {}", "[".repeat(100_000))).starts_with("the settings are not TOML"));
}
