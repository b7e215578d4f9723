//! The seconds of a run, as the axis of its charts and the places of their values.
//!
//! A run too long for a point a second is shown in steps of several: a rate is then the mean of
//! its step, everything else the largest value in it, so that no spike is lost.

use super::plot::Axis;
use crate::metric::{Point, Reading, Unit};
use crate::outcome::Outcome;

/// Most points of a line.
const MOST_POINTS: usize = 600;
/// Shortest end of a run, in seconds, that still has a rate.
const SHORTEST: f64 = 0.5;

/// The seconds of a run, in steps.
pub struct Clock {
    seconds: usize,
    /// Seconds of a step.
    pub step: usize,
    /// How long the last second was; what began in it may be less than that.
    last: f64,
}

impl Clock {
    /// Of a run by itself.
    pub fn of(outcome: &Outcome) -> Self {
        let points = outcome.series.iter().flat_map(|series| &series.points);
        let latest = points.map(|point| point.second as usize).max().unwrap_or(0);
        let whole = outcome.run.elapsed.max(0.0).floor();
        let last = outcome.run.elapsed - whole;
        // What teardown records stands after the load, and an end of some milliseconds is none.
        let seconds = if last < SHORTEST { whole as usize } else { whole as usize + 1 };
        let seconds = seconds.clamp(1, latest + 1);
        let last = if seconds as f64 > outcome.run.elapsed { last.max(SHORTEST) } else { 1.0 };
        Self { seconds, step: seconds.div_ceil(MOST_POINTS), last }
    }

    /// Of several runs on one axis: that of the longest, and each run's own with the same steps.
    pub fn among(outcomes: &[&Outcome]) -> Option<(Self, Vec<Self>)> {
        let own = || outcomes.iter().map(|outcome| Self::of(outcome));
        let longest = own().max_by_key(|clock| clock.seconds)?;
        let step = longest.step;
        Some((longest, own().map(|clock| Self { step, ..clock }).collect()))
    }

    /// How long its axis is, in seconds.
    pub fn length(&self) -> f64 {
        self.seconds as f64
    }

    fn steps(&self) -> usize {
        self.seconds.div_ceil(self.step)
    }

    /// The axis under its charts.
    pub fn axis(&self) -> Axis {
        const EVERY: [usize; 16] =
            [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 21_600, 86_400];
        let width = self.length();
        let at = |second: usize| clock(second as u64, self.seconds as u64);
        let places =
            (0..self.steps()).map(|n| ((n as f64 + 0.5) * self.step as f64 / width).min(1.0));
        let every = EVERY.into_iter().find(|every| self.seconds / every <= 8).unwrap_or(86_400);
        let ticks = (0..self.seconds).step_by(every).map(|tick| (tick as f64 / width, at(tick)));
        Axis {
            places: places.collect(),
            names: (0..self.steps()).map(|n| at(n * self.step)).collect(),
            ticks: ticks.collect(),
            bands: Vec::new(),
            marks: Vec::new(),
        }
    }

    /// The step a point belongs to.
    fn place(&self, point: &Point) -> usize {
        (point.second as usize).min(self.seconds - 1) / self.step
    }

    /// What was counted, a second.
    pub fn rate<'a>(&self, points: impl Iterator<Item = &'a Point>) -> Vec<Option<f64>> {
        let mut sums = vec![0.0; self.steps()];
        for point in points {
            // What ended just after the last second ended in it, as far as a chart can tell.
            sums[self.place(point)] += match point.reading {
                Reading::Counter(sum) => sum,
                Reading::Rate { hits, .. } => hits as f64,
                Reading::Trend { ended, .. } => ended as f64,
                Reading::Gauge(_) => 0.0,
            };
        }
        let length = |n: usize| {
            let end = ((n + 1) * self.step).min(self.seconds);
            let cut = if end == self.seconds { 1.0 - self.last } else { 0.0 };
            (end - n * self.step) as f64 - cut
        };
        sums.iter().enumerate().map(|(n, sum)| Some(sum / length(n))).collect()
    }

    /// The largest in each step of what `value` finds in a point.
    pub fn most<'a>(
        &self,
        points: impl Iterator<Item = &'a Point>,
        value: impl Fn(&Reading) -> Option<f64>,
    ) -> Vec<Option<f64>> {
        let mut most = vec![None; self.steps()];
        for point in points {
            let step = &mut most[self.place(point)];
            *step = [*step, value(&point.reading)].into_iter().flatten().reduce(f64::max);
        }
        most
    }
}

/// `0:05`, or `1:00:05` where the run is longer than an hour; a short run's plain seconds.
fn clock(second: u64, of: u64) -> String {
    let (hours, minutes, seconds) = (second / 3600, second / 60 % 60, second % 60);
    match of {
        0..=90 => format!("{second} s"),
        91..=3600 => format!("{}:{seconds:02}", second / 60),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// A percentile of a trend's point, in the metric's unit.
pub fn percentile(unit: Unit, which: fn(u64, u64, u64) -> u64) -> impl Fn(&Reading) -> Option<f64> {
    move |reading| match reading {
        Reading::Trend { begun, p50, p95, p99, .. } if *begun > 0 => {
            Some(unit.value(which(*p50, *p95, *p99)))
        }
        _ => None,
    }
}

/// A gauge's value, or the largest of a trend.
pub fn level(unit: Unit) -> impl Fn(&Reading) -> Option<f64> {
    move |reading| match reading {
        Reading::Gauge(value) => Some(*value),
        Reading::Trend { begun, max, .. } if *begun > 0 => Some(unit.value(*max)),
        _ => None,
    }
}

/// The share of hits.
pub fn share(reading: &Reading) -> Option<f64> {
    match reading {
        Reading::Rate { hits, total } if *total > 0 => Some(*hits as f64 / *total as f64),
        _ => None,
    }
}
