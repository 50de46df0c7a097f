//! Keys picked at random among those that the state began with, and whether what was read of them can be true.

use bytes::Bytes;
use ferry::View;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::difference::{Difference, Halt, hex_or_none};
use crate::keyspace::{Class, Keyspace};

/// The kinds that readers read, with their share in percent.
const SHARES: [(Class, u32); 5] =
    [(Class::Slot, 45), (Class::Nonce, 25), (Class::Balance, 20), (Class::WasmEntry, 5), (Class::CodeHash, 5)];

/// A key to read.
pub(super) struct Sample {
    class: Class,
    index: u64,
    pub(super) key: Bytes,
}

impl Sample {
    /// Picks a key.
    pub(super) fn pick(keyspace: &Keyspace, rng: &mut ChaCha8Rng) -> Self {
        let mut left = rng.random_range(0..100);
        let mut class = Class::Slot;
        for (candidate, share) in SHARES {
            if left < share {
                class = candidate;
                break;
            }
            left -= share;
        }
        let index = rng.random_range(0..keyspace.count(class));
        Self { class, index, key: keyspace.key(class, index) }
    }

    pub(super) fn store(&self) -> &'static str {
        self.class.store()
    }

    /// The value that block `height` gives to the key.
    #[cfg(test)]
    pub(super) fn value(&self, keyspace: &Keyspace, height: u64) -> Bytes {
        keyspace.value(self.class, self.index, height)
    }

    /// Whether `value` can be what a view of `height` reads: whole, of this key, not from the future; and nonces and
    /// code hashes are never deleted.
    pub(super) fn judge(&self, keyspace: &Keyspace, height: u64, value: Option<&[u8]>) -> Result<(), Halt> {
        let sound = match value {
            None => !matches!(self.class, Class::Nonce | Class::CodeHash),
            Some(value) => keyspace.height_of(self.class, self.index, value).is_some_and(|written| written <= height),
        };
        if sound {
            return Ok(());
        }
        Err(Difference {
            height,
            what: format!("read of store {} key {}", self.store(), hex::encode(&self.key)),
            expected: format!("a value that block {height} or an earlier one wrote"),
            got: hex_or_none(value),
        }
        .into())
    }
}

/// Every block writes all stamps, so a view in which one is of another block is torn.
pub(super) fn check_stamps(keyspace: &Keyspace, view: &View) -> Result<(), Halt> {
    let height = view.height();
    for stamp in Class::STAMPS {
        let got = view.get(stamp.store(), &keyspace.key(stamp, 0))?;
        let expected = hex::encode(keyspace.value(stamp, 0, height));
        Difference::check(height, || format!("stamp of store {}", stamp.store()), expected, hex_or_none(got))?;
    }
    Ok(())
}
