//! From windows to what a fault did: when it was felt, when it was over, all of it in a word.

use std::time::Duration;

use super::steady::{Judged, Steady};
use super::stretch::{Stretch, sum};
use super::{Calls, Facts, Load, Part, Recovery, Span, Terms, Verdict, aftermath, cost};
use crate::metric::Timeline;

/// How late loadrun itself may begin what is due before a part tells of it and not of the target:
/// half a window.
const LATE: Duration = Duration::from_millis(250);

/// How long a trouble must outlive its cause before it is said to keep itself alive.
const LASTING: f64 = 10.0;

/// How much more than before may be asked of a target that is said to keep its own trouble alive.
const NO_MORE: f64 = 1.05;

/// What the fault with this span did to the calls.
pub fn assess(calls: &Calls<'_>, span: Span, terms: &Terms, facts: &Facts) -> Recovery {
    let baseline = calls.made(span.warm, span.baseline);
    let fault = calls.made(span.begin, span.end);
    let after = calls.made(span.end, span.until);
    let steady = Steady::learn(&baseline, terms);
    let lengths = [(span.warm, span.baseline), (span.begin, span.end), (span.end, span.until)];
    let parts = [&baseline, &fault, &after].into_iter().zip(lengths).zip(facts.load);
    let parts: Vec<_> = parts
        .map(|((w, (from, to)), load)| part(w, to.saturating_sub(from), load, steady.as_ref()))
        .collect();
    let mut recovery = Recovery {
        verdict: Verdict::NoBaseline,
        baseline: parts[0],
        fault: parts[1],
        after: parts[2],
        first_error: first_error(calls, span),
        onset: None,
        detect: None,
        alert: None,
        recover: None,
        outage: None,
        settle: None,
        relapses: 0,
        during: false,
        cost: None,
        drain: None,
        overshoot: None,
        resolution: (Timeline::WIDTH + facts.width).as_secs_f64(),
        tail: span.until.saturating_sub(span.end).as_secs_f64(),
        judged: 0,
        confirm: 0,
        uneven: 0.0,
    };
    if let Some(steady) = steady {
        let ended = steady.judge(&calls.ended(span.begin, span.until));
        let (stood, rest) = (steady.judge(&fault), steady.judge(&after));
        recovery.judged = rest.len() as u32;
        recovery.confirm = steady.confirm(stood.len() + rest.len());
        recovery.uneven = steady.violating;
        detect(&mut recovery, &ended, &stood, span);
        let hurt = recover(&mut recovery, &stood, &rest, span);
        let (before, closed) = (recovery.baseline, facts.closed);
        // Where all wait nobody asks, until one has an answer.
        let next = |end| stood.iter().chain(&rest).map(|w| w.begin).find(|begin| *begin >= end);
        let hurt = match hurt {
            Some((begin, end)) if closed => Some((begin, next(end).unwrap_or(span.until))),
            hurt => hurt,
        };
        recovery.cost = Some(cost::cost(calls, span, terms, &before, hurt, closed));
        let rate = before.calls as f64 / before.seconds.max(1e-9);
        recovery.alert = cost::alert(calls, span, terms, rate);
        recovery.drain = aftermath::drain(calls, span);
        recovery.overshoot = aftermath::overshoot(calls, span);
    }
    recovery.verdict = conclude(&recovery, facts);
    recovery
}

fn part(windows: &[Stretch], length: Duration, load: Load, steady: Option<&Steady>) -> Part {
    let all = sum(windows);
    let seconds = |nanoseconds: u64| nanoseconds as f64 / 1e9;
    let count = |calls: i64| calls.max(0).cast_unsigned();
    Part {
        seconds: length.as_secs_f64(),
        offered: all.offered(),
        calls: all.tally.count(),
        good: count(all.tally.good),
        degraded: count(all.tally.degraded),
        failed: count(all.tally.bad),
        refused: count(all.tally.refused),
        indeterminate: count(all.tally.indeterminate),
        late: steady.map(|steady| steady.late(&all)),
        dropped: all.dropped,
        p50: seconds(all.tally.quantile(0.5)),
        p99: seconds(all.tally.quantile(0.99)),
        attempts: (load.started > 0).then(|| all.tally.asked() as f64 / load.started as f64),
        connects: load.connects,
        connects_peak: load.connects_peak,
        limited: load.lag > LATE,
    }
}

fn first_error(calls: &Calls<'_>, span: Span) -> Option<f64> {
    let bad = calls.windows.iter(calls.edges).filter_map(|(_, window)| window.first_bad);
    let first = bad.filter(|at| (span.begin..span.until).contains(at)).min()?;
    Some(first.saturating_sub(span.begin).as_secs_f64())
}

/// The index of the first of `confirm` windows in a row that are (not) steady.
fn run_of(windows: &[Judged], confirm: u32, steady: bool) -> Option<usize> {
    let mut row = windows.windows(confirm as usize);
    row.position(|row| row.iter().all(|window| window.steady == steady))
}

fn detect(recovery: &mut Recovery, ended: &[Judged], stood: &[Judged], span: Span) {
    let seconds = |at: Duration| at.saturating_sub(span.begin).as_secs_f64();
    let first = run_of(ended, recovery.confirm, false);
    let last = first.map(|first| ended[first + recovery.confirm as usize - 1]);
    recovery.detect = last.map(|window| seconds(window.end));
    let first_bad = || stood.iter().position(|window| !window.steady);
    let onset = run_of(stood, recovery.confirm, false).or_else(first_bad);
    recovery.onset = onset.map(|onset| seconds(stood[onset].begin));
}

/// Recovery, settling, relapses, and the verdict these give; the answer is from when to when users
/// were hurt, if they were.
fn recover(
    recovery: &mut Recovery,
    stood: &[Judged],
    rest: &[Judged],
    span: Span,
) -> Option<(Duration, Duration)> {
    let confirm = recovery.confirm;
    let seconds = |at: Duration| at.saturating_sub(span.end).as_secs_f64();
    let hurt = run_of(stood, confirm, false).is_some()
        || run_of(rest, confirm, false).is_some()
        // A short fault, or one that few calls met, still hurts.
        || stood.iter().filter(|window| !window.steady).count() * 2 > stood.len();
    if !hurt {
        (recovery.verdict, recovery.onset) = (Verdict::Tolerated, None);
        let bad = || stood.iter().filter(|window| !window.steady);
        return Some((bad().next()?.begin, bad().next_back()?.end));
    }
    let first = run_of(rest, confirm, true);
    let last_bad = last_bad(rest, first.unwrap_or(rest.len()));
    recovery.settle = Some(last_bad.map_or(0.0, |window| seconds(window.end)));
    let bad = |window: &&Judged| !window.steady;
    let begin = stood.iter().chain(rest).find(bad)?.begin;
    let range = (begin, last_bad.or(stood.iter().rev().find(bad))?.end);
    let onset = stood.iter().position(|window| !window.steady).unwrap_or(0);
    recovery.during = run_of(&stood[onset..], confirm, true).is_some();
    let Some(first) = first else {
        recovery.verdict = Verdict::NotRecovered;
        recovery.settle = None;
        return Some(range);
    };
    recovery.recover = Some(seconds(rest[first].begin));
    let began = recovery.onset.map_or(rest[first].begin, |onset| {
        span.begin + Duration::try_from_secs_f64(onset).unwrap_or_default()
    });
    recovery.outage = Some(rest[first].begin.saturating_sub(began).as_secs_f64());
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
    Some(range)
}

/// The last bad window after the fault. Once calls are good again, from `first` on, one bad window
/// between good ones is an accident.
fn last_bad(rest: &[Judged], first: usize) -> Option<&Judged> {
    let bad = |at: usize| rest.get(at).is_some_and(|window| !window.steady);
    let told = |at: &usize| bad(*at) && (*at < first || bad(at + 1) || (*at > 0 && bad(at - 1)));
    (0..rest.len()).rev().find(told).map(|at| &rest[at])
}

/// What the windows say, unless something else is known that says more.
fn conclude(recovery: &Recovery, facts: &Facts) -> Verdict {
    let Recovery { baseline, fault, after, .. } = recovery;
    let known = recovery.verdict != Verdict::NoBaseline;
    let felt = known && recovery.verdict != Verdict::Tolerated;
    if facts.unclean {
        Verdict::Unclean
    } else if !facts.touched && !felt && (fault.failed == 0 || (known && baseline.failed > 0)) {
        Verdict::NoEffect
    } else if known && (fault.limited || after.limited) {
        Verdict::GeneratorLimited
    } else if recovery.verdict == Verdict::NotRecovered && lasts(recovery, facts) {
        Verdict::Metastable
    } else {
        recovery.verdict
    }
}

/// Whether the trouble went on for long after its cause was gone, with no more asked than before.
fn lasts(recovery: &Recovery, facts: &Facts) -> bool {
    let [before, _, after] = facts.load.map(|load| load.offered as f64);
    let asked = |offered: f64, seconds: f64| offered / seconds.max(1e-9);
    let before = asked(before, recovery.baseline.seconds);
    recovery.tail >= recovery.fault.seconds.max(LASTING)
        && before > 0.0
        && asked(after, recovery.after.seconds) <= NO_MORE * before
}
