//! What the run verdict is judged by, gathered from all that was collected.

use std::time::Duration;

use super::closing::{Close, Ending};
use super::failing;
use super::validity::{Busy, Evidence, Iterations, Lag};
use crate::executor::Counts;
use crate::metric::Threshold;
use crate::outcome::operations::Operation;
use crate::outcome::{FailureSample, FaultOutcome, ScenarioOutcome};
use crate::plan::{Load, Plan, Scenario};

/// What the load did, as reports tell it.
pub struct Did<'a> {
    /// What became of each scenario.
    pub scenarios: &'a [ScenarioOutcome],
    /// Every operation, those of `setup` and `teardown` too.
    pub calls: &'a [Operation],
    /// How calls failed.
    pub failures: &'a [FailureSample],
}

impl Did<'_> {
    /// Whether this is one of the scenarios, and not `setup` or `teardown`.
    pub fn is_load(&self, scenario: &str) -> bool {
        self.scenarios.iter().any(|did| did.name == scenario)
    }
}

/// All of it.
pub fn gather(close: &Close<'_>, ending: &Ending, did: &Did<'_>) -> Evidence {
    let (collector, scenarios) = (close.collector, did.scenarios);
    let of_load = || did.calls.iter().filter(|operation| did.is_load(&operation.scenario));
    let failures = did.failures.iter().filter(|failure| did.is_load(&failure.scenario));
    let busiest = collector.busiest().as_secs_f64() / ending.elapsed.as_secs_f64().max(1e-9);
    Evidence {
        interrupted: ending.interrupted,
        loaded: ending.loaded,
        aborted_by: ending.aborted_by.clone(),
        broke: ending.broke.clone(),
        unclean: unclean(&ending.faults),
        unbroken: unbroken(&ending.faults),
        teardown: ending.teardown.clone(),
        iterations: scenarios.iter().map(|of| iterations(close, did, of)).collect(),
        unready: scenarios.iter().map(|scenario| scenario.unready).sum(),
        undone: undone(close.plan, scenarios),
        stalls: collector.busy().map(|busy| busy.stalls).sum(),
        slow: collector.busy().map(|busy| busy.slow).max().unwrap_or_default(),
        calls: of_load().map(Operation::count).sum(),
        failed: of_load().map(|operation| operation.failed).sum(),
        commonest: failing::commonest(failures),
        exhausted: collector.exhausted(),
        lags: lags(close),
        busiest_worker: busiest,
        stolen: ending.stolen.unwrap_or(0.0),
        lost: ending.lost.clone(),
        partial: partial(close),
        pause: collector.pause(),
        longest: longest(close),
        elapsed: ending.elapsed,
    }
}

fn iterations(close: &Close<'_>, all: &Did<'_>, did: &ScenarioOutcome) -> Iterations {
    let planned = close.plan.scenarios.iter().find(|planned| *planned.name == *did.name);
    Iterations {
        scenario: did.name.clone(),
        offered: did.offered,
        started: did.started,
        finished: did.finished,
        broken: close.collector.broken(&did.name),
        unfinished: did.unfinished,
        dropped: did.dropped,
        users: planned.map_or(0, Scenario::most_users),
        busy: busy(close, all, &did.name),
    }
}

/// What the users of a scenario were busy with. Where no iteration has ended, it is the calls alone
/// that tell.
fn busy(close: &Close<'_>, did: &Did<'_>, scenario: &str) -> Option<Busy> {
    let calls = || did.calls.iter().filter(|operation| operation.scenario == scenario);
    let most = calls().max_by(|a, b| a.spent().total_cmp(&b.spent()))?;
    let (made, failed) =
        calls().fold((0, 0), |(made, failed), o| (made + o.count(), failed + o.failed));
    let spent: f64 = calls().map(Operation::spent).sum();
    let iterations = close.collector.trend("iteration.duration", Some(scenario));
    let whole = iterations.map_or(0.0, |times| times.mean() * times.count() as f64);
    let whole = if whole > 0.0 { whole } else { spent };
    let share = |part: f64, of: f64| if of > 0.0 { (part / of).min(1.0) } else { 0.0 };
    Some(Busy {
        calls: share(spent, whole),
        operation: most.label.clone(),
        share: share(most.spent(), whole),
        waited: share(most.waited(), most.spent()),
        failed: share(failed as f64, made as f64),
    })
}

/// The longest go of the script in any worker.
fn longest(close: &Close<'_>) -> Duration {
    close.collector.busy().map(|busy| busy.longest).max().unwrap_or_default()
}

/// Thresholds that ask for a name some of whose samples may be in `{name=other}`.
fn partial(close: &Close<'_>) -> Vec<String> {
    let overflowed = close.collector.summary().overflowed();
    let asks = |threshold: &&Threshold| {
        let calls = threshold.metric.split('.').next().map(|thing| format!("{thing}.duration"));
        let names = [Some(threshold.metric.as_str()), calls.as_deref()];
        let kept = |key: &str| matches!(key, "scenario" | "kind" | "status");
        names.into_iter().flatten().any(|name| overflowed.contains_key(name))
            && threshold.filters.iter().any(|filter| !kept(&filter.key))
    };
    let thresholds = close.plan.thresholds.iter().map(|(threshold, _)| threshold);
    thresholds.filter(asks).map(|threshold| threshold.text.clone()).collect()
}

/// Faults that may still be there, and why.
fn unclean(faults: &[FaultOutcome]) -> Vec<String> {
    let told = faults.iter().filter_map(|fault| {
        let why = fault.unclean.as_ref()?;
        Some(format!("fault {:?} on {:?} may still be there: {why}", fault.name, fault.on))
    });
    told.collect()
}

/// Faults that could not begin, and why.
fn unbroken(faults: &[FaultOutcome]) -> Vec<String> {
    let told = faults.iter().filter_map(|fault| {
        let why = fault.failed.as_ref()?;
        Some(format!("fault {:?} on {:?} could not begin: {why}", fault.name, fault.on))
    });
    told.collect()
}

/// Scenarios with a fixed amount of work that was not all begun.
fn undone(plan: &Plan, scenarios: &[ScenarioOutcome]) -> Vec<(String, u64, u64)> {
    let pairs = plan.scenarios.iter().zip(scenarios);
    let short = pairs.filter_map(|(planned, did)| match planned.load {
        Load::Iterations { total, .. } if did.started < total => {
            Some((did.name.clone(), did.finished, total))
        }
        _ => None,
    });
    short.collect()
}

/// How late the iterations of each open scenario began.
fn lags(close: &Close<'_>) -> Vec<Lag> {
    let planned = close.plan.scenarios.iter().enumerate();
    let open = planned.filter(|(_, scenario)| !scenario.closed());
    let lags = open.filter_map(|(at, scenario)| {
        let p99 = |metric| {
            let values = close.collector.trend(metric, Some(&scenario.name))?;
            Some(Duration::from_nanos(values.quantile(0.99)))
        };
        let scenario_name = scenario.name.to_string();
        let (lag, response) = (p99("iteration.lag")?, p99("iteration.response")?);
        let Counts { late, awaited_init, .. } = close.collector.share(at).counts;
        Some(Lag { scenario: scenario_name, p99: lag, response, late, awaited_init })
    });
    lags.collect()
}
