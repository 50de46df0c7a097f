//! Verification finds what is damaged, and nothing where nothing is.

use std::ops::ControlFlow;
use std::path::Path;

use changeset::{History, KvPair, NamedChangeSet, NewStore};
use flatkv::{FlatKv, FlatKvError, Lane, VerifyReport};
use rocksdb::DB;
use tempfile::tempdir;

use crate::common::{code_hash_key, code_key, commit, nonce, nonce_key, open, seeded, slot_key};

fn filled(dir: &Path) -> FlatKv {
    let mut store = seeded(dir, 1);
    for byte in 1..=20 {
        let pairs = vec![
            KvPair::set(slot_key(byte, 1), vec![byte; 32]),
            KvPair::set(nonce_key(byte), nonce(u64::from(byte))),
            KvPair::set(code_hash_key(byte), vec![byte; 32]),
            KvPair::set(code_key(byte), vec![byte; 100]),
        ];
        commit(
            &mut store,
            &[NamedChangeSet::new("evm", pairs), NamedChangeSet::new("bank", vec![KvPair::set("k", "v")])],
        );
    }
    store
}

fn verify(store: &FlatKv) -> VerifyReport {
    let view = store.view().expect("a view");
    view.verify(&mut |_| ControlFlow::Continue(())).expect("reads everything").expect("runs to the end")
}

/// Writes to a closed store's column family behind its back.
fn tamper<T>(dir: &Path, family: &str, change: impl FnOnce(&DB, &rocksdb::ColumnFamily) -> T) -> T {
    let options = rocksdb::Options::default();
    let names = DB::list_cf(&options, dir).expect("lists");
    let db = DB::open_cf(&options, dir, names).expect("opens");
    change(&db, db.cf_handle(family).expect("a family"))
}

#[test]
fn a_sound_store_verifies() {
    let dir = tempdir().expect("a directory");
    let store = filled(dir.path());
    let report = verify(&store);
    assert!(report.is_clean(), "{report:?}");
    assert_eq!((report.version, report.rows), (Some(20), 61));
    assert_eq!(report.parts.len(), 4);
}

#[test]
fn a_verification_can_be_stopped() {
    let dir = tempdir().expect("a directory");
    let view = filled(dir.path()).view().expect("a view");
    let stopped = view.verify(&mut |progress| {
        assert_eq!(progress.rows_expected, 61);
        ControlFlow::Break(())
    });
    assert!(stopped.expect("reads").is_none());
}

#[test]
fn each_way_of_damaging_a_row_is_found() {
    let key = |key: Vec<u8>| [b"evm/".to_vec(), key].concat();
    let check = |family: &str, lane: Lane, damaged_rows: u64, change: &dyn Fn(&DB, &rocksdb::ColumnFamily)| {
        let dir = tempdir().expect("a directory");
        drop(filled(dir.path()));
        tamper(dir.path(), family, change);
        let report = verify(&open(dir.path()));
        let wrong: Vec<_> = report.parts.iter().filter(|part| !part.agrees()).map(|part| part.lane).collect();
        assert_eq!((wrong, report.damaged_rows), (vec![lane], damaged_rows), "{family}");
        assert!(!report.is_clean());
    };
    let slot = key(slot_key(3, 1));
    check("storage", Lane::Storage, 0, &|db, cf| {
        let mut row = db.get_cf(cf, &slot).expect("reads").expect("a row");
        *row.last_mut().expect("a byte") ^= 1;
        db.put_cf(cf, &slot, row).expect("writes");
    });
    check("account", Lane::Account, 0, &|db, cf| db.delete_cf(cf, key(nonce_key(3))).expect("writes"));
    check("code", Lane::Code, 1, &|db, cf| db.put_cf(cf, key(code_key(3)), [0; 4]).expect("writes"));
    check("misc", Lane::Misc, 0, &|db, cf| db.put_cf(cf, b"new/k", [0; 12]).expect("writes"));
}

#[test]
fn a_row_in_a_lane_that_is_not_its_own_is_damage() {
    let dir = tempdir().expect("a directory");
    drop(filled(dir.path()));
    tamper(dir.path(), "misc", |db, cf| {
        db.put_cf(cf, [b"evm/".to_vec(), slot_key(3, 1)].concat(), [0; 41]).expect("writes");
    });
    let report = verify(&open(dir.path()));
    assert_eq!(report.damaged_rows, 1);
    assert!(matches!(report.damaged[0], FlatKvError::Key(_)));
}

#[test]
fn a_changed_lattice_entry_stops_the_opening() {
    let dir = tempdir().expect("a directory");
    drop(filled(dir.path()));
    tamper(dir.path(), "meta", |db, cf| {
        let key = b"lattice/\x02evm";
        let mut entry = db.get_cf(cf, key).expect("reads").expect("an entry");
        entry[77] ^= 1;
        db.put_cf(cf, key, entry).expect("writes");
    });
    match FlatKv::open(dir.path(), &crate::common::options()) {
        Err(error @ FlatKvError::Disagree { what: "root of the last block", .. }) => {
            assert_eq!(error.kind(), changeset::StoreErrorKind::Corruption);
        }
        other => panic!("another answer: {:?}", other.map(|store| store.version())),
    }
}

#[test]
fn a_missing_handoff_stops_the_opening() {
    let dir = tempdir().expect("a directory");
    drop(filled(dir.path()));
    tamper(dir.path(), "handoff", |db, cf| db.delete_cf(cf, 19_u64.to_be_bytes()).expect("writes"));
    match FlatKv::open(dir.path(), &crate::common::options()) {
        Err(FlatKvError::Missing { record: "handoff", height }) => assert_eq!(height, 19),
        other => panic!("another answer: {:?}", other.map(|store| store.version())),
    }
}

/// Changes the last block's undo record.
fn tamper_undo<T>(dir: &Path, change: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    tamper(dir, "undo", |db, cf| {
        let mut record = db.get_cf(cf, 20_u64.to_be_bytes()).expect("reads").expect("a record");
        let done = change(&mut record);
        db.put_cf(cf, 20_u64.to_be_bytes(), record).expect("writes");
        done
    })
}

#[test]
fn an_undo_record_that_leads_elsewhere_is_refused_and_changes_nothing() {
    let dir = tempdir().expect("a directory");
    drop(filled(dir.path()));
    // Count, lane, module with its length, presence and length of the entry: then a limb of its state.
    tamper_undo(dir.path(), |record| {
        record[4 + 1 + 4 + 3 + 1 + 4 + 100] ^= 1;
        let sealed = record.len() - 4;
        let seal = crc32c::crc32c(&record[..sealed]).to_be_bytes();
        record[sealed..].copy_from_slice(&seal);
    });
    let mut store = open(dir.path());
    let root = store.committed_root();
    assert!(matches!(store.undo_block(), Err(FlatKvError::Disagree { what: "root before the block", .. })));
    assert_eq!((store.version(), store.committed_root()), (Some(20), root));
    commit(&mut store, &[]);
    assert_eq!(store.version(), Some(21), "nothing was written, so the store goes on");
}

#[test]
fn a_torn_undo_record_is_found_before_a_rollback_begins() {
    let dir = tempdir().expect("a directory");
    drop(filled(dir.path()));
    tamper_undo(dir.path(), |record| record.truncate(record.len() - 1));
    let mut store = open(dir.path());
    match store.begin_rollback(10) {
        Err(error @ FlatKvError::Record { record: "undo", .. }) => {
            assert_eq!(error.kind(), changeset::StoreErrorKind::Corruption);
        }
        other => panic!("another answer: {other:?}"),
    }
    assert_eq!(store.rollback_target().expect("reads"), None);
}

/// A row in a record is covered by no root before it is a row of the store: a flipped bit would come back as the state.
#[test]
fn a_flipped_bit_anywhere_in_an_undo_record_is_found_before_a_rollback_begins() {
    let dir = tempdir().expect("a directory");
    drop(filled(dir.path()));
    let bytes = tamper_undo(dir.path(), |record| record.len());
    for at in (0..bytes).step_by(97).chain([bytes - 1]) {
        tamper_undo(dir.path(), |record| record[at] ^= 1);
        let mut store = open(dir.path());
        let refused = store.begin_rollback(10);
        assert!(matches!(refused, Err(FlatKvError::Record { record: "undo", .. })), "byte {at}: {refused:?}");
        drop(store);
        tamper_undo(dir.path(), |record| record[at] ^= 1);
    }
    open(dir.path()).begin_rollback(10).expect("the record as it was");
}

#[test]
fn a_damaged_row_is_an_error_and_not_an_absence() {
    let dir = tempdir().expect("a directory");
    drop(filled(dir.path()));
    let physical = [b"evm/".to_vec(), nonce_key(3)].concat();
    tamper(dir.path(), "account", |db, cf| db.put_cf(cf, &physical, [0; 50]).expect("writes"));
    let mut store = open(dir.path());
    let check = |error: changeset::StoreError| {
        assert_eq!(error.kind(), changeset::StoreErrorKind::Corruption);
        assert!(matches!(crate::common::inner(&error), FlatKvError::Row { key, .. } if *key == physical));
    };
    let view = store.view().expect("a view");
    check(changeset::Read::get(&view, "evm", &nonce_key(3)).expect_err("damaged"));
    check(changeset::Read::get_many(&view, "evm", &[nonce_key(3).into()]).expect_err("damaged"));
    let scanned = changeset::Scan::scan(&view, "evm", &changeset::ScanRange::ALL, changeset::ScanOrder::Ascending);
    let mut pairs = scanned.expect("begins");
    check(pairs.by_ref().find_map(Result::err).expect("the damage comes up"));
    assert!(pairs.next().is_none(), "an error ends the scan");
    let write = changeset::Write::apply(&mut store, &crate::common::evm(vec![KvPair::set(nonce_key(3), nonce(1))]));
    check(write.expect_err("damaged"));
    assert_eq!(store.pending_rows(), 0);
}

/// Flips a byte in the middle of each table of a store, whose rows are all in tables.
fn damage_tables(dir: &Path) -> usize {
    let options = rocksdb::Options::default();
    let names = DB::list_cf(&options, dir).expect("lists");
    let db = DB::open_cf(&options, dir, &names).expect("opens");
    for name in names.iter().filter(|name| *name == "storage") {
        db.flush_cf(db.cf_handle(name).expect("a family")).expect("flushes");
    }
    let tables: Vec<_> =
        db.live_files().expect("lists").into_iter().filter(|file| file.column_family_name == "storage").collect();
    drop(db);
    for table in &tables {
        let path = dir.join(table.name.trim_start_matches('/'));
        let mut bytes = std::fs::read(&path).expect("reads");
        bytes[50] ^= 0xff;
        std::fs::write(&path, bytes).expect("writes");
    }
    tables.len()
}

#[test]
fn damage_inside_a_table_is_an_error_of_every_reader_and_never_the_end() {
    let dir = tempdir().expect("a directory");
    drop(filled(dir.path()));
    assert!(damage_tables(dir.path()) > 0);
    let store = open(dir.path());
    let view = store.view().expect("a view");
    for order in [changeset::ScanOrder::Ascending, changeset::ScanOrder::Descending] {
        let scanned = changeset::Scan::scan(&view, "evm", &changeset::ScanRange::ALL, order).expect("begins");
        let error = scanned.last().expect("an item").expect_err("the scan ends with the damage");
        assert_eq!(error.kind(), changeset::StoreErrorKind::Corruption);
        assert!(matches!(crate::common::inner(&error), FlatKvError::RocksDb { operation: "iterate", .. }));
    }
    let key = slot_key(3, 1);
    assert!(changeset::Read::get(&view, "evm", &key).is_err());
    assert!(changeset::Read::get_many(&view, "evm", &[key.into()]).is_err());
    assert!(view.rows().last().expect("an item").is_err());
    assert!(view.verify(&mut |_| ControlFlow::Continue(())).is_err());
}
