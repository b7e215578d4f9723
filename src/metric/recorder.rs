//! Where a worker's samples fall: one recorder a worker, no lock.
//!
//! A series is looked up once, when it is first needed, and is a number from then on: recording
//! is an index, a compare and a push onto what the series has received. Once a second everything
//! recorded is taken out; the series and their numbers stay.
//!
//! Scripts can invent tags without end, so a recorder keeps at most [`SERIES_LIMIT`] series of a
//! metric apart. Samples of later ones still count, in their metric's `{name=other}`, and it is told
//! which metrics have any.
//!
//! In a run in which something is to be broken, samples of each phase are kept apart too. A call
//! belongs to the phase it was meant to be made in, so whoever records says when that was
//! ([`Recorder::turn_to_call`]); in any other run that is one look at an empty option.

use std::collections::{BTreeMap, HashMap};
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::{
    Counted, Edges, Ending, Gauge, Kind, Metric, Series, Tags, Timeline, Windows,
    received::{Held, Received, Slot},
    windows::Filling,
};

/// Series of one metric that a recorder keeps apart.
pub const SERIES_LIMIT: usize = 1000;

/// A series, for the recorder that gave this out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SeriesId(u32);

/// Collects the samples of one worker.
#[derive(Debug, Default)]
pub struct Recorder {
    slots: Vec<Slot>,
    ids: HashMap<Arc<Series>, SeriesId>,
    /// How many series each metric has.
    kept: HashMap<Arc<str>, usize>,
    overflowed: Overflowed,
    /// The phase of what is recorded; `None` in a run without.
    phase: Option<u32>,
    watch: Option<Box<Watch>>,
}

/// What one recorder collected between two takes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Interval {
    /// What series received, each once a phase.
    pub series: Vec<Received>,
    /// What did not fit.
    pub overflowed: Overflowed,
}

/// Metrics of which more than [`SERIES_LIMIT`] series were asked for, and how often.
pub type Overflowed = BTreeMap<Arc<str>, u64>;

/// What a recorder knows where something is to be broken.
#[derive(Debug)]
struct Watch {
    /// When the run began.
    begin: Instant,
    /// The phases so far, and those it knows of.
    changes: watch::Receiver<Edges>,
    edges: Edges,
    windows: Filling,
}

impl Recorder {
    /// One without series.
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on keeps phases apart, and counts calls by window.
    pub fn watch(&mut self, timeline: &Timeline, begin: Instant) {
        let mut changes = timeline.changes();
        let edges = changes.borrow_and_update().clone();
        self.phase = Some(0);
        self.watch = Some(Box::new(Watch { begin, changes, edges, windows: Filling::default() }));
    }

    /// What is recorded from now on belongs to a call that was meant to be made at `made`, and has
    /// just ended.
    #[inline]
    pub fn turn_to_call(&mut self, made: Instant) {
        if let Some(watch) = &mut self.watch {
            watch.look();
            let (made, ended) = (watch.since_begin(made), watch.begin.elapsed());
            self.phase = Some(watch.edges.met(made, ended.max(made)).1);
        }
    }

    /// What is recorded from now on happened at `moment`.
    #[inline]
    pub fn turn_to(&mut self, moment: Instant) {
        if let Some(watch) = &mut self.watch {
            self.phase = Some(watch.phase(moment));
        }
    }

    /// What is recorded from now on happens now.
    #[inline]
    pub fn turn_to_now(&mut self) {
        if self.watch.is_some() {
            self.turn_to(Instant::now());
        }
    }

    /// Turns to a call like [`Recorder::turn_to_call`], and counts it where windows are kept.
    #[inline]
    pub fn call(&mut self, made: Instant, ending: Ending) -> Option<Counted> {
        let watch = self.watch.as_mut()?;
        watch.look();
        let (made, ended) = (watch.since_begin(made), watch.begin.elapsed());
        let (counted, phase) = watch.windows.add(&watch.edges, made, ended.max(made), ending);
        self.phase = Some(phase);
        Some(counted)
    }

    /// Counts a call as degraded that was counted as something else.
    pub fn degrade(&mut self, counted: Counted) {
        if let Some(watch) = &mut self.watch {
            watch.windows.degrade(counted);
        }
    }

    /// Counts arrivals for which there was no user, where windows are kept.
    pub fn drop_arrivals(&mut self, at: Instant, arrivals: u64) {
        if let Some(watch) = &mut self.watch {
            watch.look();
            let at = watch.since_begin(at);
            watch.windows.drop_arrivals(&watch.edges, at, arrivals);
        }
    }

    /// What was counted by window since the last take, where that is done.
    pub fn take_windows(&mut self) -> Option<Windows> {
        self.watch.as_mut().map(|watch| watch.windows.take())
    }

    /// The id of a series. Beyond the limit, that of `{name=other}`: of its tags only those are
    /// kept that have few values, so that what failed, and how, is told all the same.
    pub fn series(&mut self, metric: &Metric, tags: &Tags) -> SeriesId {
        let series = Series { metric: metric.clone(), tags: tags.clone() };
        if let Some(id) = self.ids.get(&series) {
            return *id;
        }
        if self.kept.get(&metric.name).is_none_or(|kept| *kept < SERIES_LIMIT) {
            *self.kept.entry(Arc::clone(&metric.name)).or_default() += 1;
            return self.intern(series);
        }
        self.overflows(metric);
        let few = ["scenario", "kind", "status"].into_iter();
        let kept = few.filter_map(|key| tags.find(key).map(|value| (key, value)));
        let tags = Tags::new(kept.chain([("name", "other")]));
        let other = Series { tags, ..series };
        self.ids.get(&other).copied().unwrap_or_else(|| self.intern(other))
    }

    /// Notes that samples of a metric are not kept apart.
    pub fn overflows(&mut self, metric: &Metric) {
        *self.overflowed.entry(Arc::clone(&metric.name)).or_default() += 1;
    }

    fn intern(&mut self, series: Series) -> SeriesId {
        let id = SeriesId(self.slots.len() as u32);
        let series = Arc::new(series);
        self.ids.insert(series.clone(), id);
        self.slots.push(Slot::new(series, self.phase));
        id
    }

    /// Adds to a counter. Adding 0 counts as a sample: it says that there was something to count.
    #[inline]
    pub fn add(&mut self, series: SeriesId, amount: f64) {
        match self.held(series) {
            Held::Counter(sum) => *sum = Some(sum.unwrap_or(0.0) + amount),
            other => other.refuse(Kind::Counter),
        }
    }

    /// Sets a gauge.
    #[inline]
    pub fn set(&mut self, series: SeriesId, value: f64) {
        match self.held(series) {
            Held::Gauge(Some(gauge)) => gauge.set(value),
            Held::Gauge(unset) => *unset = Some(Gauge::new(value)),
            other => other.refuse(Kind::Gauge),
        }
    }

    /// Counts one sample of a rate.
    #[inline]
    pub fn hit(&mut self, series: SeriesId, hit: bool) {
        match self.held(series) {
            Held::Rate { hits, total } => {
                *hits += u64::from(hit);
                *total += 1;
            }
            other => other.refuse(Kind::Rate),
        }
    }

    /// Counts many samples of a rate at once.
    pub fn hits(&mut self, series: SeriesId, more: u64, of: u64) {
        match self.held(series) {
            Held::Rate { hits, total } => (*hits, *total) = (*hits + more, *total + of),
            other => other.refuse(Kind::Rate),
        }
    }

    /// Records a trend's raw value under the second (of the run) of its intended start.
    #[inline]
    pub fn record(&mut self, series: SeriesId, second: u32, raw: u64) {
        match self.held(series) {
            Held::Trend(seconds) => seconds.push(second, raw),
            other => other.refuse(Kind::Trend),
        }
    }

    #[inline]
    fn held(&mut self, series: SeriesId) -> &mut Held {
        self.slots[series.0 as usize].held(self.phase)
    }

    /// What was recorded since the last take. Ids stay valid.
    pub fn take(&mut self) -> Interval {
        Interval {
            series: self.slots.iter_mut().flat_map(Slot::take).collect(),
            overflowed: mem::take(&mut self.overflowed),
        }
    }
}

impl Watch {
    /// Takes notice of phases that have begun.
    #[inline]
    fn look(&mut self) {
        // Where nobody notes them any more there are no new ones.
        if self.changes.has_changed().unwrap_or(false) {
            self.edges = self.changes.borrow_and_update().clone();
        }
    }

    #[inline]
    fn phase(&mut self, at: Instant) -> u32 {
        self.look();
        self.edges.phase(self.since_begin(at))
    }

    fn since_begin(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.begin)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::received::BATCH;
    use super::super::{Accumulator, Distribution, Total, Unit};
    use super::*;

    fn metric(kind: Kind) -> Metric {
        Metric::new("m", kind, Unit::Number)
    }

    fn only(recorder: &mut Recorder) -> Accumulator {
        let mut interval = recorder.take();
        assert_eq!(interval.series.len(), 1);
        interval.series.remove(0).samples
    }

    #[test]
    fn the_same_metric_and_tags_in_any_order_are_one_series() {
        let mut recorder = Recorder::new();
        let metric = metric(Kind::Rate);
        let id = recorder.series(&metric, &Tags::new([("a", "1"), ("b", "2")]));
        assert_eq!(recorder.series(&metric, &Tags::new([("b", "2"), ("a", "1")])), id);
        assert_ne!(recorder.series(&metric, &Tags::new([("a", "1")])), id);
    }

    #[test]
    fn a_take_leaves_nothing_behind_and_ids_stay_valid() {
        let mut recorder = Recorder::new();
        let id = recorder.series(&metric(Kind::Counter), &Tags::default());
        recorder.add(id, 2.0);
        assert_eq!(only(&mut recorder), Total::Counter(2.0));
        assert_eq!(recorder.take(), Interval::default());
        recorder.add(id, 3.0);
        assert_eq!(only(&mut recorder), Total::Counter(3.0));
    }

    #[test]
    fn adding_zero_is_a_sample() {
        let mut recorder = Recorder::new();
        let id = recorder.series(&metric(Kind::Counter), &Tags::default());
        recorder.add(id, 0.0);
        assert_eq!(only(&mut recorder), Total::Counter(0.0));
    }

    #[test]
    fn a_gauge_keeps_its_last_smallest_and_largest_value() {
        let mut recorder = Recorder::new();
        let id = recorder.series(&metric(Kind::Gauge), &Tags::default());
        for value in [5.0, -1.0, 3.0] {
            recorder.set(id, value);
        }
        let expected = Gauge { last: 3.0, second: 0, min: -1.0, max: 5.0 };
        assert_eq!(only(&mut recorder), Total::Gauge(expected));
    }

    #[test]
    fn a_trend_is_kept_by_second_however_its_samples_alternate() {
        let mut recorder = Recorder::new();
        let id = recorder.series(&metric(Kind::Trend), &Tags::default());
        for (second, raw) in [(7, 70), (8, 80), (7, 71), (0, 1), (8, 81), (7, 72)] {
            recorder.record(id, second, raw);
        }
        let Total::Trend(seconds) = only(&mut recorder) else { panic!("not a trend") };
        let counts: Vec<_> =
            seconds.iter().map(|(second, d)| (*second, d.count(), d.max())).collect();
        assert_eq!(counts, [(0, 1, 1), (7, 3, 72), (8, 2, 81)]);
    }

    #[test]
    fn a_series_busier_than_a_batch_loses_nothing() {
        let mut recorder = Recorder::new();
        let id = recorder.series(&metric(Kind::Trend), &Tags::default());
        let mut expected = Distribution::new();
        for n in 0..3 * BATCH as u64 + 7 {
            recorder.record(id, 4, n * n);
            expected.record(n * n);
        }
        assert_eq!(only(&mut recorder), Total::Trend(BTreeMap::from([(4, expected)])));
    }

    #[test]
    fn series_beyond_the_limit_share_one_and_are_counted() {
        let mut recorder = Recorder::new();
        let metric = metric(Kind::Counter);
        for n in 0..SERIES_LIMIT + 5 {
            let name = n.to_string();
            let id = recorder.series(&metric, &Tags::new([("name", &*name), ("scenario", "s")]));
            recorder.add(id, 1.0);
        }
        let known = recorder.series(&metric, &Tags::new([("name", "0"), ("scenario", "s")]));
        recorder.add(known, 1.0);
        let interval = recorder.take();
        assert_eq!(interval.series.len(), SERIES_LIMIT + 1);
        assert_eq!(interval.overflowed, BTreeMap::from([(Arc::from("m"), 5)]));
        let other = interval.series.last().unwrap();
        assert_eq!(other.series.to_string(), "m{name=other,scenario=s}");
        assert_eq!(other.samples, Total::Counter(5.0));
    }

    #[test]
    fn a_metric_with_series_without_end_takes_no_room_of_another() {
        let mut recorder = Recorder::new();
        for n in 0..SERIES_LIMIT + 5 {
            recorder.series(&metric(Kind::Counter), &Tags::new([("id", &*n.to_string())]));
        }
        let another = Metric { name: "another".into(), ..metric(Kind::Counter) };
        let id = recorder.series(&another, &Tags::new([("name", "pay")]));
        recorder.add(id, 1.0);
        let interval = recorder.take();
        let found = interval.series.iter().find(|series| &*series.series.metric.name == "another");
        assert_eq!(found.unwrap().series.to_string(), "another{name=pay}");
    }

    #[test]
    fn samples_of_each_phase_are_kept_apart_however_they_alternate() {
        let second = |n| Duration::from_secs(n);
        let (timeline, begin) = (Timeline::new(Duration::ZERO), Instant::now());
        let mut recorder = Recorder::new();
        let id = recorder.series(&metric(Kind::Counter), &Tags::default());
        recorder.watch(&timeline, begin);
        recorder.turn_to(begin + second(1));
        recorder.add(id, 1.0);
        timeline.begins("a", second(2));
        for (at, amount) in [(3, 10.0), (1, 2.0), (4, 20.0), (0, 4.0)] {
            recorder.turn_to(begin + second(at));
            recorder.add(id, amount);
        }
        let mut received: Vec<_> =
            recorder.take().series.into_iter().map(|r| (r.phase, r.samples)).collect();
        received.sort_by_key(|(phase, _)| *phase);
        let [baseline, fault] = [7.0, 30.0].map(Total::Counter);
        assert_eq!(received, [(Some(0), baseline), (Some(1), fault)]);
        assert_eq!(recorder.take(), Interval::default());
    }
}
