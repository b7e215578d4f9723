//! How much runs of one script differ by themselves: what a comparison with them has to look past.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::figures::{named, percent, time};
use super::table::table;
use super::text::Ink;
use crate::outcome::{Outcome, operations};

/// The times of an operation in each run.
type Runs = Vec<[f64; 4]>;

/// Writes, for each operation of several runs, the mean of its figures and their standard deviation
/// between the runs. Nothing for a single run, from which that is not known.
pub fn write(outcomes: &[Outcome], ink: Ink, out: &mut dyn Write) -> io::Result<()> {
    if outcomes.len() < 2 {
        return Ok(());
    }
    let mut rows: BTreeMap<(usize, String), Runs> = BTreeMap::new();
    for outcome in outcomes {
        let several = outcome.scenarios.len() > 1;
        for (at, operation) in operations::of(outcome).iter().enumerate() {
            let name = named(several, &operation.scenario, &operation.label);
            let quantile = |q| operation.times.quantile(q) as f64;
            let times = [operation.times.mean(), quantile(0.5), quantile(0.95), quantile(0.99)];
            let known = rows.keys().find(|(_, known)| *known == name).cloned();
            rows.entry(known.unwrap_or((at, name))).or_default().push(times);
        }
    }
    let rows = rows.into_iter().map(|((_, name), runs)| {
        let figures = (0..4).flat_map(|figure| {
            let (mean, spread) = spread(runs.iter().map(|times| times[figure]));
            [time(mean as u64), format!("±{}", percent(spread))]
        });
        [name].into_iter().chain(figures).collect()
    });
    let heads = ["", "mean", "", "p50", "", "p95", "", "p99", ""].map(String::from);
    table(ink, out, "between runs, ± one standard deviation", &heads, rows.collect(), 1)
}

/// The mean, and the standard deviation as a share of it.
fn spread(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let count = values.clone().count();
    let mean = values.clone().sum::<f64>() / count.max(1) as f64;
    if count < 2 || mean <= 0.0 {
        return (mean, 0.0);
    }
    let squares: f64 = values.map(|value| (value - mean).powi(2)).sum();
    (mean, (squares / (count - 1) as f64).sqrt() / mean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_is_the_standard_deviation_over_the_mean() {
        let (mean, share) = spread([8.0, 10.0, 12.0].into_iter());
        assert!((mean - 10.0).abs() < 1e-12 && (share - 0.2).abs() < 1e-12);
        assert_eq!(spread([5.0].into_iter()), (5.0, 0.0));
    }
}
