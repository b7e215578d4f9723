//! `slow_close`: the end of the stream arrives `delay` later than it was said.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::{Amounts, Effect, Field, Held, Parcel, Quantity};

pub(super) const FIELDS: &[Field] =
    &[Field { name: "delay", quantity: Quantity::MILLIS, needed: true }];

struct SlowClose(Duration);

pub(super) fn effect(amounts: &Amounts) -> impl Effect + use<> {
    SlowClose(amounts.duration("delay"))
}

impl Effect for SlowClose {
    fn bytes(&mut self, bytes: Bytes, now: Instant, held: &mut Held) -> bool {
        held.push(now, Parcel::Bytes(bytes));
        false
    }

    fn end(&mut self, now: Instant, held: &mut Held) -> bool {
        held.push(now + self.0, Parcel::End);
        true
    }
}
