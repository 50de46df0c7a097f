//! Transactions: JSON, so that a person can send one with curl.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A transaction. A real one carries a signature of its sender too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tx {
    /// Who sends it.
    pub sender: Address,
    /// How many transactions of the sender came before.
    pub nonce: u64,
    /// What it does.
    pub action: Action,
}

/// What a transaction does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Sends tokens; the receiver's account comes to exist, an empty balance goes.
    Transfer {
        /// The receiver.
        to: Address,
        /// How many.
        amount: u64,
    },
    /// Makes new accounts with one token and one sent transaction each.
    Airdrop {
        /// Their addresses follow from it.
        seed: u64,
        /// How many.
        count: u32,
    },
    /// Makes a contract; its address follows from the sender and the nonce.
    Deploy {
        /// Its code, in hex.
        #[serde(with = "as_hex")]
        code: Vec<u8>,
    },
    /// Removes a contract, its slots apart.
    Destroy {
        /// Which.
        contract: Address,
    },
    /// Writes slots of a contract; a value of zero removes one.
    Store {
        /// Which.
        contract: Address,
        /// Slots and their values.
        slots: Vec<(u64, u64)>,
    },
    /// Locks tokens.
    Delegate {
        /// To whom.
        validator: Address,
        /// How many.
        amount: u64,
    },
    /// Gives all tokens of a delegation back.
    Undelegate {
        /// From whom.
        validator: Address,
    },
    /// Decides on the chain's migration; for its authority alone.
    Migrate {
        /// How many keys each block moves; 0 pauses.
        keys_per_block: u64,
        /// The write mode that the chain is on the way to.
        goal: String,
    },
}

impl Tx {
    /// The transaction's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        // UNWRAP: no map with keys that are not text, no number that JSON lacks.
        serde_json::to_vec(self).expect("a transaction is JSON")
    }
}

/// The address of an account or a contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Address(pub [u8; 20]);

impl Address {
    /// An address that follows from `parts`.
    pub fn derive(parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        parts.iter().for_each(|part| hash.update(part));
        let mut address = [0; 20];
        address.copy_from_slice(&hash.finalize()[..20]);
        Self(address)
    }

    /// The address of the contract that `sender` deploys with its transaction `nonce`.
    pub fn contract(sender: Self, nonce: u64) -> Self {
        Self::derive(&[b"contract", &sender.0, &nonce.to_be_bytes()])
    }

    /// The address of account `index` of the airdrop `seed`.
    pub fn dropped(seed: u64, index: u32) -> Self {
        Self::derive(&[b"airdrop", &seed.to_be_bytes(), &index.to_be_bytes()])
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl FromStr for Address {
    type Err = hex::FromHexError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut address = [0; 20];
        hex::decode_to_slice(text, &mut address)?;
        Ok(Self(address))
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.to_string()
    }
}

impl TryFrom<String> for Address {
    type Error = hex::FromHexError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// Bytes as hex.
mod as_hex {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(bytes))
    }

    pub(super) fn deserialize<'a, D: Deserializer<'a>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        hex::decode(String::deserialize(deserializer)?).map_err(Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_reads_as_a_person_writes_it() {
        let text = r#"{"sender":"0101010101010101010101010101010101010101","nonce":3,
            "action":{"store":{"contract":"0202020202020202020202020202020202020202","slots":[[1,2],[3,0]]}}}"#;
        let tx: Tx = serde_json::from_str(text).expect("a transaction");
        let slots = vec![(1, 2), (3, 0)];
        let action = Action::Store { contract: Address([2; 20]), slots };
        assert_eq!(tx, Tx { sender: Address([1; 20]), nonce: 3, action });
        assert_eq!(serde_json::from_slice::<Tx>(&tx.to_bytes()).expect("again"), tx);
    }

    #[test]
    fn what_is_no_transaction_is_refused() {
        for text in ["", "{}", "[1]", r#"{"sender":"01","nonce":0,"action":{"destroy":{"contract":"02"}}}"#] {
            assert!(serde_json::from_str::<Tx>(text).is_err(), "{text}");
        }
    }
}
