//! What is asked of a metric, and whether it held.
//!
//! The grammar; spaces are free, clauses after the limit come in any order:
//!
//! ```text
//! threshold = metric [ "{" filter { "," filter } "}" ] aggregate operator value { clause }
//! filter    = tag "=" text | tag "!=" text | tag "in" "(" text { "|" text } ")"
//! aggregate = "count" | "rate" | "value" | "avg" | "min" | "max" | "med" | "p95" | "p(99.9)"
//! operator  = "<" | "<=" | ">" | ">=" | "==" | "!="
//! value     = "300ms" | "1%" | "4MiB" | "10/s" | "4MiB/s" | "12" | "-0.5"
//! clause    = [","] "over" duration               only what ended in the last so many seconds
//!           | "," "goal" [ operator ] value       what would be better; the limit's operator
//!           | "," "critical"                      missed, it alone makes the grade POOR
//!           | "," "abort" [ "after" duration ]    missed, it ends the run (not before "after")
//! ```
//!
//! `http.duration{name=item,scenario in (buy|look)} p95 < 300ms, goal < 100ms` for example. A text
//! with a comma, a quote, or a brace without its partner stands in double quotes.
//!
//! A time and a size need their unit: `p95 < 300` could mean milliseconds or seconds. A value is
//! compared as computed. A percentile is at most 0.1 % above the true one, never below it.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Builtin, Distribution, Kind, Summary, Tags, Total, Unit, series};
use crate::units;

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
    /// Nanoseconds, bytes, a share from 0 to 1, a number, or so many a second.
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
    /// A trend's mean.
    Avg,
    /// The smallest value.
    Min,
    /// The largest value.
    Max,
    /// A trend's percentile, 0 to 100; `med` is 50.
    Percentile(f64),
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

/// A threshold held against what was measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// What was measured, in the scale of [`Bound::value`]; none when no sample matched.
    pub value: Option<f64>,
    /// Whether the limit held. Without a value it did not.
    pub limit_held: bool,
    /// Whether the goal held; none when there is none.
    pub goal_held: Option<bool>,
}

/// What a threshold's value is counted in: a metric's unit seen through an aggregate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scale {
    Time,
    Bytes,
    Share,
    Number,
    PerSecond,
    BytesPerSecond,
}

impl Threshold {
    /// Whether such a metric has this aggregate, and the values are of its unit.
    pub fn fits(&self, kind: Kind, unit: Unit) -> Result<(), ThresholdError> {
        let Some(scale) = self.aggregate.scale(kind, unit) else {
            return Err(self.error(
                &format!("a {} has no {}", kind.name(), self.aggregate),
                format!("one of {}", Aggregate::of(kind)),
            ));
        };
        for bound in [Some(self.limit), self.goal].into_iter().flatten() {
            if !scale.takes(bound) {
                let (aggregate, metric) = (self.aggregate, &self.metric);
                return Err(self.error(
                    &format!(
                        "{aggregate} of {metric} is {scale}, not {}",
                        bound.described()
                    ),
                    scale.expected().to_owned(),
                ));
            }
        }
        Ok(())
    }

    /// Holds it against what was measured up to `elapsed`. A sliding window ends with
    /// `now_second`, the last second that all workers have reported. `unit` is the metric's.
    pub fn judge(
        &self,
        summary: &Summary,
        elapsed: Duration,
        now_second: u32,
        unit: Unit,
    ) -> Judgement {
        let over = self.over.map(|length| (length, now_second));
        let span = self.over.map_or(elapsed, |length| length.min(elapsed));
        let total = summary.select(&self.metric, &self.filters, over);
        let value = match total {
            Some(total) => self.aggregate.of_total(&total, span, unit),
            None => self.of_silence(),
        };
        let holds = |bound: &Bound| value.is_some_and(|value| bound.holds(value));
        Judgement {
            value,
            limit_held: holds(&self.limit),
            goal_held: self.goal.as_ref().map(holds),
        }
    }

    /// Nothing dropped is a real 0; no latency at all is not.
    fn of_silence(&self) -> Option<f64> {
        let counted = matches!(self.aggregate, Aggregate::Count | Aggregate::Rate);
        let zero = Builtin::find(&self.metric).is_some_and(Builtin::silence_is_zero);
        (counted && zero).then_some(0.0)
    }

    /// Whether this judgement, made after `elapsed`, ends the run. One without a sample does not:
    /// there may be some yet.
    pub fn aborts(&self, judgement: &Judgement, elapsed: Duration) -> bool {
        let missed = judgement.value.is_some() && !judgement.limit_held;
        missed && self.abort.is_some_and(|after| elapsed >= after)
    }

    /// A judged value or a bound's, for people: "203 ms", "1.2 %", "12/s".
    pub fn show(&self, kind: Kind, unit: Unit, value: f64) -> String {
        match self.aggregate.scale(kind, unit) {
            Some(Scale::Time) => series::show(Unit::Time, Kind::Gauge, value),
            Some(Scale::Bytes) => series::show(Unit::Bytes, Kind::Gauge, value),
            Some(Scale::Share) => units::show_share(value),
            Some(Scale::Number) | None => units::show_number(value),
            Some(Scale::PerSecond) => units::Rate(value).to_string(),
            Some(Scale::BytesPerSecond) => {
                format!("{}/s", series::show(Unit::Bytes, Kind::Gauge, value))
            }
        }
    }

    fn error(&self, what: &str, expected: String) -> ThresholdError {
        ThresholdError {
            what: what.to_owned(),
            expected,
        }
        .within(&self.text)
    }
}

impl Bound {
    /// Whether a measured value satisfies it.
    pub fn holds(&self, measured: f64) -> bool {
        self.comparison.holds(measured, self.value)
    }

    /// What was written, for an error.
    fn described(&self) -> String {
        match self.form {
            Form::Time => Scale::Time.to_string(),
            Form::Bytes => Scale::Bytes.to_string(),
            Form::Percent => "a percentage".to_owned(),
            Form::PerSecond => Scale::PerSecond.to_string(),
            Form::BytesPerSecond => Scale::BytesPerSecond.to_string(),
            Form::Plain => units::show_number(self.value),
        }
    }
}

impl Comparison {
    /// Whether `left` compares so with `right`, both exactly as they are.
    #[expect(
        clippy::float_cmp,
        reason = "a script asks for ==, mostly of whole numbers"
    )]
    fn holds(self, left: f64, right: f64) -> bool {
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

impl Aggregate {
    /// What a metric's value is counted in through this aggregate; none when it has no such.
    fn scale(self, kind: Kind, unit: Unit) -> Option<Scale> {
        let plain = match unit {
            Unit::Time => Scale::Time,
            Unit::Bytes => Scale::Bytes,
            Unit::Number => Scale::Number,
        };
        match (kind, self) {
            (Kind::Rate, Self::Rate) => Some(Scale::Share),
            (Kind::Rate | Kind::Trend, Self::Count) => Some(Scale::Number),
            (Kind::Trend, Self::Rate) => Some(Scale::PerSecond),
            (Kind::Counter, Self::Rate) if unit == Unit::Number => Some(Scale::PerSecond),
            (Kind::Counter, Self::Rate) if unit == Unit::Bytes => Some(Scale::BytesPerSecond),
            (Kind::Counter, Self::Count)
            | (Kind::Gauge, Self::Value | Self::Min | Self::Max)
            | (Kind::Trend, Self::Avg | Self::Min | Self::Max | Self::Percentile(_)) => Some(plain),
            _ => None,
        }
    }

    /// The aggregates of a kind, for an error.
    fn of(kind: Kind) -> &'static str {
        match kind {
            Kind::Counter => "count, rate",
            Kind::Gauge => "value, min, max",
            Kind::Rate => "rate, count",
            Kind::Trend => "avg, min, med, max, p95 (any percentile), count, rate",
        }
    }

    /// The value, where such a total has one; `span` is what a rate per second is spread over.
    fn of_total(self, total: &Total, span: Duration, unit: Unit) -> Option<f64> {
        match total {
            Total::Counter(sum) => self.of_amount(*sum, span),
            Total::Gauge(gauge) => match self {
                Self::Value => Some(gauge.last),
                Self::Min => Some(gauge.min),
                Self::Max => Some(gauge.max),
                _ => None,
            },
            Total::Rate { hits, total } => match self {
                Self::Count => Some(*hits as f64),
                Self::Rate if *total > 0 => Some(*hits as f64 / *total as f64),
                _ => None,
            },
            Total::Trend(values) if values.is_empty() => None,
            Total::Trend(values) => self
                .of_values(values)
                .map(|raw| raw / unit.raw_scale())
                .or_else(|| self.of_amount(values.count() as f64, span)),
        }
    }

    fn of_amount(self, amount: f64, span: Duration) -> Option<f64> {
        match self {
            Self::Count => Some(amount),
            Self::Rate if !span.is_zero() => Some(amount / span.as_secs_f64()),
            _ => None,
        }
    }

    fn of_values(self, values: &Distribution) -> Option<f64> {
        match self {
            Self::Avg => Some(values.mean()),
            Self::Min => Some(values.min() as f64),
            Self::Max => Some(values.max() as f64),
            Self::Percentile(percent) => Some(values.quantile(percent / 100.0) as f64),
            Self::Count | Self::Rate | Self::Value => None,
        }
    }
}

impl Scale {
    /// Whether a bound is written in this scale. Zero needs no unit.
    fn takes(self, bound: Bound) -> bool {
        match (self, bound.form) {
            (_, Form::Plain) if bound.value == 0.0 => true,
            (Self::Share, Form::Plain) => (0.0..=1.0).contains(&bound.value),
            (Self::Time, Form::Time)
            | (Self::Bytes, Form::Bytes)
            | (Self::Share, Form::Percent)
            | (Self::Number, Form::Plain)
            | (Self::PerSecond, Form::PerSecond | Form::Plain)
            | (Self::BytesPerSecond, Form::BytesPerSecond) => true,
            _ => false,
        }
    }

    fn expected(self) -> &'static str {
        match self {
            Self::Time => "a time with its unit, such as \"300ms\"",
            Self::Bytes => "a size with its unit, such as \"4MiB\"",
            Self::Share => "a share such as \"1%\" or \"0.01\"",
            Self::Number => "a plain number such as \"12\"",
            Self::PerSecond => "a number a second, such as \"10/s\"",
            Self::BytesPerSecond => "a size a second, such as \"4MiB/s\"",
        }
    }
}

impl Filter {
    /// Whether a series with these tags is meant.
    pub fn matches(&self, tags: &Tags) -> bool {
        let listed = tags
            .find(&self.key)
            .is_some_and(|found| self.values.iter().any(|v| v == found));
        listed == self.wanted
    }
}

impl ThresholdError {
    /// The same, with the threshold it is about.
    pub(super) fn within(self, text: &str) -> Self {
        Self {
            what: format!("threshold `{text}`: {}", self.what),
            ..self
        }
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
            Self::Percentile(percent) => write!(f, "p{percent}"),
        }
    }
}

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Time => "a time",
            Self::Bytes => "a size",
            Self::Share => "a share",
            Self::Number => "a number",
            Self::PerSecond => "a number a second",
            Self::BytesPerSecond => "a size a second",
        })
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
