//! When a run is killed.

use std::fmt;
use std::time::Duration;

use ferry::KillPoint;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Points that no workload of this rig reaches, each with its reason. A point that is neither reached nor listed is a
/// violation.
pub(crate) const OUT_OF_REACH: &[(&str, &str)] = &[];

/// The moment of a kill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kill {
    /// The run kills itself at the hit of this number, from 1.
    At(KillPoint, u64),
    /// The rig kills it so long after its start.
    AfterStart(Duration),
    /// The rig kills it so long after it has opened its home.
    AfterOpening(Duration),
}

impl Kill {
    /// A random moment: in one of three cases while the run starts and opens its home, else while it works.
    pub(crate) fn random(rng: &mut ChaCha8Rng, opening: Duration, block: Duration, blocks: u32) -> Self {
        let within = |rng: &mut ChaCha8Rng, span: Duration| span.mul_f64(rng.random_range(0.0..1.0));
        if rng.random_ratio(1, 3) {
            Self::AfterStart(within(rng, opening.mul_f64(1.2)))
        } else {
            Self::AfterOpening(within(rng, block * blocks))
        }
    }

    /// What the histogram counts it under.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::At(point, _) => point.as_str(),
            Self::AfterStart(_) => "random::opening",
            Self::AfterOpening(_) => "random::working",
        }
    }

    /// What a command line is told of it; none if the rig does it.
    pub(crate) fn argument(self) -> Option<String> {
        match self {
            Self::At(point, count) => Some(format!("{point}:{count}")),
            Self::AfterStart(_) | Self::AfterOpening(_) => None,
        }
    }

    /// The heights that the home may have afterwards, if `acknowledged` was the last that the run had said to be
    /// committed.
    pub(crate) fn heights_after(self, acknowledged: u64) -> std::ops::RangeInclusive<u64> {
        let next = acknowledged + 1;
        match self {
            Self::At(KillPoint::Worked, _) => acknowledged..=acknowledged,
            Self::At(KillPoint::Durable | KillPoint::HandedOver | KillPoint::Published, _) => next..=next,
            // Between two of these, or at a point outside the commit.
            _ => acknowledged..=next,
        }
    }
}

impl fmt::Display for Kill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(point, count) => write!(f, "{point}:{count}"),
            Self::AfterStart(after) => write!(f, "{after:?} after its start"),
            Self::AfterOpening(after) => write!(f, "{after:?} after opening"),
        }
    }
}
