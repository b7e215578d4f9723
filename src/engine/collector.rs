//! What the control thread knows of the run: everything recorded, and each threshold's state.
//!
//! Messages of workers may come in any order; the answer is the same. A threshold without a window
//! is judged over all that was recorded so far, one with a window over its last seconds, every
//! second; of those judgements the worst is the one that counts, so that an outage of ten seconds
//! is not forgotten by the end of the run.

use std::sync::Arc;
use std::time::Duration;

use super::progress::ScenarioProgress;
use super::worker::{Ended, Second, ShareState};
use crate::metric::{
    BUILTIN, Comparison, Distribution, Filter, Interval, Judgement, Kind, Metric, Summary,
    Threshold, Total,
};
use crate::plan::{Load, Plan, Scenario};
use crate::script::Busy;

/// The window over which progress shows a p95.
const PROGRESS_WINDOW: Duration = Duration::from_secs(10);

/// Everything recorded so far.
pub struct Collector {
    plan: Arc<Plan>,
    summary: Summary,
    workers: Vec<Worker>,
    worst: Vec<Option<Judgement>>,
    before: Vec<ShareState>,
    ended: Vec<Ended>,
}

/// The last that was heard of a worker.
#[derive(Default)]
struct Worker {
    shares: Vec<ShareState>,
    cpu: Duration,
    busy: Busy,
}

impl Collector {
    /// One that has heard nothing yet.
    pub fn new(plan: Arc<Plan>, workers: usize) -> Self {
        let windows = plan.thresholds.iter().filter_map(|(threshold, _)| threshold.over);
        let longest = windows.max().unwrap_or_default().max(PROGRESS_WINDOW);
        Self {
            summary: Summary::new(longest),
            workers: (0..workers).map(|_| Worker::default()).collect(),
            worst: vec![None; plan.thresholds.len()],
            before: vec![ShareState::default(); plan.scenarios.len()],
            ended: Vec::new(),
            plan,
        }
    }

    /// Takes in a worker's second.
    pub fn absorb(&mut self, second: Second) {
        self.summary.absorb(second.at, second.interval);
        if let Some(worker) = self.workers.get_mut(second.worker as usize) {
            worker.busy.merge(&second.busy);
            (worker.shares, worker.cpu) = (second.shares, second.cpu);
        }
    }

    /// Takes in a worker's last words.
    pub fn close(&mut self, ended: Ended) {
        self.ended.push(ended);
    }

    /// What the workers said last.
    pub fn ended(&self) -> &[Ended] {
        &self.ended
    }

    /// Takes in what the control state recorded in `setup` or `teardown`.
    pub fn absorb_control(&mut self, second: u32, interval: Interval) {
        self.summary.absorb(second, interval);
    }

    /// Judges every threshold at the end of `second`; the answer is the first one that ends the
    /// run.
    pub fn judge(&mut self, second: u32) -> Option<String> {
        let elapsed = Duration::from_secs(u64::from(second) + 1);
        let mut aborting = None;
        for ((threshold, _), worst) in self.plan.thresholds.iter().zip(&mut self.worst) {
            let unit = definition(&self.plan, &threshold.metric).map(|metric| metric.unit);
            let Some(unit) = unit else { continue };
            let judgement = threshold.judge(&self.summary, elapsed, second, unit);
            if threshold.aborts(&judgement, elapsed) && aborting.is_none() {
                aborting = Some(threshold.text.clone());
            }
            let whole = threshold.over.is_some_and(|over| elapsed >= over);
            if whole && judgement.value.is_some() {
                *worst = Some(worst.map_or(judgement, |worst| worse(threshold, worst, judgement)));
            }
        }
        aborting
    }

    /// The judgement of every threshold over the whole run.
    pub fn judgements(&self, second: u32, elapsed: Duration) -> Vec<Judgement> {
        let thresholds = self.plan.thresholds.iter().zip(&self.worst);
        let judged = thresholds.map(|((threshold, _), worst)| {
            worst.unwrap_or_else(|| {
                let unit = definition(&self.plan, &threshold.metric).map(|metric| metric.unit);
                let unit = unit.unwrap_or(crate::metric::Unit::Number);
                threshold.judge(&self.summary, elapsed, second, unit)
            })
        });
        judged.collect()
    }

    /// Everything recorded.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// A scenario as it is now, over all workers.
    pub fn share(&self, scenario: usize) -> ShareState {
        let shares = self.workers.iter().filter_map(|worker| worker.shares.get(scenario));
        let mut sum = ShareState::default();
        for share in shares.clone() {
            sum.counts += share.counts;
            sum.begun = [sum.begun, share.begun].into_iter().flatten().min();
        }
        let over = shares.clone().filter(|share| share.ended.is_some()).count();
        let all_over = over == self.workers.len();
        sum.ended = all_over.then(|| shares.filter_map(|share| share.ended).max()).flatten();
        sum
    }

    /// CPU time of the busiest worker.
    pub fn busiest(&self) -> Duration {
        self.workers.iter().map(|worker| worker.cpu).max().unwrap_or_default()
    }

    /// What the script cost each worker.
    pub fn busy(&self) -> impl Iterator<Item = &Busy> {
        self.workers.iter().map(|worker| &worker.busy)
    }

    /// Calls made and calls failed, of one scenario or of all.
    pub fn calls(&self, scenario: Option<&str>) -> (u64, u64) {
        let filters = filters(scenario);
        let calls = BUILTIN.iter().filter(|metric| is_call(metric.name));
        calls.fold((0, 0), |(made, failed), metric| {
            match self.summary.select(metric.name, &filters, None) {
                Some(Total::Rate { hits, total }) => (made + total, failed + hits),
                _ => (made, failed),
            }
        })
    }

    /// A trend over all scenarios, or nothing when it has no sample.
    pub fn trend(&self, metric: &str, scenario: Option<&str>) -> Option<Distribution> {
        match self.summary.select(metric, &filters(scenario), None) {
            Some(Total::Trend(values)) => Some(values),
            _ => None,
        }
    }

    /// What every scenario did in the second that has just passed.
    pub fn progress(&mut self, second: u32) -> Vec<ScenarioProgress> {
        let plan = Arc::clone(&self.plan);
        let scenarios = plan.scenarios.iter().enumerate();
        let told = scenarios.map(|(at, scenario)| {
            let now = self.share(at);
            let told = self.scenario_progress(scenario, now, self.before[at], second);
            self.before[at] = now;
            told
        });
        told.collect()
    }

    fn scenario_progress(
        &self,
        scenario: &Scenario,
        now: ShareState,
        before: ShareState,
        second: u32,
    ) -> ScenarioProgress {
        let (calls, failed) = self.calls(Some(&scenario.name));
        let window = Some((PROGRESS_WINDOW, second));
        let recent = filters(Some(&scenario.name));
        let p95 = match self.summary.select("iteration.response", &recent, window) {
            Some(Total::Trend(times)) if !times.is_empty() => {
                Some(Duration::from_nanos(times.quantile(0.95)))
            }
            _ => None,
        };
        let open = matches!(scenario.load, Load::Rate { .. });
        let length = match &scenario.load {
            Load::Iterations { duration, .. } => *duration,
            load => Some(load.duration()),
        };
        let left =
            now.begun.zip(length).map(|(begun, length)| length.saturating_sub(begun.elapsed()));
        ScenarioProgress {
            name: scenario.name.to_string(),
            begun: now.begun.is_some(),
            ended: now.ended.is_some(),
            users: now.counts.users_busy,
            asked: open.then_some((now.counts.offered - before.counts.offered) as f64),
            reached: (now.counts.finished - before.counts.finished) as f64,
            failed,
            calls,
            p95,
            left,
        }
    }
}

/// The definition of a metric by name, the script's own included.
pub fn definition(plan: &Plan, name: &str) -> Option<Metric> {
    let own = plan.metrics.iter().find(|metric| &*metric.name == name);
    own.cloned().or_else(|| Metric::builtin(name))
}

/// Is this the failure share of calls to a target?
fn is_call(metric: &str) -> bool {
    metric.ends_with(".failed") && metric != "check.failed"
}

fn filters(scenario: Option<&str>) -> Vec<Filter> {
    let filter = |name: &str| Filter {
        key: "scenario".to_owned(),
        values: vec![name.to_owned()],
        wanted: true,
    };
    scenario.map(filter).into_iter().collect()
}

/// Of two judgements of a windowed threshold, the one that speaks more against the run.
fn worse(threshold: &Threshold, a: Judgement, b: Judgement) -> Judgement {
    if a.limit_held != b.limit_held {
        return if a.limit_held { b } else { a };
    }
    let b_is_worse = match threshold.limit.comparison {
        Comparison::Less | Comparison::AtMost => b.value > a.value,
        Comparison::More | Comparison::AtLeast => b.value < a.value,
        Comparison::Equal | Comparison::Unequal => false,
    };
    if b_is_worse { b } else { a }
}

/// A judged value for people.
pub fn shown(plan: &Plan, threshold: &Threshold, value: f64) -> String {
    let metric = definition(plan, &threshold.metric);
    let (kind, unit) =
        metric.map_or((Kind::Counter, crate::metric::Unit::Number), |m| (m.kind, m.unit));
    threshold.show(kind, unit, value)
}
