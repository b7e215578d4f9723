//! When to start: the three ways of offering load, each one file.
//!
//! An executor knows time and numbers, neither Lua nor protocols. It drives the part of a
//! scenario that belongs to one worker ([`Stripe`]): worker *w* of *N* owns every user and every
//! arrival whose number is *w* modulo *N*, so N workers start exactly what one would.
//!
//! All three have one shape: `offer` walks the closed form of the curve, sleeps until something
//! is due and starts it; [`run`] ends that when the load or the run is over, lets what is running
//! finish within `graceful_stop`, and drops the rest. Each user is a task of the worker's
//! `LocalRuntime`, so a user that is cut off is simply dropped, at whatever it was waiting for.

#[cfg(target_os = "linux")]
mod alarm;
mod clock;
mod crew;
mod iterations;
mod rate;
mod tally;
mod users;

use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::plan::{Load, Scenario};
use crew::Crew;

pub use clock::{Clock, Sleep};
pub use tally::{Counts, Tally};

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

    /// Performs one iteration; returns when it has ended, however it ended. It may be dropped
    /// before that: the iteration is then counted as unfinished.
    fn iterate(&self, user: &mut Self::User, turn: Turn) -> impl Future<Output = ()>;
}

/// How far a run is told to stop; it never goes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Halt {
    /// Go on.
    #[default]
    Run,
    /// Start nothing more; what is running has `graceful_stop` to finish.
    Graceful,
    /// Cut everything off.
    Now,
}

/// The receiving end of a [`Halt`].
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<Halt>);

/// What a worker brings to one scenario, besides what the scenario says itself.
#[derive(Clone, Debug)]
pub struct Shift {
    /// Which users and arrivals are this worker's.
    pub stripe: Stripe,
    /// The zero of the scenario's curve; may lie ahead.
    pub begin: Instant,
    /// The run's seed: Poisson arrivals follow from it and the scenario's name.
    pub seed: u64,
    /// What the worker's sleepers wait with.
    pub clock: Clock,
    /// Ends the scenario early.
    pub stop: Stop,
    /// Where everything is counted.
    pub tally: Rc<Tally>,
}

/// Runs this worker's part of `scenario`; returns when all its users have ended.
///
/// Must be called within a `LocalRuntime`.
///
/// # Panics
/// When an iteration has panicked: passed on once the scenario is over.
pub async fn run<D: Driver>(scenario: &Scenario, shift: Shift, driver: Rc<D>) {
    let crew = Rc::new(Crew::new(shift, driver));
    let mut users = JoinSet::new();
    let end = tokio::select! {
        biased;
        () = crew.shift.stop.reached(Halt::Graceful) => Instant::now(),
        end = offer(&crew, &mut users, scenario) => end,
    };
    crew.close(users, later(end, scenario.graceful_stop)).await;
}

/// Offers the load, and returns when its last second is over.
async fn offer<D: Driver>(
    crew: &Rc<Crew<D>>,
    users: &mut JoinSet<()>,
    scenario: &Scenario,
) -> Instant {
    crew.sleep_until(Duration::ZERO).await;
    let most = scenario.most_users();
    match &scenario.load {
        Load::Users(curve) => users::offer(crew, users, curve).await,
        Load::Rate { curve, arrivals } => {
            let chance = rate::Chance::new(*arrivals, crew.shift.seed, &scenario.name);
            rate::offer(crew, users, curve, chance, most).await;
        }
        Load::Iterations { curve, total, duration } => {
            let work = iterations::Work::new(curve.clone(), *total);
            return iterations::offer(crew, users, work, most, *duration).await;
        }
    }
    crew.at(scenario.load.duration())
}

/// `duration` after `instant`, or in practice never if no instant is that late.
fn later(instant: Instant, duration: Duration) -> Instant {
    const NEVER: Duration = Duration::from_hours(30 * 365 * 24);
    instant.checked_add(duration).unwrap_or(instant + NEVER)
}

impl Stripe {
    /// The share of a worker when only `users` users do the work: a worker that may have none
    /// owns nothing, instead of owning work that nobody could do.
    fn among(self, users: u64) -> Self {
        Self { of: self.of.min(users.max(1)), ..self }
    }

    /// Its numbers, from the smallest, below `end`.
    fn below(self, end: u64) -> impl Iterator<Item = u64> {
        let end = if self.worker < self.of { end } else { 0 };
        (self.worker..end).step_by(self.of as usize)
    }
}

impl Stop {
    /// A way to stop runs, and what they listen to.
    pub fn channel() -> (watch::Sender<Halt>, Self) {
        let (sender, receiver) = watch::channel(Halt::Run);
        (sender, Self(receiver))
    }

    /// Waits until at least `halt` is asked for; for ever if nobody is left who could ask.
    pub async fn reached(&self, halt: Halt) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|asked| *asked >= halt).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests;
