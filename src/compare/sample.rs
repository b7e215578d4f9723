//! What a run says about one operation, cut into equal stretches of time.

use std::collections::BTreeMap;

use crate::metric::{Distribution, Merge, Point, Reading, Slices, Total};
use crate::outcome::{Outcome, ScenarioOutcome, SeriesOutcome};

/// An operation of a scenario; or all a scenario's users saw, when it has no name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The scenario that made the calls; empty for those of `setup` and `teardown`.
    pub scenario: String,
    /// The metric of the times.
    pub metric: String,
    /// The operation's name; empty for `iteration.response`.
    pub name: String,
}

/// One run's calls of one operation.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// Times of all calls.
    pub total: Distribution,
    /// Times by intended start.
    pub times: Slices,
    /// Calls that ended, by second.
    pub ended: BTreeMap<u32, f64>,
    /// Calls that failed, by second; none where nothing can fail.
    pub failed: Option<BTreeMap<u32, f64>>,
    /// Seconds the scenario took.
    pub elapsed: f64,
}

impl Sample {
    /// All calls that ended.
    pub fn calls(&self) -> f64 {
        self.ended.values().sum()
    }
}

/// Every operation of a run that another run can be compared by.
pub fn of(outcome: &Outcome) -> BTreeMap<Key, Sample> {
    let mut samples: BTreeMap<Key, Sample> = BTreeMap::new();
    for series in &outcome.series {
        let (Some(slices), Total::Trend(values)) = (&series.slices, &series.total) else {
            continue;
        };
        let key = key(series, &series.metric);
        let elapsed = outcome.scenarios.iter().find(|s| s.name == key.scenario);
        let sample = samples.entry(key).or_default();
        sample.elapsed = elapsed.map_or(outcome.run.elapsed, ScenarioOutcome::settled_after);
        sample.total.merge(values);
        sample.times.merge(slices);
        for Point { second, reading } in &series.points {
            if let Reading::Trend { ended, .. } = reading {
                *sample.ended.entry(*second).or_default() += *ended as f64;
            }
        }
    }
    add_failures(outcome, &mut samples);
    samples
}

/// `thing.failed{name=...}` beside `thing.duration{name=...}`.
fn add_failures(outcome: &Outcome, samples: &mut BTreeMap<Key, Sample>) {
    for series in &outcome.series {
        let Some(thing) = series.metric.strip_suffix(".failed") else { continue };
        let Some(sample) = samples.get_mut(&key(series, &format!("{thing}.duration"))) else {
            continue;
        };
        let failed = sample.failed.get_or_insert_default();
        for Point { second, reading } in &series.points {
            if let Reading::Rate { hits, .. } = reading {
                *failed.entry(*second).or_default() += *hits as f64;
            }
        }
    }
}

fn key(series: &SeriesOutcome, metric: &str) -> Key {
    let tag = |key| series.tags.find(key).unwrap_or_default().to_owned();
    Key { scenario: tag("scenario"), metric: metric.to_owned(), name: tag("name") }
}
