//! `noop`: passes everything on. The template of a toxic, and the baseline of what a proxy costs.

use bytes::Bytes;
use tokio::time::Instant;

use super::{Effect, Field, Held, Parcel};

pub(super) const FIELDS: &[Field] = &[];

struct Noop;

pub(super) fn effect() -> impl Effect + use<> {
    Noop
}

impl Effect for Noop {
    fn bytes(&mut self, bytes: Bytes, now: Instant, held: &mut Held) -> bool {
        held.push(now, Parcel::Bytes(bytes));
        false
    }
}
