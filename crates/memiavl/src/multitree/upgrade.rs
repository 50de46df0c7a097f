//! Adding, renaming and deleting trees at the start of a block.

use std::mem;
use std::path::Path;

use changeset::TreeNameUpgrade;
use memiavl_iter::{SNAPSHOT_METADATA, check_tree_name};

use crate::error::{Error, Result};
use crate::multitree::forest::{Forest, NamedTree};
use crate::tree::{Tree, narrow};

/// What file systems take.
const NAME_BYTES_MAX: usize = 255;

/// A tree of the list under change: one that exists, by its place, or a new one.
#[derive(Clone, Copy)]
enum Slot {
    Existing(usize),
    New,
}

impl Forest {
    /// Applies upgrades in their order; a refused list has changed nothing.
    ///
    /// Names are compared at the end, as the reference does: a list may pass through a state with one name twice. Which
    /// of the two a later upgrade of the list then means depends on the order of the list under change, so that order
    /// (a deleted tree's place goes to the last one) is the reference's too.
    pub(crate) fn upgrade(&mut self, upgrades: &[TreeNameUpgrade]) -> Result<()> {
        if upgrades.is_empty() {
            return Ok(());
        }
        let mut list: Vec<(String, Slot)> =
            self.trees.iter().enumerate().map(|(at, named)| (named.name.to_string(), Slot::Existing(at))).collect();
        for upgrade in upgrades {
            change(&mut list, upgrade)?;
        }
        list.sort_by(|a, b| a.0.cmp(&b.0));
        if let Some(twice) = list.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(Error::TreeExists { name: twice[0].0.clone() });
        }
        let initial_version = narrow(self.next_version())?;
        let mut old: Vec<Option<NamedTree>> = mem::take(&mut self.trees).into_iter().map(Some).collect();
        self.trees = list
            .into_iter()
            .map(|(name, slot)| {
                let existing = match slot {
                    Slot::Existing(at) => old[at].take().map(|named| named.tree),
                    Slot::New => None,
                };
                let tree = existing.unwrap_or_else(|| Tree::new(initial_version));
                NamedTree { name: name.into(), tree }
            })
            .collect();
        Ok(())
    }
}

fn change(list: &mut Vec<(String, Slot)>, upgrade: &TreeNameUpgrade) -> Result<()> {
    let find = |list: &[(String, Slot)], name: &str| {
        list.iter()
            .position(|known| known.0 == name)
            .ok_or_else(|| Error::UpgradeOfUnknownTree { name: name.to_owned() })
    };
    if upgrade.delete {
        let at = find(list, &upgrade.name)?;
        list.swap_remove(at);
        return Ok(());
    }
    check_name(&upgrade.name)?;
    if upgrade.rename_from.is_empty() {
        list.push((upgrade.name.clone(), Slot::New));
    } else {
        let at = find(list, &upgrade.rename_from)?;
        list[at].0 = upgrade.name.clone();
    }
    Ok(())
}

/// A tree's name is a directory's name in every snapshot to come.
fn check_name(name: &str) -> Result<()> {
    let is_fit = check_tree_name(Path::new(""), name.as_bytes()).is_ok() && name != SNAPSHOT_METADATA;
    if is_fit && name.len() <= NAME_BYTES_MAX { Ok(()) } else { Err(Error::TreeName { name: name.to_owned() }) }
}
