//! Names: a metric, the tags that divide it, and the series both make together.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Builtin;
use crate::units;

/// How the samples of a metric add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A sum that only grows.
    Counter,
    /// The last value set, with its smallest and largest.
    Gauge,
    /// Hits out of a total: a share between 0 and 1.
    Rate,
    /// A distribution of values.
    Trend,
}

/// What a metric's values are counted in; a trend keeps integers of the raw unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Time, raw in nanoseconds.
    Time,
    /// Bytes, raw in bytes.
    Bytes,
    /// A plain number; a trend keeps it in thousandths.
    Number,
    /// A share of one, which may be more than that: 2 are two processors. A trend keeps it in
    /// thousandths.
    Share,
}

/// A metric's definition.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Metric {
    /// `thing.aspect`, for example `http.duration`.
    pub name: Arc<str>,
    /// How samples add up.
    pub kind: Kind,
    /// What values are counted in.
    pub unit: Unit,
}

/// Sorted `(key, value)` pairs, shared and cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tags(Arc<[(Arc<str>, Arc<str>)]>);

/// One metric with one set of tags: what a threshold's filter picks and a report lists.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Series {
    /// What is measured.
    pub metric: Metric,
    /// Which part of it.
    pub tags: Tags,
}

impl Metric {
    /// A metric by its parts.
    pub fn new(name: &str, kind: Kind, unit: Unit) -> Self {
        Self { name: name.into(), kind, unit }
    }

    /// A metric the engine records by itself; none when no such name stands in [`super::BUILTIN`].
    pub fn builtin(name: &str) -> Option<Self> {
        Builtin::find(name).map(|builtin| Self::new(builtin.name, builtin.kind, builtin.unit))
    }
}

impl Kind {
    /// The word for it, in scripts and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Rate => "rate",
            Self::Trend => "trend",
        }
    }
}

impl Unit {
    /// A value (nanoseconds, bytes, a number) as a trend keeps it. What a trend cannot keep, a
    /// negative or an endless value, becomes the nearest it can.
    pub fn raw(self, value: f64) -> u64 {
        (value * self.raw_scale()).round() as u64
    }

    /// What a trend's raw value stands for: nanoseconds, bytes, a number.
    pub fn value(self, raw: u64) -> f64 {
        raw as f64 / self.raw_scale()
    }

    /// Raw steps of a trend in one nanosecond, byte or number.
    pub(super) fn raw_scale(self) -> f64 {
        match self {
            Self::Time | Self::Bytes => 1.0,
            Self::Number | Self::Share => 1000.0,
        }
    }
}

/// A value of a metric, for people: "203 ms", "1.2 %", "4.1 MiB", "12". It is raw for a trend, a
/// share for a rate, else nanoseconds, bytes or a number.
pub fn show(unit: Unit, kind: Kind, value: f64) -> String {
    let value = if kind == Kind::Trend { value / unit.raw_scale() } else { value };
    match unit {
        _ if kind == Kind::Rate || unit == Unit::Share => units::show_share(value),
        Unit::Time => units::show_duration(Duration::from_nanos(value.round() as u64)),
        Unit::Bytes => units::Bytes(value.round() as u64).to_string(),
        Unit::Number | Unit::Share => units::show_number(value),
    }
}

impl Tags {
    /// Tags from pairs in any order; of two with the same key the later holds.
    pub fn new<K, V>(pairs: impl IntoIterator<Item = (K, V)>) -> Self
    where
        K: Into<Arc<str>>,
        V: Into<Arc<str>>,
    {
        let sorted: BTreeMap<Arc<str>, Arc<str>> =
            pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        Self(sorted.into_iter().collect())
    }

    /// These and one more, in the place of one with the same key.
    #[must_use]
    pub fn with(&self, key: &str, value: &str) -> Self {
        let more = (Arc::from(key), Arc::from(value));
        Self::new(self.0.iter().cloned().chain([more]))
    }

    /// The value of a key.
    pub fn find(&self, key: &str) -> Option<&str> {
        self.iter().find(|(found, _)| *found == key).map(|(_, value)| value)
    }

    /// All pairs, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (&**key, &**value))
    }

    /// Whether there is no tag.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Tags {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Tags {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::<String, String>::deserialize(deserializer).map(Self::new)
    }
}

impl fmt::Display for Series {
    /// As a threshold names it: `http.duration{name=item,scenario=buy}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.metric.name)?;
        if self.tags.is_empty() {
            return Ok(());
        }
        for (n, (key, value)) in self.tags.iter().enumerate() {
            f.write_str(if n == 0 { "{" } else { "," })?;
            if value.chars().all(|c| c.is_alphanumeric() || "_-./: ".contains(c)) {
                write!(f, "{key}={value}")?;
            } else {
                let escaped = value.replace('\\', r"\\").replace('"', r#"\""#);
                write!(f, "{key}=\"{escaped}\"")?;
            }
        }
        f.write_str("}")
    }
}
