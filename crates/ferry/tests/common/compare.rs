//! Compares what readers of a node see with the model.

use bytes::Bytes;
use ferry::{ScanOrder, ScanRange, View};

use super::model::Model;

/// Compares every given key by itself and all at once, and scans of every store in both directions and of a range.
pub(crate) fn compare(view: &View, model: &Model, keys: &[(String, Vec<u8>)], seen: &str) {
    for (store, key) in keys {
        let got = view.get(store, key).expect("a read");
        let expected = model.read(store, key);
        assert_eq!(
            got.as_deref(),
            expected.as_deref(),
            "{seen}: {store} {} at height {}",
            hex::encode(key),
            view.height()
        );
    }
    for store in model.old.keys() {
        let many: Vec<Bytes> =
            keys.iter().filter(|(name, _)| name == store).map(|(_, key)| Bytes::copy_from_slice(key)).collect();
        let got = view.get_many(store, &many).expect("reads");
        let expected: Vec<_> = many.iter().map(|key| model.read(store, key).map(Bytes::from)).collect();
        assert_eq!(got, expected, "{seen}: many keys of {store}");
        let middle = many.get(many.len() / 2).cloned();
        for order in [ScanOrder::Ascending, ScanOrder::Descending] {
            for (start, end) in [(None, None), (middle.clone(), None), (None, middle.clone())] {
                let expected = model.scan(store, start.as_deref(), end.as_deref(), order);
                let scan = view.scan(store, &ScanRange { start, end }, order).expect("a scan");
                let got: Vec<_> =
                    scan.map(|pair| pair.map(|(key, value)| (key.to_vec(), value.to_vec())).expect("a pair")).collect();
                assert_eq!(got, expected, "{seen}: scan of {store} {order:?} at height {}", view.height());
            }
        }
    }
}
