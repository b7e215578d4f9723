//! Several scripts that were run one after the other: one table and one grade.

use std::io::{self, Write};

use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};
use serde_json::{Value, json};

use super::Report;
use super::figures::{percent, seconds, time};
use super::table::table;
use super::text::{Ink, grade, verdict};
use crate::compare::{self, Gate};
use crate::outcome::{Grade, Outcome, RunVerdict, operations};

/// Scripts that were run, or were to be.
#[derive(Default)]
pub struct Suite {
    /// Each of them, in order.
    pub parts: Vec<Part>,
    /// Ended early by a signal.
    pub interrupted: bool,
}

/// One script.
pub struct Part {
    /// Its path as it was typed or found.
    pub script: String,
    /// What became of it.
    pub ended: Ended,
}

/// What became of a script.
pub enum Ended {
    /// It has an outcome.
    Ran {
        /// What it did.
        outcome: Box<Outcome>,
        /// How that came out against a baseline, where there is one.
        gate: Option<Gate>,
        /// Where it is kept.
        place: String,
    },
    /// It could not start, or broke.
    Failed {
        /// What its error said.
        what: String,
        /// Its exit code by itself.
        exit: u8,
    },
    /// The suite was ended before.
    NotRun,
}

impl Ended {
    /// The exit code of the script by itself; `None` when it was not run.
    pub fn exit(&self) -> Option<u8> {
        match self {
            Self::Ran { outcome, gate, .. } => Some(compare::exit_code(outcome, gate.as_ref())),
            Self::Failed { exit, .. } => Some(*exit),
            Self::NotRun => None,
        }
    }

    fn outcome(&self) -> Option<&Outcome> {
        match self {
            Self::Ran { outcome, .. } => Some(outcome),
            Self::Failed { .. } | Self::NotRun => None,
        }
    }

    /// What its baseline fails it for, where it does.
    fn compared(&self) -> Option<&'static str> {
        let Self::Ran { gate: Some(gate), .. } = self else { return None };
        match (&gate.found, gate.exit_code()) {
            (_, 0) => None,
            (Err(_), _) => Some("cannot be compared with its baseline"),
            (Ok(_), 1) => Some("slower than its baseline"),
            (Ok(_), _) => Some("whether it is slower than its baseline cannot be told"),
        }
    }

    /// Why it has no outcome, in a few words.
    fn word(&self) -> &'static str {
        match self {
            Self::Ran { .. } => "",
            Self::Failed { exit: 4, .. } => "could not start",
            Self::Failed { .. } => "broke",
            Self::NotRun => "not run",
        }
    }
}

impl Suite {
    /// The worst exit code of its scripts; 130 when it was interrupted.
    pub fn exit(&self) -> u8 {
        let worst = self.parts.iter().filter_map(|part| part.ended.exit()).max();
        if self.interrupted { 130 } else { worst.unwrap_or(0) }
    }

    /// The worst grade of its scripts; `None` when nothing was asked of any.
    pub fn grade(&self) -> Option<Grade> {
        self.outcomes().filter_map(|outcome| outcome.grade).max()
    }

    fn outcomes(&self) -> impl Iterator<Item = &Outcome> {
        self.parts.iter().filter_map(|part| part.ended.outcome())
    }

    /// Whether every script has numbers that can be believed.
    fn is_valid(&self) -> bool {
        self.parts.iter().all(|part| {
            part.ended.outcome().is_some_and(|outcome| outcome.verdict == RunVerdict::Valid)
        })
    }

    fn passed(&self) -> String {
        let passed = self.parts.iter().filter(|part| part.ended.exit() == Some(0)).count();
        format!("{passed} of {} scripts passed", self.parts.len())
    }

    /// Why scripts did not pass, besides their thresholds: script and reason.
    fn troubles(&self) -> Vec<(&str, String)> {
        let mut troubles = Vec::new();
        for part in &self.parts {
            let name = part.script.as_str();
            match &part.ended {
                Ended::Ran { outcome, .. } => {
                    let told =
                        outcome.reasons.iter().map(|r| format!("{}: {}", r.verdict, r.cause));
                    let compared = part.ended.compared().map(str::to_owned);
                    troubles.extend(told.chain(compared).map(|told| (name, told)));
                }
                Ended::Failed { what, .. } => troubles.push((name, first_line(what))),
                Ended::NotRun => troubles.push((name, "the suite was interrupted".to_owned())),
            }
        }
        troubles
    }
}

/// The first line of an error, without the word.
fn first_line(what: &str) -> String {
    let line = what.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

/// What writes a suite in one form.
pub type Form = fn(&Suite, &mut dyn Write) -> io::Result<()>;

/// How a suite is written in the form of a report; `None` where only each script has one.
pub fn form(report: Report) -> Option<Form> {
    match report {
        Report::Text => Some(|suite, out| text(suite, Ink::PLAIN, out)),
        Report::Json => Some(json),
        Report::Junit => Some(junit),
        Report::Markdown => Some(markdown),
        Report::Csv | Report::Html => None,
    }
}

/// Writes the table for a person.
pub fn text(suite: &Suite, ink: Ink, out: &mut dyn Write) -> io::Result<()> {
    ink.safely(out, |out| whole(suite, ink, out))
}

fn whole(suite: &Suite, ink: Ink, out: &mut dyn Write) -> io::Result<()> {
    let graded = grade(suite.grade(), suite.is_valid(), ink);
    writeln!(out, "\nsuite  {graded}  {}", suite.passed())?;
    for (script, trouble) in suite.troubles() {
        writeln!(out, "{script}: {trouble}")?;
    }
    let heads = ["", "", "", "held", "length", "calls", "failed", "response p95", "exit"];
    let rows = suite.parts.iter().map(|part| {
        let said = match part.ended.outcome() {
            Some(outcome) => [
                verdict(outcome.verdict, ink),
                grade(outcome.grade, outcome.verdict == RunVerdict::Valid, ink),
            ],
            None => [part.ended.word().to_owned(), String::new()],
        };
        [part.script.clone()].into_iter().chain(said).chain(row(&part.ended)).collect()
    });
    table(ink, out, "scripts", &heads.map(String::from), rows.collect(), 3)
}

/// Limits that held, length, calls, failures, response time, exit code.
fn row(ended: &Ended) -> [String; 6] {
    let exit = ended.exit().map_or("-".to_owned(), |exit| exit.to_string());
    let Some(outcome) = ended.outcome() else {
        let mut nothing = [const { String::new() }; 6];
        nothing[5] = exit;
        return nothing;
    };
    let held = outcome.thresholds.iter().filter(|verdict| verdict.limit_held).count();
    let calls = operations::of(outcome);
    let made: u64 = calls.iter().map(operations::Operation::count).sum();
    let failed: u64 = calls.iter().map(|operation| operation.failed).sum();
    let responses = operations::responses(outcome);
    let p95 = if responses.is_empty() { "-".to_owned() } else { time(responses.quantile(0.95)) };
    [
        format!("{held} of {}", outcome.thresholds.len()),
        seconds(outcome.run.elapsed),
        made.to_string(),
        percent(failed as f64 / made.max(1) as f64),
        p95,
        exit,
    ]
}

/// Writes it for a machine, on one line: the summaries of its scripts among it.
pub fn json(suite: &Suite, out: &mut dyn Write) -> io::Result<()> {
    let part = |part: &Part| -> Value {
        let (what, summary) = match &part.ended {
            Ended::Ran { outcome, gate, place } => {
                (None, Some(super::json::value(outcome, gate.as_ref(), Some(place))))
            }
            Ended::Failed { what, .. } => (Some(what.as_str()), None),
            Ended::NotRun => (Some("the suite was interrupted"), None),
        };
        let exit = part.ended.exit();
        json!({ "script": part.script, "exit": exit, "error": what, "summary": summary })
    };
    let whole = json!({
        "exit": suite.exit(),
        "grade": suite.grade(),
        "valid": suite.is_valid(),
        "interrupted": suite.interrupted,
        "scripts": suite.parts.iter().map(part).collect::<Vec<_>>(),
    });
    serde_json::to_writer(&mut *out, &whole)?;
    writeln!(out)
}

/// Writes it for a pull request: the table, then what each script has to say.
fn markdown(suite: &Suite, out: &mut dyn Write) -> io::Result<()> {
    let mark = if suite.exit() == 0 { "✅" } else { "❌" };
    let graded = match suite.grade() {
        None => "no thresholds".to_owned(),
        Some(grade) if !suite.is_valid() => format!("thresholds: {grade}"),
        Some(grade) => format!("**{grade}**"),
    };
    writeln!(out, "## {mark} {}, {graded}", suite.passed())?;
    let rows = suite.parts.iter().map(|part| {
        let said = match part.ended.outcome() {
            Some(outcome) => [
                outcome.verdict.to_string(),
                outcome.grade.map_or(String::new(), |grade| grade.to_string()),
            ],
            None => [part.ended.word().to_owned(), String::new()],
        };
        [super::markdown::code(&part.script)]
            .into_iter()
            .chain(said)
            .chain(row(&part.ended))
            .collect()
    });
    let heads =
        ["script", "", "", "held:", "length:", "calls:", "failed:", "response p95:", "exit:"];
    super::markdown::table(out, &heads, &rows.collect::<Vec<Vec<String>>>())?;
    for part in &suite.parts {
        let script = super::markdown::code(&part.script);
        if let Some(compared) = part.ended.compared() {
            writeln!(out, "\n{script}: {compared}")?;
        }
        // What else there is to say of an outcome stands below, with the outcome.
        if part.ended.outcome().is_none() {
            let troubles = suite.troubles();
            let told = troubles.iter().find(|(name, _)| *name == part.script);
            let why = told.map_or("", |(_, why)| why);
            writeln!(out, "\n{script}: {}", super::markdown::code(why))?;
        }
    }
    for outcome in suite.outcomes() {
        writeln!(out)?;
        super::markdown::write(outcome, out)?;
    }
    Ok(())
}

/// Writes the cases of all scripts; one without an outcome is an error.
fn junit(suite: &Suite, out: &mut dyn Write) -> io::Result<()> {
    let suites = suite.parts.iter().flat_map(|part| match &part.ended {
        Ended::Ran { outcome, gate, .. } => super::junit::suites(outcome, gate.as_ref()),
        Ended::Failed { what, .. } => vec![without_outcome(part, what)],
        Ended::NotRun => vec![without_outcome(part, "the suite was interrupted")],
    });
    super::junit::whole("suite", suites.collect(), out)
}

fn without_outcome(part: &Part, why: &str) -> TestSuite {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
    status.set_type(part.ended.word()).set_message(why);
    let mut case = TestCase::new("the script runs", status);
    case.set_classname(part.script.as_str());
    let mut suite = TestSuite::new(part.script.as_str());
    suite.add_test_case(case);
    suite
}
