//! What the faults of a run did to its calls.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::collector::Collector;
use crate::fault::Record;
use crate::metric::{BUILTIN, Edges, Metric, Recorder, Summary, Tags, Threshold, Timeline, Total};
use crate::outcome::{Absence, FaultOutcome};
use crate::plan::{Every, FaultDecl, Plan, RecoveryDecl, Scenario};
use crate::recovery::{self, Facts, Load, Recovery, Span, Terms, Verdict};
use crate::script::{Calls, World};
use crate::units::show_duration;
use crate::wire::toxic::Touched;

/// What a fault that was never recovered from counts as, where thresholds ask for a time.
const NEVER: Duration = Duration::from_hours(24);

/// The phases of a run in which something is broken, or may be; `None` when nothing is.
pub fn timeline(plan: &Plan, world: &World) -> Option<Arc<Timeline>> {
    let breaks = !plan.faults.is_empty() || world.breaks.load(Ordering::Relaxed);
    breaks.then(|| Arc::new(Timeline::new(plan.recovery.warm_up)))
}

/// What the faults did, from what the workers counted.
pub fn outcomes(
    plan: &Plan,
    records: &[(FaultDecl, Record)],
    collector: &Collector,
    elapsed: Duration,
) -> Vec<FaultOutcome> {
    let edges = collector.edges();
    let told = records.iter().map(|(fault, record)| {
        let stood = record.failed.is_none() && record.injected.is_some_and(|at| at < elapsed);
        let recovery = edges.as_ref().filter(|_| stood).and_then(|edges| {
            let span = Span::of(&fault.name, edges, elapsed)?;
            let calls = recovery::Calls { windows: collector.windows(), edges };
            let facts = facts(record, span, plan, collector, edges);
            Some(recovery::assess(&calls, span, &terms(plan), &facts))
        });
        told(fault, record, recovery)
    });
    told.collect()
}

/// What the script asks of calls.
fn terms(plan: &Plan) -> Terms {
    let RecoveryDecl { success, p99, promise, period, .. } = plan.recovery;
    Terms { success, p99, promise, period }
}

fn facts(record: &Record, span: Span, plan: &Plan, collector: &Collector, edges: &Edges) -> Facts {
    let injecting = record.process.map_or(Duration::ZERO, |absence| {
        absence.away.saturating_sub(record.injected.unwrap_or_default())
    });
    let parts = [(span.warm, span.baseline), (span.begin, span.end), (span.end, span.until)];
    Facts {
        touched: record.touched.connections > 0 || record.effect.is_some(),
        unclean: record.unclean.is_some(),
        closed: plan.scenarios.iter().all(Scenario::closed),
        width: injecting,
        load: parts.map(|(from, to)| load(collector, edges, from, to)),
    }
}

/// The load of a part of the run, which begins and ends with a phase.
fn load(collector: &Collector, edges: &Edges, from: Duration, to: Duration) -> Load {
    let within = edges.list().iter().enumerate().filter(|(_, e)| (from..to).contains(&e.at));
    let phases: Vec<u32> = within.map(|(number, _)| number as u32).collect();
    let count = |metric: &str| match collector.summary().of_phases(metric, &phases) {
        Some(Total::Counter(sum)) => sum as u64,
        _ => 0,
    };
    let connects = BUILTIN.iter().filter(|metric| metric.name.ends_with(".connects"));
    let seconds = from.as_secs() as u32..to.as_secs_f64().ceil() as u32;
    let connected = connects.clone().map(|metric| count(metric.name)).sum();
    let most = connects
        .map(|metric| collector.summary().most_in_a_second(metric.name, seconds.clone()))
        .max()
        .unwrap_or_default();
    Load {
        offered: count("iteration.offered"),
        started: count("iteration.started"),
        lag: match collector.summary().of_phases("iteration.lag", &phases) {
            Some(Total::Trend(lag)) => Duration::from_nanos(lag.quantile(0.99)),
            _ => Duration::ZERO,
        },
        connects: connected,
        // Its first and its last second are partly another part's.
        connects_peak: most.min(connected),
    }
}

fn told(fault: &FaultDecl, record: &Record, recovery: Option<Recovery>) -> FaultOutcome {
    let amounts = fault.amounts.iter().map(|(name, amount)| format!(" {name} {amount}"));
    let every = fault
        .every
        .map(|Every { on, off }| format!(", {} on, {} off", show_duration(on), show_duration(off)));
    let what = fault.kind.clone() + &amounts.collect::<String>() + &every.unwrap_or_default();
    let seconds = |time: Duration| time.as_secs_f64();
    FaultOutcome {
        name: fault.name.clone(),
        on: fault.on.clone(),
        what,
        at: fault.at.as_secs_f64(),
        lasts: fault.lasts.as_secs_f64(),
        injected: record.injected.map(|at| at.as_secs_f64()),
        cleared: record.cleared.as_secs_f64(),
        failed: record.failed.clone(),
        unclean: record.unclean.clone(),
        eligible: record.touched.eligible,
        touched: record.touched.connections,
        bytes: record.touched.bytes,
        effect: record.effect.clone().or_else(|| struck(fault, record)),
        process: record.process.map(|process| Absence {
            away: seconds(process.away),
            back: process.back.map(seconds),
            ready: process.ready.map(seconds),
        }),
        recovery,
    }
}

/// What was disturbed, where that is no connection.
fn struck(fault: &FaultDecl, record: &Record) -> Option<String> {
    let Touched { connections: touched, eligible, .. } = record.touched;
    let single = fault.amounts.iter().any(|(name, how)| name == "per" && how == "request");
    let things = match fault.kind.as_str() {
        Calls::KIND => "calls",
        _ if single => "requests",
        _ => return None,
    };
    Some(format!("touched {touched} of {eligible} {things}"))
}

/// Puts what the faults did into metrics, so that thresholds can ask for it. Where nothing can be
/// said, nothing is recorded, and a threshold on it is missed.
pub fn record(faults: &[FaultOutcome], recorder: &mut Recorder) {
    for fault in faults {
        let Some(recovery) = &fault.recovery else { continue };
        let tags = Tags::new([("fault", &*fault.name)]);
        let second = fault.cleared as u32;
        for (metric, value) in times(recovery) {
            if let (Some(metric), Some(value)) = (Metric::builtin(metric), value) {
                let series = recorder.series(&metric, &tags);
                recorder.record(series, second, metric.unit.raw(value));
            }
        }
        for (metric, value) in counts(recovery) {
            if let (Some(metric), Some(value)) = (Metric::builtin(metric), value) {
                let series = recorder.series(&metric, &tags);
                recorder.add(series, value);
            }
        }
    }
}

/// Faults that a threshold speaks of and of which its metric knows nothing, where it knows of others:
/// what is said of those holds for all only where all are known.
pub fn untold(summary: &Summary, threshold: &Threshold, faults: &[FaultOutcome]) -> Option<String> {
    let metric = threshold.metric.as_str();
    if !metric.starts_with("recovery.") && metric != "budget.burn" {
        return None;
    }
    let told = faults.iter().filter_map(|fault| {
        let tags = Tags::new([("fault", &*fault.name)]);
        let meant = threshold.filters.iter().all(|filter| filter.matches(&tags));
        let verdict = fault.recovery.as_ref().map(|recovery| recovery.verdict)?;
        let is_known = summary.totals().any(|(series, _)| {
            *series.metric.name == *metric && series.tags.find("fault") == Some(&fault.name)
        });
        (meant && !verdict.is_known() && !is_known).then(|| format!("{} ({verdict})", fault.name))
    });
    let told: Vec<_> = told.collect();
    (!told.is_empty()).then(|| format!("nothing is known of {}", told.join(", ")))
}

/// What thresholds ask for the largest of, in nanoseconds or as a number.
fn times(recovery: &Recovery) -> [(&'static str, Option<f64>); 6] {
    let never = NEVER.as_secs_f64();
    let late = |seconds: Option<f64>| match recovery.verdict {
        Verdict::Tolerated => Some(0.0),
        Verdict::NotRecovered | Verdict::Metastable => Some(never),
        Verdict::Recovered | Verdict::RecoveredThenRelapsed => seconds,
        Verdict::NoEffect | Verdict::Unclean | Verdict::NoBaseline | Verdict::GeneratorLimited => {
            None
        }
    };
    let known = recovery.verdict.is_known();
    let seen = |seconds: Option<f64>| seconds.filter(|_| known);
    let in_nanoseconds = |seconds: Option<f64>| seconds.map(|seconds| seconds * 1e9);
    let burn = recovery.cost.filter(|_| known).map(|cost| cost.burn[0]);
    [
        ("recovery.time", in_nanoseconds(late(recovery.recover))),
        ("recovery.settle", in_nanoseconds(late(recovery.settle))),
        ("recovery.detect", in_nanoseconds(seen(recovery.detect))),
        ("recovery.outage", in_nanoseconds(late(recovery.outage))),
        ("recovery.retries", seen(amplification(recovery))),
        ("budget.burn", burn),
    ]
}

/// How many more calls an iteration took while the fault stood or after it than before.
fn amplification(recovery: &Recovery) -> Option<f64> {
    let most = [recovery.fault.attempts, recovery.after.attempts].into_iter().flatten();
    most.reduce(f64::max).zip(recovery.baseline.attempts).map(|(most, usual)| most / usual)
}

/// What adds up over faults.
fn counts(recovery: &Recovery) -> [(&'static str, Option<f64>); 3] {
    let known = recovery.cost.filter(|_| recovery.verdict != Verdict::GeneratorLimited);
    [
        ("recovery.lost", known.map(|cost| cost.lost)),
        ("recovery.debt", known.map(|cost| cost.debt * 1e9)),
        ("recovery.relapses", known.map(|_| f64::from(recovery.relapses))),
    ]
}

/// Puts into a metric what of the error budget the whole run used up, where something was broken
/// or a threshold asks for it. Calls that were never made are not in it: they are known only where
/// something was broken, and the share is to mean the same in every run.
pub fn record_budget(
    plan: &Plan,
    collector: &Collector,
    elapsed: Duration,
    recorder: &mut Recorder,
) {
    const BURNT: &str = "budget.burnt";
    let asked = plan.thresholds.iter().any(|(threshold, _)| threshold.metric == BURNT);
    let (calls, failed) = collector.calls(None);
    if calls == 0 || (!asked && plan.faults.is_empty()) {
        return;
    }
    let dropped = match collector.summary().select("iteration.dropped", &[], None) {
        Some(Total::Counter(dropped)) => dropped as u64,
        _ => 0,
    };
    let rate = calls as f64 / elapsed.as_secs_f64().max(1e-9);
    let budget = recovery::budget(&terms(plan), rate, failed + dropped);
    if let Some(metric) = Metric::builtin(BURNT) {
        let series = recorder.series(&metric, &Tags::default());
        recorder.hits(series, budget.lost, (budget.allowed.round() as u64).max(1));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tokio::time::Instant;

    use super::*;
    use crate::engine::worker;
    use crate::metric::{Ending, Windows};
    use crate::plan::Place;
    use crate::script::Busy;

    /// What of the budget a run used up of whose calls one failed, one did well, and a third was
    /// never made.
    fn burnt(broken: bool) -> Option<Total> {
        let threshold = Threshold::parse("budget.burnt < 1%").unwrap();
        let place = Place { file: "x.lua".to_owned(), line: 1 };
        let plan = Plan { thresholds: vec![(threshold, place)], ..Plan::default() };
        let begin = Instant::now();
        let mut collector = Collector::new(Arc::new(plan.clone()), 1, begin);
        let mut recorder = Recorder::new();
        if broken {
            let timeline = Arc::new(Timeline::new(Duration::ZERO));
            collector.watch(&timeline);
            recorder.watch(&timeline, begin);
        }
        let failed = Metric::builtin("http.failed").unwrap();
        let series = recorder.series(&failed, &Tags::default());
        recorder.hits(series, 1, 2);
        for ending in [Ending::Good, Ending::Failed, Ending::Unmade] {
            assert_eq!(recorder.call(begin, ending).is_some(), broken);
        }
        collector.absorb(worker::Second {
            worker: 0,
            at: 0,
            interval: recorder.take(),
            shares: Vec::new(),
            cpu: Duration::ZERO,
            busy: Busy::default(),
            windows: recorder.take_windows(),
            late: Duration::ZERO,
            settled: Duration::ZERO,
        });
        record_budget(&plan, &collector, Duration::from_secs(1), &mut recorder);
        collector.absorb_control(0, recorder.take());
        collector.summary().select("budget.burnt", &[], None)
    }

    #[test]
    fn what_is_asked_of_all_faults_is_not_answered_by_those_that_are_known() {
        let fault = |name: &str, verdict| {
            let declared = FaultDecl {
                name: name.to_owned(),
                on: "link".to_owned(),
                kind: "down".to_owned(),
                at: Duration::ZERO,
                lasts: Duration::ZERO,
                every: None,
                stream: "both".to_owned(),
                toxicity: 1.0,
                amounts: BTreeMap::new(),
                place: Place { file: "x.lua".to_owned(), line: 1 },
            };
            let mut made = told(&declared, &Record::default(), None);
            let windows = Windows::default();
            let edges = Timeline::new(Duration::ZERO).edges();
            let calls = recovery::Calls { windows: &windows, edges: &edges };
            let span = Span {
                warm: Duration::ZERO,
                baseline: Duration::ZERO,
                begin: Duration::ZERO,
                end: Duration::ZERO,
                until: Duration::ZERO,
            };
            let nothing = recovery::assess(&calls, span, &Terms::default(), &Facts::default());
            made.recovery = Some(Recovery { verdict, recover: Some(1.0), ..nothing });
            made
        };
        let faults = [fault("known", Verdict::Recovered), fault("stray", Verdict::NoEffect)];
        let mut recorder = Recorder::new();
        record(&faults, &mut recorder);
        let mut summary = Summary::new(Duration::ZERO);
        summary.absorb(0, recorder.take());
        let of = |text: &str| untold(&summary, &Threshold::parse(text).unwrap(), &faults);
        let stray = "nothing is known of stray (no_effect)";
        assert_eq!(of("recovery.time max < 3s").as_deref(), Some(stray));
        assert_eq!(of("recovery.time{fault!=known} max < 3s").as_deref(), Some(stray));
        for text in
            ["recovery.time{fault=known} max < 3s", "http.failed rate < 1%", "budget.burnt < 1%"]
        {
            assert_eq!(of(text), None, "{text}");
        }
    }

    #[test]
    fn the_budget_a_run_used_up_is_the_same_whether_anything_is_to_be_broken_or_not() {
        let Some(Total::Rate { hits: 1, total }) = burnt(false) else { panic!("not recorded") };
        assert!(matches!(burnt(true), Some(Total::Rate { hits: 1, total: same }) if same == total));
    }
}
