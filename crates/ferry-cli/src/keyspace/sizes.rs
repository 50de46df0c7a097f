//! How much state to make.

use serde::Serialize;

use crate::failure::Failure;

/// The largest number of any kind; with it no product below overflows 128 bits.
const LARGEST: u64 = 1_000_000_000;

/// Numbers of keys that a user asks for; the rest follows from them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::Args)]
pub(crate) struct Sizes {
    /// EVM accounts: a nonce each; every twentieth is a contract with code.
    #[arg(long, value_name = "N", default_value_t = 50_000, value_parser = clap::value_parser!(u64).range(1..=LARGEST))]
    pub(crate) accounts: u64,
    /// EVM storage slots; few contracts have most of them.
    #[arg(long, value_name = "N", default_value_t = 200_000, value_parser = clap::value_parser!(u64).range(1..=LARGEST))]
    pub(crate) slots: u64,
    /// Bank balances.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=LARGEST))]
    pub(crate) bank: u64,
    /// Entries of wasm contracts.
    #[arg(long, value_name = "N", default_value_t = 50_000, value_parser = clap::value_parser!(u64).range(1..=LARGEST))]
    pub(crate) wasm: u64,
}

impl Sizes {
    /// How many accounts are contracts.
    pub(super) fn contracts(&self) -> u64 {
        self.accounts.div_ceil(20)
    }

    /// The first of the slots that belong to contract `contract`: contract c has slots up to the cube root of its share,
    /// so the first of a thousand contracts has a tenth of all slots, and the last one of 3000.
    pub(super) fn first_slot(&self, contract: u64) -> u64 {
        let cube = |number: u64| u128::from(number) * u128::from(number) * u128::from(number);
        let wanted = u128::from(contract) * cube(self.slots);
        let (mut low, mut high) = (0, self.slots);
        while low < high {
            let middle = low.midpoint(high);
            if u128::from(self.contracts()) * cube(middle) >= wanted {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        low
    }

    /// The contract that slot `slot` belongs to.
    pub(super) fn contract_of_slot(&self, slot: u64) -> u64 {
        let cube = |number: u64| u128::from(number) * u128::from(number) * u128::from(number);
        let contract = u128::from(self.contracts()) * cube(slot) / cube(self.slots);
        // UNWRAP: slot < slots, so the quotient is below the number of contracts.
        u64::try_from(contract).expect("below the number of contracts")
    }
}

impl Sizes {
    /// Refuses what a demonstration cannot work with.
    pub(crate) fn at_least(&self, least: u64) -> Result<(), Failure> {
        let named = [("accounts", self.accounts), ("slots", self.slots), ("bank", self.bank), ("wasm", self.wasm)];
        match named.into_iter().find(|(_, got)| *got < least) {
            Some((what, got)) => Err(Failure::TooSmall { what, least, got }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_slot_belongs_to_the_contract_whose_range_holds_it() {
        for slots in [1, 10, 997] {
            let sizes = Sizes { accounts: 400, slots, bank: 1, wasm: 1 };
            for slot in 0..slots {
                let contract = sizes.contract_of_slot(slot);
                assert!(sizes.first_slot(contract) <= slot && slot < sizes.first_slot(contract + 1), "slot={slot}");
            }
        }
    }

    #[test]
    fn the_largest_sizes_do_not_overflow() {
        let sizes = Sizes { accounts: LARGEST, slots: LARGEST, bank: LARGEST, wasm: LARGEST };
        assert_eq!(sizes.contract_of_slot(0), 0);
        assert!(sizes.contract_of_slot(LARGEST - 1) < sizes.contracts());
        assert_eq!(sizes.first_slot(sizes.contracts()), LARGEST);
    }
}
