//! How reports write figures, and the sums that several of them show.

use std::time::Duration;

use crate::ledger::Balance;
use crate::metric::{Distribution, Merge, Total};
use crate::outcome::{Outcome, ScenarioOutcome, SeriesOutcome};
use crate::units::show_duration;

/// A time of so many nanoseconds.
pub fn time(nanoseconds: u64) -> String {
    show_duration(Duration::from_nanos(nanoseconds))
}

/// A time of so many seconds.
pub fn seconds(seconds: f64) -> String {
    show_duration(Duration::try_from_secs_f64(seconds).unwrap_or_default())
}

/// The moment of a run in UTC, to the second: `2026-11-25 18:40:53`.
pub fn moment(started: &str) -> String {
    let whole = started.split('.').next().unwrap_or_default();
    whole.trim_end_matches('Z').replace('T', " ")
}

/// A share as a percentage: `0 %`, `0.13 %`, `12 %`; never `0 %` for what is not nothing.
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    match percent {
        0.0 => "0 %".to_owned(),
        p if p < 0.01 => "<0.01 %".to_owned(),
        p if p < 1.0 => format!("{p:.2} %"),
        p if p < 10.0 => format!("{p:.1} %"),
        p if p > 99.0 && p < 100.0 => format!("{p:.2} %"),
        p => format!("{p:.0} %"),
    }
}

/// A percentage of up to 5 decimals, without zeros at the end: `99.9`.
pub fn digits(percent: f64) -> String {
    format!("{percent:.5}").trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Whether there is more than one scenario, so that rows must say theirs.
pub fn several<'a>(mut scenarios: impl Iterator<Item = &'a str>) -> bool {
    let first = scenarios.next();
    scenarios.any(|scenario| Some(scenario) != first)
}

/// An operation's name, after its scenario where rows must say theirs.
pub fn named(several: bool, scenario: &str, name: &str) -> String {
    if several && !scenario.is_empty() { format!("{scenario}: {name}") } else { name.to_owned() }
}

/// How often something happened: `once`, `3 times`.
pub fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

/// How many ids of a ledger landed late, and how well that is known where it is not to the
/// millisecond.
pub fn late(balance: &Balance) -> String {
    let known = balance.resolution.map(|off| format!(", times known to {}", show_duration(off)));
    let perhaps = match balance.perhaps_late {
        0 => String::new(),
        perhaps => format!(", {perhaps} of them perhaps in time"),
    };
    format!("{}{perhaps}{}", balance.late, known.unwrap_or_default())
}

/// A check of the script, over all scenarios.
pub struct Check<'a> {
    /// Its name.
    pub name: &'a str,
    /// How often it did not hold.
    pub failed: u64,
    /// How often it was made.
    pub of: u64,
}

/// The script's own metrics.
pub fn own(outcome: &Outcome) -> impl Iterator<Item = &SeriesOutcome> {
    let own = |name: &str| outcome.plan.metrics.iter().any(|metric| &*metric.name == name);
    let several = |name: &str| outcome.series.iter().filter(|of| of.metric == name).count() > 1;
    // That a counter is there is said by its other series, if it has any.
    let idle = move |of: &SeriesOutcome| {
        of.tags.is_empty() && of.total == Total::Counter(0.0) && several(&of.metric)
    };
    outcome.series.iter().filter(move |series| own(&series.metric) && !idle(series))
}

/// Every check of the run, by name.
pub fn checks(outcome: &Outcome) -> Vec<Check<'_>> {
    let mut sums: Vec<Check> = Vec::new();
    for series in outcome.series.iter().filter(|s| s.metric == "check.failed") {
        let (Some(name), Total::Rate { hits, total }) = (series.tags.find("check"), &series.total)
        else {
            continue;
        };
        match sums.iter_mut().find(|check| check.name == name) {
            Some(sum) => (sum.failed, sum.of) = (sum.failed + hits, sum.of + total),
            None => sums.push(Check { name, failed: *hits, of: *total }),
        }
    }
    sums
}

/// All values of a trend in one scenario; empty where it has none.
pub fn trend(outcome: &Outcome, metric: &str, scenario: &ScenarioOutcome) -> Distribution {
    let mut merged = Distribution::new();
    for series in outcome.series.iter().filter(|s| s.metric == metric) {
        if let (Some(name), Total::Trend(values)) = (series.tags.find("scenario"), &series.total)
            && name == scenario.name
        {
            merged.merge(values);
        }
    }
    merged
}
