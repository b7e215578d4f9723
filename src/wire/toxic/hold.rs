//! `hold`: everything waits until the toxic is taken away, and then arrives, whole and in order.
//!
//! Beyond what a connection may hold, nothing more is read, so that the sender comes to a stop as
//! it would on a link that went dead for a while.

use bytes::Bytes;
use tokio::time::Instant;

use super::{Effect, Field, Held, Parcel};

pub(super) const FIELDS: &[Field] = &[];

struct Hold;

pub(super) fn effect() -> impl Effect + use<> {
    Hold
}

impl Effect for Hold {
    fn bytes(&mut self, bytes: Bytes, _: Instant, held: &mut Held) -> bool {
        held.keep(Parcel::Bytes(bytes));
        true
    }

    fn end(&mut self, _: Instant, held: &mut Held) -> bool {
        held.keep(Parcel::End);
        true
    }
}
