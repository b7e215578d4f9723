//! What becomes of a call that a fault touches, whatever its protocol.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use super::Effect;
use crate::client::{self, Failure, FailureKind};
use crate::client::{http, sql};

/// What came of a call, as far as a fault changes it.
pub trait Exchanged {
    /// One that began then, failed just now, and reached nobody.
    fn failed(started: Instant, failure: Failure) -> Self;

    /// Has it begun earlier than it did.
    fn began(&mut self, started: Instant);

    /// Loses what came back.
    fn lose(&mut self, failure: Failure);
}

/// Makes a call that a fault has touched. `send` is the call itself, within its own `limit`.
pub async fn strike<X: Exchanged>(
    effect: Effect,
    limit: Duration,
    send: impl Future<Output = X>,
) -> X {
    let started = Instant::now();
    let late = || Failure::new(FailureKind::Timeout, format!("not done within {limit:?}: {WHY}"));
    match effect {
        Effect::Fail(kind, after) => {
            let usual = if kind == FailureKind::Timeout { limit } else { Duration::ZERO };
            sleep(after.unwrap_or(usual).min(limit)).await;
            X::failed(started, Failure::new(kind, WHY))
        }
        Effect::Delay(by) => {
            sleep(by.min(limit)).await;
            if by >= limit {
                return X::failed(started, late());
            }
            match timeout_at(started + limit, send).await {
                Ok(mut exchange) => {
                    exchange.began(started);
                    exchange
                }
                Err(_) => X::failed(started, late()),
            }
        }
        Effect::Cut => {
            let mut exchange = send.await;
            cut(&mut exchange);
            exchange
        }
    }
}

/// What came of a call whose reply is lost: it was done, and nobody knows.
pub fn cut(exchange: &mut impl Exchanged) {
    exchange.lose(Failure::new(FailureKind::Reset, WHY));
}

/// What a failure says that a fault has made.
const WHY: &str = "a fault on the script's own calls";

impl Exchanged for http::Exchange {
    fn failed(started: Instant, failure: Failure) -> Self {
        Self::without_reply(started, failure)
    }

    fn began(&mut self, started: Instant) {
        let earlier = self.started - started;
        self.started = started;
        self.duration += earlier;
        self.timing.blocked += earlier;
    }

    fn lose(&mut self, failure: Failure) {
        if self.error.is_none() {
            self.lose_reply(failure);
        }
    }
}

impl Exchanged for client::redis::Exchange {
    fn failed(started: Instant, failure: Failure) -> Self {
        Self {
            value: client::redis::Value::Nil,
            error: Some(failure),
            started,
            duration: started.elapsed(),
            wait: None,
            connects: 0,
            refused: 0,
            commands: 0,
            redirects: 0,
            exhausted: false,
        }
    }

    fn began(&mut self, started: Instant) {
        self.duration += self.started - started;
        self.started = started;
    }

    fn lose(&mut self, failure: Failure) {
        if self.error.is_none() {
            self.value = client::redis::Value::Nil;
            self.error = Some(failure);
        }
    }
}

impl Exchanged for sql::Exchange {
    fn failed(started: Instant, failure: Failure) -> Self {
        Self {
            answer: Err(sql::Trouble::Failed(failure)),
            started,
            wait: None,
            duration: started.elapsed(),
            connects: 0,
            refused: 0,
            no_socket: false,
        }
    }

    fn began(&mut self, started: Instant) {
        self.duration += self.started - started;
        self.started = started;
    }

    fn lose(&mut self, failure: Failure) {
        if self.answer.is_ok() {
            self.answer = Err(sql::Trouble::Failed(failure));
        }
    }
}

/// A transaction or a stream that has begun.
pub trait Lasting {
    /// Has it begun earlier than it did.
    fn began(&mut self, started: Instant);
}

impl Lasting for sql::Transaction {
    fn began(&mut self, started: Instant) {
        self.began(started);
    }
}

impl Lasting for sql::Stream {
    fn began(&mut self, started: Instant) {
        self.began(started);
    }
}

impl<T: Lasting> Exchanged for Result<T, Box<sql::Exchange>> {
    fn failed(started: Instant, failure: Failure) -> Self {
        Err(Box::new(sql::Exchange::failed(started, failure)))
    }

    fn began(&mut self, started: Instant) {
        match self {
            Ok(lasting) => lasting.began(started),
            Err(exchange) => exchange.began(started),
        }
    }

    fn lose(&mut self, failure: Failure) {
        if self.is_ok() {
            *self = Self::failed(Instant::now(), failure);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(2);

    async fn struck(effect: Effect, takes: Duration) -> (client::redis::Exchange, Duration) {
        let begin = Instant::now();
        let send = async {
            let started = Instant::now();
            sleep(takes).await;
            let value = client::redis::Value::Integer(7);
            let failed =
                client::redis::Exchange::failed(started, Failure::new(FailureKind::Dns, ""));
            client::redis::Exchange { value, error: None, ..failed }
        };
        let exchange = strike(effect, LIMIT, send).await;
        assert_eq!(exchange.started, begin);
        assert_eq!(exchange.duration, begin.elapsed());
        (exchange, begin.elapsed())
    }

    fn kind(exchange: &client::redis::Exchange) -> Option<FailureKind> {
        exchange.error.as_ref().map(|failure| failure.kind)
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_fails_when_such_a_failure_would_be_known() {
        let second = Duration::from_secs(1);
        for (failure, after, takes) in [
            (FailureKind::Refused, None, Duration::ZERO),
            (FailureKind::Timeout, None, LIMIT),
            (FailureKind::Reset, Some(second), second),
            (FailureKind::Reset, Some(LIMIT * 2), LIMIT),
        ] {
            let (exchange, took) = struck(Effect::Fail(failure, after), second).await;
            assert_eq!((kind(&exchange), took), (Some(failure), takes));
            assert_eq!(exchange.value, client::redis::Value::Nil);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_delay_is_part_of_the_call_and_of_its_limit() {
        let millis = Duration::from_millis;
        let (exchange, took) = struck(Effect::Delay(millis(300)), millis(200)).await;
        assert_eq!((kind(&exchange), took), (None, millis(500)));
        for (by, takes) in [(millis(1900), millis(200)), (LIMIT * 2, millis(1))] {
            let (exchange, took) = struck(Effect::Delay(by), takes).await;
            assert_eq!((kind(&exchange), took), (Some(FailureKind::Timeout), LIMIT));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_cut_call_is_made_and_its_reply_lost() {
        let takes = Duration::from_millis(200);
        let (exchange, took) = struck(Effect::Cut, takes).await;
        assert_eq!((kind(&exchange), took), (Some(FailureKind::Reset), takes));
        assert_eq!(exchange.value, client::redis::Value::Nil);
    }
}
