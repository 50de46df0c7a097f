//! What a sampler of metrics asks a node now and then.

use std::time::Duration;

use migrate_metrics::Sample;

use crate::Views;

/// A source for [`Metrics::start_sampling`](migrate_metrics::Metrics::start_sampling): the open views and the oldest
/// one's age. It may outlive the node.
pub fn views_source(views: &Views) -> impl Fn() -> Sample + Send + 'static {
    let open = views.open().clone();
    move || Sample { views_open: open.count() as u64, oldest_view_age: open.oldest_age().unwrap_or(Duration::ZERO) }
}
