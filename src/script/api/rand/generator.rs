//! The numbers behind `loadrun.rand`, without Lua.
//!
//! xoshiro256++ (Blackman, Vigna), its state filled from a 64-bit seed by `SplitMix64`. What is
//! drawn from it uses integer arithmetic, IEEE 754 basic operations and `libm`, a port in Rust,
//! and never the platform's own `log` or `pow`: **a seed gives the same values on every machine**.
//!
//! * integers: Lemire's multiplication with rejection, without bias;
//! * numbers: the upper 53 bits, over 2^53;
//! * normal: Marsaglia's polar method, one value a pair; exponential: inversion;
//! * zipf: rejection-inversion (Hörmann, Derflinger 1996), constant time for any n.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// A seeded generator.
#[derive(Clone, Debug)]
pub struct Generator(Xoshiro256PlusPlus);

impl Generator {
    /// A generator whose whole sequence follows from the seed.
    pub fn seeded(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A whole number from 0 to `count - 1`, all equally likely; 0 stands for 2^64.
    pub fn below(&mut self, count: u64) -> u64 {
        if count == 0 {
            return self.bits();
        }
        let unfair = count.wrapping_neg() % count;
        loop {
            let product = u128::from(self.bits()) * u128::from(count);
            if product as u64 >= unfair {
                return (product >> 64) as u64;
            }
        }
    }

    /// A whole number from `low` to `high`, both included; `low <= high`.
    pub fn integer(&mut self, low: i64, high: i64) -> i64 {
        let count = high.wrapping_sub(low).wrapping_add(1) as u64;
        low.wrapping_add(self.below(count).cast_signed())
    }

    /// A number from 0 up to but not including 1.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A normally distributed number with mean 0 and standard deviation 1.
    pub fn normal(&mut self) -> f64 {
        loop {
            let x = 2.0 * self.unit() - 1.0;
            let y = 2.0 * self.unit() - 1.0;
            let square = x * x + y * y;
            if square > 0.0 && square < 1.0 {
                return x * (-2.0 * libm::log(square) / square).sqrt();
            }
        }
    }

    /// An exponentially distributed number with mean 1.
    pub fn exponential(&mut self) -> f64 {
        -libm::log1p(-self.unit())
    }

    /// A rank from 1 to `n`, rank k with a weight of 1/k^s; `n >= 1`, `s >= 0`.
    pub fn zipf(&mut self, n: u64, s: f64) -> u64 {
        let curve = Zipf { s };
        let first = curve.area(1.5) - 1.0;
        let last = curve.area(n as f64 + 0.5);
        let safe = 2.0 - curve.area_reached(curve.area(2.5) - curve.height(2.0));
        loop {
            let at = last + self.unit() * (first - last);
            let x = curve.area_reached(at);
            let rank = (x + 0.5).floor().clamp(1.0, n as f64);
            if rank - x <= safe || at >= curve.area(rank + 0.5) - curve.height(rank) {
                return rank as u64;
            }
        }
    }
}

/// The hat over Zipf's weights: 1/x^s over the real numbers.
struct Zipf {
    /// How steeply the weights fall; 0 is flat.
    s: f64,
}

impl Zipf {
    fn height(&self, x: f64) -> f64 {
        libm::exp(-self.s * libm::log(x))
    }

    /// The area under the hat from 1 to x, written so that s = 1 is no special case.
    fn area(&self, x: f64) -> f64 {
        let log = libm::log(x);
        exp_minus_one_over((1.0 - self.s) * log) * log
    }

    /// The x at which the area is reached.
    fn area_reached(&self, area: f64) -> f64 {
        let slope = (area * (1.0 - self.s)).max(-1.0);
        libm::exp(log_plus_one_over(slope) * area)
    }
}

/// (e^x - 1) / x, also near 0.
fn exp_minus_one_over(x: f64) -> f64 {
    if x.abs() > 1e-8 {
        libm::expm1(x) / x
    } else {
        1.0 + x / 2.0 * (1.0 + x / 3.0 * (1.0 + x / 4.0))
    }
}

/// ln(1 + x) / x, also near 0.
fn log_plus_one_over(x: f64) -> f64 {
    if x.abs() > 1e-8 { libm::log1p(x) / x } else { 1.0 - x * (0.5 - x * (1.0 / 3.0 - x / 4.0)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWS: usize = 100_000;

    /// Mean and variance of many draws with a fixed seed: an exact value on every machine, held
    /// here to what probability theory says within five standard errors.
    fn moments(mut draw: impl FnMut(&mut Generator) -> f64) -> (f64, f64) {
        let mut generator = Generator::seeded(7);
        let values: Vec<f64> = (0..DRAWS).map(|_| draw(&mut generator)).collect();
        let mean = values.iter().sum::<f64>() / DRAWS as f64;
        let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / DRAWS as f64;
        (mean, variance)
    }

    /// With 9 degrees of freedom, exceeded once in a thousand.
    const CHI_LIMIT: f64 = 27.9;

    fn chi_square(counts: &[f64; 10], weights: &[f64]) -> f64 {
        let total: f64 = weights.iter().sum();
        let expected = weights.iter().map(|weight| weight / total * DRAWS as f64);
        counts.iter().zip(expected).map(|(count, mean)| (count - mean).powi(2) / mean).sum()
    }

    fn near(value: f64, expected: f64, tolerance: f64) {
        assert!((value - expected).abs() <= tolerance, "{value} is not near {expected}");
    }

    #[test]
    fn a_seed_gives_these_values_on_every_machine() {
        let mut generator = Generator::seeded(42);
        let drawn = [
            generator.bits(),
            generator.integer(1, 1000) as u64,
            generator.unit().to_bits(),
            generator.normal().to_bits(),
            generator.exponential().to_bits(),
            generator.zipf(1_000_000, 1.1),
        ];
        let expected = [
            15_021_278_609_987_233_951,
            319,
            4_607_037_350_363_628_701,
            4_604_114_944_297_162_799,
            4_606_164_343_665_420_875,
            33_657,
        ];
        assert_eq!(drawn, expected);
    }

    #[test]
    fn numbers_are_spread_evenly_over_their_range() {
        let (mean, variance) = moments(Generator::unit);
        near(mean, 0.5, 0.0046);
        near(variance, 1.0 / 12.0, 0.0012);
    }

    #[test]
    fn every_integer_of_a_range_is_equally_likely() {
        let mut generator = Generator::seeded(11);
        let mut counts = [0f64; 10];
        for _ in 0..DRAWS {
            counts[(generator.integer(-4, 5) + 4) as usize] += 1.0;
        }
        assert!(chi_square(&counts, &[1.0; 10]) < CHI_LIMIT);
    }

    #[test]
    fn the_whole_range_of_integers_can_be_asked_for() {
        let mut generator = Generator::seeded(3);
        let drawn: Vec<i64> = (0..64).map(|_| generator.integer(i64::MIN, i64::MAX)).collect();
        assert!(drawn.iter().any(|n| *n < 0) && drawn.iter().any(|n| *n > 0));
        assert_eq!(generator.integer(i64::MAX, i64::MAX), i64::MAX);
    }

    #[test]
    fn the_normal_distribution_has_its_mean_and_variance() {
        let (mean, variance) = moments(Generator::normal);
        near(mean, 0.0, 0.016);
        near(variance, 1.0, 0.023);
    }

    #[test]
    fn the_exponential_distribution_has_its_mean_and_variance() {
        let (mean, variance) = moments(Generator::exponential);
        near(mean, 1.0, 0.016);
        near(variance, 1.0, 0.045);
    }

    #[test]
    fn ranks_have_the_weights_of_zipf() {
        for s in [0.0, 0.5, 1.0, 1.5, 3.0] {
            let mut generator = Generator::seeded(5);
            let mut counts = [0f64; 10];
            for _ in 0..DRAWS {
                counts[generator.zipf(10, s) as usize - 1] += 1.0;
            }
            let weights: Vec<f64> = (1..=10).map(|k| f64::from(k).powf(-s)).collect();
            let chi = chi_square(&counts, &weights);
            assert!(chi < CHI_LIMIT, "s = {s}: {chi}");
        }
    }

    #[test]
    fn a_zipf_of_a_billion_ranks_and_of_one_both_stay_in_range() {
        let mut generator = Generator::seeded(9);
        for _ in 0..1000 {
            assert!((1..=1_000_000_000).contains(&generator.zipf(1_000_000_000, 0.99)));
            assert_eq!(generator.zipf(1, 2.0), 1);
        }
    }
}
