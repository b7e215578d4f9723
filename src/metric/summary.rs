//! What all workers recorded so far: totals, a point a second, and the last seconds whole.
//!
//! Four views of every series, each of bounded size whatever the number of requests:
//!
//! * its total since the beginning, and where something is broken that of each phase;
//! * one [`Point`] a second for charts. Throughput stands in the second a sample ended in, values
//!   in the second it was meant to start in: a stall shows where it began, not where it ended.
//!   That second's distribution is kept for a minute (70 s, more than any usual timeout); what
//!   arrives later still raises the point's `begun` and `max`;
//! * for the times of an operation and the response of a scenario, [`Slices`]: whole distributions
//!   along the run, for comparing it with others;
//! * with sliding windows asked for, the totals of their last seconds of completion.
//!
//! Intervals may be absorbed in any order.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    Accumulator, Distribution, Edges, Filter, Gauge, Interval, Kind, Merge, Overflowed, Packed,
    Received, Series, Slices, Timeline, Total, gather, length, levels, of_phases,
};

/// Seconds for which late values still move a point's percentiles.
const OPEN_SECONDS: u32 = 70;
/// Seconds kept beyond the longest window, as not all workers report a second at once.
const WINDOW_SLACK: u32 = 5;

/// Everything recorded so far, by series.
#[derive(Debug)]
pub struct Summary {
    series: BTreeMap<Arc<Series>, History>,
    /// Seconds of completion kept whole; 0 when nobody asks for windows.
    window: u32,
    /// The latest second absorbed.
    newest: u32,
    overflowed: Overflowed,
    /// Where something is to be broken: its phases.
    timeline: Option<Arc<Timeline>>,
}

/// One series in one second of the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Seconds since the run began.
    pub second: u32,
    /// What was measured in that second.
    #[serde(flatten)]
    pub reading: Reading,
}

/// A second's measurement, by the metric's kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reading {
    /// What was added in that second.
    Counter(f64),
    /// The last value set in that second.
    Gauge(f64),
    /// Samples that ended in that second.
    Rate {
        /// Samples that were true.
        hits: u64,
        /// All samples.
        total: u64,
    },
    /// Throughput by completion, values by intended start; values are raw.
    Trend {
        /// Samples that ended in that second.
        ended: u64,
        /// Samples meant to start in that second; what follows is theirs.
        begun: u64,
        /// The median.
        p50: u64,
        /// The 95th percentile.
        p95: u64,
        /// The 99th percentile.
        p99: u64,
        /// The largest.
        max: u64,
    },
}

/// What is kept of one series.
#[derive(Debug)]
struct History {
    total: Total,
    /// By the number of the phase.
    phases: BTreeMap<u32, Total>,
    /// By second, ascending; seconds without a sample are left out.
    points: Vec<Point>,
    /// Distributions along the whole run, where runs are compared by this series.
    slices: Option<Slices>,
    /// Distributions of the last [`OPEN_SECONDS`], by intended start.
    open: BTreeMap<u32, Packed>,
    /// Totals of the last seconds, by completion.
    recent: BTreeMap<u32, Total>,
}

impl Summary {
    /// An empty one, able to answer for sliding windows of up to `window_max`.
    pub fn new(window_max: Duration) -> Self {
        let window = match whole_seconds(window_max) {
            0 => 0,
            seconds => seconds.saturating_add(WINDOW_SLACK),
        };
        Self {
            series: BTreeMap::new(),
            window,
            newest: 0,
            overflowed: Overflowed::new(),
            timeline: None,
        }
    }

    /// From now on can be asked of phases.
    pub fn watch(&mut self, timeline: Arc<Timeline>) {
        self.timeline = Some(timeline);
    }

    /// The phases so far; `None` in a run without.
    pub fn edges(&self) -> Option<Edges> {
        self.timeline.as_ref().map(|timeline| timeline.edges())
    }

    /// Takes in what a worker recorded in the second `second` of the run.
    pub fn absorb(&mut self, second: u32, interval: Interval) {
        for (metric, times) in interval.overflowed {
            *self.overflowed.entry(metric).or_default() += times;
        }
        self.newest = self.newest.max(second);
        let open_from = self.newest.saturating_sub(OPEN_SECONDS);
        for Received { series, phase, samples } in interval.series {
            let history =
                self.series.entry(series).or_insert_with_key(|series| History::new(series));
            let total = history.plot(second, samples, open_from);
            history.total.merge(&total);
            if let Some(phase) = phase {
                merge_at(&mut history.phases, phase, total.clone());
            }
            if self.window > 0 {
                merge_at(&mut history.recent, second, total);
            }
        }
        let window_from = (self.newest + 1).saturating_sub(self.window);
        for history in self.series.values_mut() {
            history.open.retain(|second, _| *second >= open_from);
            history.recent.retain(|second, _| *second >= window_from);
        }
    }

    /// Every series with all it received, by metric and tags.
    pub fn totals(&self) -> impl Iterator<Item = (&Series, &Total)> {
        self.series.iter().map(|(series, history)| (&**series, &history.total))
    }

    /// What the matching series of a metric received together, since the beginning or within
    /// `over`: a window's length and its last second. None when no sample matched.
    pub fn select(
        &self,
        metric: &str,
        filters: &[Filter],
        over: Option<(Duration, u32)>,
    ) -> Option<Total> {
        let named = self.series.iter().filter(|(series, _)| *series.metric.name == *metric);
        let parts = named.map(|(series, history)| (&series.tags, series.metric.kind, history));
        gather(filters, self.edges().as_ref(), parts, |history, phases| match phases {
            Some(phases) => of_phases(&history.phases, phases),
            None => history.within(over),
        })
    }

    /// What all series of a metric received in these phases together.
    pub fn of_phases(&self, metric: &str, phases: &[u32]) -> Option<Total> {
        let named = self.series.iter().filter(|(series, _)| *series.metric.name == *metric);
        let mut parts = named.filter_map(|(_, history)| of_phases(&history.phases, phases));
        let mut sum = parts.next()?;
        parts.for_each(|part| sum.merge(&part));
        Some(sum)
    }

    /// The most that all series of a counter received together in one of these seconds.
    pub fn most_in_a_second(&self, metric: &str, seconds: Range<u32>) -> u64 {
        let mut sums: BTreeMap<u32, f64> = BTreeMap::new();
        let named = self.series.iter().filter(|(series, _)| *series.metric.name == *metric);
        for point in named.flat_map(|(_, history)| &history.points) {
            if let Reading::Counter(sum) = point.reading
                && seconds.contains(&point.second)
            {
                *sums.entry(point.second).or_default() += sum;
            }
        }
        sums.into_values().fold(0.0, f64::max) as u64
    }

    /// How long the phases these conditions mean have been, in a run that is `elapsed` old; all of
    /// it where they mean none in particular.
    pub(super) fn length(&self, filters: &[Filter], elapsed: Duration) -> Duration {
        length(self.edges().as_ref(), filters, elapsed)
    }

    /// A series phase by phase, by the phase's number; empty in a run without.
    pub fn phases(&self, series: &Series) -> BTreeMap<u32, Total> {
        self.series.get(series).map(|history| history.phases.clone()).unwrap_or_default()
    }

    /// The values over time of every gauge that matches, since the beginning or within `over`.
    pub fn levels(
        &self,
        metric: &str,
        filters: &[Filter],
        over: Option<(Duration, u32)>,
    ) -> Vec<Vec<(u32, f64)>> {
        let meant = self.series.iter().filter(|(series, _)| {
            *series.metric.name == *metric && filters.iter().all(|f| f.matches(&series.tags))
        });
        let seconds = over.map_or(0..=u32::MAX, |(length, last)| first_of(length, last)..=last);
        meant
            .map(|(_, history)| {
                let mut levels = levels(&history.points);
                levels.retain(|(second, _)| seconds.contains(second));
                levels
            })
            .collect()
    }

    /// A series second by second, ascending; seconds without a sample are left out.
    pub fn points(&self, series: &Series) -> &[Point] {
        self.series.get(series).map_or(&[], |history| &history.points)
    }

    /// A series' distributions along the run; none where runs are not compared by it.
    pub fn slices(&self, series: &Series) -> Option<&Slices> {
        self.series.get(series).and_then(|history| history.slices.as_ref())
    }

    /// What ended in a second, by series; known of the last seconds that windows are kept for.
    pub fn ended_in(&self, second: u32) -> impl Iterator<Item = (&Series, &Total)> {
        self.series
            .iter()
            .filter_map(move |(series, history)| Some((&**series, history.recent.get(&second)?)))
    }

    /// Metrics some of whose samples are in `{name=other}`, and how often that came up.
    pub fn overflowed(&self) -> &Overflowed {
        &self.overflowed
    }
}

impl History {
    fn new(series: &Series) -> Self {
        let total = match series.metric.kind {
            Kind::Counter => Total::Counter(0.0),
            Kind::Gauge => Total::Gauge(Gauge::UNSET),
            Kind::Rate => Total::Rate { hits: 0, total: 0 },
            Kind::Trend => Total::Trend(Distribution::new()),
        };
        let slices = is_compared(series).then(Slices::default);
        let (phases, open, recent) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { total, phases, points: Vec::new(), slices, open, recent }
    }

    /// Enters the samples of a second of completion into the points, and sums them up.
    fn plot(&mut self, second: u32, samples: Accumulator, open_from: u32) -> Total {
        let total = match samples {
            Total::Counter(sum) => Total::Counter(sum),
            Total::Gauge(gauge) => Total::Gauge(Gauge { second, ..gauge }),
            Total::Rate { hits, total } => Total::Rate { hits, total },
            Total::Trend(by_second) => {
                let mut all = Distribution::new();
                for (intended, values) in &by_second {
                    self.plot_values(*intended, values, open_from);
                    all.merge(values);
                }
                Total::Trend(all)
            }
        };
        match (self.reading_at(second), &total) {
            (Reading::Counter(sum), Total::Counter(more)) => *sum += more,
            (Reading::Gauge(last), Total::Gauge(gauge)) => *last = last.max(gauge.last),
            (Reading::Rate { hits, total }, Total::Rate { hits: h, total: t }) => {
                *hits += h;
                *total += t;
            }
            (Reading::Trend { ended, .. }, Total::Trend(all)) => *ended += all.count(),
            _ => {}
        }
        total
    }

    /// Enters values meant to start in `intended`.
    fn plot_values(&mut self, intended: u32, values: &Distribution, open_from: u32) {
        if let Some(slices) = &mut self.slices {
            slices.add(intended, values);
        }
        let open = (intended >= open_from)
            .then(|| percentiles(&self.open.entry(intended).or_default().add(values)));
        let Reading::Trend { begun, p50, p95, p99, max, .. } = self.reading_at(intended) else {
            return;
        };
        let first = (*begun == 0).then(|| percentiles(values));
        // Of a second that is closed already, the percentiles stand as they were.
        [*p50, *p95, *p99] = open.or(first).unwrap_or([*p50, *p95, *p99]);
        *begun += values.count();
        *max = values.max().max(*max);
    }

    /// The reading of a second, begun when there is none yet.
    fn reading_at(&mut self, second: u32) -> &mut Reading {
        let place = self.points.binary_search_by_key(&second, |point| point.second);
        let place = place.unwrap_or_else(|place| {
            let reading = Reading::empty(self.total.kind());
            self.points.insert(place, Point { second, reading });
            place
        });
        &mut self.points[place].reading
    }

    fn within(&self, over: Option<(Duration, u32)>) -> Option<Total> {
        let Some((length, last)) = over else {
            return Some(self.total.clone());
        };
        let mut seconds = self.recent.range(first_of(length, last)..=last).map(|(_, total)| total);
        let mut sum = seconds.next()?.clone();
        seconds.for_each(|second| sum.merge(second));
        Some(sum)
    }
}

impl Reading {
    fn empty(kind: Kind) -> Self {
        match kind {
            Kind::Counter => Self::Counter(0.0),
            Kind::Gauge => Self::Gauge(f64::NEG_INFINITY),
            Kind::Rate => Self::Rate { hits: 0, total: 0 },
            Kind::Trend => Self::Trend { ended: 0, begun: 0, p50: 0, p95: 0, p99: 0, max: 0 },
        }
    }
}

/// Whether runs are compared by this series: the times of an operation, or what users saw.
fn is_compared(series: &Series) -> bool {
    let Series { metric, tags } = series;
    let operation = metric.name.ends_with(".duration") && tags.find("name").is_some();
    metric.kind == Kind::Trend && (operation || &*metric.name == "iteration.response")
}

/// The percentiles of a point.
fn percentiles(values: &Distribution) -> [u64; 3] {
    [0.5, 0.95, 0.99].map(|q| values.quantile(q))
}

fn merge_at(seconds: &mut BTreeMap<u32, Total>, second: u32, total: Total) {
    match seconds.get_mut(&second) {
        Some(held) => held.merge(&total),
        None => _ = seconds.insert(second, total),
    }
}

/// The first second of a window that ends with `last`.
fn first_of(length: Duration, last: u32) -> u32 {
    last.saturating_add(1).saturating_sub(whole_seconds(length))
}

/// Rounded up: a window is never shorter than asked for.
fn whole_seconds(duration: Duration) -> u32 {
    duration.as_secs_f64().ceil() as u32
}

#[cfg(test)]
#[path = "summary_tests.rs"]
mod tests;
