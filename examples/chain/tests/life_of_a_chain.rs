//! The chain's life from V0 to V3, beside a model that runs the same transactions on a map.

use std::collections::BTreeMap;
use std::path::Path;

use example_chain::{Chain, Genesis, MODULES, Outcome, Overlay, Pairs, Plan, Settings, execute};
use ferry::{Mode, ScanOrder, ScanRange};

use common::{Load, genesis, migrate};

mod common;

fn open(home: &Path) -> Chain {
    let mut chain = Chain::open(home, Settings::default()).expect("the chain opens");
    chain.init(genesis());
    chain
}

/// Runs the block on a map.
fn run(pairs: &mut Pairs, genesis: Option<&Genesis>, txs: &[Vec<u8>]) -> Vec<Outcome> {
    let mut block = Overlay::new(&*pairs);
    if let Some(genesis) = genesis {
        genesis.write(&mut block).expect("a map has no errors");
    }
    let outcomes = txs.iter().map(|tx| execute(&mut block, tx).expect("a map has no errors")).collect();
    let changes = block.into_changes();
    changes.write_to(pairs);
    outcomes
}

/// All pairs of the newest block.
fn state(chain: &Chain) -> Pairs {
    let view = chain.views().latest().expect("a view");
    let mut pairs = Pairs::new();
    for module in MODULES {
        for pair in view.scan(module, &ScanRange::ALL, ScanOrder::Ascending).expect("a scan") {
            let (key, value) = pair.expect("a pair");
            pairs.insert((module, key.to_vec()), value);
        }
    }
    pairs
}

/// Commits a block, and has its app hash told three times alike.
fn block(chain: &mut Chain, txs: &[Vec<u8>]) -> (ferry::AppHash, Vec<Outcome>) {
    let finalized = chain.finalize(chain.height() + 1, txs).expect("a block");
    let committed = chain.commit().expect("committed");
    assert_eq!(committed.app_hash, finalized.app_hash);
    assert_eq!(chain.app_hash(), Some(finalized.app_hash));
    (finalized.app_hash, finalized.outcomes)
}

fn mode(chain: &Chain) -> Mode {
    chain.views().latest().expect("a view").mode()
}

#[test]
fn a_chain_migrates_under_load_and_equals_a_model_however_often_a_node_is_opened_again() {
    let (home, other) = (tempfile::tempdir().expect("a home"), tempfile::tempdir().expect("a home"));
    let (mut chain, mut reopened) = (open(home.path()), open(other.path()));
    let mut model = Pairs::new();
    let mut load = Load::new(7);
    let mut outcomes: BTreeMap<u32, u32> = BTreeMap::new();
    for height in 1..=200u64 {
        let mut txs = load.txs(8);
        match height {
            6 => txs.push(migrate(0, 30, "evm_migrated")),
            15 => txs.push(migrate(1, 0, "all_migrated_but_bank")),
            20 => txs.push(migrate(2, 40, "flatkv_only")),
            _ => {}
        }
        let expected = run(&mut model, (height == 1).then(genesis).as_ref(), &txs);
        let (app_hash, got) = block(&mut chain, &txs);
        assert_eq!(got, expected, "height {height}");
        got.iter().for_each(|outcome| *outcomes.entry(outcome.code()).or_default() += 1);
        assert_eq!(block(&mut reopened, &txs).0, app_hash, "height {height}");
        drop(reopened);
        reopened = Chain::open(other.path(), Settings::default()).expect("it opens again");
        if mode(&chain) == Mode::FlatkvOnly {
            break;
        }
    }
    assert_eq!(mode(&chain), Mode::FlatkvOnly, "the migration ends");
    assert_eq!(mode(&reopened), Mode::FlatkvOnly);
    assert!(outcomes.contains_key(&Outcome::Done.code()) && outcomes.len() > 2, "{outcomes:?}");
    assert_eq!(state(&chain), model);
    assert_eq!(state(&reopened), model);
    chain.close().expect("closed");
}

#[test]
fn a_block_may_be_asked_for_again_with_other_transactions() {
    let (home, other) = (tempfile::tempdir().expect("a home"), tempfile::tempdir().expect("a home"));
    let (mut chain, mut straight) = (open(home.path()), open(other.path()));
    let mut load = Load::new(3);
    for height in 1..=40 {
        let mut txs = load.txs(6);
        if height == 3 {
            txs.push(migrate(0, 5, "flatkv_only"));
        }
        let dropped = chain.finalize(height, &txs[..3]).expect("a block that is not committed");
        let (app_hash, _) = block(&mut chain, &txs);
        assert_ne!(dropped.app_hash, app_hash);
        assert_eq!(block(&mut straight, &txs).0, app_hash, "height {height}");
    }
}

#[test]
fn a_node_that_moves_one_key_less_parts_from_the_others_at_the_first_block_that_moves() {
    let (home, other) = (tempfile::tempdir().expect("a home"), tempfile::tempdir().expect("a home"));
    let mut chain = open(home.path());
    let mut short = Chain::open(other.path(), Settings { keys_less: 1, ..Settings::default() }).expect("open");
    short.init(genesis());
    let mut txs = Load::new(9).txs(20);
    txs.push(migrate(0, 4, "evm_migrated"));
    assert_eq!(block(&mut chain, &txs), block(&mut short, &txs));
    assert_ne!(block(&mut chain, &[]), block(&mut short, &[]));
}

#[test]
fn only_the_authority_decides_on_the_migration_and_never_back() {
    let home = tempfile::tempdir().expect("a home");
    let mut chain = open(home.path());
    let stranger = example_chain::Tx {
        sender: common::user(0),
        nonce: 0,
        action: example_chain::Action::Migrate { keys_per_block: 5, goal: "flatkv_only".to_owned() },
    };
    let txs = [
        stranger.to_bytes(),
        migrate(0, 3, "evm_migrated"),
        migrate(1, 3, "memiavl_only"),
        migrate(2, 1_000_000, "flatkv_only"),
        migrate(3, 3, "nowhere"),
        migrate(3, 9, "flatkv_only"),
    ];
    use Outcome::{Done, Nonce, NotAllowed, Unreadable};
    assert_eq!(block(&mut chain, &txs).1, [NotAllowed, Done, NotAllowed, NotAllowed, Unreadable, Nonce]);
    let plan = Plan::read(&chain.views().latest().expect("a view")).expect("a plan");
    assert_eq!(plan, Plan { keys_per_block: 3, goal: Mode::EvmMigrated });
}
