//! Where the state lies. The keys of `evm` are those of the chain that ferry was made for, so that each lands in its lane.
//!
//! ```text
//! evm      0a ‖ address 20              nonce, u64 BE            lane account
//! evm      08 ‖ address 20              code hash 32             lane account
//! evm      07 ‖ address 20              code                     lane code
//! evm      03 ‖ address 20 ‖ slot 32    value 32                 lane storage
//! evm      09 ‖ address 20              code length, u64 BE      lane misc
//! acc      01 ‖ address 20              account number, u64 BE
//! acc      00                           accounts so far, u64 BE
//! bank     02 ‖ address 20              balance, u64 BE
//! staking  31 ‖ address 20 ‖ address 20 delegation, u64 BE
//! params   "authority"                  address 20
//! params   "migration"                  see the file plan
//! ```

use crate::tx::Address;

/// Accounts in the order in which they appeared.
pub(crate) const ACC: &str = "acc";
/// Balances; the last module to migrate.
pub(crate) const BANK: &str = "bank";
/// Nonces and contracts; the first module to migrate.
pub(crate) const EVM: &str = "evm";
/// What the chain has decided about itself.
pub(crate) const PARAMS: &str = "params";
/// Delegations.
pub(crate) const STAKING: &str = "staking";

/// The chain's modules. Every node must configure the same.
pub const MODULES: [&str; 5] = [ACC, BANK, EVM, PARAMS, STAKING];

pub(crate) const ACCOUNTS: &[u8] = &[0x00];
pub(crate) const AUTHORITY: &[u8] = b"authority";
pub(crate) const MIGRATION: &[u8] = b"migration";

pub(crate) fn nonce(address: Address) -> Vec<u8> {
    prefixed(0x0a, &[&address.0])
}

pub(crate) fn code_hash(address: Address) -> Vec<u8> {
    prefixed(0x08, &[&address.0])
}

pub(crate) fn code(address: Address) -> Vec<u8> {
    prefixed(0x07, &[&address.0])
}

pub(crate) fn code_length(address: Address) -> Vec<u8> {
    prefixed(0x09, &[&address.0])
}

pub(crate) fn slot(address: Address, slot: u64) -> Vec<u8> {
    prefixed(0x03, &[&address.0, &word(slot)])
}

pub(crate) fn account(address: Address) -> Vec<u8> {
    prefixed(0x01, &[&address.0])
}

pub(crate) fn balance(address: Address) -> Vec<u8> {
    prefixed(0x02, &[&address.0])
}

pub(crate) fn delegation(delegator: Address, validator: Address) -> Vec<u8> {
    prefixed(0x31, &[&delegator.0, &validator.0])
}

/// A number as a 32-byte word of the virtual machine.
pub(crate) fn word(number: u64) -> [u8; 32] {
    let mut word = [0; 32];
    word[24..].copy_from_slice(&number.to_be_bytes());
    word
}

fn prefixed(prefix: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = vec![prefix];
    parts.iter().for_each(|part| key.extend_from_slice(part));
    key
}
