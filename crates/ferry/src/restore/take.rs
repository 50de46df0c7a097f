//! Taking the records of a chunk into the stores being built.

use flatkv::{Lane, RowBatch};
use memiavl::{Rebuild, StoredNode};

use crate::error::Error;
use crate::export::{Manifest, Record};
use crate::restore::staging::{Building, Progress};

/// Takes the records that `payload` completes; what is left of it waits for the next chunk. Trees are compared with the
/// commit info as they end.
///
/// # Errors
/// Bytes that are no state, a tree that is not the commit info's, I/O. What was taken before it stays taken.
pub(super) fn take(
    manifest: &Manifest,
    progress: &mut Progress,
    building: &mut Building,
    payload: &[u8],
) -> Result<(), Error> {
    let chunk = progress.chunks;
    let stream = |what| Error::Stream { chunk, what };
    let joined;
    let mut rest = if progress.left_over.is_empty() {
        payload
    } else {
        progress.left_over.extend_from_slice(payload);
        joined = std::mem::take(&mut progress.left_over);
        joined.as_slice()
    };
    let Building { memiavl, rows } = building;
    let mut batch = rows.batch();
    while let Some((record, length)) = Record::take(rest).map_err(|refused| stream(refused.0))? {
        if progress.is_over {
            return Err(stream("something behind its end"));
        }
        take_record(manifest, progress, memiavl, &mut batch, record)?;
        progress.records += 1;
        rest = &rest[length..];
    }
    batch.finish()?;
    if progress.is_over && !rest.is_empty() {
        return Err(stream("something behind its end"));
    }
    progress.left_over = rest.to_vec();
    progress.chunks += 1;
    Ok(())
}

fn take_record(
    manifest: &Manifest,
    progress: &mut Progress,
    memiavl: &mut Rebuild,
    rows: &mut RowBatch<'_>,
    record: Record<'_>,
) -> Result<(), Error> {
    let chunk = progress.chunks;
    let stream = |what| Error::Stream { chunk, what };
    match record {
        Record::Tree { .. } | Record::Leaf { .. } | Record::Branch { .. } if progress.lane.is_some() => {
            Err(stream("a tree behind rows"))
        }
        Record::Tree { name } => {
            end_tree(manifest, memiavl)?;
            if manifest.trees().all(|store| store.name != name) {
                return Err(stream("a tree that the commit info does not have"));
            }
            Ok(memiavl.tree(name)?)
        }
        Record::Leaf { version, key, value } => {
            Ok(memiavl.node(StoredNode::Leaf { version, key: key.into(), value: value.into() })?)
        }
        Record::Branch { version } => Ok(memiavl.node(StoredNode::Branch { version })?),
        Record::Lane { number } => {
            if !manifest.has_flatkv() || progress.lane.is_some_and(|lane| lane >= number.into()) {
                return Err(stream("a lane where none can be"));
            }
            Lane::from_number(number).ok_or_else(|| stream("a lane that there is not"))?;
            progress.lane = Some(number.into());
            end_tree(manifest, memiavl)
        }
        Record::Row { key, row } => {
            let number = progress.lane.and_then(|lane| u8::try_from(lane).ok());
            let lane = number.and_then(Lane::from_number).ok_or_else(|| stream("a row of no lane"))?;
            Ok(rows.put(lane, key, row)?)
        }
        Record::End => {
            progress.is_over = true;
            end_tree(manifest, memiavl)
        }
    }
}

/// Ends the tree that is being built, if one is, and compares its root.
fn end_tree(manifest: &Manifest, memiavl: &mut Rebuild) -> Result<(), Error> {
    let before = memiavl.roots().len();
    memiavl.end_tree()?;
    let [.., (name, got)] = memiavl.roots() else { return Ok(()) };
    if memiavl.roots().len() == before {
        return Ok(());
    }
    let store = manifest.trees().find(|store| store.name == *name);
    match store.map(|store| store.commit_id.hash.as_ref()) {
        Some(expected) if expected == got => Ok(()),
        expected => Err(Error::RestoredRoot {
            store: name.clone(),
            height: manifest.height,
            expected: expected.unwrap_or_default().to_vec(),
            got: *got,
        }),
    }
}
