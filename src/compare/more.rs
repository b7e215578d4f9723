//! What would tell, where these runs cannot: a larger limit, or more runs.
//!
//! The number of runs is that of a test whether something is not worse by more than a limit, which
//! is to succeed in 80 % of cases: `n = 2 s² (t₀.₉₅ + t₀.₈₀)² / d²` runs on each side, where `s²` is
//! the variance of a single run and `d` how far the limit is away from the change (Julious, "Sample
//! sizes for clinical trials with normal data", 2004, for two groups), with the t of `2n - 2` degrees
//! of freedom. A change for the worse is planned for as none: if it is real, as many runs find it. One
//! for the better counts as far as it is beyond one standard error, since what is seen of it may be
//! luck.

use serde::Serialize;

use super::{BY_LUCK, Finding, OperationChange, Row, Scale, TIMES};
use crate::statistics::student;

/// Beyond so many runs of each, they should be longer.
const MOST_RUNS: u32 = 50;
/// Twice as slow is no limit for anyone.
const LARGEST_LIMIT: f64 = 1.0;
/// How often a test may miss what it looks for.
const MISSED: f64 = 0.2;

/// What would tell, where the runs that were compared cannot.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct More {
    /// With this limit they would: nothing is worse by more. `None` where there is no such limit.
    pub limit: Option<f64>,
    /// About as many runs on each side would tell the limit that was asked for, when nothing is
    /// worse; `None` where they would be too many, or too little is known.
    pub runs: Option<u32>,
}

/// What would tell of the operations that hold up a whole which is inconclusive.
pub fn of(operations: &[OperationChange], runs: [usize; 2], limit: f64) -> Option<More> {
    if super::finding::whole(operations) != Finding::Inconclusive {
        return None;
    }
    let heard = operations.iter().filter(|operation| !operation.is_negligible());
    let unsure: Vec<_> = heard.filter(|o| o.finding == Finding::Inconclusive).collect();
    let most = |figure: &dyn Fn(&Row) -> Option<f64>| {
        let each = unsure.iter().map(|operation| deciding(operation, figure));
        each.collect::<Option<Vec<f64>>>()?.into_iter().reduce(f64::max)
    };
    let needed = |row: &Row| needed(row, runs, limit).map(f64::from);
    (!unsure.is_empty()).then(|| More {
        limit: most(&|row| row.worst).filter(|limit| *limit <= LARGEST_LIMIT),
        runs: most(&needed).map(|runs| runs as u32),
    })
}

/// The figure of the row with which half of an operation's times are told.
fn deciding(operation: &OperationChange, figure: &dyn Fn(&Row) -> Option<f64>) -> Option<f64> {
    let times = operation.rows.iter().filter(|row| row.scale == Scale::Time);
    let mut figures: Vec<f64> = times.filter_map(figure).collect();
    figures.sort_by(f64::total_cmp);
    figures.get(TIMES.len() / 2 - 1).copied()
}

/// Runs on each side that would tell of this row.
fn needed(row: &Row, runs: [usize; 2], limit: f64) -> Option<u32> {
    let [base, now] = runs.map(|runs| runs as f64);
    let error = row.error?;
    let single = error.powi(2) / (1.0 / base + 1.0 / now);
    let away = limit.ln_1p() - (row.change.ln_1p() + error).min(0.0);
    // There is no use in fewer than there are.
    let least = base.max(now) as u32 + 1;
    (least..=MOST_RUNS).find(|runs| {
        let n = f64::from(*runs);
        let t = [2.0 * BY_LUCK, 2.0 * MISSED].map(|p| student::critical(p, 2.0 * n - 2.0));
        2.0 * single * (t[0] + t[1]).powi(2) <= n * away.powi(2)
    })
}
