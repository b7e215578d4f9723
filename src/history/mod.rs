//! The key figures of every run, to see where a script's are going: `history.db` in the results
//! folder, a SQLite file that anyone can ask.
//!
//! It is a by-product: whole results are in `outcome.json`, and a run is none the worse where its
//! row cannot be written. A file that is damaged, is something else or was made by a later version
//! is told of and left as it is. Runs may end at the same time; each waits for its turn.

mod file;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::Serialize;

use crate::outcome::{Outcome, operations, pace};
use crate::plan::is_address;

use file::File;

/// What the file is called, in the results folder.
pub const FILE: &str = "history.db";

/// One run.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Entry {
    /// Name the results are kept under.
    pub script: String,
    /// Wall-clock start, RFC 3339.
    pub started: String,
    /// Seconds of load.
    pub elapsed: f64,
    /// Whether the numbers can be believed, such as `VALID`.
    pub verdict: String,
    /// How the thresholds came out together; `None` when none was asked.
    pub grade: Option<String>,
    /// The exit code of the run by itself.
    pub exit: i64,
    /// Thresholds whose limit held.
    pub held: i64,
    /// Thresholds there were.
    pub thresholds: i64,
    /// What every random choice grew from.
    pub seed: String,
    /// SHA-256 of the script and what it required.
    pub fingerprint: String,
    /// Parameters as JSON, secrets masked.
    pub parameters: String,
    /// System and processors.
    pub host: String,
    /// Version of the program.
    pub loadrun: String,
    /// Where the whole outcome was kept.
    pub place: String,
    /// Iterations that came to their end.
    pub iterations: i64,
    /// The same, a second.
    pub per_second: f64,
    /// Calls made.
    pub calls: i64,
    /// Calls that failed.
    pub failed: i64,
    /// Response times of all scenarios.
    pub response: Times,
    /// Every operation, in the script's order.
    pub operations: Vec<Operation>,
}

/// Times in nanoseconds; `None` where nothing was timed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Times {
    /// Median.
    pub p50: Option<i64>,
    /// 95th percentile.
    pub p95: Option<i64>,
    /// 99th percentile.
    pub p99: Option<i64>,
}

/// One operation of one run.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Operation {
    /// The scenario that made the calls.
    pub scenario: String,
    /// The metric of the times.
    pub metric: String,
    /// The operation's name.
    pub name: String,
    /// Calls made.
    pub calls: i64,
    /// Calls that failed.
    pub failed: i64,
    /// Calls a second.
    pub per_second: f64,
    /// Their times.
    pub times: Times,
}

/// Why a history cannot be written or read.
#[derive(Debug)]
pub struct HistoryError {
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub hint: String,
}

impl fmt::Display for HistoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.what, self.hint)
    }
}

impl std::error::Error for HistoryError {}

/// Adds a run to the history of a results folder; its outcome lies at `place`.
pub fn add(results: &Path, outcome: &Outcome, place: &str) -> Result<(), HistoryError> {
    let entry = Entry::of(outcome, place);
    File::at(results).add(&entry)
}

/// The last runs of each script, the oldest first; of one script only where `script` names it.
pub fn read(
    results: &Path,
    script: Option<&str>,
    last: u32,
) -> Result<BTreeMap<String, Vec<Entry>>, HistoryError> {
    let mut scripts: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
    for entry in File::at(results).read(script, last)? {
        scripts.entry(entry.script.clone()).or_default().push(entry);
    }
    Ok(scripts)
}

/// The scripts there are runs of.
pub fn scripts(results: &Path) -> Result<Vec<String>, HistoryError> {
    File::at(results).scripts()
}

impl Entry {
    /// The key figures of a run.
    fn of(outcome: &Outcome, place: &str) -> Self {
        let (run, host) = (&outcome.run, &outcome.environment);
        let operations: Vec<_> = operations::of(outcome).iter().map(Operation::of).collect();
        let responses = operations::responses(outcome);
        let iterations = outcome.scenarios.iter().map(|s| s.finished).sum::<u64>();
        let shown = outcome.plan.parameters.iter().map(crate::plan::Parameter::shown);
        let parameters: BTreeMap<_, _> =
            shown.map(|parameter| (parameter.name, parameter.value.to_string())).collect();
        let held = outcome.thresholds.iter().filter(|verdict| verdict.limit_held);
        let cpu = host.cpu.as_deref().unwrap_or("unknown processor");
        Self {
            script: run.name.clone(),
            started: run.started.clone(),
            elapsed: run.elapsed,
            verdict: outcome.verdict.to_string(),
            grade: outcome.grade.map(|grade| grade.to_string()),
            exit: outcome.exit.into(),
            held: counted(held.count() as u64),
            thresholds: counted(outcome.thresholds.len() as u64),
            seed: run.seed.to_string(),
            fingerprint: run.fingerprint.clone(),
            parameters: serde_json::to_string(&parameters).unwrap_or_default(),
            host: format!("{} {}, {} x {cpu}", host.os, host.arch, host.cpus),
            loadrun: outcome.loadrun.clone(),
            place: place.to_owned(),
            iterations: counted(iterations),
            per_second: pace::finished_per_second(&outcome.scenarios, run.elapsed),
            calls: operations.iter().map(|operation| operation.calls).sum(),
            failed: operations.iter().map(|operation| operation.failed).sum(),
            response: Times::of(&responses),
            operations,
        }
    }

    /// Share of calls that failed; `None` when none was made.
    pub fn failed_share(&self) -> Option<f64> {
        (self.calls > 0).then(|| self.failed as f64 / self.calls as f64)
    }

    /// Whether its numbers can be believed.
    pub fn is_valid(&self) -> bool {
        self.verdict == "VALID"
    }

    /// What was changed since another run of the script, besides the target.
    pub fn changes(&self, before: &Self) -> Vec<&'static str> {
        let parts = [
            ("script", self.fingerprint != before.fingerprint),
            ("parameters", self.settings() != before.settings()),
            ("host", self.host != before.host),
            ("loadrun", self.loadrun != before.loadrun),
        ];
        parts.into_iter().filter(|(_, changed)| *changed).map(|(part, _)| part).collect()
    }

    /// Its parameters; of one that is an address only that it is, for it says where the target is.
    fn settings(&self) -> BTreeMap<String, Option<String>> {
        let read = serde_json::from_str::<BTreeMap<String, String>>(&self.parameters);
        let kept = |value: String| (!is_address(&value)).then_some(value);
        read.unwrap_or_default().into_iter().map(|(name, value)| (name, kept(value))).collect()
    }
}

impl Operation {
    fn of(operation: &operations::Operation) -> Self {
        Self {
            scenario: operation.scenario.clone(),
            metric: operation.metric.clone(),
            name: operation.name.clone(),
            calls: counted(operation.count()),
            failed: counted(operation.failed),
            per_second: operation.per_second,
            times: Times::of(&operation.times),
        }
    }
}

impl Times {
    fn of(times: &crate::metric::Distribution) -> Self {
        let quantile = |q| (!times.is_empty()).then(|| counted(times.quantile(q)));
        Self { p50: quantile(0.5), p95: quantile(0.95), p99: quantile(0.99) }
    }
}

/// A count as SQLite has it.
fn counted(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
