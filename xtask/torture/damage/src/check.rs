//! The full check of an open node: what nobody has to use to see.

use std::ops::ControlFlow;

use ferry::memiavl_iter::{Snapshot, list_snapshots};
use ferry::{ErrorKind, Node};

/// What the check has to say against the home.
pub(crate) struct Finding {
    pub(crate) kind: &'static str,
    pub(crate) said: String,
}

/// Recomputes all hashes of memiavl's snapshots and all of FlatKV's sums.
pub(crate) fn full(node: &Node) -> Option<Finding> {
    memiavl(node).or_else(|| flatkv(node))
}

fn memiavl(node: &Node) -> Option<Finding> {
    if !node.home().memiavl().exists() {
        return None;
    }
    let verify = || -> Result<(), ferry::memiavl_iter::Error> {
        for (_, path) in list_snapshots(node.home().memiavl())? {
            Snapshot::open(&path)?.verify()?;
        }
        Ok(())
    };
    verify().err().map(|error| Finding { kind: "snapshot", said: crate::judge::words(&error) })
}

fn flatkv(node: &Node) -> Option<Finding> {
    let view = match node.view() {
        Ok(view) => view,
        Err(error) => return Some(Finding { kind: error.kind().as_str(), said: crate::judge::words(&error) }),
    };
    let report = match view.new_store()?.verify(&mut |_| ControlFlow::Continue(())) {
        Ok(report) => report?,
        Err(error) => return Some(Finding { kind: "flatkv", said: crate::judge::words(&error) }),
    };
    if report.is_clean() {
        return None;
    }
    let parts: Vec<_> = report.parts.iter().filter(|part| !part.agrees()).collect();
    let said = match (report.damaged.first(), parts.first()) {
        (Some(row), _) => crate::judge::words(row),
        (None, Some(part)) => format!("{} {}: the rows do not add up to what is stored", part.lane, part.module),
        (None, None) => "damaged rows".to_owned(),
    };
    Some(Finding { kind: ErrorKind::Corruption.as_str(), said })
}
