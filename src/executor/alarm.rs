//! A fine alarm for one thread: many sleepers, one Linux `timerfd`.
//!
//! The timer is armed for the earliest sleeper in absolute `CLOCK_MONOTONIC`, the clock behind
//! [`Instant`], and wakes the runtime as a readable socket does. Who is due is decided by comparing
//! instants, never by which wake-up it was, so an early, late or spurious one is harmless, and the
//! timer need not be disarmed for a sleeper that was dropped. It need not be read either: setting
//! it anew takes back what it had to say.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::Instant;

/// The timer and who waits for it.
#[derive(Debug)]
pub(super) struct Alarm {
    timer: AsyncFd<OwnedFd>,
    /// One moment as both clocks show it, `Timespec` read last: so a wake-up is late by the few
    /// nanoseconds between the two readings, not early.
    origin: (Instant, Duration),
    /// By deadline, then in the order they came.
    sleepers: RefCell<BTreeMap<(Instant, u64), Waker>>,
    /// How many sleepers there have been; tells apart those with one deadline.
    count: Cell<u64>,
}

impl Alarm {
    /// An alarm, and a task on the present `LocalRuntime` that listens to it.
    pub(super) fn new() -> io::Result<Rc<Self>> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        // The newer constructor asks for `unsafe`, because a type may close its descriptor early;
        // an `OwnedFd` does not.
        #[expect(deprecated, reason = "sound for an OwnedFd")]
        let timer = AsyncFd::with_interest(timer, Interest::READABLE)?;
        let (instant, monotonic) = (Instant::now(), clock_gettime(ClockId::Monotonic));
        let alarm = Rc::new(Self {
            timer,
            origin: (instant, monotonic.try_into().map_err(io::Error::other)?),
            sleepers: RefCell::default(),
            count: Cell::new(0),
        });
        tokio::task::spawn_local(listen(Rc::downgrade(&alarm)));
        Ok(alarm)
    }

    /// Arms the timer for `deadline`.
    fn arm(&self, deadline: Instant) {
        let (instant, monotonic) = self.origin;
        let due = monotonic.saturating_add(deadline.saturating_duration_since(instant));
        let once = Itimerspec {
            it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
            it_value: Timespec::try_from(due).unwrap_or(Timespec { tv_sec: i64::MAX, tv_nsec: 0 }),
        };
        if let Err(error) = timerfd_settime(self.timer.get_ref(), TimerfdTimerFlags::ABSTIME, &once)
        {
            unreachable!("a timer takes every valid time: {error}");
        }
    }

    /// Wakes everyone who is due, and arms the timer for the next.
    fn ring(&self) {
        let now = Instant::now();
        // Not under one borrow: a waker may drop or poll other sleepers.
        while let Some(waker) = self.take_due(now) {
            waker.wake();
        }
        let next = self.sleepers.borrow().first_key_value().map(|((deadline, _), _)| *deadline);
        if let Some(deadline) = next {
            self.arm(deadline);
        }
    }

    /// The first sleeper, if it is due.
    fn take_due(&self, now: Instant) -> Option<Waker> {
        let mut sleepers = self.sleepers.borrow_mut();
        let first = sleepers.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }

    /// Has `waker` woken at `deadline`.
    fn insert(&self, key: (Instant, u64), waker: &Waker) {
        let mut sleepers = self.sleepers.borrow_mut();
        match sleepers.entry(key) {
            Entry::Occupied(mut sleeper) => sleeper.get_mut().clone_from(waker),
            Entry::Vacant(place) => {
                place.insert(waker.clone());
                if sleepers.first_key_value().is_some_and(|(first, _)| *first == key) {
                    self.arm(key.0);
                }
            }
        }
    }
}

/// Rings whenever the timer says so, as long as anyone holds the alarm.
async fn listen(alarm: Weak<Alarm>) {
    poll_fn(|context| {
        while let Some(alarm) = alarm.upgrade() {
            match alarm.timer.poll_read_ready(context) {
                Poll::Ready(Ok(mut ready)) => {
                    ready.clear_ready();
                    alarm.ring();
                }
                // Only while the runtime shuts down.
                Poll::Ready(Err(_)) => break,
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(())
    })
    .await;
}

/// One who sleeps by an alarm.
#[derive(Debug)]
pub(super) struct Sleeper {
    alarm: Rc<Alarm>,
    deadline: Instant,
    /// Its number, once it has had to wait.
    waiting: Option<u64>,
}

impl Sleeper {
    pub(super) fn new(alarm: &Rc<Alarm>, deadline: Instant) -> Self {
        Self { alarm: Rc::clone(alarm), deadline, waiting: None }
    }

    /// Ready once the deadline has come.
    pub(super) fn poll(&mut self, context: &Context<'_>) -> Poll<()> {
        if Instant::now() >= self.deadline {
            return Poll::Ready(());
        }
        let number = *self.waiting.get_or_insert_with(|| {
            self.alarm.count.update(|count| count + 1);
            self.alarm.count.get()
        });
        self.alarm.insert((self.deadline, number), context.waker());
        Poll::Pending
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        if let Some(number) = self.waiting {
            self.alarm.sleepers.borrow_mut().remove(&(self.deadline, number));
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::runtime::LocalRuntime;
    use tokio::task::JoinSet;

    use super::super::Clock;
    use super::*;

    /// Does `work` in real time: no test here says how fast the machine is.
    fn really<T>(work: impl Future<Output = T>) -> T {
        LocalRuntime::new().unwrap().block_on(work)
    }

    #[test]
    fn every_sleeper_is_woken_and_none_early() {
        really(async {
            let clock = Clock::new().unwrap();
            let begin = Instant::now();
            let woken = Rc::new(Cell::new(0));
            let mut sleepers = JoinSet::new();
            for number in 0..200_u64 {
                // 0 to 20 ms, in an order of its own, some at one instant.
                let deadline = begin + Duration::from_micros(number * 7_919 % 100 * 200);
                let (clock, woken) = (clock.clone(), Rc::clone(&woken));
                sleepers.spawn_local(async move {
                    clock.sleep_until(deadline).await;
                    assert!(Instant::now() >= deadline);
                    woken.update(|woken| woken + 1);
                });
            }
            sleepers.join_all().await;
            assert_eq!(woken.get(), 200);
        });
    }

    #[test]
    fn a_deadline_that_has_passed_is_not_waited_for() {
        really(async {
            let clock = Clock::new().unwrap();
            let past = Instant::now();
            let polled = polled_once(clock.sleep_until(past)).await;
            assert!(polled.is_ready());
        });
    }

    #[test]
    fn a_dropped_sleeper_is_forgotten_and_wakes_nobody_else_late() {
        really(async {
            let alarm = Alarm::new().unwrap();
            let now = Instant::now();
            let (near, far) = (now + Duration::from_millis(5), now + Duration::from_hours(1));
            let mut forgotten = Sleeper::new(&alarm, far);
            let mut first = Sleeper::new(&alarm, near - Duration::from_millis(1));
            let mut second = Sleeper::new(&alarm, near);
            poll_fn(|context| {
                for sleeper in [&mut forgotten, &mut first, &mut second] {
                    assert!(sleeper.poll(context).is_pending());
                }
                Poll::Ready(())
            })
            .await;
            assert_eq!(alarm.sleepers.borrow().len(), 3);
            drop((forgotten, first));
            assert_eq!(alarm.sleepers.borrow().len(), 1);
            poll_fn(|context| second.poll(context)).await;
            drop(second);
            assert!(alarm.sleepers.borrow().is_empty());
        });
    }

    #[test]
    fn an_alarm_ends_with_its_last_holder() {
        really(async {
            let alarm = Alarm::new().unwrap();
            let held = Rc::downgrade(&alarm);
            tokio::task::yield_now().await;
            drop(alarm);
            assert!(held.upgrade().is_none(), "the listening task holds it only while it rings");
        });
    }

    /// What `future` says when it is polled once.
    async fn polled_once<F: Future>(future: F) -> Poll<F::Output> {
        let mut future = std::pin::pin!(future);
        poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await
    }
}
