//! `reset_peer`: the connection works for `timeout` and is then reset, at both sides: what the
//! peers see is ECONNRESET and not an end of the stream. It takes hold of connections that are
//! open already as well as of new ones.

use bytes::Bytes;
use tokio::time::Instant;

use super::{Amounts, Cut, Effect, Field, Held, Parcel, Quantity};

pub(super) const FIELDS: &[Field] =
    &[Field { name: "timeout", quantity: Quantity::MILLIS, needed: false }];

struct ResetPeer;

pub(super) fn effect(amounts: &Amounts, now: Instant, held: &mut Held) -> impl Effect + use<> {
    held.cut_at(now + amounts.duration("timeout"), Cut::Reset);
    ResetPeer
}

impl Effect for ResetPeer {
    fn bytes(&mut self, bytes: Bytes, now: Instant, held: &mut Held) -> bool {
        held.push(now, Parcel::Bytes(bytes));
        false
    }
}
