//! What a campaign found.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::kill::Kill;

/// Something that must not be.
#[derive(Clone, Debug)]
pub(crate) struct Violation {
    pub(crate) workload: String,
    /// The number of the life, which with the seed leads there again.
    pub(crate) life: u64,
    pub(crate) what: String,
    /// The home as the last run found it.
    pub(crate) image: Option<String>,
}

#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) figures: BTreeMap<&'static str, u64>,
    /// Kills per moment.
    pub(crate) histogram: BTreeMap<&'static str, u64>,
    pub(crate) violations: Vec<Violation>,
}

impl Report {
    pub(crate) fn add(&mut self, figure: &'static str, by: u64) {
        *self.figures.entry(figure).or_default() += by;
    }

    pub(crate) fn killed(&mut self, kill: Kill) {
        self.add("kills", 1);
        self.add(if kill.argument().is_some() { "named" } else { "random" }, 1);
        *self.histogram.entry(kill.name()).or_default() += 1;
    }

    pub(crate) fn kills(&self) -> u64 {
        self.figures.get("kills").copied().unwrap_or(0)
    }

    pub(crate) fn json(&self, seed: u64, seconds: f64) -> Value {
        let violation = |violation: &Violation| {
            let Violation { workload, life, what, image } = violation;
            json!({"workload": workload, "life": life, "what": what, "image": image})
        };
        json!({
            "layer": "kill",
            "seed": seed,
            "seconds": seconds,
            "figures": self.figures,
            "histogram": self.histogram,
            "violations": self.violations.iter().map(violation).collect::<Vec<_>>(),
        })
    }
}
