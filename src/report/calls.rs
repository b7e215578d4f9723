//! What calls did, for a person: each operation with its times, and how calls failed.
//!
//! Where names have no end, the operations that took the most time are told, and how many more there
//! are. What calls waited for a connection is not in their times; it has columns of its own where it
//! is of any account beside them.

use std::cmp::Reverse;
use std::io::{self, Write};

use super::figures::{self, percent, time};
use super::table::table;
use super::text::{Ink, MOST};
use crate::outcome::operations::{self, Operation};
use crate::outcome::{FailureSample, Namesakes, Outcome};

/// Share of the time with all calls that waiting in one operation is of no account below.
const WAITED_SHARE: f64 = 0.01;

/// Heads of the columns of waiting for a connection.
pub const WAITED: [&str; 2] = ["waited p50:", "waited p95:"];

/// Writes both tables.
pub fn write(outcome: &Outcome, ink: Ink, out: &mut dyn Write) -> io::Result<()> {
    operations(outcome, ink, out)?;
    failures(outcome, ink, out)
}

/// Whether what was waited for connections has columns of its own: where the times of an operation
/// that counts for anything say too little without.
pub fn waited(operations: &[Operation]) -> bool {
    let all: f64 = operations.iter().map(Operation::spent).sum();
    let noticed = |o: &Operation| o.waited_noticeably() && o.waited() >= WAITED_SHARE * all;
    operations.iter().any(noticed)
}

/// The cells of these columns.
pub fn waits(operation: &Operation) -> [String; 2] {
    [0.5, 0.95].map(|q| operation.waited_at(q).map_or("-".to_owned(), time))
}

fn operations(outcome: &Outcome, ink: Ink, out: &mut dyn Write) -> io::Result<()> {
    let mut operations = operations::of(outcome);
    let several = figures::several(operations.iter().map(|operation| &*operation.scenario));
    let waited = waited(&operations);
    let beyond = beyond(&mut operations);
    let heads = ["", "count", "per s", "failed", "p50", "p90", "p95", "p99", "p99.9", "max"];
    let more = WAITED.into_iter().filter(|_| waited).map(|head| head.trim_end_matches(':'));
    let heads: Vec<_> = heads.into_iter().chain(more).map(String::from).collect();
    let rows = operations.iter().map(|operation| {
        let mut row = vec![
            figures::named(several, &operation.scenario, &operation.label),
            operation.count().to_string(),
            format!("{:.1}", operation.per_second),
            percent(operation.failed_share()),
        ];
        row.extend([0.5, 0.9, 0.95, 0.99, 0.999].map(|q| time(operation.times.quantile(q))));
        row.push(time(operation.times.max()));
        row.extend(waits(operation).into_iter().filter(|_| waited));
        row
    });
    table(ink, out, "operations", &heads, rows.collect(), 1)?;
    match beyond {
        Some((more, share)) => {
            writeln!(out, "  {more} more took {} of all time: see outcome.json", percent(share))
        }
        None => Ok(()),
    }
}

/// Leaves the operations that took the most time, where there are too many; the answer is how many
/// more there are, and the share of the time that they took.
fn beyond(operations: &mut Vec<Operation>) -> Option<(usize, f64)> {
    let more = operations.len().checked_sub(MOST).filter(|more| *more > 0)?;
    operations.sort_by(|a, b| b.spent().total_cmp(&a.spent()));
    let all: f64 = operations.iter().map(Operation::spent).sum();
    let cut: f64 = operations.drain(MOST..).map(|operation| operation.spent()).sum();
    Some((more, if all > 0.0 { cut / all } else { 0.0 }))
}

fn failures(outcome: &Outcome, ink: Ink, out: &mut dyn Write) -> io::Result<()> {
    let several = figures::several(outcome.failures.iter().map(|failure| &*failure.scenario));
    let mut failures: Vec<&FailureSample> = outcome.failures.iter().collect();
    let more = failures.len().saturating_sub(MOST);
    if more > 0 {
        failures.sort_by_key(|failure| Reverse(failure.count));
        failures.truncate(MOST);
    }
    let namesakes = Namesakes::of(outcome);
    let rows = failures.into_iter().map(|failure| {
        let name = namesakes.tell(&failure.metric, &failure.name);
        let name = figures::named(several, &failure.scenario, &name);
        let count = failure.count.to_string();
        vec![name, failure.kind.clone(), count, failure.detail.clone()]
    });
    table(ink, out, "failures", &[], rows.collect(), 4)?;
    match more {
        0 => Ok(()),
        more => writeln!(out, "  {more} more, none more frequent: see outcome.json"),
    }
}
