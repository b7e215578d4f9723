//! `down`: as if nobody listened. New connections are refused, open ones closed.
//!
//! Refusing is the business of whoever listens: the proxy stops listening while it has this toxic.
//! It concerns the whole proxy, whatever the toxicity. Refused connections never reach us, so only
//! those that were open are counted as touched.

use bytes::Bytes;
use tokio::time::Instant;

use super::{Cut, Effect, Field, Held};

pub(super) const FIELDS: &[Field] = &[];

struct Down;

pub(super) fn effect(now: Instant, held: &mut Held) -> impl Effect + use<> {
    held.cut_at(now, Cut::Close);
    Down
}

impl Effect for Down {
    fn bytes(&mut self, _: Bytes, _: Instant, _: &mut Held) -> bool {
        true
    }
}
