//! Faults on the script's own calls: a share of the calls of a name fails, is late, or loses its
//! reply, as if something between here and the target were broken.
//!
//! `fault.calls {}` declares one; it is the same in every Lua state ([`World::kept`]), off until
//! the run turns it on, and counts what it touches. Which operations it is for is found out once an
//! operation, so where no fault is declared a call pays for one look at an empty list.
//!
//! Who is touched can be replayed: it follows from the run's seed, the fault's name, the seed of
//! the iteration and the number of the call in it, never from the worker, the user or the clock.
//! Calls outside iterations (`setup`, `init`) are never touched.

mod struck;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::context::UserState;
use super::world::World;
use crate::client::FailureKind;
use crate::fault::{CALLS, Switch};
use crate::units::{show_duration, show_share};
use crate::wire::toxic::{Touched, fits, roll};

pub use struck::{cut, strike};

/// A fault on calls of the script's own.
#[derive(Debug)]
pub struct Calls {
    /// What the run calls it.
    name: String,
    rule: Rule,
    seed: u64,
    /// How many times over it is on: faults may overlap.
    on: AtomicU32,
    eligible: AtomicU64,
    touched: AtomicU64,
}

/// What a script says of such a fault.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Which calls: `redis.*`, `http.order`, `sql.*`; `*` stands for anything.
    pub calls: String,
    /// What is done to them.
    pub effect: Effect,
    /// To which share of them, 0 to 1.
    pub share: f64,
}

/// What is done to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It is not sent and fails, after a time; without one as soon as such a failure is known: a
    /// timeout when the call's time is over, everything else at once.
    Fail(FailureKind, Option<Duration>),
    /// It is sent later, and has as much less time.
    Delay(Duration),
    /// It is sent and done, and the reply is lost.
    Cut,
}

impl Calls {
    /// The kind such a fault is of.
    pub const KIND: &str = CALLS;

    /// A fault that is off.
    pub fn new(name: &str, rule: Rule, seed: u64) -> Self {
        Self {
            name: name.to_owned(),
            rule,
            seed,
            on: AtomicU32::new(0),
            eligible: AtomicU64::new(0),
            touched: AtomicU64::new(0),
        }
    }

    /// What the run calls it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is on.
    pub fn is_on(&self) -> bool {
        self.on.load(Relaxed) > 0
    }

    /// What it does, in the words of the script that declares it.
    pub fn words(&self) -> Vec<(String, String)> {
        let Rule { calls, effect, share } = &self.rule;
        let pair = |name: &str, value: String| (name.to_owned(), value);
        let mut words = vec![pair("of", calls.clone()), pair("share", show_share(*share))];
        match effect {
            Effect::Fail(kind, after) => {
                words.push(pair("error", kind.as_str().to_owned()));
                words.extend(after.map(|after| pair("delay", show_duration(after))));
            }
            Effect::Delay(by) => words.push(pair("delay", show_duration(*by))),
            Effect::Cut => words.push(pair("cut", "true".to_owned())),
        }
        words
    }

    /// Whether it is for call number `nth` of an iteration, counting that it could be.
    fn concerns(&self, iteration: u64, nth: u64) -> bool {
        if !self.is_on() {
            return false;
        }
        self.eligible.fetch_add(1, Relaxed);
        roll(self.seed, &self.name, iteration, nth) < self.rule.share
    }

    /// Touches a call.
    fn strike(&self) -> Effect {
        self.touched.fetch_add(1, Relaxed);
        self.rule.effect
    }
}

impl Switch for Calls {
    fn turn(&self, on: bool) {
        if on {
            self.on.fetch_add(1, Relaxed)
        } else {
            self.on.fetch_sub(1, Relaxed)
        };
    }

    /// Here a connection is a call.
    fn touched(&self) -> Touched {
        let (eligible, touched) = (self.eligible.load(Relaxed), self.touched.load(Relaxed));
        Touched { eligible, connections: touched, chunks: touched, bytes: 0 }
    }
}

/// The faults that one operation's calls may meet, in the order of their names.
#[derive(Debug, Default)]
pub struct Dangers(Box<[Arc<Calls>]>);

impl Dangers {
    /// Every fault of the run.
    pub fn all(world: &World) -> Self {
        Self(world.all_kept::<Calls>().into_iter().map(|(_, calls)| calls).collect())
    }

    /// Those that concern an operation: `redis` and all that its calls are known by.
    pub fn of(&self, thing: &str, names: &[&str]) -> Self {
        let concerns = |calls: &&Arc<Calls>| {
            names.iter().any(|name| fits(&calls.rule.calls, &format!("{thing}.{name}")))
        };
        Self(self.0.iter().filter(concerns).cloned().collect())
    }

    /// What happens to the call that a user is about to make.
    #[inline]
    pub fn meet(&self, user: &UserState) -> Option<Effect> {
        if self.0.is_empty() { None } else { self.met(user) }
    }

    fn met(&self, user: &UserState) -> Option<Effect> {
        self.struck(user.seed(), user.next_call())
    }

    /// What the first does that is for the call: nothing is left of it for another, which so has not
    /// touched it.
    fn struck(&self, iteration: u64, nth: u64) -> Option<Effect> {
        let concerned = self.0.iter().filter(|calls| calls.concerns(iteration, nth));
        concerned.fold(None, |first, calls| first.or_else(|| Some(calls.strike())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything_or_nothing() {
        for (pattern, text, expected) in [
            ("redis.*", "redis.GET", true),
            ("redis.*", "redis.", true),
            ("redis.*", "http.GET", false),
            ("*.cart", "redis.cart", true),
            ("http.GET /items/*", "http.GET /items/{id}", true),
            ("h*p.*o*r", "http.order", true),
            ("h*p.*o*x", "http.order", false),
            ("http.order", "http.orders", false),
            ("*", "sql.SELECT grüß", true),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn what_a_share_touches_follows_from_the_iteration_and_the_call_alone() {
        let rule = |share| Rule { calls: "redis.*".to_owned(), effect: Effect::Cut, share };
        let touched = |share, seed| -> Vec<(u64, u64)> {
            let calls = Calls::new("cut", rule(share), seed);
            calls.turn(true);
            let all = (0..500).flat_map(|iteration| (0..4).map(move |nth| (iteration, nth)));
            all.filter(|(iteration, nth)| calls.concerns(*iteration, *nth)).collect()
        };
        let tenth = touched(0.1, 1);
        assert!((140..260).contains(&tenth.len()), "{}", tenth.len());
        assert_eq!(tenth, touched(0.1, 1));
        assert_ne!(tenth, touched(0.1, 2));
        let fifth = touched(0.2, 1);
        assert!(tenth.iter().all(|call| fifth.contains(call)));
        assert!(touched(0.0, 1).is_empty() && touched(1.0, 1).len() == 2000);
    }

    #[test]
    fn what_is_off_touches_and_counts_nothing() {
        let rule = Rule { calls: "*".to_owned(), effect: Effect::Cut, share: 1.0 };
        let calls = Arc::new(Calls::new("cut", rule, 1));
        let dangers = Dangers(Box::new([Arc::clone(&calls)]));
        assert_eq!(dangers.struck(1, 1), None);
        calls.turn(true);
        assert_eq!(dangers.struck(1, 1), Some(Effect::Cut));
        calls.turn(false);
        assert_eq!(dangers.struck(1, 2), None);
        let touched = calls.touched();
        assert_eq!((touched.eligible, touched.connections), (1, 1));
    }

    #[test]
    fn of_two_that_are_for_a_call_only_the_one_that_it_suffers_has_touched_it() {
        let made = |name, effect, share| {
            let calls = Calls::new(name, Rule { calls: "*".to_owned(), effect, share }, 1);
            calls.turn(true);
            Arc::new(calls)
        };
        let late = Effect::Delay(Duration::from_secs(1));
        let [half, all, never] =
            [made("a", Effect::Cut, 0.5), made("b", late, 1.0), made("c", late, 1.0)];
        let dangers = Dangers([&half, &all, &never].map(Arc::clone).into());
        let cut =
            (0..100).filter(|nth| dangers.struck(7, *nth) == Some(Effect::Cut)).count() as u64;
        let touched = [half, all, never].map(|calls| calls.touched().connections);
        assert_eq!(touched, [cut, 100 - cut, 0]);
        assert!((30..70).contains(&cut), "{cut}");
    }
}
