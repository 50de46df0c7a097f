//! The hashes of a queue are those of the libraries, whatever the lengths, their mixture and their number.

use blake3::Hasher;
use multibuffer::blake3::ChunkFront;
use multibuffer::{Algorithm, BLOCK_BYTES, Blake3, Hash, Queue, Sha256};
use proptest::prelude::*;
use sha2::Digest;

fn sha256(message: &[u8]) -> Hash {
    sha2::Sha256::digest(message).into()
}

fn blake3(message: &[u8]) -> Hash {
    Hasher::new().update(message).finalize().into()
}

/// The bytes that every message is a piece of.
fn bytes() -> Vec<u8> {
    (0..3000_u32).map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect()
}

/// Hashes `messages` by a queue and compares each hash with `expected`; each is told once.
fn check<A: Algorithm>(messages: &[&[u8]], expected: fn(&[u8]) -> Hash) {
    let mut told: Vec<Vec<Hash>> = messages.iter().map(|_| Vec::new()).collect();
    let mut queue = Queue::<A, usize>::default();
    for (at, message) in messages.iter().enumerate() {
        let (front, back) = message.split_at(message.len() / 3);
        queue.push([front, back], at, |at, hash| told[at].push(hash));
    }
    queue.finish(|at, hash| told[at].push(hash));
    queue.finish(|_, _| panic!("all were told"));
    for (message, told) in messages.iter().zip(told) {
        assert_eq!(told, [expected(message)], "length={}", message.len());
    }
}

#[test]
fn every_length_hashes_as_the_library_hashes_it() {
    let bytes = bytes();
    for length in 0..700 {
        let (message, others) = (&bytes[..length], &bytes[1..=length]);
        assert_eq!(Sha256::hash([message]), sha256(message), "length={length}");
        assert_eq!(Blake3::hash([message]), blake3(message), "length={length}");
        // Fewer than are hashed at once, exactly as many, and some that are left.
        for count in [1, 5, 6, 15, 16, 17, 40] {
            let messages: Vec<_> = (0..count).map(|at| if at % 3 == 0 { message } else { others }).collect();
            check::<Sha256>(&messages, sha256);
            check::<Blake3>(&messages, blake3);
        }
    }
    for length in [1023, 1024, 1025, 2048, 2999] {
        assert_eq!(Blake3::hash([&bytes[..length]]), blake3(&bytes[..length]), "length={length}");
        check::<Blake3>(&[&bytes[..length]; 17], blake3);
        check::<Sha256>(&[&bytes[..length]; 17], sha256);
    }
}

#[test]
fn the_front_of_a_chunk_is_the_same_alone_and_among_many() {
    let bytes = bytes();
    for blocks in 1..=20 {
        let fronts: Vec<_> = (0..33).map(|at| &bytes[at..at + blocks * BLOCK_BYTES]).collect();
        check::<ChunkFront>(&fronts, |front| ChunkFront::hash([front]));
    }
}

proptest! {
    #[test]
    fn messages_of_all_lengths_in_any_order_each_have_their_own_hash(
        pieces in prop::collection::vec((0_usize..600, 0_usize..400), 0..120),
    ) {
        let bytes = bytes();
        let messages: Vec<_> = pieces.iter().map(|(from, length)| &bytes[*from..from + length]).collect();
        check::<Sha256>(&messages, sha256);
        check::<Blake3>(&messages, blake3);
    }
}
