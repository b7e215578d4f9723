//! Whether a run's numbers can be believed: pure, from what the run used and did.
//!
//! A tool that saturates itself and still prints green is worse than none, so the run verdict
//! stands above every threshold. Bounds, and why they are where they are:
//!
//! * **lag**: iterations of the open model begin late when the generator is busy. Lag is part of
//!   every response time, so a little does no harm; it spoils a run when its p99 in a scenario is
//!   above [`LAG_BOUND`] *and* above [`LAG_SHARE`] of the p99 of that scenario's response times (a
//!   burst of hundreds of arrivals due at one instant is begun one after the other, and costs some
//!   milliseconds).
//! * **drops**: an arrival that found no free user was never made, so the load was not the load
//!   asked for; one is enough. Where calls kept the users busy, the target is slower than that load or
//!   `max_users` too small, which only whoever knows the target can say; the reason tells which calls.
//! * **CPU**: a worker on a CPU more than [`CPU_BOUND`] of the time has no time left to be on time.
//! * **steal**: where this machine is a virtual one, its host may give its processors to others; a
//!   share above [`STEAL_BOUND`] makes everything on it slow, loadrun and target alike. It is counted
//!   in ticks of 10 ms, and says nothing of a run below [`STEAL_SHORTEST`].
//! * **script**: a script that keeps its worker for [`SLOW_SCRIPT`] in one go delays all other
//!   users of that worker; more than [`SLOW_SHARE`] of the run, or one stopped loop, spoils it.
//!   So do errors that break more than [`BROKEN_SHARE`] of a scenario's iterations.
//! * **unfinished**: an iteration cut off at the end has no time, and it is the slow ones that are
//!   cut off. More than [`UNFINISHED_SHARE`] of a scenario's, and every figure of it is too good.
//! * **pause**: a worker that is late with a second by more than [`PAUSE_BOUND`], and was not kept
//!   by the script, stood still, as a stopped process does. In a closed loop nothing else tells.
//! * **series**: what a script makes up names for without end is not kept apart, and what a
//!   threshold asks for by its name may be in `{name=other}`.
//!
//! What is a share of iterations is judged in each scenario by itself: a busy one excuses nothing.

use std::time::Duration;

use crate::outcome::{Reason, RunVerdict, ScenarioOutcome};
use crate::units::show_duration;

/// Lag p99 that is never held against a run.
pub const LAG_BOUND: Duration = Duration::from_millis(50);
/// Lag p99 as a share of response p99 that is not held against a run either.
pub const LAG_SHARE: f64 = 0.1;
/// Share of its time a worker may be on a CPU.
pub const CPU_BOUND: f64 = 0.9;
/// Share of this machine's processor time that its host may withhold.
pub const STEAL_BOUND: f64 = 0.05;
/// How long a run has to be for a share of it in ticks to mean anything.
pub const STEAL_SHORTEST: Duration = Duration::from_secs(2);
/// Time a script may keep its worker in one go without being counted as slow.
pub const SLOW_SCRIPT: Duration = Duration::from_millis(10);
/// Share of the run that may pass in slow goes.
pub const SLOW_SHARE: f64 = 0.05;
/// Share of a scenario's iterations that script errors may break.
pub const BROKEN_SHARE: f64 = 0.01;
/// Share of a scenario's iterations that may be cut off at the end.
pub const UNFINISHED_SHARE: f64 = 0.01;
/// Share of the time of iterations that calls take where the target may be what keeps users busy.
pub const CALLS_SHARE: f64 = 0.5;
/// Share of time waiting for a connection, and of calls failing, from which that is told.
pub const TOLD_SHARE: f64 = 0.1;
/// How late with a second a worker may be.
pub const PAUSE_BOUND: Duration = Duration::from_secs(1);

/// How late the iterations of an open scenario began.
#[derive(Debug, Clone, Default)]
pub struct Lag {
    /// The scenario's name.
    pub scenario: String,
    /// p99 from intended to real start.
    pub p99: Duration,
    /// p99 from intended start to end, over the same iterations.
    pub response: Duration,
    /// Iterations that began late.
    pub late: u64,
    /// Those of the late whose user was new, and not through its `init` when they were due.
    pub awaited_init: u64,
}

/// What the users of a scenario were busy with.
#[derive(Debug, Clone)]
pub struct Busy {
    /// Share of the time of iterations that calls took, up to 1.
    pub calls: f64,
    /// The operation that took the most of it.
    pub operation: String,
    /// Share of the time of iterations that this one took.
    pub share: f64,
    /// Share of its own time that passed in waiting for a connection.
    pub waited: f64,
    /// Share of all calls that failed.
    pub failed: f64,
}

/// The commonest kind of failure.
#[derive(Debug, Clone)]
pub struct Commonest {
    /// The kind, and an example's words.
    pub words: String,
    /// There was no other.
    pub only: bool,
    /// Each of all failures was an answer of the target.
    pub answered: bool,
}

impl Commonest {
    /// Behind what it is of: ` (server: no such table)`.
    pub fn in_brackets(&self) -> String {
        let mostly = if self.only { "" } else { "mostly " };
        format!(" ({mostly}{})", self.words)
    }
}

/// What became of the iterations of one scenario.
#[derive(Debug, Clone, Default)]
pub struct Iterations {
    /// The scenario's name.
    pub scenario: String,
    /// Iterations that were due.
    pub offered: u64,
    /// Iterations that began.
    pub started: u64,
    /// Iterations that ended.
    pub finished: u64,
    /// Iterations broken by a script error.
    pub broken: u64,
    /// Iterations cut off at the end.
    pub unfinished: u64,
    /// Arrivals that found no free user.
    pub dropped: u64,
    /// The most users it may have.
    pub users: u64,
    /// What they were busy with; `None` where nothing was called.
    pub busy: Option<Busy>,
}

/// What the verdict is made from.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// Ended early by a signal.
    pub interrupted: bool,
    /// The load had come to its end before any signal.
    pub loaded: bool,
    /// The threshold that ended the run early.
    pub aborted_by: Option<String>,
    /// What of loadrun itself broke.
    pub broke: Option<String>,
    /// What became of the iterations, by scenario.
    pub iterations: Vec<Iterations>,
    /// Users that never came through their `init`.
    pub unready: u64,
    /// Fixed work that was not begun when its time was over: scenario, done, of how many.
    pub undone: Vec<(String, u64, u64)>,
    /// Connections this machine had no socket or port for.
    pub exhausted: u64,
    /// What went wrong in `teardown`.
    pub teardown: Option<String>,
    /// Loops stopped because they never yielded.
    pub stalls: u64,
    /// Time scripts spent in goes longer than [`SLOW_SCRIPT`], on the busiest worker.
    pub slow: Duration,
    /// Calls that the load made.
    pub calls: u64,
    /// Of these, calls that failed.
    pub failed: u64,
    /// How most of these did.
    pub commonest: Option<Commonest>,
    /// How late each open scenario was.
    pub lags: Vec<Lag>,
    /// Share of its time the busiest worker was on a CPU.
    pub busiest_worker: f64,
    /// Share of this machine's processor time that its host withheld.
    pub stolen: f64,
    /// Faults that may still be there, and why.
    pub unclean: Vec<String>,
    /// Faults that could not begin, and why.
    pub unbroken: Vec<String>,
    /// Services that ended by themselves, and how.
    pub lost: Vec<String>,
    /// Thresholds that ask for names of which not all were kept apart.
    pub partial: Vec<String>,
    /// The latest that a worker was with a second.
    pub pause: Duration,
    /// The longest go of a script.
    pub longest: Duration,
    /// Length of the load.
    pub elapsed: Duration,
}

/// What is told of iterations that were cut off where they are too few to spoil the run.
pub fn cut_off(did: &ScenarioOutcome) -> Option<String> {
    let ScenarioOutcome { name, started, unfinished: cut, .. } = did;
    let few = *cut > 0 && *cut as f64 <= UNFINISHED_SHARE * *started as f64;
    few.then(|| {
        format!(
            "{name}: {cut} of {started} iterations were cut off unfinished: the longest calls are \
             in no times, and no failures"
        )
    })
}

/// The run verdict, and one sentence a cause under the verdict it speaks for. Causes are looked for
/// from the most to the least telling: where nothing answers, the script may break too, and one
/// that stalls makes the generator late.
pub fn judge(evidence: &Evidence) -> (RunVerdict, Vec<Reason>) {
    let causes = [
        (RunVerdict::Unclean, evidence.unclean.clone()),
        (RunVerdict::Incomplete, incomplete(evidence)),
        (RunVerdict::TargetDown, target_down(evidence)),
        (RunVerdict::ScriptLimited, script_limited(evidence)),
        (RunVerdict::GeneratorLimited, generator_limited(evidence)),
    ];
    let reasons = causes.into_iter().flat_map(|(verdict, causes)| {
        causes.into_iter().map(move |cause| Reason { verdict, cause })
    });
    let reasons: Vec<_> = reasons.collect();
    (reasons.first().map_or(RunVerdict::Valid, |reason| reason.verdict), reasons)
}

fn incomplete(e: &Evidence) -> Vec<String> {
    let mut reasons = Vec::new();
    if let Some(broke) = &e.broke {
        reasons.push(format!("loadrun broke after {}: {broke}", show_duration(e.elapsed)));
    } else if e.interrupted && e.loaded {
        reasons.push("interrupted after the load, in teardown".to_owned());
    } else if e.interrupted {
        reasons.push(format!("interrupted after {}", show_duration(e.elapsed)));
    } else if let Some(threshold) = &e.aborted_by {
        reasons.push(format!("aborted after {} by {threshold}", show_duration(e.elapsed)));
    } else if e.iterations.iter().all(|did| did.finished == 0) {
        reasons.push("no iteration came to its end".to_owned());
    }
    for (scenario, done, of) in &e.undone {
        reasons.push(format!("{scenario}: {done} of {of} iterations when its time was over"));
    }
    for Iterations { scenario, started: of, unfinished: cut, .. } in &e.iterations {
        if *cut as f64 > UNFINISHED_SHARE * *of as f64 {
            let what = "iterations were cut off unfinished, and have no times";
            reasons.push(format!("{scenario}: {cut} of {of} {what}"));
        }
    }
    if e.unready > 0 {
        reasons.push(format!("{} users never came through their init", e.unready));
    }
    reasons.extend(e.unbroken.iter().chain(&e.lost).cloned());
    if let Some(failed) = &e.teardown {
        reasons.push(format!("teardown did not come to its end: {failed}"));
    }
    reasons
}

fn script_limited(e: &Evidence) -> Vec<String> {
    let mut reasons = Vec::new();
    for Iterations { scenario, finished: of, broken, .. } in &e.iterations {
        if *broken as f64 > BROKEN_SHARE * *of as f64 {
            let most = BROKEN_SHARE * 100.0;
            reasons.push(format!(
                "{scenario}: {broken} of {of} iterations were broken by script errors \
                 (more than {most} %)"
            ));
        }
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
    for threshold in &e.partial {
        reasons.push(format!(
            "`{threshold}` was judged by a part of its samples: there were too many series"
        ));
    }
    reasons
}

fn target_down(e: &Evidence) -> Vec<String> {
    if e.calls == 0 || e.failed < e.calls {
        return Vec::new();
    }
    let how = e.commonest.as_ref().map_or_else(String::new, Commonest::in_brackets);
    let up = e.commonest.as_ref().is_some_and(|common| common.answered);
    let up = if up { "the target answers, but " } else { "" };
    vec![format!("{up}all {} calls failed{how}", e.calls)]
}

fn generator_limited(e: &Evidence) -> Vec<String> {
    let mut reasons = Vec::new();
    reasons.extend(e.lags.iter().filter_map(began_late));
    if e.exhausted > 0 {
        let count = e.exhausted;
        reasons.push(format!("{count} connections found no free socket or port on this machine"));
    }
    let short = e.iterations.iter().filter(|did| did.dropped > 0);
    reasons.extend(short.map(no_free_user));
    if e.pause > PAUSE_BOUND && e.longest < e.pause / 2 {
        let least = show_duration(e.pause);
        reasons.push(format!("a worker stood still for {least} or longer"));
    }
    if e.busiest_worker > CPU_BOUND {
        reasons.push(format!(
            "a worker was on its CPU {:.0} % of the time, allowed {:.0} %",
            e.busiest_worker * 100.0,
            CPU_BOUND * 100.0
        ));
    }
    if e.stolen > STEAL_BOUND && e.elapsed >= STEAL_SHORTEST {
        reasons.push(format!(
            "this machine's host gave {:.0} % of its processor time to others (steal), allowed {:.0} %",
            e.stolen * 100.0,
            STEAL_BOUND * 100.0
        ));
    }
    reasons
}

/// That a scenario began late; and where new users were it, that.
fn began_late(lag: &Lag) -> Option<String> {
    let Lag { scenario, p99, response, late, awaited_init } = lag;
    let allowed = LAG_BOUND.max(response.mul_f64(LAG_SHARE));
    if *p99 <= allowed {
        return None;
    }
    let (p99, allowed) = (show_duration(*p99), show_duration(allowed));
    let what = format!("{scenario} began late: lag p99 {p99}, allowed {allowed}");
    if *awaited_init * 2 <= *late {
        return Some(what);
    }
    Some(format!(
        "{what}; {awaited_init} of {late} late arrivals waited for the `init` of a new user: what all \
         can share belongs into `setup`"
    ))
}

/// Why arrivals found no free user, as far as that is known.
fn no_free_user(did: &Iterations) -> String {
    let Iterations { scenario, offered, dropped, users, .. } = did;
    let what = format!(
        "{scenario}: {dropped} of {offered} arrivals found no free user, as all of {users} \
         (max_users) were busy"
    );
    let calling = did.busy.as_ref().filter(|busy| busy.calls >= CALLS_SHARE);
    let failing = did.busy.as_ref().filter(|busy| busy.failed >= TOLD_SHARE);
    let percent = |share: f64| format!("{:.0} %", share * 100.0);
    let mut why = Vec::new();
    if let Some(busy) = calling {
        why.push(format!("{} of the time with {:?}", percent(busy.share), busy.operation));
        if busy.waited >= TOLD_SHARE {
            why.push(format!("{} of that waiting for a connection", percent(busy.waited)));
        }
    }
    if let Some(busy) = failing {
        why.push(format!("{} of their calls failed", percent(busy.failed)));
    }
    if why.is_empty() {
        return format!("{what}; raise max_users");
    }
    let waited = calling.is_some_and(|busy| busy.waited >= TOLD_SHARE);
    let few = if waited { ", the client has too few connections" } else { "" };
    let or = "the target is slower than this load";
    format!("{what}: {}; {or}{few}, or max_users is too small", why.join(", "))
}

#[cfg(test)]
#[path = "validity_tests.rs"]
mod tests;
