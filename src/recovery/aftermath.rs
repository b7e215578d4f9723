//! What had piled up when a fault ended, and how hard it was worked off.
//!
//! Calls under way at the end of a window are those meant to be made by then, less those that had
//! ended: a number that needs no look at any single call. All here is of calls that the target was
//! asked: what an open breaker did not make neither waits for it nor overruns it.

use std::time::Duration;

use super::stretch::Stretch;
use super::{Calls, Drain, Span};

/// Windows shorter than this share of a whole one say nothing of a rate.
const WHOLE: f64 = 0.9;

/// So many calls under way at a moment are no sign of anything.
const FEW: i64 = 3;

/// What had piled up; `None` where no more was under way than usual.
pub(super) fn drain(calls: &Calls<'_>, span: Span) -> Option<Drain> {
    let under_way = under_way(calls, span.until);
    let before = under_way.iter().filter(|(at, _)| *at > span.warm && *at <= span.baseline);
    let usual = before.map(|(_, calls)| *calls).max().unwrap_or_default().max(FEW);
    let at_end = under_way.iter().rev().find(|(at, _)| *at <= span.end).map(|(_, calls)| *calls);
    let piled = at_end.unwrap_or_default() - usual;
    if piled <= 0 {
        return None;
    }
    let after = under_way.iter().filter(|(at, _)| *at > span.end);
    let worked_off = after.clone().find(|(_, calls)| *calls <= usual);
    let took = worked_off.map(|(at, _)| at.saturating_sub(span.end).as_secs_f64());
    let made = calls.made(span.end, span.until);
    let coming = made.iter().map(|w| w.tally.asked()).sum::<u64>() as f64
        / span.until.saturating_sub(span.end).as_secs_f64().max(1e-9);
    let spare = peak(&calls.ended(span.end, span.until)) - coming;
    let ideal = (spare > 0.0).then(|| piled as f64 / spare);
    Some(Drain { calls: piled.cast_unsigned(), took, ideal })
}

/// Calls under way at the end of each window.
fn under_way(calls: &Calls<'_>, until: Duration) -> Vec<(Duration, i64)> {
    let windows = calls.windows.iter(calls.edges).take_while(|((begin, _), _)| *begin < until);
    let counts = windows.scan(0_i64, |under_way, ((_, end), window)| {
        let [made, ended] = [&window.made, &window.ended].map(|t| t.asked().cast_signed());
        *under_way += made - ended;
        Some((end, *under_way))
    });
    counts.collect()
}

/// The most calls that ended in a second after the fault, in those of the baseline.
pub(super) fn overshoot(calls: &Calls<'_>, span: Span) -> Option<f64> {
    let before = calls.ended(span.warm, span.baseline);
    let ended: u64 = before.iter().map(|window| window.tally.asked()).sum();
    let usual = ended as f64 / span.baseline.saturating_sub(span.warm).as_secs_f64();
    let most = peak(&calls.ended(span.end, span.until));
    (ended > 0 && most > 0.0).then(|| most / usual)
}

/// The most calls a second of any whole window.
fn peak(ended: &[Stretch]) -> f64 {
    let whole = crate::metric::Timeline::WIDTH.as_secs_f64() * WHOLE;
    let rates = ended.iter().filter(|window| window.length() >= whole);
    rates.map(|window| window.tally.asked() as f64 / window.length()).fold(0.0, f64::max)
}
