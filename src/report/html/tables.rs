//! What stands below the charts of a run: tables for the most part.

use maud::{Markup, html};

use super::cells::{self, code, plain, state, table};
use super::charts::label;
use crate::metric::{Kind, Total, show};
use crate::outcome::operations::{self, Operation};
use crate::outcome::{Namesakes, Outcome, ScenarioOutcome};
use crate::report::figures::{self, percent, seconds, time};
use crate::report::{calls, processes};
use crate::units::Bytes;

/// What services and watched processes used.
pub fn processes(outcome: &Outcome) -> Markup {
    let rows = processes::of(outcome).into_iter().map(|process| {
        let mut row: Vec<_> = process.cells().into_iter().map(plain).collect();
        if process.leaks()
            && let Some(course) = row.last_mut()
        {
            *course = html! { span.bad { (course) } };
        }
        row
    });
    table("wide", &processes::HEADS, rows.collect())
}

/// Each operation with its times.
pub fn operations(outcome: &Outcome) -> Markup {
    let heads = [
        "operation",
        "count:",
        "a second:",
        "failed:",
        "mean:",
        "p50:",
        "p90:",
        "p95:",
        "p99:",
        "p99.9:",
        "max:",
    ];
    let operations = operations::of(outcome);
    let waited = calls::waited(&operations);
    let heads: Vec<_> =
        heads.into_iter().chain(calls::WAITED.into_iter().filter(|_| waited)).collect();
    let rows = operations.iter().map(|operation| {
        let mut row = operation_row(outcome, operation);
        row.extend(calls::waits(operation).into_iter().filter(|_| waited).map(plain));
        row
    });
    table("operations", &heads, rows.collect())
}

fn operation_row(outcome: &Outcome, operation: &Operation) -> Vec<Markup> {
    let times = &operation.times;
    let failed = percent(operation.failed_share());
    let failed = if operation.failed > 0 {
        html! { span.bad { (failed) } }
    } else {
        plain(failed)
    };
    let mut row = vec![
        plain(label(outcome, operation)),
        plain(operation.count()),
        plain(format!("{:.1}", operation.per_second)),
        failed,
        plain(time(times.mean() as u64)),
    ];
    row.extend([0.5, 0.9, 0.95, 0.99, 0.999].map(|q| plain(time(times.quantile(q)))));
    row.push(plain(time(times.max())));
    row
}

/// Each kind of failure with its first one's words.
pub fn failures(outcome: &Outcome) -> Markup {
    let namesakes = Namesakes::of(outcome);
    let rows = outcome.failures.iter().map(|failure| {
        vec![
            plain(namesakes.tell(&failure.metric, &failure.name)),
            plain(&failure.scenario),
            code(&failure.kind),
            plain(failure.count),
            plain(&failure.detail),
        ]
    });
    table("wide", &["operation", "scenario", "kind", "times:", "for example"], rows.collect())
}

/// Each check of the script.
pub fn checks(outcome: &Outcome) -> Markup {
    let rows = figures::checks(outcome).into_iter().map(|check| {
        let held = check.of - check.failed;
        vec![
            plain(check.name),
            state(check.failed == 0, if check.failed == 0 { "held" } else { "failed" }),
            plain(format!("{held} of {}", check.of)),
            plain(percent(held as f64 / check.of.max(1) as f64)),
        ]
    });
    table("", &["check", "", "held:", "share:"], rows.collect())
}

/// What was accepted against what landed.
pub fn ledgers(outcome: &Outcome) -> Markup {
    let rows = outcome.ledgers.iter().map(|(name, balance)| {
        let mut row = vec![
            plain(name),
            state(balance.lost == 0, if balance.lost == 0 { "nothing lost" } else { "lost" }),
        ];
        let counts = [
            balance.duplicated,
            balance.lost,
            balance.refused_but_landed,
            balance.unconfirmed + balance.unconfirmed_landed,
        ];
        row.extend([balance.expected, balance.acked, balance.landed].map(plain));
        row.push(plain(figures::late(balance)));
        row.extend(counts.map(plain));
        row.push(plain(balance.lost_sample.join(", ")));
        row
    });
    let heads = [
        "ledger",
        "",
        "expected:",
        "acknowledged:",
        "landed:",
        "late:",
        "duplicated:",
        "lost:",
        "though refused:",
        "no answer:",
        "lost, for example",
    ];
    table("wide", &heads, rows.collect())
}

/// What became of each scenario's load.
pub fn load(outcome: &Outcome) -> Markup {
    let heads = [
        "scenario",
        "model",
        "offered:",
        "started:",
        "finished:",
        "a second:",
        "dropped:",
        "unfinished:",
        "late:",
        "lag p99:",
        "response p50:",
        "p95:",
        "p99:",
    ];
    let rows = outcome.scenarios.iter().map(|scenario| load_row(outcome, scenario)).collect();
    html! {
        (table("operations", &heads, rows))
        @if outcome.scenarios.iter().any(|scenario| scenario.closed) {
            p.note { "A closed loop is not corrected for coordinated omission: its users wait for the target." }
        }
    }
}

fn load_row(outcome: &Outcome, scenario: &ScenarioOutcome) -> Vec<Markup> {
    let quantile = |metric, q| {
        let values = figures::trend(outcome, metric, scenario);
        if values.is_empty() { "-".to_owned() } else { time(values.quantile(q)) }
    };
    let late = if scenario.closed { "-".to_owned() } else { scenario.late.to_string() };
    let per_second = scenario.finished_per_second();
    let mut row = vec![
        plain(&scenario.name),
        plain(if scenario.closed { "closed loop" } else { "open loop" }),
        plain(scenario.offered),
        plain(scenario.started),
        plain(scenario.finished),
        plain(format!("{per_second:.1}")),
        plain(scenario.dropped),
        plain(scenario.unfinished),
        plain(late),
        plain(quantile("iteration.lag", 0.99)),
    ];
    row.extend([0.5, 0.95, 0.99].map(|q| plain(quantile("iteration.response", q))));
    row
}

/// The script's own metrics.
pub fn metrics(outcome: &Outcome) -> Markup {
    let rows = figures::own(outcome).map(|series| {
        let tags: Vec<_> =
            series.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let shown = |value| show(series.unit, series.kind, value);
        let value = match &series.total {
            Total::Trend(values) => {
                let [p50, p95, p99] = [0.5, 0.95, 0.99].map(|q| shown(values.quantile(q) as f64));
                let most = shown(values.max() as f64);
                format!("{} values, p50 {p50}, p95 {p95}, p99 {p99}, max {most}", values.count())
            }
            Total::Rate { hits, total } => {
                format!("{hits} of {total}, {}", percent(*hits as f64 / (*total).max(1) as f64))
            }
            Total::Counter(sum) => show(series.unit, Kind::Counter, *sum),
            Total::Gauge(gauge) => {
                let [last, min, max] = [gauge.last, gauge.min, gauge.max].map(shown);
                format!("{last} at the end, from {min} to {max}")
            }
        };
        vec![code(&series.metric), plain(series.kind.name()), plain(tags.join(" ")), plain(value)]
    });
    table("wide", &["metric", "kind", "tags", "value"], rows.collect())
}

/// Where the script broke.
pub fn script_errors(outcome: &Outcome) -> Markup {
    html! {
        @for error in &outcome.script_errors {
            article.error {
                p {
                    @if let Some(place) = &error.place { code { (place) } " " }
                    strong { (cells::jointed(&error.message)) }
                }
                p.note {
                    (figures::times(error.count)) ", first in " (error.scenario)
                    @if let Some(hint) = &error.hint { "; hint: " (hint) }
                }
                @if !error.traceback.is_empty() { pre { (error.traceback.join("\n")) } }
            }
        }
    }
}

/// Warnings and what the script logged.
pub fn log(outcome: &Outcome) -> Markup {
    let rows = outcome.log.iter().map(|line| {
        let grave = line.level == "warn" || line.level == "error";
        let level = html! { @if grave { span.bad { (line.level) } } @else { (line.level) } };
        vec![level, plain(line.count), plain(&line.text)]
    });
    table("wide", &["level", "times:", "text"], rows.collect())
}

/// What was chosen from outside.
pub fn parameters(outcome: &Outcome) -> Markup {
    let rows = outcome.plan.parameters.iter().map(|parameter| {
        let shown = parameter.shown();
        let set = if shown.value == shown.default { "default" } else { "set" };
        let set = if shown.secret { "secret" } else { set };
        vec![code(&shown.name), code(&shown.value.to_string()), plain(set), plain(&shown.about)]
    });
    table("wide", &["parameter", "value", "", "what it is"], rows.collect())
}

/// Where and with what the run was made.
pub fn environment(outcome: &Outcome) -> Markup {
    let (run, place, used) = (&outcome.run, &outcome.environment, &outcome.generator);
    let share = percent(used.cpu / run.elapsed.max(1e-9));
    let facts = [
        ("machine", format!("{} {}, {} processors", place.os, place.arch, place.cpus)),
        ("processor", place.cpu.clone().unwrap_or_default()),
        ("memory", place.memory.map(|bytes| Bytes(bytes).to_string()).unwrap_or_default()),
        ("loadrun", outcome.loadrun.clone()),
        ("workers", run.workers.to_string()),
        ("seed", run.seed.to_string()),
        ("CPU of loadrun", format!("{}, {share} of one core", seconds(used.cpu))),
        ("busiest worker", percent(used.busiest_worker)),
        ("memory of loadrun", Bytes(used.memory).to_string()),
        ("longest go of the script", seconds(used.longest_script)),
        ("exit code", outcome.exit.to_string()),
    ];
    cells::facts(&facts)
}

/// The script, with the numbers of its lines.
pub fn script(outcome: &Outcome) -> Markup {
    html! {
        @if !outcome.script.is_empty() {
            p.note { code { (outcome.plan.script.display()) } " as it ran; secrets are masked." }
            pre.source {
                @for line in outcome.script.lines() {
                    span.comment[line.trim_start().starts_with("--")] { (line) "\n" }
                }
            }
        }
    }
}
