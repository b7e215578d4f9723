//! How a comparison of runs is told: to a person, to a pull request, to a machine.

use std::io::{self, Write};
use std::time::Duration;

use anstyle::AnsiColor;
use serde::Serialize;

use super::figures::moment;
use super::html;
use super::table::table;
use super::text::Ink;
use crate::compare::{Comparison, Control, Finding, More, OperationChange, Row, RunName, Scale};
use crate::units::{Rate, show_duration, show_number, show_share};

pub use html::comparison as page;

/// Writes it for a person.
pub fn text(
    comparison: &Comparison,
    control: Option<&Control>,
    ink: Ink,
    out: &mut dyn Write,
) -> io::Result<()> {
    ink.safely(out, |out| whole(comparison, control, ink, out))
}

fn whole(
    comparison: &Comparison,
    control: Option<&Control>,
    ink: Ink,
    out: &mut dyn Write,
) -> io::Result<()> {
    let colour = match comparison.verdict {
        Finding::Improved | Finding::Unchanged | Finding::NotWorse => AnsiColor::Green,
        Finding::Inconclusive => AnsiColor::Yellow,
        Finding::Regressed => AnsiColor::Red,
    };
    let verdict = ink.paint(colour, comparison.verdict.to_string().to_uppercase());
    writeln!(out, "\n{}", runs(comparison))?;
    writeln!(out, "{verdict}  {}", said(comparison))?;
    if let Some(next) = next(comparison) {
        writeln!(out, "next: {next}")?;
    }
    for target in &comparison.targets {
        writeln!(out, "target: {target}")?;
    }
    for difference in &comparison.overridden {
        writeln!(out, "{}: {difference}", ink.paint(AnsiColor::Yellow, "compared anyway"))?;
    }
    let heads = ["", "base", "now", "change", "95 % interval", ""].map(String::from);
    for operation in &comparison.operations {
        let title = title(operation);
        if let Some(why) = &operation.why {
            writeln!(out, "\n{title}\n  not compared: {why}")?;
            continue;
        }
        let rows = operation.rows.iter().map(|row| {
            let finding = match row.finding {
                Finding::Regressed => ink.paint(AnsiColor::Red, row.finding),
                Finding::Improved => ink.paint(AnsiColor::Green, row.finding),
                _ => row.finding.to_string(),
            };
            let [base, now] = values(row);
            vec![row.figure.to_owned(), base, now, change(row), interval(row), finding]
        });
        table(ink, out, &title, &heads, rows.collect(), 1)?;
    }
    match control {
        Some(control) => writeln!(out, "\n{}", told(control)),
        None => Ok(()),
    }
}

/// Writes it for a pull request.
pub fn markdown(
    comparison: &Comparison,
    control: Option<&Control>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let verdict = comparison.verdict.to_string().to_uppercase();
    writeln!(out, "### {verdict}: {}\n", escaped(&said(comparison)))?;
    writeln!(out, "{}\n", escaped(&runs(comparison)))?;
    if let Some(next) = next(comparison) {
        writeln!(out, "Next: {}\n", escaped(&next))?;
    }
    for target in &comparison.targets {
        writeln!(out, "* target: {}", escaped(target))?;
    }
    for difference in &comparison.overridden {
        writeln!(out, "* compared anyway: {}", escaped(difference))?;
    }
    if !comparison.overridden.is_empty() || !comparison.targets.is_empty() {
        writeln!(out)?;
    }
    writeln!(out, "| operation | | base | now | change | 95 % interval | |")?;
    writeln!(out, "|---|---|--:|--:|--:|--:|---|")?;
    for operation in &comparison.operations {
        let title = escaped(&subject(operation));
        if let Some(why) = &operation.why {
            writeln!(out, "| {title} | | | | | | not compared: {why} |")?;
        }
        for row in &operation.rows {
            let [base, now] = values(row);
            let (change, interval, mut finding) =
                (change(row), interval(row), row.finding.to_string());
            if row.finding == Finding::Regressed {
                finding = format!("**{finding}**");
            }
            let figure = row.figure;
            writeln!(
                out,
                "| {title} | {figure} | {base} | {now} | {change} | {interval} | {finding} |"
            )?;
        }
    }
    match control {
        Some(control) => writeln!(out, "\n{}", told(control)),
        None => Ok(()),
    }
}

/// Writes for a pull request that there is none, since all this keeps the runs from it.
pub fn refused(differences: &[String], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "### NOT COMPARED, because\n")?;
    differences.iter().try_for_each(|difference| writeln!(out, "* {}", escaped(difference)))
}

/// Writes it for a machine, on one line: times in nanoseconds, changes as shares; `exit` is what the
/// command that asks ends with.
pub fn json(
    comparison: &Comparison,
    control: Option<&Control>,
    exit: u8,
    out: &mut dyn Write,
) -> io::Result<()> {
    #[derive(Serialize)]
    struct Whole<'a> {
        exit: u8,
        #[serde(flatten)]
        comparison: &'a Comparison,
        #[serde(skip_serializing_if = "Option::is_none")]
        control: Option<&'a Control>,
    }
    serde_json::to_writer(&mut *out, &Whole { exit, comparison, control })?;
    writeln!(out)
}

pub(super) fn runs(comparison: &Comparison) -> String {
    let side = |runs: &[RunName]| match runs {
        [only] => format!("{} at {}", only.name, moment(&only.started)),
        runs => format!("{} runs of {}", runs.len(), runs.first().map_or("", |run| &run.name)),
    };
    format!("{} against {}", side(&comparison.now), side(&comparison.base))
}

/// The verdict in a sentence.
pub(super) fn said(comparison: &Comparison) -> String {
    let limit = show_share(comparison.limit);
    let with = |finding| found(comparison, finding);
    match comparison.verdict {
        Finding::Regressed => {
            format!("worse by more than {limit}, beyond the noise: {}", with(Finding::Regressed))
        }
        Finding::Improved => {
            let better = with(Finding::Improved);
            format!("better by more than {limit}, beyond the noise: {better}. Nothing is worse")
        }
        Finding::Unchanged => format!("no change by more than {limit}"),
        Finding::NotWorse => {
            format!("not worse by more than {limit}; whether it is better the noise hides")
        }
        Finding::Inconclusive if with(Finding::Inconclusive).is_empty() => {
            "no operation has calls enough to be compared".to_owned()
        }
        Finding::Inconclusive => {
            let better = with(Finding::Improved);
            let better = if better.is_empty() { better } else { format!(". Better: {better}") };
            let unsure = with(Finding::Inconclusive);
            format!("the noise hides whether it is worse by more than {limit}: {unsure}{better}")
        }
    }
}

/// What would tell, where the runs do not.
pub(super) fn next(comparison: &Comparison) -> Option<String> {
    let More { limit, runs } = comparison.more?;
    let [base, now] = [&comparison.base, &comparison.now].map(Vec::len);
    let asked = show_share(comparison.limit);
    let told = limit.map(|limit| {
        let percent = (limit * 100.0).ceil();
        format!("these runs tell {percent} %, nothing is worse by more (--fail-on {percent}%)")
    });
    let runs = match runs {
        Some(runs) => {
            format!("{asked} takes about {runs} such runs on each side, not {base} and {now}")
        }
        None => format!("{asked} takes longer runs, with more calls"),
    };
    Some(told.into_iter().chain([runs]).collect::<Vec<_>>().join("; "))
}

/// Operations that are named in a sentence; the tables have all.
const MOST_NAMED: usize = 3;

/// The operations with this finding, those without a say left out.
fn found(comparison: &Comparison, finding: Finding) -> String {
    let heard = comparison.operations.iter().filter(|operation| !operation.is_negligible());
    let found: Vec<_> = heard.filter(|operation| operation.finding == finding).collect();
    let named = found.iter().take(MOST_NAMED).map(|operation| named(operation, finding));
    let more = found.len().saturating_sub(MOST_NAMED);
    let more = (more > 0).then(|| format!("and {more} more"));
    named.chain(more).collect::<Vec<_>>().join("; ")
}

/// The control of a comparison in a sentence.
pub(super) fn told(control: &Control) -> String {
    let noise = control.noise.iter().map(|(figure, noise)| {
        let noise = noise.map_or("unknown".to_owned(), |noise| format!("±{}", show_share(noise)));
        format!("{figure} {noise}")
    });
    let noise: Vec<_> = noise.collect();
    let verdict = control.verdict;
    format!(
        "control: A against itself is {verdict}; noise of this machine now: {}",
        noise.join(", ")
    )
}

/// What was compared and how it came out, a line each.
pub(super) fn head(comparison: &Comparison) -> String {
    let targets = comparison.targets.iter().map(|it| format!("target: {it}"));
    let overridden = comparison.overridden.iter().map(|it| format!("compared anyway: {it}"));
    let next = next(comparison).map(|next| format!("next: {next}"));
    let lines = [runs(comparison), said(comparison)].into_iter().chain(next);
    let lines = lines.chain(targets).chain(overridden);
    lines.collect::<Vec<_>>().join("\n")
}

/// A figure before and after, on one line.
pub(super) fn line(row: &Row) -> String {
    let [base, now] = values(row);
    let (figure, change, interval, finding) = (row.figure, change(row), interval(row), row.finding);
    format!("{figure} {base} -> {now}: {change} ({interval}), {finding}")
}

/// An operation and its figures with this finding, or why it has none.
fn named(operation: &OperationChange, finding: Finding) -> String {
    let rows = operation.rows.iter().filter(|row| row.finding == finding);
    let figures: Vec<_> = rows.map(|row| row.figure).collect();
    let why = operation.why.clone().unwrap_or_else(|| figures.join(", "));
    format!("{} ({why})", subject(operation))
}

pub(super) fn subject(operation: &OperationChange) -> String {
    let OperationChange { scenario, metric, label, .. } = operation;
    match (label.is_empty(), scenario.is_empty()) {
        (true, _) => format!("{scenario}: {metric}"),
        (_, true) => label.clone(),
        _ => format!("{scenario}: {label}"),
    }
}

fn title(operation: &OperationChange) -> String {
    format!("{}  {}", subject(operation), calls(operation))
}

pub(super) fn calls(operation: &OperationChange) -> String {
    let [base, now] = operation.calls;
    format!("{now} calls, {base} in base")
}

pub(super) fn values(row: &Row) -> [String; 2] {
    [row.base, row.now].map(|value| match row.scale {
        Scale::Time => show_duration(Duration::from_nanos(value.round() as u64)),
        Scale::Share => show_share(value),
        Scale::PerSecond => Rate(value).to_string(),
    })
}

pub(super) fn change(row: &Row) -> String {
    shown_change(row.scale, row.change)
}

/// A change with its sign: "+20 %", or "+0.4 points" of a share.
fn shown_change(scale: Scale, change: f64) -> String {
    let unit = if scale == Scale::Share { "points" } else { "%" };
    let percent = change * 100.0;
    let digits = show_number(if percent.abs() < 0.005 { 0.0 } else { percent.abs() });
    let sign = match percent {
        _ if digits == "0" => "",
        p if p < 0.0 => "-",
        _ => "+",
    };
    format!("{sign}{digits} {unit}")
}

/// Where the change lies; an end that too few calls leave open is said to be.
pub(super) fn interval(row: &Row) -> String {
    let shown = |end| shown_change(row.scale, end);
    match (row.low, row.high) {
        (Some(low), Some(high)) => format!("{} to {}", shown(low), shown(high)),
        (Some(low), None) => format!("{} or more", shown(low)),
        (None, Some(high)) => format!("{} or less", shown(high)),
        (None, None) => "not known".to_owned(),
    }
}

/// Text in a cell of a table: no bar ends it, no mark is taken for markup.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        if "|*_<>`[]\\".contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}
