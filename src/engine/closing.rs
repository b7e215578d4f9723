//! The end of a run: what was collected becomes one [`Outcome`].

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::collector::Collector;
use super::evidence::{self, Did};
use super::own::{Usage, environment, peak_memory};
use super::validity;
use super::{failing, faults};
use crate::metric::{Judgement, Metric, SERIES_LIMIT, Tags, Threshold};
use crate::outcome::{
    End, FailureSample, FaultOutcome, Generator, Grade, LogLine, Outcome, Run, RunVerdict, SCHEMA,
    ScenarioOutcome, ScriptErrorSample, SeriesOutcome, Verdict, exit_code, operations, pace,
};
use crate::plan::Plan;
use crate::script::{Errors, Vm, World};

/// How the run ended.
pub struct Ending {
    /// Wall-clock time of the begin.
    pub started: jiff::Timestamp,
    /// From the first intended start to the end of the last iteration.
    pub elapsed: Duration,
    /// Ended early by a signal.
    pub interrupted: bool,
    /// The load had come to its end before any signal.
    pub loaded: bool,
    /// The threshold that ended it early.
    pub aborted_by: Option<String>,
    /// What of loadrun broke.
    pub broke: Option<String>,
    /// What went wrong in `teardown`.
    pub teardown: Option<String>,
    /// What the load used.
    pub load: Usage,
    /// Services that ended by themselves, and how.
    pub lost: Vec<String>,
    /// What was broken, and what that did.
    pub faults: Vec<FaultOutcome>,
    /// Share of this machine's processor time that its host withheld, where that is known.
    pub stolen: Option<f64>,
}

/// What is closed.
pub struct Close<'a> {
    /// What was asked.
    pub plan: &'a Arc<Plan>,
    /// What the Lua states shared.
    pub world: &'a World,
    /// Name the results are kept under.
    pub name: &'a str,
    /// Threads that made the load.
    pub workers: usize,
    /// What was recorded.
    pub collector: &'a Collector,
}

/// Puts every ledger's balance into metrics, so that thresholds can ask for it.
pub fn record_ledgers(world: &World, control: &Vm) {
    let mut recorder = control.recorder().borrow_mut();
    for (name, balance) in world.balances() {
        let tags = Tags::new([("ledger", name.as_str())]);
        let counts = [
            ("ledger.lost", balance.lost),
            ("ledger.late", balance.late),
            ("ledger.refused", balance.refused_but_landed),
            ("ledger.duplicated", balance.duplicated),
        ];
        for (metric, count) in counts {
            if let Some(metric) = Metric::builtin(metric) {
                let series = recorder.series(&metric, &tags);
                recorder.add(series, count as f64);
            }
        }
    }
}

/// The outcome of a run that has ended.
pub fn outcome(close: &Close<'_>, ending: Ending) -> Outcome {
    let (scenarios, series, failures) = (scenarios(close), series(close), failures(close));
    let calls = operations::among(&series, &scenarios, ending.elapsed.as_secs_f64());
    let did = Did { scenarios: &scenarios, calls: &calls, failures: &failures };
    let evidence = evidence::gather(close, &ending, &did);
    let (verdict, reasons) = validity::judge(&evidence);
    let thresholds = verdicts(close, &ending, &scenarios);
    let mut warnings = overflowed(close);
    warnings.extend(scenarios.iter().filter_map(validity::cut_off));
    if verdict != RunVerdict::TargetDown {
        warnings.extend(failing::unasked(close.plan, &thresholds, &did, &series));
    }
    let grade = Grade::of(&thresholds);
    let end = match (&ending.broke, ending.interrupted) {
        (Some(_), _) => End::Broken,
        (None, true) => End::Interrupted,
        (None, false) => End::Own,
    };
    Outcome {
        schema: SCHEMA,
        loadrun: env!("CARGO_PKG_VERSION").to_owned(),
        environment: environment(),
        plan: Plan::clone(close.plan),
        script: String::from_utf8_lossy(&close.world.source.text).into_owned(),
        verdict,
        reasons,
        warnings,
        grade,
        exit: exit_code(verdict, grade, end),
        thresholds,
        scenarios,
        series,
        failures,
        script_errors: script_errors(close),
        ledgers: close.world.balances(),
        phases: close.collector.edges().map_or_else(Vec::new, |edges| edges.list().to_vec()),
        faults: ending.faults,
        generator: Generator {
            cpu: ending.load.cpu().as_secs_f64(),
            busiest_worker: evidence.busiest_worker,
            memory: peak_memory().unwrap_or(0),
            longest_script: evidence.longest.as_secs_f64(),
        },
        log: log(close),
        run: Run {
            name: close.name.to_owned(),
            started: ending.started.to_string(),
            elapsed: ending.elapsed.as_secs_f64(),
            seed: close.world.source.seed,
            workers: close.workers,
            interrupted: ending.interrupted,
            aborted_by: ending.aborted_by,
            fingerprint: close.world.fingerprint(),
        },
    }
}

fn verdicts(close: &Close<'_>, ending: &Ending, scenarios: &[ScenarioOutcome]) -> Vec<Verdict> {
    let judged = close.collector.judgements(ending.elapsed, |threshold, kind| {
        let totals = close.collector.summary().totals();
        let own = totals.filter(|(series, _)| *series.metric.name == *threshold.metric);
        let tags = own.map(|(series, _)| &series.tags);
        let length = pace::length(threshold, kind, tags, scenarios, ending.elapsed.as_secs_f64());
        Duration::try_from_secs_f64(length).unwrap_or(ending.elapsed)
    });
    let thresholds = close.plan.thresholds.iter().zip(judged);
    let verdicts = thresholds.map(|((threshold, _), judgement)| {
        let metric = close.plan.metric(&threshold.metric);
        let shown = metric.and_then(|metric| shown(close, threshold, &metric, judgement));
        let summary = close.collector.summary();
        let in_vain = failing::in_vain(summary, threshold)
            .map(|calls| format!("all {calls} calls failed"))
            .or_else(|| faults::untold(summary, threshold, &ending.faults))
            .filter(|_| judgement.value.is_some());
        Verdict {
            threshold: threshold.text.clone(),
            shown: match (shown, &in_vain) {
                (Some(shown), Some(why)) => Some(format!("{shown}, but {why}")),
                (shown, _) => shown,
            },
            value: judgement.value,
            limit_held: judgement.limit_held && in_vain.is_none(),
            goal_held: judgement.goal_held.map(|held| held && in_vain.is_none()),
            critical: threshold.critical,
        }
    });
    verdicts.collect()
}

/// A measured value; with the limit where the script does not say it in numbers, and with where
/// the truth lies where that is not known exactly.
fn shown(
    close: &Close<'_>,
    threshold: &Threshold,
    metric: &Metric,
    judgement: Judgement,
) -> Option<String> {
    let show = |value| threshold.show(metric.kind, metric.unit, value);
    let Some(value) = judgement.value else {
        let summary = close.collector.summary();
        let short = threshold.is_growth()
            && summary.select(&threshold.metric, &threshold.filters, None).is_some();
        return short.then(|| "too few seconds to tell".to_owned());
    };
    let limit =
        threshold.needs_baseline().then(|| format!("limit {}", show(threshold.limit.value)));
    let interval = judgement.interval.map(|(low, high)| format!("{} to {}", show(low), show(high)));
    let more: Vec<_> = interval.into_iter().chain(limit).collect();
    Some(if more.is_empty() {
        show(value)
    } else {
        format!("{} ({})", show(value), more.join(", "))
    })
}

fn scenarios(close: &Close<'_>) -> Vec<ScenarioOutcome> {
    let told = close.plan.scenarios.iter().enumerate().map(|(at, scenario)| {
        let share = close.collector.share(at);
        let counts = share.counts;
        let since = |from: Option<Instant>, to: Option<Instant>| {
            let lasted = from.zip(to).map(|(from, to)| to.saturating_duration_since(from));
            lasted.unwrap_or_default().as_secs_f64()
        };
        ScenarioOutcome {
            name: scenario.name.to_string(),
            closed: scenario.closed(),
            offered: counts.offered,
            started: counts.started,
            finished: counts.finished,
            dropped: counts.dropped,
            unfinished: counts.unfinished,
            late: counts.late,
            unready: counts.unready,
            begun: since(Some(close.collector.begin()), share.begun),
            offering: since(share.begun, share.offered),
            settled: since(share.begun, share.settled),
            elapsed: since(share.begun, share.ended),
        }
    });
    told.collect()
}

fn series(close: &Close<'_>) -> Vec<SeriesOutcome> {
    let summary = close.collector.summary();
    let told = summary.totals().map(|(series, total)| SeriesOutcome {
        metric: series.metric.name.to_string(),
        kind: series.metric.kind,
        unit: series.metric.unit,
        tags: series.tags.clone(),
        total: total.clone(),
        phases: summary.phases(series),
        points: summary.points(series).to_vec(),
        slices: summary.slices(series).cloned(),
    });
    told.collect()
}

/// One example a kind of failure, counted over all workers.
fn failures(close: &Close<'_>) -> Vec<FailureSample> {
    let mut merged: Vec<FailureSample> = Vec::new();
    for sample in close.collector.ended().iter().flat_map(|ended| &ended.failures) {
        let same = |known: &&mut FailureSample| {
            (&known.scenario, &known.metric, &known.name, &known.kind)
                == (&sample.scenario, &sample.metric, &sample.name, &sample.kind)
        };
        match merged.iter_mut().find(same) {
            Some(known) => known.count += sample.count,
            None => merged.push(sample.clone()),
        }
    }
    merged.sort_by(|a, b| {
        let [a, b] = [a, b].map(|it| (&it.name, &it.metric, &it.kind, &it.scenario));
        a.cmp(&b)
    });
    merged
}

/// One traceback a distinct place, counted over all workers; the most frequent first.
fn script_errors(close: &Close<'_>) -> Vec<ScriptErrorSample> {
    let mut all = Errors::default();
    for ended in close.collector.ended() {
        all.merge(&ended.errors);
    }
    let told = all.iter().map(|(scenario, error, count)| ScriptErrorSample {
        message: error.what.clone(),
        place: error.at.clone(),
        hint: error.hint.clone(),
        traceback: error.traceback.clone(),
        scenario: scenario.to_owned(),
        count,
    });
    let mut told: Vec<_> = told.collect();
    told.sort_by_key(|error| std::cmp::Reverse(error.count));
    told
}

fn log(close: &Close<'_>) -> Vec<LogLine> {
    let (lines, beyond) = close.world.log.counts();
    let mut log: Vec<_> = lines
        .into_iter()
        .map(|(line, count)| LogLine { level: line.level.to_string(), text: line.text, count })
        .collect();
    if beyond > 0 {
        let text = format!("{beyond} more log lines were not kept");
        log.push(LogLine { level: "warn".to_owned(), text, count: 1 });
    }
    log
}

/// What has more series than are kept apart, the metrics of one sort of calls together.
fn overflowed(close: &Close<'_>) -> Vec<String> {
    let mut told: Vec<(Option<&str>, Vec<&str>)> = Vec::new();
    for metric in close.collector.summary().overflowed().keys() {
        let calls =
            metric.split('.').next().filter(|thing| ["http", "redis", "sql"].contains(thing));
        match told.iter_mut().find(|(known, _)| known.is_some() && *known == calls) {
            Some((_, metrics)) => metrics.push(metric),
            None => told.push((calls, vec![metric])),
        }
    }
    let told = told.into_iter().map(|(calls, metrics)| {
        let next = match calls {
            Some(_) => "calls need fewer different names: one for all of a sort, and tags of few values",
            None => "give it fewer values of tags",
        };
        let metrics = metrics.join(", ");
        format!(
            "more than {SERIES_LIMIT} series of {metrics}: what came later went to `{{name=other}}`; \
             {next}"
        )
    });
    told.collect()
}
