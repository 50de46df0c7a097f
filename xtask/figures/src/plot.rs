//! Lines over an axis, as SVG. Colours follow what the reader's screen prefers, light or dark; each line has a mark of its
//! own as well, for those who do not tell the colours apart.

use std::fmt::Write;

use crate::scale::{Axis, Ruler};

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 460.0;
const LEFT: f64 = 84.0;
const RIGHT: f64 = 44.0;
const TOP: f64 = 102.0;
const BOTTOM: f64 = 62.0;
/// From the words of one mark to those of the next.
const WORDS_APART: f64 = 13.0;
/// How far from its line they may stand.
const WORDS_AWAY_MAX: f64 = 3.0 * WORDS_APART;
/// Where the legend's first line stands, and how far below it the next one.
const LEGEND: f64 = 60.0;
const LEGEND_LINE: f64 = 20.0;
/// Lines that have a colour of their own.
const COLOURS: usize = 6;

/// Colours that differ in lightness too (after Okabe and Ito), and of which each stands out from both grounds.
const STYLE: &str = "
.ground{fill:#ffffff}.ink{fill:#1f2328}.soft{fill:#59636e}.grid{stroke:#d8dee4}.axis{stroke:#59636e}
.l0{stroke:#0969b2}.l1{stroke:#c2410c}.l2{stroke:#12805c}.l3{stroke:#a1458a}.l4{stroke:#946800}.l5{stroke:#475569}
.f0{fill:#0969b2}.f1{fill:#c2410c}.f2{fill:#12805c}.f3{fill:#a1458a}.f4{fill:#946800}.f5{fill:#475569}
.mark{stroke:#c2410c}.word{fill:#c2410c}
@media (prefers-color-scheme:dark){
.ground{fill:#0d1117}.ink{fill:#e6edf3}.soft{fill:#9da7b3}.grid{stroke:#2d333b}.axis{stroke:#9da7b3}
.l0{stroke:#58a6ff}.l1{stroke:#ff8c42}.l2{stroke:#3fcf8e}.l3{stroke:#e58cc8}.l4{stroke:#e3b341}.l5{stroke:#adbac7}
.f0{fill:#58a6ff}.f1{fill:#ff8c42}.f2{fill:#3fcf8e}.f3{fill:#e58cc8}.f4{fill:#e3b341}.f5{fill:#adbac7}
.mark{stroke:#ff8c42}.word{fill:#ff8c42}}
";

/// A line.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Its name in the legend.
    pub name: String,
    /// Its points. One without a place on an axis is left out.
    pub points: Vec<(f64, f64)>,
}

/// What happened at one place along the first axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// Where.
    pub at: f64,
    /// What.
    pub what: String,
}

/// How figures are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// As lines: there are many.
    Lines,
    /// As lines with a mark at each.
    LinesAndPoints,
    /// As marks: nothing lies between two of them.
    Points,
}

/// A picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Plot {
    /// What it shows.
    pub title: String,
    /// From left to right.
    pub x: Axis,
    /// From bottom to top.
    pub y: Axis,
    /// The lines; names of a single one are not shown.
    pub series: Vec<Series>,
    /// What happened meanwhile.
    pub marks: Vec<Mark>,
    /// How figures are drawn.
    pub style: Style,
}

impl Plot {
    /// As SVG.
    pub fn svg(&self) -> String {
        let points = self.series.iter().flat_map(|series| &series.points);
        let marks = self.marks.iter().map(|mark| mark.at);
        let x = self.x.ruler(points.clone().map(|point| point.0).chain(marks));
        let y = self.y.ruler(points.map(|point| point.1));
        let mut svg = format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="system-ui, sans-serif" font-size="13" role="img">
<title>{title}</title>
<style>{STYLE}</style>
<rect class="ground" width="{WIDTH}" height="{HEIGHT}"/>
<text class="ink" x="{LEFT}" y="32" font-size="17" font-weight="600">{title}</text>
"#,
            title = escaped(&self.title),
        );
        self.legend(&mut svg);
        self.axes(&mut svg, &x, &y);
        let mut from = f64::MIN;
        for mark in &self.marks {
            from = across(&mut svg, mark, &x, from);
        }
        for (number, series) in self.series.iter().enumerate() {
            self.line(&mut svg, number, series, &x, &y);
        }
        svg.push_str("</svg>\n");
        svg
    }

    fn legend(&self, svg: &mut String) {
        if self.series.len() < 2 {
            return;
        }
        let (mut at, mut base) = (LEFT, LEGEND);
        for (number, series) in self.series.iter().enumerate() {
            // Fonts differ; this is wider than most letters.
            let width = 47.0 + 7.0 * series.name.chars().count() as f64;
            if at > LEFT && at + width > WIDTH {
                (at, base) = (LEFT, base + LEGEND_LINE);
            }
            let (colour, middle) = (number % COLOURS, base - 4.0);
            if self.style != Style::Points {
                add(svg, format_args!(r#"<path class="l{colour}" d="M{at:.1} {middle} h22" stroke-width="2"/>"#));
            }
            svg.push_str(&symbol(number, at + 11.0, middle));
            let (left, name) = (at + 29.0, escaped(&series.name));
            add(svg, format_args!(r#"<text class="ink" x="{left:.1}" y="{base}">{name}</text>"#));
            svg.push('\n');
            at += width;
        }
    }

    fn axes(&self, svg: &mut String, x: &Ruler, y: &Ruler) {
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        for (place, word) in &y.ticks {
            let at = down(*place);
            add(svg, format_args!(r#"<path class="grid" d="M{LEFT} {at:.1} H{right}"/>"#));
            let (left, base, word) = (LEFT - 10.0, at + 4.5, escaped(word));
            add(svg, format_args!(r#"<text class="soft" x="{left}" y="{base:.1}" text-anchor="end">{word}</text>"#));
            svg.push('\n');
        }
        add(svg, format_args!(r#"<path class="axis" d="M{LEFT} {bottom} H{right}"/>"#));
        for (place, word) in &x.ticks {
            let (at, end, base) = (along(*place), bottom + 5.0, bottom + 21.0);
            add(svg, format_args!(r#"<path class="axis" d="M{at:.1} {bottom} V{end}"/>"#));
            let word = escaped(word);
            add(svg, format_args!(r#"<text class="soft" x="{at:.1}" y="{base}" text-anchor="middle">{word}</text>"#));
            svg.push('\n');
        }
        let (middle, base) = (f64::midpoint(LEFT, right), HEIGHT - 14.0);
        let (x, y) = (escaped(&self.x.label), escaped(&self.y.label));
        add(svg, format_args!(r#"<text class="ink" x="{middle}" y="{base}" text-anchor="middle">{x}</text>"#));
        let middle = f64::midpoint(TOP, bottom);
        let turned = format!("translate(12 {middle}) rotate(-90)");
        add(svg, format_args!(r#"<text class="ink" transform="{turned}" text-anchor="middle">{y}</text>"#));
        svg.push('\n');
    }

    fn line(&self, svg: &mut String, number: usize, series: &Series, x: &Ruler, y: &Ruler) {
        let place = |(at, figure): &(f64, f64)| Some((along(x.place(*at)?), down(y.place(*figure)?)));
        let places: Vec<(f64, f64)> = series.points.iter().filter_map(place).collect();
        let words: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let (colour, words) = (number % COLOURS, words.join(" "));
        if self.style != Style::Points {
            let style = r#"fill="none" stroke-width="2" stroke-linejoin="round""#;
            add(svg, format_args!(r#"<polyline class="l{colour}" points="{words}" {style}/>"#));
        }
        for (x, y) in places.iter().filter(|_| self.style != Style::Lines) {
            svg.push_str(&symbol(number, *x, *y));
        }
        svg.push('\n');
    }
}

/// A line across the picture, and its words beside it; where others stand there, behind them, from `from` on. Words that would
/// stand too far from their line are shown by who points at it. Returns where the next words may stand.
fn across(svg: &mut String, mark: &Mark, x: &Ruler, from: f64) -> f64 {
    let Some(at) = x.place(mark.at).map(along) else { return from };
    let (bottom, what, place) = (HEIGHT - BOTTOM, escaped(&mark.what), at.max(from));
    let line = format!(r#"class="mark" d="M{at:.1} {TOP} V{bottom}" stroke-dasharray="2 3""#);
    if place - at > WORDS_AWAY_MAX {
        add(svg, format_args!("<path {line}><title>{what}</title></path>\n"));
        return from;
    }
    let turned = format!("translate({place:.1} {bottom}) rotate(-90)");
    add(svg, format_args!("<path {line}/>"));
    add(svg, format_args!(r#"<text class="word" transform="{turned}" dx="4" dy="-4" font-size="11">{what}</text>"#));
    svg.push('\n');
    place + WORDS_APART
}

/// A line's own mark: a disc, a square, a triangle, a diamond.
fn symbol(number: usize, x: f64, y: f64) -> String {
    let colour = number % COLOURS;
    let shape = match number % 4 {
        0 => format!("M{:.1} {y:.1} a4.5 4.5 0 1 0 9 0 a4.5 4.5 0 1 0 -9 0", x - 4.5),
        1 => format!("M{:.1} {:.1} h8 v8 h-8 z", x - 4.0, y - 4.0),
        2 => format!("M{x:.1} {:.1} l5 8.5 h-10 z", y - 5.5),
        _ => format!("M{x:.1} {:.1} l5.5 5.5 l-5.5 5.5 l-5.5 -5.5 z", y - 5.5),
    };
    format!(r#"<path class="f{colour}" d="{shape}"/>"#)
}

fn along(place: f64) -> f64 {
    LEFT + place * (WIDTH - LEFT - RIGHT)
}

fn down(place: f64) -> f64 {
    HEIGHT - BOTTOM - place * (HEIGHT - TOP - BOTTOM)
}

fn add(svg: &mut String, what: std::fmt::Arguments<'_>) {
    svg.write_fmt(what).expect("a string takes what is written to it");
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(points: Vec<(f64, f64)>) -> Plot {
        Plot {
            title: "a < b".to_owned(),
            x: Axis::linear("blocks"),
            y: Axis::log("µs"),
            series: vec![Series { name: "reads".to_owned(), points }],
            marks: vec![Mark { at: 5.0, what: "kill & restart".to_owned() }],
            style: Style::LinesAndPoints,
        }
    }

    #[test]
    fn a_picture_says_what_is_along_its_axes_and_what_happened() {
        let svg = plot(vec![(0.0, 10.0), (10.0, 100.0)]).svg();
        for part in [">blocks</text>", ">µs</text>", "a &lt; b", "kill &amp; restart", "prefers-color-scheme:dark"] {
            assert!(svg.contains(part), "{part} is missing in {svg}");
        }
        assert!(svg.contains(r#"points="84.0,398.0 816.0,102.0""#), "{svg}");
    }

    #[test]
    fn words_of_marks_at_one_place_stand_side_by_side() {
        let mark = |at, what: &str| Mark { at, what: what.to_owned() };
        let marks = vec![mark(5.0, "one"), mark(5.0, "two"), mark(10.0, "three")];
        let svg = Plot { marks, ..plot(vec![(0.0, 10.0), (10.0, 100.0)]) }.svg();
        for (place, what) in [("450.0", "one"), ("463.0", "two"), ("816.0", "three")] {
            let word = svg.lines().find(|line| line.contains(what)).expect("its words");
            assert!(word.contains(&format!("translate({place} ")), "{word}");
        }
    }

    #[test]
    fn words_for_which_there_is_no_room_are_kept_with_their_line() {
        let marks: Vec<_> = (0..60).map(|number| Mark { at: 10.0, what: format!("kill {number}") }).collect();
        let svg = Plot { marks, ..plot(vec![(0.0, 10.0), (10.0, 100.0)]) }.svg();
        assert_eq!(svg.matches(r#"class="mark" d="#).count(), 60, "each has a line");
        assert_eq!(svg.matches(r#"class="word" transform"#).count(), 4, "as many words as have room");
        assert!(svg.contains("<title>kill 4</title>") && svg.contains("<title>kill 59</title>"));
    }

    #[test]
    fn a_point_without_a_place_is_left_out_and_no_points_are_a_picture_too() {
        assert!(plot(vec![(0.0, 0.0), (5.0, 100.0)]).svg().contains(r#"points="816.0,398.0""#));
        assert!(plot(Vec::new()).svg().contains(r#"points="""#));
    }
}
