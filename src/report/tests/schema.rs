//! Every `JUnit` file there can be, held against the schema of a real reader of them: Jenkins'.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use super::compared::gate;
use super::{Report, a_suite, hostile, outcome, suite, written};
use crate::compare::{Finding, Gate};
use crate::outcome::{Outcome, RunVerdict};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Runs what holds files against the schema; `make` fetches both where they are not there yet.
fn validate(files: &[&Path]) -> Output {
    let made = Command::new("make").arg("junit-schema").current_dir(ROOT).output().unwrap();
    let why = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "`make junit-schema` needs Python with venv, and PyPI:\n{why}");
    let tools = Path::new(ROOT).join(".tools/junit");
    let mut python = Command::new(tools.join("bin/python"));
    python.arg(Path::new(ROOT).join("tests/junit/validate.py"));
    python.arg(tools.join("junit-10.xsd")).args(files).output().unwrap()
}

/// Texts no schema foresees: what XML cannot hold, what would end it, what no screen is wide enough
/// for.
fn unforeseen() -> Outcome {
    let text: String = ('\0'..=' ')
        .chain("]]> ü 漢字 🦀 \u{202e}\u{85}\u{fffe}\u{ffff}\u{10ffff}".chars())
        .collect();
    let text = text.clone() + &"a rather long text, ".repeat(50_000) + &text;
    let mut outcome = hostile();
    outcome.run.name.push_str(&text);
    outcome.reasons[0].cause = text.clone();
    outcome.thresholds[0].threshold = text.clone();
    outcome.failures[0].detail = text.clone();
    outcome.script_errors[0].message = text.clone();
    outcome.faults[0].name = text;
    outcome
}

/// A run that was interrupted before it did anything.
fn nothing() -> Outcome {
    let mut outcome = outcome();
    outcome.verdict = RunVerdict::Incomplete;
    outcome.run.interrupted = true;
    outcome.run.elapsed = 0.0;
    for fault in &mut outcome.faults {
        fault.recovery = None;
    }
    outcome.thresholds.clear();
    outcome.series.clear();
    outcome.failures.clear();
    outcome
}

/// The run that is kept in the repository, or one that was made since.
fn sample() -> Outcome {
    let mut stamps = fs::read_dir(Path::new(ROOT).join("results/webhook_burst")).unwrap();
    stamps.find_map(|stamp| Outcome::load(&stamp.unwrap().path()).ok()).unwrap()
}

fn junit(outcome: &Outcome, gate: Option<&Gate>) -> String {
    written(|out| Report::Junit.write(outcome, gate, out))
}

#[test]
fn every_junit_file_is_what_the_schema_of_jenkins_allows() {
    let whole = suite::form(Report::Junit).unwrap();
    let mut files = vec![
        ("golden", junit(&outcome(), None)),
        ("hostile", junit(&hostile(), None)),
        ("unforeseen", junit(&unforeseen(), None)),
        ("nothing", junit(&nothing(), None)),
        ("sample", junit(&sample(), None)),
        ("suite", written(|out| whole(&a_suite(true), out))),
        ("not_compared", junit(&outcome(), Some(&gate(None, false)))),
    ];
    for (name, verdict) in [
        ("regressed", Finding::Regressed),
        ("unchanged", Finding::Unchanged),
        ("not_worse", Finding::NotWorse),
        ("inconclusive", Finding::Inconclusive),
    ] {
        files.push((name, junit(&outcome(), Some(&gate(Some(verdict), true)))));
    }
    let folder = tempfile::tempdir().unwrap();
    let place = |(name, text): &(&str, String)| {
        let place = folder.path().join(name).with_extension("xml");
        fs::write(&place, text).unwrap();
        place
    };
    let places: Vec<_> = files.iter().map(place).collect();
    let held = validate(&places.iter().map(AsRef::as_ref).collect::<Vec<_>>());
    assert!(held.status.success(), "{}", String::from_utf8_lossy(&held.stdout));

    // And it is not one that allows anything.
    let golden = &files[0].1;
    for (broken, why) in [
        (golden.replacen("<testcase name=", "<testcase title=", 1), "attribute 'title'"),
        (
            golden.replacen("<failure ", "<failed ", 1).replacen("<failure ", "<failed ", 1),
            "failed",
        ),
        (golden.replacen(" tests=\"5\"", " tests=\"5\" skipped=\"0\"", 1), "attribute 'skipped'"),
        (golden.replace("</testsuites>", ""), "testsuites"),
        (golden.replacen("item: refused", "item: \u{7}", 1), "7"),
    ] {
        let place = place(&("broken", broken));
        let held = validate(&[&place]);
        let told = String::from_utf8_lossy(&held.stdout).into_owned();
        assert!(!held.status.success() && told.contains(why), "{why}: {told}");
    }
}
