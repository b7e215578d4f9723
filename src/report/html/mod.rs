//! The page: one file that opens from disk, with everything a run left behind.
//!
//! It asks for nothing: no font, image or script comes from elsewhere, and its own policy forbids
//! the browser to fetch any. The one script it has, by its digest the only one that may run, moves
//! a cursor over the charts; without it everything is there to read. Every text goes through the
//! templates' escaping, wherever it came from.

mod cells;
mod charts;
mod clock;
mod comparison;
mod faults;
mod history;
mod percentiles;
mod plot;
mod tables;
mod thresholds;

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use self::cells::jointed;
use super::figures::{moment, percent, seconds, time};
use crate::outcome::{Grade, Outcome, RunVerdict, operations, pace};

pub use comparison::write as comparison;
pub use history::write as history;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("cursor.js");

/// Writes the page of `outcome`.
pub fn write(outcome: &Outcome, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", page(outcome).into_string())
}

fn page(outcome: &Outcome) -> Markup {
    let title = format!("{} {}", outcome.run.name, outcome.verdict);
    shell(
        &title,
        &outcome.loadrun,
        &html! {
            (head(outcome))
            main {
                (section("thresholds", "Thresholds", &thresholds::table(outcome)))
                (section("time", "Over time", &charts::over_time(outcome)))
                (section("faults", "Faults and recovery", &faults::blocks(outcome)))
                (section("operations", "Operations", &html! {
                    (tables::operations(outcome))
                    (percentiles::of_operations(outcome))
                }))
                (section("failures", "Failures", &tables::failures(outcome)))
                (section("checks", "Checks", &tables::checks(outcome)))
                (section("ledgers", "Ledgers", &tables::ledgers(outcome)))
                (section("load", "Load", &tables::load(outcome)))
                (section("processes", "Processes", &tables::processes(outcome)))
                (section("metrics", "Metrics of the script", &tables::metrics(outcome)))
                (section("errors", "Script errors", &tables::script_errors(outcome)))
                (section("log", "Log", &tables::log(outcome)))
                (section("parameters", "Parameters", &tables::parameters(outcome)))
                (section("environment", "Environment", &tables::environment(outcome)))
                (section("script", "Script", &tables::script(outcome)))
            }
        },
    )
}

/// A whole page: what every one has around its `content`, by the version that made its numbers.
fn shell(title: &str, loadrun: &str, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy());
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="generator" content={ "loadrun " (loadrun) };
                link rel="icon" href="data:,";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (content)
                script { (PreEscaped(SCRIPT)) }
            }
        }
    }
}

/// What the browser may do with the page: show it, and run the one script.
fn policy() -> String {
    let digest = BASE64.encode(Sha256::digest(SCRIPT));
    format!(
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{digest}'"
    )
}

/// A headed part of the page, or nothing where it is empty.
fn section(id: &str, title: &str, content: &Markup) -> Markup {
    html! {
        @if !content.0.is_empty() {
            section id=(id) { h2 { (jointed(title)) } (content) }
        }
    }
}

fn head(outcome: &Outcome) -> Markup {
    let run = &outcome.run;
    let passed = colour(outcome.exit == 0);
    let started = moment(&run.started);
    html! {
        header {
            p.over { "load test, " time datetime=(run.started) { (started) " UTC" } }
            h1 { (run.name) }
            p.verdict.(passed) {
                strong.(colour(outcome.verdict == RunVerdict::Valid)) { (outcome.verdict) }
                @if let Some(grade) = outcome.grade {
                    " " strong.(colour(grade <= Grade::Good)) { (grade) }
                }
                " " span { (sentence(outcome)) }
            }
            @if !outcome.reasons.is_empty() || !outcome.warnings.is_empty() {
                ul.reasons {
                    @for reason in &outcome.reasons {
                        li { b { (reason.verdict) } " " (jointed(&reason.cause)) }
                    }
                    @for warning in &outcome.warnings {
                        li { b.bad { "warning" } " " (jointed(warning)) }
                    }
                }
            }
            (key_figures(outcome))
        }
    }
}

fn colour(good: bool) -> &'static str {
    if good { "good" } else { "bad" }
}

/// What the verdict and the grade mean.
fn sentence(outcome: &Outcome) -> String {
    let held = outcome.thresholds.iter().filter(|verdict| verdict.limit_held).count();
    let of = outcome.thresholds.len();
    match outcome.grade {
        _ if outcome.verdict != RunVerdict::Valid => {
            "Only a VALID run can pass, whatever its thresholds say.".to_owned()
        }
        None => "Nothing was asked of this run.".to_owned(),
        Some(Grade::Excellent) => "Every limit and every goal held.".to_owned(),
        Some(Grade::Good) => "Every limit held, but not every goal.".to_owned(),
        Some(Grade::Fair | Grade::Poor) => format!("{held} of {of} limits held."),
    }
}

/// The one of the few figures that tells of trouble.
const FAILED: &str = "calls failed";

/// The few figures somebody asks for first.
fn key_figures(outcome: &Outcome) -> Markup {
    let finished: u64 = outcome.scenarios.iter().map(|scenario| scenario.finished).sum();
    let responses = operations::responses(outcome);
    let calls = operations::of(outcome);
    let (made, failed) =
        calls.iter().fold((0, 0), |(made, failed), o| (made + o.count(), failed + o.failed));
    let quantile =
        |q| if responses.is_empty() { "-".to_owned() } else { time(responses.quantile(q)) };
    let figures = [
        ("length", seconds(outcome.run.elapsed)),
        ("iterations", finished.to_string()),
        (
            "a second",
            format!("{:.1}", pace::finished_per_second(&outcome.scenarios, outcome.run.elapsed)),
        ),
        ("calls", made.to_string()),
        (FAILED, percent(failed as f64 / made.max(1) as f64)),
        ("response p50", quantile(0.5)),
        ("response p95", quantile(0.95)),
        ("response p99", quantile(0.99)),
    ];
    html! {
        dl.key {
            @for (name, value) in figures {
                div {
                    dt { (name) }
                    dd.bad[name == FAILED && failed > 0] { (value) }
                }
            }
        }
    }
}
