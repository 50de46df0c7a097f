//! Rows byte by byte, and what changes make of them.

use super::*;

fn next(field: Field, old: Option<&[u8]>, op: Op<'_>, height: u64) -> Result<Option<Vec<u8>>, RowError> {
    let mut row = b"of another key".to_vec();
    Ok(next_row(field, old, op, height, &mut row)?.then_some(row))
}

fn account(height: u64, nonce: u64, code_hash: u8) -> AccountRow {
    AccountRow { height, balance: [0; 32], nonce, code_hash: [code_hash; 32] }
}

#[test]
fn an_account_is_49_bytes_without_a_code_hash_and_81_with_one() {
    let short = account(5, 7, 0).encode();
    assert_eq!(short.len(), 49);
    assert_eq!(short[..9], [0, 0, 0, 0, 0, 0, 0, 0, 5]);
    assert_eq!(short[41..], [0, 0, 0, 0, 0, 0, 0, 7]);
    let long = account(5, 7, 9).encode();
    assert_eq!(long.len(), 81);
    assert_eq!(long[49..], [9; 32]);
    for row in [short, long] {
        assert_eq!(AccountRow::decode(&row).expect("decodes").encode(), row);
    }
}

#[test]
fn rows_that_no_encoder_writes_are_refused() {
    let check = |lane, row: &[u8], expected| assert_eq!(check_row(lane, row), Err(expected));
    for lane in Lane::ALL {
        check(lane, &[], RowError::Length { lane, got: 0 });
        check(lane, &[0; 8], RowError::Length { lane, got: 8 });
        check(lane, &[1; 41], RowError::Version { lane, got: 1 });
    }
    check(Lane::Storage, &[0; 40], RowError::Length { lane: Lane::Storage, got: 40 });
    check(Lane::Storage, &[0; 41], RowError::NeverWritten { lane: Lane::Storage });
    check(Lane::Code, &[0; 9], RowError::NeverWritten { lane: Lane::Code });
    check(Lane::Account, &[0; 49], RowError::NeverWritten { lane: Lane::Account });
    check(Lane::Account, &[0; 50], RowError::Length { lane: Lane::Account, got: 50 });
    let mut no_hash = account(5, 7, 1).encode();
    no_hash[49..].fill(0);
    check(Lane::Account, &no_hash, RowError::NeverWritten { lane: Lane::Account });
    assert_eq!(check_row(Lane::Misc, &[0, 0, 0, 0, 0, 0, 0, 0, 3]), Ok(3));
}

#[test]
fn a_zero_slot_and_empty_code_remove_their_rows_and_an_empty_misc_value_does_not() {
    assert_eq!(next(Field::Storage, None, Op::Set(&[0; 32]), 4), Ok(None));
    assert_eq!(next(Field::Code, None, Op::Set(b""), 4), Ok(None));
    assert_eq!(next(Field::Misc, None, Op::Set(b""), 4), Ok(Some(vec![0, 0, 0, 0, 0, 0, 0, 0, 4])));
    for field in [Field::Storage, Field::Code, Field::Misc, Field::Nonce, Field::CodeHash] {
        assert_eq!(next(field, None, Op::Delete, 4), Ok(None));
    }
}

#[test]
fn a_nonce_and_a_code_hash_merge_and_the_balance_stays() {
    let rich = AccountRow { height: 1, balance: [8; 32], nonce: 0, code_hash: [0; 32] }.encode();
    let with_nonce = next(Field::Nonce, Some(&rich), Op::Set(&[0, 0, 0, 0, 0, 0, 0, 6]), 2).expect("applies");
    let with_hash = next(Field::CodeHash, with_nonce.as_deref(), Op::Set(&[5; 32]), 3).expect("applies");
    let expected = AccountRow { height: 3, balance: [8; 32], nonce: 6, code_hash: [5; 32] };
    assert_eq!(with_hash, Some(expected.encode()));
}

#[test]
fn deleting_a_field_zeroes_it_and_the_row_goes_with_the_last_one() {
    let both = account(1, 6, 5).encode();
    let no_nonce = next(Field::Nonce, Some(&both), Op::Delete, 2).expect("applies");
    assert_eq!(no_nonce, Some(account(2, 0, 5).encode()));
    assert_eq!(next(Field::CodeHash, no_nonce.as_deref(), Op::Delete, 3), Ok(None));
}

#[test]
fn touching_a_live_row_stamps_the_height_even_when_nothing_else_changes() {
    let row = account(1, 0, 5).encode();
    assert_eq!(next(Field::Nonce, Some(&row), Op::Delete, 9), Ok(Some(account(9, 0, 5).encode())));
    let same = next(Field::CodeHash, Some(&row), Op::Set(&[5; 32]), 9);
    assert_eq!(same, Ok(Some(account(9, 0, 5).encode())));
}

#[test]
fn a_nonce_is_found_whenever_its_row_lives_and_a_code_hash_only_when_it_is_not_zero() {
    let hash_only = account(1, 0, 5).encode();
    let nonce_only = account(1, 6, 0).encode();
    assert_eq!(read_field(Field::Nonce, &hash_only), Ok(Some(Bytes::from_static(&[0; 8]))));
    assert_eq!(read_field(Field::CodeHash, &hash_only), Ok(Some(Bytes::from_static(&[5; 32]))));
    assert_eq!(read_field(Field::CodeHash, &nonce_only), Ok(None));
}
