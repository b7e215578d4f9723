//! What can be said of a figure, of an operation and of a whole comparison.
//!
//! * *regressed* or *improved*: the change is larger than the limit, and beyond the noise;
//! * *unchanged*: the truth lies within the limit, whichever way (two one-sided tests at 5 %,
//!   Schuirmann 1987);
//! * *not worse*: whatever else, it is not worse by more than the limit (the one of these tests that
//!   a gate asks for: non-inferiority);
//! * *inconclusive*: not even that can be said; a longer run, or more of them, would tell.
//!
//! Beyond the noise means another thing for each direction, as a mistake does. That something is
//! worse stops a merge: with a chance of 5 % *any* figure of the whole comparison is found so by
//! luck. That something is better is a finding among others: of all that are found, 5 % are by
//! luck, and where nothing has changed it is the same 5 % chance of any
//! ([`crate::statistics::many`]).
//!
//! That *all* of several figures are not worse needs no correction: to say it wrongly, a test has to
//! fail that by itself does so with a chance of 5 % (intersection-union, Berger 1982).
//!
//! An operation is *inconclusive* when more than half of what is said of its times is. A noisy 99th
//! percentile alone thus does not stop a merge; it is shown.

use std::fmt;

use serde::Serialize;

use super::{BY_LUCK, OperationChange, Row, Scale, TIMES};
use crate::statistics::many;

/// What can be said of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Finding {
    /// Better by more than the limit, and beyond the noise.
    Improved,
    /// Within the limit.
    Unchanged,
    /// Not worse by more than the limit; it may be better.
    NotWorse,
    /// Whether it is worse cannot be said.
    Inconclusive,
    /// Worse by more than the limit, and beyond the noise.
    Regressed,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Improved => "improved",
            Self::Unchanged => "unchanged",
            Self::NotWorse => "not worse",
            Self::Inconclusive => "inconclusive",
            Self::Regressed => "REGRESSED",
        })
    }
}

/// Says it of every row and operation; so far rows know their own chance, and where they lie beside
/// the limit.
pub fn judge(operations: &mut [OperationChange], limit: f64) {
    let chances: Vec<f64> = operations.iter().flat_map(|o| &o.rows).map(|row| row.chance).collect();
    let corrected = many::none_by_luck(&chances).into_iter().zip(many::few_by_luck(&chances));
    let rows = operations.iter_mut().flat_map(|operation| &mut operation.rows);
    for (row, (any, among_found)) in rows.zip(corrected) {
        row.chance = if row.is_for_the_worse() { any } else { among_found };
        row.judge(limit);
    }
    for operation in operations {
        operation.finding = operation.found();
    }
}

impl Row {
    fn is_for_the_worse(&self) -> bool {
        if self.scale == Scale::PerSecond { self.change < 0.0 } else { self.change > 0.0 }
    }

    /// Larger than the limit and beyond the noise, it is a change; else what it was.
    fn judge(&mut self, limit: f64) {
        let limit = if self.scale == Scale::Share { limit * self.base } else { limit };
        if self.chance < BY_LUCK && self.change.abs() > limit {
            let worse = self.is_for_the_worse();
            self.finding = if worse { Finding::Regressed } else { Finding::Improved };
        }
    }
}

impl OperationChange {
    fn found(&self) -> Finding {
        let found = |finding| self.rows.iter().any(|row| row.finding == finding);
        let times = |finding| {
            let times = self.rows.iter().filter(|row| row.scale == Scale::Time);
            times.filter(|row| row.finding == finding).count()
        };
        if found(Finding::Regressed) {
            Finding::Regressed
        } else if self.rows.is_empty() || 2 * times(Finding::Inconclusive) > TIMES.len() {
            Finding::Inconclusive
        } else if found(Finding::Improved) {
            Finding::Improved
        } else if 2 * times(Finding::Unchanged) >= TIMES.len() {
            Finding::Unchanged
        } else {
            Finding::NotWorse
        }
    }
}

/// What the operations say together; negligible ones have no say.
pub fn whole(operations: &[OperationChange]) -> Finding {
    let heard = operations.iter().filter(|operation| !operation.is_negligible());
    let found: Vec<Finding> = heard.map(|operation| operation.finding).collect();
    if found.is_empty() {
        return Finding::Inconclusive;
    }
    [Finding::Regressed, Finding::Inconclusive, Finding::Improved, Finding::NotWorse]
        .into_iter()
        .find(|finding| found.contains(finding))
        .unwrap_or(Finding::Unchanged)
}
