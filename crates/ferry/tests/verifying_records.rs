//! What the last block has recorded is compared with what stands in the stores, each record by itself.

mod common;

use std::fs;

use changeset::History;
use common::patched::{HEIGHT, Patched, another_last_block};
use ferry::{FindingKind, RepairKind, TreeNameUpgrade};
use prost::Message;

fn kinds(home: &Patched) -> Vec<FindingKind> {
    home.findings().into_iter().map(|finding| finding.kind).collect()
}

#[test]
fn the_last_blocks_line_of_the_journal_is_missed_and_compared() {
    for damage in [None, Some(b"rubbish".as_slice())] {
        let home = Patched::new();
        home.plant(|patient| patient.set_journal(HEIGHT as u64, damage));
        assert_eq!(kinds(&home), [FindingKind::RecordDamaged]);
    }
    let home = Patched::new();
    let mut line = home.view().journal(HEIGHT as u64).expect("reads").expect("a line");
    line.root = vec![7; 32].into();
    home.plant(|patient| patient.set_journal(HEIGHT as u64, Some(&line.encode_to_vec())));
    assert_eq!(kinds(&home), [FindingKind::RecordMismatch]);
    // Nothing says which root it was; the stores are those of the last block.
    home.is_refused("both stores lead to the last block's roots as they are");
}

#[test]
fn an_app_hash_that_is_not_the_commit_infos_is_found_and_the_journal_has_the_right_one() {
    let home = Patched::new();
    let view = home.view();
    let (info, _) = History::block(&view, HEIGHT as u64).expect("reads").expect("a record");
    let (root, last_handoff) = (view.root(), view.last_handoff());
    drop(view);
    home.plant(|patient| patient.set_block(HEIGHT as u64, root, last_handoff, (&info, [7; 32])));
    assert_eq!(kinds(&home), [FindingKind::RecordMismatch]);
    home.mend(&[RepairKind::Record]);
}

#[test]
fn a_memiavl_that_is_gone_and_still_needed_is_found() {
    let home = Patched::new();
    fs::remove_dir_all(home.memiavl()).expect("removes");
    let findings = home.findings();
    let gone = findings.iter().find(|finding| finding.kind == FindingKind::Unreadable).expect("it is missed");
    assert!(gone.detail.contains("still needed"), "{gone}");
    home.is_refused("there is no snapshot to begin with");
}

#[test]
fn a_store_that_memiavls_own_log_has_removed_is_missed() {
    let home = Patched::new();
    another_last_block(&home, &[TreeNameUpgrade { name: "wasm".to_owned(), delete: true, ..Default::default() }]);
    let missing = home.findings().into_iter().find(|finding| finding.kind == FindingKind::TreeMissing);
    assert_eq!(missing.expect("it is missed").module, "wasm");
    home.mend(&[RepairKind::Residue, RepairKind::ChangelogEntry]);
}
