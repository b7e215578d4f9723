//! Calls by short windows of time, kept only when something is to be broken during the run.
//!
//! Windows begin anew with every phase, so that none straddles the moment a fault begins or ends.
//! Each call is counted twice: in the window in which it was meant to be made (or in which a fault
//! met it under way), which tells what users were given, and in the window in which it ended, which
//! tells what could be known by then.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Distribution, Edges, Merge, Slot};

/// How a call came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It succeeded.
    Good,
    /// It was not performed, and the target said so.
    Failed,
    /// It never reached the target, or was turned away at the door.
    Refused,
    /// Nobody knows whether it was performed: a timeout, a connection that broke.
    Indeterminate,
}

/// Calls counted together. Counts are signed, as a call that was counted as one thing may turn out
/// to be another, after the count was handed on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// Calls that succeeded.
    pub good: i64,
    /// Calls whose answer was a substitute for what was asked for, whatever they were first.
    pub degraded: i64,
    /// Calls that failed, all of them.
    pub bad: i64,
    /// Of these, those that never reached the target.
    pub refused: i64,
    /// Of these, those that may have been performed.
    pub indeterminate: i64,
    /// How long those that did not fail took, in nanoseconds.
    pub times: Distribution,
    /// How long those that failed took, in nanoseconds.
    pub bad_times: Distribution,
}

/// The calls of a window.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Window {
    /// Those that were meant to be made in it.
    pub made: Tally,
    /// Those that ended in it.
    pub ended: Tally,
    /// When the first of the failed ones that ended in it ended, from the begin of the run.
    pub first_bad: Option<Duration>,
    /// Arrivals for which there was no user, so that their calls were never made.
    pub dropped: u64,
}

/// Every window with a call in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Windows {
    slots: BTreeMap<Slot, Window>,
}

/// A call as it was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    made: Slot,
    ended: Slot,
    ending: Ending,
}

impl Tally {
    /// Calls counted.
    pub fn count(&self) -> u64 {
        (self.good + self.degraded + self.bad).max(0).cast_unsigned()
    }

    /// Calls that gave users something.
    pub fn served(&self) -> u64 {
        (self.good + self.degraded).max(0).cast_unsigned()
    }

    /// How long all of them took.
    pub fn all_times(&self) -> Distribution {
        let mut all = self.times.clone();
        all.merge(&self.bad_times);
        all
    }

    /// The value that a share `q` of all calls took at most, in nanoseconds.
    pub fn quantile(&self, q: f64) -> u64 {
        if self.bad_times.is_empty() {
            self.times.quantile(q)
        } else {
            self.all_times().quantile(q)
        }
    }

    fn add(&mut self, ending: Ending, took: Duration) {
        self.shift(ending, 1);
        let times = if ending == Ending::Good { &mut self.times } else { &mut self.bad_times };
        times.record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    fn shift(&mut self, ending: Ending, by: i64) {
        match ending {
            Ending::Good => self.good += by,
            Ending::Failed => self.bad += by,
            Ending::Refused => (self.bad, self.refused) = (self.bad + by, self.refused + by),
            Ending::Indeterminate => {
                (self.bad, self.indeterminate) = (self.bad + by, self.indeterminate + by);
            }
        }
    }

    fn degrade(&mut self, ending: Ending) {
        self.shift(ending, -1);
        self.degraded += 1;
    }
}

impl Merge for Tally {
    fn merge(&mut self, other: &Self) {
        self.good += other.good;
        self.degraded += other.degraded;
        self.bad += other.bad;
        self.refused += other.refused;
        self.indeterminate += other.indeterminate;
        self.times.merge(&other.times);
        self.bad_times.merge(&other.bad_times);
    }
}

impl Windows {
    /// Counts a call by when it was meant to be made and when it ended, from the begin of the run.
    pub fn add(
        &mut self,
        edges: &Edges,
        made: Duration,
        ended: Duration,
        ending: Ending,
    ) -> Counted {
        let took = ended.saturating_sub(made);
        let (met, _) = edges.met(made, ended);
        let counted = Counted { made: edges.slot(met), ended: edges.slot(ended), ending };
        self.slots.entry(counted.made).or_default().made.add(ending, took);
        let window = self.slots.entry(counted.ended).or_default();
        window.ended.add(ending, took);
        if ending != Ending::Good {
            window.first_bad = window.first_bad.into_iter().chain([ended]).min();
        }
        counted
    }

    /// Counts a call as degraded that was counted as something else.
    pub fn degrade(&mut self, counted: Counted) {
        self.slots.entry(counted.made).or_default().made.degrade(counted.ending);
        self.slots.entry(counted.ended).or_default().ended.degrade(counted.ending);
    }

    /// Counts arrivals for which there was no user.
    pub fn drop_arrivals(&mut self, edges: &Edges, at: Duration, arrivals: u64) {
        if arrivals > 0 {
            self.slots.entry(edges.slot(at)).or_default().dropped += arrivals;
        }
    }

    /// Every window in which something was, with its begin and end, in order.
    pub fn iter<'a>(
        &'a self,
        edges: &'a Edges,
    ) -> impl Iterator<Item = ((Duration, Duration), &'a Window)> {
        self.slots.iter().map(|(slot, window)| (edges.span(*slot), window))
    }
}

impl Merge for Window {
    fn merge(&mut self, other: &Self) {
        self.made.merge(&other.made);
        self.ended.merge(&other.ended);
        self.first_bad = self.first_bad.into_iter().chain(other.first_bad).min();
        self.dropped += other.dropped;
    }
}

impl Merge for Windows {
    fn merge(&mut self, other: &Self) {
        for (slot, window) in &other.slots {
            self.slots.entry(*slot).or_default().merge(window);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Timeline;
    use super::*;

    const MILLI: Duration = Duration::from_millis(1);

    fn edges() -> Edges {
        let timeline = Timeline::new(Duration::ZERO);
        timeline.begins("a", MILLI * 2_000);
        timeline.ends("a", MILLI * 4_000);
        timeline.edges()
    }

    #[test]
    fn a_call_that_turns_out_degraded_is_moved_even_after_its_count_was_handed_on() {
        let (edges, mut windows) = (edges(), Windows::default());
        let counted = windows.add(&edges, MILLI * 10, MILLI * 900, Ending::Refused);
        let mut handed_on = std::mem::take(&mut windows);
        windows.degrade(counted);
        handed_on.merge(&windows);
        let [(_, made), (_, ended)] = handed_on.iter(&edges).collect::<Vec<_>>()[..] else {
            panic!("two windows")
        };
        for tally in [&made.made, &ended.ended] {
            assert_eq!((tally.degraded, tally.bad, tally.refused), (1, 0, 0));
            assert_eq!((tally.count(), tally.served()), (1, 1));
        }
    }

    proptest! {
        #[test]
        fn merged_in_any_order_and_grouping_they_are_the_same(
            calls in prop::collection::vec((0..6_000u32, 0..3_000u32, 0..4_usize), 0..40),
            at in 0..40_usize,
        ) {
            let edges = edges();
            let of = |calls: &[(u32, u32, usize)]| {
                let endings =
                    [Ending::Good, Ending::Failed, Ending::Refused, Ending::Indeterminate];
                let mut windows = Windows::default();
                for (made, took, ending) in calls {
                    let made = MILLI * *made;
                    windows.add(&edges, made, made + MILLI * *took, endings[*ending]);
                }
                windows
            };
            let (a, b) = calls.split_at(at.min(calls.len()));
            let (mut ab, mut ba) = (of(a), of(b));
            ab.merge(&of(b));
            ba.merge(&of(a));
            prop_assert_eq!(&ab, &of(&calls));
            prop_assert_eq!(&ba, &ab);
        }
    }
}
