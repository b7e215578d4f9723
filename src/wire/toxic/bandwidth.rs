//! `bandwidth`: at most `rate` passes in a second. A rate of 0 lets nothing pass until the toxic is
//! taken away.
//!
//! Bytes are due when the last of them would have left a line of that rate. A large chunk is cut
//! into what the line carries in 20 ms, so that it trickles instead of arriving in one lump.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::{Amounts, Effect, Field, Held, Parcel, Quantity};

pub(super) const FIELDS: &[Field] =
    &[Field { name: "rate", quantity: Quantity::Rate, needed: true }];

/// How long the line carries one piece.
const PIECE: f64 = 0.020;

/// No piece is smaller, however slow the line: each costs memory of its own.
const SMALLEST: usize = 16;

/// The most seconds a piece takes, however slow the line.
const SLOWEST: f64 = 86_400.0;

struct Bandwidth {
    /// Bytes a second.
    rate: f64,
    /// When the line has carried all that was given to it.
    free: Instant,
}

pub(super) fn effect(amounts: &Amounts, now: Instant) -> impl Effect + use<> {
    Bandwidth { rate: amounts.rate("rate"), free: now }
}

impl Effect for Bandwidth {
    fn bytes(&mut self, mut bytes: Bytes, now: Instant, held: &mut Held) -> bool {
        if self.rate <= 0.0 {
            held.keep(Parcel::Bytes(bytes));
            return true;
        }
        self.free = self.free.max(now);
        let piece = ((self.rate * PIECE) as usize).max(SMALLEST);
        while !bytes.is_empty() {
            let piece = bytes.split_to(piece.min(bytes.len()));
            let carried = (piece.len() as f64 / self.rate).min(SLOWEST);
            self.free += Duration::from_secs_f64(carried);
            held.push(self.free, Parcel::Bytes(piece));
        }
        true
    }

    fn end(&mut self, now: Instant, held: &mut Held) -> bool {
        if self.rate <= 0.0 {
            held.keep(Parcel::End);
        } else {
            held.push(self.free.max(now), Parcel::End);
        }
        false
    }
}
