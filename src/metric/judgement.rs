//! Whether a threshold suits its metric, and whether it held.
//!
//! A metric's unit seen through an aggregate gives a scale: the 95th percentile of a time is a
//! time, how many there are is a number. A threshold fits when its values are written in that
//! scale, and is judged and shown in it.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::growth::{self, Growth};
use super::{
    Aggregate, Bound, Builtin, Comparison, Distribution, Edges, Form, Kind, Phase, Point, Summary,
    Tags, Threshold, ThresholdError, Total, Unit, gather, length, of_phases, show,
};
use crate::statistics::slope::Estimate;
use crate::units;

/// A threshold held against what was measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// What was measured, in the scale of [`Bound::value`]; none when no sample matched.
    pub value: Option<f64>,
    /// Where the truth lies, where that is not the value itself.
    pub interval: Option<(f64, f64)>,
    /// Whether the limit held. Without a value it did not.
    pub limit_held: bool,
    /// Whether the goal held; none when there is none.
    pub goal_held: Option<bool>,
}

/// A series of a run that has ended.
#[derive(Clone, Copy, Debug)]
pub struct Held<'a> {
    /// Which part of the metric it is.
    pub tags: &'a Tags,
    /// What it received over the whole run.
    pub total: &'a Total,
    /// The same by the number of the phase.
    pub phases: &'a BTreeMap<u32, Total>,
    /// The same by the second.
    pub points: &'a [Point],
}

/// What a threshold's value is counted in: a metric's unit seen through an aggregate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scale {
    Time,
    Bytes,
    /// From nothing to all.
    Share,
    /// A share that may be more than one, such as of a processor.
    Percent,
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
        if self.over.is_some() && self.filters.iter().any(|filter| filter.key == "phase") {
            let expected = "the same without \"over\"".to_owned();
            return Err(self.error("a phase is not divided into windows", expected));
        }
        let phased = self.filters.iter().any(|filter| Phase::KEYS.contains(&filter.key.as_str()));
        if kind == Kind::Gauge && self.aggregate.is_of_levels() && phased {
            let what = format!("{} of {} is not divided into phases", self.aggregate, self.metric);
            return Err(self.error(&what, "one of value, min, max".to_owned()));
        }
        if self.over.is_some() && self.needs_baseline() {
            let expected = "the same without \"over\"".to_owned();
            return Err(self.error("a baseline says nothing of windows", expected));
        }
        for bound in [Some(self.limit), self.goal].into_iter().flatten() {
            if !scale.takes(bound) {
                let (aggregate, metric) = (self.aggregate, &self.metric);
                return Err(self.error(
                    &format!("{aggregate} of {metric} is {scale}, not {}", bound.described()),
                    scale.expected().to_owned(),
                ));
            }
        }
        self.goal.map_or(Ok(()), |goal| self.is_stricter(goal))
    }

    /// A goal asks for no less than the limit. What a baseline will have measured is not known yet.
    fn is_stricter(&self, goal: Bound) -> Result<(), ThresholdError> {
        let known = [goal, self.limit].map(|bound| bound.form != Form::Baseline);
        if known[0] != known[1] || !goal.is_looser_than(self.limit) {
            return Ok(());
        }
        let expected = match self.limit.comparison {
            Comparison::Less | Comparison::AtMost => "a goal at or below the limit, with < or <=",
            Comparison::More | Comparison::AtLeast => "a goal at or above the limit, with > or >=",
            Comparison::Equal | Comparison::Unequal => "no goal: there is nothing better",
        };
        Err(self.error("the goal asks for less than the limit", expected.to_owned()))
    }

    /// Whether it asks how long something took, and not how often it happened.
    pub fn asks_how_long(&self) -> bool {
        !matches!(self.aggregate, Aggregate::Count | Aggregate::Rate)
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
        let span = match self.over {
            Some(length) => length.min(elapsed),
            None => summary.length(&self.filters, elapsed),
        };
        let measured = match summary.select(&self.metric, &self.filters, over) {
            Some(Total::Gauge(_)) if self.aggregate.is_of_levels() => {
                self.of_levels(&summary.levels(&self.metric, &self.filters, over), unit)
            }
            Some(total) => self.aggregate.of_total(&total, span, unit).map(Estimate::exactly),
            None => self.of_silence(summary).map(Estimate::exactly),
        };
        let holds = |bound: &Bound| measured.is_some_and(|measured| bound.holds(measured));
        let doubtful = measured.filter(|measured| measured.low < measured.high);
        Judgement {
            value: measured.map(|measured| measured.value),
            interval: doubtful.map(|measured| (measured.low, measured.high)),
            limit_held: holds(&self.limit),
            goal_held: self.goal.as_ref().map(holds),
        }
    }

    /// What a run that has ended measured, of its metric's series.
    pub fn measure<'a>(
        &self,
        series: impl Iterator<Item = Held<'a>>,
        edges: Option<&Edges>,
        elapsed: Duration,
        unit: Unit,
    ) -> Option<f64> {
        let mut levels = Vec::new();
        let parts = series.map(|series| (series.tags, series.total.kind(), series));
        let total = gather(&self.filters, edges, parts, |series, phases| {
            if let Some(phases) = phases {
                return of_phases(series.phases, phases);
            }
            levels.push(growth::levels(series.points));
            Some(series.total.clone())
        });
        match total {
            Some(Total::Gauge(_)) if self.aggregate.is_of_levels() => {
                return self.of_levels(&levels, unit).map(|measured| measured.value);
            }
            Some(total) => {
                let span = length(edges, &self.filters, elapsed);
                return self.aggregate.of_total(&total, span, unit);
            }
            None => {}
        }
        let zero = Builtin::find(&self.metric).is_some_and(Builtin::silence_is_zero);
        zero.then_some(0.0)
    }

    /// What gauges make of the values at the end of each second; of several that grow, the one that
    /// speaks most against the run.
    fn of_levels(&self, gauges: &[Vec<(u32, f64)>], unit: Unit) -> Option<Estimate> {
        let grown = gauges.iter().filter_map(|levels| Growth::of(levels, unit));
        let worst = |grown: &mut dyn Iterator<Item = Estimate>| match self.limit.comparison {
            Comparison::More | Comparison::AtLeast => grown.min_by(|a, b| a.low.total_cmp(&b.low)),
            _ => grown.max_by(|a, b| a.high.total_cmp(&b.high)),
        };
        let mut values: Vec<f64> = gauges.iter().flatten().map(|(_, level)| *level).collect();
        match self.aggregate {
            Aggregate::Growth => worst(&mut grown.map(|growth| growth.rise)),
            Aggregate::Pace => worst(&mut grown.map(|growth| growth.pace)),
            _ if values.is_empty() => None,
            Aggregate::Percentile(percent) => {
                values.sort_by(f64::total_cmp);
                let rank = (percent / 100.0 * values.len() as f64).ceil() as usize;
                Some(Estimate::exactly(values[rank.clamp(1, values.len()) - 1]))
            }
            _ => Some(Estimate::exactly(values.iter().sum::<f64>() / values.len() as f64)),
        }
    }

    /// Nothing dropped is a real 0, and so is nothing within a window when there was something
    /// before; no latency at all is not.
    fn of_silence(&self, summary: &Summary) -> Option<f64> {
        let counted = matches!(self.aggregate, Aggregate::Count | Aggregate::Rate);
        let zero = Builtin::find(&self.metric).is_some_and(Builtin::silence_is_zero);
        let stopped = || {
            let ever = self.over.and_then(|_| summary.select(&self.metric, &self.filters, None));
            ever.is_some_and(|total| self.is_throughput(total.kind()))
        };
        (counted && (zero || stopped())).then_some(0.0)
    }

    /// Whether it asks how much a level rose, which takes some seconds to tell.
    pub fn is_growth(&self) -> bool {
        matches!(self.aggregate, Aggregate::Growth | Aggregate::Pace)
    }

    /// Whether it asks how many samples there were in a time, and not what they were like.
    pub fn is_throughput(&self, kind: Kind) -> bool {
        match self.aggregate {
            Aggregate::Count => true,
            Aggregate::Rate => kind != Kind::Rate,
            _ => false,
        }
    }

    /// Whether this judgement, made after `elapsed`, ends the run. One without a sample does not:
    /// there may be some yet.
    pub fn aborts(&self, judgement: &Judgement, elapsed: Duration) -> bool {
        let missed = judgement.value.is_some() && !judgement.limit_held;
        missed && self.abort.is_some_and(|after| elapsed >= after)
    }

    /// A judged value or a bound's, for people: "203 ms", "1.2 %", "12/s", "-3 MiB/h". One that would
    /// look like the limit and is not says so: "> 1 %".
    pub fn show(&self, kind: Kind, unit: Unit, value: f64) -> String {
        let (shown, limit) = (self.rounded(kind, unit, value), self.limit.value);
        match value.partial_cmp(&limit) {
            Some(Ordering::Less) if shown == self.rounded(kind, unit, limit) => {
                format!("< {shown}")
            }
            Some(Ordering::Greater) if shown == self.rounded(kind, unit, limit) => {
                format!("> {shown}")
            }
            _ => shown,
        }
    }

    fn rounded(&self, kind: Kind, unit: Unit, value: f64) -> String {
        match self.aggregate {
            Aggregate::Growth | Aggregate::Pace if value < 0.0 => {
                return format!("-{}", self.rounded(kind, unit, -value));
            }
            Aggregate::Pace => return format!("{}/h", show(unit, Kind::Gauge, value * 3600.0)),
            _ => {}
        }
        match self.aggregate.scale(kind, unit) {
            Some(Scale::Time) => show(Unit::Time, Kind::Gauge, value),
            Some(Scale::Bytes) => show(Unit::Bytes, Kind::Gauge, value),
            Some(Scale::Share | Scale::Percent) => units::show_share(value),
            Some(Scale::Number) | None => units::show_number(value),
            Some(Scale::PerSecond) => units::Rate(value).to_string(),
            Some(Scale::BytesPerSecond) => {
                format!("{}/s", show(Unit::Bytes, Kind::Gauge, value))
            }
        }
    }

    fn error(&self, what: &str, expected: String) -> ThresholdError {
        ThresholdError { what: what.to_owned(), expected }.within(&self.text)
    }
}

impl Bound {
    /// Whether a value may satisfy this one and miss `limit`; both are of one unit, and none is
    /// below 0 where they are shares of a baseline.
    fn is_looser_than(self, limit: Self) -> bool {
        use Comparison::{AtLeast, AtMost, Equal, Less, More, Unequal};
        match (limit.comparison, self.comparison) {
            (Less | AtMost, Less | AtMost) => self.value > limit.value,
            (More | AtLeast, More | AtLeast) => self.value < limit.value,
            (_, Equal) => !limit.comparison.holds(self.value, limit.value),
            (Less | AtMost, More | AtLeast) | (More | AtLeast, Less | AtMost) | (Equal, _) => true,
            (Unequal, _) | (_, Unequal) => false,
        }
    }

    /// What was written, for an error.
    fn described(&self) -> String {
        match self.form {
            Form::Time => Scale::Time.to_string(),
            Form::Bytes => Scale::Bytes.to_string(),
            Form::Percent if self.value > 1.0 => units::show_share(self.value),
            Form::Percent => Scale::Percent.to_string(),
            Form::PerSecond => Scale::PerSecond.to_string(),
            Form::BytesPerSecond => Scale::BytesPerSecond.to_string(),
            Form::Plain => units::show_number(self.value),
            Form::Baseline => "a baseline".to_owned(),
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
            Unit::Share => Scale::Percent,
        };
        match (kind, self) {
            (Kind::Rate, Self::Rate) => Some(Scale::Share),
            (Kind::Rate | Kind::Trend, Self::Count) => Some(Scale::Number),
            (Kind::Trend, Self::Rate) => Some(Scale::PerSecond),
            (Kind::Counter, Self::Rate) | (Kind::Gauge, Self::Pace) if unit == Unit::Number => {
                Some(Scale::PerSecond)
            }
            (Kind::Counter, Self::Rate) | (Kind::Gauge, Self::Pace) if unit == Unit::Bytes => {
                Some(Scale::BytesPerSecond)
            }
            (Kind::Gauge, Self::Count | Self::Rate) => None,
            (Kind::Counter, Self::Count)
            | (Kind::Gauge, _)
            | (Kind::Trend, Self::Avg | Self::Min | Self::Max | Self::Percentile(_)) => Some(plain),
            _ => None,
        }
    }

    /// The aggregates of a kind, for an error.
    fn of(kind: Kind) -> &'static str {
        match kind {
            Kind::Counter => "count, rate",
            Kind::Gauge => "value, min, max, avg, med, p95 (any percentile), growth",
            Kind::Rate => "rate, count",
            Kind::Trend => "avg, min, med, max, p95 (any percentile), count, rate",
        }
    }

    /// Whether a gauge is asked for its values over time, and not for its total.
    fn is_of_levels(self) -> bool {
        matches!(self, Self::Avg | Self::Percentile(_) | Self::Growth | Self::Pace)
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
            Self::Count | Self::Rate | Self::Value | Self::Growth | Self::Pace => None,
        }
    }
}

impl Scale {
    /// Whether a bound is written in this scale. Zero needs no unit.
    fn takes(self, bound: Bound) -> bool {
        match (self, bound.form) {
            (_, Form::Plain) if bound.value == 0.0 => true,
            // "< 1" was meant to be 1 %, and holds nearly always.
            (Self::Share, Form::Plain) if bound.value >= 1.0 => {
                bound.value <= 1.0
                    && !matches!(bound.comparison, Comparison::Less | Comparison::AtMost)
            }
            (Self::Share, Form::Plain | Form::Percent) => (0.0..=1.0).contains(&bound.value),
            (_, Form::Baseline)
            | (Self::Time, Form::Time)
            | (Self::Bytes, Form::Bytes)
            | (Self::Percent, Form::Percent | Form::Plain)
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
            Self::Share => "a share such as \"1%\" or \"0.01\"; all of them are \"100%\"",
            Self::Percent => "a percentage such as \"80%\"",
            Self::Number => "a plain number such as \"12\"",
            Self::PerSecond => "a number a second, such as \"10/s\"",
            Self::BytesPerSecond => "a size a second, such as \"4MiB/s\"",
        }
    }
}

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Time => "a time",
            Self::Bytes => "a size",
            Self::Share => "a share",
            Self::Percent => "a percentage",
            Self::Number => "a number",
            Self::PerSecond => "a number a second",
            Self::BytesPerSecond => "a size a second",
        })
    }
}
