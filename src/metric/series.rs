//! Names: a metric, the tags that divide it, and the series both make together.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// How the samples of a metric add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Time, raw in nanoseconds.
    Time,
    /// Bytes, raw in bytes.
    Bytes,
    /// A plain number; a trend keeps it in thousandths.
    Number,
}

/// A metric's definition.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
        name: "ledger.lost",
        kind: Kind::Counter,
        unit: Unit::Number,
        tags: &["ledger"],
        about: "ids acknowledged by the target that never landed",
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
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Series {
    /// What is measured.
    pub metric: Metric,
    /// Which part of it.
    pub tags: Tags,
}
