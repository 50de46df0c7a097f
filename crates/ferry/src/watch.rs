//! What a sampler of metrics asks a node now and then.

use std::time::Duration;

use migrate_core::Route;
use migrate_metrics::Sample;

use crate::disk::disk_sizes;
use crate::node::Node;
use crate::{View, Views};

/// A source for [`Metrics::start_sampling`](migrate_metrics::Metrics::start_sampling): the open views and the oldest
/// one's age. It may outlive the node.
pub fn views_source(views: &Views) -> impl Fn() -> Sample + Send + use<> {
    let open = views.open().clone();
    move || Sample {
        views_open: open.count() as u64,
        oldest_view_age: open.oldest_age().unwrap_or(Duration::ZERO),
        ..Sample::default()
    }
}

/// The source of everything that can be sampled of a node: views, sizes on disk, residue. To be closed before the node: it
/// takes a view for a moment.
pub fn node_source(node: &Node) -> impl Fn() -> Sample + Send + use<> {
    let (views, home) = (node.views(), node.home().clone());
    let of_views = views_source(&views);
    move || Sample {
        sizes: disk_sizes(&home).ok(),
        residue_keys: views.latest().ok().and_then(|view| residue(&view)),
        // Asked last, when the view that the line above takes is closed again.
        ..of_views()
    }
}

/// Keys in memiavl of modules whose migration is over.
fn residue(view: &View) -> Option<u64> {
    let is_over = |module: &str| view.mode().route(module) == Route::New;
    let remaining = view.remaining().ok()?;
    Some(remaining.iter().filter(|(module, _)| is_over(module)).map(|(_, keys)| keys).sum())
}
