//! One load: its shape, when it begins, and what bounds it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Curve, Place, in_seconds};

/// How many users a `rate` scenario may grow to, over all workers, when it does not say.
pub const MOST_USERS: u64 = 10_000;

/// One load, and the part of the run it takes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Scenario {
    /// Its key in the script; the `scenario` tag of everything it records.
    pub name: Arc<str>,
    /// How much of it there is, over time.
    pub load: Load,
    /// When it begins.
    pub start: Start,
    /// How long iterations still running at its end may take before they are cut off.
    #[serde(with = "in_seconds")]
    pub graceful_stop: Duration,
    /// The most users it may have over all workers; `None` leaves it to [`Scenario::most_users`].
    pub max_users: Option<u64>,
    /// Tags put on every sample of it.
    pub tags: BTreeMap<String, String>,
    /// Where it is written.
    pub place: Place,
    /// Where the keys are that it has; empty in a plan that was read back.
    #[serde(skip)]
    pub keys: BTreeMap<&'static str, Place>,
}

/// The three ways of offering load.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Load {
    /// A closed loop: so many users at a time, each iterating as fast as the target lets it.
    Users(Curve),
    /// An open loop: arrivals per second, whether or not earlier ones have been served.
    Rate {
        /// Arrivals per second over time.
        curve: Curve,
        /// How arrivals are spread.
        arrivals: Arrivals,
    },
    /// A closed loop over a fixed amount of work, shared by `max_users` users.
    Iterations {
        /// How many iterations have been released by a time; never falls. One that ends below
        /// `total` releases the rest at its end, so a curve without steps releases all at once.
        curve: Curve,
        /// How many there are.
        total: u64,
        /// When to stop even if some are left; `None` goes on until all are done.
        #[serde(with = "in_seconds::if_any")]
        duration: Option<Duration>,
    },
}

/// How the arrivals of an open loop are spread around the curve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arrivals {
    /// Evenly: arrival *n* is due exactly when the curve's area reaches *n*.
    #[default]
    Even,
    /// By chance, like independent customers: the gaps between arrivals are exponential, and the
    /// curve gives their mean. A burst of *n* then brings *n* on average.
    Poisson,
}

/// When a scenario begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Start {
    /// So long after the run's begin.
    #[serde(with = "in_seconds")]
    At(Duration),
    /// When the last user of another scenario has ended.
    After(Arc<str>),
}

impl Scenario {
    /// What `graceful_stop` is when the script does not say.
    pub const GRACEFUL_STOP: Duration = Duration::from_secs(30);

    /// True if the target's slowness slows the load: such a run is not corrected for coordinated
    /// omission, and says so.
    pub fn closed(&self) -> bool {
        !matches!(self.load, Load::Rate { .. })
    }

    /// Where a key of it is written, or all of it.
    pub fn place_of(&self, key: &str) -> &Place {
        self.keys.get(key).unwrap_or(&self.place)
    }

    /// The most users it may have at a time, over all workers.
    pub fn most_users(&self) -> u64 {
        match &self.load {
            Load::Users(curve) => curve.peak().ceil() as u64,
            Load::Rate { .. } => self.max_users.unwrap_or(MOST_USERS),
            Load::Iterations { total, .. } => self.max_users.unwrap_or(1).min(*total),
        }
    }
}

impl Load {
    /// `iterations = total`: so much work, all of it there from the begin.
    pub fn iterations(total: u64, duration: Option<Duration>) -> Self {
        Self::Iterations { curve: Curve::steps(total as f64, &[]), total, duration }
    }

    /// What the script calls it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Users(_) => "users",
            Self::Rate { .. } => "rate",
            Self::Iterations { .. } => "iterations",
        }
    }

    /// How much of it there is over time.
    pub fn curve(&self) -> &Curve {
        match self {
            Self::Users(curve) | Self::Rate { curve, .. } | Self::Iterations { curve, .. } => curve,
        }
    }

    /// How long load is offered, if iterations take no time.
    pub fn duration(&self) -> Duration {
        match self {
            Self::Users(curve) | Self::Rate { curve, .. } => curve.duration(),
            Self::Iterations { curve, duration, .. } => duration.unwrap_or(curve.duration()),
        }
    }
}
