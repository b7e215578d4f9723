//! One thing the practice target depends on: asked within a time, again when it failed, and not at
//! all while its breaker is open; all of it counted.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use super::breaker::Breaker;
use super::{Care, Timeout};

/// Something on the other end of a connection.
pub(super) struct Dependency {
    /// What messages call it.
    name: &'static str,
    breaker: Mutex<Breaker>,
    calls: AtomicU64,
    failed: AtomicU64,
    retried: AtomicU64,
    refused: AtomicU64,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unanswered {
    /// In plain words, with the name of what was asked.
    what: String,
    /// Whether nothing was asked, because the breaker is open.
    pub(super) is_refused: bool,
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Dependency {
    pub(super) fn new(name: &'static str) -> Self {
        Self {
            name,
            breaker: Mutex::default(),
            calls: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            retried: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the call, and again as often as `care` says while it fails.
    pub(super) async fn ask<T, E: fmt::Display, F: Future<Output = Result<T, E>>>(
        &self,
        care: &Care,
        call: impl Fn() -> F,
    ) -> Result<T, Unanswered> {
        let mut left = care.retries.0;
        loop {
            if !self.breaker().admits(care.breaker, Instant::now()) {
                self.refused.fetch_add(1, Ordering::Relaxed);
                let what = format!("{}: not asked, its breaker is open", self.name);
                return Err(Unanswered { what, is_refused: true });
            }
            self.calls.fetch_add(1, Ordering::Relaxed);
            let answer = within(care.timeout, call()).await;
            self.breaker().learns(care.breaker, answer.is_ok(), Instant::now());
            let why = match answer {
                Ok(value) => return Ok(value),
                Err(why) => why,
            };
            self.failed.fetch_add(1, Ordering::Relaxed);
            if left == 0 {
                let what = format!("{}: {why}", self.name);
                return Err(Unanswered { what, is_refused: false });
            }
            left -= 1;
            self.retried.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Its breaker and its counters, for `GET /control`.
    pub(super) fn shown(&self) -> Value {
        let breaker = self.breaker();
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        json!({
            "breaker": breaker.shown(),
            "opened": breaker.opened,
            "calls": count(&self.calls),
            "failed": count(&self.failed),
            "retried": count(&self.retried),
            "refused": count(&self.refused),
        })
    }
}

/// The answer, or why there was none in time.
async fn within<T, E: fmt::Display>(
    limit: Timeout,
    call: impl Future<Output = Result<T, E>>,
) -> Result<T, String> {
    let answer = match limit.0 {
        None => call.await,
        Some(limit) => timeout(limit, call).await.map_err(|_| no_answer(limit))?,
    };
    answer.map_err(|error| error.to_string())
}

fn no_answer(limit: Duration) -> String {
    format!("no answer within {} s", limit.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::super::{Retries, Trip};
    use super::*;

    fn care(retries: u32, breaker: Option<(u32, Duration)>) -> Care {
        Care { retries: Retries(retries), breaker: Trip(breaker), ..Care::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_is_made_again_until_it_succeeds_or_the_retries_are_used_up() {
        let redis = Dependency::new("redis");
        let made = Cell::new(0);
        let third = || {
            made.set(made.get() + 1);
            let answer = if made.get() == 3 { Ok(7) } else { Err("broken") };
            async move { answer }
        };
        assert_eq!(redis.ask(&care(5, None), third).await, Ok(7));
        made.set(3);
        let failed = redis.ask(&care(1, None), third).await.unwrap_err();
        assert_eq!((failed.to_string().as_str(), made.get()), ("redis: broken", 5));
        let shown = redis.shown();
        assert_eq!(
            (&shown["calls"], &shown["failed"], &shown["retried"]),
            (&json!(5), &json!(4), &json!(3))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_answer_in_time_has_failed() {
        let redis = Dependency::new("redis");
        let begin = Instant::now();
        let silent = || std::future::pending::<Result<(), String>>();
        let failed = redis.ask(&care(1, None), silent).await.unwrap_err();
        assert_eq!(failed.to_string(), "redis: no answer within 1 s");
        assert_eq!(begin.elapsed(), Duration::from_secs(2));
    }

    #[tokio::test(start_paused = true)]
    async fn while_the_breaker_is_open_nothing_is_asked() {
        let redis = Dependency::new("redis");
        let care = care(9, Some((5, Duration::from_secs(2))));
        let made = Cell::new(0);
        let broken = || {
            made.set(made.get() + 1);
            async { Err::<(), _>("broken") }
        };
        let refused = redis.ask(&care, broken).await.unwrap_err();
        assert!(refused.is_refused && made.get() == 5, "{refused}");
        assert!(redis.ask(&care, broken).await.unwrap_err().is_refused);
        assert_eq!(made.get(), 5);
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(redis.ask(&care, || async { Ok::<_, String>(1) }).await, Ok(1));
        assert_eq!(redis.shown()["breaker"], "closed");
    }
}
