//! What is asked of a metric.
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Kind, Summary, Tags, Unit};

/// A demand on one metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Threshold {
    /// As written, trimmed.
    pub text: String,
    /// The metric's name.
    pub metric: String,
    /// Which of its series count; all must match.
    pub filters: Vec<Filter>,
    /// What is computed from the samples.
    pub aggregate: Aggregate,
    /// What must hold.
    pub limit: Bound,
    /// What would be better.
    pub goal: Option<Bound>,
    /// Only the samples that ended within this last while count.
    pub over: Option<Duration>,
    /// Missing it alone makes the grade POOR.
    pub critical: bool,
    /// Missing it ends the run, once this much of it has passed.
    pub abort: Option<Duration>,
}

/// One side of a comparison and its operator.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound {
    /// How the value must compare with `value`.
    pub comparison: Comparison,
    /// Nanoseconds, bytes, a share, a number, or one of them a second.
    pub value: f64,
    /// How it was written.
    pub form: Form,
}

/// How a bound's value was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `300ms`.
    Time,
    /// `4MiB`.
    Bytes,
    /// `1%`.
    Percent,
    /// `10/s`.
    PerSecond,
    /// `4MiB/s`.
    BytesPerSecond,
    /// `12`.
    Plain,
}

/// An operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    More,
    /// `>=`
    AtLeast,
    /// `==`
    Equal,
    /// `!=`
    Unequal,
}

/// What is computed from a metric's samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Aggregate {
    /// A counter's sum, a rate's hits, a trend's samples.
    Count,
    /// A rate's share; a counter's sum or a trend's samples, a second.
    Rate,
    /// A gauge's last value.
    Value,
    /// The mean.
    Avg,
    /// The smallest.
    Min,
    /// The largest.
    Max,
    /// The given percentile, 0 to 100; `med` is 50.
    Percentile(f64),
}

/// A condition on one tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// The tag's key.
    pub key: String,
    /// The values it speaks of; more than one only with `in`.
    pub values: Vec<String>,
    /// Whether the tag must be one of `values`, or none of them.
    pub wanted: bool,
}

/// What is wrong with a threshold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThresholdError {
    /// The threshold and what is wrong with it.
    pub what: String,
    /// What is expected in its place.
    pub expected: String,
}

/// A threshold held against what was measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// In the scale of [`Bound::value`]; none when no sample matched.
    pub value: Option<f64>,
    /// Whether the limit held; not without a value.
    pub limit_held: bool,
    /// Whether the goal held, where there is one.
    pub goal_held: Option<bool>,
}

impl Filter {
    /// Whether a series with these tags is meant.
    pub fn matches(&self, tags: &Tags) -> bool {
        todo!("{tags:?}")
    }
}

impl Threshold {
    /// Reads a threshold.
    pub fn parse(text: &str) -> Result<Self, ThresholdError> {
        todo!("{text}")
    }
    /// Whether aggregate and values suit such a metric.
    pub fn fits(&self, kind: Kind, unit: Unit) -> Result<(), ThresholdError> {
        todo!("{kind:?} {unit:?}")
    }
    /// Holds it against what was measured until `elapsed`; `now_second` ends a sliding window.
    pub fn judge(
        &self,
        summary: &Summary,
        elapsed: Duration,
        now_second: u32,
        unit: Unit,
    ) -> Judgement {
        todo!("{summary:?} {elapsed:?} {now_second} {unit:?}")
    }
    /// Whether this judgement ends the run.
    pub fn aborts(&self, judgement: &Judgement, elapsed: Duration) -> bool {
        todo!("{judgement:?} {elapsed:?}")
    }
    /// A judged value or a bound, for people: "203 ms", "1.2 %", "12/s".
    pub fn show(&self, kind: Kind, unit: Unit, value: f64) -> String {
        todo!("{kind:?} {unit:?} {value}")
    }
}

impl fmt::Display for ThresholdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; expected {}", self.what, self.expected)
    }
}

impl std::error::Error for ThresholdError {}

impl TryFrom<String> for Threshold {
    type Error = ThresholdError;
    fn try_from(text: String) -> Result<Self, ThresholdError> {
        Self::parse(&text)
    }
}

impl From<Threshold> for String {
    fn from(threshold: Threshold) -> Self {
        threshold.text
    }
}
