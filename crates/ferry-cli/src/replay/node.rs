//! The node that a replay runs on: made from a recording's first line, or opened as it stands.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::Context;
use ferry::{BatchLimit, LATTICE_STORE, Mode, ModeSetting, Node, Options};

use crate::blocks::{Block, Chain};

/// A node without a block, whose trees and initial height are those of the recording's first line.
///
/// # Errors
/// What opening a fresh home can fail with.
pub(super) fn create(home: &Path, first: &Block, options: Options) -> anyhow::Result<Node> {
    fs::create_dir_all(home).with_context(|| format!("creating the home: home={}", home.display()))?;
    let mut options = fitted(options, first);
    options.create = true;
    if let Chain::Life { mode, .. } = first.chain
        && mode.base_version() > 0
    {
        // A chain born behind a migration has no record that says so.
        options.mode = ModeSetting::Fixed(mode);
    }
    Ok(Node::open(home, options)?)
}

/// The node at `home`, in the mode that its own records imply.
///
/// # Errors
/// What opening a home can fail with.
pub(super) fn open(home: &Path, first: &Block, options: Options) -> anyhow::Result<Node> {
    Ok(Node::open(home, fitted(options, first))?)
}

/// The options, with what the whole chain shares taken from its recording.
fn fitted(options: Options, first: &Block) -> Options {
    // A node that has no block yet takes its trees and its first height from the recording; another one has its own.
    let mut options = Options { initial_version: first.height, initial_stores: trees(first), ..options };
    match first.chain {
        Chain::Life { batch_size, .. } => {
            options.batch = BatchLimit::keys(batch_size);
            let known: BTreeSet<String> = options.modules.into_iter().chain(trees(first)).collect();
            options.modules = known.into_iter().collect();
        }
        Chain::Memiavl => {
            options.mode = ModeSetting::Fixed(Mode::MemiavlOnly);
            options.modules = trees(first);
        }
    }
    options
}

/// The trees that a block's commit info names.
fn trees(block: &Block) -> Vec<String> {
    let names = block.expected.stores.iter().map(|store| &store.name);
    names.filter(|name| *name != LATTICE_STORE).cloned().collect()
}
