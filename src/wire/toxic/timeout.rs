//! `timeout`: a black hole. Nothing arrives any more, not even the end of the stream; after
//! `timeout` the connection is closed, or never if it is 0.
//!
//! What fell into the hole is gone. So when the toxic is taken away, connections that lost bytes
//! are closed, for a stream with a gap is corrupt; the others go on. Where a link that heals shall
//! deliver what was sent meanwhile, as TCP does by sending again, `hold` is the kind.

use bytes::Bytes;
use tokio::time::Instant;

use super::{Amounts, Cut, Effect, Field, Held, Quantity};

pub(super) const FIELDS: &[Field] =
    &[Field { name: "timeout", quantity: Quantity::MILLIS, needed: false }];

struct Timeout;

pub(super) fn effect(amounts: &Amounts, now: Instant, held: &mut Held) -> impl Effect + use<> {
    let timeout = amounts.duration("timeout");
    if !timeout.is_zero() {
        held.cut_at(now + timeout, Cut::Close);
    }
    Timeout
}

impl Effect for Timeout {
    fn bytes(&mut self, _: Bytes, _: Instant, held: &mut Held) -> bool {
        held.lose();
        true
    }

    fn end(&mut self, _: Instant, held: &mut Held) -> bool {
        held.lose();
        true
    }
}
