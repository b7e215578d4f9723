//! `JUnit` XML, which every CI system shows: the run verdict, each threshold, each fault and each
//! check is a test case, and each operation that was held against a baseline.
//!
//! The verdict is a case of its own, since a run that cannot be believed has not passed, whatever
//! its thresholds say. A check fails when it did not hold once, as in the summary. What went wrong
//! by the way (warnings, failures, script errors) stands in the output of the suite.

use std::fmt::Write as _;
use std::io::{self, Write};

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::figures::{self, Check};
use super::{comparison, faults};
use crate::compare::{Finding, Gate, OperationChange};
use crate::outcome::{FaultOutcome, Namesakes, Outcome, RunVerdict, Verdict};

/// Writes `outcome` as a report of suites.
pub fn write(outcome: &Outcome, gate: Option<&Gate>, out: &mut dyn Write) -> io::Result<()> {
    whole(&outcome.run.name, suites(outcome, gate), out)
}

/// Run, thresholds, faults where there are any, checks, and the baseline where there is one.
pub fn suites(outcome: &Outcome, gate: Option<&Gate>) -> Vec<TestSuite> {
    let thresholds = outcome.thresholds.iter().map(threshold).collect();
    let checks = figures::checks(outcome).iter().map(check).collect();
    let faults: Vec<_> = outcome.faults.iter().map(fault).collect();
    let broken = (!faults.is_empty()).then(|| suite(outcome, "faults", faults));
    let asked =
        [suite(outcome, "run", vec![verdict(outcome)]), suite(outcome, "thresholds", thresholds)];
    let baseline = gate.map(|gate| suite(outcome, "baseline", compared(gate)));
    let checks = [suite(outcome, "checks", checks)];
    asked.into_iter().chain(broken).chain(checks).chain(baseline).collect()
}

/// Writes suites as one report.
pub fn whole(name: &str, suites: Vec<TestSuite>, out: &mut dyn Write) -> io::Result<()> {
    let mut report = Report::new(name);
    report.add_test_suites(suites);
    let text = report.to_string().map_err(io::Error::other)?;
    // The schemas of Jenkins know this of a suite, and not of the whole, whose own comes first.
    let skipped = format!(" skipped=\"{}\"", report.skipped);
    let text = text.replacen(&skipped, "", 1);
    // No XML may hold these two, and the crate lets them through.
    writeln!(out, "{}", text.replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}").trim_end())
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

/// That there is something to compare, then each operation; one of too few calls to say anything
/// is skipped.
fn compared(gate: &Gate) -> Vec<TestCase> {
    const WHOLE: &str = "it can be compared";
    let comparison = match &gate.found {
        Ok(comparison) => comparison,
        Err(differences) => return vec![untold(gate, WHOLE, differences.join("; "))],
    };
    let mut whole = if comparison.operations.iter().all(OperationChange::is_negligible) {
        untold(gate, WHOLE, "no operation has calls enough")
    } else {
        TestCase::new(WHOLE, TestCaseStatus::success())
    };
    whole.set_system_out(comparison::head(comparison));
    let operations = comparison.operations.iter().map(|operation| changed(operation, gate));
    [whole].into_iter().chain(operations).collect()
}

fn changed(operation: &OperationChange, gate: &Gate) -> TestCase {
    let name = comparison::subject(operation);
    let rows = operation.rows.iter();
    // A message is an attribute, in which lines do not end.
    let why = rows.clone().filter(|row| row.finding == operation.finding).map(comparison::line);
    let why = why.collect::<Vec<_>>().join("; ");
    let mut case = match (operation.finding, &operation.why) {
        (_, Some(why)) if operation.is_negligible() => skipped(&name, why.as_str()),
        (_, Some(why)) => untold(gate, &name, why.as_str()),
        (Finding::Inconclusive, None) => untold(gate, &name, why),
        (finding, None) => case(&name, finding != Finding::Regressed, "regressed", why),
    };
    if !operation.rows.is_empty() {
        case.set_system_out(rows.map(comparison::line).collect::<Vec<_>>().join("\n"));
    }
    case
}

/// A case of which nothing can be told fails where that fails the run.
fn untold(gate: &Gate, name: &str, why: impl Into<String>) -> TestCase {
    if gate.pass_inconclusive { skipped(name, why) } else { case(name, false, "inconclusive", why) }
}

fn skipped(name: &str, why: impl Into<String>) -> TestCase {
    let mut status = TestCaseStatus::skipped();
    status.set_message(why.into());
    TestCase::new(name, status)
}

/// What failed and what broke, for whoever opens the suite.
fn troubles(outcome: &Outcome) -> String {
    let mut text = String::new();
    for warning in &outcome.warnings {
        let _ = writeln!(text, "warning: {warning}");
    }
    let namesakes = Namesakes::of(outcome);
    for failure in &outcome.failures {
        let name = namesakes.tell(&failure.metric, &failure.name);
        let (kind, times) = (&failure.kind, figures::times(failure.count));
        // Writing to a string does not fail.
        let _ = writeln!(text, "{name}: {kind}, {times}: {}", failure.detail);
    }
    for error in &outcome.script_errors {
        let place = error.place.as_ref().map_or_else(String::new, |place| format!("{place}: "));
        let times = figures::times(error.count);
        let _ = writeln!(text, "script error, {times}: {place}{}", error.message);
    }
    text
}
