//! `limit_data`: the connection is closed after `bytes` have passed in this direction.

use bytes::Bytes;
use tokio::time::Instant;

use super::{Amounts, Effect, Field, Held, Parcel, Quantity};

pub(super) const FIELDS: &[Field] =
    &[Field { name: "bytes", quantity: Quantity::Bytes, needed: true }];

struct LimitData {
    /// How many may still pass.
    left: u64,
    closed: bool,
}

pub(super) fn effect(amounts: &Amounts) -> impl Effect + use<> {
    LimitData { left: amounts.bytes("bytes"), closed: false }
}

impl Effect for LimitData {
    fn bytes(&mut self, mut bytes: Bytes, now: Instant, held: &mut Held) -> bool {
        if self.closed {
            return true;
        }
        let passing = self.left.min(bytes.len() as u64);
        self.left -= passing;
        bytes.truncate(passing as usize);
        if !bytes.is_empty() {
            held.push(now, Parcel::Bytes(bytes));
        }
        if self.left == 0 {
            self.closed = true;
            held.push(now, Parcel::Close);
        }
        self.closed
    }
}
