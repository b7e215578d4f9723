//! What is told of an outcome wherever it is told: the rows of its operations, and its response times.

use std::collections::BTreeMap;

use super::{Outcome, SeriesOutcome};
use crate::metric::{Distribution, Merge, Total};

/// The metrics of calls' times.
const TIMES: [&str; 3] = ["http.duration", "redis.duration", "sql.duration"];

/// One operation of one scenario: its calls, their times and how they failed.
pub struct Operation {
    /// The scenario that made the calls.
    pub scenario: String,
    /// The metric of the times, for example `http.duration`.
    pub metric: String,
    /// The operation's name.
    pub name: String,
    /// Times in nanoseconds, failed calls included.
    pub times: Distribution,
    /// Calls a second, over the scenario's own length.
    pub per_second: f64,
    /// Calls that failed.
    pub failed: u64,
    /// Failed calls by kind.
    pub kinds: BTreeMap<String, u64>,
}

impl Operation {
    /// Calls made.
    pub fn count(&self) -> u64 {
        self.times.count()
    }

    /// Failed calls as a share of all.
    pub fn failed_share(&self) -> f64 {
        self.failed as f64 / self.count().max(1) as f64
    }
}

/// The response times of all scenarios.
pub fn responses(outcome: &Outcome) -> Distribution {
    let mut merged = Distribution::new();
    for series in outcome.series.iter().filter(|series| series.metric == "iteration.response") {
        if let Total::Trend(times) = &series.total {
            merged.merge(times);
        }
    }
    merged
}

/// Every operation of the run: scenarios in the script's order, names sorted.
pub fn of(outcome: &Outcome) -> Vec<Operation> {
    let mut rows: BTreeMap<(usize, String, String), Operation> = BTreeMap::new();
    for series in &outcome.series {
        let (Some(name), Total::Trend(times)) = (series.tags.find("name"), &series.total) else {
            continue;
        };
        if !TIMES.contains(&series.metric.as_str()) {
            continue;
        }
        let at = position(outcome, series);
        let key = (at, series.metric.clone(), name.to_owned());
        rows.entry(key).or_insert_with(|| empty(series, name)).times.merge(times);
    }
    count_failures(outcome, &mut rows);
    for ((at, ..), row) in &mut rows {
        // A scenario that a defect of loadrun ended has no length of its own.
        let own = outcome.scenarios.get(*at).map(|s| s.elapsed).filter(|own| *own > 0.0);
        let elapsed = own.unwrap_or(outcome.run.elapsed);
        row.per_second = row.count() as f64 / elapsed.max(1e-9);
    }
    rows.into_values().collect()
}

/// Where the series' scenario stands in the script; calls of `setup` and `teardown` come last.
fn position(outcome: &Outcome, series: &SeriesOutcome) -> usize {
    let scenario = series.tags.find("scenario");
    let found = outcome.scenarios.iter().position(|s| Some(s.name.as_str()) == scenario);
    found.unwrap_or(outcome.scenarios.len())
}

fn empty(series: &SeriesOutcome, name: &str) -> Operation {
    Operation {
        scenario: series.tags.find("scenario").unwrap_or_default().to_owned(),
        metric: series.metric.clone(),
        name: name.to_owned(),
        times: Distribution::new(),
        per_second: 0.0,
        failed: 0,
        kinds: BTreeMap::new(),
    }
}

/// `thing.failed{kind=...}` beside `thing.duration`.
fn count_failures(outcome: &Outcome, rows: &mut BTreeMap<(usize, String, String), Operation>) {
    for series in &outcome.series {
        let Some(thing) = series.metric.strip_suffix(".failed") else {
            continue;
        };
        let (Some(name), Total::Rate { hits, .. }) = (series.tags.find("name"), &series.total)
        else {
            continue;
        };
        if *hits == 0 {
            continue;
        }
        // Beyond the limit of series the kind is not kept.
        let kind = series.tags.find("kind").unwrap_or("other");
        let key = (position(outcome, series), format!("{thing}.duration"), name.to_owned());
        if let Some(row) = rows.get_mut(&key) {
            row.failed += hits;
            *row.kinds.entry(kind.to_owned()).or_default() += hits;
        }
    }
}
