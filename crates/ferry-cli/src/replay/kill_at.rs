//! `--kill-at POINT:COUNT`: the process kills itself at a named point of the protocol. For rigs.

use std::str::FromStr;

use ferry::{KillHook, KillPoint};
use signal_hook::consts::SIGKILL;
use signal_hook::low_level::raise;

/// At which hit of which point the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KillAt {
    point: KillPoint,
    /// From 1.
    count: u64,
}

/// A text that names no hit of a kill point.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected POINT:COUNT with a count from 1 and a point of {} got={got}", KillPoint::ALL.map(KillPoint::as_str).join(", "))]
pub(super) struct NoKillPoint {
    got: String,
}

impl FromStr for KillAt {
    type Err = NoKillPoint;

    fn from_str(text: &str) -> Result<Self, NoKillPoint> {
        let parts = text.rsplit_once(':').and_then(|(name, count)| {
            let point = KillPoint::ALL.into_iter().find(|point| point.as_str() == name)?;
            let count = count.parse().ok().filter(|count| *count > 0)?;
            Some(Self { point, count })
        });
        parts.ok_or_else(|| NoKillPoint { got: text.to_owned() })
    }
}

impl KillAt {
    /// What the node calls at each point. SIGKILL can be neither caught nor put off: nothing runs behind it.
    pub(super) fn hook(self) -> KillHook {
        let mut left = self.count;
        Box::new(move |point| {
            if point != self.point {
                return;
            }
            left -= 1;
            if left == 0 {
                raise(SIGKILL).expect("a process may kill itself");
                unreachable!("the process is dead");
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_point_is_known_by_its_name() {
        for point in KillPoint::ALL {
            assert_eq!(format!("{point}:7").parse(), Ok(KillAt { point, count: 7 }));
        }
    }

    #[test]
    fn what_names_no_hit_is_refused_with_what_was_given() {
        for text in ["", "commit::durable", "commit::durable:0", "commit::durable:x", "commit:1", ":1"] {
            let refused = text.parse::<KillAt>().expect_err("refused");
            assert_eq!(refused, NoKillPoint { got: text.to_owned() });
        }
    }
}
