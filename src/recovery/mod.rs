//! What a fault did to the traffic: pure functions over windows of calls.
//!
//! The run is cut into a baseline, which ends when the first fault begins, and for each fault the
//! time it stood and the time after it. What is normal is learnt from the baseline or given
//! (`steady.rs`). *Impact and recovery* go by when calls were meant to be made, *detection* by when
//! they ended: a call that times out two seconds later cannot be known to be bad before.
//!
//! What did not happen is never 0: a time that was not reached is `None`, and the verdict says why.
//! Every time is exact to [`Recovery::resolution`].
//!
//! | file | what it finds |
//! |---|---|
//! | `steady.rs` | which windows are as they should be |
//! | `verdict.rs` | when it was felt, when it was over, and all of it in a word |
//! | `cost.rs` | what was lost, what of the error budget that is, what was waited |
//! | `aftermath.rs` | what had piled up, and how hard it was worked off |

mod aftermath;
mod cost;
mod steady;
mod stretch;
mod verdict;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::metric::{Edge, Edges, Stage, Windows};

pub use cost::{Budget, budget};
pub use verdict::assess;

/// A fault on the run's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// When the warm-up was over.
    pub warm: Duration,
    /// When the first fault of the run began.
    pub baseline: Duration,
    /// When it began to be put in force.
    pub begin: Duration,
    /// When it was gone.
    pub end: Duration,
    /// When the time after it is over: at the next fault, or at the end of the run.
    pub until: Duration,
}

impl Span {
    /// That of a fault, in a run that is `elapsed` old; `None` when it never began.
    pub fn of(fault: &str, edges: &Edges, elapsed: Duration) -> Option<Self> {
        let list = edges.list();
        let stands = |edge: &Edge| {
            edge.phase.stage == Stage::Fault && edge.phase.faults.iter().any(|f| **f == *fault)
        };
        let begin = list.iter().position(stands)?;
        let end = list[begin..].iter().position(|edge| !stands(edge)).map(|after| begin + after);
        // Another that ends does not end what is watched, another that begins does.
        let next = end.and_then(|end| {
            (end + 1..list.len()).find(|at| {
                let (before, now) = (&list[at - 1].phase, &list[*at].phase);
                let fresh = |f| before.stage != Stage::Fault || !before.faults.contains(f);
                now.stage == Stage::Fault && now.faults.iter().any(fresh)
            })
        });
        let at = |place: Option<usize>| place.map_or(elapsed, |place| list[place].at.min(elapsed));
        let stage = |stage| list.iter().find(|edge| edge.phase.stage == stage).map(|edge| edge.at);
        Some(Self {
            warm: stage(Stage::Baseline).unwrap_or_default(),
            baseline: stage(Stage::Fault).unwrap_or_default(),
            begin: list[begin].at,
            end: at(end),
            until: at(next),
        })
    }
}

/// What is asked of calls. What is not said is learnt from the baseline.
#[derive(Clone, Debug, PartialEq)]
pub struct Terms {
    /// The smallest share of calls that are served.
    pub success: Option<f64>,
    /// The largest p99.
    pub p99: Option<Duration>,
    /// The share of calls that is promised to be served, for the error budget.
    pub promise: f64,
    /// The time in which it is promised.
    pub period: Duration,
}

impl Default for Terms {
    fn default() -> Self {
        let period = Duration::from_hours(30 * 24);
        Self { success: None, p99: None, promise: 0.999, period }
    }
}

/// What else is known of a fault than the calls tell.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Facts {
    /// Whether it is known to have disturbed something.
    pub touched: bool,
    /// Whether it may still be there.
    pub unclean: bool,
    /// Whether the load waits for the target, so that what was not asked for has to be estimated.
    pub closed: bool,
    /// How long it took to put it in force, or to take it away.
    pub width: Duration,
    /// The load of baseline, fault and the time after.
    pub load: [Load; 3],
}

/// The load of a part of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Load {
    /// Iterations that were due.
    pub offered: u64,
    /// Iterations that were taken up.
    pub started: u64,
    /// p99 of how late loadrun itself began what was due.
    pub lag: Duration,
    /// Connections opened.
    pub connects: u64,
    /// The most of them in a second.
    pub connects_peak: u64,
}

/// The calls a fault is judged by.
#[derive(Clone, Copy, Debug)]
pub struct Calls<'a> {
    /// By window.
    pub windows: &'a Windows,
    /// The phases of the run.
    pub edges: &'a Edges,
}

/// What a fault did. Times in seconds; what was not seen is `None`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recovery {
    /// All of it in a word.
    pub verdict: Verdict,
    /// Before the first fault.
    pub baseline: Part,
    /// While the fault stood.
    pub fault: Part,
    /// After it.
    pub after: Part,
    /// From its begin to the end of the first call that failed.
    pub first_error: Option<f64>,
    /// From its begin to the begin of the first window that was bad.
    pub onset: Option<f64>,
    /// From its begin until so many windows in a row were bad that it is no accident.
    pub detect: Option<f64>,
    /// From its begin until an alert of the usual kind would have gone off: an hour's budget burnt
    /// 14.4 times too fast, and the last five minutes' as well.
    pub alert: Option<f64>,
    /// From its end to the first of so many good windows in a row that it is no accident.
    pub recover: Option<f64>,
    /// From the begin of the first bad window to where it had recovered.
    pub outage: Option<f64>,
    /// From its end to the end of the last bad window.
    pub settle: Option<f64>,
    /// Times it went bad again after it had recovered.
    pub relapses: u32,
    /// Whether calls were good again while the fault still stood.
    pub during: bool,
    /// What was lost; `None` where normal is not known.
    pub cost: Option<Cost>,
    /// What had piled up at its end; `None` where nothing had.
    pub drain: Option<Drain>,
    /// The most calls that ended in a second after it, in those of the baseline.
    pub overshoot: Option<f64>,
    /// How exact times are.
    pub resolution: f64,
    /// How long it was watched after its end.
    pub tail: f64,
    /// Windows after its end that say something.
    #[serde(default)]
    pub judged: u32,
    /// Windows in a row that count as no accident.
    pub confirm: u32,
    /// Share of the baseline's windows that are not as they should be.
    pub uneven: f64,
}

impl Recovery {
    /// Whether more of the run can change little about the verdict. Calls that stayed good have to
    /// stay so for as long after the fault as others have to be good again: what a fault leaves
    /// behind may show late.
    pub fn is_decided(&self) -> bool {
        match self.verdict {
            Verdict::Tolerated | Verdict::NoEffect => self.judged >= self.confirm.max(1),
            Verdict::Recovered
            | Verdict::RecoveredThenRelapsed
            | Verdict::Unclean
            | Verdict::NoBaseline => true,
            Verdict::NotRecovered | Verdict::Metastable | Verdict::GeneratorLimited => false,
        }
    }
}

/// The calls of a part of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// How long it was, in seconds.
    pub seconds: f64,
    /// Calls that were to be made: those made, and one for each arrival without a user.
    pub offered: u64,
    /// Calls made.
    pub calls: u64,
    /// Of these, those that succeeded.
    pub good: u64,
    /// Those whose answer was a substitute.
    pub degraded: u64,
    /// Those that failed.
    pub failed: u64,
    /// Of these, those that never reached the target.
    pub refused: u64,
    /// Of these, those that may have been performed.
    pub indeterminate: u64,
    /// Those that succeeded, but took longer than is normal; `None` where that is not known.
    pub late: Option<u64>,
    /// Arrivals without a user.
    pub dropped: u64,
    /// Median time of a call, in seconds from when it was meant to be made.
    pub p50: f64,
    /// 99th percentile of the time of a call, in seconds.
    pub p99: f64,
    /// Calls made for each iteration; `None` where none was taken up.
    pub attempts: Option<f64>,
    /// Connections opened.
    pub connects: u64,
    /// The most of them in a second.
    pub connects_peak: u64,
    /// Whether loadrun itself was so late that this part tells of it, and not of the target.
    pub limited: bool,
}

impl Part {
    /// Calls that gave users something.
    pub fn served(&self) -> u64 {
        self.good + self.degraded
    }

    /// Calls served as a share of those made; `None` where none was made.
    pub fn success(&self) -> Option<f64> {
        (self.calls > 0).then(|| self.served() as f64 / self.calls as f64)
    }

    /// Calls served a second.
    pub fn goodput(&self) -> f64 {
        self.served() as f64 / self.seconds.max(1e-9)
    }
}

/// What was lost from the first bad window to the last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Calls that were to be made and served nobody. In a closed loop, where nobody asks while
    /// waiting, what the baseline would have served beyond what was.
    pub lost: f64,
    /// Whether that is such an estimate.
    pub estimated: bool,
    /// Of the lost, those beyond what is lost anyway.
    pub excess: f64,
    /// Calls the baseline serves in that time beyond what was served, window by window.
    pub deficit: f64,
    /// What was served as a share of what the baseline serves in that time.
    pub resilience: f64,
    /// Share of the period's error budget that was used up.
    pub budget: f64,
    /// The most by which the budget was used up too fast, over 5 and over 60 seconds.
    pub burn: [f64; 2],
    /// Time that calls took beyond the baseline's median, summed up, in seconds.
    pub debt: f64,
    /// The same a call that was to be made.
    pub wait: f64,
}

/// What had piled up when the fault ended, and how it was worked off.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drain {
    /// Calls under way then, beyond what is usual.
    pub calls: u64,
    /// Until no more were under way than before the fault; `None` where that never came.
    pub took: Option<f64>,
    /// How long that takes at the highest rate seen afterwards, while new calls come as they did;
    /// `None` where they came faster than that.
    pub ideal: Option<f64>,
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
    /// Nor did they, though the fault was gone for as long as it had stood, and no more was asked
    /// than before it: the trouble keeps itself alive.
    Metastable,
    /// There is no sign that the fault did anything.
    NoEffect,
    /// It may still be there.
    Unclean,
    /// The baseline is too short, or too uneven, to say what normal is.
    NoBaseline,
    /// Loadrun itself was late, so that nothing is said of the target.
    GeneratorLimited,
}

impl Verdict {
    /// Whether users were well at the end, or all along.
    pub fn is_well(self) -> bool {
        matches!(self, Self::Tolerated | Self::Recovered)
    }

    /// Whether it says how users fared.
    pub fn is_known(self) -> bool {
        use Verdict::{GeneratorLimited, NoBaseline, NoEffect, Unclean};
        !matches!(self, NoEffect | Unclean | NoBaseline | GeneratorLimited)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tolerated => "tolerated",
            Self::Recovered => "recovered",
            Self::RecoveredThenRelapsed => "recovered_then_relapsed",
            Self::NotRecovered => "not_recovered",
            Self::Metastable => "metastable",
            Self::NoEffect => "no_effect",
            Self::Unclean => "unclean",
            Self::NoBaseline => "no_baseline",
            Self::GeneratorLimited => "generator_limited",
        })
    }
}

#[cfg(test)]
mod tests;
