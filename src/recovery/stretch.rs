//! Stretches of time and the calls that belong to them.

use std::time::Duration;

use super::Calls;
use crate::metric::{Merge, Tally, Window};

/// A stretch of time and the calls that belong to it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Stretch {
    pub(super) begin: Duration,
    pub(super) end: Duration,
    pub(super) tally: Tally,
    /// Arrivals without a user.
    pub(super) dropped: u64,
}

impl Stretch {
    /// How long it is, in seconds.
    pub(super) fn length(&self) -> f64 {
        self.end.saturating_sub(self.begin).as_secs_f64()
    }

    /// Calls that were to be made in it.
    pub(super) fn offered(&self) -> u64 {
        self.tally.count() + self.dropped
    }

    /// Of these, those that served nobody.
    pub(super) fn lost(&self) -> u64 {
        self.offered().saturating_sub(self.tally.served())
    }

    /// Takes in the stretch that follows.
    pub(super) fn add(&mut self, next: &Self) {
        self.end = next.end;
        self.tally.merge(&next.tally);
        self.dropped += next.dropped;
    }
}

impl Calls<'_> {
    /// The windows that begin from `from` to before `to`, by when calls were meant to be made.
    pub(super) fn made(&self, from: Duration, to: Duration) -> Vec<Stretch> {
        self.stretches(from, to, |window| (&window.made, window.dropped))
    }

    /// The same by when calls ended.
    pub(super) fn ended(&self, from: Duration, to: Duration) -> Vec<Stretch> {
        self.stretches(from, to, |window| (&window.ended, 0))
    }

    fn stretches(
        &self,
        from: Duration,
        to: Duration,
        of: impl Fn(&Window) -> (&Tally, u64),
    ) -> Vec<Stretch> {
        let windows = self.windows.iter(self.edges);
        let within = windows.filter(|((begin, _), _)| *begin >= from && *begin < to);
        let stretches = within.map(|((begin, end), window)| {
            let (tally, dropped) = of(window);
            Stretch { begin, end: end.min(to), tally: tally.clone(), dropped }
        });
        stretches.filter(|stretch| stretch.offered() > 0).collect()
    }
}

/// All of them together.
pub(super) fn sum(stretches: &[Stretch]) -> Stretch {
    let mut all = stretches.first().cloned().unwrap_or_default();
    stretches.iter().skip(1).for_each(|next| all.add(next));
    all
}
