//! Whether a run's numbers can be believed: pure, from what the run used and did.
//!
//! A tool that saturates itself and still prints green is worse than none, so the run verdict
//! stands above every threshold. Bounds, and why they are where they are:
//!
//! * **lag**: iterations of the open model begin late when the generator is busy. Lag is part of
//!   every response time, so a little does no harm; it spoils a run when its p99 is above
//!   [`LAG_BOUND`] *and* above [`LAG_SHARE`] of the response times' p99 (a burst of hundreds of
//!   arrivals due at one instant is begun one after the other, and costs some milliseconds).
//! * **drops**: an arrival that found no free user was never made, so the load was not the load
//!   asked for; one is enough. A slow target needs more users (`max_users`), or a lower rate.
//! * **CPU**: a worker on a CPU more than [`CPU_BOUND`] of the time has no time left to be on time.
//! * **script**: a script that keeps its worker for [`SLOW_SCRIPT`] in one go delays all other
//!   users of that worker; more than [`SLOW_SHARE`] of the run, or one stopped loop, spoils it.
//!   So do errors that break more than [`BROKEN_SHARE`] of the iterations.

use std::time::Duration;

use crate::outcome::RunVerdict;
use crate::units::show_duration;

/// Lag p99 that is never held against a run.
pub const LAG_BOUND: Duration = Duration::from_millis(50);
/// Lag p99 as a share of response p99 that is not held against a run either.
pub const LAG_SHARE: f64 = 0.1;
/// Share of its time a worker may be on a CPU.
pub const CPU_BOUND: f64 = 0.9;
/// Time a script may keep its worker in one go without being counted as slow.
pub const SLOW_SCRIPT: Duration = Duration::from_millis(10);
/// Share of the run that may pass in slow goes.
pub const SLOW_SHARE: f64 = 0.05;
/// Share of the iterations that script errors may break.
pub const BROKEN_SHARE: f64 = 0.01;

/// What the verdict is made from.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// Ended before its plan was done.
    pub interrupted: bool,
    /// What went wrong in `teardown`.
    pub teardown: Option<String>,
    /// Iterations that ended.
    pub finished: u64,
    /// Iterations broken by a script error.
    pub broken: u64,
    /// Loops stopped because they never yielded.
    pub stalls: u64,
    /// Time scripts spent in goes longer than [`SLOW_SCRIPT`], on the busiest worker.
    pub slow: Duration,
    /// Calls made.
    pub calls: u64,
    /// Calls that failed.
    pub failed: u64,
    /// Arrivals that found no free user.
    pub dropped: u64,
    /// Iterations that were due.
    pub offered: u64,
    /// Lag p99 over all open-model iterations.
    pub lag: Option<Duration>,
    /// Response p99 over the same iterations.
    pub response: Option<Duration>,
    /// Share of its time the busiest worker was on a CPU.
    pub busiest_worker: f64,
    /// Length of the load.
    pub elapsed: Duration,
}

/// The run verdict with one sentence a cause. Causes are looked for from the most to the least
/// specific: a script that stalls also makes the generator late, and is the one to name.
pub fn judge(evidence: &Evidence) -> (RunVerdict, Vec<String>) {
    let causes = [
        (RunVerdict::Incomplete, incomplete(evidence)),
        (RunVerdict::ScriptLimited, script_limited(evidence)),
        (RunVerdict::TargetDown, target_down(evidence)),
        (RunVerdict::GeneratorLimited, generator_limited(evidence)),
    ];
    let verdict = causes
        .iter()
        .find(|(_, reasons)| !reasons.is_empty())
        .map_or(RunVerdict::Valid, |(verdict, _)| *verdict);
    (verdict, causes.into_iter().flat_map(|(_, reasons)| reasons).collect())
}

fn incomplete(e: &Evidence) -> Vec<String> {
    let mut reasons = Vec::new();
    if e.interrupted {
        reasons.push(format!("interrupted after {}", show_duration(e.elapsed)));
    } else if e.finished == 0 {
        reasons.push("no iteration came to its end".to_owned());
    }
    if let Some(failed) = &e.teardown {
        reasons.push(format!("teardown did not come to its end: {failed}"));
    }
    reasons
}

fn script_limited(e: &Evidence) -> Vec<String> {
    let mut reasons = Vec::new();
    if e.broken as f64 > BROKEN_SHARE * e.finished as f64 {
        reasons.push(format!(
            "{} of {} iterations were broken by script errors (more than {} %)",
            e.broken,
            e.finished,
            BROKEN_SHARE * 100.0
        ));
    }
    if e.stalls > 0 {
        reasons.push(format!("{} loops that never yielded were stopped", e.stalls));
    }
    if e.slow.as_secs_f64() > SLOW_SHARE * e.elapsed.as_secs_f64() {
        reasons.push(format!(
            "the script kept a worker for {} in goes longer than {}",
            show_duration(e.slow),
            show_duration(SLOW_SCRIPT)
        ));
    }
    reasons
}

fn target_down(e: &Evidence) -> Vec<String> {
    if e.calls > 0 && e.failed == e.calls {
        return vec![format!("all {} calls failed", e.calls)];
    }
    Vec::new()
}

fn generator_limited(e: &Evidence) -> Vec<String> {
    let mut reasons = Vec::new();
    if let Some(lag) = e.lag {
        let allowed = LAG_BOUND.max(e.response.unwrap_or_default().mul_f64(LAG_SHARE));
        if lag > allowed {
            reasons.push(format!(
                "iterations began late: lag p99 {}, allowed {}",
                show_duration(lag),
                show_duration(allowed)
            ));
        }
    }
    if e.dropped > 0 {
        reasons.push(format!(
            "{} of {} arrivals found no free user; raise max_users",
            e.dropped, e.offered
        ));
    }
    if e.busiest_worker > CPU_BOUND {
        reasons.push(format!(
            "a worker was on its CPU {:.0} % of the time, allowed {:.0} %",
            e.busiest_worker * 100.0,
            CPU_BOUND * 100.0
        ));
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;

    fn healthy() -> Evidence {
        Evidence {
            finished: 1000,
            calls: 1000,
            offered: 1000,
            lag: Some(Duration::from_millis(1)),
            response: Some(Duration::from_millis(20)),
            busiest_worker: 0.2,
            elapsed: Duration::from_secs(10),
            ..Evidence::default()
        }
    }

    fn verdict(change: impl FnOnce(&mut Evidence)) -> RunVerdict {
        let mut evidence = healthy();
        change(&mut evidence);
        judge(&evidence).0
    }

    #[test]
    fn a_healthy_run_is_valid() {
        assert_eq!(judge(&healthy()), (RunVerdict::Valid, Vec::new()));
    }

    #[test]
    fn each_cause_has_its_verdict() {
        assert_eq!(verdict(|e| e.interrupted = true), RunVerdict::Incomplete);
        assert_eq!(verdict(|e| e.finished = 0), RunVerdict::Incomplete);
        assert_eq!(verdict(|e| e.teardown = Some("error".to_owned())), RunVerdict::Incomplete);
        assert_eq!(verdict(|e| e.broken = 11), RunVerdict::ScriptLimited);
        assert_eq!(verdict(|e| e.stalls = 1), RunVerdict::ScriptLimited);
        assert_eq!(verdict(|e| e.slow = Duration::from_millis(600)), RunVerdict::ScriptLimited);
        assert_eq!(verdict(|e| e.failed = 1000), RunVerdict::TargetDown);
        assert_eq!(verdict(|e| e.dropped = 1), RunVerdict::GeneratorLimited);
        assert_eq!(verdict(|e| e.busiest_worker = 0.95), RunVerdict::GeneratorLimited);
        let lag = |e: &mut Evidence| e.lag = Some(Duration::from_millis(60));
        assert_eq!(verdict(lag), RunVerdict::GeneratorLimited);
    }

    #[test]
    fn lag_is_held_against_the_run_only_beside_the_response_it_is_part_of() {
        let slow_target = |e: &mut Evidence| {
            e.lag = Some(Duration::from_millis(60));
            e.response = Some(Duration::from_secs(2));
        };
        assert_eq!(verdict(slow_target), RunVerdict::Valid);
    }

    #[test]
    fn one_percent_of_broken_iterations_is_still_believed() {
        assert_eq!(verdict(|e| e.broken = 10), RunVerdict::Valid);
        assert_eq!(verdict(|e| (e.finished, e.broken) = (0, 0)), RunVerdict::Incomplete);
    }

    #[test]
    fn every_cause_is_told_and_the_most_specific_names_the_verdict() {
        let mut evidence = healthy();
        evidence.broken = 1000;
        evidence.failed = 1000;
        evidence.busiest_worker = 1.0;
        let (verdict, reasons) = judge(&evidence);
        assert_eq!(verdict, RunVerdict::ScriptLimited);
        assert_eq!(reasons.len(), 3);
    }
}
