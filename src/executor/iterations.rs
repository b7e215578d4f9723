//! A fixed amount of work: iterations with numbers, done by as many users as may be.
//!
//! A user takes the next number, waits until the curve has released it, performs it, and comes
//! back. Still a closed loop: a release permits an iteration to begin and does not say when it
//! should, so there is no intended start and no lag.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::crew::{Crew, pass_on_panic};
use super::{Driver, Stripe};
use crate::plan::Curve;

/// Has the stripe's share of the work done; returns when it is, or when `limit` has passed.
pub(super) async fn offer<D: Driver>(
    crew: &Rc<Crew<D>>,
    users: &mut JoinSet<()>,
    work: Work,
    most_users: u64,
    limit: Option<Duration>,
) -> Instant {
    let stripe = crew.shift.stripe.among(most_users);
    let work = Rc::new(work);
    for number in stripe.below(most_users) {
        users.spawn_local(labour(Rc::clone(crew), Rc::clone(&work), stripe, number));
    }
    let limit = limit.unwrap_or(Duration::MAX);
    tokio::select! {
        biased;
        () = all_ended(users) => Instant::now(),
        () = crew.sleep_until(limit) => crew.at(limit),
    }
}

/// Waits until every user has ended.
async fn all_ended(users: &mut JoinSet<()>) {
    while let Some(ended) = users.join_next().await {
        pass_on_panic(ended);
    }
}

/// The life of one user.
async fn labour<D: Driver>(crew: Rc<Crew<D>>, work: Rc<Work>, stripe: Stripe, number: u64) {
    let mut user = crew.create(number).await;
    while let Some((iteration, release)) = work.take(stripe) {
        crew.sleep_until(release).await;
        if crew.is_closing() {
            break;
        }
        crew.iterate_freely(&mut user, iteration).await;
    }
    crew.leave();
}

/// The work that is left for this worker.
pub(super) struct Work {
    /// How many iterations have been released by a time.
    curve: Curve,
    /// How many there are, over all workers.
    total: u64,
    /// How many this worker has handed out.
    taken: Cell<u64>,
}

impl Work {
    pub(super) fn new(curve: Curve, total: u64) -> Self {
        Self { curve, total, taken: Cell::new(0) }
    }

    /// The next iteration of the stripe, and when it is released.
    fn take(&self, stripe: Stripe) -> Option<(u64, Duration)> {
        let number = stripe.worker.checked_add(self.taken.get().checked_mul(stripe.of)?)?;
        if number >= self.total {
            return None;
        }
        self.taken.update(|taken| taken + 1);
        let release = self.curve.rise_above(number as f64, Duration::ZERO);
        Some((number, release.unwrap_or_else(|| self.curve.duration())))
    }
}
