//! What one series received since the last take, by phase.
//!
//! A trend's values wait in a batch of bounded size and go into their distribution together, which
//! costs a third, or less, of what it costs one by one.

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;

use super::{Accumulator, Distribution, Gauge, Kind, Series, Total};

/// Values of a trend that wait to be sorted in together; at most 16 KB a series.
pub(super) const BATCH: usize = 2048;

/// What a series received in one phase.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    /// The series.
    pub series: Arc<Series>,
    /// The number of the phase; `None` in a run without.
    pub phase: Option<u32>,
    /// What it received.
    pub samples: Accumulator,
}

/// A series and what it received since the last take.
#[derive(Debug)]
pub(super) struct Slot {
    series: Arc<Series>,
    /// The phase of what is in `held`.
    phase: Option<u32>,
    held: Held,
    /// What belongs to other phases.
    aside: Vec<(Option<u32>, Held)>,
}

/// Samples of one phase.
#[derive(Debug)]
pub(super) enum Held {
    Counter(Option<f64>),
    Gauge(Option<Gauge>),
    Rate { hits: u64, total: u64 },
    Trend(Seconds),
}

/// A trend by second of intended start. Samples of one second mostly come in a row.
#[derive(Debug, Default)]
pub(super) struct Seconds {
    /// The second of the values in `batch`.
    second: u32,
    /// Values not sorted in yet, at most [`BATCH`].
    batch: Vec<u64>,
    sorted: BTreeMap<u32, Distribution>,
    /// Buckets that a second of the last take had. To have room for as many at once spares the
    /// allocator a buffer of each size on the way there.
    room: usize,
}

impl Slot {
    /// One that has received nothing, for samples of `phase`.
    pub(super) fn new(series: Arc<Series>, phase: Option<u32>) -> Self {
        let held = Held::empty(series.metric.kind);
        Self { series, phase, held, aside: Vec::new() }
    }

    /// Where samples of `phase` belong.
    #[inline]
    pub(super) fn held(&mut self, phase: Option<u32>) -> &mut Held {
        if self.phase != phase {
            self.turn_to(phase);
        }
        &mut self.held
    }

    /// Samples near the end of a phase belong now to it and now to the next.
    #[cold]
    fn turn_to(&mut self, phase: Option<u32>) {
        let place = self.aside.iter().position(|(aside, _)| *aside == phase);
        let held = place.map(|place| self.aside.swap_remove(place).1);
        let held = held.unwrap_or_else(|| Held::empty(self.series.metric.kind));
        self.aside.push((self.phase, mem::replace(&mut self.held, held)));
        self.phase = phase;
    }

    /// What was received since the last take.
    pub(super) fn take(&mut self) -> impl Iterator<Item = Received> + use<> {
        let now = (self.phase, self.held.take());
        let aside = mem::take(&mut self.aside).into_iter();
        let all = aside.map(|(phase, mut held)| (phase, held.take())).chain([now]);
        let series = Arc::clone(&self.series);
        all.filter_map(move |(phase, samples)| {
            Some(Received { series: Arc::clone(&series), phase, samples: samples? })
        })
    }
}

impl Held {
    fn empty(kind: Kind) -> Self {
        match kind {
            Kind::Counter => Self::Counter(None),
            Kind::Gauge => Self::Gauge(None),
            Kind::Rate => Self::Rate { hits: 0, total: 0 },
            Kind::Trend => Self::Trend(Seconds::default()),
        }
    }

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
                let filled = sorted.values().map(|values| values.filled().count());
                seconds.room = filled.max().unwrap_or_default();
                (!sorted.is_empty()).then_some(Total::Trend(sorted))
            }
        }
    }

    /// A sample of the wrong kind is a mistake of the caller; it is not worth a user's run.
    #[cold]
    pub(super) fn refuse(&self, kind: Kind) {
        debug_assert!(false, "a sample for a {kind:?} came to {self:?}");
    }
}

impl Seconds {
    /// A value of that second.
    #[inline]
    pub(super) fn push(&mut self, second: u32, raw: u64) {
        if self.second != second || self.batch.len() == BATCH {
            self.sort_in();
            self.second = second;
        }
        self.batch.push(raw);
    }

    fn sort_in(&mut self) {
        if !self.batch.is_empty() {
            let empty = || Distribution::with_room(self.room);
            self.sorted.entry(self.second).or_insert_with(empty).record_all(&mut self.batch);
        }
    }
}
