//! Is it faster or slower than it was, and how sure is that? Two sets of runs become one answer.
//!
//! For every operation the mean, three percentiles, the failed share and the throughput are
//! compared, each with a 95 % interval of its change and one of four findings:
//!
//! * *regressed* or *improved*: the change is larger than the limit, and beyond the noise;
//! * *unchanged*: the truth lies within the limit, whichever way (two one-sided tests at 5 %,
//!   Schuirmann 1987);
//! * *inconclusive*: neither can be said; a longer run, or more of them, would tell.
//!
//! Beyond the noise means with a chance of 5 % for any figure of the whole comparison to get there
//! by luck: the chances are corrected after Holm (1979). How a change and its noise are estimated
//! stands in [`estimate`], what dependence in time does to them in
//! [`crate::statistics::dependence`]. There is no random number in it: the same files give the same
//! answer.
//!
//! An operation is *undecided* when more than half of what is said of its times is inconclusive.
//! A noisy 99th percentile alone thus does not stop a merge; it is shown.

mod comparable;
mod control;
mod estimate;
mod gate;
mod sample;

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::outcome::Outcome;

pub use comparable::{differences, foreseen, is_same_run};
pub use control::Control;
use estimate::{Estimate, Figure};
pub use gate::{Gate, exit_code};
use sample::{Key, Sample};

/// Calls on each side from which an operation is compared.
const FEWEST_CALLS: f64 = 100.0;
/// Stretches of time on each side from which their noise is believed.
const FEWEST_SLICES: usize = 8;
/// How often a figure of an unchanged target may be found changed, in the whole comparison.
const BY_LUCK: f64 = 0.05;

/// What is compared of an operation's times, and what it is called.
const TIMES: [(Figure, &str); 4] = [
    (Figure::Mean, "mean"),
    (Figure::Quantile(0.5), "p50"),
    (Figure::Quantile(0.95), "p95"),
    (Figure::Quantile(0.99), "p99"),
];

/// What can be said of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Finding {
    /// Better by more than the limit, and beyond the noise.
    Improved,
    /// Within the limit.
    Unchanged,
    /// Neither can be said.
    Inconclusive,
    /// Worse by more than the limit, and beyond the noise.
    Regressed,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Improved => "improved",
            Self::Unchanged => "unchanged",
            Self::Inconclusive => "inconclusive",
            Self::Regressed => "REGRESSED",
        })
    }
}

/// What a figure is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// Nanoseconds; a change is relative.
    Time,
    /// A share from 0 to 1; a change is a difference.
    Share,
    /// Calls a second; a change is relative.
    PerSecond,
}

/// One figure before and after.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// `mean`, `p50`, `p95`, `p99`, `failed` or `throughput`.
    pub figure: &'static str,
    /// What it is counted in.
    pub scale: Scale,
    /// In the base; the geometric mean of several runs.
    pub base: f64,
    /// In the runs now.
    pub now: f64,
    /// 0.1 is 10 % more; for a share, ten percentage points more.
    pub change: f64,
    /// Low end of the 95 % interval of `change`; `None` when it is open.
    pub low: Option<f64>,
    /// High end of the 95 % interval of `change`; `None` when it is open.
    pub high: Option<f64>,
    /// The chance of such a change when there is none, corrected for the number of rows.
    pub chance: f64,
    /// What can be said.
    pub finding: Finding,
}

/// One operation before and after.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OperationChange {
    /// The scenario that made the calls.
    pub scenario: String,
    /// The metric of the times.
    pub metric: String,
    /// The operation's name; empty for the response times of a scenario.
    pub name: String,
    /// Calls in base and now.
    pub calls: [u64; 2],
    /// Its figures; empty when it could not be compared.
    pub rows: Vec<Row>,
    /// What can be said of it as a whole.
    pub finding: Finding,
    /// Why it could not be compared.
    pub why: Option<String>,
}

/// A run that was compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunName {
    /// Name its results are kept under.
    pub name: String,
    /// Wall-clock start, RFC 3339.
    pub started: String,
}

/// Two sets of runs, compared.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// What can be said as a whole.
    pub verdict: Finding,
    /// The runs compared with.
    pub base: Vec<RunName>,
    /// The runs judged.
    pub now: Vec<RunName>,
    /// The relative change that is tolerated.
    pub limit: f64,
    /// Parameters that say where the load went, and went elsewhere: what they were and are.
    pub targets: Vec<String>,
    /// What else differs between them, which the user chose to look past.
    pub overridden: Vec<String>,
    /// Every operation of either side.
    pub operations: Vec<OperationChange>,
}

impl Comparison {
    /// 0: no regression; 1: regressed; 3: cannot be said.
    pub fn exit_code(&self) -> u8 {
        match self.verdict {
            Finding::Improved | Finding::Unchanged => 0,
            Finding::Regressed => 1,
            Finding::Inconclusive => 3,
        }
    }

    /// Every row there is.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.operations.iter().flat_map(|operation| &operation.rows)
    }
}

/// How the runs `now` differ from `base`; a relative change up to `limit` is tolerated. What else
/// differs between them is the caller's to ask ([`differences`]).
pub fn compare(base: &[Outcome], now: &[Outcome], limit: f64) -> Comparison {
    let sides = [base, now].map(|side| side.iter().map(sample::of).collect::<Vec<_>>());
    let mut keys: Vec<&Key> = sides.iter().flatten().flat_map(BTreeMap::keys).collect();
    keys.sort();
    keys.dedup();
    let mut operations: Vec<_> =
        keys.into_iter().map(|key| operation(key, &sides, limit)).collect();
    correct(&mut operations);
    for operation in &mut operations {
        operation.judge(limit);
    }
    let name = |outcome: &Outcome| RunName {
        name: outcome.run.name.clone(),
        started: outcome.run.started.clone(),
    };
    Comparison {
        verdict: whole(&operations),
        base: base.iter().map(name).collect(),
        now: now.iter().map(name).collect(),
        limit,
        targets: comparable::targets(base, now),
        overridden: Vec::new(),
        operations,
    }
}

type Side = Vec<BTreeMap<Key, Sample>>;

/// One operation, its rows not judged yet.
fn operation(key: &Key, sides: &[Side; 2], limit: f64) -> OperationChange {
    let [base, now] = sides
        .each_ref()
        .map(|side| side.iter().filter_map(|run| run.get(key)).collect::<Vec<&Sample>>());
    let count = |side: &[&Sample]| side.iter().map(|run| run.calls()).sum::<f64>();
    let missing = [base.len() < sides[0].len(), now.len() < sides[1].len()];
    let few = count(&base).min(count(&now)) < FEWEST_CALLS;
    let slices = |run: &&Sample| run.times.iter().count();
    let short = base.iter().chain(&now).map(slices).min().unwrap_or(0) < FEWEST_SLICES;
    let why = match missing {
        [true, true] => Some("not in every run".to_owned()),
        [true, _] => Some("not in every run of base".to_owned()),
        [_, true] => Some("not in every run now".to_owned()),
        _ if few => Some(format!("fewer than {FEWEST_CALLS} calls")),
        _ if short => Some(format!("calls in fewer than {FEWEST_SLICES} seconds")),
        _ => None,
    };
    let rows = if why.is_none() { rows([&base, &now], limit) } else { Vec::new() };
    OperationChange {
        scenario: key.scenario.clone(),
        metric: key.metric.clone(),
        name: key.name.clone(),
        calls: [count(&base) as u64, count(&now) as u64],
        rows,
        finding: Finding::Inconclusive,
        why,
    }
}

fn rows(sides: [&[&Sample]; 2], limit: f64) -> Vec<Row> {
    let row = |(figure, name), scale| row(name, scale, &estimate::of(figure, sides), limit);
    let mut rows: Vec<Row> = TIMES.into_iter().map(|time| row(time, Scale::Time)).collect();
    if sides.iter().all(|side| side.iter().all(|run| run.failed.is_some())) {
        rows.push(row((Figure::Failed, "failed"), Scale::Share));
    }
    rows.push(row((Figure::Throughput, "throughput"), Scale::PerSecond));
    rows
}

/// One figure; its finding says only whether the truth lies within the limit, so far.
fn row(figure: &'static str, scale: Scale, estimate: &Estimate, limit: f64) -> Row {
    let relative = |log: f64| if scale == Scale::Share { log } else { log.exp_m1() };
    let finite = |end: f64| Some(relative(end)).filter(|end| end.is_finite());
    let (low, high) = estimate.interval(BY_LUCK);
    // Two one-sided tests at 5 % are a 90 % interval.
    let (inner_low, inner_high) = estimate.interval(2.0 * BY_LUCK);
    let [base, now] = estimate.values;
    let tolerated = match scale {
        Scale::Share => (limit * base).max(limit / 10.0),
        Scale::Time | Scale::PerSecond => limit,
    };
    let within = relative(inner_low) >= -tolerated && relative(inner_high) <= tolerated;
    Row {
        figure,
        scale,
        base,
        now,
        change: relative(estimate.change),
        low: finite(low).filter(|_| low.is_finite()),
        high: finite(high),
        chance: estimate.chance_of_none(),
        finding: if within { Finding::Unchanged } else { Finding::Inconclusive },
    }
}

/// Corrects the chances of all rows for their number, after Holm.
fn correct(operations: &mut [OperationChange]) {
    let mut rows: Vec<&mut Row> = operations.iter_mut().flat_map(|o| &mut o.rows).collect();
    rows.sort_by(|a, b| a.chance.total_cmp(&b.chance));
    let (count, mut least) = (rows.len(), 0.0_f64);
    for (rank, row) in rows.into_iter().enumerate() {
        least = least.max(row.chance * (count - rank) as f64).min(1.0);
        row.chance = least;
    }
}

impl OperationChange {
    fn judge(&mut self, limit: f64) {
        for row in &mut self.rows {
            row.judge(limit);
        }
        let found = |finding| self.rows.iter().any(|row| row.finding == finding);
        let times = self.rows.iter().filter(|row| row.scale == Scale::Time);
        let unsure = times.filter(|row| row.finding == Finding::Inconclusive).count();
        self.finding = if found(Finding::Regressed) {
            Finding::Regressed
        } else if self.rows.is_empty() || 2 * unsure > TIMES.len() {
            Finding::Inconclusive
        } else if found(Finding::Improved) {
            Finding::Improved
        } else {
            Finding::Unchanged
        };
    }

    /// Whether it is too small a part of the runs to hold up the whole.
    pub fn is_negligible(&self) -> bool {
        self.rows.is_empty() && self.calls.iter().all(|calls| (*calls as f64) < FEWEST_CALLS)
    }
}

impl Row {
    /// Larger than the limit and beyond the noise, it is a change; else what it was.
    fn judge(&mut self, limit: f64) {
        let worse = if self.scale == Scale::PerSecond { -self.change } else { self.change };
        let limit = if self.scale == Scale::Share { limit * self.base } else { limit };
        if self.chance < BY_LUCK && worse.abs() > limit {
            self.finding = if worse > 0.0 { Finding::Regressed } else { Finding::Improved };
        }
    }
}

/// What the operations say together; rare ones have no say.
fn whole(operations: &[OperationChange]) -> Finding {
    let mut heard = operations.iter().filter(|o| !o.is_negligible()).map(|o| o.finding).peekable();
    if heard.peek().is_none() {
        return Finding::Inconclusive;
    }
    let found: Vec<_> = heard.collect();
    [Finding::Regressed, Finding::Inconclusive, Finding::Improved]
        .into_iter()
        .find(|finding| found.contains(finding))
        .unwrap_or(Finding::Unchanged)
}

#[cfg(test)]
mod tests;
