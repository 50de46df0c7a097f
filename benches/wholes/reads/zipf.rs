//! Zipf's distribution: rank k comes with a probability of 1/k^s over the sum of these.
//!
//! Sampled exactly, by rejection from the integral of x^-s (W. Hörmann and G. Derflinger, "Rejection-inversion to generate
//! variates from monotone discrete distributions", 1996). No table: memory and time do not depend on the number of ranks.

use rand::Rng;

/// The distribution over ranks from 0.
pub(super) struct Zipf {
    ranks: f64,
    exponent: f64,
    /// The integral up to where the first rank's share begins.
    first: f64,
    /// The integral up to where the last rank's share ends.
    last: f64,
    /// A rank that lies no farther below the place drawn is always taken.
    shortcut: f64,
}

impl Zipf {
    /// Of `ranks` ranks, at least one; `exponent` is positive and not 1.
    pub(super) fn new(ranks: usize, exponent: f64) -> Self {
        let mut zipf = Self { ranks: ranks.max(1) as f64, exponent, first: 0.0, last: 0.0, shortcut: 0.0 };
        zipf.first = zipf.integral(1.5) - 1.0;
        zipf.last = zipf.integral(zipf.ranks + 0.5);
        zipf.shortcut = 2.0 - zipf.inverse(zipf.integral(2.5) - zipf.weight(2.0));
        zipf
    }

    /// A rank.
    pub(super) fn sample(&self, random: &mut impl Rng) -> usize {
        loop {
            let drawn = self.last + random.random::<f64>() * (self.first - self.last);
            let place = self.inverse(drawn);
            let rank = place.round().clamp(1.0, self.ranks);
            if rank - place <= self.shortcut || drawn >= self.integral(rank + 0.5) - self.weight(rank) {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank, 1 at least")]
                return rank as usize - 1;
            }
        }
    }

    fn weight(&self, rank: f64) -> f64 {
        rank.powf(-self.exponent)
    }

    /// The integral of the weight from 1 to `to`.
    fn integral(&self, to: f64) -> f64 {
        (to.powf(1.0 - self.exponent) - 1.0) / (1.0 - self.exponent)
    }

    fn inverse(&self, integral: f64) -> f64 {
        (1.0 + integral * (1.0 - self.exponent)).powf(1.0 / (1.0 - self.exponent))
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Pearson's statistic over the ranks, the far ones taken together, and how many degrees of freedom it has.
    fn chi_squared(ranks: usize, exponent: f64, draws: usize) -> (f64, usize) {
        let (zipf, mut random) = (Zipf::new(ranks, exponent), ChaCha8Rng::seed_from_u64(7));
        let mut seen = vec![0_u64; ranks];
        (0..draws).for_each(|_| seen[zipf.sample(&mut random)] += 1);
        let weights: Vec<f64> = (1..=ranks).map(|rank| (rank as f64).powf(-exponent)).collect();
        let total: f64 = weights.iter().sum();
        let (mut statistic, mut cells, mut rest) = (0.0, 0, (0.0, 0.0));
        let mut cell = |expected: f64, got: f64| {
            statistic += (got - expected).powi(2) / expected;
            cells += 1;
        };
        for (weight, seen) in weights.iter().zip(seen) {
            let (expected, got) = (draws as f64 * weight / total, seen as f64);
            rest = (rest.0 + expected, rest.1 + got);
            if rest.0 >= 20.0 {
                cell(rest.0, rest.1);
                rest = (0.0, 0.0);
            }
        }
        (statistic, cells - 1)
    }

    #[test]
    fn ranks_come_as_often_as_the_distribution_says() {
        for (ranks, exponent) in [(2, 0.99), (10, 0.99), (1_000, 0.99), (100_000, 0.99), (50, 2.0)] {
            let (statistic, degrees) = chi_squared(ranks, exponent, 400_000);
            // Mean and deviation of the statistic where the sampler is exact; the seed is fixed.
            let (mean, deviation) = (degrees as f64, (2.0 * degrees as f64).sqrt());
            assert!(statistic < mean + 4.0 * deviation, "{ranks} ranks: {statistic:.1}, {degrees} degrees of freedom");
        }
    }

    #[test]
    fn another_exponent_would_be_seen() {
        let (zipf, mut random) = (Zipf::new(1_000, 0.90), ChaCha8Rng::seed_from_u64(7));
        let firsts = (0..100_000).filter(|_| zipf.sample(&mut random) == 0).count() as f64;
        let total: f64 = (1..=1_000).map(|rank| f64::from(rank).powf(-0.99)).sum();
        let expected = 100_000.0 / total;
        assert!((firsts - expected).abs() > 4.0 * expected.sqrt(), "{firsts} and {expected}");
    }

    #[test]
    fn one_rank_is_always_that_one() {
        let (zipf, mut random) = (Zipf::new(1, 0.99), ChaCha8Rng::seed_from_u64(1));
        assert!((0..1_000).all(|_| zipf.sample(&mut random) == 0));
    }
}
