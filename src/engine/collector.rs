//! What the control thread knows of the run: everything recorded, and each threshold's state.
//!
//! Messages of workers may come in any order; the answer is the same. A threshold without a window
//! is judged over all that was recorded so far, one with a window over its last seconds, every
//! second and once more at the end; of those judgements the worst is the one that counts, so that
//! an outage of ten seconds is not forgotten by the end of the run. A judgement that ends the run
//! stays, however well the rest of it goes.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::progress::ScenarioProgress;
use super::share::ShareState;
use super::worker::{self, Ended};
use crate::metric::{
    BUILTIN, Comparison, Distribution, Edges, Filter, Interval, Judgement, Kind, Merge as _,
    Metric, Recorder, Summary, Tags, Threshold, Timeline, Total, Unit, Windows,
};
use crate::outcome::{Second, SeriesSecond};
use crate::plan::{Load, Plan, Scenario};
use crate::script::Busy;

/// The window over which progress shows a p95.
const PROGRESS_WINDOW: Duration = Duration::from_secs(10);

/// Everything recorded so far.
pub struct Collector {
    plan: Arc<Plan>,
    summary: Summary,
    /// What the control thread itself measures.
    own: Recorder,
    /// The next second to be told of.
    untold: u32,
    workers: Vec<Worker>,
    /// When the load began.
    begin: Instant,
    /// The worst judgement so far of each threshold with a window.
    worst: Vec<Option<Judgement>>,
    /// The threshold that ended the run, by index, and the judgement that did.
    aborting: Option<(usize, Judgement)>,
    /// The next second to be judged.
    next: u32,
    before: Vec<ShareState>,
    ended: Vec<Ended>,
    /// All calls by window, where something is broken during the run.
    windows: Windows,
}

/// The last that was heard of a worker.
#[derive(Default)]
struct Worker {
    shares: Vec<ShareState>,
    cpu: Duration,
    busy: Busy,
    /// The latest it was with a second.
    late: Duration,
    settled: Duration,
}

impl Collector {
    /// One that has heard nothing yet.
    pub fn new(plan: Arc<Plan>, workers: usize, begin: Instant) -> Self {
        let windows = plan.thresholds.iter().filter_map(|(threshold, _)| threshold.over);
        let longest = windows.max().unwrap_or_default().max(PROGRESS_WINDOW);
        Self {
            summary: Summary::new(longest),
            own: Recorder::new(),
            untold: 0,
            workers: (0..workers).map(|_| Worker::default()).collect(),
            begin,
            worst: vec![None; plan.thresholds.len()],
            aborting: None,
            next: 0,
            before: vec![ShareState::default(); plan.scenarios.len()],
            ended: Vec::new(),
            windows: Windows::default(),
            plan,
        }
    }

    /// From now on can be asked of phases.
    pub fn watch(&mut self, timeline: &Arc<Timeline>) {
        self.summary.watch(Arc::clone(timeline));
        self.own.watch(timeline, self.begin);
    }

    /// The phases so far; `None` in a run without.
    pub fn edges(&self) -> Option<Edges> {
        self.summary.edges()
    }

    /// All calls so far by window; empty where nothing is to be broken.
    pub fn windows(&self) -> &Windows {
        &self.windows
    }

    /// What has been heard of is all that was meant to happen before this, from the begin of the load.
    pub fn settled(&self) -> Duration {
        self.workers.iter().map(|worker| worker.settled).min().unwrap_or_default()
    }

    /// Takes in a worker's second.
    pub fn absorb(&mut self, second: worker::Second) {
        self.summary.absorb(second.at, second.interval);
        if let Some(windows) = &second.windows {
            self.windows.merge(windows);
        }
        if let Some(worker) = self.workers.get_mut(second.worker as usize) {
            worker.busy.merge(&second.busy);
            (worker.shares, worker.cpu) = (second.shares, second.cpu);
            worker.late = worker.late.max(second.late);
            worker.settled = second.settled;
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

    /// Takes in what was recorded in no worker: in `setup` and `teardown`, and of the machine.
    pub fn absorb_control(&mut self, second: u32, interval: Interval) {
        self.summary.absorb(second, interval);
    }

    /// Takes in what is a level and not a flow, as it is at the end of `second`.
    pub fn note_levels(&mut self, second: u32) {
        let Some(metric) = Metric::builtin("users.busy") else { return };
        self.own.turn_to_now();
        let plan = Arc::clone(&self.plan);
        for (at, scenario) in plan.scenarios.iter().enumerate() {
            let share = self.share(at);
            if share.begun.is_some() {
                let tags = Tags::new([("scenario", &*scenario.name)]);
                let series = self.own.series(&metric, &tags);
                self.own.set(series, share.counts.users_busy as f64);
            }
        }
        self.summary.absorb(second, self.own.take());
    }

    /// Every second before `end` that nobody was told of yet; told once each, in order.
    pub fn untold(&mut self, end: u32) -> Vec<Second> {
        let seconds = self.untold..end.max(self.untold);
        self.untold = seconds.end;
        let told = seconds.map(|second| {
            let ended = self.summary.ended_in(second).map(|(series, total)| SeriesSecond {
                metric: series.metric.name.to_string(),
                unit: series.metric.unit,
                tags: series.tags.clone(),
                total: total.clone(),
            });
            Second { second, series: ended.collect() }
        });
        told.collect()
    }

    /// Judges every threshold at the end of each second up to `second` that is not yet judged; the
    /// answer is the first one that ends the run.
    pub fn judge(&mut self, second: u32) -> Option<String> {
        let mut aborting = None;
        while self.next <= second {
            aborting = aborting.or(self.judge_second(self.next));
            self.next += 1;
        }
        aborting
    }

    fn judge_second(&mut self, second: u32) -> Option<String> {
        let elapsed = Duration::from_secs(u64::from(second) + 1);
        let plan = Arc::clone(&self.plan);
        let mut aborting = None;
        for (at, (threshold, _)) in plan.thresholds.iter().enumerate() {
            let Some(metric) = plan.metric(&threshold.metric) else { continue };
            if threshold.is_throughput(metric.kind) && !self.is_whole(threshold, second) {
                continue;
            }
            let judgement = threshold.judge(&self.summary, elapsed, second, metric.unit);
            let fatal = self.aborting.is_none() && threshold.aborts(&judgement, elapsed);
            let windowed = threshold.over.is_some_and(|over| elapsed >= over);
            if fatal {
                self.aborting = Some((at, judgement));
                aborting = Some(threshold.text.clone());
            }
            if windowed && judgement.value.is_some() {
                let worst = &mut self.worst[at];
                *worst = Some(worst.map_or(judgement, |worst| worse(threshold, worst, judgement)));
            }
        }
        aborting
    }

    /// Whether load was offered throughout the window that ends with `second`, by a scenario the
    /// threshold speaks of: how much ended in it says nothing otherwise.
    fn is_whole(&self, threshold: &Threshold, second: u32) -> bool {
        let Some(over) = threshold.over else { return true };
        let end = Duration::from_secs(u64::from(second) + 1);
        let start = end.saturating_sub(over);
        let scenarios = self.plan.scenarios.iter().enumerate();
        let mut meant = scenarios.filter(|(_, scenario)| {
            let tags = Tags::new([("scenario", &*scenario.name)]);
            let mut filters = threshold.filters.iter().filter(|filter| filter.key == "scenario");
            filters.all(|filter| filter.matches(&tags))
        });
        meant.any(|(at, scenario)| {
            let share = self.share(at);
            let Some(begun) = share.begun else { return false };
            let begun = begun.saturating_duration_since(self.begin);
            let planned = match &scenario.load {
                Load::Iterations { duration: None, .. } => Duration::MAX,
                load => begun.saturating_add(load.duration()),
            };
            let ended = share.ended.map(|ended| ended.saturating_duration_since(self.begin));
            begun <= start && end <= ended.unwrap_or(Duration::MAX).min(planned)
        })
    }

    /// The judgement of every threshold over the whole run of length `elapsed`.
    /// `length` says over what time a threshold on such a metric counts.
    pub fn judgements(
        &self,
        elapsed: Duration,
        length: impl Fn(&Threshold, Kind) -> Duration,
    ) -> Vec<Judgement> {
        let second = elapsed.as_secs() as u32;
        let judged = self.plan.thresholds.iter().enumerate().map(|(at, (threshold, _))| {
            if let Some((_, judgement)) = self.aborting.filter(|(aborting, _)| *aborting == at) {
                return judgement;
            }
            self.worst[at].unwrap_or_else(|| {
                let metric = self.plan.metric(&threshold.metric);
                let unit = metric.as_ref().map_or(Unit::Number, |metric| metric.unit);
                let elapsed = metric.map_or(elapsed, |metric| length(threshold, metric.kind));
                threshold.judge(&self.summary, elapsed, second, unit)
            })
        });
        judged.collect()
    }

    /// When the load began.
    pub fn begin(&self) -> Instant {
        self.begin
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
        sum.offered = all_over.then(|| shares.clone().filter_map(|s| s.offered).max()).flatten();
        // A worker that never came so far had stragglers to its end.
        let settled = |share: &ShareState| share.settled.or(share.ended);
        sum.settled = all_over.then(|| shares.clone().filter_map(settled).max()).flatten();
        sum.ended = all_over.then(|| shares.filter_map(|share| share.ended).max()).flatten();
        sum
    }

    /// CPU time of the busiest worker.
    pub fn busiest(&self) -> Duration {
        self.workers.iter().map(|worker| worker.cpu).max().unwrap_or_default()
    }

    /// The latest that a worker was with a second.
    pub fn pause(&self) -> Duration {
        self.workers.iter().map(|worker| worker.late).max().unwrap_or_default()
    }

    /// What the script cost each worker.
    pub fn busy(&self) -> impl Iterator<Item = &Busy> {
        self.workers.iter().map(|worker| &worker.busy)
    }

    /// Connections this machine had no socket or port for.
    pub fn exhausted(&self) -> u64 {
        self.ended.iter().map(|ended| ended.exhausted).sum()
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

    /// Iterations of a scenario that an error of the script broke.
    pub fn broken(&self, scenario: &str) -> u64 {
        match self.summary.select("script.errors", &filters(Some(scenario)), None) {
            Some(Total::Counter(sum)) => sum as u64,
            _ => 0,
        }
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
        let errors = match self.summary.select("script.errors", &recent, None) {
            Some(Total::Counter(errors)) => errors as u64,
            _ => 0,
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
            errors,
            p95,
            left,
        }
    }
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
