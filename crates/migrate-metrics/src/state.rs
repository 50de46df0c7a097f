//! Whether a migration moves, and if not, why.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The state of a migration. What looks alike from outside, a cursor that stands still, has a state for each cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The node is being opened.
    Starting,
    /// Blocks move keys.
    Moving,
    /// Somebody asked it to stand still: a batch size of 0, or whoever makes the blocks makes none.
    Paused,
    /// It moves, and more slowly than it could, because a pace was asked for.
    Throttled,
    /// Nothing is left to move in this write mode; the next step is the chain's or the operator's.
    WaitingForModeStep,
    /// It should move, nobody holds it, and it has not moved for a while.
    Stalled,
    /// The last flush or commit ended in an error.
    Failed,
    /// All that was to move has moved.
    Done,
}

impl State {
    /// All states.
    pub const ALL: [Self; 8] = [
        Self::Starting,
        Self::Moving,
        Self::Paused,
        Self::Throttled,
        Self::WaitingForModeStep,
        Self::Stalled,
        Self::Failed,
        Self::Done,
    ];

    /// The state's name, as in JSON and in the label of the metric.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Moving => "moving",
            Self::Paused => "paused",
            Self::Throttled => "throttled",
            Self::WaitingForModeStep => "waiting_for_mode_step",
            Self::Stalled => "stalled",
            Self::Failed => "failed",
            Self::Done => "done",
        }
    }

    /// Whether keys move, at whatever pace.
    pub const fn moves(self) -> bool {
        matches!(self, Self::Moving | Self::Throttled)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.as_str().replace('_', " "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_and_label_have_the_same_name() {
        for state in State::ALL {
            assert_eq!(serde_json::to_value(state).expect("serializes"), state.as_str());
        }
    }
}
