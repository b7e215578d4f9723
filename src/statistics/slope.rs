//! How fast a level rises over time, and how sure that is.
//!
//! The straight line is that of least squares. Its slope is a sum over time, of what each moment
//! pulls at it, so its noise is that of a sum whose parts depend on the ones before
//! ([`dependence`]): a level that wanders says less about its slope than one that jitters.
//!
//! Of a random walk, where every line is an accident, one in ten is taken for a rise; whoever must
//! not be wrong asks both halves of the time.

use super::{dependence, student};

/// The chance that the truth lies outside of the interval.
const DOUBT: f64 = 0.05;
/// Most parts a line is laid through: more are averaged together.
const MOST: usize = 120;
/// Fewest points that tell a slope.
const FEWEST: usize = 8;

/// A figure, and where the truth lies with a chance of 95 %.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// What was measured.
    pub value: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Estimate {
    /// What is known without doubt.
    pub fn exactly(value: f64) -> Self {
        Self { value, low: value, high: value }
    }

    /// So many times it, which is not negative.
    #[must_use]
    pub fn times(self, factor: f64) -> Self {
        Self { value: self.value * factor, low: self.low * factor, high: self.high * factor }
    }

    /// The same with so much more doubt on each side.
    #[must_use]
    pub fn give_or_take(self, doubt: f64) -> Self {
        Self { low: self.low - doubt, high: self.high + doubt, ..self }
    }
}

/// The slope of a level at moments in the order of time, by the moments' unit; none where there
/// are too few of them, or all at one moment.
pub fn of(points: &[(f64, f64)]) -> Option<Estimate> {
    if points.len() < FEWEST {
        return None;
    }
    let points = averaged(points);
    let n = points.len() as f64;
    let mean = |part: fn(&(f64, f64)) -> f64| points.iter().map(part).sum::<f64>() / n;
    let (middle, level) = (mean(|point| point.0), mean(|point| point.1));
    let spread: f64 = points.iter().map(|(at, _)| (at - middle).powi(2)).sum();
    let lean: f64 = points.iter().map(|(at, value)| (at - middle) * (value - level)).sum();
    if spread <= 0.0 {
        return None;
    }
    let slope = lean / spread;
    let pulls: Vec<f64> = points
        .iter()
        .map(|(at, value)| (at - middle) * (value - level - slope * (at - middle)))
        .collect();
    let noise = dependence::of_sum(&pulls);
    // One degree more than the sum's is spent on the slope.
    let reach = student::critical(DOUBT, (noise.freedom - 1.0).max(1.0));
    Some(Estimate::exactly(slope).give_or_take(reach * noise.variance.sqrt() / spread))
}

/// Not more than [`MOST`] points, each the mean of equally many; a rest at the end is left out.
fn averaged(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let width = points.len().div_ceil(MOST);
    let means = points.chunks_exact(width).map(|part| {
        let sum = part.iter().fold((0.0, 0.0), |sum, point| (sum.0 + point.0, sum.1 + point.1));
        (sum.0 / width as f64, sum.1 / width as f64)
    });
    means.collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng as _;
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::*;

    fn series(n: usize, mut value: impl FnMut(f64) -> f64) -> Vec<(f64, f64)> {
        (0..n).map(|at| (at as f64, value(at as f64))).collect()
    }

    fn normal(rng: &mut Xoshiro256PlusPlus) -> f64 {
        (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0
    }

    #[test]
    fn a_straight_line_is_known_without_doubt() {
        for n in [8, 60, 119, 120, 121, 5000] {
            let slope = of(&series(n, |at| 7.0 - 0.25 * at)).unwrap();
            assert!((slope.value + 0.25).abs() < 1e-9, "{n}: {slope:?}");
            assert!(slope.high - slope.low < 1e-6, "{n}: {slope:?}");
        }
        assert_eq!(of(&series(7, |at| at)), None);
        assert_eq!(of(&[(3.0, 1.0); 20]), None);
    }

    /// How often a slope is surely above the true one, in a hundred series.
    fn beyond(n: usize, mut make: impl FnMut(&mut Xoshiro256PlusPlus) -> Vec<(f64, f64)>) -> usize {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(n as u64);
        (0..400).filter(|_| of(&make(&mut rng)).unwrap().low > 0.0).count() / 4
    }

    #[test]
    fn a_level_that_only_jitters_or_wanders_back_is_seldom_taken_for_a_rise() {
        for n in [30, 120, 600] {
            let jitter = beyond(n, |rng| series(n, |_| normal(rng)));
            assert!(jitter <= 5, "jitter of {n}: {jitter} %");
            let sway = beyond(n, |rng| {
                let mut last = normal(rng);
                series(n, |_| {
                    last = 0.8 * last + normal(rng);
                    last
                })
            });
            assert!(sway <= 10, "sway of {n}: {sway} %");
            let walk = beyond(n, |rng| {
                let mut last = 0.0;
                series(n, |_| {
                    last += normal(rng);
                    last
                })
            });
            assert!(walk <= 15, "walk of {n}: {walk} %");
            let saw = beyond(n, |rng| {
                let begin = rng.random::<f64>() * 20.0;
                series(n, |at| (at + begin) % 20.0)
            });
            assert!(saw <= 5, "saw of {n}: {saw} %");
        }
    }

    #[test]
    fn a_rise_of_five_times_the_jitter_is_found() {
        for n in [30, 120, 600] {
            let found = beyond(n, |rng| series(n, |at| 5.0 * at / n as f64 + normal(rng)));
            assert!(found >= 95, "{n}: {found} %");
        }
    }

    proptest! {
        #[test]
        fn a_slope_keeps_to_the_units_of_its_axes(
            values in prop::collection::vec(-1e3..1e3f64, 8..200), by in 0.1..100.0f64, up in -1e3..1e3f64
        ) {
            let plain = series(values.len(), |at| values[at as usize]);
            let scaled: Vec<_> = plain.iter().map(|(at, value)| (at * 2.0, value * by + up)).collect();
            let (plain, scaled) = (of(&plain).unwrap().times(by / 2.0), of(&scaled).unwrap());
            let near = |a: f64, b: f64| (a - b).abs() <= 1e-6 * (1.0 + a.abs().max(b.abs()));
            prop_assert!(near(plain.value, scaled.value));
            prop_assert!(near(plain.low, scaled.low) && near(plain.high, scaled.high));
            prop_assert!(scaled.low <= scaled.value && scaled.value <= scaled.high);
        }
    }
}
