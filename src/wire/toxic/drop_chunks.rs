//! `drop_chunks`: each chunk is left out with a `probability`, and what follows arrives.
//!
//! Not packet loss: TCP would send a lost packet again. Here bytes are missing from the stream, as
//! through a broken middlebox, and what the reader sees is a broken protocol.

use bytes::Bytes;
use tokio::time::Instant;

use super::{Amounts, Dice, Effect, Field, Held, Parcel, Quantity};

pub(super) const FIELDS: &[Field] =
    &[Field { name: "probability", quantity: Quantity::Share, needed: true }];

struct DropChunks {
    probability: f64,
    dice: Dice,
}

pub(super) fn effect(amounts: &Amounts, dice: Dice) -> impl Effect + use<> {
    DropChunks { probability: amounts.share("probability"), dice }
}

impl Effect for DropChunks {
    fn bytes(&mut self, bytes: Bytes, now: Instant, held: &mut Held) -> bool {
        let dropped = self.dice.unit() < self.probability;
        if !dropped {
            held.push(now, Parcel::Bytes(bytes));
        }
        dropped
    }
}
