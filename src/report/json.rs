//! The summary for machines: verdict, grade, thresholds and operations, on one line.
//!
//! Times are in milliseconds, rates per second, shares between 0 and 1; a threshold's `value` is in
//! the metric's own unit (nanoseconds, bytes, a share, a number), `shown` as people read it.
//! Everything else is in `outcome.json`, at `results`.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::figures;
use super::processes::{self, Process};
use crate::compare::{self, Gate};
use crate::metric::Distribution;
use crate::outcome::operations::{self, Operation};
use crate::outcome::{Outcome, ScenarioOutcome};

/// Writes the summary of `outcome` as one line of JSON; `place` is where its files lie.
pub fn write(
    outcome: &Outcome,
    gate: Option<&Gate>,
    place: Option<&str>,
    out: &mut dyn Write,
) -> io::Result<()> {
    serde_json::to_writer(&mut *out, &value(outcome, gate, place))?;
    writeln!(out)
}

/// The summary of `outcome`.
pub fn value(outcome: &Outcome, gate: Option<&Gate>, place: Option<&str>) -> Value {
    json!({
        "schema": outcome.schema,
        "name": outcome.run.name,
        "started": outcome.run.started,
        "elapsed_s": outcome.run.elapsed,
        "seed": outcome.run.seed,
        "verdict": outcome.verdict,
        "reasons": outcome.reasons,
        "warnings": outcome.warnings,
        "grade": outcome.grade,
        "exit": compare::exit_code(outcome, gate),
        "comparison": gate.map(comparison),
        "interrupted": outcome.run.interrupted,
        "aborted_by": outcome.run.aborted_by,
        "thresholds": outcome.thresholds,
        "scenarios": outcome.scenarios.iter().map(|of| scenario(outcome, of)).collect::<Vec<_>>(),
        "operations": operations::of(outcome).iter().map(operation).collect::<Vec<_>>(),
        "failures": outcome.failures,
        "script_errors": outcome.script_errors,
        "ledgers": outcome.ledgers,
        "faults": outcome.faults,
        "processes": processes::of(outcome).iter().map(process).collect::<Vec<_>>(),
        "generator": outcome.generator,
        "results": place,
    })
}

fn comparison(gate: &Gate) -> Value {
    let compared = gate.found.as_ref();
    json!({
        "verdict": compared.ok().map(|comparison| comparison.verdict),
        "exit": gate.exit_code(),
        "not_compared": compared.err(),
    })
}

fn scenario(outcome: &Outcome, scenario: &ScenarioOutcome) -> Value {
    let (lag, response) = ["iteration.lag", "iteration.response"]
        .map(|metric| figures::trend(outcome, metric, scenario))
        .into();
    // A closed loop has no lag, and a run without a finished iteration no response.
    let ms = |times: &Distribution, q| (!times.is_empty()).then(|| milliseconds(times, q));
    let per_second = |count: u64| count as f64 / scenario.offered_for().max(f64::MIN_POSITIVE);
    json!({
        "name": scenario.name,
        "closed": scenario.closed,
        "corrected_for_coordinated_omission": !scenario.closed,
        "offered": scenario.offered,
        "started": scenario.started,
        "finished": scenario.finished,
        "dropped": scenario.dropped,
        "unfinished": scenario.unfinished,
        "late": scenario.late,
        "offered_per_s": per_second(scenario.offered),
        "started_per_s": per_second(scenario.started),
        "finished_per_s": scenario.finished_per_second(),
        "lag_p99_ms": ms(&lag, 0.99),
        "response_p50_ms": ms(&response, 0.5),
        "response_p95_ms": ms(&response, 0.95),
        "response_p99_ms": ms(&response, 0.99),
    })
}

/// Sizes in bytes; processors in use, 1 being one of them.
fn process(process: &Process<'_>) -> Value {
    let growth = process.growth.map(|growth| {
        let pace = growth.pace.times(3600.0);
        json!({
            "course": growth.course().name(),
            "per_hour": pace.value,
            "per_hour_low": pace.low,
            "per_hour_high": pace.high,
            "rise": growth.rise.value,
        })
    });
    json!({
        "name": process.name,
        "cpu": process.cpu(),
        "cpu_p95": process.cpu_p95(),
        "memory": process.memory,
        "memory_most": process.most,
        "read": process.disk.map(|[read, _]| read),
        "written": process.disk.map(|[_, written]| written),
        "growth": growth,
    })
}

fn operation(operation: &Operation) -> Value {
    let ms = |q: f64| milliseconds(&operation.times, q);
    let waited = |q: f64| operation.waited_at(q).map(|waited| waited as f64 / 1e6);
    json!({
        "scenario": operation.scenario,
        "metric": operation.metric,
        "name": operation.name,
        "count": operation.count(),
        "per_s": operation.per_second,
        "failed": operation.failed,
        "failed_share": operation.failed_share(),
        "kinds": operation.kinds,
        "mean_ms": operation.times.mean() / 1e6,
        "p50_ms": ms(0.5),
        "p90_ms": ms(0.9),
        "p95_ms": ms(0.95),
        "p99_ms": ms(0.99),
        "p999_ms": ms(0.999),
        "max_ms": operation.times.max() as f64 / 1e6,
        "waited_p50_ms": waited(0.5),
        "waited_p95_ms": waited(0.95),
    })
}

fn milliseconds(times: &Distribution, quantile: f64) -> f64 {
    times.quantile(quantile) as f64 / 1e6
}
