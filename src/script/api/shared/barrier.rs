//! A barrier: users of any worker wait at it until `n` have arrived, then all go on together.
//!
//! It can be used again: the next `n` make the next round. A waiter that gives up, or whose
//! iteration is ended, is taken off the count, so it cannot stand in for somebody later.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

/// A meeting point for `size` users.
#[derive(Debug)]
pub struct Barrier {
    round: Mutex<Round>,
    opened: Notify,
    /// How many must arrive.
    pub size: u64,
}

/// Who is waiting now.
#[derive(Debug, Default)]
struct Round {
    /// Counts how often the barrier has opened.
    number: u64,
    /// Waiting in this round.
    arrived: u64,
}

impl Barrier {
    /// A barrier nobody has reached.
    pub fn new(size: u64) -> Self {
        Self { round: Mutex::default(), opened: Notify::new(), size }
    }

    /// Waits until `size` users have arrived; false when `patience` ran out before.
    pub async fn wait(&self, patience: Option<Duration>) -> bool {
        let Some(mut waiter) = self.arrive() else {
            return true;
        };
        let Some(patience) = patience else {
            waiter.passed().await;
            return true;
        };
        // When it ran out, the last one may have arrived in the same instant.
        tokio::time::timeout(patience, waiter.passed()).await.is_ok() || waiter.withdraw()
    }

    /// Counts one more arrival; `None` for the last one, who opens the barrier.
    fn arrive(&self) -> Option<Waiter<'_>> {
        let mut round = self.round.lock().unwrap_or_else(PoisonError::into_inner);
        round.arrived += 1;
        if round.arrived < self.size {
            return Some(Waiter { barrier: self, round: Some(round.number) });
        }
        *round = Round { number: round.number + 1, arrived: 0 };
        drop(round);
        self.opened.notify_waiters();
        None
    }
}

/// A place in the count, given back when it is dropped before the barrier opens.
struct Waiter<'a> {
    barrier: &'a Barrier,
    /// The round waited for; `None` once the place is settled.
    round: Option<u64>,
}

impl Waiter<'_> {
    async fn passed(&mut self) {
        loop {
            // Registered before the look, so an opening between the two is not missed.
            let mut opened = std::pin::pin!(self.barrier.opened.notified());
            opened.as_mut().enable();
            if self.is_open() {
                self.round = None;
                return;
            }
            opened.await;
        }
    }

    fn is_open(&self) -> bool {
        let round = self.barrier.round.lock().unwrap_or_else(PoisonError::into_inner);
        self.round != Some(round.number)
    }

    /// Gives the place back; true when the barrier had opened already.
    fn withdraw(&mut self) -> bool {
        let mut round = self.barrier.round.lock().unwrap_or_else(PoisonError::into_inner);
        if self.round.take() == Some(round.number) {
            round.arrived -= 1;
            return false;
        }
        true
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        if self.round.is_some() {
            self.withdraw();
        }
    }
}
