//! The publishing of views, `crates/migrate-core/src/publish.rs`, under the scheduler, and copies with planted faults.
//!
//! Not covered: the memory model (the scheduler's atomics are sequentially consistent), and the time of a view.

/// What the source takes from its crate.
#[cfg(test)]
macro_rules! surroundings {
    ($source:literal) => {
        pub(crate) mod error {
            //! The errors that publishing knows.

            #[derive(Debug, PartialEq, Eq, thiserror::Error)]
            pub enum Error {
                #[error("too many views: max={max}")]
                TooManyViews { max: usize },
                #[error("view gone: height={height} oldest={oldest} newest={newest}")]
                ViewGone { height: u64, oldest: u64, newest: u64 },
                #[error("closed")]
                Closed,
            }
        }

        pub(crate) mod view {
            //! A view, as far as publishing looks into it.

            use shuttle::sync::Arc;

            use super::source::Ticket;

            #[derive(Debug)]
            pub struct ViewState<O, N> {
                pub(crate) height: u64,
                pub(crate) old: O,
                pub(crate) new: N,
            }

            #[derive(Debug)]
            pub struct View<O, N> {
                pub(crate) state: Arc<ViewState<O, N>>,
                pub(crate) _ticket: Arc<Ticket>,
            }
        }

        pub(crate) mod source {
            //! The shipped source.

            include!(concat!(env!("OUT_DIR"), $source));
        }
    };
}

/// The source with what the tests do to it.
macro_rules! under_test {
    ($name:ident, $source:literal) => {
        #[cfg(test)]
        #[expect(dead_code, reason = "the tests use a part of the source")]
        mod $name {
            //! One copy.

            surroundings!($source);

            use shuttle::sync::Arc;
            use shuttle::sync::atomic::{AtomicUsize, Ordering};
            use shuttle::thread;

            use super::assert_whole;
            use error::Error;
            use source::Publisher;
            use view::ViewState;

            fn state(height: u64) -> ViewState<u64, u64> {
                ViewState { height, old: height, new: height }
            }

            /// One thread publishes, two read: a reader sees whole versions, and never goes back.
            pub(super) fn readers_see_whole_versions_in_order() {
                let publisher = Publisher::new(state(0), 4);
                let views = publisher.views();
                let readers: Vec<_> = (0..2)
                    .map(|_| {
                        let views = views.clone();
                        thread::spawn(move || {
                            let mut last = 0;
                            for _ in 0..3 {
                                let view = views.latest().unwrap_or_else(|error| panic!("no view: {error}"));
                                assert_whole(view.state.height, view.state.old, view.state.new);
                                assert!(view.state.height >= last, "went back from {last} to {}", view.state.height);
                                last = view.state.height;
                                match views.at(last) {
                                    Ok(again) => assert_eq!(again.state.old, last),
                                    Err(error) => panic!("one of the last few versions is kept: {error}"),
                                }
                            }
                        })
                    })
                    .collect();
                for height in 1..4 {
                    publisher.publish(state(height));
                }
                readers.into_iter().for_each(|reader| reader.join().expect("reads"));
                assert_eq!(views.open().count(), 0, "every view was given back");
                assert_eq!(views.latest().expect("a free place").state.height, 3);
            }

            /// Three threads want one of two places.
            pub(super) fn never_more_views_than_places() {
                let publisher = Publisher::new(state(0), 2);
                let views = publisher.views();
                let open = Arc::new(AtomicUsize::new(0));
                let readers: Vec<_> = (0..3)
                    .map(|_| {
                        let (views, open) = (views.clone(), Arc::clone(&open));
                        thread::spawn(move || match views.latest() {
                            Ok(view) => {
                                let now = open.fetch_add(1, Ordering::SeqCst) + 1;
                                assert!(now <= 2, "{now} views in 2 places");
                                assert!(views.open().count() >= 1, "views in 2 places, and none of them is counted");
                                open.fetch_sub(1, Ordering::SeqCst);
                                drop(view);
                            }
                            Err(error) => assert_eq!(error, Error::TooManyViews { max: 2 }),
                        })
                    })
                    .collect();
                readers.into_iter().for_each(|reader| reader.join().expect("reads"));
                assert_eq!(views.open().count(), 0, "every view was given back");
            }

            /// The node closes while views are open: they stay whole, are counted until they go, and then nothing is. A
            /// reader who comes later is told so.
            pub(super) fn views_outlive_their_node() {
                let publisher = Publisher::new(state(0), 4);
                let open = Arc::clone(publisher.views().open());
                let reader = {
                    let views = publisher.views().clone();
                    thread::spawn(move || match views.latest() {
                        Ok(view) => {
                            thread::yield_now();
                            assert_whole(view.state.height, view.state.old, view.state.new);
                        }
                        Err(error) => assert_eq!(error, Error::Closed),
                    })
                };
                for height in 1..3 {
                    publisher.publish(state(height));
                }
                let views = publisher.views().clone();
                drop(publisher);
                assert_eq!(views.latest().err(), Some(Error::Closed), "a node that is closed gives no view");
                // What a reopening asks: none is counted before the last is gone, and none behind that.
                assert!(open.count() <= 1);
                reader.join().expect("reads");
                assert_eq!(open.count(), 0);
            }
        }
    };
}

under_test!(shipped, "/publish.rs");
under_test!(slot_taken_twice, "/publish_slot.rs");
under_test!(list_empty_for_a_moment, "/publish_list.rs");

#[cfg(test)]
fn assert_whole(height: u64, old: u64, new: u64) {
    assert_eq!((old, new), (height, height), "a view of two versions");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{explore, found};

    #[test]
    fn readers_see_whole_versions_in_order() {
        explore(shipped::readers_see_whole_versions_in_order);
    }

    #[test]
    fn never_more_views_than_places() {
        explore(shipped::never_more_views_than_places);
    }

    #[test]
    fn views_outlive_their_node() {
        explore(shipped::views_outlive_their_node);
    }

    #[test]
    fn a_slot_taken_twice_is_found() {
        found("views in 2 places", slot_taken_twice::never_more_views_than_places);
    }

    #[test]
    fn a_list_that_is_empty_for_a_moment_is_found() {
        found("closed", list_empty_for_a_moment::readers_see_whole_versions_in_order);
    }
}
