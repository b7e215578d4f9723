//! When to start: the three ways of offering load, each one file.
//!
//! An executor knows time and numbers, neither Lua nor protocols. It drives the part of a
//! scenario that belongs to one worker ([`Stripe`]): worker *w* of *N* owns every user and every
//! arrival whose number is *w* modulo *N*, so N workers start exactly what one would.

use std::future::Future;

use tokio::time::Instant;

/// Which share of all numbers belongs to this worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stripe {
    /// This worker's number, from 0.
    pub worker: u64,
    /// How many workers there are.
    pub of: u64,
}

/// One iteration, as the executor asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Arrival number (`rate`), iteration number (`iterations`), or how many iterations this user
    /// has begun before (`users`). With the scenario and, for `users`, the user's number, it seeds
    /// the iteration's randomness.
    pub number: u64,
    /// When the iteration should have begun by the schedule; `None` in a closed loop, where
    /// nothing outside the user says when.
    pub intended: Option<Instant>,
}

/// What an executor drives; the engine implements it over script users, tests over counters.
pub trait Driver: 'static {
    /// One user's state between iterations.
    type User: 'static;

    /// Makes user `number` ready (its `init` included).
    fn create(&self, number: u64) -> impl Future<Output = Self::User>;

    /// Performs one iteration; returns when it has ended, however it ended.
    fn iterate(&self, user: &mut Self::User, turn: Turn) -> impl Future<Output = ()>;
}
