//! What is asked of a metric. Whether it held is said next door, in `judgement.rs`.
//!
//! The grammar; spaces are free, clauses after the limit come in any order:
//!
//! ```text
//! threshold = metric [ "{" filter { "," filter } "}" ] [ aggregate ] operator value { clause }
//! filter    = tag "=" text | tag "!=" text | tag "in" "(" text { "|" text } ")"
//! aggregate = "count" | "rate" | "value" | "avg" | "min" | "max" | "med" | "p95" | "p(99.9)" | "growth"
//! operator  = "<" | "<=" | ">" | ">=" | "==" | "!="
//! value     = number | "baseline" [ ( "-" | "+" ) percent ]
//! number    = "300ms" | "1%" | "4MiB" | "10/s" | "4MiB/s" | "1MB/h" | "12" | "-0.5"
//! clause    = [","] "over" duration               only what ended in the last so many seconds
//!           | "," "goal" [ operator ] value       what would be better; the limit's operator
//!           | "," "critical"                      missed, it alone makes the grade POOR
//!           | "," "abort" [ "after" duration ]    missed, it ends the run (not before "after")
//! ```
//!
//! `http.duration{name=item,scenario in (buy|look)} p95 < 300ms, goal < 100ms` for example. A text
//! with a comma, a quote, or a brace without its partner stands in double quotes.
//!
//! `baseline - 85%` is 15 % of what earlier runs measured; which they are is said when it is run.
//!
//! The aggregate may be left out before a percentage: `budget.burnt < 2%` asks for the `rate`.
//! Where something is broken, the tags `phase` (`baseline`, `fault`, `recovery`) and `fault` (its
//! name) divide every metric: `http.failed{phase=recovery} < 1%`.
//!
//! `growth` is how far a gauge rose, or with a limit such as `1MB/h` how fast it still rises in the
//! second half of the time ([`super::Growth`]). Both have a 95 % interval, and hold only when all of
//! it does: where the time was too short to know, they are missed.
//!
//! A time and a size need their unit: `p95 < 300` could mean milliseconds or seconds. A value is
//! compared as computed. A percentile is at most 0.1 % above the true one, never below it.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Tags;
use crate::statistics::slope::Estimate;

/// A demand on one metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Threshold {
    /// As written, trimmed; all else follows from it, so this is what a file keeps.
    pub text: String,
    /// The metric's name.
    pub metric: String,
    /// Which of its series count: those that meet all of these.
    pub filters: Vec<Filter>,
    /// What is computed from their samples.
    pub aggregate: Aggregate,
    /// What must hold.
    pub limit: Bound,
    /// What would be better.
    pub goal: Option<Bound>,
    /// Only samples that ended within this last while count; whole seconds, rounded up.
    pub over: Option<Duration>,
    /// Missed, it alone makes the grade POOR.
    pub critical: bool,
    /// Missed, it ends the run, once so much of it has passed.
    pub abort: Option<Duration>,
}

/// An operator and what stands to its right.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound {
    /// How the measured value must compare with `value`.
    pub comparison: Comparison,
    /// Nanoseconds, bytes, a share from 0 to 1, a number, or so many a second; for a baseline not
    /// told yet, how many times it.
    pub value: f64,
    /// How it was written.
    pub form: Form,
}

/// How a bound's value was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `300ms`
    Time,
    /// `4MiB`
    Bytes,
    /// `1%`
    Percent,
    /// `10/s`
    PerSecond,
    /// `4MiB/s`
    BytesPerSecond,
    /// `12`
    Plain,
    /// `baseline - 85%`
    Baseline,
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
    /// A counter's sum, a rate's hits, how many samples a trend has.
    Count,
    /// A rate's share; a second's part of a counter's sum or of a trend's samples.
    Rate,
    /// A gauge's last value.
    Value,
    /// A trend's mean; a gauge's over its seconds.
    Avg,
    /// The smallest value.
    Min,
    /// The largest value.
    Max,
    /// A trend's percentile, 0 to 100, or a gauge's over its seconds; `med` is 50.
    Percentile(f64),
    /// How far a gauge rose.
    Growth,
    /// How fast a gauge still rises, by the second: `growth` with a limit such as `1MB/h`.
    Pace,
}

/// A condition on one tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// The tag's key.
    pub key: String,
    /// The values it speaks of; more than one only with `in`.
    pub values: Vec<String>,
    /// Whether the tag must have one of `values`, or none of them (which holds without the tag).
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

impl Bound {
    /// Whether a measured value satisfies it, wherever in its interval the truth lies.
    pub(super) fn holds(&self, measured: Estimate) -> bool {
        [measured.low, measured.high].into_iter().all(|end| self.comparison.holds(end, self.value))
    }
}

impl Threshold {
    /// Whether it speaks of a baseline.
    pub fn needs_baseline(&self) -> bool {
        let bounds = [Some(self.limit), self.goal];
        bounds.into_iter().flatten().any(|bound| bound.form == Form::Baseline)
    }

    /// Tells it what the baseline measured. Once is enough.
    pub fn hold_against(&mut self, baseline: f64) {
        let bounds = [Some(&mut self.limit), self.goal.as_mut()];
        for bound in bounds.into_iter().flatten().filter(|bound| bound.form == Form::Baseline) {
            bound.value *= baseline;
        }
    }
}

impl Comparison {
    /// Whether `left` compares so with `right`, both exactly as they are.
    #[expect(clippy::float_cmp, reason = "a script asks for ==, mostly of whole numbers")]
    pub(super) fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Self::Less => left < right,
            Self::AtMost => left <= right,
            Self::More => left > right,
            Self::AtLeast => left >= right,
            Self::Equal => left == right,
            Self::Unequal => left != right,
        }
    }
}

impl Filter {
    /// Whether a series with these tags is meant.
    pub fn matches(&self, tags: &Tags) -> bool {
        let names = |value: &String, found| value == found || self.is_class(value, found);
        let listed = tags
            .find(&self.key)
            .is_some_and(|found| self.values.iter().any(|value| names(value, found)));
        listed == self.wanted
    }

    /// Whether a value stands for all statuses of a class, `5xx`, and that is one of them.
    fn is_class(&self, value: &str, found: &str) -> bool {
        self.key == "status"
            && value.strip_suffix("xx").is_some_and(|class| {
                class.len() == 1 && found.len() == 3 && found.starts_with(class)
            })
    }
}

impl ThresholdError {
    /// The same, with the threshold it is about.
    pub(super) fn within(self, text: &str) -> Self {
        Self { what: format!("threshold `{text}`: {}", self.what), ..self }
    }
}

impl fmt::Display for Aggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count => f.write_str("count"),
            Self::Rate => f.write_str("rate"),
            Self::Value => f.write_str("value"),
            Self::Avg => f.write_str("avg"),
            Self::Min => f.write_str("min"),
            Self::Max => f.write_str("max"),
            Self::Growth | Self::Pace => f.write_str("growth"),
            Self::Percentile(percent) => write!(f, "p{percent}"),
        }
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

#[cfg(test)]
#[path = "threshold_tests.rs"]
mod tests;
