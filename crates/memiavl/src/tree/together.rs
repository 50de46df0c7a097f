//! The changes of versions that follow one another, made together, as a replay can make them.
//!
//! A new value of a key that is there changes no shape. So a key's last one alone is set, behind all changes that do change
//! it, and those of all keys in one walk down the tree: what many versions have on their way is met once.
//!
//! The tree that comes out is the one that version by version would have made, to the bit. A branch has the version of the
//! last change that had it on its way. What puts a branch on a key's way, or takes it off, gives it its own version, so an
//! earlier value of the key has no say in it any more; nor has a value whose key goes later.

use std::cmp::Ordering;

use beside::beside;
use changeset::KvPair;
use memiavl_iter::key_head;

use crate::error::{Error, Result};
use crate::tree::edit::Edit;
use crate::tree::many::{One, Put, contains_all};
use crate::tree::node::NodeRef;
use crate::tree::sweep::reshaping;

/// Fewer changes are sorted on one thread. A block's are; no finer measured.
const SORTED_BESIDE_MIN: usize = 4096;

/// Changes of one version, whose keys ascend.
pub(crate) struct Run<'p> {
    /// The place of their version among those that are made together.
    pub(crate) at: usize,
    /// Their version.
    pub(crate) version: u32,
    /// The changes.
    pub(crate) pairs: &'p [KvPair],
}

/// A change among those of all runs.
#[derive(Clone, Copy)]
struct Change<'p> {
    /// The key's, so that most keys need not be read.
    head: u64,
    pair: &'p KvPair,
    run: usize,
}

/// What each run adds, and the values that are set in the end, both in key order.
type Parted<'p> = (Vec<Vec<&'p KvPair>>, Vec<One<'p, Put<'p>>>);

/// An error, and the place of the version that comes upon it.
pub(crate) type FailedAt = (usize, Error);

impl Edit<'_> {
    /// Makes the changes of `runs`, whose versions do not fall.
    pub(crate) fn apply_together(
        &mut self,
        root: &mut Option<NodeRef>,
        runs: &[Run<'_>],
    ) -> std::result::Result<(), FailedAt> {
        let pairs: usize = runs.iter().map(|run| run.pairs.len()).sum();
        let (sets, deletes) = beside(pairs >= SORTED_BESIDE_MIN, || by_key(runs, false), || by_key(runs, true));
        let wanted = match self.look_up(*root, &sets) {
            Ok(wanted) => wanted,
            Err(error) => return Err(self.first_failed(root, runs, error)),
        };
        let (added, mut last) = part(runs, &sets, &deletes, wanted);
        for (run, added) in runs.iter().zip(added) {
            self.set_version(run.version);
            self.sweep_all(root, &reshaping(run.pairs, added)).map_err(|error| (run.at, error))?;
        }
        let mut absent = Vec::new();
        let set = root.as_mut().map_or(Ok(0), |root| self.set_many(root, &mut last, &mut absent));
        match set {
            // They were there when they were looked up, or were added since.
            Ok(_) if !absent.is_empty() => Err(self.first_failed(root, runs, Error::MisplacedLeaf)),
            Ok(_) => Ok(()),
            Err(error) => Err(self.first_failed(root, runs, error)),
        }
    }

    /// Which of the keys of `sets` are there, and what comes to be known of their places.
    fn look_up<'p>(&self, root: Option<NodeRef>, sets: &[Change<'p>]) -> Result<Vec<One<'p, bool>>> {
        let keys: Vec<_> = sets.chunk_by(|a, b| order(a, b).is_eq()).map(|same| &*same[0].pair.key).collect();
        let mut present = vec![false; keys.len()];
        let mut ones: Vec<_> = keys.iter().zip(&mut present).map(|(key, present)| One::new(key, present)).collect();
        contains_all(self.base, root, &mut ones)?;
        Ok(ones.into_iter().map(|one| one.map(|present| *present)).collect())
    }

    /// The first version that comes upon what is wrong with the tree, which is of no use any more. `error` is what stopped
    /// all of them together.
    fn first_failed(&mut self, root: &mut Option<NodeRef>, runs: &[Run<'_>], error: Error) -> FailedAt {
        if let Some(root) = root {
            for &Run { at, version, pairs } in runs {
                for pair in pairs {
                    let mut alone = [One::new(&pair.key, Put { version, pair })];
                    if let Err(error) = self.set_many(root, &mut alone, &mut Vec::new()) {
                        return (at, error);
                    }
                }
            }
        }
        (runs.first().map_or(0, |run| run.at), error)
    }
}

/// The removals of all runs, or the values, by key and then as they follow one another.
fn by_key<'p>(runs: &[Run<'p>], removals: bool) -> Vec<Change<'p>> {
    let changes = runs.iter().enumerate().flat_map(|(run, ascending)| {
        let of_kind = ascending.pairs.iter().filter(|pair| pair.delete == removals);
        of_kind.map(move |pair| Change { head: key_head(&pair.key), pair, run })
    });
    let mut changes: Vec<_> = changes.collect();
    changes.sort_by(order);
    changes
}

fn order(a: &Change<'_>, b: &Change<'_>) -> Ordering {
    a.head.cmp(&b.head).then_with(|| a.pair.key.cmp(&b.pair.key))
}

/// Takes apart what changes the tree's shape, removals aside, and what does not. Of each key of `sets` is known whether it was
/// there before all of them.
fn part<'p>(
    runs: &[Run<'p>],
    sets: &[Change<'p>],
    mut deletes: &[Change<'p>],
    wanted: Vec<One<'p, bool>>,
) -> Parted<'p> {
    let mut added: Vec<_> = runs.iter().map(|_| Vec::new()).collect();
    let mut last = Vec::new();
    for (sets, one) in sets.chunk_by(|a, b| order(a, b).is_eq()).zip(wanted) {
        let mut pass = |is_passed: &dyn Fn(&Change<'_>) -> bool| {
            let passed = deletes.iter().take_while(|delete| is_passed(delete)).count();
            deletes = &deletes[passed..];
            passed > 0
        };
        pass(&|delete| order(delete, &sets[0]).is_lt());
        let (mut is_there, mut value) = (*one.about(), None);
        for set in sets {
            if pass(&|delete| order(delete, set).is_eq() && delete.run < set.run) {
                (is_there, value) = (false, None);
            }
            if is_there {
                value = Some(Put { version: runs[set.run].version, pair: set.pair });
            } else {
                added[set.run].push(set.pair);
                is_there = true;
            }
        }
        let goes = pass(&|delete| order(delete, &sets[0]).is_eq());
        last.extend(value.filter(|_| !goes).map(|put| one.map(|_| put)));
    }
    (added, last)
}
