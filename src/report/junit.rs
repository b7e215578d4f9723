//! `JUnit` XML, which every CI system shows: the run verdict, each threshold, each fault and each
//! check is a test case.
//!
//! The verdict is a case of its own, since a run that cannot be believed has not passed, whatever
//! its thresholds say. A check fails when it did not hold once, as in the summary. What went wrong
//! by the way (failures, script errors) stands in the output of the suite.

use std::fmt::Write as _;
use std::io::{self, Write};

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::faults;
use super::figures::{self, Check};
use crate::outcome::{FaultOutcome, Outcome, RunVerdict, Verdict};

/// Writes `outcome` as a report of suites: run, thresholds, faults where there are any, checks.
pub fn write(outcome: &Outcome, out: &mut dyn Write) -> io::Result<()> {
    whole(&outcome.run.name, suites(outcome), out)
}

/// Run, thresholds, faults where there are any, and checks of one outcome.
pub fn suites(outcome: &Outcome) -> Vec<TestSuite> {
    let thresholds = outcome.thresholds.iter().map(threshold).collect();
    let checks = figures::checks(outcome).iter().map(check).collect();
    let faults: Vec<_> = outcome.faults.iter().map(fault).collect();
    let broken = (!faults.is_empty()).then(|| suite(outcome, "faults", faults));
    let asked =
        [suite(outcome, "run", vec![verdict(outcome)]), suite(outcome, "thresholds", thresholds)];
    asked.into_iter().chain(broken).chain([suite(outcome, "checks", checks)]).collect()
}

/// Writes suites as one report.
pub fn whole(name: &str, suites: Vec<TestSuite>, out: &mut dyn Write) -> io::Result<()> {
    let mut report = Report::new(name);
    report.add_test_suites(suites);
    let text = report.to_string().map_err(io::Error::other)?;
    // The schemas of Jenkins know this of a suite, and not of the whole. Nothing is ever skipped.
    writeln!(out, "{}", text.replacen(" skipped=\"0\"", "", 1).trim_end())
}

fn suite(outcome: &Outcome, part: &str, cases: Vec<TestCase>) -> TestSuite {
    let name = format!("{}.{part}", outcome.run.name);
    let mut suite = TestSuite::new(name.as_str());
    // A moment that cannot be read is left out.
    suite.timestamp = outcome.run.started.parse().ok();
    for mut case in cases {
        case.set_classname(name.as_str());
        suite.add_test_case(case);
    }
    if part == "run" {
        suite.time = std::time::Duration::try_from_secs_f64(outcome.run.elapsed).ok();
        let troubles = troubles(outcome);
        if !troubles.is_empty() {
            suite.set_system_out(troubles);
        }
    }
    suite
}

/// A case that passed when `held`, or failed with the reason.
fn case(name: &str, held: bool, kind: &str, why: impl Into<String>) -> TestCase {
    if held {
        return TestCase::new(name, TestCaseStatus::success());
    }
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_type(kind).set_message(why.into());
    TestCase::new(name, status)
}

fn verdict(outcome: &Outcome) -> TestCase {
    let causes: Vec<_> = outcome.reasons.iter().map(|reason| reason.cause.as_str()).collect();
    let why = format!("{}: {}", outcome.verdict, causes.join("; "));
    case("the numbers can be believed", outcome.verdict == RunVerdict::Valid, "verdict", why)
}

fn threshold(verdict: &Verdict) -> TestCase {
    let shown = verdict.shown.as_ref();
    let measured =
        shown.map_or("matched no sample".to_owned(), |shown| format!("measured {shown}"));
    let critical = if verdict.critical { ", and is critical" } else { "" };
    let why = format!("{measured}{critical}");
    let mut case = case(&verdict.threshold, verdict.limit_held, "threshold", why);
    let goal = match verdict.goal_held {
        None => "",
        Some(true) => ", goal held",
        Some(false) => ", goal missed",
    };
    case.set_system_out(format!("{measured}{goal}"));
    case
}

/// A fault passes when users were well in the end.
fn fault(fault: &FaultOutcome) -> TestCase {
    let (verdict, what) = (faults::verdict(fault), faults::what(fault));
    let why = format!("{verdict}: {what}");
    let mut case = case(&fault.name, faults::is_well(fault) == Some(true), "fault", why.clone());
    let groups = fault.recovery.as_ref().map(faults::facts).unwrap_or_default();
    let facts = groups.into_iter().flatten().map(|(name, value)| format!("{name} {value}"));
    case.set_system_out(
        [why, faults::force(fault)].into_iter().chain(facts).collect::<Vec<_>>().join("\n"),
    );
    case
}

fn check(check: &Check) -> TestCase {
    let why = format!("did not hold {} of {} times", check.failed, check.of);
    case(check.name, check.failed == 0, "check", why)
}

/// What failed and what broke, for whoever opens the suite.
fn troubles(outcome: &Outcome) -> String {
    let mut text = String::new();
    for failure in &outcome.failures {
        let (name, kind, count) = (&failure.name, &failure.kind, failure.count);
        // Writing to a string does not fail.
        let _ = writeln!(text, "{name}: {kind}, {count} times: {}", failure.detail);
    }
    for error in &outcome.script_errors {
        let place = error.place.as_ref().map_or_else(String::new, |place| format!("{place}: "));
        let _ = writeln!(text, "script error, {} times: {place}{}", error.count, error.message);
    }
    text
}
