//! How the values of a trend lie: an HDR histogram of 3 significant digits.
//!
//! The buckets are `HdrHistogram`'s, but only those that hold something are kept, sorted. Every
//! series has some of them; one from the crate takes 170 KB once it has seen a second in
//! nanoseconds, this one 10 bytes a filled bucket, and up to as much room again while it grows: 5 to
//! 10 KB for 500 different latencies. Those of the last seconds, which are many, rest in less
//! ([`Packed`](super::packed::Packed)). The crate does what must be like everybody's, the saved form
//! (V2, deflated), and is the oracle of this file's tests.
//!
//! Count, mean, minimum and maximum are exact; a quantile is the top of its bucket, so at most
//! 0.1 % above the value it stands for and never above the maximum.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::{Deserializer as HdrReader, Serializer as _};
use serde::ser::Error as _;
use serde::{Deserialize, Serialize, Serializer};

use super::Merge;

/// Significant digits a value keeps.
const DIGITS: u8 = 3;
/// Bits that tell the buckets of one power of two apart: 2^10 of them are needed for 3 digits.
const FINE_BITS: u32 = 10;

/// Fewer values than this are not worth merging.
const FEW: usize = 64;
/// Buckets from the smallest value to the largest up to which they are counted and not sorted: the
/// largest is then some 256 times the smallest, and the counts take 16 KiB.
const NEAR: usize = 8 << FINE_BITS;

/// Raw values (nanoseconds, bytes, thousandths) by frequency.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(try_from = "Saved")]
pub struct Distribution {
    /// Numbers of the filled buckets, ascending.
    buckets: Vec<u16>,
    /// How many values lie in each of them.
    counts: Vec<u64>,
    count: u64,
    sum: u128,
    min: u64,
    max: u64,
}

impl Distribution {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in one raw value.
    #[inline]
    pub fn record(&mut self, value: u64) {
        self.extend(value, value, u128::from(value));
        self.count += 1;
        self.fill(bucket_of(value), 1);
    }

    /// Takes in many raw values and leaves `values` empty: where most fall into buckets of their own,
    /// taking them in together is many times cheaper than making room one by one.
    pub(super) fn record_all(&mut self, values: &mut Vec<u64>) {
        if values.len() < FEW {
            values.drain(..).for_each(|value| self.record(value));
            return;
        }
        let min = values.iter().copied().min().unwrap_or_default();
        let max = values.iter().copied().max().unwrap_or_default();
        self.extend(min, max, values.iter().map(|value| u128::from(*value)).sum());
        self.count += values.len() as u64;
        let (low, high) = (bucket_of(min), bucket_of(max));
        if usize::from(high - low) < NEAR && u16::try_from(values.len()).is_ok() {
            let mut counts = [0_u16; NEAR];
            for value in values.iter() {
                counts[usize::from(bucket_of(*value) - low)] += 1;
            }
            // Where the values were there is room for these.
            let filled = (low..=high).zip(counts).filter(|(_, count)| *count > 0);
            values.clear();
            values.extend(filled.map(|(bucket, count)| u64::from(bucket) << 16 | u64::from(count)));
            let filled = values.iter().map(|both| ((both >> 16) as u16, both & 0xffff));
            self.fill_all(filled);
        } else {
            values.sort_unstable();
            let same = values.chunk_by(|a, b| bucket_of(*a) == bucket_of(*b));
            self.fill_all(same.map(|same| (bucket_of(same[0]), same.len() as u64)));
        }
        values.clear();
    }

    /// Takes in what is known exactly of some more values; `count` still tells what was before.
    fn extend(&mut self, min: u64, max: u64, sum: u128) {
        self.min = if self.count == 0 { min } else { self.min.min(min) };
        self.max = self.max.max(max);
        self.sum += sum;
    }

    #[inline]
    fn fill(&mut self, bucket: u16, count: u64) {
        match self.buckets.binary_search(&bucket) {
            Ok(place) => self.counts[place] += count,
            Err(place) => {
                self.buckets.insert(place, bucket);
                self.counts.insert(place, count);
            }
        }
    }

    /// Fills many buckets, which ascend. Room is made where they are and not in new buffers, each of
    /// another size, for which an allocator keeps pages of their own.
    fn fill_all(&mut self, filled: impl DoubleEndedIterator<Item = (u16, u64)> + Clone) {
        let (mut place, mut new) = (0, 0);
        for (bucket, count) in filled.clone() {
            place += self.buckets[place..].iter().take_while(|ours| **ours < bucket).count();
            match self.buckets.get(place) {
                Some(ours) if *ours == bucket => self.counts[place] += count,
                _ => new += 1,
            }
        }
        // From the end, so that nothing is overwritten before it has moved.
        let (mut from, mut to) = (self.buckets.len(), self.buckets.len() + new);
        self.buckets.resize(to, 0);
        self.counts.resize(to, 0);
        for (bucket, count) in filled.rev() {
            while from < to && from > 0 && self.buckets[from - 1] > bucket {
                (from, to) = (from - 1, to - 1);
                (self.buckets[to], self.counts[to]) = (self.buckets[from], self.counts[from]);
            }
            if from == to {
                break;
            }
            if from == 0 || self.buckets[from - 1] < bucket {
                to -= 1;
                (self.buckets[to], self.counts[to]) = (bucket, count);
            }
        }
    }

    /// Values taken in.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Whether nothing was taken in.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The smallest value; 0 when empty.
    pub fn min(&self) -> u64 {
        self.min
    }

    /// The largest value; 0 when empty.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// The mean of the values as they were, not of their buckets; 0 when empty.
    pub fn mean(&self) -> f64 {
        if self.is_empty() { 0.0 } else { self.sum as f64 / self.count as f64 }
    }

    /// The value that a share `q` (0 to 1) of all lies at or under, by nearest rank; 0 when empty.
    pub fn quantile(&self, q: f64) -> u64 {
        // A product such as 0.07 * 100 exceeds its true value by a rounding; the rank must not.
        let rank = q * self.count as f64 * (1.0 - 2.0 * f64::EPSILON);
        let rank = (rank.ceil() as u64).clamp(1, self.count.max(1));
        if rank == 1 {
            return self.min;
        }
        let mut below = 0;
        for (bucket, count) in self.filled() {
            below += count;
            if below >= rank {
                return top_of(bucket).min(self.max);
            }
        }
        self.max
    }

    /// The share (0 to 1) of values at or under `value`, to 3 digits of `value`; 0 when empty.
    pub fn share_at_most(&self, value: u64) -> f64 {
        if self.is_empty() {
            return 0.0;
        }
        let place = self.buckets.partition_point(|bucket| *bucket <= bucket_of(value));
        self.counts[..place].iter().sum::<u64>() as f64 / self.count as f64
    }

    /// By how much the values are larger than `value`, summed up over those that are.
    pub fn beyond(&self, value: u64) -> f64 {
        let over = self.filled().filter(|(bucket, _)| *bucket > bucket_of(value));
        over.map(|(bucket, count)| (top_of(bucket).min(self.max) - value) as f64 * count as f64)
            .sum()
    }

    /// As `HdrHistogram` V2, deflated, in base64.
    pub fn to_base64(&self) -> Result<String, String> {
        // Made for all of them: one that has to grow does so at each power of two.
        let largest = self.buckets.last().map_or(0, |bucket| top_of(*bucket));
        let mut histogram = Histogram::<u64>::new_with_max(largest.max(2), DIGITS)
            .map_err(|error| error.to_string())?;
        for (bucket, count) in self.filled() {
            histogram.record_n(top_of(bucket), count).map_err(|e| e.to_string())?;
        }
        let mut bytes = Vec::new();
        V2DeflateSerializer::new().serialize(&histogram, &mut bytes).map_err(|e| e.to_string())?;
        Ok(BASE64.encode(bytes))
    }

    /// Reads [`Self::to_base64`], also as written by other tools. Minimum, maximum and mean are
    /// then those of the buckets.
    pub fn from_base64(text: &str) -> Result<Self, String> {
        let bytes = BASE64.decode(text).map_err(|e| format!("not a histogram in base64: {e}"))?;
        let histogram: Histogram<u64> = HdrReader::new()
            .deserialize(&mut bytes.as_slice())
            .map_err(|e| format!("not an HdrHistogram V2: {e}"))?;
        let mut read = Self::new();
        for step in histogram.iter_recorded() {
            read.fill(bucket_of(step.value_iterated_to()), step.count_at_value());
        }
        read.count = histogram.len();
        read.min = histogram.min();
        read.max = histogram.max();
        read.sum = (histogram.mean() * read.count as f64).round() as u128;
        Ok(read)
    }

    /// One with room for so many buckets.
    pub(super) fn with_room(buckets: usize) -> Self {
        let (buckets, counts) = (Vec::with_capacity(buckets), Vec::with_capacity(buckets));
        Self { buckets, counts, ..Self::new() }
    }

    /// Of so many buckets with what they hold, ascending; the sum, the smallest and the largest value
    /// are known exactly.
    pub(super) fn of_buckets(
        count: usize,
        filled: impl Iterator<Item = (u16, u64)>,
        sum: u128,
        [min, max]: [u64; 2],
    ) -> Self {
        let mut of = Self { sum, min, max, ..Self::with_room(count) };
        for (bucket, count) in filled {
            of.buckets.push(bucket);
            of.counts.push(count);
            of.count += count;
        }
        of
    }

    /// All values together.
    pub(super) fn sum(&self) -> u128 {
        self.sum
    }

    /// The filled buckets with what they hold, ascending.
    pub(super) fn filled(&self) -> impl DoubleEndedIterator<Item = (u16, u64)> + Clone {
        self.buckets.iter().copied().zip(self.counts.iter().copied())
    }
}

impl Merge for Distribution {
    fn merge(&mut self, other: &Self) {
        if other.is_empty() {
            return;
        }
        self.extend(other.min, other.max, other.sum);
        self.count += other.count;
        self.fill_all(other.filled());
    }
}

/// The form in a file: the histogram, and exactly what it holds only to its digits.
#[derive(Serialize, Deserialize)]
struct Saved {
    count: u64,
    mean: f64,
    min: u64,
    max: u64,
    /// As [`Distribution::to_base64`].
    histogram: String,
}

impl Serialize for Distribution {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let histogram = self.to_base64().map_err(S::Error::custom)?;
        let saved =
            Saved { count: self.count, mean: self.mean(), min: self.min, max: self.max, histogram };
        saved.serialize(serializer)
    }
}

impl TryFrom<Saved> for Distribution {
    type Error = String;

    fn try_from(saved: Saved) -> Result<Self, String> {
        let read = Self::from_base64(&saved.histogram)?;
        if read.count != saved.count {
            return Err(format!("the histogram holds {} values, not {}", read.count, saved.count));
        }
        let sum = (saved.mean * saved.count as f64).round() as u128;
        Ok(Self { sum, min: saved.min, max: saved.max, ..read })
    }
}

/// The number of a value's bucket. Up to 2^11 every value has its own; from there each power of
/// two is divided into 2^10.
#[inline]
fn bucket_of(value: u64) -> u16 {
    let shift = (u64::BITS - FINE_BITS - 1).saturating_sub(value.leading_zeros());
    (shift << FINE_BITS) as u16 + (value >> shift) as u16
}

/// The largest value of a bucket.
fn top_of(bucket: u16) -> u64 {
    let bucket = u64::from(bucket);
    let shift = (bucket >> FINE_BITS).saturating_sub(1);
    let next = bucket - (shift << FINE_BITS) + 1;
    ((u128::from(next) << shift) - 1) as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[u64]) -> Distribution {
        let mut distribution = Distribution::new();
        for value in values {
            distribution.record(*value);
        }
        distribution
    }

    fn values() -> impl Strategy<Value = Vec<u64>> {
        let value = prop_oneof![0..3000_u64, 0..10_000_000_000_u64, 0..1_u64 << 44];
        prop::collection::vec(value, 0..60)
    }

    fn merged(parts: &[&Distribution]) -> Distribution {
        let mut whole = Distribution::new();
        for part in parts {
            whole.merge(part);
        }
        whole
    }

    #[test]
    fn an_empty_distribution_is_all_zeros() {
        let empty = Distribution::new();
        assert!(empty.is_empty());
        assert_eq!((empty.min(), empty.max(), empty.quantile(0.5)), (0, 0, 0));
        assert_eq!((empty.mean(), empty.share_at_most(7)), (0.0, 0.0));
    }

    #[test]
    fn buckets_follow_one_another_without_a_gap_up_to_the_largest_value() {
        let last = bucket_of(u64::MAX);
        assert_eq!(top_of(last), u64::MAX);
        for bucket in 0..last {
            assert_eq!(bucket_of(top_of(bucket)), bucket);
            assert_eq!(bucket_of(top_of(bucket) + 1), bucket + 1);
        }
    }

    #[test]
    fn quantiles_go_by_nearest_rank() {
        let hundred = of(&(1..=100).collect::<Vec<_>>());
        for percent in 1..=100_u32 {
            assert_eq!(hundred.quantile(f64::from(percent) / 100.0), u64::from(percent));
        }
        assert_eq!(hundred.quantile(0.0), 1);
        assert_eq!(hundred.quantile(0.991), 100);
    }

    #[test]
    fn the_saved_form_names_its_numbers() {
        let json = serde_json::to_value(of(&[1, 2, 3, 1_000_000_007])).unwrap();
        assert_eq!(json["count"], 4);
        assert_eq!(json["min"], 1);
        assert_eq!(json["max"], 1_000_000_007);
        assert_eq!(json["mean"], 250_000_003.25);
        assert!(json["histogram"].as_str().unwrap().starts_with("HISTF"));
    }

    #[test]
    fn the_smallest_and_the_largest_value_can_be_saved() {
        let saved = of(&[0, u64::MAX]);
        let loaded = Distribution::from_base64(&saved.to_base64().unwrap()).unwrap();
        assert_eq!((loaded.buckets, loaded.counts), (saved.buckets, saved.counts));
    }

    #[test]
    fn a_histogram_that_was_tampered_with_is_refused() {
        let mut json = serde_json::to_value(of(&[1, 2, 3])).unwrap();
        json["count"] = 4.into();
        let error = serde_json::from_value::<Distribution>(json).unwrap_err();
        assert_eq!(error.to_string(), "the histogram holds 3 values, not 4");
        assert!(Distribution::from_base64("%").unwrap_err().contains("base64"));
        assert!(Distribution::from_base64("AAAA").unwrap_err().contains("HdrHistogram"));
    }

    proptest! {
        #[test]
        fn quantiles_equal_those_of_the_crate(values in values(), q in 0.001..1.0_f64) {
            prop_assume!(values.len() > 1);
            let mut oracle = Histogram::<u64>::new(3).unwrap();
            for value in &values {
                oracle.record(*value).unwrap();
            }
            let (ours, theirs) = (of(&values).quantile(q), oracle.value_at_quantile(q));
            prop_assert_eq!(bucket_of(ours), bucket_of(theirs));
            prop_assert!(ours <= theirs);
        }

        #[test]
        fn a_quantile_is_within_a_thousandth_above_the_sorted_value(
            mut values in values(), q in 0.0..1.0_f64
        ) {
            prop_assume!(!values.is_empty());
            let quantile = of(&values).quantile(q);
            values.sort_unstable();
            let rank = ((q * values.len() as f64).ceil() as usize).clamp(1, values.len());
            let exact = values[rank - 1];
            prop_assert!(quantile >= exact);
            prop_assert!((quantile - exact) as f64 <= exact as f64 / 1000.0);
        }

        #[test]
        fn merging_is_recording_in_one_whatever_the_order_and_the_grouping(
            a in values(), b in values(), c in values()
        ) {
            let whole = of(&[a.clone(), b.clone(), c.clone()].concat());
            let (a, b, c) = (of(&a), of(&b), of(&c));
            prop_assert_eq!(&merged(&[&a, &b, &c]), &whole);
            prop_assert_eq!(&merged(&[&c, &a, &b]), &whole);
            prop_assert_eq!(&merged(&[&a, &merged(&[&b, &c])]), &whole);
        }

        #[test]
        fn recording_a_batch_is_recording_each_of_its_values(
            a in values(),
            b in prop_oneof![values(), prop::collection::vec(5_000..9_000_u64, 0..60)],
        ) {
            let mut batched = of(&a);
            let mut batch = b.repeat(3);
            batched.record_all(&mut batch);
            prop_assert!(batch.is_empty());
            prop_assert_eq!(batched, of(&[a, b.repeat(3)].concat()));
        }

        #[test]
        fn count_mean_min_and_max_are_exact(values in values()) {
            prop_assume!(!values.is_empty());
            let distribution = of(&values);
            let sum: u128 = values.iter().map(|value| u128::from(*value)).sum();
            prop_assert_eq!(distribution.count(), values.len() as u64);
            let mean = sum as f64 / values.len() as f64;
            prop_assert!((distribution.mean() - mean).abs() < f64::EPSILON * mean.max(1.0));
            prop_assert_eq!(Some(distribution.min()), values.iter().min().copied());
            prop_assert_eq!(Some(distribution.max()), values.iter().max().copied());
        }
    }

    proptest! {
        // Saving builds the crate's histogram, all its empty buckets included: fewer cases do.
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn saving_and_loading_loses_nothing(values in values()) {
            let saved = of(&values);
            let json = serde_json::to_string(&saved).unwrap();
            let loaded: Distribution = serde_json::from_str(&json).unwrap();
            prop_assert!((loaded.mean() - saved.mean()).abs() <= saved.mean() * 1e-12);
            prop_assert_eq!(Distribution { sum: saved.sum, ..loaded }, saved);
        }
    }
}
