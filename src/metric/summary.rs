//! What all workers recorded so far.
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Filter, Interval, Series, Total};

/// Everything recorded so far, by series.
#[derive(Debug)]
pub struct Summary {}

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
    /// Samples of that second.
    Rate {
        /// Samples that were true.
        hits: u64,
        /// All samples.
        total: u64,
    },
    /// Throughput by completion, values by intended start.
    Trend {
        /// Samples completed in that second.
        ended: u64,
        /// Samples whose intended start lies in that second; the fields below are theirs.
        begun: u64,
        /// Median, raw.
        p50: u64,
        /// 95th percentile, raw.
        p95: u64,
        /// 99th percentile, raw.
        p99: u64,
        /// Largest, raw.
        max: u64,
    },
}

impl Summary {
    /// An empty one, able to answer for sliding windows of up to `window_max`.
    pub fn new(window_max: Duration) -> Self {
        todo!("{window_max:?}")
    }
    /// Takes in what a worker recorded in the second `second` (by completion).
    pub fn absorb(&mut self, second: u32, interval: Interval) {
        todo!("{second} {interval:?}")
    }
    /// Every series with all it received, sorted.
    pub fn totals(&self) -> impl Iterator<Item = (&Series, &Total)> {
        std::iter::empty()
    }
    /// All that the matching series of a metric received, since the beginning or within `over`:
    /// a window's length and its last second.
    pub fn select(
        &self,
        metric: &str,
        filters: &[Filter],
        over: Option<(Duration, u32)>,
    ) -> Option<Total> {
        todo!("{metric} {filters:?} {over:?}")
    }
    /// A series second by second.
    pub fn points(&self, series: &Series) -> &[Point] {
        todo!("{series}")
    }
    /// Requests for a series beyond the limit.
    pub fn overflowed(&self) -> u64 {
        todo!()
    }
}
