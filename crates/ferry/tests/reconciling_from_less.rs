//! Where one witness is lost the next is asked: a home is mended also if what vouches for it, or leads to it, is damaged too.

mod common;

use std::fs;
use std::path::PathBuf;

use boundary::{BOUNDARY_KEY, Boundary, MIGRATION_STORE};
use changeset::{open_entry, seal_entry};
use common::life::{beat, block, fill, migrate_all};
use common::patched::{HEIGHT, Patched, flip_leaf, keys};
use common::{changes, delete, options, set, slot_key};
use ferry::flatkv::{Lane, RowMend};
use ferry::{FindingKind, Mode, Node, Options, RepairKind, memiavl, memiavl_iter};

/// Slots that one block moves.
const MOVED: u8 = 60;

/// A home whose last block but one moved slots, of which callers have deleted `deleted` in that very block, and written
/// `written` others in the one after it.
fn with_writes_of_callers(deleted: u8, written: u8) -> Patched {
    let home = common::lives::home();
    let mut node = Node::open(home.path(), options(u64::from(MOVED))).expect("a fresh node");
    block(&mut node, changes("evm", (0..MOVED + 9).map(|slot| set(&slot_key(1, slot), &[slot + 1; 32])).collect()));
    node.snapshot_now().expect("a snapshot");
    node.set_mode(Mode::MigrateEvm).expect("a step");
    block(&mut node, changes("evm", (0..deleted).map(|slot| delete(&slot_key(1, slot))).collect()));
    node.set_batch_size(0).expect("between blocks");
    let again = deleted..deleted + written;
    block(&mut node, changes("evm", again.map(|slot| set(&slot_key(1, slot), &[0xee; 32])).collect()));
    node.close().expect("a clean close");
    Patched { home, blocks: Vec::new() }
}

/// Takes these slots away behind the node's back, and has them named and brought back.
fn lose(home: &Patched, slots: std::ops::Range<u8>) {
    let row = |slot| [b"evm/".as_slice(), &slot_key(1, slot)].concat();
    let view = home.view();
    slots.clone().for_each(|slot| assert!(view.stored_row(Lane::Storage, &row(slot)).expect("reads").is_some()));
    drop(view);
    home.plant(|patient| {
        for slot in slots.clone() {
            patient.set_row(&RowMend { lane: Lane::Storage, key: row(slot), before: None, after: None });
        }
    });
    let plan = home.plan();
    let lost: Vec<_> = slots.map(|slot| ("evm".to_owned(), slot_key(1, slot))).collect();
    assert_eq!(keys(&plan, FindingKind::RowMissing), lost, "{:#?}", plan.refusals);
    home.apply(&plan.id).expect("mends");
    home.is_sound();
}

/// So many that no choice among all that moved would be found by trying.
#[test]
fn a_lost_batch_is_named_beside_many_rows_that_callers_have_written_since() {
    lose(&with_writes_of_callers(0, 40), 45..55);
}

#[test]
fn a_lost_batch_is_named_beside_many_keys_that_callers_have_deleted_as_they_moved() {
    lose(&with_writes_of_callers(40, 0), 45..55);
}

/// Sound by itself, and of another chain: nothing leads from it anywhere, because it claims the last block.
#[test]
fn a_snapshot_of_the_last_block_that_is_another_chains_is_given_up() {
    let home = Patched::new();
    let other = Patched::at("exact", HEIGHT, &[HEIGHT]);
    fs::remove_dir_all(home.snapshot()).expect("removes");
    common::life::copy(&other.snapshot(), &home.memiavl().join(memiavl_iter::snapshot_name(HEIGHT as u64)));
    home.mend(&[RepairKind::Snapshot]);
}

/// Makes memiavl of the home anew, with another entry at `height`.
fn replace_entry(home: &Patched, height: u64) {
    let log = memiavl::Log::read(&home.memiavl().join("changelog"), memiavl::LogOptions::default()).expect("reads");
    let mut entries = log.versions().expect("entries").map(|version| {
        let bytes = log.entry(version)?.expect("an entry");
        if version != height {
            return Ok((version, bytes));
        }
        let sealed = open_entry(&bytes).expect("opens");
        let mut entry = sealed.entry;
        entry.changesets.extend(changes("bank", vec![set(b"planted", b"by nobody")]));
        Ok((version, seal_entry(&entry, sealed.app_hash.expect("a seal"))))
    });
    let snapshots = memiavl_iter::list_snapshots(&home.memiavl()).expect("lists");
    let snapshots: Vec<PathBuf> = snapshots.into_iter().map(|(_, path)| path).collect();
    let made = home.path().join("made");
    memiavl::assemble(&made, &snapshots, &mut entries).expect("makes it");
    fs::remove_dir_all(home.memiavl()).expect("removes");
    fs::rename(made, home.memiavl()).expect("renames");
}

#[test]
fn before_flatkv_exists_each_entrys_seal_tells_where_the_way_leads_astray() {
    const LAST: usize = 10;
    const CHANGED: u64 = 7;
    let home = Patched::at("small", LAST, &[5, LAST]);
    replace_entry(&home, CHANGED);
    flip_leaf(&home);
    home.is_refused(&format!("leads to the roots stored with its block: height={CHANGED}"));
}

#[test]
fn a_state_of_no_rows_that_does_not_decode_goes() {
    let home = Patched::new();
    home.plant(|patient| patient.set_record(b"lattice/\x02nobody", Some(&[1; 5])));
    home.mend(&[RepairKind::States]);
}

#[test]
fn rows_that_are_lost_with_the_state_that_would_prove_them_are_proven_by_the_root() {
    let home = Patched::new();
    let lost = home.last_moved();
    let state = [b"lattice/".as_slice(), &[lost[0].lane.number()], b"evm"].concat();
    home.plant(|patient| {
        lost.iter().for_each(|row| patient.set_row(row));
        patient.set_record(&state, Some(&[1; 5]));
    });
    home.mend(&[RepairKind::Row, RepairKind::States]);
}

#[test]
fn once_memiavl_is_retired_rows_are_mended_without_it() {
    const WINDOW: u64 = 5;
    let home = common::lives::home();
    let options = Options { rollback_blocks: WINDOW, ..options(4) };
    let mut node = Node::open(home.path(), options).expect("a fresh node");
    fill(&mut node);
    migrate_all(&mut node);
    while node.memiavl().is_some() {
        beat(&mut node);
    }
    node.close().expect("a clean close");
    let home = Patched { home, blocks: Vec::new() };
    let key = [b"evm/".as_slice(), &slot_key(3, 1)].concat();
    let row = home.view().stored_row(Lane::Storage, &key).expect("reads").expect("a row");
    let mut flipped = row.clone();
    flipped[12] ^= 0x10;
    home.plant(|patient| patient.set_row(&RowMend { lane: Lane::Storage, key, before: None, after: Some(flipped) }));
    let plan = home.plan();
    assert!(plan.is_possible(), "{:#?}", plan.refusals);
    assert_eq!(plan.repairs.len(), 1, "{:#?}", plan.repairs);
    assert_eq!(plan.repairs[0].after, hex::encode(row));
    home.apply(&plan.id).expect("mends");
    home.is_sound();
}

/// What lies before the damage is the changelog's, and what lies behind it FlatKV's handoffs; each alone would not do.
#[test]
fn a_changelog_that_is_damaged_in_its_middle_leads_on_by_the_handoffs() {
    const DAMAGED: u64 = 40;
    let home = Patched::new();
    let log = memiavl::Log::read(&home.memiavl().join("changelog"), memiavl::LogOptions::default()).expect("reads");
    let entry = log.entry(DAMAGED).expect("reads").expect("an entry");
    let segment = log.segments().find(|segment| segment.first_version <= DAMAGED).expect("a segment").path.to_owned();
    let mut bytes = fs::read(&segment).expect("reads");
    let at = bytes.windows(entry.len()).position(|window| window == entry.as_ref()).expect("the entry");
    bytes[at + entry.len() / 2] ^= 1;
    fs::write(&segment, bytes).expect("writes");
    flip_leaf(&home);
    home.plant(|patient| {
        patient.set_changelog_synced(DAMAGED - 2);
        patient.drop_handoffs(DAMAGED - 2);
    });
    home.mend(&[RepairKind::ChangelogEntry, RepairKind::Snapshot]);
}

#[test]
fn a_moved_boundary_is_named_without_the_journals_line_by_what_the_last_block_moved() {
    let home = Patched::new();
    let key = [MIGRATION_STORE.as_bytes(), b"/", BOUNDARY_KEY].concat();
    let moved = Boundary::in_progress("evm", [0x09; 21]).encode();
    let row = [&[0; 1], (HEIGHT as u64).to_be_bytes().as_slice(), &moved].concat();
    home.plant(|patient| {
        patient.set_row(&RowMend { lane: Lane::Misc, key, before: None, after: Some(row) });
        patient.set_journal(HEIGHT as u64, None);
    });
    let is_boundary = |finding: &ferry::Finding| finding.key.as_deref() == Some(BOUNDARY_KEY);
    let found = home.findings();
    assert!(found.iter().any(is_boundary), "{found:#?}");
}
