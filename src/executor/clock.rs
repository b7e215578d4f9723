//! A worker's clock: wakes sleepers when they are due.
//!
//! tokio's timer has a grain of 1 ms, which at 5,000 arrivals/s would bunch them by fives. On
//! Linux a [`Clock`] is therefore an [`Alarm`](super::alarm), fine to the scheduler's own delay:
//! at 5,000 arrivals/s a start was late by 19 us in the median and 45 us at p99, by tokio's timer
//! by 0.6 ms and 2.8 ms (release build, real-time priority on a busy machine of two cores).
//! Elsewhere, and in tests with paused time, which no file descriptor could follow, it is tokio's
//! timer.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::Instant;

#[cfg(target_os = "linux")]
use super::alarm;

/// What a worker's users and executors sleep by. Clones share one alarm; it stays on its thread.
#[derive(Clone, Debug)]
pub struct Clock(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Tokio,
    #[cfg(target_os = "linux")]
    Alarm(std::rc::Rc<alarm::Alarm>),
}

impl Clock {
    /// The finest clock this system has, for real time only.
    ///
    /// # Panics
    /// Outside of a `LocalRuntime` with I/O enabled.
    pub fn new() -> io::Result<Self> {
        #[cfg(target_os = "linux")]
        return Ok(Self(Kind::Alarm(alarm::Alarm::new()?)));
        #[cfg(not(target_os = "linux"))]
        return Ok(Self::tokio());
    }

    /// tokio's clock: as coarse as a millisecond, but it can be paused and moved by a test.
    pub fn tokio() -> Self {
        Self(Kind::Tokio)
    }

    /// Waits until `deadline`; ready at once, without being put anywhere, if that has passed.
    pub fn sleep_until(&self, deadline: Instant) -> Sleep {
        Sleep(match &self.0 {
            _ if deadline <= Instant::now() => Wait::Over,
            Kind::Tokio => Wait::Tokio(Box::pin(tokio::time::sleep_until(deadline))),
            #[cfg(target_os = "linux")]
            Kind::Alarm(alarm) => Wait::Alarm(alarm::Sleeper::new(alarm, deadline)),
        })
    }
}

/// Ends at its deadline; may be dropped before. Small, as 100,000 users may hold one each.
#[derive(Debug)]
#[must_use = "a sleep does nothing unless it is awaited"]
pub struct Sleep(Wait);

#[derive(Debug)]
enum Wait {
    Over,
    Tokio(Pin<Box<tokio::time::Sleep>>),
    #[cfg(target_os = "linux")]
    Alarm(alarm::Sleeper),
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        match &mut self.0 {
            Wait::Over => Poll::Ready(()),
            Wait::Tokio(sleep) => sleep.as_mut().poll(context),
            #[cfg(target_os = "linux")]
            Wait::Alarm(sleeper) => sleeper.poll(context),
        }
    }
}
