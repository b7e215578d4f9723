//! `slicer`: bytes arrive in pieces of `average_size`, give or take `size_variation`, each `delay`
//! after the one before. Nothing is lost: it finds readers that take a read for a message.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::{Amounts, Dice, Effect, Field, Held, Parcel, Quantity};

pub(super) const FIELDS: &[Field] = &[
    Field { name: "average_size", quantity: Quantity::Bytes, needed: true },
    Field { name: "size_variation", quantity: Quantity::Bytes, needed: false },
    Field { name: "delay", quantity: Quantity::MICROS, needed: false },
];

struct Slicer {
    average: u64,
    variation: u64,
    delay: Duration,
    dice: Dice,
}

pub(super) fn effect(amounts: &Amounts, dice: Dice) -> impl Effect + use<> {
    Slicer {
        average: amounts.bytes("average_size"),
        variation: amounts.bytes("size_variation"),
        delay: amounts.duration("delay"),
        dice,
    }
}

impl Slicer {
    /// The size of the next piece, at least 1.
    fn size(&mut self) -> usize {
        let least = self.average.saturating_sub(self.variation);
        let choices = self.average.saturating_add(self.variation).saturating_sub(least) + 1;
        let size = least + (self.dice.unit() * choices as f64) as u64;
        usize::try_from(size.max(1)).unwrap_or(usize::MAX)
    }
}

impl Effect for Slicer {
    fn bytes(&mut self, mut bytes: Bytes, now: Instant, held: &mut Held) -> bool {
        let mut pieces = 0;
        let mut due = now.max(held.last_due().map_or(now, |last| last + self.delay));
        while !bytes.is_empty() {
            let size = self.size().min(bytes.len());
            held.push(due, Parcel::Bytes(bytes.split_to(size)));
            due += self.delay;
            pieces += 1;
        }
        pieces > 1
    }
}
