//! The steps: each leaves a state that a crash may follow.

use crate::commit_order::check::Commit;
use crate::commit_order::state::{Entry, Fault, Flat, Flow, KEYS, Open, Rows, State, Undo, Work};

/// One step of the node, of its background, or of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// A block is worked out. It changes one key, none deletes; or nothing.
    Work(Option<(u8, bool)>),
    /// The next step of whatever the node is doing.
    Step,
    /// The background is asked to sync what the changelog has now, and later has done so.
    RequestSync,
    Synced,
    Pause(bool),
    RollBack(u8),
    /// The process and the machine stop. Of the unsynced entries those survive whose bit is set; an unsynced batch does, or
    /// does not.
    Crash {
        survivors: u8,
        batch: bool,
    },
}

impl State {
    /// All that can happen.
    pub(crate) fn possible(&self, model: &Commit, actions: &mut Vec<Action>) {
        match &self.flow {
            Flow::Refused(_) => return,
            Flow::Idle => {
                // A block that comes of nothing is a violation, and the end of its branch.
                if self.height() < model.blocks && usize::from(self.height()) < self.logical.len() {
                    actions.push(Action::Work(None));
                    for key in 0..KEYS as u8 {
                        actions.extend([Action::Work(Some((key, true))), Action::Work(Some((key, false)))]);
                    }
                }
                if self.pauses < model.pauses || self.paused {
                    actions.push(Action::Pause(!self.paused));
                }
                if self.rollbacks < model.rollbacks {
                    actions.extend((1..self.height()).map(Action::RollBack));
                }
            }
            _ => actions.push(Action::Step),
        }
        if matches!(self.flow, Flow::Idle | Flow::Commit(_)) {
            match self.goal {
                None if usize::from(self.known_synced) < self.log.len() => actions.push(Action::RequestSync),
                None => {}
                Some(_) => actions.push(Action::Synced),
            }
        }
        if self.crashes < model.crashes && self.flow != Flow::Down {
            let unsynced = self.log.len().saturating_sub(usize::from(self.log_synced));
            for survivors in 0..1_u8 << unsynced {
                actions.push(Action::Crash { survivors, batch: true });
                if self.flat != self.flat_on_disk {
                    actions.push(Action::Crash { survivors, batch: false });
                }
            }
        }
    }

    pub(crate) fn take(&mut self, model: &Commit, action: Action) {
        match action {
            Action::Work(write) => self.work(write),
            Action::Step => self.step(model),
            Action::RequestSync => self.goal = Some(self.log.len() as u8),
            Action::Synced => self.synced(),
            Action::Pause(paused) => {
                self.pauses += u8::from(paused);
                self.paused = paused;
            }
            Action::RollBack(to) => self.begin_rollback(model, to),
            Action::Crash { survivors, batch } => self.crash(survivors, batch),
        }
    }

    fn synced(&mut self) {
        if let Some(goal) = self.goal.take() {
            self.log_synced = self.log_synced.max(goal);
            self.known_synced = goal;
        }
    }

    fn work(&mut self, write: Option<(u8, bool)>) {
        let height = self.height() + 1;
        let old = self.old();
        let before = self.flat.blocks.last().copied();
        let mut changes = [None; KEYS];
        // The migration begins with block 2; FlatKV is there from the first block that advances.
        let advances = height >= 2 && !self.paused && !before.is_some_and(|rows| rows.complete);
        let exists = before.is_some() || advances;
        let mut rows =
            before.unwrap_or(Rows { height, map: [None; KEYS], cursor: 0, complete: false, last_handoff: 0 });
        rows.height = height;
        let rested = rows.complete;
        if advances {
            let mut left = (usize::from(rows.cursor)..KEYS).filter(|key| old[*key].is_some());
            if let Some(key) = left.next() {
                rows.map[key] = old[key];
                changes[key] = Some(None);
                rows.cursor = key as u8 + 1;
            }
            rows.complete = left.next().is_none();
        }
        let mut logical = self.logical[usize::from(height) - 1];
        if let Some((key, set)) = write {
            let (key, value) = (usize::from(key), set.then_some(height));
            logical[key] = value;
            let moved = rows.complete || key < usize::from(rows.cursor);
            if exists && (moved || old[key].is_none()) {
                rows.map[key] = value;
            } else {
                changes[key] = Some(value);
            }
        }
        let entry = (!rested).then_some(Entry { changes, of: self.rollbacks });
        if entry.is_some() {
            rows.last_handoff = height;
        }
        self.logical.truncate(usize::from(height));
        self.logical.push(logical);
        self.flow = Flow::Commit(Work { rows: exists.then_some(rows), entry, in_flat: false, in_log: false });
    }

    fn step(&mut self, model: &Commit) {
        match self.flow.clone() {
            Flow::Commit(work) => self.commit(model, work),
            Flow::Down => self.flow = Flow::Opening(Open::Read),
            Flow::Opening(open) => self.open(model, open),
            Flow::RollingBack(undo) => self.undo(undo),
            Flow::Idle | Flow::Refused(_) => {}
        }
    }

    fn commit(&mut self, model: &Commit, mut work: Work) {
        let height = self.logical.len() as u8 - 1;
        let log_first = model.fault == Fault::SwappedOrder;
        if let Some(rows) = work.rows.filter(|_| !work.in_flat && (!log_first || work.in_log || work.entry.is_none())) {
            self.batch(model, rows, work.entry.clone());
            work.in_flat = true;
        } else if let Some(entry) = work.entry.clone().filter(|_| !work.in_log) {
            self.log.push(Some(entry));
            work.in_log = true;
            if work.rows.is_none() {
                // Before FlatKV exists the synced append is the commit point.
                (self.log_synced, self.known_synced) = (self.log.len() as u8, self.log.len() as u8);
                self.goal = None;
            }
        } else {
            self.acked = height;
            self.flow = Flow::Idle;
            return;
        }
        self.flow = Flow::Commit(work);
    }

    /// FlatKV's batch: rows, handoff, how far the changelog is synced, and the handoffs below that go.
    fn batch(&mut self, model: &Commit, rows: Rows, entry: Option<Entry>) {
        let synced = match model.fault {
            Fault::HandoffsDroppedEarly => self.log.len() as u8,
            _ => self.known_synced,
        };
        self.flat.synced = self.flat.synced.max(synced);
        if let Some(entry) = entry {
            self.flat.handoffs.insert(rows.height, entry);
        }
        self.flat.blocks.push(rows);
        let before = self.flat.handoffs.len();
        let synced = self.flat.synced;
        self.flat.handoffs.retain(|height, _| *height > synced);
        self.dropped |= self.flat.handoffs.len() < before;
        if model.fault != Fault::UnsyncedBatch {
            self.flat_on_disk = self.flat.clone();
        }
    }

    fn crash(&mut self, survivors: u8, batch: bool) {
        self.crashed_in_opening |= matches!(self.flow, Flow::Opening(_));
        self.crashed_in_rollback |= matches!(self.flow, Flow::RollingBack(_));
        for (bit, entry) in self.log.iter_mut().skip(usize::from(self.log_synced)).enumerate() {
            if survivors >> bit & 1 == 0 {
                *entry = None;
            }
        }
        while self.log.last() == Some(&None) {
            self.log.pop();
        }
        if batch {
            self.flat_on_disk = self.flat.clone();
        } else {
            self.flat = self.flat_on_disk.clone();
        }
        self.crashes += 1;
        (self.goal, self.known_synced) = (None, 0);
        self.flow = Flow::Down;
    }

    fn open(&mut self, model: &Commit, open: Open) {
        let handoff = |flat: &Flat, height: u8| flat.handoffs.get(&height).cloned();
        self.flow = match open {
            Open::Read => {
                if let Some(to) = self.flat.rollback_to {
                    self.flow = Flow::RollingBack(Undo::Blocks(to));
                    return;
                }
                // The writer cuts a torn end, and syncs what is left.
                self.log.truncate(usize::from(self.log_readable()));
                self.log_synced = self.log_synced.min(self.log.len() as u8);
                if model.fault != Fault::OpeningTrustsThePageCache {
                    self.log_synced = self.log.len() as u8;
                }
                self.known_synced = self.log.len() as u8;
                self.compare()
            }
            Open::Cut { keep, target } => {
                self.log.truncate(usize::from(keep));
                self.log_synced = self.log_synced.min(keep);
                Flow::Opening(Open::Append { target })
            }
            Open::Append { target } if (self.log.len() as u8) < target => {
                match handoff(&self.flat, self.log.len() as u8 + 1) {
                    Some(entry) => {
                        self.log.push(Some(entry));
                        Flow::Opening(Open::Append { target })
                    }
                    None => Flow::Refused("a handoff is missing"),
                }
            }
            Open::Append { .. } => Flow::Opening(Open::Sync),
            Open::Sync => {
                (self.log_synced, self.known_synced) = (self.log.len() as u8, self.log.len() as u8);
                Flow::Idle
            }
        };
    }

    /// The changelog against the handoffs.
    fn compare(&self) -> Flow {
        let Some(target) = self.flat.blocks.last().map(|rows| rows.last_handoff) else { return Flow::Idle };
        let readable = self.log.len() as u8;
        if readable > target {
            return Flow::Refused("memiavl is ahead");
        }
        let trusted = self.flat.synced.min(target).min(readable);
        for height in trusted + 1..=target {
            let Some(handoff) = self.flat.handoffs.get(&height) else { return Flow::Refused("a handoff is missing") };
            let found = self.log.get(usize::from(height) - 1).and_then(Option::as_ref);
            if found != Some(handoff) {
                return Flow::Opening(Open::Cut { keep: height - 1, target });
            }
        }
        Flow::Idle
    }

    fn begin_rollback(&mut self, model: &Commit, to: u8) {
        self.rollbacks += 1;
        self.goal = None;
        if !self.flat.blocks.is_empty() {
            if model.fault != Fault::RollbackWithoutNote {
                self.flat.rollback_to = Some(to);
            }
            // With its note the rollback has happened; without FlatKV it happens with the cut.
            self.logical.truncate(usize::from(to) + 1);
        }
        self.flat_on_disk = self.flat.clone();
        (self.acked, self.rolled_back) = (to, true);
        self.flow = Flow::RollingBack(Undo::Blocks(to));
    }

    fn undo(&mut self, undo: Undo) {
        let first = self.flat.blocks.first().map_or(u8::MAX, |rows| rows.height);
        let undone = self.flat.blocks.last().filter(|rows| first <= rows.height);
        self.flow = match undo {
            Undo::Blocks(to) if first <= to && undone.is_some_and(|rows| rows.height > to) => {
                self.flat.blocks.pop();
                self.flat.synced = self.flat.synced.min(self.height());
                Flow::RollingBack(Undo::Blocks(to))
            }
            Undo::Blocks(to) => Flow::RollingBack(Undo::Changelog(to)),
            Undo::Changelog(to) => {
                let target = self.flat.blocks.last().filter(|_| first <= to).map_or(to, |rows| rows.last_handoff);
                self.log.truncate(usize::from(target));
                self.log_synced = self.log_synced.min(target);
                self.logical.truncate(usize::from(to) + 1);
                Flow::RollingBack(Undo::Clear(to))
            }
            Undo::Clear(to) => {
                if to < first {
                    self.flat = Flat::default();
                } else {
                    self.flat.handoffs.retain(|height, _| *height <= to);
                    self.flat.rollback_to = None;
                }
                Flow::Opening(Open::Read)
            }
        };
        self.flat_on_disk = self.flat.clone();
    }
}
