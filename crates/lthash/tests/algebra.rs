//! What makes the hash homomorphic, as properties.

use lthash::LtHash;
use proptest::collection::vec;
use proptest::prelude::*;

type Rows = Vec<(Vec<u8>, Vec<u8>)>;

fn rows() -> impl Strategy<Value = Rows> {
    vec((vec(any::<u8>(), 0..40), vec(any::<u8>(), 0..90)), 0..12)
}

fn sum(rows: &Rows) -> LtHash {
    let mut state = LtHash::new();
    for (key, value) in rows {
        state.add(key, value);
    }
    state
}

proptest! {
    #[test]
    fn the_order_of_rows_does_not_change_the_state(rows in rows(), rotation in any::<prop::sample::Index>()) {
        let mut other = rows.clone();
        if !other.is_empty() {
            let by = rotation.index(other.len());
            other.rotate_left(by);
            other.swap(0, by);
        }
        prop_assert_eq!(sum(&rows), sum(&other));
    }

    #[test]
    fn merging_states_equals_adding_their_rows(left in rows(), right in rows()) {
        let mut merged = sum(&left);
        merged.merge(&sum(&right));
        prop_assert_eq!(&merged, &sum(&[left.clone(), right.clone()].concat()));
        merged.unmerge(&sum(&left));
        prop_assert_eq!(merged, sum(&right));
    }

    #[test]
    fn subtracting_undoes_adding(rows in rows()) {
        let mut state = sum(&rows);
        for (key, value) in rows.iter().rev() {
            state.subtract(key, value);
        }
        prop_assert!(state.is_empty());
    }

    #[test]
    fn a_state_survives_its_bytes(rows in rows()) {
        let state = sum(&rows);
        prop_assert_eq!(LtHash::from_bytes(&state.to_bytes()), state);
    }
}

#[test]
fn where_a_key_ends_and_its_value_begins_matters() {
    assert_ne!(sum(&vec![(b"ab".to_vec(), b"c".to_vec())]), sum(&vec![(b"a".to_vec(), b"bc".to_vec())]));
}
