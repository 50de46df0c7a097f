//! The values: of realistic lengths, each with the height that wrote it.
//!
//! ```text
//! association   12 random | height u64 BE                 slot, code hash   24 random | height u64 BE
//! nonce, size   height << 24 | 24 random bits, u64 BE     code, record      random | height u64 BE
//! balance       height << 32 | 32 random bits, decimal    wasm entry        {"height":…,"owner":"…","data":"…"}
//! stamp         height u64 BE
//! ```
//! No height is 0, so no slot, nonce or code hash is all zero: FlatKV has no row for those.

use bytes::Bytes;

use super::class::{Class, Keyspace};
use super::mix::Mix;

impl Keyspace {
    /// The value that block `height` gives to the key of `class` at `index`.
    pub(crate) fn value(&self, class: Class, index: u64, height: u64) -> Bytes {
        let mut mix = Mix::at(self.seed, class.domain(), index, height << 1);
        match class {
            Class::Association => sealed(&mut mix, 20, height),
            Class::Slot | Class::CodeHash => sealed(&mut mix, 32, height),
            Class::Nonce | Class::CodeSize => {
                Bytes::copy_from_slice(&(height << 24 | mix.below(1 << 24)).to_be_bytes())
            }
            Class::Balance => (height << 32 | mix.below(1 << 32)).to_string().into(),
            Class::Code => {
                let length = 96 + mix.below(2_000) as usize;
                sealed(&mut mix, length, height)
            }
            Class::WasmEntry => {
                let mut owner = [0; 20];
                mix.fill(&mut owner);
                let mut data = vec![0; 4 + mix.below(80) as usize];
                mix.fill(&mut data);
                let (owner, data) = (hex::encode(owner), hex::encode(data));
                format!(r#"{{"height":{height},"owner":"{owner}","data":"{data}"}}"#).into()
            }
            Class::Record(_) => {
                let length = 24 + mix.below(100) as usize;
                sealed(&mut mix, length, height)
            }
            Class::Stamp(_) => Bytes::copy_from_slice(&height.to_be_bytes()),
        }
    }

    /// The height that wrote a value; none if no height gives this value to this key.
    pub(crate) fn height_of(&self, class: Class, index: u64, value: &[u8]) -> Option<u64> {
        let last_word = || value.last_chunk().copied().map(u64::from_be_bytes);
        let height = match class {
            Class::Nonce | Class::CodeSize => last_word()? >> 24,
            Class::Balance => std::str::from_utf8(value).ok()?.parse::<u64>().ok()? >> 32,
            Class::WasmEntry => {
                let rest = std::str::from_utf8(value).ok()?.strip_prefix(r#"{"height":"#)?;
                rest.split_once(',')?.0.parse().ok()?
            }
            _ => last_word()?,
        };
        (self.value(class, index, height) == value).then_some(height)
    }
}

fn sealed(mix: &mut Mix, length: usize, height: u64) -> Bytes {
    let mut bytes = vec![0; length];
    mix.fill(&mut bytes);
    let place = length - 8;
    bytes[place..].copy_from_slice(&height.to_be_bytes());
    bytes.into()
}

#[cfg(test)]
mod tests {
    use super::super::Sizes;
    use super::*;

    #[test]
    fn a_value_tells_the_height_that_wrote_it() {
        let keyspace = Keyspace::new(7, Sizes { accounts: 100, slots: 100, bank: 100, wasm: 100 });
        for class in keyspace.classes().into_iter().chain(Class::STAMPS) {
            for (index, height) in [(0, 1), (3, 77), (250, 1 << 20)] {
                let value = keyspace.value(class, index, height);
                assert_eq!(keyspace.height_of(class, index, &value), Some(height), "{class:?}");
            }
        }
    }

    #[test]
    fn a_damaged_value_tells_no_height() {
        let keyspace = Keyspace::new(7, Sizes { accounts: 100, slots: 100, bank: 100, wasm: 100 });
        for class in keyspace.classes() {
            let value = keyspace.value(class, 3, 77);
            for at in 0..value.len() {
                let mut damaged = value.to_vec();
                damaged[at] ^= 1;
                assert_eq!(keyspace.height_of(class, 3, &damaged), None, "{class:?} byte {at}");
            }
            assert_eq!(keyspace.height_of(class, 3, b""), None);
            assert_eq!(keyspace.height_of(class, 4, &value), None, "another key's value");
        }
    }
}
