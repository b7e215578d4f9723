//! Calls by short windows of time, kept only when something is to be broken during the run.
//!
//! Windows are anchored at the moments faults begin and end, so that none straddles one. Each call
//! is counted twice: in the window in which it was made, which tells what users were given, and in
//! the window in which it ended, which tells what could be known by then.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Distribution, Merge};

/// The moments at which something changes, and the length of the windows between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    /// From the begin of the run; sorted, each once, the first is 0.
    edges: Vec<Duration>,
    width: Duration,
}

/// A window: the number of its edge and its number from there. Their order is that of time.
pub type Slot = (u32, u32);

/// Calls counted together.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Calls that succeeded.
    pub good: u64,
    /// Calls that failed.
    pub bad: u64,
    /// How long all of them took, in nanoseconds.
    pub times: Distribution,
}

/// The calls of a window.
#[derive(Clone, Debug, Default)]
pub struct Window {
    /// Those that were made in it.
    pub made: Tally,
    /// Those that ended in it.
    pub ended: Tally,
    /// When the first of the failed ones that ended in it ended, from the begin of the run.
    pub first_bad: Option<Duration>,
}

/// Every window with a call in it.
#[derive(Clone, Debug)]
pub struct Windows {
    timeline: Arc<Timeline>,
    begin: Instant,
    slots: BTreeMap<Slot, Window>,
}

impl Timeline {
    /// How long a window is.
    pub const WIDTH: Duration = Duration::from_millis(500);

    /// Windows anchored at these moments, and at the begin of the run.
    pub fn new(edges: impl IntoIterator<Item = Duration>) -> Self {
        let mut edges: Vec<_> = edges.into_iter().chain([Duration::ZERO]).collect();
        edges.sort();
        edges.dedup();
        Self { edges, width: Self::WIDTH }
    }

    /// The window a moment lies in.
    pub fn slot(&self, at: Duration) -> Slot {
        let edge = self.edges.partition_point(|edge| *edge <= at).saturating_sub(1);
        let into = at.saturating_sub(self.edges[edge]);
        (edge as u32, (into.as_nanos() / self.width.as_nanos()) as u32)
    }

    /// When a window begins and ends. The last one before an edge ends there.
    pub fn span(&self, slot: Slot) -> (Duration, Duration) {
        let edge = slot.0 as usize;
        let start = self.edges[edge] + self.width * slot.1;
        let next = self.edges.get(edge + 1).copied().unwrap_or(Duration::MAX);
        (start, (start + self.width).min(next))
    }
}

impl Tally {
    /// Calls counted.
    pub fn count(&self) -> u64 {
        self.good + self.bad
    }

    fn add(&mut self, bad: bool, took: Duration) {
        *(if bad { &mut self.bad } else { &mut self.good }) += 1;
        self.times.record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }
}

impl Merge for Tally {
    fn merge(&mut self, other: &Self) {
        self.good += other.good;
        self.bad += other.bad;
        self.times.merge(&other.times);
    }
}

impl Windows {
    /// None yet; the run begins at `begin`.
    pub fn new(timeline: Arc<Timeline>, begin: Instant) -> Self {
        Self { timeline, begin, slots: BTreeMap::new() }
    }

    /// Counts a call that has just ended.
    pub fn count(&mut self, took: Duration, bad: bool) {
        let ended = self.begin.elapsed();
        self.add(ended.saturating_sub(took), ended, bad);
    }

    /// Counts a call by when it was made and ended, from the begin of the run.
    pub fn add(&mut self, made: Duration, ended: Duration, bad: bool) {
        let took = ended.saturating_sub(made);
        self.slots.entry(self.timeline.slot(made)).or_default().made.add(bad, took);
        let window = self.slots.entry(self.timeline.slot(ended)).or_default();
        window.ended.add(bad, took);
        if bad {
            window.first_bad = window.first_bad.into_iter().chain([ended]).min();
        }
    }

    /// Every window with a call that was made or ended in it, with its begin and end, in order.
    pub fn iter(&self) -> impl Iterator<Item = ((Duration, Duration), &Window)> {
        self.slots.iter().map(|(slot, window)| (self.timeline.span(*slot), window))
    }
}

impl Merge for Windows {
    fn merge(&mut self, other: &Self) {
        for (slot, window) in &other.slots {
            let own = self.slots.entry(*slot).or_default();
            own.made.merge(&window.made);
            own.ended.merge(&window.ended);
            own.first_bad = own.first_bad.into_iter().chain(window.first_bad).min();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MILLI: Duration = Duration::from_millis(1);

    #[test]
    fn windows_begin_anew_at_an_edge_and_none_straddles_it() {
        let timeline = Timeline::new([MILLI * 5_300, MILLI * 10_000]);
        for (at, slot, span) in [
            (0, (0, 0), (0, 500)),
            (499, (0, 0), (0, 500)),
            (5_299, (0, 10), (5_000, 5_300)),
            (5_300, (1, 0), (5_300, 5_800)),
            (10_000, (2, 0), (10_000, 10_500)),
            (99_999, (2, 179), (99_500, 100_000)),
        ] {
            assert_eq!(timeline.slot(MILLI * at), slot, "{at}");
            assert_eq!(timeline.span(slot), (MILLI * span.0, MILLI * span.1), "{at}");
        }
    }

    proptest! {
        #[test]
        fn every_moment_lies_in_its_window(
            edges in prop::collection::vec(0..100_000u32, 0..6), at in 0..200_000u32,
        ) {
            let timeline = Timeline::new(edges.into_iter().map(|edge| MILLI * edge));
            let (start, end) = timeline.span(timeline.slot(MILLI * at));
            prop_assert!(start <= MILLI * at && MILLI * at < end);
            prop_assert!(end <= start + Timeline::WIDTH);
        }
    }
}
