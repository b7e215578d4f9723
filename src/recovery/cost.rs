//! What was lost, what of the error budget that is, and what was waited.
//!
//! A promise of 99.9 % over 30 days allows one call in a thousand to fail: at the baseline's rate,
//! as many calls as a total outage of 2,592 s has. *Burning* the budget at 1 uses it up exactly in
//! the period; a total outage burns it at 1,000.

use std::collections::VecDeque;
use std::time::Duration;

use super::stretch::{Stretch, sum};
use super::{Calls, Cost, Part, Span, Terms};

/// The windows over which the fastest burning is told, in seconds.
const BURN: [f64; 2] = [5.0, 60.0];

/// An alert of the usual kind: the budget burns so much too fast in an hour, and in 5 minutes.
const ALERT: f64 = 14.4;
const ALERT_LONG: f64 = 3_600.0;
const ALERT_SHORT: f64 = 300.0;

/// A period's error budget, and how much of it a run used up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    /// Calls that may be lost in the period.
    pub allowed: f64,
    /// Calls that were.
    pub lost: u64,
}

/// The budget of the promised period at a rate of calls, and what of it was lost.
pub fn budget(terms: &Terms, calls_a_second: f64, lost: u64) -> Budget {
    let allowed = (1.0 - terms.promise) * calls_a_second * terms.period.as_secs_f64();
    Budget { allowed, lost }
}

impl Budget {
    /// The share of it that was used up.
    pub fn burnt(self) -> f64 {
        if self.lost == 0 { 0.0 } else { self.lost as f64 / self.allowed.max(1e-9) }
    }
}

/// What was lost from when to when users were hurt; nothing where they were not.
pub(super) fn cost(
    calls: &Calls<'_>,
    span: Span,
    terms: &Terms,
    baseline: &Part,
    hurt: Option<(Duration, Duration)>,
    closed: bool,
) -> Cost {
    let mut cost = Cost { estimated: closed, resilience: 1.0, ..Cost::default() };
    cost.burn = BURN.map(|seconds| fastest(calls, span, terms, seconds));
    let Some((onset, last)) = hurt else { return cost };
    let hit = calls.made(onset, last);
    let all = sum(&hit);
    let seconds = last.saturating_sub(onset).as_secs_f64();
    let usual = baseline.goodput();
    let (offered, served) = (all.offered() as f64, all.tally.served() as f64);
    cost.lost = if closed { (usual * seconds - served).max(0.0) } else { all.lost() as f64 };
    let anyway = (baseline.offered - baseline.served()) as f64 / baseline.offered.max(1) as f64;
    cost.excess = cost.lost - anyway * offered;
    cost.deficit = deficit(&hit, usual, seconds);
    cost.resilience = served / (usual * seconds).max(1e-9);
    let rate = baseline.calls as f64 / baseline.seconds.max(1e-9);
    let lost = if closed { cost.lost.round() as u64 } else { all.lost() };
    cost.budget = budget(terms, rate, lost).burnt();
    if closed {
        // Nobody asked while everybody waited, so there are no calls to tell how fast it burnt.
        let share = |within: f64| cost.lost / (usual * seconds.max(within)).max(1e-9);
        let estimated = BURN.map(|within| share(within) / (1.0 - terms.promise).max(1e-12));
        for (burn, estimated) in cost.burn.iter_mut().zip(estimated) {
            *burn = burn.max(estimated);
        }
    }
    cost.debt = all.tally.all_times().beyond((baseline.p50 * 1e9) as u64) / 1e9;
    cost.wait = cost.debt / offered.max(1.0);
    cost
}

/// What is missing in each window from what is usual; where there is no window, all of it.
fn deficit(hit: &[Stretch], usual: f64, seconds: f64) -> f64 {
    let missing = |w: &Stretch| (usual * w.length() - w.tally.served() as f64).max(0.0);
    let seen: f64 = hit.iter().map(Stretch::length).sum();
    hit.iter().map(missing).sum::<f64>() + usual * (seconds - seen).max(0.0)
}

/// How fast the budget burnt at most in any such stretch of time that ends after the fault began;
/// what was lost before is another's.
fn fastest(calls: &Calls<'_>, span: Span, terms: &Terms, seconds: f64) -> f64 {
    let mut within: VecDeque<Stretch> = VecDeque::new();
    let (mut offered, mut lost, mut most) = (0_u64, 0_u64, 0.0_f64);
    let own = |window: &Stretch| if window.begin < span.begin { 0 } else { window.lost() };
    for window in calls.made(span.warm, span.until) {
        let end = window.end;
        (offered, lost) = (offered + window.offered(), lost + own(&window));
        within.push_back(window);
        let too_old = |w: &Stretch| end.saturating_sub(w.begin).as_secs_f64() > seconds + 1e-9;
        while let Some(old) = within.pop_front_if(|window| too_old(window)) {
            (offered, lost) = (offered - old.offered(), lost - own(&old));
        }
        if end > span.begin && offered > 0 {
            most = most.max(lost as f64 / offered as f64);
        }
    }
    most / (1.0 - terms.promise).max(1e-12)
}

/// From the fault's begin until an alert of the usual kind would have gone off, after an hour
/// without a failure at the baseline's rate. Calls count when they end: nobody knows before.
pub(super) fn alert(calls: &Calls<'_>, span: Span, terms: &Terms, rate: f64) -> Option<f64> {
    let needed = |seconds: f64| ALERT * (1.0 - terms.promise) * rate * seconds;
    let mut recent: VecDeque<(Duration, f64)> = VecDeque::new();
    let (mut long, mut short) = (0.0, 0.0);
    for window in calls.ended(span.begin, span.until) {
        let bad = window.tally.bad.max(0) as f64;
        (long, short) = (long + bad, short + bad);
        recent.push_back((window.begin, bad));
        let start = window.end.saturating_sub(Duration::from_secs_f64(ALERT_SHORT));
        while let Some((_, old)) = recent.pop_front_if(|(begin, _)| *begin < start) {
            short -= old;
        }
        if bad > 0.0 && long >= needed(ALERT_LONG) && short >= needed(ALERT_SHORT) {
            // Somewhere in this window: as far as its failures were needed.
            let over = (long - needed(ALERT_LONG)).min(short - needed(ALERT_SHORT)).min(bad);
            let into = window.length() * (1.0 - over / bad);
            return Some((window.begin.saturating_sub(span.begin)).as_secs_f64() + into);
        }
    }
    None
}
