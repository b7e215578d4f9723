//! Names: a metric, the tags that divide it, and the series both make together.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

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

/// A metric the engine records by itself.
#[derive(Debug)]
pub struct Builtin {
    /// `thing.aspect`.
    pub name: &'static str,
    /// How samples add up.
    pub kind: Kind,
    /// What values are counted in.
    pub unit: Unit,
    /// The tags its series carry, besides those the script sets.
    pub tags: &'static [&'static str],
    /// One line for the documentation.
    pub about: &'static str,
}

/// Every metric the engine records by itself. `name` is the operation, `kind` a failure's kind.
pub const BUILTIN: &[Builtin] = &[
    Builtin {
        name: "http.duration",
        kind: Kind::Trend,
        unit: Unit::Time,
        tags: &["scenario", "name"],
        about: "from the moment a call was sent to the last byte of its reply: connecting and waiting for a connection included",
    },
    Builtin {
        name: "http.failed",
        kind: Kind::Rate,
        unit: Unit::Number,
        tags: &["scenario", "name", "kind"],
        about: "share of calls that failed; `kind` says how",
    },
    Builtin {
        name: "http.status",
        kind: Kind::Counter,
        unit: Unit::Number,
        tags: &["scenario", "name", "status"],
        about: "replies by status code",
    },
    Builtin {
        name: "http.wait",
        kind: Kind::Trend,
        unit: Unit::Time,
        tags: &["scenario", "name"],
        about: "from the last byte sent to the first byte of the reply",
    },
    Builtin {
        name: "http.connects",
        kind: Kind::Counter,
        unit: Unit::Number,
        tags: &["scenario", "name"],
        about: "connections opened",
    },
    Builtin {
        name: "http.sent",
        kind: Kind::Counter,
        unit: Unit::Bytes,
        tags: &["scenario", "name"],
        about: "bytes sent, heads included",
    },
    Builtin {
        name: "http.received",
        kind: Kind::Counter,
        unit: Unit::Bytes,
        tags: &["scenario", "name"],
        about: "bytes received, heads included",
    },
    Builtin {
        name: "redis.duration",
        kind: Kind::Trend,
        unit: Unit::Time,
        tags: &["scenario", "name", "command"],
        about: "from the moment a call was sent to the last byte of its reply: connecting and waiting for a connection included, a pause before connecting again not",
    },
    Builtin {
        name: "redis.failed",
        kind: Kind::Rate,
        unit: Unit::Number,
        tags: &["scenario", "name", "command", "kind"],
        about: "share of Redis calls that failed; `kind` says how; a missing key is no failure",
    },
    Builtin {
        name: "redis.wait",
        kind: Kind::Trend,
        unit: Unit::Time,
        tags: &["scenario", "name", "command"],
        about: "waiting for a shared connection to be free",
    },
    Builtin {
        name: "redis.connects",
        kind: Kind::Counter,
        unit: Unit::Number,
        tags: &["scenario", "name", "command"],
        about: "connections to Redis opened, or tried",
    },
    Builtin {
        name: "redis.commands",
        kind: Kind::Counter,
        unit: Unit::Number,
        tags: &["scenario", "name", "command"],
        about: "commands sent; a pipeline or transaction is one call with several",
    },
    Builtin {
        name: "redis.redirects",
        kind: Kind::Counter,
        unit: Unit::Number,
        tags: &["scenario", "name", "command"],
        about: "steps by which nodes of a cluster sent commands on; their time is the call's",
    },
    Builtin {
        name: "sql.duration",
        kind: Kind::Trend,
        unit: Unit::Time,
        tags: &["scenario", "name"],
        about: "from having a connection to the end of the answer; a transaction from its BEGIN to its COMMIT",
    },
    Builtin {
        name: "sql.failed",
        kind: Kind::Rate,
        unit: Unit::Number,
        tags: &["scenario", "name", "kind"],
        about: "share of statements and transactions that failed; `kind` says how",
    },
    Builtin {
        name: "sql.wait",
        kind: Kind::Trend,
        unit: Unit::Time,
        tags: &["scenario", "name"],
        about: "waiting for a connection to the database, opening one included; not part of `sql.duration`",
    },
    Builtin {
        name: "sql.connects",
        kind: Kind::Counter,
        unit: Unit::Number,
        tags: &["scenario", "name"],
        about: "connections to the database opened, or tried",
    },
    Builtin {
        name: "iteration.offered",
        kind: Kind::Counter,
        unit: Unit::Number,
        tags: &["scenario"],
        about: "iterations that were due",
    },
    Builtin {
        name: "iteration.started",
        kind: Kind::Counter,
        unit: Unit::Number,
        tags: &["scenario"],
        about: "iterations a user took up",
    },
    Builtin {
        name: "iteration.finished",
        kind: Kind::Counter,
        unit: Unit::Number,
        tags: &["scenario"],
        about: "iterations that came to their end, broken ones included",
    },
    Builtin {
        name: "iteration.response",
        kind: Kind::Trend,
        unit: Unit::Time,
        tags: &["scenario"],
        about: "from an iteration's intended start to its end",
    },
    Builtin {
        name: "iteration.duration",
        kind: Kind::Trend,
        unit: Unit::Time,
        tags: &["scenario"],
        about: "from an iteration's real start to its end",
    },
    Builtin {
        name: "iteration.lag",
        kind: Kind::Trend,
        unit: Unit::Time,
        tags: &["scenario"],
        about: "from an iteration's intended start to its real start",
    },
    Builtin {
        name: "iteration.dropped",
        kind: Kind::Counter,
        unit: Unit::Number,
        tags: &["scenario"],
        about: "arrivals not started for want of a free user",
    },
    Builtin {
        name: "iteration.unfinished",
        kind: Kind::Counter,
        unit: Unit::Number,
        tags: &["scenario"],
        about: "iterations cut off after graceful_stop",
    },
    Builtin {
        name: "users.busy",
        kind: Kind::Gauge,
        unit: Unit::Number,
        tags: &["scenario"],
        about: "users inside an iteration, at the end of each second",
    },
    Builtin {
        name: "process.cpu",
        kind: Kind::Gauge,
        unit: Unit::Share,
        tags: &["process"],
        about: "processors in use over each second, 100 % being one",
    },
    Builtin {
        name: "process.memory",
        kind: Kind::Gauge,
        unit: Unit::Bytes,
        tags: &["process"],
        about: "resident memory at the end of each second",
    },
    Builtin {
        name: "process.read",
        kind: Kind::Counter,
        unit: Unit::Bytes,
        tags: &["process"],
        about: "bytes read from disk",
    },
    Builtin {
        name: "process.written",
        kind: Kind::Counter,
        unit: Unit::Bytes,
        tags: &["process"],
        about: "bytes written to disk",
    },
    Builtin {
        name: "host.steal",
        kind: Kind::Gauge,
        unit: Unit::Share,
        tags: &[],
        about: "share of this machine's processor time that its host gave to others, over each second",
    },
    Builtin {
        name: "host.received",
        kind: Kind::Counter,
        unit: Unit::Bytes,
        tags: &["interface"],
        about: "bytes this machine received, whoever they were for",
    },
    Builtin {
        name: "host.sent",
        kind: Kind::Counter,
        unit: Unit::Bytes,
        tags: &["interface"],
        about: "bytes this machine sent, whoever sent them",
    },
    Builtin {
        name: "check.failed",
        kind: Kind::Rate,
        unit: Unit::Number,
        tags: &["scenario", "check"],
        about: "share of checks that did not hold",
    },
    Builtin {
        name: "script.errors",
        kind: Kind::Counter,
        unit: Unit::Number,
        tags: &["scenario"],
        about: "iterations broken by an error in the script",
    },
    Builtin {
        name: "recovery.time",
        kind: Kind::Trend,
        unit: Unit::Time,
        tags: &["fault"],
        about: "from the end of a fault until calls were good again; 24 h where they never were",
    },
    Builtin {
        name: "recovery.detect",
        kind: Kind::Trend,
        unit: Unit::Time,
        tags: &["fault"],
        about: "from the begin of a fault until it showed in the calls",
    },
    Builtin {
        name: "recovery.settle",
        kind: Kind::Trend,
        unit: Unit::Time,
        tags: &["fault"],
        about: "from the end of a fault to the end of the last bad window; 24 h where calls were never good again",
    },
    Builtin {
        name: "recovery.outage",
        kind: Kind::Trend,
        unit: Unit::Time,
        tags: &["fault"],
        about: "from the begin of the first bad window until calls were good again; 24 h where they never were",
    },
    Builtin {
        name: "recovery.relapses",
        kind: Kind::Counter,
        unit: Unit::Number,
        tags: &["fault"],
        about: "times calls went bad again after they had been good",
    },
    Builtin {
        name: "recovery.lost",
        kind: Kind::Counter,
        unit: Unit::Number,
        tags: &["fault"],
        about: "calls that served nobody, from the first bad window to the last",
    },
    Builtin {
        name: "recovery.debt",
        kind: Kind::Counter,
        unit: Unit::Time,
        tags: &["fault"],
        about: "latency debt: time that calls took beyond the usual, summed up from the first bad window to the last",
    },
    Builtin {
        name: "recovery.retries",
        kind: Kind::Trend,
        unit: Unit::Number,
        tags: &["fault"],
        about: "retry amplification: calls an iteration, while the fault stood or after it, in those before it",
    },
    Builtin {
        name: "budget.burn",
        kind: Kind::Trend,
        unit: Unit::Number,
        tags: &["fault"],
        about: "how many times too fast the error budget was used up, over the worst 5 s",
    },
    Builtin {
        name: "budget.burnt",
        kind: Kind::Rate,
        unit: Unit::Number,
        tags: &[],
        about: "share of the error budget of 30 days at 99.9 % (or what `recovery` says) that the run used up, at its own rate of calls",
    },
    Builtin {
        name: "ledger.lost",
        kind: Kind::Counter,
        unit: Unit::Number,
        tags: &["ledger"],
        about: "ids acknowledged by the target that never landed",
    },
    Builtin {
        name: "ledger.landing",
        kind: Kind::Trend,
        unit: Unit::Time,
        tags: &["ledger"],
        about: "from an id being sent until it was first seen, by a reader that looks while there is load",
    },
    Builtin {
        name: "ledger.late",
        kind: Kind::Counter,
        unit: Unit::Number,
        tags: &["ledger"],
        about: "ids that landed later than their ledger allows",
    },
    Builtin {
        name: "ledger.refused",
        kind: Kind::Counter,
        unit: Unit::Number,
        tags: &["ledger"],
        about: "ids that landed though the target refused them",
    },
    Builtin {
        name: "ledger.duplicated",
        kind: Kind::Counter,
        unit: Unit::Number,
        tags: &["ledger"],
        about: "landings beyond the first of an id",
    },
];

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

    /// A metric the engine records by itself; none when no such name stands in [`BUILTIN`].
    pub fn builtin(name: &str) -> Option<Self> {
        Builtin::find(name).map(|builtin| Self::new(builtin.name, builtin.kind, builtin.unit))
    }
}

impl Builtin {
    /// The entry of [`BUILTIN`] with this name.
    pub fn find(name: &str) -> Option<&'static Self> {
        BUILTIN.iter().find(|builtin| builtin.name == name)
    }

    /// Whether no sample at all means 0. It does for what the engine counts by itself; a ledger's
    /// numbers exist only once a script has balanced it, a fault's once it has done something, and
    /// those of the system where it tells.
    pub(super) fn silence_is_zero(&self) -> bool {
        let foreign = ["ledger", "fault", "process", "interface"];
        self.kind == Kind::Counter && !self.tags.iter().any(|tag| foreign.contains(tag))
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
