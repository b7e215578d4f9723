//! The users of one scenario on one worker: what all three executors do with them.

use std::cell::Cell;
use std::panic;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{Counts, Driver, Halt, Shift, Turn, later};

/// What the users of one scenario share on one worker.
pub(super) struct Crew<D> {
    /// What the worker brings.
    pub(super) shift: Shift,
    /// What performs iterations.
    driver: Rc<D>,
    /// True when nothing more may be started.
    closing: Cell<bool>,
    /// Users there are, resting ones aside.
    present: Cell<u64>,
    /// Iterations taken up and not ended.
    busy: Cell<u64>,
    /// Told when `busy` comes to zero while closing.
    quiet: Notify,
}

impl<D: Driver> Crew<D> {
    pub(super) fn new(shift: Shift, driver: Rc<D>) -> Self {
        Self {
            shift,
            driver,
            closing: Cell::new(false),
            present: Cell::new(0),
            busy: Cell::new(0),
            quiet: Notify::new(),
        }
    }

    /// The instant that is `t` into the scenario.
    pub(super) fn at(&self, t: Duration) -> Instant {
        later(self.shift.begin, t)
    }

    /// How far the scenario is.
    pub(super) fn elapsed(&self) -> Duration {
        Instant::now().saturating_duration_since(self.shift.begin)
    }

    /// Waits until `t` into the scenario. Lets others run now and then even when `t` has passed
    /// long ago, so that a schedule that fell behind cannot keep its own users from running.
    pub(super) async fn sleep_until(&self, t: Duration) {
        tokio::task::coop::consume_budget().await;
        self.shift.clock.sleep_until(self.at(t)).await;
    }

    /// True when nothing more may be started.
    pub(super) fn is_closing(&self) -> bool {
        self.closing.get()
    }

    /// Makes a user, who is present from now on.
    pub(super) async fn create(&self, number: u64) -> D::User {
        self.arrive();
        self.shift.tally.note(|counts| counts.unready += 1);
        let user = self.driver.create(number).await;
        self.shift.tally.note(|counts| counts.unready -= 1);
        user
    }

    /// Makes a user for an arrival that waits for it.
    pub(super) async fn create_for(&self, number: u64, turn: Turn) -> D::User {
        let begun = Instant::now();
        let user = self.create(number).await;
        let is_late = turn.intended.is_some_and(|intended| intended.elapsed() > Counts::LATE);
        if is_late && begun.elapsed() * 2 > Counts::LATE {
            self.shift.tally.note(|counts| counts.awaited_init += 1);
        }
        user
    }

    /// A user is there, for the first time or again.
    pub(super) fn arrive(&self) {
        self.present.update(|users| users + 1);
        self.shift.tally.note(|counts| counts.users_now += 1);
    }

    /// A user has gone, for good or to rest.
    pub(super) fn leave(&self) {
        self.present.update(|users| users - 1);
        self.shift.tally.note(|counts| counts.users_now -= 1);
    }

    /// An arrival is due; it will be either taken up or dropped.
    pub(super) fn offered(&self) {
        self.shift.tally.note(|counts| counts.offered += 1);
    }

    /// No user can take up the arrival that is due.
    pub(super) fn dropped(&self) {
        self.shift.tally.note(|counts| counts.dropped += 1);
    }

    /// A user takes up an iteration: from here on it is running.
    pub(super) fn taken(&self) {
        self.busy.update(|busy| busy + 1);
        self.shift.tally.note(|counts| {
            counts.started += 1;
            counts.users_busy += 1;
        });
    }

    /// Performs the iteration that was [`taken`](Self::taken) up.
    pub(super) async fn iterate(&self, user: &mut D::User, turn: Turn) {
        if turn.intended.is_some_and(|intended| intended.elapsed() > Counts::LATE) {
            self.shift.tally.note(|counts| counts.late += 1);
        }
        self.driver.iterate(user, turn).await;
        self.busy.update(|busy| busy - 1);
        self.shift.tally.note(|counts| {
            counts.finished += 1;
            counts.users_busy -= 1;
        });
        if self.closing.get() {
            self.shift.tally.settle();
            if self.busy.get() == 0 {
                self.quiet.notify_one();
            }
        }
    }

    /// Takes up an iteration nobody but this user asked for, and performs it.
    pub(super) async fn iterate_freely(&self, user: &mut D::User, number: u64) {
        self.offered();
        self.taken();
        self.iterate(user, Turn { number, intended: None }).await;
        // A target that answers without waiting, or a script that only fails, must not keep the
        // worker to itself.
        tokio::task::coop::consume_budget().await;
    }

    /// Starts nothing more, waits for what is running until `deadline`, and cuts off the rest.
    pub(super) async fn close(&self, mut users: JoinSet<()>, deadline: Instant) {
        self.closing.set(true);
        self.shift.tally.close();
        if self.busy.get() > 0 {
            tokio::select! {
                biased;
                () = self.shift.stop.reached(Halt::Now) => {}
                () = self.quiet.notified() => {}
                () = self.shift.clock.sleep_until(deadline) => {}
            }
        }
        users.abort_all();
        while let Some(ended) = users.join_next().await {
            pass_on_panic(ended);
        }
        self.shift.tally.note(|counts| {
            counts.unfinished += self.busy.get();
            counts.users_busy -= self.busy.get();
            counts.users_now -= self.present.get();
        });
    }
}

/// A panic in a user is an error of ours: it goes on to whoever runs the scenario.
pub(super) fn pass_on_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        panic::resume_unwind(error.into_panic());
    }
}
