//! Is it faster or slower than it was, and how sure is that? Two sets of runs become one answer.
//!
//! For every operation the mean, three percentiles, the failed share and the throughput are
//! compared, each with a 95 % interval of its change and one finding: *regressed*, *improved*,
//! *unchanged*, *not worse* or *inconclusive*. What makes it the one or the other stands in
//! [`finding`], how a change and its noise are estimated in [`estimate`], what dependence in time
//! does to them in [`crate::statistics::dependence`]. There is no random number in it: the same
//! files give the same answer.

mod comparable;
mod control;
mod estimate;
mod finding;
mod gate;
mod more;
mod sample;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::outcome::{Namesakes, Outcome};

pub use comparable::{differences, foreseen, is_same_run};
pub use control::Control;
use estimate::{Estimate, Figure};
pub use finding::Finding;
pub use gate::{Gate, exit_code};
pub use more::More;
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
    /// The worst that the truth may be, with a chance of 5 % to be worse still: 0.1 is 10 % for the
    /// worse, whichever way that is; `None` when it is open.
    pub worst: Option<f64>,
    /// One standard error of `change`, or of its logarithm where it is relative; `None` when it is
    /// not known.
    pub error: Option<f64>,
    /// The chance of such a change when there is none, corrected for the number of rows: of one for
    /// the worse that any is found by luck, of one for the better that this is among the few.
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
    /// Its name as it is told, with the kind of its calls where others have the same.
    #[serde(skip)]
    pub label: String,
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
    /// What would tell, where this cannot.
    pub more: Option<More>,
    /// Every operation of either side.
    pub operations: Vec<OperationChange>,
}

impl Comparison {
    /// 0: better, or not worse; 1: worse; 3: cannot be said.
    pub fn exit_code(&self) -> u8 {
        match self.verdict {
            Finding::Improved | Finding::Unchanged | Finding::NotWorse => 0,
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
    let namesakes = Namesakes::among(keys.iter().map(|key| (&*key.metric, &*key.name)));
    let mut operations: Vec<_> =
        keys.into_iter().map(|key| operation(key, &namesakes, &sides, limit)).collect();
    finding::judge(&mut operations, limit);
    let name = |outcome: &Outcome| RunName {
        name: outcome.run.name.clone(),
        started: outcome.run.started.clone(),
    };
    Comparison {
        verdict: finding::whole(&operations),
        base: base.iter().map(name).collect(),
        now: now.iter().map(name).collect(),
        limit,
        targets: comparable::targets(base, now),
        overridden: Vec::new(),
        more: more::of(&operations, [base.len(), now.len()], limit),
        operations,
    }
}

type Side = Vec<BTreeMap<Key, Sample>>;

/// One operation, its rows not judged yet.
fn operation(key: &Key, namesakes: &Namesakes, sides: &[Side; 2], limit: f64) -> OperationChange {
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
        label: namesakes.tell(&key.metric, &key.name),
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

/// One figure; its finding says only where the truth lies beside the limit, so far.
fn row(figure: &'static str, scale: Scale, estimate: &Estimate, limit: f64) -> Row {
    let relative = |log: f64| if scale == Scale::Share { log } else { log.exp_m1() };
    let finite = |end: f64| Some(relative(end)).filter(|end| end.is_finite());
    let (low, high) = estimate.interval(BY_LUCK);
    // Two one-sided tests at 5 % are a 90 % interval.
    let (inner_low, inner_high) = estimate.interval(2.0 * BY_LUCK);
    let (best, worst) = match scale {
        Scale::PerSecond => (-relative(inner_high), -relative(inner_low)),
        Scale::Time | Scale::Share => (relative(inner_low), relative(inner_high)),
    };
    let [base, now] = estimate.values;
    let tolerated = match scale {
        Scale::Share => (limit * base).max(limit / 10.0),
        Scale::Time | Scale::PerSecond => limit,
    };
    Row {
        figure,
        scale,
        base,
        now,
        change: relative(estimate.change),
        low: finite(low).filter(|_| low.is_finite()),
        high: finite(high),
        worst: Some(worst).filter(|worst| worst.is_finite()),
        error: estimate.error(),
        chance: estimate.chance_of_none(),
        finding: match (best >= -tolerated, worst <= tolerated) {
            (true, true) => Finding::Unchanged,
            (false, true) => Finding::NotWorse,
            (_, false) => Finding::Inconclusive,
        },
    }
}

impl OperationChange {
    /// Whether it is too small a part of the runs to hold up the whole, or no part of the load.
    pub fn is_negligible(&self) -> bool {
        let few = self.calls.iter().all(|calls| (*calls as f64) < FEWEST_CALLS);
        self.rows.is_empty() && (few || self.scenario.is_empty())
    }
}

#[cfg(test)]
mod tests;
