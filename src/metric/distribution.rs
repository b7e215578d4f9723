//! How values lie.
use serde::{Deserialize, Serialize};

use super::Merge;

/// A distribution of raw values, 3 significant digits.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Distribution {}

impl Distribution {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }
    /// Takes in one raw value.
    pub fn record(&mut self, value: u64) {
        todo!("{value}")
    }
    /// Values taken in.
    pub fn count(&self) -> u64 {
        todo!()
    }
    /// Whether nothing was taken in.
    pub fn is_empty(&self) -> bool {
        todo!()
    }
    /// The smallest, exact; 0 when empty.
    pub fn min(&self) -> u64 {
        todo!()
    }
    /// The largest, exact; 0 when empty.
    pub fn max(&self) -> u64 {
        todo!()
    }
    /// The mean, exact; 0 when empty.
    pub fn mean(&self) -> f64 {
        todo!()
    }
    /// The value a share `q` (0 to 1) of all lies at or under; 0 when empty.
    pub fn quantile(&self, q: f64) -> u64 {
        todo!("{q}")
    }
    /// The share (0 to 1) of values at or under `value`; 0 when empty.
    pub fn share_at_most(&self, value: u64) -> f64 {
        todo!("{value}")
    }
    /// As `HdrHistogram` V2, deflated, in base64.
    pub fn to_base64(&self) -> String {
        todo!()
    }
    /// Reads [`Self::to_base64`].
    pub fn from_base64(text: &str) -> Result<Self, String> {
        todo!("{text}")
    }
}

impl Merge for Distribution {
    fn merge(&mut self, other: &Self) {
        todo!("{other:?}")
    }
}
