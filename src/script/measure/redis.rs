//! What only Redis calls have: several commands in one.

use std::cell::OnceCell;

use super::{Called, Moment, Operation};
use crate::client::redis::Exchange;
use crate::metric::{Counted, Recorder, SeriesId};

/// The series of an operation's Redis calls.
#[derive(Default)]
pub(super) struct Series {
    commands: OnceCell<SeriesId>,
    redirects: OnceCell<SeriesId>,
}

impl Operation {
    /// Records what came of one Redis call; `made` is when it was meant to be made.
    pub fn replied(
        &self,
        recorder: &mut Recorder,
        made: Moment,
        exchange: &Exchange,
    ) -> Option<Counted> {
        let error = exchange.error.as_ref();
        let called = Called {
            duration: exchange.duration,
            wait: exchange.wait,
            connects: exchange.connects,
            refused: exchange.refused,
            error: error.map(|error| error.kind),
            detail: error.map(|error| error.detail.as_str()),
        };
        let counted = self.record(recorder, made, &called);
        let commands = self.series(recorder, &self.redis.commands, "redis.commands");
        recorder.add(commands, f64::from(exchange.commands));
        if exchange.redirects > 0 {
            let redirects = self.series(recorder, &self.redis.redirects, "redis.redirects");
            recorder.add(redirects, f64::from(exchange.redirects));
        }
        counted
    }
}
