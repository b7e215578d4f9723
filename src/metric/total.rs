//! What the samples of one series add up to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Distribution, Kind};

/// Anything two parts of which can become one, whatever the order and the grouping.
pub trait Merge {
    /// Takes `other` in.
    fn merge(&mut self, other: &Self);
}

/// The values a gauge was set to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gauge {
    /// The value set last, in the metric's unit.
    pub last: f64,
    /// The second of the run `last` was set in; decides which of two is the later.
    pub second: u32,
    /// The smallest value set.
    pub min: f64,
    /// The largest value set.
    pub max: f64,
}

/// A sum of samples, by the metric's kind. `T` is what a trend is kept in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Total<T = Distribution> {
    /// The sum.
    Counter(f64),
    /// The last, smallest and largest value.
    Gauge(Gauge),
    /// How many of how many.
    Rate {
        /// Samples that were true.
        hits: u64,
        /// All samples.
        total: u64,
    },
    /// How the values lie.
    Trend(T),
}

/// What a recorder holds of one series: a trend by the second of its samples' intended start.
pub type Accumulator = Total<BTreeMap<u32, Distribution>>;

impl<T> Total<T> {
    /// The kind of metric this is a total of.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Counter(_) => Kind::Counter,
            Self::Gauge(_) => Kind::Gauge,
            Self::Rate { .. } => Kind::Rate,
            Self::Trend(_) => Kind::Trend,
        }
    }
}

impl<T: Merge> Merge for Total<T> {
    /// Totals of different kinds never belong to one series; such an `other` is left out.
    fn merge(&mut self, other: &Self) {
        match (self, other) {
            (Self::Counter(sum), Self::Counter(more)) => *sum += more,
            (Self::Gauge(gauge), Self::Gauge(other)) => gauge.merge(other),
            (Self::Rate { hits, total }, Self::Rate { hits: h, total: t }) => {
                *hits += h;
                *total += t;
            }
            (Self::Trend(trend), Self::Trend(other)) => trend.merge(other),
            (this, other) => {
                debug_assert!(
                    false,
                    "a {:?} does not merge into a {:?}",
                    other.kind(),
                    this.kind()
                );
            }
        }
    }
}

impl Gauge {
    /// A gauge never set: merging into it gives the other.
    pub(super) const UNSET: Self =
        Self { last: f64::NEG_INFINITY, second: 0, min: f64::INFINITY, max: f64::NEG_INFINITY };

    /// A gauge set once.
    pub fn new(value: f64) -> Self {
        Self { last: value, second: 0, min: value, max: value }
    }

    /// Sets it, later than everything before.
    pub fn set(&mut self, value: f64) {
        self.last = value;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }
}

impl Merge for Gauge {
    /// Of two values set in the same second by two workers the larger counts as the last: no
    /// order between them is known, and the result must not depend on who is merged first.
    fn merge(&mut self, other: &Self) {
        let later = other.second.cmp(&self.second).then(other.last.total_cmp(&self.last));
        if later.is_gt() {
            (self.last, self.second) = (other.last, other.second);
        }
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }
}

impl Merge for BTreeMap<u32, Distribution> {
    fn merge(&mut self, other: &Self) {
        for (second, distribution) in other {
            self.entry(*second).or_default().merge(distribution);
        }
    }
}
