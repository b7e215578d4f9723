//! What to run: a script's answer, as plain data.
//!
//! The script room makes a [`Plan`] out of the table a script returns, [`validate()`] finds
//! everything that is wrong with it, and the engine runs it. Nothing here does anything: a plan
//! can be looked at, written into an outcome and reasoned about without a target or a clock.

mod curve;
mod problem;
mod validate;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};

use crate::metric::{Metric, Threshold};

pub use curve::{Curve, Step};
pub use problem::{Place, Problem, nearest};
pub use validate::validate;

/// How many users a `rate` scenario may grow to, over all workers, when it does not say.
pub const MOST_USERS: u64 = 10_000;

/// What loadrun's own process is called among the others.
pub const GENERATOR: &str = "loadrun";

/// Everything a script asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// The script's path as the user typed it.
    pub script: PathBuf,
    /// The loads, in order of name.
    pub scenarios: Vec<Scenario>,
    /// What has to hold, in the order written, with where it is written.
    pub thresholds: Vec<(Threshold, Place)>,
    /// What can be set from outside, in the order declared.
    pub parameters: Vec<Parameter>,
    /// Parameters set together, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub profiles: Vec<Profile>,
    /// The profiles that were chosen, as they were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Metrics the script records besides the built-in ones.
    pub metrics: Vec<Metric>,
    /// Services the engine has to start before the run.
    pub services: Vec<ServiceDecl>,
    /// What is broken while the load runs, by when.
    #[serde(default)]
    pub faults: Vec<FaultDecl>,
    /// How it is judged what that did.
    #[serde(default)]
    pub recovery: RecoveryDecl,
    /// Processes of this machine that are looked at besides the run's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub watch: Vec<WatchDecl>,
    /// True if the script has a `setup`.
    pub has_setup: bool,
    /// True if the script has a `teardown`.
    pub has_teardown: bool,
}

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
        #[serde(with = "in_seconds_if_any")]
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

/// Something a script lets its caller choose: `param("base", "http://...", "address")`.
#[derive(Clone, PartialEq, Deserialize)]
pub struct Parameter {
    /// Its name, as in `-p name=value`.
    pub name: String,
    /// What it is in this run.
    pub value: ParamValue,
    /// What it is when nobody chooses; gives the type.
    pub default: ParamValue,
    /// One line for whoever runs the script.
    pub about: String,
    /// True if its value must not be written down anywhere.
    pub secret: bool,
    /// Where it is declared.
    pub place: Place,
}

/// A parameter's value, of the type of its default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ParamValue {
    /// Text.
    String(String),
    /// A whole number; before the other kind, so that it is read back as one.
    Integer(i64),
    /// A number with a fraction.
    Float(f64),
    /// Yes or no.
    Bool(bool),
}

/// Parameters that are set together where `--profile` says its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// Parameters by name, as the command line would set them.
    pub values: Vec<(String, String)>,
}

/// A real service the script wants started for the run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceDecl {
    /// What the script calls it; unique in a run.
    pub name: String,
    /// What it is, for example `sandbox`.
    pub kind: String,
    /// Its settings, as text.
    pub options: BTreeMap<String, String>,
    /// Settings that may not be shown; they are in no result.
    #[serde(skip)]
    pub secrets: BTreeMap<String, String>,
    /// Where it is declared, if in a script.
    #[serde(default)]
    pub place: Option<Place>,
}

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
    #[serde(with = "in_seconds_if_any")]
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

/// A process of this machine that the script wants looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchDecl {
    /// The tag `process` of what is recorded of it; unique in a run.
    pub name: String,
    /// Its number.
    pub pid: u32,
    /// Where it is written.
    pub place: Place,
}

impl FaultDecl {
    /// When it ends.
    pub fn end(&self) -> Duration {
        self.at.saturating_add(self.lasts)
    }
}

impl Plan {
    /// When the last scenario ends at the earliest: iterations take no time, waiting for `after`
    /// is over at once. What `loadrun check` prints as the duration.
    pub fn duration(&self) -> Duration {
        self.windows().map(|(_, _, end)| end).max().unwrap_or_default()
    }

    /// The most users there can be at one time, as far as the scenarios' earliest times tell.
    pub fn peak_users(&self) -> u64 {
        self.peak(|scenario| scenario.most_users() as f64) as u64
    }

    /// The most arrivals per second the open scenarios ask for at one time, bursts aside.
    pub fn peak_rate(&self) -> f64 {
        self.peak(|scenario| match &scenario.load {
            Load::Rate { curve, .. } => curve.peak(),
            Load::Users(_) | Load::Iterations { .. } => 0.0,
        })
    }

    /// The largest sum of `height` over scenarios that run at the same time.
    fn peak(&self, height: impl Fn(&Scenario) -> f64) -> f64 {
        let at = |t| {
            let runs = |begin, end| begin == t || (begin..end).contains(&t);
            self.windows()
                .filter(|&(_, begin, end)| runs(begin, end))
                .map(|(scenario, ..)| height(scenario))
                .sum()
        };
        self.windows().map(|(_, begin, _)| at(begin)).fold(0.0, f64::max)
    }

    /// Every scenario with its earliest begin and end.
    fn windows(&self) -> impl Iterator<Item = (&Scenario, Duration, Duration)> {
        self.scenarios.iter().map(|scenario| {
            let begin = self.begin(scenario, self.scenarios.len());
            (scenario, begin, begin.saturating_add(scenario.load.duration()))
        })
    }

    /// The earliest begin of `scenario`; `depth` bounds the walk where scenarios wait in a circle.
    fn begin(&self, scenario: &Scenario, depth: usize) -> Duration {
        match &scenario.start {
            Start::At(begin) => *begin,
            Start::After(name) => match self.scenario(name) {
                Some(first) if depth > 0 => {
                    self.begin(first, depth - 1).saturating_add(first.load.duration())
                }
                _ => Duration::ZERO,
            },
        }
    }

    /// The metric of that name, one of the script's own or of the engine's.
    pub fn metric(&self, name: &str) -> Option<Metric> {
        let own = self.metrics.iter().find(|metric| &*metric.name == name);
        own.cloned().or_else(|| Metric::builtin(name))
    }

    /// The names processes are recorded under: loadrun itself, services, and who is watched.
    pub fn processes(&self) -> impl Iterator<Item = &str> {
        let services = self.services.iter().map(|service| service.name.as_str());
        let watched = self.watch.iter().map(|watched| watched.name.as_str());
        [GENERATOR].into_iter().chain(services).chain(watched)
    }

    /// The scenario of that name.
    pub fn scenario(&self, name: &str) -> Option<&Scenario> {
        self.scenarios.iter().find(|scenario| &*scenario.name == name)
    }
}

impl Scenario {
    /// What `graceful_stop` is when the script does not say.
    pub const GRACEFUL_STOP: Duration = Duration::from_secs(30);

    /// True if the target's slowness slows the load: such a run is not corrected for coordinated
    /// omission, and says so.
    pub fn closed(&self) -> bool {
        !matches!(self.load, Load::Rate { .. })
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

impl Parameter {
    /// What may be shown of it: `***` in place of its values if it is secret.
    #[must_use]
    pub fn shown(&self) -> Self {
        let mut shown = self.clone();
        if self.secret {
            shown.value = ParamValue::String("***".to_owned());
            shown.default = shown.value.clone();
        }
        shown
    }
}

impl Serialize for Parameter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let shown = self.shown();
        let mut fields = serializer.serialize_struct("Parameter", 6)?;
        fields.serialize_field("name", &shown.name)?;
        fields.serialize_field("value", &shown.value)?;
        fields.serialize_field("default", &shown.default)?;
        fields.serialize_field("about", &shown.about)?;
        fields.serialize_field("secret", &shown.secret)?;
        fields.serialize_field("place", &shown.place)?;
        fields.end()
    }
}

/// Without a secret's value: a log line is a place where it must not be written either.
impl fmt::Debug for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {:?} at {}", self.name, self.shown().value, self.place)
    }
}

impl fmt::Display for ParamValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String(text) => f.write_str(text),
            Self::Float(number) => number.fmt(f),
            Self::Integer(number) => number.fmt(f),
            Self::Bool(truth) => truth.fmt(f),
        }
    }
}

/// A duration in seconds: what every reader of JSON understands.
mod in_seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(time.as_secs_f64())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        let seconds = f64::deserialize(from)?;
        Duration::try_from_secs_f64(seconds).map_err(serde::de::Error::custom)
    }
}

/// The same where there may be none.
mod in_seconds_if_any {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "serde passes the field by reference")]
    pub fn serialize<S: Serializer>(
        time: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        time.map(|time| time.as_secs_f64()).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        let seconds = Option::<f64>::deserialize(from)?;
        seconds.map(Duration::try_from_secs_f64).transpose().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
