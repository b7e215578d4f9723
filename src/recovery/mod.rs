//! What a fault did to the traffic: pure functions over windows of calls.
//!
//! The run is cut into a baseline, which ends when the first fault begins, and for each fault the
//! time it stood and the time after it. What is normal is learnt from the baseline ([`steady`]).
//! *Impact and recovery* go by when calls were made, *detection* by when they ended: a call that
//! times out two seconds later cannot be known to be bad before.
//!
//! What did not happen is never 0: a time that was not reached is `None`, and the verdict says why.
//! Every time is exact to a window ([`Recovery::resolution`]).

mod steady;
mod verdict;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use verdict::assess;

/// A fault on the run's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// When it began.
    pub begin: Duration,
    /// When it ended.
    pub end: Duration,
    /// When the time after it is over: at the next fault, or at the end of the run.
    pub until: Duration,
    /// When the first fault of the run began.
    pub baseline: Duration,
}

/// What a fault did. Times in seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recovery {
    /// All of it in a word.
    pub verdict: Verdict,
    /// Before the first fault.
    pub baseline: Phase,
    /// While the fault stood.
    pub fault: Phase,
    /// After it.
    pub after: Phase,
    /// From its begin to the end of the first call that failed.
    pub first_error: Option<f64>,
    /// From its begin until so many windows in a row were bad that it is no accident.
    pub detect: Option<f64>,
    /// From its end to the first of so many good windows in a row that it is no accident.
    pub recover: Option<f64>,
    /// From its end to the end of the last bad window.
    pub settle: Option<f64>,
    /// Times it went bad again after it had recovered.
    pub relapses: u32,
    /// Whether calls were good again while the fault still stood.
    pub during: bool,
    /// Calls that failed from the first bad window to the last.
    pub lost: u64,
    /// Of these, those beyond what fails anyway.
    pub excess: f64,
    /// Share of the errors a month at 99.9 % allows that were used up.
    pub budget: f64,
    /// Time that calls took beyond the baseline's median, summed up.
    pub debt: f64,
    /// How exact times are.
    pub resolution: f64,
    /// How long it was watched after its end.
    pub tail: f64,
    /// Windows in a row that count as no accident.
    pub confirm: u32,
}

/// The calls of a part of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// How long it was, in seconds.
    pub seconds: f64,
    /// Calls made.
    pub calls: u64,
    /// Of these, those that failed.
    pub failed: u64,
    /// Median time of a call, in seconds.
    pub p50: f64,
    /// 99th percentile of the time of a call, in seconds.
    pub p99: f64,
}

/// What a fault did, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Calls stayed as good as before.
    Tolerated,
    /// They became good again, and stayed so.
    Recovered,
    /// They became good again, and then bad once more.
    RecoveredThenRelapsed,
    /// They did not become good again in the time that was watched.
    NotRecovered,
    /// The baseline is too short, or too uneven, to say what normal is.
    NoBaseline,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tolerated => "tolerated",
            Self::Recovered => "recovered",
            Self::RecoveredThenRelapsed => "recovered_then_relapsed",
            Self::NotRecovered => "not_recovered",
            Self::NoBaseline => "no_baseline",
        })
    }
}

#[cfg(test)]
mod tests;
