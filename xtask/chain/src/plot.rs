//! The picture of a run: keys left in memiavl over time, and what was done to the network meanwhile.

use crate::report::Report;

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 420.0;
const MARGIN: f64 = 60.0;

/// The picture as SVG.
pub(crate) fn svg(report: &Report) -> String {
    let seconds = report.samples.last().map_or(1.0, |sample| sample.at.as_secs_f64()).max(1.0);
    let keys = report.samples.iter().map(|sample| sample.remaining_keys).max().unwrap_or(0).max(1) as f64;
    let x = |at: f64| MARGIN + at / seconds * (WIDTH - 2.0 * MARGIN);
    let y = |left: f64| HEIGHT - MARGIN - left / keys * (HEIGHT - 2.0 * MARGIN);
    let points: Vec<String> = report
        .samples
        .iter()
        .map(|sample| format!("{:.1},{:.1}", x(sample.at.as_secs_f64()), y(sample.remaining_keys as f64)))
        .collect();
    let marks: String = report.marks.iter().map(|(at, what)| mark(x(at.as_secs_f64()), what)).collect();
    let (title, points) = (escaped(&format!("{} seed {}", report.scenario, report.seed)), points.join(" "));
    let (left, right, bottom) = (MARGIN, WIDTH - MARGIN, HEIGHT - MARGIN);
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="11">
<rect width="100%" height="100%" fill="white"/>
<text x="{left}" y="30" font-size="15">{title}: keys left in memiavl</text>
<path d="M{left} {MARGIN} V{bottom} H{right}" fill="none" stroke="black"/>
<text x="{left}" y="{MARGIN}" dx="-6" text-anchor="end">{keys}</text>
<text x="{left}" y="{bottom}" dx="-6" text-anchor="end">0</text>
<text x="{right}" y="{bottom}" dy="16" text-anchor="end">{seconds:.0} s</text>
{marks}<polyline points="{points}" fill="none" stroke="#036" stroke-width="2"/>
</svg>
"##
    )
}

/// What was done, as a line across the picture.
fn mark(at: f64, what: &str) -> String {
    let (top, bottom, what) = (MARGIN, HEIGHT - MARGIN, escaped(what));
    format!(
        r##"<line x1="{at:.1}" y1="{top}" x2="{at:.1}" y2="{bottom}" stroke="#c33" stroke-dasharray="2 3"/>
<text transform="translate({at:.1} {bottom}) rotate(-90)" dy="-3" fill="#c33">{what}</text>
"##
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
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
