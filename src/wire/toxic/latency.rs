//! `latency`: everything arrives later by `latency`, give or take `jitter`, and in order.
//!
//! The delay is drawn for each chunk that is read, so requests sent together share one. With the
//! distributions `normal` and `pareto` the jitter is the standard deviation around the latency;
//! with `uniform`, Toxiproxy's, it is the most a delay is off. No delay is below zero.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::{Amounts, Dice, Effect, Field, Held, Parcel, Quantity};

pub(super) const FIELDS: &[Field] = &[
    Field { name: "latency", quantity: Quantity::MILLIS, needed: true },
    Field { name: "jitter", quantity: Quantity::MILLIS, needed: false },
    Field { name: "distribution", quantity: Quantity::Word(DISTRIBUTIONS), needed: false },
];

const DISTRIBUTIONS: &[&str] = &["uniform", "normal", "pareto"];

struct Latency {
    mean: Duration,
    jitter: Duration,
    /// A deviation with mean 0; its size 1 stands for one jitter.
    deviation: fn(&mut Dice) -> f64,
    dice: Dice,
}

pub(super) fn effect(amounts: &Amounts, dice: Dice) -> impl Effect + use<> {
    let deviation: fn(&mut Dice) -> f64 = match amounts.word("distribution") {
        Some("normal") => Dice::normal,
        Some("pareto") => Dice::pareto,
        _ => |dice| 2.0 * dice.unit() - 1.0,
    };
    let (mean, jitter) = (amounts.duration("latency"), amounts.duration("jitter"));
    Latency { mean, jitter, deviation, dice }
}

impl Latency {
    fn delay(&mut self) -> Duration {
        if self.jitter.is_zero() {
            return self.mean;
        }
        let off = self.jitter.as_secs_f64() * (self.deviation)(&mut self.dice);
        let delay = (self.mean.as_secs_f64() + off).max(0.0);
        Duration::try_from_secs_f64(delay).unwrap_or(self.mean)
    }
}

impl Effect for Latency {
    fn bytes(&mut self, bytes: Bytes, now: Instant, held: &mut Held) -> bool {
        held.push(now + self.delay(), Parcel::Bytes(bytes));
        true
    }

    fn end(&mut self, now: Instant, held: &mut Held) -> bool {
        held.push(now + self.delay(), Parcel::End);
        true
    }
}
