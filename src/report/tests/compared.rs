//! What is told of a comparison, from one made by hand: by itself, and among the cases of a run.

use super::{Report, elements, outcome, read_junit, written};
use crate::compare::{
    Comparison, Control, Finding, Gate, More, OperationChange, Row, RunName, Scale,
};
use crate::report::Ink;
use crate::report::comparison::{json, markdown, next, page, said, text};

fn row(figure: &'static str, scale: Scale, change: f64, finding: Finding) -> Row {
    let base = if scale == Scale::Share { 0.01 } else { 20e6 };
    let now = if scale == Scale::Share { base + change } else { base * (1.0 + change) };
    let (low, high) = (Some(change - 0.011), Some(change + 0.012));
    let (worst, error) = (Some(change.abs() + 0.01), Some(0.006));
    Row { figure, scale, base, now, change, low, high, worst, error, chance: 0.01, finding }
}

fn operation(name: &str, rows: Vec<Row>, finding: Finding) -> OperationChange {
    OperationChange {
        scenario: "buyers".to_owned(),
        metric: "http.duration".to_owned(),
        name: name.to_owned(),
        label: name.to_owned(),
        calls: if rows.is_empty() { [98, 99] } else { [1000, 990] },
        why: rows.is_empty().then(|| "fewer than 100 calls".to_owned()),
        rows,
        finding,
    }
}

fn comparison(verdict: Finding) -> Comparison {
    let started = "2026-01-02T03:04:05Z".to_owned();
    let run = RunName { name: "shop".to_owned(), started };
    let rows = vec![
        row("mean", Scale::Time, 0.2, Finding::Regressed),
        row("p50", Scale::Time, -0.3, Finding::Improved),
        Row { high: None, ..row("p99", Scale::Time, 0.0, Finding::Inconclusive) },
        Row { low: None, high: None, ..row("p95", Scale::Time, 0.0, Finding::Inconclusive) },
        row("failed", Scale::Share, 0.004, Finding::Unchanged),
        row("throughput", Scale::PerSecond, -1e-7, Finding::Unchanged),
    ];
    Comparison {
        verdict,
        base: vec![run.clone(), run.clone()],
        now: vec![run],
        limit: 0.05,
        targets: vec!["base: http://127.0.0.1:1 before, http://127.0.0.1:2 now".to_owned()],
        overridden: vec!["parameter size is 10 in base, 20 now".to_owned()],
        more: (verdict == Finding::Inconclusive)
            .then_some(More { limit: Some(0.123), runs: Some(7) }),
        operations: vec![
            operation("item|*", rows, verdict),
            operation("rare", Vec::new(), Finding::Inconclusive),
        ],
    }
}

/// A run held against a baseline, with that verdict; `None` where it could not be compared.
pub fn gate(verdict: Option<Finding>, pass_inconclusive: bool) -> Gate {
    let differences = vec!["the script's text is not the same".to_owned(), "a & b".to_owned()];
    let found = verdict.map(comparison).ok_or(differences);
    Gate { found, pass_inconclusive, must_improve: false }
}

fn control() -> Control {
    let noise = [("mean", Some(0.012)), ("p50", Some(0.008)), ("p99", None)];
    Control { verdict: Finding::Unchanged, noise: noise.into() }
}

#[test]
fn the_comparison_as_text() {
    let comparison = comparison(Finding::Regressed);
    insta::assert_snapshot!(written(|out| text(&comparison, Some(&control()), Ink::PLAIN, out)));
}

#[test]
fn the_comparison_for_a_pull_request() {
    let comparison = comparison(Finding::Regressed);
    insta::assert_snapshot!(written(|out| markdown(&comparison, Some(&control()), out)));
}

#[test]
fn the_comparison_for_a_machine() {
    let comparison = comparison(Finding::Regressed);
    let line = written(|out| json(&comparison, Some(&control()), 1, out));
    assert_eq!(line.lines().count(), 1);
    let value: serde_json::Value = serde_json::from_str(&line).unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&value).unwrap());
}

#[test]
fn the_page_of_a_comparison() {
    let (comparison, side) = (comparison(Finding::Regressed), [outcome()]);
    let page = written(|out| page(&comparison, Some(&control()), [&side, &side], out));
    insta::assert_snapshot!(elements(&page));
}

#[test]
fn every_verdict_is_said_in_a_sentence() {
    let findings =
        [Finding::Improved, Finding::Unchanged, Finding::NotWorse, Finding::Inconclusive];
    let said = findings.map(|finding| {
        let comparison = comparison(finding);
        let next = next(&comparison).map(|next| format!("\nnext: {next}"));
        said(&comparison) + &next.unwrap_or_default()
    });
    insta::assert_snapshot!(said.join("\n"));
}

/// The cases of a run that were added by its baseline.
fn cases(gate: &Gate) -> String {
    let text = written(|out| Report::Junit.write(&outcome(), Some(gate), out));
    let (_, suite) = text.split_once("<testsuite name=\"shop.baseline\"").unwrap();
    suite.to_owned()
}

#[test]
fn the_cases_of_a_run_that_is_slower_than_its_baseline() {
    insta::assert_snapshot!(cases(&gate(Some(Finding::Regressed), false)));
}

#[test]
fn the_cases_of_a_run_that_could_not_be_compared() {
    insta::assert_snapshot!(cases(&gate(None, false)));
}

#[test]
fn a_case_of_the_baseline_fails_exactly_where_the_baseline_fails_the_run() {
    let findings = [
        Finding::Improved,
        Finding::Unchanged,
        Finding::NotWorse,
        Finding::Inconclusive,
        Finding::Regressed,
    ];
    let mut gates: Vec<_> = findings
        .map(Some)
        .into_iter()
        .chain([None])
        .flat_map(|verdict| [false, true].map(|pass| gate(verdict, pass)))
        .collect();
    // With nothing to be heard the whole is inconclusive.
    gates.extend([false, true].map(|pass| {
        let mut gate = gate(Some(Finding::Inconclusive), pass);
        gate.found.as_mut().unwrap().operations.remove(0);
        gate
    }));
    for gate in gates {
        let text = written(|out| Report::Junit.write(&outcome(), Some(&gate), out));
        let read = read_junit(&text);
        let own = read.test_suites.last().unwrap();
        assert_eq!(own.name.as_str(), "shop.baseline");
        assert_eq!(own.failures > 0, gate.exit_code() != 0, "{text}");
    }
}

#[test]
fn the_line_for_machines_has_the_worse_exit_code_and_what_was_found() {
    let line = |gate: Gate| -> serde_json::Value {
        let passed = crate::outcome::Outcome { exit: 0, ..outcome() };
        let line = written(|out| Report::Json.write(&passed, Some(&gate), out));
        serde_json::from_str(&line).unwrap()
    };
    let told = line(gate(Some(Finding::Regressed), true));
    assert_eq!((&told["exit"], &told["comparison"]["exit"]), (&1.into(), &1.into()));
    assert_eq!(told["comparison"]["verdict"], "REGRESSED");
    let told = line(gate(None, true));
    assert_eq!((&told["exit"], &told["comparison"]["exit"]), (&0.into(), &0.into()));
    assert_eq!(told["comparison"]["not_compared"][0], "the script's text is not the same");
}
