//! Calls under way, and when they were meant to be made.
//!
//! A call is counted when it has ended, in the window in which it was meant to be made. So nobody knows
//! what came of a stretch of time before the last call of it has ended; where something is to be
//! broken, calls under way are kept in mind, so that a judgement in the middle of the run waits for
//! them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

use super::Moment;
use crate::script::context::{Context, UserState};

/// How finely moments are told apart.
const GRAIN: u128 = 50;

/// The calls of one Lua state that are under way: how many by moment. `None` where nobody asks.
#[derive(Debug, Default)]
pub struct Afoot(RefCell<Option<BTreeMap<u64, u32>>>);

impl Afoot {
    /// From now on they are kept in mind.
    pub fn follow(&self) {
        self.0.borrow_mut().get_or_insert_default();
    }

    /// The moment, from the begin of the load, before which nothing is under way that was meant to
    /// be made then; `None` where nothing is under way.
    pub fn since(&self) -> Option<Duration> {
        let calls = self.0.borrow();
        let (oldest, _) = calls.as_ref()?.first_key_value()?;
        Some(Duration::from_millis(oldest * GRAIN as u64))
    }

    /// One more is under way; the answer is where it is kept.
    fn add(&self, made: impl FnOnce() -> Duration) -> Option<u64> {
        let mut calls = self.0.borrow_mut();
        let calls = calls.as_mut()?;
        let at = (made().as_millis() / GRAIN) as u64;
        *calls.entry(at).or_default() += 1;
        Some(at)
    }

    fn remove(&self, at: u64) {
        if let Some(calls) = self.0.borrow_mut().as_mut()
            && let Some(count) = calls.get_mut(&at)
        {
            *count -= 1;
            if *count == 0 {
                calls.remove(&at);
            }
        }
    }
}

/// When a call was meant to be made. The call is under way until this is dropped.
#[derive(Debug, Default)]
pub struct Meant {
    intended: Option<Instant>,
    afoot: Option<(Rc<Afoot>, u64)>,
}

impl Meant {
    /// A call of a user begins. Only the first measured call of an iteration has an intended time:
    /// later ones depend on it.
    #[inline]
    pub fn new(context: &Context, user: &UserState, measured: bool) -> Self {
        if !measured {
            return Self::default();
        }
        let intended = user.intended.take();
        let since = || {
            let begin = context.world.begin.get().copied();
            let made = intended.unwrap_or_else(Instant::now);
            begin.map_or(Duration::ZERO, |begin| made.saturating_duration_since(begin))
        };
        let at = context.afoot.add(since);
        Self { intended, afoot: at.map(|at| (Rc::clone(&context.afoot), at)) }
    }

    /// Then; for a later call, when it was made.
    pub fn moment(&self, context: &Context, started: Instant) -> Moment {
        context.world.moment(self.intended.unwrap_or(started))
    }
}

impl Drop for Meant {
    fn drop(&mut self) {
        if let Some((afoot, at)) = self.afoot.take() {
            afoot.remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_call_under_way_is_known_until_the_last_of_its_moment_has_ended() {
        let afoot = Rc::new(Afoot::default());
        let call = |at| {
            let at = afoot.add(|| Duration::from_millis(at));
            Meant { intended: None, afoot: at.map(|at| (Rc::clone(&afoot), at)) }
        };
        drop(call(100));
        assert_eq!(afoot.since(), None);
        let before = call(50);
        afoot.follow();
        assert_eq!(afoot.since(), None, "nobody asked when it began");
        let (first, second, third) = (call(1_230), call(1_210), call(2_000));
        assert_eq!(afoot.since(), Some(Duration::from_millis(1_200)));
        drop((before, first));
        assert_eq!(afoot.since(), Some(Duration::from_millis(1_200)));
        drop(second);
        assert_eq!(afoot.since(), Some(Duration::from_secs(2)));
        drop(third);
        assert_eq!(afoot.since(), None);
    }
}
