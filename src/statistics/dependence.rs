//! How much a sum over time varies, when what happens in one second depends on the one before.
//!
//! A minute in which a slow second is followed by slow seconds says less than sixty independent
//! ones. The *effective sample size* says how much less: with the correlation `r` of neighbours,
//! `n (1 - r) / (1 + r)` (Bartlett 1935; exact in the limit for an autoregressive series, AR(1)).
//! `r` is corrected for its bias in short series (Kendall 1954), the variance for the same, and a
//! negative `r` is not made use of.
//!
//! Slow waves under fast noise hide from neighbours, so the same is done with neighbours added up
//! in twos, fours and so on, as long as [`FEWEST`] sums remain; a variance that is larger there
//! than chance makes it counts.

/// Sums from which a correlation is still estimated on a coarser scale.
const FEWEST: usize = 12;
/// How much larger a coarser scale's variance has to be.
const CLEARLY: f64 = 1.5;
/// The strongest correlation that is believed.
const STRONGEST: f64 = 0.95;

/// The variance of a sum, and how well it is known.
#[derive(Clone, Copy, Debug)]
pub struct Noise {
    /// In the square of what was summed.
    pub variance: f64,
    /// Degrees of freedom of the variance, at least 1.
    pub freedom: f64,
}

/// The noise of the sum of `parts`, which are in the order of time.
pub fn of_sum(parts: &[f64]) -> Noise {
    let mut parts = parts.to_vec();
    let mut largest = on_one_scale(&parts);
    while parts.len() / 2 >= FEWEST {
        parts = parts.chunks(2).map(|pair| pair.iter().sum()).collect();
        let coarser = on_one_scale(&parts);
        if coarser.variance > CLEARLY * largest.variance {
            largest = coarser;
        }
    }
    largest
}

fn on_one_scale(parts: &[f64]) -> Noise {
    let n = parts.len() as f64;
    let mean = parts.iter().sum::<f64>() / n;
    let squares: f64 = parts.iter().map(|part| (part - mean).powi(2)).sum();
    if squares == 0.0 || parts.len() < 4 {
        return Noise { variance: squares, freedom: (n - 1.0).max(1.0) };
    }
    let products: f64 = parts.windows(2).map(|pair| (pair[0] - mean) * (pair[1] - mean)).sum();
    let correlation = ((n * products / squares + 1.0) / (n - 3.0)).clamp(0.0, STRONGEST);
    let each_counts_for = ((1.0 + correlation) / (1.0 - correlation)).min(n / 2.0);
    Noise {
        variance: n * each_counts_for * squares / (n - each_counts_for),
        freedom: (n / each_counts_for - 1.0).max(1.0),
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt as _, SeedableRng as _};
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::super::student;
    use super::*;

    /// An AR(1) series with mean 0.
    fn series(rng: &mut Xoshiro256PlusPlus, n: usize, correlation: f64) -> Vec<f64> {
        let mut normal = || (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
        let mut last = normal() / (1.0 - correlation * correlation).sqrt();
        let steps = (0..n).map(|_| {
            last = correlation * last + normal();
            last
        });
        steps.collect()
    }

    #[test]
    fn a_sum_lies_within_its_noise_as_often_as_it_should_whatever_the_dependence() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        for correlation in [0.0, 0.5, 0.8] {
            for n in [15, 30, 60, 120] {
                let within = (0..1000).filter(|_| {
                    let series = series(&mut rng, n, correlation);
                    let noise = of_sum(&series);
                    let t = series.iter().sum::<f64>().abs() / noise.variance.sqrt();
                    t < student::critical(0.05, noise.freedom)
                });
                let share = within.count() as f64 / 1000.0;
                let least = if n < 30 { 0.85 } else { 0.92 };
                assert!(share > least, "r {correlation}, n {n}: {share}");
            }
        }
    }

    #[test]
    fn equal_parts_have_no_noise() {
        assert!(of_sum(&[0.0; 20]).variance.abs() < 1e-12);
    }
}
