//! Where a worker's samples fall: one recorder a worker, no lock.
//!
//! A series is looked up once, when it is first needed, and is a number from then on: recording
//! is an index, a compare and a push. Values wait in a batch of bounded size and are sorted into
//! their distribution together, which costs about 30 ns a value where one by one costs up to 90.
//! Once a second everything recorded is taken out; the series and their numbers stay.
//!
//! Scripts can invent tags without end, so a recorder keeps at most [`SERIES_LIMIT`] series
//! apart. Samples of later ones still count, in their metric's `{name=other}`.

use std::collections::{BTreeMap, HashMap};
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use super::{Accumulator, Distribution, Gauge, Kind, Metric, Series, Tags, Total, Windows};

/// Series a recorder keeps apart.
pub const SERIES_LIMIT: usize = 1000;

/// Values of a trend that wait to be sorted in together; at most 16 KB a series.
const BATCH: usize = 2048;

/// A series, for the recorder that gave this out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SeriesId(u32);

/// Collects the samples of one worker.
#[derive(Debug, Default)]
pub struct Recorder {
    slots: Vec<Slot>,
    ids: HashMap<Arc<Series>, SeriesId>,
    overflowed: u64,
    windows: Option<Box<Windows>>,
}

/// What one recorder collected between two takes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Interval {
    /// Every series that received a sample, and what it received.
    pub series: Vec<(Arc<Series>, Accumulator)>,
    /// How often a series beyond [`SERIES_LIMIT`] was asked for.
    pub overflowed: u64,
}

/// A series and what it received since the last take.
#[derive(Debug)]
struct Slot {
    series: Arc<Series>,
    held: Held,
}

#[derive(Debug)]
enum Held {
    Counter(Option<f64>),
    Gauge(Option<Gauge>),
    Rate { hits: u64, total: u64 },
    Trend(Seconds),
}

/// A trend by second of intended start. Samples of one second mostly come in a row.
#[derive(Debug, Default)]
struct Seconds {
    /// The second of the values in `batch`.
    second: u32,
    /// Values not sorted in yet, at most [`BATCH`].
    batch: Vec<u64>,
    sorted: BTreeMap<u32, Distribution>,
}

impl Recorder {
    /// One without series.
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on also counts calls by window.
    pub fn watch(&mut self, windows: Windows) {
        self.windows = Some(Box::new(windows));
    }

    /// Counts a call that has just ended, where windows are kept.
    #[inline]
    pub fn call(&mut self, took: Duration, failed: bool) {
        if let Some(windows) = &mut self.windows {
            windows.count(took, failed);
        }
    }

    /// The windows with all that was counted, where they are kept; no more is.
    pub fn take_windows(&mut self) -> Option<Windows> {
        self.windows.take().map(|windows| *windows)
    }

    /// The id of a series. Beyond the limit, that of `{name=other}`: of its tags only those are
    /// kept that have few values, so that what failed, and how, is told all the same.
    pub fn series(&mut self, metric: &Metric, tags: &Tags) -> SeriesId {
        let series = Series { metric: metric.clone(), tags: tags.clone() };
        if let Some(id) = self.ids.get(&series) {
            return *id;
        }
        if self.slots.len() < SERIES_LIMIT {
            return self.intern(series);
        }
        self.overflowed += 1;
        let few = ["scenario", "kind", "status"].into_iter();
        let kept = few.filter_map(|key| tags.find(key).map(|value| (key, value)));
        let tags = Tags::new(kept.chain([("name", "other")]));
        let other = Series { tags, ..series };
        self.ids.get(&other).copied().unwrap_or_else(|| self.intern(other))
    }

    fn intern(&mut self, series: Series) -> SeriesId {
        let held = match series.metric.kind {
            Kind::Counter => Held::Counter(None),
            Kind::Gauge => Held::Gauge(None),
            Kind::Rate => Held::Rate { hits: 0, total: 0 },
            Kind::Trend => Held::Trend(Seconds::default()),
        };
        let id = SeriesId(self.slots.len() as u32);
        let series = Arc::new(series);
        self.ids.insert(series.clone(), id);
        self.slots.push(Slot { series, held });
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

    /// Records a trend's raw value under the second (of the run) of its intended start.
    #[inline]
    pub fn record(&mut self, series: SeriesId, second: u32, raw: u64) {
        match self.held(series) {
            Held::Trend(seconds) => {
                if seconds.second != second || seconds.batch.len() == BATCH {
                    seconds.sort_in();
                    seconds.second = second;
                }
                seconds.batch.push(raw);
            }
            other => other.refuse(Kind::Trend),
        }
    }

    fn held(&mut self, series: SeriesId) -> &mut Held {
        &mut self.slots[series.0 as usize].held
    }

    /// What was recorded since the last take. Ids stay valid.
    pub fn take(&mut self) -> Interval {
        let taken = |slot: &mut Slot| Some((slot.series.clone(), slot.held.take()?));
        Interval {
            series: self.slots.iter_mut().filter_map(taken).collect(),
            overflowed: mem::take(&mut self.overflowed),
        }
    }
}

impl Held {
    fn take(&mut self) -> Option<Accumulator> {
        match self {
            Self::Counter(sum) => sum.take().map(Total::Counter),
            Self::Gauge(gauge) => gauge.take().map(Total::Gauge),
            Self::Rate { total: 0, .. } => None,
            Self::Rate { hits, total } => {
                Some(Total::Rate { hits: mem::take(hits), total: mem::take(total) })
            }
            Self::Trend(seconds) => {
                seconds.sort_in();
                let sorted = mem::take(&mut seconds.sorted);
                (!sorted.is_empty()).then_some(Total::Trend(sorted))
            }
        }
    }

    /// A sample of the wrong kind is a mistake of the caller; it is not worth a user's run.
    #[cold]
    fn refuse(&self, kind: Kind) {
        debug_assert!(false, "a sample for a {kind:?} came to {self:?}");
    }
}

impl Seconds {
    fn sort_in(&mut self) {
        if !self.batch.is_empty() {
            self.sorted.entry(self.second).or_default().record_all(&mut self.batch);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Unit;
    use super::*;

    fn metric(kind: Kind) -> Metric {
        Metric::new("m", kind, Unit::Number)
    }

    fn only(recorder: &mut Recorder) -> Accumulator {
        let mut interval = recorder.take();
        assert_eq!(interval.series.len(), 1);
        interval.series.remove(0).1
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
        assert_eq!((interval.series.len(), interval.overflowed), (SERIES_LIMIT + 1, 5));
        let (other, sum) = interval.series.last().unwrap();
        assert_eq!(other.to_string(), "m{name=other,scenario=s}");
        assert_eq!(*sum, Total::Counter(5.0));
    }
}
