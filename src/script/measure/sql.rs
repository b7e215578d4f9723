//! What comes of a statement of SQL, or of a whole transaction.

use super::{Called, Operation};
use crate::client::sql::Exchange;
use crate::metric::Recorder;

impl Operation {
    /// Records what came of it; `second` is that of its intended start.
    pub fn answered(&self, recorder: &mut Recorder, second: u32, exchange: &Exchange) {
        let failure = exchange.failure();
        let called = Called {
            duration: exchange.duration,
            wait: exchange.wait,
            connects: exchange.connects,
            error: failure.map(|failure| failure.kind),
            detail: failure.map(|failure| failure.detail.as_str()),
        };
        self.record(recorder, second, &called);
    }
}
