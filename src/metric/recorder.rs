//! Where a worker's samples fall: one recorder a worker, no lock.
use std::sync::Arc;

use super::{Accumulator, Metric, Series, Tags};

/// Series a recorder keeps apart; new ones beyond it share `{name=other}`.
pub const SERIES_LIMIT: usize = 1000;

/// A series of the recorder that gave it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SeriesId(u32);

/// Collects the samples of one worker.
#[derive(Debug, Default)]
pub struct Recorder {}

/// What one recorder collected between two takes.
#[derive(Clone, Debug, Default)]
pub struct Interval {
    /// Every series that received a sample.
    pub series: Vec<(Arc<Series>, Accumulator)>,
    /// Requests for a new series beyond [`SERIES_LIMIT`], answered with `{name=other}`.
    pub overflowed: u64,
}

impl Recorder {
    /// One without series.
    pub fn new() -> Self {
        Self::default()
    }
    /// The id of a series.
    pub fn series(&mut self, metric: &Metric, tags: &Tags) -> SeriesId {
        todo!("{metric:?} {tags:?}")
    }
    /// Adds to a counter.
    pub fn add(&mut self, series: SeriesId, amount: f64) {
        todo!("{series:?} {amount}")
    }
    /// Sets a gauge.
    pub fn set(&mut self, series: SeriesId, value: f64) {
        todo!("{series:?} {value}")
    }
    /// Counts one sample of a rate.
    pub fn hit(&mut self, series: SeriesId, hit: bool) {
        todo!("{series:?} {hit}")
    }
    /// Records a trend's raw value under the second of its intended start.
    pub fn record(&mut self, series: SeriesId, second: u32, raw: u64) {
        todo!("{series:?} {second} {raw}")
    }
    /// What was recorded since the last take.
    pub fn take(&mut self) -> Interval {
        todo!()
    }
}
