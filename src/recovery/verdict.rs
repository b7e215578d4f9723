//! From windows to what a fault did.

use std::time::Duration;

use super::steady::{Judged, Steady, Stretch};
use super::{Phase, Recovery, Span, Verdict};
use crate::metric::{Merge, Tally, Timeline, Windows};

/// The share of calls that may fail, for which a month's budget is reckoned.
const ALLOWED: f64 = 0.001;

/// A month, in seconds.
const MONTH: f64 = 30.0 * 86_400.0;

/// What the fault with this span did to the calls in `windows`.
pub fn assess(windows: &Windows, span: Span) -> Recovery {
    let made = |from, to| stretches(windows, from, to, |window| &window.made);
    let baseline = made(Duration::ZERO, span.baseline);
    let fault = made(span.begin, span.end);
    let after = made(span.end, span.until);
    let mut recovery = Recovery {
        verdict: Verdict::NoBaseline,
        baseline: phase(&baseline, span.baseline),
        fault: phase(&fault, span.end.saturating_sub(span.begin)),
        after: phase(&after, span.until.saturating_sub(span.end)),
        first_error: first_error(windows, span),
        detect: None,
        recover: None,
        settle: None,
        relapses: 0,
        during: false,
        lost: 0,
        excess: 0.0,
        budget: 0.0,
        debt: 0.0,
        resolution: Timeline::WIDTH.as_secs_f64(),
        tail: span.until.saturating_sub(span.end).as_secs_f64(),
        confirm: 0,
    };
    let Some(steady) = Steady::learn(&baseline) else { return recovery };
    let ended = stretches(windows, span.begin, span.until, |window| &window.ended);
    let stood = steady.judge(&fault);
    let rest = steady.judge(&after);
    let confirm = steady.confirm(stood.len() + rest.len());
    recovery.confirm = confirm;
    detect(&mut recovery, &steady.judge(&ended), span, confirm);
    recover(&mut recovery, &stood, &rest, span, confirm);
    let all: Vec<_> = fault.iter().chain(&after).cloned().collect();
    cost(&mut recovery, &all, &stood, &rest);
    recovery
}

/// The windows that begin from `from` to before `to`.
fn stretches(
    windows: &Windows,
    from: Duration,
    to: Duration,
    of: impl Fn(&crate::metric::Window) -> &Tally,
) -> Vec<Stretch> {
    let within = windows.iter().filter(|((begin, _), _)| *begin >= from && *begin < to);
    let stretches = within.map(|((begin, end), window)| ((begin, end.min(to)), of(window).clone()));
    stretches.filter(|(_, tally)| tally.count() > 0).collect()
}

fn phase(stretches: &[Stretch], length: Duration) -> Phase {
    let all = sum(stretches);
    let seconds = |nanoseconds: u64| nanoseconds as f64 / 1e9;
    Phase {
        seconds: length.as_secs_f64(),
        calls: all.count(),
        failed: all.bad,
        p50: seconds(all.times.quantile(0.5)),
        p99: seconds(all.times.quantile(0.99)),
    }
}

fn sum(stretches: &[Stretch]) -> Tally {
    let mut all = Tally::default();
    for (_, tally) in stretches {
        all.merge(tally);
    }
    all
}

fn first_error(windows: &Windows, span: Span) -> Option<f64> {
    let bad = windows.iter().filter_map(|(_, window)| window.first_bad);
    let first = bad.filter(|at| (span.begin..span.until).contains(at)).min()?;
    Some(first.saturating_sub(span.begin).as_secs_f64())
}

/// The index of the first of `confirm` windows in a row that are (not) steady.
fn run_of(windows: &[Judged], confirm: u32, steady: bool) -> Option<usize> {
    let mut row = windows.windows(confirm as usize);
    row.position(|row| row.iter().all(|window| window.steady == steady))
}

fn detect(recovery: &mut Recovery, ended: &[Judged], span: Span, confirm: u32) {
    let first = run_of(ended, confirm, false);
    let last = first.map(|first| ended[first + confirm as usize - 1]);
    recovery.detect = last.map(|window| window.end.saturating_sub(span.begin).as_secs_f64());
}

/// Recovery, settling, relapses and the verdict.
fn recover(recovery: &mut Recovery, stood: &[Judged], rest: &[Judged], span: Span, confirm: u32) {
    let seconds = |at: Duration| at.saturating_sub(span.end).as_secs_f64();
    let hurt = run_of(stood, confirm, false).is_some()
        || run_of(rest, confirm, false).is_some()
        // A short fault, or one that few calls met, still hurts.
        || stood.iter().filter(|window| !window.steady).count() * 2 > stood.len();
    let last_bad = rest.iter().rev().find(|window| !window.steady);
    if !hurt {
        recovery.verdict = Verdict::Tolerated;
        return;
    }
    recovery.settle = Some(last_bad.map_or(0.0, |window| seconds(window.end)));
    let onset = stood.iter().position(|window| !window.steady).unwrap_or(0);
    recovery.during = run_of(&stood[onset..], confirm, true).is_some();
    let Some(first) = run_of(rest, confirm, true) else {
        recovery.verdict = Verdict::NotRecovered;
        recovery.settle = None;
        return;
    };
    recovery.recover = Some(seconds(rest[first].begin));
    let mut later = &rest[first..];
    while let Some(relapse) = run_of(later, confirm, false) {
        recovery.relapses += 1;
        let again = run_of(&later[relapse..], confirm, true).map(|again| relapse + again);
        later = &later[again.unwrap_or(later.len())..];
    }
    recovery.verdict = match recovery.relapses {
        0 => Verdict::Recovered,
        _ => Verdict::RecoveredThenRelapsed,
    };
}

/// What was lost from the first bad window to the last.
fn cost(recovery: &mut Recovery, all: &[Stretch], stood: &[Judged], rest: &[Judged]) {
    let bad = || stood.iter().chain(rest).filter(|window| !window.steady);
    let (Some(onset), Some(last)) = (bad().next(), bad().next_back()) else { return };
    let within = |(begin, _): &(Duration, Duration)| *begin >= onset.begin && *begin < last.end;
    let hit: Vec<_> = all.iter().filter(|(span, _)| within(span)).cloned().collect();
    let total = sum(&hit);
    let usual = recovery.baseline.failed as f64 / recovery.baseline.calls.max(1) as f64;
    recovery.lost = total.bad;
    recovery.excess = total.bad as f64 - usual * total.count() as f64;
    let rate = recovery.baseline.calls as f64 / recovery.baseline.seconds.max(1e-9);
    recovery.budget = total.bad as f64 / (ALLOWED * rate * MONTH).max(1e-9);
    recovery.debt = total.times.beyond((recovery.baseline.p50 * 1e9) as u64) / 1e9;
}
