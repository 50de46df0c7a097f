//! The model: the transactions of all blocks run again on a map.

use anyhow::Result;
use example_chain::{Chain, MODULES, Overlay, Pairs, execute};
use ferry::{ScanOrder, ScanRange};

use crate::load::genesis;

/// The state after the blocks so far.
#[derive(Default)]
pub(crate) struct Model {
    pub(crate) pairs: Pairs,
    pub(crate) height: u64,
}

impl Model {
    /// Runs the next block.
    pub(crate) fn run(&mut self, txs: &[Vec<u8>]) -> Result<()> {
        let mut block = Overlay::new(&self.pairs);
        if self.height == 0 {
            genesis().write(&mut block)?;
        }
        for tx in txs {
            execute(&mut block, tx)?;
        }
        let changes = block.into_changes();
        changes.write_to(&mut self.pairs);
        self.height += 1;
        Ok(())
    }
}

/// The first key at which a node's newest block differs from the model, with both values.
pub(crate) fn difference(chain: &Chain, model: &Pairs) -> Result<Option<String>> {
    let view = chain.views().latest()?;
    for module in MODULES {
        let mut expected = model.iter().filter(|((name, _), _)| *name == module);
        let mut got = view.scan(module, &ScanRange::ALL, ScanOrder::Ascending)?;
        loop {
            let pair = got.next().transpose()?;
            let (expected, got) = match (expected.next(), pair) {
                (None, None) => break,
                (Some(((_, key), value)), Some((k, v))) if *key == k && *value == v => continue,
                (expected, got) => (expected, got),
            };
            let expected = expected.map(|((_, key), value)| (hex::encode(key), hex::encode(value)));
            let got = got.map(|(key, value)| (hex::encode(key), hex::encode(value)));
            return Ok(Some(format!("module={module} expected={expected:?} got={got:?}")));
        }
    }
    Ok(None)
}
