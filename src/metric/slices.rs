//! A trend's whole distributions along the run: what two runs are compared by.
//!
//! A point of a summary has a second's percentiles, from which no percentile of several seconds
//! can be made; a slice has the second's histogram. There are at most [`MOST`] of them: a run that
//! goes on gets slices twice as wide instead of more, so an hour has 113 of 32 s. Values stand in
//! the slice of their intended start, however late they come.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Distribution, Merge, Packed};

/// Slices kept of one series at most.
const MOST: u32 = 120;

/// Distributions of equally long stretches of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Slices {
    /// Seconds in a slice, a power of two.
    width: u32,
    /// By number from the run's begin; slices without a value are left out.
    parts: BTreeMap<u32, Packed>,
}

impl Default for Slices {
    fn default() -> Self {
        Self { width: 1, parts: BTreeMap::new() }
    }
}

impl Slices {
    /// Takes in values meant to start in the second `second` of the run.
    pub fn add(&mut self, second: u32, values: &Distribution) {
        while second / self.width >= MOST {
            self.widen();
        }
        self.parts.entry(second / self.width).or_default().add(values);
    }

    /// The same in slices of at least so many seconds.
    #[must_use]
    pub fn widened(mut self, width: u32) -> Self {
        while self.width < width {
            self.widen();
        }
        self
    }

    fn widen(&mut self) {
        self.width *= 2;
        for (at, values) in std::mem::take(&mut self.parts) {
            self.parts.entry(at / 2).or_default().add(&values.unpack());
        }
    }

    /// Seconds in a slice.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// The slices that hold something, by number from the run's begin.
    pub fn iter(&self) -> impl Iterator<Item = (u32, Distribution)> {
        self.parts.iter().map(|(at, values)| (*at, values.unpack()))
    }
}

impl Merge for Slices {
    fn merge(&mut self, other: &Self) {
        while self.width < other.width {
            self.widen();
        }
        for (at, values) in &other.parts {
            let at = u64::from(*at) * u64::from(other.width) / u64::from(self.width);
            self.parts.entry(at as u32).or_default().add(&values.unpack());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(value: u64) -> Distribution {
        let mut one = Distribution::new();
        one.record(value);
        one
    }

    fn of(values: &[(u32, u64)]) -> Slices {
        let mut slices = Slices::default();
        for (second, value) in values {
            slices.add(*second, &one(*value));
        }
        slices
    }

    #[test]
    fn a_longer_run_has_wider_slices_and_never_more() {
        for (seconds, width) in [(1, 1), (120, 1), (121, 2), (240, 2), (3600, 32), (86_400, 1024)] {
            let seconds: Vec<_> = (0..seconds).map(|second| (second, 5)).collect();
            let slices = of(&seconds);
            assert_eq!(slices.width(), width, "{} s", seconds.len());
            assert!(slices.iter().count() <= MOST as usize);
            let held: u64 = slices.iter().map(|(_, values)| values.count()).sum();
            assert_eq!(held, seconds.len() as u64);
        }
    }

    proptest! {
        #[test]
        fn merged_in_any_order_and_grouping_they_are_the_same(
            a in prop::collection::vec((0..2000_u32, 0..9_u64), 0..20),
            b in prop::collection::vec((0..2000_u32, 0..9_u64), 0..20),
        ) {
            let whole = of(&[a.clone(), b.clone()].concat());
            let (mut ab, mut ba) = (of(&a), of(&b));
            ab.merge(&of(&b));
            ba.merge(&of(&a));
            prop_assert_eq!(&ab, &whole);
            prop_assert_eq!(&ba, &whole);
        }
    }
}
