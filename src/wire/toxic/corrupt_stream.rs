//! `corrupt_stream`: each chunk is corrupted with a `probability`: one of its bits is the other way.
//!
//! It reaches the parser of whoever reads. A bad packet on a real line does not: TCP's checksum
//! drops it, which shows as latency.

use bytes::{Bytes, BytesMut};
use tokio::time::Instant;

use super::{Amounts, Dice, Effect, Field, Held, Parcel, Quantity};

pub(super) const FIELDS: &[Field] =
    &[Field { name: "probability", quantity: Quantity::Share, needed: true }];

struct CorruptStream {
    probability: f64,
    dice: Dice,
}

pub(super) fn effect(amounts: &Amounts, dice: Dice) -> impl Effect + use<> {
    CorruptStream { probability: amounts.share("probability"), dice }
}

impl Effect for CorruptStream {
    fn bytes(&mut self, bytes: Bytes, now: Instant, held: &mut Held) -> bool {
        let corrupts = self.dice.unit() < self.probability;
        let mut bytes = bytes;
        if corrupts {
            let at = (self.dice.unit() * bytes.len() as f64) as usize;
            let bit = 1 << (self.dice.unit() * 8.0) as u8;
            let mut changed = BytesMut::from(bytes);
            if let Some(byte) = changed.get_mut(at) {
                *byte ^= bit;
            }
            bytes = changed.freeze();
        }
        held.push(now, Parcel::Bytes(bytes));
        corrupts
    }
}
