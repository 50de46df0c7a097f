//! The homes that this process has open: a view may outlive its node, and as long as one does, the stores stay open.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use migrate_core::OpenViews;
use parking_lot::Mutex;

use crate::error::Error;

static HOMES: Mutex<Option<HashMap<PathBuf, Weak<OpenViews>>>> = Mutex::new(None);

/// Fails while views of an earlier opening of `home` live in this process.
///
/// # Errors
/// [`Error::ViewsOpen`] with their number.
pub(crate) fn check(home: &Path) -> Result<(), Error> {
    let views = HOMES.lock().as_ref().and_then(|homes| homes.get(&key(home)).and_then(Weak::upgrade));
    match views.map_or(0, |views| views.count()) {
        0 => Ok(()),
        open => Err(Error::ViewsOpen { home: home.to_owned(), open }),
    }
}

/// Remembers the views of `home` for as long as one of them lives.
pub(crate) fn enter(home: &Path, views: &Arc<OpenViews>) {
    let mut homes = HOMES.lock();
    let homes = homes.get_or_insert_default();
    homes.retain(|_, views| views.strong_count() > 0);
    homes.insert(key(home), Arc::downgrade(views));
}

/// The same home under all its names; a home that does not exist yet has just the one it was given.
fn key(home: &Path) -> PathBuf {
    home.canonicalize().unwrap_or_else(|_| home.to_owned())
}
