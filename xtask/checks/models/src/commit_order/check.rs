//! What must always hold, and what must be possible.

use stateright::{Model, Property};

use crate::commit_order::action::Action;
use crate::commit_order::state::{Fault, Flow, Open, State};

/// The model with its bounds.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    pub fault: Fault,
    pub blocks: u8,
    pub crashes: u8,
    pub pauses: u8,
    pub rollbacks: u8,
}

impl Model for Commit {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::new()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        state.possible(self, actions);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        state.take(self, action);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("what is readable is the logical map", |_, state: &State| {
                state.flow != Flow::Idle || state.logical.get(usize::from(state.height())) == Some(&state.readable())
            }),
            Property::always("an acknowledged block survives", |_, state: &State| {
                state.flow != Flow::Idle || state.height() >= state.acked
            }),
            Property::always("no block comes of nothing", |_, state: &State| {
                state.flow != Flow::Idle || usize::from(state.height()) < state.logical.len()
            }),
            Property::always("no crash leads to a refusal", |_, state: &State| !matches!(state.flow, Flow::Refused(_))),
            Property::always("memiavl is never ahead", |_, state: &State| {
                let Some(rows) = state.flat.blocks.last() else { return true };
                // A rollback undoes FlatKV first, and its note tells.
                state.flat.rollback_to.is_some() || state.log_readable() <= rows.height
            }),
            Property::always("what is not synced has a handoff", |_, state: &State| {
                let Some(rows) = state.flat.blocks.last() else { return true };
                let mut unsynced = state.log_synced + 1..=rows.last_handoff;
                state.flat.rollback_to.is_some()
                    || !matches!(state.flow, Flow::Idle)
                    || unsynced.all(|height| state.flat.handoffs.contains_key(&height))
            }),
            Property::sometimes("a migration completes after a crash", |_, state: &State| {
                state.crashes > 0
                    && state.flow == Flow::Idle
                    && state.flat.blocks.last().is_some_and(|rows| rows.complete)
            }),
            Property::sometimes("a crash while opening is survived", |model: &Self, state: &State| {
                model.crashes < 2 || state.crashed_in_opening && state.flow == Flow::Idle
            }),
            Property::sometimes("handoffs are dropped", |_, state: &State| state.dropped),
            Property::sometimes("a hole in the changelog is filled from the handoffs", |_, state: &State| {
                state.flow == Flow::Opening(Open::Sync)
            }),
            Property::sometimes("a rollback is finished after a crash", |model: &Self, state: &State| {
                model.rollbacks == 0 || (state.crashed_in_rollback && state.flow == Flow::Idle)
            }),
            Property::sometimes("FlatKV is rolled away", |model: &Self, state: &State| {
                model.rollbacks == 0
                    || (state.rolled_back && state.flow == Flow::Idle && state.flat.blocks.is_empty() && state.dropped)
            }),
        ]
    }
}
