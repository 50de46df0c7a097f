//! Every kernel that this processor can run against the library's own output.

use super::*;
use crate::element::element;
use crate::state::{LtHash, STATE_BYTES};
use crate::sum::RowSum;

/// The element as the library draws it.
fn drawn(key: &[u8], value: &[u8]) -> [u16; LIMBS] {
    let mut hasher = blake3::Hasher::new();
    for part in [key, value] {
        let length = u32::try_from(part.len()).expect("a short part");
        hasher.update(&length.to_le_bytes()).update(part);
    }
    let mut bytes = [0; STATE_BYTES];
    hasher.finalize_xof().fill(&mut bytes);
    let mut limbs = [0; LIMBS];
    for (at, pair) in bytes.as_chunks::<2>().0.iter().enumerate() {
        limbs[place(at)] = u16::from_le_bytes(*pair);
    }
    limbs
}

#[test]
fn every_kernel_draws_what_the_library_draws() {
    let kernels = Kernel::all();
    assert!(!kernels.is_empty());
    let bytes: Vec<u8> = (0..9000_u32).map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
    // Around the ends of blocks, chunks and subtrees; the two lengths take 8 bytes of the input.
    let edges = [64_usize, 128, 192, 1024, 2048, 3072, 4096, 8192];
    let lengths = (1..200).chain(edges.into_iter().flat_map(|edge| edge - 60..edge + 3));
    for key_bytes in [1_usize, 24, 57] {
        for value_bytes in lengths.clone() {
            let (key, value) = (&bytes[..key_bytes], &bytes[100..100 + value_bytes]);
            let root = element(key, value).expect("an element").root();
            let expected = drawn(key, value);
            for kernel in &kernels {
                let mut limbs = [0; LIMBS];
                kernel.combine(&mut limbs, &root, Sign::Plus);
                assert!(limbs == expected, "{kernel:?} differs: key={key_bytes} value={value_bytes}");
                kernel.combine(&mut limbs, &root, Sign::Minus);
                assert!(limbs == [0; LIMBS], "{kernel:?} does not undo: key={key_bytes} value={value_bytes}");
            }
        }
    }
}

#[test]
fn every_limb_has_a_place_of_its_own() {
    let mut places: Vec<usize> = (0..LIMBS).map(place).collect();
    places.sort_unstable();
    assert_eq!(places, (0..LIMBS).collect::<Vec<_>>());
}

#[test]
fn a_sum_of_many_rows_is_that_of_one_row_after_the_other() {
    let bytes: Vec<u8> = (0..9000_u32).map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
    let (mut together, mut one_by_one) = (RowSum::default(), LtHash::new());
    // Every length in blocks, more and less often than there are lanes, none at all, and some taken away again.
    for at in 0..400 {
        let (key_bytes, value_bytes) = (at * 7 % 60, [41, 0, 90, 160, 230, 300, 1100, 2300][at % 8] + at % 23);
        let (key, value) = (&bytes[at..at + key_bytes], &bytes[100 + at..100 + at + value_bytes]);
        if at % 5 == 4 {
            together.subtract(key, value);
            one_by_one.subtract(key, value);
        } else {
            together.add(key, value);
            one_by_one.add(key, value);
        }
    }
    assert_eq!(together.finish(), one_by_one);
}
