//! An axis: from figures to places, and the round figures that it names.

use crate::number::plain;

/// How figures lie along an axis.
#[derive(Clone, Debug, PartialEq)]
pub enum Scale {
    /// Equal steps from zero.
    Linear,
    /// Equal ratios. Figures that are not positive have no place.
    Log,
    /// Figures 0, 1, … are these words.
    Words(Vec<String>),
}

/// An axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// What is along it, with the unit.
    pub label: String,
    /// How.
    pub scale: Scale,
}

/// An axis with its ends.
pub(crate) struct Ruler {
    is_log: bool,
    first: f64,
    last: f64,
    /// Places from 0 to 1, and what is written there.
    pub(crate) ticks: Vec<(f64, String)>,
}

/// About so many ticks stand along a linear axis.
const TICKS: f64 = 6.0;
/// A figure so little beyond a power of ten, in powers of ten, needs no further decade.
const SLACK: f64 = 0.02;

impl Axis {
    /// With equal steps.
    pub fn linear(label: &str) -> Self {
        Self { label: label.to_owned(), scale: Scale::Linear }
    }

    /// With equal ratios.
    pub fn log(label: &str) -> Self {
        Self { label: label.to_owned(), scale: Scale::Log }
    }

    /// Of words.
    pub fn words<'a>(label: &str, words: impl IntoIterator<Item = &'a str>) -> Self {
        Self { label: label.to_owned(), scale: Scale::Words(words.into_iter().map(str::to_owned).collect()) }
    }

    /// With room for all of `figures`.
    pub(crate) fn ruler(&self, figures: impl Iterator<Item = f64> + Clone) -> Ruler {
        match &self.scale {
            Scale::Linear => Ruler::linear(figures.fold(0.0, f64::max)),
            Scale::Log => Ruler::log(figures.filter(|figure| *figure > 0.0)),
            Scale::Words(words) => Ruler::words(words),
        }
    }
}

impl Ruler {
    fn linear(most: f64) -> Self {
        let most = if most > 0.0 { most } else { 1.0 };
        let rough = most / TICKS;
        let decade = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|times| times * decade).into_iter().find(|step| *step >= rough);
        let step = step.unwrap_or(rough);
        let count = (most / step - 1e-9).ceil().max(1.0);
        let decimals = if step < 1.0 { (-step.log10()).ceil().max(0.0) } else { 0.0 };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a handful of each")]
        let (count, decimals) = (count as u32, decimals as usize);
        let tick = |at: u32| (f64::from(at) / f64::from(count), plain(f64::from(at) * step, decimals));
        Self { is_log: false, first: 0.0, last: step * f64::from(count), ticks: (0..=count).map(tick).collect() }
    }

    fn log(figures: impl Iterator<Item = f64> + Clone) -> Self {
        let least = figures.clone().fold(f64::INFINITY, f64::min);
        let most = figures.fold(0.0, f64::max);
        let (least, most) = if most > 0.0 { (least, most) } else { (1.0, 10.0) };
        let first = (least.log10() + SLACK).floor();
        let last = (most.log10() - SLACK).ceil().max(first + 1.0);
        #[expect(clippy::cast_possible_truncation, reason = "exponents of figures that a run can have")]
        let decades = first as i32..=last as i32;
        let tick = |exponent: i32| {
            let decimals = usize::try_from(-exponent).unwrap_or(0);
            ((f64::from(exponent) - first) / (last - first), plain(10_f64.powi(exponent), decimals))
        };
        Self { is_log: true, first, last, ticks: decades.map(tick).collect() }
    }

    /// A word stands in the middle of its share.
    fn words(words: &[String]) -> Self {
        let last = words.len().max(1) as f64 - 0.5;
        let tick = |(at, word): (usize, &String)| ((at as f64 + 0.5) / (last + 0.5), word.clone());
        Self { is_log: false, first: -0.5, last, ticks: words.iter().enumerate().map(tick).collect() }
    }

    /// The place of a figure, 0 at the axis's beginning and 1 at its end; none if it has none.
    pub(crate) fn place(&self, figure: f64) -> Option<f64> {
        let figure = if self.is_log { figure.log10() } else { figure };
        let place = (figure - self.first) / (self.last - self.first);
        place.is_finite().then_some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(ruler: &Ruler) -> Vec<&str> {
        ruler.ticks.iter().map(|(_, word)| word.as_str()).collect()
    }

    #[test]
    fn a_linear_axis_begins_at_zero_and_ends_at_a_round_figure() {
        let ruler = Axis::linear("ms").ruler([3.0, 87.0].into_iter());
        assert_eq!(ticks(&ruler), ["0", "20", "40", "60", "80", "100"]);
        assert_eq!((ruler.place(0.0), ruler.place(50.0)), (Some(0.0), Some(0.5)));
        assert_eq!(
            ticks(&Axis::linear("s").ruler([0.3].into_iter())),
            ["0.00", "0.05", "0.10", "0.15", "0.20", "0.25", "0.30"]
        );
        assert_eq!(ticks(&Axis::linear("s").ruler(std::iter::empty())).last(), Some(&"1.0"));
    }

    #[test]
    fn a_log_axis_has_whole_decades_and_no_place_for_zero() {
        let ruler = Axis::log("µs").ruler([1.4, 900.0, 0.0].into_iter());
        assert_eq!(ticks(&ruler), ["1", "10", "100", "1 000"]);
        assert_eq!((ruler.place(1000.0), ruler.place(0.0)), (Some(1.0), None));
        assert_eq!(ticks(&Axis::log("µs").ruler([100.0].into_iter())), ["100", "1 000"]);
        assert_eq!(ticks(&Axis::log("keys").ruler([99_800.0, 999_000.0].into_iter())), ["100 000", "1 000 000"]);
        assert_eq!(ticks(&Axis::log("µs").ruler([0.02].into_iter())), ["0.01", "0.1"]);
    }

    #[test]
    fn words_stand_side_by_side() {
        let ruler = Axis::words("", ["p50", "p99"]).ruler(std::iter::empty());
        assert_eq!((ruler.place(0.0), ruler.place(1.0)), (Some(0.25), Some(0.75)));
        assert_eq!(ruler.ticks, [(0.25, "p50".to_owned()), (0.75, "p99".to_owned())]);
    }
}
