//! What a running migration shows of itself: Prometheus metrics, and how it stands and why.
//!
//! **It is not** a part of the migration: it decides nothing and the migration does not know it. The core reports to an
//! [`Observer`](migrate_core::Observer), and this is one. It opens no port unless it is asked to.
//!
//! Good starting points:
//! - [`Metrics`]: the observer, and the scrape.
//! - [`Progress`] and [`State`]: moving, paused, throttled, waiting, stalled, failed or done, with rate and ETA.
//! - [`Endpoint`]: a port with the scrape, probes, and a page for people.
//! - [`http`]: the small server under the endpoint and the control socket.
//! - [`CATALOGUE`]: every metric, declared once; `docs/METRICS.md` is made from it.
//! - [`Source`]: what is asked now and then, in the background, because nobody reports it.
//!
//! Invariants: an observer call takes no lock that a scrape holds for longer than it takes to write one family, and
//! never calls back; no label carries a key; label values are stores, modes, modules of the configuration and kinds of
//! errors, so the number of series is bounded; once [`Metrics::close`] has returned, no thread of this crate runs.
//!
//! ```
//! use std::time::Duration;
//!
//! use migrate_core::{FlushReport, Observer};
//! use migrate_metrics::{Metrics, Sample};
//!
//! let metrics = Metrics::new();
//! metrics.start_sampling(Duration::from_secs(10), || Sample { views_open: 2, ..Sample::default() })?;
//! metrics.flush(&FlushReport { moved_keys: 1000, advanced: true, ..FlushReport::default() });
//! metrics.close();
//!
//! let scrape = metrics.encode();
//! assert!(scrape.contains("ferry_moved_keys_total 1000\n"));
//! assert!(scrape.contains("ferry_views_open 2\n"));
//! # Ok::<(), migrate_metrics::Error>(())
//! ```

mod endpoint;
mod error;
pub mod http;
mod memory;
mod metrics;
mod page;
mod progress;
mod registry;
mod sampler;
mod state;
mod tracker;

pub use endpoint::Endpoint;
pub use error::Error;
pub use memory::anonymous_bytes;
pub use metrics::Metrics;
pub use page::metrics_page;
pub use progress::{Goal, ModuleRemaining, Progress, SCHEMA_VERSION, Sizes};
pub use registry::{CATALOGUE, Description, Kind, PREFIX};
pub use sampler::{Sample, Source};
pub use state::State;
pub use tracker::{Hold, STALL_AFTER};
