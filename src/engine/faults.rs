//! The faults of a plan, held while the load runs, and what they did to it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::proxies::Proxies;
use super::worker::Ended;
use crate::executor::Halt;
use crate::fault::{self, Mark, Record, Subject, Thing};
use crate::metric::{Merge as _, Metric, Recorder, Tags, Timeline, Windows};
use crate::outcome::{Absence, FaultOutcome};
use crate::plan::{Every, FaultDecl, Plan};
use crate::recovery::{self, Recovery, Span, Verdict};
use crate::script::{Calls, World};
use crate::service::Running;
use crate::units::show_duration;

/// What a fault that was never recovered from counts as, where thresholds ask for a time.
const NEVER: Duration = Duration::from_hours(24);

/// The windows of a run in which something is broken; `None` when nothing is.
pub fn windows(plan: &Plan, begin: Instant) -> Option<Windows> {
    let edges = plan.faults.iter().flat_map(|fault| [fault.at, fault.end()]);
    (!plan.faults.is_empty()).then(|| Windows::new(Arc::new(Timeline::new(edges)), begin))
}

/// Faults that stand, or will.
pub struct Held {
    over: watch::Sender<bool>,
    tasks: Vec<JoinHandle<Record>>,
}

/// What faults can be on.
pub struct Things<'a> {
    /// Links.
    pub proxies: &'a Proxies,
    /// Services the run has started.
    pub services: &'a [Running],
}

impl Things<'_> {
    fn find(&self, name: &str) -> Option<Subject> {
        if let Some(proxy) = self.proxies.find(name) {
            return Some(Subject::Link(proxy));
        }
        let running = self.services.iter().find(|running| running.declared().name == name)?;
        Some(Subject::Process(Box::new(running.process().clone())))
    }
}

/// Lets every fault of the plan begin and end by the clock; none outlives the load or a signal.
pub fn hold(
    plan: &Arc<Plan>,
    things: &Things<'_>,
    world: &Arc<World>,
    begin: Instant,
    halt: &watch::Sender<Halt>,
) -> Held {
    let over = watch::Sender::new(false);
    let tasks = (0..plan.faults.len()).map(|at| {
        let (plan, world) = (Arc::clone(plan), Arc::clone(world));
        let fault = &plan.faults[at];
        let thing = Thing::declared(&fault.on, &plan.services);
        let how = thing.and_then(|thing| fault::read(fault, thing).ok());
        let subject = things.find(&fault.on);
        let mut kept = world.all_kept::<Calls>().into_iter();
        let calls = kept.find(|(name, _)| *name == fault.on).map(|(_, calls)| calls);
        let (mut over, mut halt) = (over.subscribe(), halt.subscribe());
        tokio::task::spawn_local(async move {
            let fault = &plan.faults[at];
            let stop = async {
                tokio::select! {
                    _ = over.wait_for(|over| *over) => {}
                    _ = halt.wait_for(|halt| *halt != Halt::Run) => {}
                }
            };
            if let Some(calls) = calls.filter(|_| fault.kind == Calls::KIND) {
                return turned_on(fault, &calls, begin, stop).await;
            }
            // Both were checked before the run began.
            let (Some(how), Some(subject)) = (how, subject) else {
                return never(format!("nothing is called {:?}", fault.on));
            };
            let tell = |mark| {
                if let (Mark::Gone(_), Subject::Process(process)) = (mark, &subject) {
                    world.restarted(&fault.on, process.pid());
                }
            };
            fault::hold(fault, how, &subject, begin, stop, tell).await
        })
    });
    let tasks = tasks.collect();
    Held { over, tasks }
}

/// Has the script's own calls fail from when that is due until it is over, or `stop` completes.
async fn turned_on(
    fault: &FaultDecl,
    calls: &Calls,
    begin: Instant,
    stop: impl Future<Output = ()>,
) -> Record {
    let mut stop = std::pin::pin!(stop);
    let before = calls.touched();
    let mut injected = None;
    tokio::select! {
        biased;
        () = &mut stop => {}
        () = sleep_until(begin + fault.at) => {
            calls.turn(true);
            injected = Some(begin.elapsed());
            tokio::select! {
                biased;
                () = &mut stop => {}
                () = sleep_until(begin + fault.end()) => {}
            }
            calls.turn(false);
        }
    }
    let (touched, cleared) = (calls.touched().since(&before), begin.elapsed());
    Record { injected, cleared, touched, ..Record::default() }
}

fn never(why: String) -> Record {
    Record { unclean: Some(why), ..Record::default() }
}

impl Held {
    /// Ends those that still stand, and says what became of each, in the order of the plan.
    pub async fn end(self) -> Vec<Record> {
        self.over.send_replace(true);
        let mut records = Vec::new();
        for task in self.tasks {
            records.push(task.await.unwrap_or_else(|error| never(error.to_string())));
        }
        records
    }
}

/// What the faults did, from what the workers counted.
pub fn outcomes(
    plan: &Plan,
    records: &[Record],
    ended: &[Ended],
    elapsed: Duration,
) -> Vec<FaultOutcome> {
    let mut counted = ended.iter().filter_map(|ended| ended.windows.as_ref());
    let all = counted.next().cloned().map(|mut all| {
        counted.for_each(|windows| all.merge(windows));
        all
    });
    let told = plan.faults.iter().zip(records).map(|(fault, record)| {
        let span = span(plan, fault, record, elapsed);
        let recovery = all.as_ref().filter(|_| record.injected.is_some());
        let recovery = recovery.map(|all| recovery::assess(all, span));
        told(fault, record, recovery)
    });
    told.collect()
}

fn span(plan: &Plan, fault: &FaultDecl, record: &Record, elapsed: Duration) -> Span {
    // A process may be back later than it was to be.
    let late = record.cleared > fault.end() + Timeline::WIDTH / 2;
    let end = if late { record.cleared } else { fault.end().min(record.cleared) }.max(fault.at);
    let begins = || plan.faults.iter().map(|fault| fault.at);
    Span {
        begin: fault.at,
        end,
        until: begins().filter(|at| *at >= end).min().unwrap_or(elapsed).min(elapsed).max(end),
        baseline: begins().min().unwrap_or_default(),
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
        unclean: record.unclean.clone(),
        eligible: record.touched.eligible,
        touched: record.touched.connections,
        bytes: record.touched.bytes,
        effect: record.effect.clone(),
        process: record.process.map(|process| Absence {
            away: seconds(process.away),
            back: process.back.map(seconds),
            ready: process.ready.map(seconds),
        }),
        recovery,
    }
}

/// Puts what the faults did into metrics, so that thresholds can ask for it. Where nothing can be
/// said, nothing is recorded, and a threshold on it is missed.
pub fn record(faults: &[FaultOutcome], recorder: &mut Recorder) {
    for fault in faults.iter().filter(|fault| !fault.no_effect()) {
        let Some(recovery) = &fault.recovery else { continue };
        let time = match recovery.verdict {
            Verdict::NoBaseline => None,
            Verdict::Tolerated => Some(0.0),
            Verdict::NotRecovered => Some(NEVER.as_secs_f64()),
            Verdict::Recovered | Verdict::RecoveredThenRelapsed => recovery.recover,
        };
        let second = fault.cleared as u32;
        for (metric, value) in [("recovery.time", time), ("recovery.detect", recovery.detect)] {
            if let (Some(metric), Some(value)) = (Metric::builtin(metric), value) {
                let series = recorder.series(&metric, &Tags::new([("fault", &*fault.name)]));
                recorder.record(series, second, (value * 1e9) as u64);
            }
        }
    }
}
