//! The hot rows, `crates/flatkv/src/row_cache.rs`, under the scheduler, and copies with planted faults.
//!
//! One key, which a writer sets, deletes and sets again, while readers of its views look for it, and something drops what is
//! kept. Every answer must be that of the view's version. Not covered: the cache's own crate (a list behind a lock here), and
//! the memory model (the scheduler's atomics are sequentially consistent).

/// What the source takes from its crate and from others, and what the tests do to it.
macro_rules! under_test {
    ($name:ident, $source:literal) => {
        #[cfg(test)]
        mod $name {
            //! One copy.

            pub(crate) mod block {
                //! What a block has written.

                use std::collections::BTreeMap;
                use std::sync::Arc;

                use super::lane::Lane;

                pub(crate) type Row = Arc<[u8]>;

                pub(crate) struct Pending {
                    pub(crate) now: Option<Row>,
                }

                pub(crate) struct Overlay(pub(crate) BTreeMap<Arc<[u8]>, Pending>);

                impl Overlay {
                    pub(crate) fn iter(&self) -> impl Iterator<Item = (Lane, &BTreeMap<Arc<[u8]>, Pending>)> {
                        std::iter::once((Lane, &self.0))
                    }
                }
            }

            pub(crate) mod lane {
                //! The one lane.

                #[derive(Clone, Copy, PartialEq, Eq)]
                pub(crate) struct Lane;

                impl Lane {
                    pub(crate) fn number(self) -> u8 {
                        0
                    }
                }
            }

            pub(crate) mod row {
                //! A row is its height.

                pub(crate) fn height_of(row: &[u8]) -> Option<u64> {
                    Some(u64::from_be_bytes(row.try_into().ok()?))
                }
            }

            mod source {
                //! The shipped source.

                include!(concat!(env!("OUT_DIR"), $source));
            }

            use std::collections::BTreeMap;

            use shuttle::sync::Arc;
            use shuttle::sync::atomic::{AtomicU64, Ordering};
            use shuttle::thread;

            use super::{KEY, VERSIONS, truth};
            use block::{Overlay, Pending, Row};
            use lane::Lane;
            use source::RowCache;

            fn row(height: u64) -> Row {
                height.to_be_bytes().as_slice().into()
            }

            /// What a view of `version` reads, as the store reads it.
            fn read(cache: &RowCache, version: u64) -> Option<u64> {
                if let Some(known) = cache.get(version, Lane, KEY) {
                    return known.as_deref().and_then(row::height_of);
                }
                let found = truth(version);
                thread::yield_now();
                cache.keep(version, Lane, KEY, found.map(row));
                found
            }

            /// One thread commits, two read, one drops what is kept. `published_first` is a fault of whoever commits.
            pub(super) fn views_read_their_own_version(published_first: bool) {
                let cache = Arc::new(RowCache::new(1 << 20, Some(0)).expect("it may hold rows"));
                let published = Arc::new(AtomicU64::new(0));
                let readers: Vec<_> = (0..2)
                    .map(|_| {
                        let (cache, published) = (Arc::clone(&cache), Arc::clone(&published));
                        thread::spawn(move || {
                            for _ in 0..3 {
                                let version = published.load(Ordering::SeqCst);
                                for _ in 0..2 {
                                    let got = read(&cache, version);
                                    assert_eq!(got, truth(version), "another version's row at {version}");
                                }
                            }
                        })
                    })
                    .collect();
                let evicter = {
                    let cache = Arc::clone(&cache);
                    thread::spawn(move || cache.evict(KEY))
                };
                for version in 1..=VERSIONS {
                    let written = Pending { now: truth(version).map(row) };
                    let written = Overlay(BTreeMap::from([(KEY.into(), written)]));
                    if published_first {
                        published.store(version, Ordering::SeqCst);
                    }
                    cache.commit(version, &written);
                    published.store(version, Ordering::SeqCst);
                }
                readers.into_iter().for_each(|reader| reader.join().expect("reads"));
                evicter.join().expect("drops");
                assert_eq!(read(&cache, VERSIONS), truth(VERSIONS), "another version's row at the end");
            }
        }
    };
}

under_test!(shipped, "/row_cache.rs");
under_test!(newest_late, "/row_cache_newest.rs");
under_test!(unchecked, "/row_cache_unchecked.rs");
under_test!(always, "/row_cache_always.rs");
under_test!(left, "/row_cache_left.rs");

/// The key.
#[cfg(test)]
const KEY: &[u8] = b"key";
/// Blocks that are committed.
#[cfg(test)]
const VERSIONS: u64 = 3;

/// The key's row at a version: written, deleted, written again.
#[cfg(test)]
fn truth(version: u64) -> Option<u64> {
    (version != 2).then_some(version)
}

#[cfg(test)]
mod quick_cache {
    //! The shape of `quick_cache` over one of the scheduler's locks.

    pub(crate) use std::hash::RandomState as DefaultHashBuilder;

    pub(crate) trait Equivalent<K> {
        fn equivalent(&self, key: &K) -> bool;
    }

    impl<K: PartialEq> Equivalent<K> for K {
        fn equivalent(&self, key: &K) -> bool {
            self == key
        }
    }

    pub(crate) trait Weighter<K, V> {
        fn weight(&self, key: &K, value: &V) -> u64;
    }

    pub(crate) mod sync {
        //! The cache.

        use shuttle::sync::Mutex;

        use super::{DefaultHashBuilder, Equivalent, Weighter};

        /// Nothing is dropped for want of room: the tests do that.
        pub(crate) struct Cache<K, V, W>(Mutex<Vec<(K, V)>>, W);

        impl<K, V: Clone, W: Weighter<K, V>> Cache<K, V, W> {
            pub(crate) fn with(_: usize, _: u64, weighter: W, _: DefaultHashBuilder, (): ()) -> Self {
                Self(Mutex::new(Vec::new()), weighter)
            }

            fn put(&self, list: &mut Vec<(K, V)>, key: K, value: V)
            where
                K: PartialEq,
            {
                assert!(self.1.weight(&key, &value) > 0, "an entry without weight");
                list.retain(|(known, _)| *known != key);
                list.push((key, value));
            }

            pub(crate) fn try_get<Q: Equivalent<K>>(&self, key: &Q) -> Result<Option<V>, ()> {
                let list = self.0.try_lock().map_err(drop)?;
                Ok(list.iter().find(|(known, _)| key.equivalent(known)).map(|(_, value)| value.clone()))
            }

            pub(crate) fn try_insert(&self, key: K, value: V) -> Result<(), ()>
            where
                K: PartialEq,
            {
                self.put(&mut *self.0.try_lock().map_err(drop)?, key, value);
                Ok(())
            }

            pub(crate) fn contains_key<Q: Equivalent<K>>(&self, key: &Q) -> bool {
                self.0.lock().expect("no panic").iter().any(|(known, _)| key.equivalent(known))
            }

            pub(crate) fn insert(&self, key: K, value: V)
            where
                K: PartialEq,
            {
                self.put(&mut *self.0.lock().expect("no panic"), key, value);
            }

            pub(crate) fn remove<Q: Equivalent<K>>(&self, key: &Q) {
                self.0.lock().expect("no panic").retain(|(known, _)| !key.equivalent(known));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{explore, found};

    const SAID: &str = "another version's row";

    #[test]
    fn views_read_their_own_version() {
        explore(|| shipped::views_read_their_own_version(false));
    }

    #[test]
    fn a_view_published_before_the_rows_are_updated_is_found() {
        found(SAID, || shipped::views_read_their_own_version(true));
    }

    #[test]
    fn a_version_that_moves_on_after_the_rows_is_found() {
        found(SAID, || newest_late::views_read_their_own_version(false));
    }

    #[test]
    fn a_reader_that_does_not_look_again_is_found() {
        found(SAID, || unchecked::views_read_their_own_version(false));
    }

    #[test]
    fn an_entry_that_answers_every_view_is_found() {
        found(SAID, || always::views_read_their_own_version(false));
    }

    #[test]
    fn a_written_row_that_stays_as_it_was_is_found() {
        found(SAID, || left::views_read_their_own_version(false));
    }
}
