//! What to run: a script's answer, as plain data.
//!
//! The script room makes a [`Plan`] out of the table a script returns, [`validate()`] finds
//! everything that is wrong with it, and the engine runs it. Nothing here does anything: a plan
//! can be looked at, written into an outcome and reasoned about without a target or a clock.

mod curve;
mod fault;
mod in_seconds;
mod parameter;
mod problem;
mod scenario;
mod validate;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::metric::{Metric, Threshold};

pub use curve::{Curve, Step};
pub use fault::{Every, FaultDecl, RecoveryDecl};
pub use parameter::{ParamValue, Parameter, Profile, is_address};
pub use problem::{Place, Problem, nearest};
pub use scenario::{Arrivals, Load, MOST_USERS, Scenario, Start};
pub use validate::validate;

/// What loadrun's own process is called among the others.
pub const GENERATOR: &str = "loadrun";

/// Everything a script asked for.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
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

#[cfg(test)]
mod tests;
