//! What is normal: given by the script, or learnt from the windows before the first fault.
//!
//! A window is steady when the share of calls that were served is not below the baseline's median by
//! more than 4 times its median deviation (and never by less than 0.1 %), and its p99 not above the
//! baseline's by more than a fifth or by 4 deviations, whichever is more, nor by a fifth above the
//! p99 that nine of ten windows of the baseline stay under: on a busy machine a window of fifty
//! calls has an outlier now and then. An arrival without a user is a call that was not served. A
//! window with fewer than [`ENOUGH`] calls says nothing by itself and is taken together with the
//! next.

use std::time::Duration;

use super::Terms;
use super::stretch::Stretch;

/// Fewest calls that say something.
pub(super) const ENOUGH: u64 = 20;

/// Fewest windows that say what is normal. Where that is given, one says how much is usual.
const LEAST: usize = 10;

/// Share of the baseline's windows that must be steady by their own measure.
const SOUND: f64 = 0.9;

/// So many windows may always be off: in a short baseline they are more than the rest of it.
const STRAY: usize = 2;

/// Deviations that are not held against a window.
const TOLERANCE: f64 = 4.0;

/// How far above what is usual a p99 may lie.
const MARGIN: f64 = 1.2;

/// The smallest share of failures that is told from none.
const SHARE: f64 = 0.001;

/// The smallest difference of a p99 that is held against a window, in nanoseconds.
const TIME: f64 = 2e6;

/// Windows in a row are no accident when the chance of them in all the run is below this.
const ACCIDENT: f64 = 0.01;

/// Some windows taken together, and whether they are steady.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Judged {
    pub(super) begin: Duration,
    pub(super) end: Duration,
    pub(super) steady: bool,
}

/// What is normal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Steady {
    /// The smallest share of calls that are served.
    success: f64,
    /// The largest p99, in nanoseconds.
    p99: f64,
    /// Share of the baseline's windows that are not steady.
    pub(super) violating: f64,
}

impl Steady {
    /// Learns from the baseline what is not given; `None` when it is too short or too uneven.
    pub(super) fn learn(windows: &[Stretch], terms: &Terms) -> Option<Self> {
        let merged = merged(windows);
        let given = terms.success.is_some() && terms.p99.is_some();
        let enough = merged.len() >= LEAST || merged.iter().any(|w| w.offered() >= ENOUGH) && given;
        if !enough {
            return None;
        }
        let success = Spread::of(merged.iter().map(share).collect());
        let p99 = Spread::of(merged.iter().map(|w| w.tally.quantile(0.99) as f64).collect());
        let success = success.median - (TOLERANCE * success.deviation).max(SHARE);
        let p99 = (p99.median + (TOLERANCE * p99.deviation).max(TIME))
            .max(MARGIN * p99.median)
            .max(MARGIN * p99.high);
        let given = terms.p99.map(|p99| p99.as_nanos() as f64);
        let mut steady = Self {
            success: terms.success.unwrap_or(success),
            p99: given.unwrap_or(p99),
            violating: 0.0,
        };
        let bad = merged.iter().filter(|window| !steady.holds(window)).count();
        steady.violating = bad as f64 / merged.len() as f64;
        (bad <= STRAY || steady.violating <= 1.0 - SOUND).then_some(steady)
    }

    fn holds(&self, window: &Stretch) -> bool {
        share(window) >= self.success && window.tally.quantile(0.99) as f64 <= self.p99
    }

    /// Calls that succeeded, but took longer than is normal.
    pub(super) fn late(&self, window: &Stretch) -> u64 {
        let times = &window.tally.times;
        let late = (1.0 - times.share_at_most(self.p99 as u64)) * times.count() as f64;
        (late.round() as u64).min(window.tally.served())
    }

    /// Every window with enough calls, alone or with those after it, and whether it is steady.
    /// What is left over at the end is judged by whether anything in it was lost.
    pub(super) fn judge(&self, windows: &[Stretch]) -> Vec<Judged> {
        let judged = merged(windows).into_iter().filter_map(|window| {
            let known = window.offered() >= ENOUGH || window.lost() > 0;
            let Stretch { begin, end, .. } = window;
            known.then(|| Judged { begin, end, steady: self.holds(&window) })
        });
        judged.collect()
    }

    /// How many windows in a row are no accident among so many.
    pub(super) fn confirm(&self, windows: usize) -> u32 {
        let accident =
            |n: &u32| (windows as f64) * self.violating.powi((*n).cast_signed()) < ACCIDENT;
        (3..=10).find(accident).unwrap_or(10)
    }
}

/// Windows, those with few calls taken together with the next.
fn merged(windows: &[Stretch]) -> Vec<Stretch> {
    let mut all: Vec<Stretch> = Vec::new();
    for window in windows {
        match all.last_mut() {
            Some(open) if open.offered() < ENOUGH => open.add(window),
            _ => all.push(window.clone()),
        }
    }
    all
}

fn share(window: &Stretch) -> f64 {
    window.tally.served() as f64 / window.offered().max(1) as f64
}

/// Middle and spread, unmoved by a few outliers.
struct Spread {
    median: f64,
    deviation: f64,
    /// Nine of ten lie at or under it.
    high: f64,
}

impl Spread {
    fn of(values: Vec<f64>) -> Self {
        let sorted = |mut values: Vec<f64>| {
            values.sort_by(f64::total_cmp);
            values
        };
        let at = |values: &[f64], tenths: usize| {
            values.get(values.len() * tenths / 10).copied().unwrap_or_default()
        };
        let values = sorted(values);
        let median = at(&values, 5);
        let off = sorted(values.iter().map(|value| (value - median).abs()).collect());
        Self { median, deviation: at(&off, 5), high: at(&values, 9) }
    }
}
