//! From a state to its stream: the records in their order, from any place on.

use flatkv::Lane;
use memiavl::StoredNode;

use crate::error::Error;
use crate::export::record::Record;
use crate::export::source::Source;

/// A place in the stream: everything before it was written.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Position {
    /// The tree, as its place among the trees; their number once the lanes have begun.
    #[prost(uint32, tag = "1")]
    pub(super) tree: u32,
    /// Nodes of the tree that were written; none before the tree's own record.
    #[prost(uint64, optional, tag = "2")]
    pub(super) nodes: Option<u64>,
    /// The lane's number; four once all lanes were written.
    #[prost(uint32, tag = "3")]
    pub(super) lane: u32,
    /// The last key of the lane that was written; none before the lane's own record, empty before the first row.
    #[prost(bytes = "vec", optional, tag = "4")]
    pub(super) after: Option<Vec<u8>>,
    /// Whether the last record was written.
    #[prost(bool, tag = "5")]
    pub(super) is_over: bool,
}

/// What takes the records. It may ask where the stream stands behind the one that it was given.
pub(super) trait Sink {
    fn put(&mut self, record: Record<'_>, behind: &dyn Fn() -> Position) -> Result<(), Error>;
}

/// Hands the records from `from` on to `sink`, in order.
pub(super) fn walk(source: &Source, from: Position, sink: &mut dyn Sink) -> Result<(), Error> {
    if from.is_over {
        return Ok(());
    }
    let trees: Vec<String> =
        source.memiavl.iter().flat_map(memiavl::View::roots).map(|(name, _)| name.to_owned()).collect();
    let mut position = from;
    for (place, name) in (0_u32..).zip(&trees).skip(position.tree as usize) {
        position.tree = place;
        walk_tree(source, name, &mut position, sink)?;
        (position.tree, position.nodes) = (place + 1, None);
    }
    if let Some(flatkv) = &source.flatkv {
        for lane in Lane::ALL.into_iter().skip(position.lane as usize) {
            walk_lane(flatkv, lane, &mut position, sink)?;
            (position.lane, position.after) = (u32::from(lane.number()) + 1, None);
        }
    }
    sink.put(Record::End, &|| Position { is_over: true, ..position.clone() })
}

fn walk_tree(source: &Source, name: &str, position: &mut Position, sink: &mut dyn Sink) -> Result<(), Error> {
    let Some(memiavl) = &source.memiavl else { return Ok(()) };
    let base = Position { nodes: None, ..position.clone() };
    let at = |nodes| Position { nodes: Some(nodes), ..base.clone() };
    if position.nodes.is_none() {
        sink.put(Record::Tree { name }, &|| at(0))?;
    }
    let before = position.nodes.unwrap_or(0);
    for (nodes, node) in (before + 1..).zip(memiavl.nodes(name, before)?) {
        let node = node?;
        let record = match &node {
            StoredNode::Leaf { version, key, value } => Record::Leaf { version: *version, key, value },
            StoredNode::Branch { version } => Record::Branch { version: *version },
        };
        sink.put(record, &|| at(nodes))?;
    }
    Ok(())
}

fn walk_lane(flatkv: &flatkv::View, lane: Lane, position: &mut Position, sink: &mut dyn Sink) -> Result<(), Error> {
    let number = lane.number();
    let base = Position { lane: number.into(), after: None, ..position.clone() };
    let at = |after: &[u8]| Position { after: Some(after.to_vec()), ..base.clone() };
    if position.after.is_none() {
        sink.put(Record::Lane { number }, &|| at(&[]))?;
    }
    // No physical key is empty.
    let after = position.after.as_deref().filter(|after| !after.is_empty());
    let mut rows = flatkv.lane_rows(lane, after);
    while let Some((key, row)) = rows.next()? {
        sink.put(Record::Row { key, row }, &|| at(key))?;
    }
    Ok(())
}
