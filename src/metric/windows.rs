//! Calls by short windows of time, kept only when something is to be broken during the run.
//!
//! Windows begin anew with every phase, so that none straddles the moment a fault begins or ends.
//! Each call is counted twice: in the window in which it was meant to be made (or in which a fault
//! met it under way), which tells what users were given, and in the window in which it ended, which
//! tells what could be known by then.

use std::collections::BTreeMap;
use std::time::Duration;

use super::received::BATCH;
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
    /// It was wanted, and those who would have made it knew better: a breaker that is open.
    Unmade,
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
    /// Calls that were never made, whatever users were given in their place: the target was spared.
    pub unmade: i64,
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

/// Windows while calls come in. Times of calls that were made, ended and went well in one window,
/// as nearly all do, wait in a batch of bounded size and are sorted in together, as a trend's are.
#[derive(Debug, Default)]
pub struct Filling {
    windows: Windows,
    /// The window of the calls in `batch`.
    slot: Slot,
    batch: Vec<u64>,
}

impl Tally {
    /// Calls counted.
    pub fn count(&self) -> u64 {
        (self.good + self.degraded + self.bad).max(0).cast_unsigned()
    }

    /// Calls that the target was asked: all but those never made.
    pub fn asked(&self) -> u64 {
        self.count().saturating_sub(self.unmade.max(0).cast_unsigned())
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
        if ending == Ending::Unmade {
            self.unmade += 1;
            return;
        }
        let times = if ending == Ending::Good { &mut self.times } else { &mut self.bad_times };
        times.record(nanoseconds(took));
    }

    fn shift(&mut self, ending: Ending, by: i64) {
        match ending {
            Ending::Good => self.good += by,
            Ending::Failed => self.bad += by,
            Ending::Refused | Ending::Unmade => {
                (self.bad, self.refused) = (self.bad + by, self.refused + by);
            }
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
        self.unmade += other.unmade;
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

impl Filling {
    /// Counts a call like [`Windows::add`]; the answer is also the number of its phase.
    pub fn add(
        &mut self,
        edges: &Edges,
        made: Duration,
        ended: Duration,
        ending: Ending,
    ) -> (Counted, u32) {
        let (met, phase) = edges.met(made, ended);
        let slot = edges.slot(met);
        if ending != Ending::Good || slot != edges.slot(ended) {
            return (self.windows.add(edges, made, ended, ending), phase);
        }
        if self.slot != slot || self.batch.len() == BATCH {
            self.sort_in();
            self.slot = slot;
        }
        self.batch.push(nanoseconds(ended.saturating_sub(made)));
        (Counted { made: slot, ended: slot, ending }, phase)
    }

    /// Like [`Windows::degrade`].
    pub fn degrade(&mut self, counted: Counted) {
        self.windows.degrade(counted);
    }

    /// Like [`Windows::drop_arrivals`].
    pub fn drop_arrivals(&mut self, edges: &Edges, at: Duration, arrivals: u64) {
        self.windows.drop_arrivals(edges, at, arrivals);
    }

    /// What was counted since the last take.
    pub fn take(&mut self) -> Windows {
        self.sort_in();
        std::mem::take(&mut self.windows)
    }

    fn sort_in(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let calls = self.batch.len().cast_signed() as i64;
        let mut times = Distribution::new();
        times.record_all(&mut self.batch);
        let window = self.windows.slots.entry(self.slot).or_default();
        for tally in [&mut window.made, &mut window.ended] {
            tally.good += calls;
            tally.times.merge(&times);
        }
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
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

    const ENDINGS: [Ending; 5] =
        [Ending::Good, Ending::Failed, Ending::Refused, Ending::Unmade, Ending::Indeterminate];

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

    #[test]
    fn a_call_that_was_never_made_was_lost_took_no_time_and_spared_the_target() {
        let (edges, mut windows) = (edges(), Windows::default());
        windows.add(&edges, MILLI * 10, MILLI * 20, Ending::Good);
        let unmade = windows.add(&edges, MILLI * 30, MILLI * 30, Ending::Unmade);
        let told = |windows: &Windows| {
            let tally = windows.iter(&edges).next().unwrap().1.made.clone();
            assert_eq!((tally.count(), tally.asked()), (2, 1));
            assert_eq!(tally.quantile(0.0), tally.quantile(1.0));
            (tally.served(), tally.bad, tally.refused)
        };
        assert_eq!(told(&windows), (1, 1, 1));
        // Also where its user was given something else.
        windows.degrade(unmade);
        assert_eq!(told(&windows), (2, 0, 0));
    }

    /// The windows of these calls, handed on once on the way.
    fn filled(calls: &[(u32, u32, usize)], at: usize) -> Windows {
        let (edges, mut filling) = (edges(), Filling::default());
        let mut windows = Windows::default();
        for (n, (made, took, ending)) in calls.iter().enumerate() {
            if n == at {
                windows.merge(&filling.take());
            }
            let (made, ended) = (MILLI * *made, MILLI * (*made + *took));
            let (counted, phase) = filling.add(&edges, made, ended, ENDINGS[*ending]);
            assert_eq!((counted.made.0, phase), (phase, edges.met(made, ended).1));
        }
        windows.merge(&filling.take());
        windows
    }

    #[test]
    fn a_window_busier_than_a_batch_loses_nothing() {
        let calls: Vec<_> = (0..3 * BATCH as u32 + 7).map(|n| (n % 50, n % 300, 0)).collect();
        let (windows, edges) = (filled(&calls, 5), edges());
        let [(_, window)] = windows.iter(&edges).collect::<Vec<_>>()[..] else {
            panic!("one window")
        };
        for tally in [&window.made, &window.ended] {
            assert_eq!((tally.count(), tally.times.count()), (calls.len() as u64, tally.count()));
            assert_eq!(tally.times.max(), 299_000_000);
        }
    }

    proptest! {
        #[test]
        fn merged_in_any_order_and_grouping_they_are_the_same(
            calls in prop::collection::vec((0..6_000u32, 0..3_000u32, 0..5_usize), 0..40),
            at in 0..40_usize,
        ) {
            let edges = edges();
            let of = |calls: &[(u32, u32, usize)]| {
                let mut windows = Windows::default();
                for (made, took, ending) in calls {
                    let made = MILLI * *made;
                    windows.add(&edges, made, made + MILLI * *took, ENDINGS[*ending]);
                }
                windows
            };
            let (a, b) = calls.split_at(at.min(calls.len()));
            let (mut ab, mut ba) = (of(a), of(b));
            ab.merge(&of(b));
            ba.merge(&of(a));
            prop_assert_eq!(&ab, &of(&calls));
            prop_assert_eq!(&ba, &ab);
            prop_assert_eq!(&filled(&calls, at), &ab);
        }
    }
}
