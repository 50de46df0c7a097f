//! The picture of a run: keys left in memiavl over time, and what was done to the network meanwhile.

use figures::{Axis, Mark, Plot, Series, Style};

use crate::report::Report;
use crate::world::Sample;

/// The picture as SVG.
pub(crate) fn svg(report: &Report) -> String {
    let point = |sample: &Sample| (sample.at.as_secs_f64(), sample.remaining_keys as f64);
    let marks = report.marks.iter().map(|(at, what)| Mark { at: at.as_secs_f64(), what: what.clone() });
    let plot = Plot {
        title: format!("{} seed {}: keys left in memiavl", report.scenario, report.seed),
        x: Axis::linear("seconds"),
        y: Axis::linear("keys"),
        series: vec![Series { name: "keys".to_owned(), points: report.samples.iter().map(point).collect() }],
        marks: marks.collect(),
        style: Style::Lines,
    };
    plot.svg()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_without_a_sample_has_a_picture_too() {
        let picture = svg(&Report::skipped("calm", 1, "no engine"));
        assert!(picture.starts_with("<svg") && picture.contains("calm seed 1"));
    }
}
