//! The merge of lanes into one order.

use changeset::{Pair, ScanOrder, StoreResult};

use crate::scan::lane::LaneScan;

/// Lanes, each with the pair that it would yield next.
pub(crate) struct Merge<'a> {
    lanes: Vec<(LaneScan<'a>, Option<Pair>)>,
    order: ScanOrder,
    is_started: bool,
}

impl<'a> Merge<'a> {
    pub(crate) fn new(lanes: Vec<LaneScan<'a>>, order: ScanOrder) -> Self {
        Self { lanes: lanes.into_iter().map(|lane| (lane, None)).collect(), order, is_started: false }
    }

    fn start(&mut self) -> StoreResult<()> {
        for (lane, head) in &mut self.lanes {
            *head = lane.next().transpose()?;
        }
        Ok(())
    }

    /// The lane whose pair comes first. Keys of lanes differ, so there are no ties.
    fn first(&self) -> Option<usize> {
        let keys = self.lanes.iter().enumerate().filter_map(|(at, (_, head))| Some((&head.as_ref()?.0, at)));
        match self.order {
            ScanOrder::Ascending => keys.min(),
            ScanOrder::Descending => keys.max(),
        }
        .map(|(_, at)| at)
    }

    fn advance(&mut self) -> StoreResult<Option<Pair>> {
        if !self.is_started {
            self.is_started = true;
            self.start()?;
        }
        let Some(at) = self.first() else { return Ok(None) };
        let (lane, head) = &mut self.lanes[at];
        let next = lane.next().transpose()?;
        Ok(std::mem::replace(head, next))
    }
}

impl Iterator for Merge<'_> {
    type Item = StoreResult<Pair>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.advance().transpose();
        if matches!(item, Some(Err(_))) {
            self.lanes.clear();
        }
        item
    }
}
