//! A time limit for calls of one user that follow one another.

use std::cell::Cell;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;

use tokio::task::coop::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until};

/// One timer for many calls. To set a timer and to take it away again costs a lock and a list each,
/// to put off the one that is set costs a store: so the timer of the last call stays where it is,
/// and the next call puts it off. Where it goes off between two calls the user is woken in vain.
#[derive(Default)]
pub(super) struct Deadline(Cell<Option<Pin<Box<Sleep>>>>);

impl Deadline {
    /// What comes of a call, unless `limit` passes first. Several may be under way at once.
    pub(super) async fn meet<F: Future>(
        &self,
        limit: Instant,
        mut call: Pin<&mut F>,
    ) -> Option<F::Output> {
        let mut timer = None;
        let met = poll_fn(|cx| {
            if let Poll::Ready(output) = call.as_mut().poll(cx) {
                return Poll::Ready(Some(output));
            }
            let timer = timer.get_or_insert_with(|| self.set(limit));
            // A call that has used up its turn is not for that beyond its limit.
            pin!(unconstrained(timer.as_mut())).poll(cx).map(|()| None)
        })
        .await;
        if timer.is_some() {
            self.0.set(timer);
        }
        met
    }

    /// The timer, or another one where a call has it.
    fn set(&self, limit: Instant) -> Pin<Box<Sleep>> {
        match self.0.take() {
            Some(mut timer) => {
                timer.as_mut().reset(limit);
                timer
            }
            None => Box::pin(sleep_until(limit)),
        }
    }
}

impl fmt::Debug for Deadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deadline").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::sleep;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(1);

    /// Whether a call that takes so long is met, and how long that took to know.
    async fn call(deadline: &Deadline, takes: Duration) -> (bool, Duration) {
        let begun = Instant::now();
        let met = deadline.meet(begun + LIMIT, pin!(sleep(takes))).await;
        (met.is_some(), begun.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn each_of_many_calls_has_its_own_limit_by_one_timer() {
        let deadline = Deadline::default();
        for tenths in [9, 2, 11, 9, 30, 5, 40, 1] {
            let takes = Duration::from_millis(100 * tenths);
            assert_eq!(call(&deadline, takes).await, (takes < LIMIT, takes.min(LIMIT)));
            // The timer goes off meanwhile, or is still set.
            sleep(Duration::from_millis(300 * tenths)).await;
        }
    }

    #[tokio::test]
    async fn a_call_that_always_has_something_to_do_is_ended_too() {
        let busy = async {
            loop {
                tokio::task::consume_budget().await;
            }
        };
        let limit = Instant::now() + Duration::from_millis(20);
        let met: Option<()> = Deadline::default().meet(limit, pin!(busy)).await;
        assert!(met.is_none() && Instant::now() >= limit);
    }

    #[tokio::test(start_paused = true)]
    async fn calls_at_once_and_given_up_ones_do_not_disturb_each_other() {
        let deadline = Deadline::default();
        let millis = Duration::from_millis;
        tokio::select! {
            _ = call(&deadline, millis(900)) => panic!("it takes longer than that"),
            () = sleep(millis(500)) => {}
        }
        let all = tokio::join!(
            call(&deadline, millis(900)),
            call(&deadline, millis(1_500)),
            call(&deadline, millis(100)),
        );
        assert_eq!(all, ((true, millis(900)), (false, LIMIT), (true, millis(100))));
    }
}
