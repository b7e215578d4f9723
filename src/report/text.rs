//! The summary a person reads when a run has ended.
//!
//! From the most to the least important: can the numbers be believed, did the thresholds hold,
//! what did each operation do, was the load what was asked for, what went wrong, what did the
//! generator use, where do the results lie.

use std::fmt::Display;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::figures::{self, percent, seconds, time};
use super::table::table;
use super::{calls, faults, processes, visible};
use crate::metric::{self, Distribution, Total};
use crate::outcome::{Grade, LogLine, Outcome, Reason, RunVerdict, ScenarioOutcome};
use crate::units::Bytes;

/// Most rows of a table shown; names and tags can have values without end.
pub(super) const MOST: usize = 40;

/// How text is set for whoever reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ink {
    /// With ANSI colours.
    pub colour: bool,
    /// Characters in a line, where there is an end to it.
    pub width: Option<usize>,
}

impl Ink {
    /// For a file, or another program.
    pub const PLAIN: Self = Self { colour: false, width: None };

    /// The same with so much less room in a line.
    pub(super) fn within(self, indent: usize) -> Self {
        Self { width: self.width.map(|width| width.saturating_sub(indent)), ..self }
    }

    pub(super) fn paint(self, colour: AnsiColor, text: impl Display) -> String {
        if !self.colour {
            return text.to_string();
        }
        let style = style(colour);
        format!("{style}{text}{style:#}")
    }

    /// All that is written to paint.
    pub(super) fn marks(self) -> Vec<String> {
        let colours = [AnsiColor::Green, AnsiColor::Yellow, AnsiColor::Red].map(style);
        let marks = colours.iter().flat_map(|style| [format!("{style}"), format!("{style:#}")]);
        if self.colour { marks.collect() } else { Vec::new() }
    }

    /// Writes what `tell` does, but nothing that steers a terminal, whatever is told of.
    pub(super) fn safely(
        self,
        out: &mut dyn Write,
        tell: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut told = Vec::new();
        tell(&mut told)?;
        out.write_all(visible::whole(self, &String::from_utf8_lossy(&told)).as_bytes())
    }
}

fn style(colour: AnsiColor) -> Style {
    Style::new().fg_color(Some(colour.into())).bold()
}

/// Writes the summary of `outcome`; `place` is where its files lie.
pub fn write(
    outcome: &Outcome,
    place: Option<&str>,
    ink: Ink,
    out: &mut dyn Write,
) -> io::Result<()> {
    ink.safely(out, |out| whole(outcome, place, ink, out))
}

fn whole(outcome: &Outcome, place: Option<&str>, ink: Ink, out: &mut dyn Write) -> io::Result<()> {
    headline(outcome, ink, out)?;
    thresholds(outcome, ink, out)?;
    calls::write(outcome, ink, out)?;
    checks(outcome, ink, out)?;
    trends(outcome, ink, out)?;
    load(outcome, ink, out)?;
    ledgers(outcome, ink, out)?;
    faults::write(outcome, ink, out)?;
    script_errors(outcome, ink, out)?;
    warnings(outcome, ink, out)?;
    processes(outcome, ink, out)?;
    generator(outcome, out)?;
    if let Some(place) = place {
        writeln!(out, "\nresults     {place}")?;
    }
    Ok(())
}

fn headline(outcome: &Outcome, ink: Ink, out: &mut dyn Write) -> io::Result<()> {
    let run = &outcome.run;
    let verdict = self::verdict(outcome.verdict, ink);
    let grade = grade(outcome.grade, outcome.verdict == RunVerdict::Valid, ink);
    let elapsed = seconds(run.elapsed);
    writeln!(out, "\n{}  {verdict}  {grade}", run.name)?;
    let profile = outcome.plan.profile.as_ref();
    let profile = profile.map_or_else(String::new, |name| format!(", profile {name}"));
    writeln!(out, "{elapsed}, {} workers, seed {}{profile}", run.workers, run.seed)?;
    for Reason { verdict, cause } in &outcome.reasons {
        writeln!(out, "{}: {cause}", ink.paint(AnsiColor::Red, verdict))?;
    }
    for warning in &outcome.warnings {
        writeln!(out, "{}: {warning}", ink.paint(AnsiColor::Yellow, "warning"))?;
    }
    if outcome.verdict != RunVerdict::Valid {
        writeln!(out, "only a VALID run can pass, whatever its thresholds say")?;
    }
    Ok(())
}

pub(super) fn verdict(verdict: RunVerdict, ink: Ink) -> String {
    let colour = if verdict == RunVerdict::Valid { AnsiColor::Green } else { AnsiColor::Red };
    ink.paint(colour, verdict)
}

/// How thresholds came out, which says nothing where the numbers are not `valid`.
pub(super) fn grade(grade: Option<Grade>, valid: bool, ink: Ink) -> String {
    match grade {
        None => "no thresholds".to_owned(),
        Some(grade) if !valid => format!("(thresholds: {grade})"),
        Some(grade @ (Grade::Excellent | Grade::Good)) => ink.paint(AnsiColor::Green, grade),
        Some(grade @ Grade::Fair) => ink.paint(AnsiColor::Yellow, grade),
        Some(grade @ Grade::Poor) => ink.paint(AnsiColor::Red, grade),
    }
}

fn thresholds(outcome: &Outcome, ink: Ink, out: &mut dyn Write) -> io::Result<()> {
    let rows = outcome.thresholds.iter().map(|verdict| {
        let held = if verdict.limit_held {
            ink.paint(AnsiColor::Green, "held")
        } else {
            ink.paint(AnsiColor::Red, "MISSED")
        };
        let shown = verdict.shown.clone().unwrap_or_else(|| "matched no sample".to_owned());
        let goal = match verdict.goal_held {
            None => "",
            Some(true) => "goal held",
            Some(false) => "goal missed",
        };
        vec![held, verdict.threshold.clone(), shown, goal.to_owned()]
    });
    table(ink, out, "thresholds", &[], rows.collect(), 4)
}

fn checks(outcome: &Outcome, ink: Ink, out: &mut dyn Write) -> io::Result<()> {
    let rows = figures::checks(outcome).into_iter().map(|check| {
        let held = match check.failed {
            0 => ink.paint(AnsiColor::Green, "held"),
            _ => ink.paint(AnsiColor::Red, "FAILED"),
        };
        vec![held, check.name.to_owned(), format!("{} of {}", check.of - check.failed, check.of)]
    });
    table(ink, out, "checks", &[], rows.collect(), 3)
}

/// The script's own metrics.
fn trends(outcome: &Outcome, ink: Ink, out: &mut dyn Write) -> io::Result<()> {
    let rows = figures::own(outcome).map(|series| {
        let tags: Vec<_> = series.tags.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let show = |value| metric::show(series.unit, series.kind, value);
        let value = match &series.total {
            Total::Trend(times) => spread(times, show),
            Total::Rate { hits, total } => format!("{hits} of {total}"),
            Total::Counter(sum) => show(*sum),
            Total::Gauge(gauge) => {
                let [last, min, max] = [gauge.last, gauge.min, gauge.max].map(&show);
                format!("{last} (min {min}, max {max})")
            }
        };
        vec![series.metric.clone(), tags.join(" "), value]
    });
    let mut rows: Vec<_> = rows.collect();
    let beyond = rows.len().saturating_sub(MOST);
    if beyond > 0 {
        rows.truncate(MOST);
        rows.push(vec![format!("{beyond} more"), String::new(), "see outcome.json".to_owned()]);
    }
    table(ink, out, "metrics of the script", &[], rows, 3)
}

fn spread(values: &Distribution, show: impl Fn(f64) -> String) -> String {
    let [p50, p95] = [0.5, 0.95].map(|q| show(values.quantile(q) as f64));
    format!("n {}  p50 {p50}  p95 {p95}  max {}", values.count(), show(values.max() as f64))
}

fn load(outcome: &Outcome, ink: Ink, out: &mut dyn Write) -> io::Result<()> {
    let heads = [
        "",
        "offered",
        "started",
        "finished",
        "per s",
        "dropped",
        "unfinished",
        "late",
        "lag p99",
        "response p50",
        "p95",
        "p99",
    ]
    .map(String::from);
    let rows = outcome.scenarios.iter().map(|scenario| load_row(outcome, scenario));
    table(ink, out, "load", &heads, rows.collect(), 1)?;
    let closed = outcome.scenarios.iter().filter(|scenario| scenario.closed);
    let closed: Vec<_> = closed.map(|scenario| scenario.name.as_str()).collect();
    if closed.is_empty() {
        return Ok(());
    }
    writeln!(out, "  {}: closed loop: not corrected for coordinated omission", closed.join(", "))
}

fn load_row(outcome: &Outcome, scenario: &ScenarioOutcome) -> Vec<String> {
    let of = |metric: &str| figures::trend(outcome, metric, scenario);
    let (lag, response) = (of("iteration.lag"), of("iteration.response"));
    let quantile = |times: &Distribution, q| {
        if times.is_empty() { "-".to_owned() } else { time(times.quantile(q)) }
    };
    let counts = [scenario.offered, scenario.started, scenario.finished].map(|n| n.to_string());
    let mut row = vec![scenario.name.clone()];
    row.extend(counts);
    row.push(format!("{:.1}", scenario.finished_per_second()));
    row.extend([scenario.dropped, scenario.unfinished].map(|n| n.to_string()));
    row.push(if scenario.closed { "-".to_owned() } else { scenario.late.to_string() });
    row.push(quantile(&lag, 0.99));
    row.extend([0.5, 0.95, 0.99].map(|q| quantile(&response, q)));
    row
}

fn ledgers(outcome: &Outcome, ink: Ink, out: &mut dyn Write) -> io::Result<()> {
    if !outcome.ledgers.is_empty() {
        writeln!(out, "\nledgers")?;
    }
    for (name, balance) in &outcome.ledgers {
        let held = match balance.lost {
            0 => ink.paint(AnsiColor::Green, "nothing lost"),
            lost => ink.paint(AnsiColor::Red, format!("{lost} LOST")),
        };
        writeln!(
            out,
            "  {name}  {held}: expected {}, acknowledged {}, landed {} (once {}, late {}), \
             duplicated {}, accepted but never landed {}, landed though refused {}, no answer \
             {} (landed {}){}",
            balance.expected,
            balance.acked,
            balance.landed,
            balance.landed_once,
            figures::late(balance),
            balance.duplicated,
            balance.lost,
            balance.refused_but_landed,
            balance.unconfirmed + balance.unconfirmed_landed,
            balance.unconfirmed_landed,
            match balance.unexpected {
                0 => String::new(),
                ids => format!(", landed though never sent {ids}"),
            },
        )?;
        for id in &balance.lost_sample {
            writeln!(out, "    lost {id}")?;
        }
    }
    Ok(())
}

fn script_errors(outcome: &Outcome, ink: Ink, out: &mut dyn Write) -> io::Result<()> {
    if !outcome.script_errors.is_empty() {
        writeln!(out, "\n{}", ink.paint(AnsiColor::Red, "script errors"))?;
    }
    for error in &outcome.script_errors {
        let place = error.place.as_ref().map_or_else(String::new, |place| format!("{place}: "));
        let times = figures::times(error.count);
        writeln!(out, "  {times} in {}: {place}{}", error.scenario, error.message)?;
        if let Some(hint) = &error.hint {
            writeln!(out, "    hint: {hint}")?;
        }
        for frame in &error.traceback {
            writeln!(out, "    {frame}")?;
        }
    }
    Ok(())
}

fn warnings(outcome: &Outcome, ink: Ink, out: &mut dyn Write) -> io::Result<()> {
    let grave = |line: &&LogLine| line.level == "warn" || line.level == "error";
    for (at, line) in outcome.log.iter().filter(grave).enumerate() {
        let gap = if at == 0 { "\n" } else { "" };
        let times = if line.count > 1 { format!(" ({} times)", line.count) } else { String::new() };
        writeln!(
            out,
            "{gap}{}: {}{times}",
            ink.paint(AnsiColor::Yellow, if line.level == "warn" { "warning" } else { "error" }),
            line.text
        )?;
    }
    Ok(())
}

fn processes(outcome: &Outcome, ink: Ink, out: &mut dyn Write) -> io::Result<()> {
    let rows = processes::of(outcome).into_iter().map(|process| {
        let mut row = process.cells();
        if process.leaks() {
            let last = row.pop().unwrap_or_default();
            row.push(ink.paint(AnsiColor::Red, last));
        }
        row
    });
    let heads = processes::HEADS.map(|head| head.trim_end_matches(':').to_owned());
    let heads = [String::new()].into_iter().chain(heads.into_iter().skip(1)).collect::<Vec<_>>();
    table(ink, out, "processes", &heads, rows.collect(), 1)
}

fn generator(outcome: &Outcome, out: &mut dyn Write) -> io::Result<()> {
    let used = &outcome.generator;
    writeln!(
        out,
        "\ngenerator   cpu {} ({} of one core), busiest worker {}, memory {}",
        seconds(used.cpu),
        percent(used.cpu / outcome.run.elapsed.max(1e-9)),
        percent(used.busiest_worker),
        Bytes(used.memory),
    )
}
