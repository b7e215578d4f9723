//! What only HTTP calls have: bytes each way, and statuses.

use std::cell::{OnceCell, RefCell};

use super::{Called, Moment, Operation, builtin};
use crate::client::http::Exchange;
use crate::metric::{Counted, Recorder, SeriesId};

/// The series of an operation's HTTP calls.
#[derive(Default)]
pub(super) struct Series {
    sent: OnceCell<SeriesId>,
    received: OnceCell<SeriesId>,
    /// Few distinct statuses come back; a short list is faster than a map.
    statuses: RefCell<Vec<(u16, SeriesId)>>,
}

impl Operation {
    /// Records what came of one HTTP call; `made` is when it was meant to be made.
    pub fn exchange(
        &self,
        recorder: &mut Recorder,
        made: Moment,
        exchange: &Exchange,
    ) -> Option<Counted> {
        let answered = exchange.status != 0;
        let called = Called {
            duration: exchange.duration,
            wait: answered.then_some(exchange.timing.wait),
            connects: exchange.connects,
            refused: 0,
            error: exchange.error,
            detail: exchange.detail.as_deref(),
        };
        let counted = self.record(recorder, made, &called);
        let sent = self.series(recorder, &self.http.sent, "http.sent");
        recorder.add(sent, exchange.sent as f64);
        let received = self.series(recorder, &self.http.received, "http.received");
        recorder.add(received, exchange.received as f64);
        if answered {
            let status = self.status(recorder, exchange.status);
            recorder.add(status, 1.0);
        }
        counted
    }

    fn status(&self, recorder: &mut Recorder, status: u16) -> SeriesId {
        let mut statuses = self.http.statuses.borrow_mut();
        if let Some((_, id)) = statuses.iter().find(|(known, _)| *known == status) {
            return *id;
        }
        let tags = self.tags.with("status", &status.to_string());
        let id = recorder.series(&builtin("http.status"), &tags);
        statuses.push((status, id));
        id
    }
}
