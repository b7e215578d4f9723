//! A distribution at rest, at about a quarter of its size: of a second or a slice of a run that is
//! kept and seldom looked at.
//!
//! A filled bucket takes 10 bytes in a [`Distribution`]. Nearly always it lies a few buckets behind
//! the one before and holds a few values, so that the distance and the count fit into a byte each
//! (LEB128: seven bits a byte, the lowest first, the highest bit for "more follows").

use std::iter;

use serde::{Deserialize, Serialize};

use super::{Distribution, Merge};

/// A distribution as it is kept. Nothing is lost by packing it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Distribution", into = "Distribution")]
pub struct Packed {
    /// Of each filled bucket its distance from the one before, and how many values it holds.
    buckets: Box<[u8]>,
    sum: u128,
    min: u64,
    max: u64,
}

impl Packed {
    /// The distribution, to be looked at.
    pub fn unpack(&self) -> Distribution {
        // Two numbers a bucket, and each ends with a byte that has no bit for more.
        let count = self.buckets.iter().filter(|byte| **byte & 0x80 == 0).count() / 2;
        let mut numbers = Numbers(&self.buckets);
        let mut bucket = 0;
        let filled = iter::from_fn(|| {
            bucket += numbers.next()? as u16;
            Some((bucket, numbers.next()?))
        });
        Distribution::of_buckets(count, filled, self.sum, [self.min, self.max])
    }

    /// Takes in more values; the answer is all of them.
    pub fn add(&mut self, values: &Distribution) -> Distribution {
        let mut all = self.unpack();
        all.merge(values);
        *self = Self::from(&all);
        all
    }
}

impl From<&Distribution> for Packed {
    fn from(values: &Distribution) -> Self {
        // Two or three bytes are what nearly all take.
        let (mut buckets, mut before) = (Vec::with_capacity(3 * values.filled().count()), 0);
        for (bucket, count) in values.filled() {
            write(&mut buckets, u64::from(bucket - before));
            write(&mut buckets, count);
            before = bucket;
        }
        let (min, max) = (values.min(), values.max());
        Self { buckets: buckets.into_boxed_slice(), sum: values.sum(), min, max }
    }
}

impl From<Distribution> for Packed {
    fn from(values: Distribution) -> Self {
        Self::from(&values)
    }
}

impl From<Packed> for Distribution {
    fn from(packed: Packed) -> Self {
        packed.unpack()
    }
}

fn write(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// What [`write()`] wrote, one after the other.
struct Numbers<'a>(&'a [u8]);

impl Iterator for Numbers<'_> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        let (mut number, mut shift) = (0, 0);
        loop {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
            shift += 7;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[(u64, u64)]) -> Distribution {
        let mut all = Distribution::new();
        for (value, times) in values {
            (0..*times).for_each(|_| all.record(*value));
        }
        all
    }

    proptest! {
        #[test]
        fn what_is_packed_comes_out_as_it_was_and_more_can_be_added(
            a in prop::collection::vec((any::<u64>(), 1..300_u64), 0..40),
            b in prop::collection::vec((0..5_000_000_u64, 1..3_u64), 0..40),
        ) {
            let (a, b) = (of(&a), of(&b));
            let mut packed = Packed::from(&a);
            prop_assert_eq!(&packed.unpack(), &a);
            let mut both = a;
            both.merge(&b);
            prop_assert_eq!(&packed.add(&b), &both);
            prop_assert_eq!(packed.unpack(), both);
        }
    }

    #[test]
    fn a_second_of_many_latencies_takes_less_than_a_quarter_of_what_its_distribution_does() {
        let mut values = Distribution::new();
        for n in 0..40_000_u64 {
            values.record(300_000 + (n * n) % 4_000_000);
        }
        let filled = values.filled().count();
        assert!(filled > 1_000, "{filled}");
        let bytes = Packed::from(&values).buckets.len();
        assert!(bytes * 4 < filled * 10, "{bytes} bytes for {filled} buckets");
    }
}
