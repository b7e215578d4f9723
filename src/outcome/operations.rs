//! What is told of an outcome wherever it is told: the rows of its operations, and its response times.

use std::collections::BTreeMap;

use super::namesakes::Namesakes;
use super::{Outcome, ScenarioOutcome, SeriesOutcome};
use crate::metric::{Distribution, Merge, Total};

/// The metrics of calls' times.
pub const TIMES: [&str; 3] = ["http.duration", "redis.duration", "sql.duration"];
/// The metrics of what calls waited for a connection, apart from their times.
const WAITS: [&str; 2] = ["redis.wait", "sql.wait"];
/// Share of an operation's p95 that waiting is of no account below.
const WAITED_SHARE: f64 = 0.1;
/// Waiting that is of no account, in nanoseconds.
const WAITED_LEAST: u64 = 1_000_000;

/// One operation of one scenario: its calls, their times and how they failed.
pub struct Operation {
    /// The scenario that made the calls.
    pub scenario: String,
    /// The metric of the times, for example `http.duration`.
    pub metric: String,
    /// The operation's name.
    pub name: String,
    /// Its name as it is told, with the kind of its calls where others have the same.
    pub label: String,
    /// Times in nanoseconds, failed calls included.
    pub times: Distribution,
    /// What calls waited for a connection, in nanoseconds, of those that had to: empty where none
    /// ever has to.
    pub waits: Distribution,
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

    /// Nanoseconds that calls waited for a connection, all together.
    pub fn waited(&self) -> f64 {
        sum(&self.waits)
    }

    /// Nanoseconds that users spent on it, all together.
    pub fn spent(&self) -> f64 {
        sum(&self.times) + self.waited()
    }

    /// What a share `q` of its calls waited at most, in nanoseconds, those counted that did not have
    /// to; `None` where none ever has to.
    pub fn waited_at(&self, q: f64) -> Option<u64> {
        let (calls, waits) = (self.count() as f64, self.waits.count() as f64);
        if self.waits.is_empty() {
            return None;
        }
        let among = (q * calls - (calls - waits).max(0.0)) / waits;
        Some(if among > 0.0 { self.waits.quantile(among.min(1.0)) } else { 0 })
    }

    /// Whether its times say too little without what was waited before them.
    pub fn waited_noticeably(&self) -> bool {
        let (times, waits) = (self.times.quantile(0.95), self.waited_at(0.95).unwrap_or(0));
        waits >= WAITED_LEAST && waits as f64 >= WAITED_SHARE * times as f64
    }
}

fn sum(values: &Distribution) -> f64 {
    values.mean() * values.count() as f64
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
    among(&outcome.series, &outcome.scenarios, outcome.run.elapsed)
}

/// The same of a run of so many seconds that has no outcome yet.
pub fn among(all: &[SeriesOutcome], scenarios: &[ScenarioOutcome], elapsed: f64) -> Vec<Operation> {
    let mut rows: BTreeMap<(usize, String, String), Operation> = BTreeMap::new();
    let mut waits = Vec::new();
    for series in all {
        let (Some(name), Total::Trend(times)) = (series.tags.find("name"), &series.total) else {
            continue;
        };
        if WAITS.contains(&series.metric.as_str()) {
            waits.push((series, name, times));
        }
        if !TIMES.contains(&series.metric.as_str()) {
            continue;
        }
        let key = (position(scenarios, series), series.metric.clone(), name.to_owned());
        rows.entry(key).or_insert_with(|| empty(series, name)).times.merge(times);
    }
    for (series, name, times) in waits {
        let metric = series.metric.replace(".wait", ".duration");
        if let Some(row) = rows.get_mut(&(position(scenarios, series), metric, name.to_owned())) {
            row.waits.merge(times);
        }
    }
    count_failures(all, scenarios, &mut rows);
    for ((at, ..), row) in &mut rows {
        // A scenario that a defect of loadrun ended has no length of its own.
        let own = scenarios.get(*at).map(ScenarioOutcome::settled_after).filter(|own| *own > 0.0);
        row.per_second = row.count() as f64 / own.unwrap_or(elapsed).max(1e-9);
    }
    let namesakes = Namesakes::among(rows.keys().map(|(_, metric, name)| (&**metric, &**name)));
    for row in rows.values_mut() {
        row.label = namesakes.tell(&row.metric, &row.name);
    }
    rows.into_values().collect()
}

/// Where the series' scenario stands in the script; calls of `setup` and `teardown` come last.
fn position(scenarios: &[ScenarioOutcome], series: &SeriesOutcome) -> usize {
    let scenario = series.tags.find("scenario");
    let found = scenarios.iter().position(|s| Some(s.name.as_str()) == scenario);
    found.unwrap_or(scenarios.len())
}

fn empty(series: &SeriesOutcome, name: &str) -> Operation {
    Operation {
        scenario: series.tags.find("scenario").unwrap_or_default().to_owned(),
        metric: series.metric.clone(),
        name: name.to_owned(),
        label: String::new(),
        times: Distribution::new(),
        waits: Distribution::new(),
        per_second: 0.0,
        failed: 0,
        kinds: BTreeMap::new(),
    }
}

/// `thing.failed{kind=...}` beside `thing.duration`.
fn count_failures(
    all: &[SeriesOutcome],
    scenarios: &[ScenarioOutcome],
    rows: &mut BTreeMap<(usize, String, String), Operation>,
) {
    for series in all {
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
        let key = (position(scenarios, series), format!("{thing}.duration"), name.to_owned());
        if let Some(row) = rows.get_mut(&key) {
            row.failed += hits;
            *row.kinds.entry(kind.to_owned()).or_default() += hits;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_that_had_no_connection_to_wait_for_count_as_not_having_waited() {
        let values = |ms: &[u64]| {
            let mut values = Distribution::new();
            for ms in ms {
                values.record(ms * 1_000_000);
            }
            values
        };
        let operation = |times: &[u64], waits: &[u64]| Operation {
            scenario: String::new(),
            metric: "redis.duration".to_owned(),
            name: "GET".to_owned(),
            label: "GET".to_owned(),
            times: values(times),
            waits: values(waits),
            per_second: 1.0,
            failed: 0,
            kinds: BTreeMap::new(),
        };
        // Of a hundred calls one opened the connection that the others found.
        let kept = operation(&[1; 100], &[50]);
        assert_eq!([0.5, 0.95, 0.99].map(|q| kept.waited_at(q)), [Some(0); 3]);
        assert_eq!(kept.waited_at(1.0), Some(kept.waits.max()));
        assert!(!kept.waited_noticeably());
        let shared = operation(&[1; 4], &[0, 50, 50, 50]);
        assert_eq!([0.25, 0.5].map(|q| shared.waited_at(q)), [Some(0), Some(shared.waits.max())]);
        assert!(shared.waited_noticeably());
        assert_eq!(operation(&[1; 4], &[]).waited_at(0.95), None);
    }
}
