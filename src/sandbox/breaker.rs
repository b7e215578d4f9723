//! The practice target's circuit breaker: after so many failures in a row no calls are made for a
//! while; then one is let through to try, and what comes of it decides.
//!
//! Time is given from outside, so every turn of it can be tested. A trial that nobody reports the
//! end of, because its caller has gone, makes way for another after the same while.

use std::time::Duration;

use tokio::time::Instant;

use super::Trip;

/// One breaker.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    state: State,
    /// How often it has opened from closed.
    pub(super) opened: u64,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Calls are made; so many have failed in a row.
    Closed(u32),
    /// None are made since then.
    Open(Instant),
    /// One is being tried since then.
    HalfOpen(Instant),
}

impl Default for State {
    fn default() -> Self {
        Self::Closed(0)
    }
}

impl Breaker {
    /// Whether a call may be made now.
    pub(super) fn admits(&mut self, trip: Trip, now: Instant) -> bool {
        let Some((_, open)) = trip.0 else {
            self.state = State::default();
            return true;
        };
        match self.state {
            State::Closed(_) => true,
            State::Open(since) | State::HalfOpen(since) if is_over(since, open, now) => {
                self.state = State::HalfOpen(now);
                true
            }
            State::Open(_) | State::HalfOpen(_) => false,
        }
    }

    /// What came of a call that was made.
    pub(super) fn learns(&mut self, trip: Trip, succeeded: bool, now: Instant) {
        let Some((most, _)) = trip.0 else { return };
        self.state = match self.state {
            State::Closed(_) | State::HalfOpen(_) if succeeded => State::Closed(0),
            State::Closed(failures) if failures + 1 < most => State::Closed(failures + 1),
            State::Closed(_) => {
                self.opened += 1;
                State::Open(now)
            }
            State::HalfOpen(_) => State::Open(now),
            // A call from before it opened.
            open @ State::Open(_) => open,
        };
    }

    /// `closed`, `open` or `half-open`.
    pub(super) fn shown(&self) -> &'static str {
        match self.state {
            State::Closed(_) => "closed",
            State::Open(_) => "open",
            State::HalfOpen(_) => "half-open",
        }
    }
}

fn is_over(since: Instant, open: Duration, now: Instant) -> bool {
    now.saturating_duration_since(since) >= open
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const TRIP: Trip = Trip(Some((3, SECOND)));

    fn failed(breaker: &mut Breaker, times: u32, now: Instant) {
        for _ in 0..times {
            assert!(breaker.admits(TRIP, now));
            breaker.learns(TRIP, false, now);
        }
    }

    #[test]
    fn it_opens_after_so_many_failures_in_a_row_and_closes_when_a_trial_succeeds() {
        let (mut breaker, begin) = (Breaker::default(), Instant::now());
        failed(&mut breaker, 2, begin);
        breaker.learns(TRIP, true, begin);
        failed(&mut breaker, 3, begin);
        assert_eq!((breaker.shown(), breaker.opened), ("open", 1));
        assert!(!breaker.admits(TRIP, begin + SECOND / 2));
        assert!(breaker.admits(TRIP, begin + SECOND));
        assert_eq!(breaker.shown(), "half-open");
        assert!(!breaker.admits(TRIP, begin + SECOND), "one trial at a time");
        breaker.learns(TRIP, true, begin + SECOND);
        assert_eq!(breaker.shown(), "closed");
    }

    #[test]
    fn a_trial_that_fails_opens_it_again_for_as_long() {
        let (mut breaker, begin) = (Breaker::default(), Instant::now());
        failed(&mut breaker, 3, begin);
        failed(&mut breaker, 1, begin + SECOND);
        assert!(!breaker.admits(TRIP, begin + SECOND + SECOND / 2));
        assert!(breaker.admits(TRIP, begin + SECOND * 2));
        assert_eq!(breaker.opened, 1);
    }

    #[test]
    fn a_trial_whose_caller_has_gone_makes_way_for_another() {
        let (mut breaker, begin) = (Breaker::default(), Instant::now());
        failed(&mut breaker, 3, begin);
        assert!(breaker.admits(TRIP, begin + SECOND));
        assert!(!breaker.admits(TRIP, begin + SECOND + SECOND / 2));
        assert!(breaker.admits(TRIP, begin + SECOND * 2));
    }

    #[test]
    fn late_answers_of_calls_from_before_change_nothing_and_none_is_never_open() {
        let (mut breaker, begin) = (Breaker::default(), Instant::now());
        failed(&mut breaker, 3, begin);
        breaker.learns(TRIP, true, begin);
        assert_eq!(breaker.shown(), "open");
        assert!(breaker.admits(Trip(None), begin));
        assert_eq!(breaker.shown(), "closed");
    }
}
