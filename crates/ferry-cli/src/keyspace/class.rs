//! The kinds of keys, each with its bytes at any index.
//!
//! ```text
//! evm    01 ‖ address 20                      association with a chain address    misc
//!        03 ‖ address 20 ‖ slot 32            storage slot                        storage
//!        07 ‖ address 20                      code                                code
//!        08 ‖ address 20                      code hash                           account
//!        09 ‖ address 20                      code size                           misc
//!        0a ‖ address 20                      nonce                               account
//! bank   02 ‖ 14 ‖ address 20 ‖ denomination  balance
//! wasm   03 ‖ contract 32 ‖ field 8           entry of a contract
//! other  01 ‖ 20 bytes                        a record
//! ```
//! Indices below a kind's number are in key order; those from there on are new keys anywhere in between.

use bytes::Bytes;
use ferry::DEFAULT_MODULES;

use super::mix::{Mix, ordered};
use super::sizes::Sizes;

/// A kind of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Class {
    /// EVM address to chain address.
    Association,
    Slot,
    Code,
    CodeHash,
    CodeSize,
    Nonce,
    Balance,
    WasmEntry,
    /// A record of the module at this place in [`DEFAULT_MODULES`], one of those without a kind of their own.
    Record(u8),
    /// One key of `evm`, `bank` and `wasm` each that every block of a demonstration writes, so that a reader sees when
    /// a view mixes blocks.
    Stamp(u8),
}

/// The stores that have a stamp.
const STAMPED: [&str; 3] = ["evm", "bank", "wasm"];
/// Behind all other keys of its store, and in FlatKV's lane for keys of no special shape.
const STAMP_KEY: &[u8] = b"\xfestamp";

/// All keys that a seed and sizes make.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keyspace {
    pub(super) seed: u64,
    sizes: Sizes,
}

impl Class {
    /// The stamps, one a store.
    pub(crate) const STAMPS: [Self; STAMPED.len()] = [Self::Stamp(0), Self::Stamp(1), Self::Stamp(2)];

    /// The store that keys of the kind are in.
    pub(crate) fn store(self) -> &'static str {
        match self {
            Self::Balance => "bank",
            Self::WasmEntry => "wasm",
            Self::Record(module) => DEFAULT_MODULES[usize::from(module)],
            Self::Stamp(store) => STAMPED[usize::from(store)],
            _ => "evm",
        }
    }

    /// A number of its own for each kind, so that their bytes are unlike.
    pub(super) fn domain(self) -> u64 {
        match self {
            Self::Association => 1,
            Self::Slot => 2,
            Self::Code => 3,
            Self::CodeHash => 4,
            Self::CodeSize => 5,
            Self::Nonce => 6,
            Self::Balance => 7,
            Self::WasmEntry => 8,
            Self::Record(module) => 100 + u64::from(module),
            Self::Stamp(store) => 200 + u64::from(store),
        }
    }
}

impl Keyspace {
    pub(crate) fn new(seed: u64, sizes: Sizes) -> Self {
        Self { seed, sizes }
    }

    /// All kinds but the stamps: stores in byte order, and in a store in the order of its keys.
    pub(crate) fn classes(&self) -> Vec<Class> {
        let evm = [Class::Association, Class::Slot, Class::Code, Class::CodeHash, Class::CodeSize, Class::Nonce];
        let classes = (0..DEFAULT_MODULES.len() as u8).flat_map(|module| match DEFAULT_MODULES[usize::from(module)] {
            "evm" => evm.to_vec(),
            "bank" => vec![Class::Balance],
            "wasm" => vec![Class::WasmEntry],
            _ => vec![Class::Record(module)],
        });
        classes.collect()
    }

    /// How many keys of the kind the state begins with.
    pub(crate) fn count(&self, class: Class) -> u64 {
        match class {
            Class::Association => self.sizes.accounts.div_ceil(2),
            Class::Slot => self.sizes.slots,
            Class::Code | Class::CodeHash | Class::CodeSize => self.sizes.contracts(),
            Class::Nonce => self.sizes.accounts,
            Class::Balance => self.sizes.bank,
            Class::WasmEntry => self.sizes.wasm,
            // Trees of one key and of two are as real as large ones.
            Class::Record(module) if class.store() != "acc" => 1 + u64::from(module) * 7 % 50,
            Class::Record(_) => self.sizes.accounts.div_ceil(4),
            Class::Stamp(_) => 0,
        }
    }

    /// How many keys the state begins with.
    pub(crate) fn total(&self) -> u64 {
        self.classes().into_iter().map(|class| self.count(class)).sum()
    }

    /// The key of `class` at `index`.
    pub(crate) fn key(&self, class: Class, index: u64) -> Bytes {
        let account = |prefix: u8, index| [&[prefix][..], &self.address(index)].concat();
        let key = match class {
            Class::Association => account(0x01, index),
            Class::Slot => self.slot_key(index),
            Class::Code => account(0x07, self.contract_account(index)),
            Class::CodeHash => account(0x08, self.contract_account(index)),
            Class::CodeSize => account(0x09, self.contract_account(index)),
            Class::Nonce => account(0x0a, index),
            Class::Balance => [&[0x02, 20][..], &self.scattered::<20>(class, index), b"usei"].concat(),
            Class::WasmEntry => [&[0x03][..], &self.scattered::<40>(class, index)].concat(),
            Class::Record(_) => [&[0x01][..], &self.scattered::<20>(class, index)].concat(),
            Class::Stamp(_) => STAMP_KEY.to_vec(),
        };
        key.into()
    }

    /// The account that contract `contract` is; new contracts are accounts of their own, beside other new accounts.
    pub(crate) fn contract_account(&self, contract: u64) -> u64 {
        let contracts = self.sizes.contracts();
        if contract < contracts {
            // At most 2^60: both are bounded by the largest size.
            contract * self.sizes.accounts / contracts
        } else {
            u64::MAX - contract
        }
    }

    fn address(&self, account: u64) -> [u8; 20] {
        self.scattered(Class::Nonce, account)
    }

    /// `N` bytes that grow with the index below the kind's number, and lie anywhere from there on.
    fn scattered<const N: usize>(&self, class: Class, index: u64) -> [u8; N] {
        let mut bytes = [0; N];
        Mix::at(self.seed, class.domain(), index, 1).fill(&mut bytes);
        let count = self.count(class);
        if index < count {
            bytes[..8].copy_from_slice(&ordered(self.seed, class.domain(), index, count).to_be_bytes());
        }
        bytes
    }

    fn slot_key(&self, index: u64) -> Vec<u8> {
        let domain = Class::Slot.domain();
        let mut slot = [0; 32];
        let mut mix = Mix::at(self.seed, domain, index, 1);
        let contract = if index < self.sizes.slots {
            let contract = self.sizes.contract_of_slot(index);
            let (first, end) = (self.sizes.first_slot(contract), self.sizes.first_slot(contract + 1));
            let ordinal = index - first;
            if ordinal < 4 {
                // The plain variables of a contract, behind which the hashed places of its maps lie.
                slot[24..].copy_from_slice(&ordinal.to_be_bytes());
            } else {
                mix.fill(&mut slot);
                slot[..8].copy_from_slice(&ordered(self.seed, domain, ordinal, end - first).to_be_bytes());
            }
            contract
        } else {
            mix.fill(&mut slot);
            mix.below(self.sizes.contracts())
        };
        [&[0x03][..], &self.address(self.contract_account(contract)), &slot].concat()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn keyspace() -> Keyspace {
        Keyspace::new(7, Sizes { accounts: 500, slots: 3_000, bank: 200, wasm: 100 })
    }

    #[test]
    fn keys_come_in_the_byte_order_of_their_store() {
        let keyspace = keyspace();
        let mut last = ("", Bytes::new());
        let mut total = 0;
        for class in keyspace.classes() {
            for index in 0..keyspace.count(class) {
                let next = (class.store(), keyspace.key(class, index));
                assert!(last < next, "{class:?} {index}");
                last = next;
                total += 1;
            }
        }
        assert_eq!(total, keyspace.total());
    }

    #[test]
    fn new_keys_are_unlike_the_first_ones() {
        let keyspace = keyspace();
        let mut seen = HashSet::new();
        for class in [Class::Slot, Class::Nonce, Class::Balance, Class::WasmEntry, Class::Code] {
            for index in 0..keyspace.count(class) + 300 {
                assert!(seen.insert((class.store(), keyspace.key(class, index))), "{class:?} {index}");
            }
        }
    }

    #[test]
    fn keys_have_the_shapes_that_flatkv_tells_apart() {
        let keyspace = keyspace();
        let check = |class, prefix, length| {
            let key = keyspace.key(class, 10);
            assert_eq!((key[0], key.len()), (prefix, length), "{class:?}");
        };
        check(Class::Slot, 0x03, 53);
        check(Class::Code, 0x07, 21);
        check(Class::CodeHash, 0x08, 21);
        check(Class::Nonce, 0x0a, 21);
        assert_eq!(keyspace.key(Class::Code, 3)[1..], keyspace.key(Class::Nonce, keyspace.contract_account(3))[1..]);
    }
}
