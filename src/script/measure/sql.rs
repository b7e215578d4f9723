//! What comes of a statement of SQL, or of a whole transaction.

use super::{Called, Moment, Operation};
use crate::client::sql::Exchange;
use crate::metric::{Counted, Recorder};

impl Operation {
    /// Records what came of it; `made` is when it was meant to be made.
    pub fn answered(
        &self,
        recorder: &mut Recorder,
        made: Moment,
        exchange: &Exchange,
    ) -> Option<Counted> {
        let failure = exchange.failure();
        let called = Called {
            duration: exchange.duration,
            wait: exchange.wait,
            connects: exchange.connects,
            refused: exchange.refused,
            error: failure.map(|failure| failure.kind),
            detail: failure.map(|failure| failure.detail.as_str()),
        };
        self.record(recorder, made, &called)
    }
}
