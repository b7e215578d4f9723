//! The tables of the page. On a narrow screen a row becomes a block, in which each figure stands
//! beside the head of its column.

use maud::{Markup, html};

use super::charts::label;
use crate::metric::{Bound, Kind, Threshold, Total, show};
use crate::outcome::operations::{self, Operation};
use crate::outcome::{Outcome, ScenarioOutcome, Verdict};
use crate::report::figures::{self, percent, seconds, time};
use crate::report::processes;
use crate::units::Bytes;

/// A table with its heads, or nothing when it has no rows. The first cell of a row says what the
/// row is about; a head that ends in a colon is of a column of figures.
pub fn table(class: &str, heads: &[&str], rows: Vec<Vec<Markup>>) -> Markup {
    let figure = |n: usize| heads.get(n).is_some_and(|head| head.ends_with(':'));
    let head = |n: usize| heads.get(n).map_or("", |head| head.trim_end_matches(':'));
    html! {
        @if !rows.is_empty() {
            table.(class) {
                thead { tr { @for n in 0..heads.len() { th.figure[figure(n)] scope="col" { (head(n)) } } } }
                tbody {
                    @for row in rows {
                        tr {
                            @for (n, cell) in row.into_iter().enumerate() {
                                @if n == 0 { th scope="row" { (cell) } }
                                @else { td.figure[figure(n)] data-head=(head(n)) { (cell) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn code(text: &str) -> Markup {
    html! { code { (text) } }
}

#[expect(clippy::needless_pass_by_value, reason = "a cell is mostly a number")]
fn plain(text: impl ToString) -> Markup {
    html! { (text.to_string()) }
}

/// A state that is told by a sign and a word, and by colour only besides.
pub fn state(good: bool, word: &str) -> Markup {
    html! {
        @if good { span.good { "✓ " (word) } } @else { span.bad { "✗ " (word) } }
    }
}

/// Each threshold with its value, limit and goal.
pub fn thresholds(outcome: &Outcome) -> Markup {
    let rows = outcome.thresholds.iter().map(|verdict| {
        let read = Threshold::try_from(verdict.threshold.clone()).ok();
        let goal = match (&read, verdict.goal_held) {
            (_, None) => html! {},
            (read, Some(held)) => {
                let goal = read.as_ref().and_then(|read| read.goal.as_ref());
                state(
                    held,
                    &goal.map_or_else(String::new, |goal| bound(outcome, read.as_ref(), goal)),
                )
            }
        };
        let limit = read.as_ref().map(|read| bound(outcome, Some(read), &read.limit));
        let missed = if verdict.critical { "missed, critical" } else { "missed" };
        vec![
            code(&verdict.threshold),
            state(verdict.limit_held, if verdict.limit_held { "held" } else { missed }),
            plain(verdict.shown.as_deref().unwrap_or("no sample matched")),
            plain(limit.unwrap_or_default()),
            goal,
            bar(verdict, read.as_ref()),
        ]
    });
    let heads = ["threshold", "", "measured:", "limit:", "goal:", ""];
    table("thresholds", &heads, rows.collect())
}

/// A limit or goal as people read it.
fn bound(outcome: &Outcome, threshold: Option<&Threshold>, bound: &Bound) -> String {
    let shown = threshold.and_then(|threshold| {
        let metric = outcome.plan.metric(&threshold.metric)?;
        Some(threshold.show(metric.kind, metric.unit, bound.value))
    });
    shown.map_or_else(String::new, |shown| format!("{} {shown}", bound.comparison))
}

/// The value beside its limit and goal, drawn.
fn bar(verdict: &Verdict, threshold: Option<&Threshold>) -> Markup {
    let (Some(value), Some(threshold)) = (verdict.value, threshold) else { return html! {} };
    let marks = [Some(threshold.limit.value), threshold.goal.map(|goal| goal.value)];
    let most = marks.iter().flatten().copied().fold(value, f64::max);
    if !(most > 0.0 && most.is_finite() && value >= 0.0) {
        return html! {};
    }
    let part = |value: f64| format!("{:.1}", value / most * 90.0);
    let look = if verdict.limit_held { "good" } else { "bad" };
    html! {
        svg.bar viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true" {
            rect.track x="0" y="3" width="100" height="4" {}
            rect.(look) x="0" y="3" width=(part(value)) height="4" {}
            @for (mark, look) in marks.iter().zip(["limit", "goal"]) {
                @if let Some(mark) = mark {
                    path.(look) d={ "M" (part(*mark)) " 0V10" } {}
                }
            }
        }
    }
}

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
    let rows =
        operations::of(outcome).iter().map(|operation| operation_row(outcome, operation)).collect();
    table("operations", &heads, rows)
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
    let rows = outcome.failures.iter().map(|failure| {
        vec![
            plain(&failure.name),
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
            balance.expected,
            balance.acked,
            balance.landed,
            balance.late,
            balance.duplicated,
            balance.lost,
            balance.refused_but_landed,
            balance.unconfirmed + balance.unconfirmed_landed,
        ];
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
    let per_second = scenario.finished as f64 / scenario.elapsed.max(1e-9);
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
    let own = |name: &str| outcome.plan.metrics.iter().any(|metric| &*metric.name == name);
    let rows = outcome.series.iter().filter(|series| own(&series.metric)).map(|series| {
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
                    strong { (error.message) }
                }
                p.note {
                    (error.count) " times, first in " (error.scenario)
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
    self::facts(&facts)
}

/// Names and what they stand for; what there is nothing of is left out.
pub fn facts(facts: &[(&str, String)]) -> Markup {
    html! {
        dl.facts {
            @for (name, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
                div { dt { (name) } dd { (value) } }
            }
        }
    }
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
