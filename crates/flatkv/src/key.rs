//! Where a module's key lies: its lane, its physical key, and the way back.
//!
//! ```text
//! physical key   module name | '/' | key
//!
//! module evm, by first byte and exact length
//!   03 | address 20 | slot 32   storage   evm/ | same
//!   07 | address 20             code      evm/ | same
//!   0a | address 20             account   evm/0a | address     the nonce
//!   08 | address 20             account   evm/0a | address     the code hash: the same row
//!   anything else               misc      evm/ | same
//! every other module            misc      module/ | key
//! ```
//! Source: spec FORMATS, FlatKV rows. The empty key of module `evm` has no place; a module name is not empty and holds no
//! `/`, because two modules could share a row otherwise.

use std::sync::Arc;

use crate::lane::Lane;

/// The module whose keys have lanes of their own.
pub const EVM: &str = "evm";

/// First bytes of memiavl's evm keys.
pub(crate) const STORAGE_PREFIX: u8 = 0x03;
pub(crate) const CODE_PREFIX: u8 = 0x07;
/// First byte of the keys of code hashes, which share an account's row with its nonce.
pub const CODE_HASH_PREFIX: u8 = 0x08;
/// First byte of the keys of nonces.
pub const NONCE_PREFIX: u8 = 0x0a;

pub(crate) const SEPARATOR: u8 = b'/';
pub(crate) const ADDRESS_KEY_BYTES: usize = 1 + 20;
const STORAGE_KEY_BYTES: usize = 1 + 20 + 32;

/// A physical key, shared between the rows of a block and its log.
pub(crate) type Key = Arc<[u8]>;

/// What a module's key names: a whole row, or one field of an account's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// A storage slot's value.
    Storage,
    /// A contract's code.
    Code,
    /// The nonce of an account's row.
    Nonce,
    /// The code hash of an account's row.
    CodeHash,
    /// A value of the misc lane.
    Misc,
}

impl Field {
    /// The lane of the row.
    pub fn lane(self) -> Lane {
        match self {
            Self::Storage => Lane::Storage,
            Self::Code => Lane::Code,
            Self::Nonce | Self::CodeHash => Lane::Account,
            Self::Misc => Lane::Misc,
        }
    }
}

/// A module and key that have no place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The empty key of module `evm`.
    #[error("the empty key of module evm cannot be stored")]
    EmptyEvmKey,
    /// A module name that is empty or holds a `/`.
    #[error("module name is empty or holds a slash: module={module:?}")]
    Module {
        /// The name.
        module: String,
    },
    /// Bytes in a lane's column family that are no physical key of that lane.
    #[error("physical key does not belong to its lane: lane={lane} key={}", Hex(key))]
    Physical {
        /// The lane.
        lane: Lane,
        /// The key.
        key: Vec<u8>,
    },
}

/// Bytes as lower-case hex, for messages.
pub(crate) struct Hex<'a>(pub(crate) &'a [u8]);

impl std::fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Where `key` of `module` lies; its physical key is written to `physical`.
///
/// # Errors
/// A key that has no place.
pub fn locate(module: &str, key: &[u8], physical: &mut Vec<u8>) -> Result<Field, KeyError> {
    check_module(module)?;
    physical.clear();
    physical.extend_from_slice(module.as_bytes());
    physical.push(SEPARATOR);
    physical.extend_from_slice(key);
    let field = field(module == EVM, key)?;
    if field == Field::CodeHash {
        physical[EVM.len() + 1] = NONCE_PREFIX;
    }
    Ok(field)
}

/// What a key of module `evm`, or of another one, names.
pub(crate) fn field(is_evm: bool, key: &[u8]) -> Result<Field, KeyError> {
    if is_evm { evm_field(key).ok_or(KeyError::EmptyEvmKey) } else { Ok(Field::Misc) }
}

/// What an evm key names; none for the empty key.
fn evm_field(key: &[u8]) -> Option<Field> {
    Some(match (*key.first()?, key.len()) {
        (STORAGE_PREFIX, STORAGE_KEY_BYTES) => Field::Storage,
        (CODE_PREFIX, ADDRESS_KEY_BYTES) => Field::Code,
        (NONCE_PREFIX, ADDRESS_KEY_BYTES) => Field::Nonce,
        (CODE_HASH_PREFIX, ADDRESS_KEY_BYTES) => Field::CodeHash,
        _ => Field::Misc,
    })
}

/// Refuses a module name that no row can carry.
pub(crate) fn check_module(module: &str) -> Result<(), KeyError> {
    if module.is_empty() || module.as_bytes().contains(&SEPARATOR) {
        return Err(KeyError::Module { module: module.to_owned() });
    }
    Ok(())
}

/// The module and the module's key of a row's physical key; an account's row answers with its nonce's key.
///
/// # Errors
/// Bytes that [`locate`] cannot have written for this lane.
pub fn split(lane: Lane, physical: &[u8]) -> Result<(&str, &[u8]), KeyError> {
    let refused = || KeyError::Physical { lane, key: physical.to_vec() };
    let at = physical.iter().position(|byte| *byte == SEPARATOR).ok_or_else(refused)?;
    let module = std::str::from_utf8(&physical[..at]).map_err(|_| refused())?;
    let key = &physical[at + 1..];
    let field = match module {
        "" => None,
        EVM => evm_field(key).filter(|field| *field != Field::CodeHash),
        _ => Some(Field::Misc),
    };
    if field.map(Field::lane) != Some(lane) {
        return Err(refused());
    }
    Ok((module, key))
}

/// The smallest key behind all keys that begin with `prefix`; none if there is no such key.
pub(crate) fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(module: &str, key: &[u8]) -> (Field, Vec<u8>) {
        let mut physical = Vec::new();
        let field = locate(module, key, &mut physical).expect("has a place");
        (field, physical)
    }

    fn with_prefix(prefix: u8, length: usize) -> Vec<u8> {
        let mut key = vec![7; length];
        key[0] = prefix;
        key
    }

    #[test]
    fn evm_keys_go_by_first_byte_and_exact_length() {
        for prefix in 0..=u8::MAX {
            for length in [1, 20, 21, 22, 52, 53, 54] {
                let expected = match (prefix, length) {
                    (3, 53) => Field::Storage,
                    (7, 21) => Field::Code,
                    (8, 21) => Field::CodeHash,
                    (10, 21) => Field::Nonce,
                    _ => Field::Misc,
                };
                let key = with_prefix(prefix, length);
                let (field, physical) = place(EVM, &key);
                assert_eq!(field, expected, "prefix={prefix} length={length}");
                let stored = if field == Field::CodeHash { with_prefix(10, 21) } else { key };
                assert_eq!(physical, [b"evm/".as_slice(), &stored].concat());
                assert_eq!(split(field.lane(), &physical), Ok((EVM, stored.as_slice())));
            }
        }
    }

    #[test]
    fn keys_of_other_modules_go_to_misc_whatever_their_shape() {
        for key in [vec![], with_prefix(3, 53), b"a/b".to_vec()] {
            let (field, physical) = place("bank", &key);
            assert_eq!(field, Field::Misc);
            assert_eq!(physical, [b"bank/".as_slice(), &key].concat());
            assert_eq!(split(Lane::Misc, &physical), Ok(("bank", key.as_slice())));
        }
    }

    #[test]
    fn a_nonce_and_a_code_hash_share_a_row() {
        assert_eq!(place(EVM, &with_prefix(8, 21)).1, place(EVM, &with_prefix(10, 21)).1);
    }

    #[test]
    fn keys_without_a_place_are_refused() {
        let check =
            |module: &str, key: &[u8], expected| assert_eq!(locate(module, key, &mut Vec::new()), Err(expected));
        check(EVM, &[], KeyError::EmptyEvmKey);
        check("", &[1], KeyError::Module { module: String::new() });
        check("a/b", &[1], KeyError::Module { module: "a/b".to_owned() });
    }

    #[test]
    fn physical_keys_of_another_lane_are_refused() {
        let storage = place(EVM, &with_prefix(3, 53)).1;
        for lane in [Lane::Account, Lane::Code, Lane::Misc] {
            assert_eq!(split(lane, &storage), Err(KeyError::Physical { lane, key: storage.clone() }));
        }
        let code_hash = [b"evm/".as_slice(), &with_prefix(8, 21)].concat();
        for key in [b"".as_slice(), b"/x", b"bank", b"\xff/x", b"evm/", &code_hash] {
            for lane in Lane::ALL {
                assert!(split(lane, key).is_err(), "lane={lane} key={key:?}");
            }
        }
    }

    #[test]
    fn the_end_of_a_prefix_lies_behind_all_its_keys() {
        assert_eq!(prefix_end(b"evm/"), Some(b"evm0".to_vec()));
        assert_eq!(prefix_end(&[1, 255]), Some(vec![2]));
        assert_eq!(prefix_end(&[255, 255]), None);
        assert_eq!(prefix_end(&[]), None);
    }
}
