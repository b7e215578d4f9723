//! What is to be broken while the load runs, and how it is judged what that did.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Place, in_seconds};

/// Something the script wants broken for a while.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaultDecl {
    /// What reports and the tag `fault` call it; unique in a run.
    pub name: String,
    /// The name of the proxy or service it is on.
    pub on: String,
    /// What it does, for example `latency`.
    pub kind: String,
    /// When it begins, from the begin of the load.
    #[serde(with = "in_seconds")]
    pub at: Duration,
    /// How long it lasts, whatever happens.
    #[serde(with = "in_seconds")]
    pub lasts: Duration,
    /// When it comes and goes meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<Every>,
    /// `upstream`, `downstream` or `both`, on a proxy.
    pub stream: String,
    /// The share of connections it concerns, on a proxy.
    pub toxicity: f64,
    /// How much, as text, by what the kind takes.
    pub amounts: BTreeMap<String, String>,
    /// Where it is written.
    pub place: Place,
}

/// How a fault comes and goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Every {
    /// How long it is there.
    #[serde(with = "in_seconds")]
    pub on: Duration,
    /// How long it is not, until it is there again.
    #[serde(with = "in_seconds")]
    pub off: Duration,
}

/// How it is judged what faults did. What is not said of calls is learnt before the first of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecoveryDecl {
    /// So much at the begin of the run is not held to be normal.
    #[serde(with = "in_seconds")]
    pub warm_up: Duration,
    /// The smallest share of calls served that is normal.
    pub success: Option<f64>,
    /// The largest p99 that is normal.
    #[serde(with = "in_seconds::if_any")]
    pub p99: Option<Duration>,
    /// The share of calls promised to be served.
    pub promise: f64,
    /// The time in which it is promised.
    #[serde(with = "in_seconds")]
    pub period: Duration,
}

impl Default for RecoveryDecl {
    fn default() -> Self {
        let period = Duration::from_hours(30 * 24);
        Self { warm_up: Duration::ZERO, success: None, p99: None, promise: 0.999, period }
    }
}

impl FaultDecl {
    /// When it ends.
    pub fn end(&self) -> Duration {
        self.at.saturating_add(self.lasts)
    }
}
