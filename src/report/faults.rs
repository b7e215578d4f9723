//! What was broken, and what that did: the words and figures every report shows, and the block of
//! the summary.
//!
//! Times carry how exact they are. What was not seen is never 0: a time that did not come while it
//! was watched is "more than" that long.

use std::io::{self, Write};

use anstyle::AnsiColor;

use super::figures::percent;
use super::table::grid;
use super::text::Ink;
use crate::outcome::{Absence, FaultOutcome, Outcome};
use crate::recovery::{Part, Recovery, Verdict};
use crate::units::{Bytes, show_duration, show_number};

/// Heads of the table of parts; one that ends in a colon is of a column of figures. Those that
/// `unknown` and `refused` count are among the failed.
pub(super) const HEADS: [&str; 12] = [
    "",
    "offered:",
    "good:",
    "degraded:",
    "failed:",
    "unknown:",
    "refused:",
    "late:",
    "dropped:",
    "p50:",
    "p99:",
    "served/s:",
];

/// What a fact is called, and what it is.
pub(super) type Fact = (&'static str, String);

/// Before a table that belongs to a fault.
const INDENT: &str = "  ";

pub(super) fn write(outcome: &Outcome, ink: Ink, out: &mut dyn Write) -> io::Result<()> {
    if !outcome.faults.is_empty() {
        writeln!(out, "\nfaults")?;
    }
    for fault in &outcome.faults {
        one(fault, ink, out)?;
    }
    Ok(())
}

fn one(fault: &FaultOutcome, ink: Ink, out: &mut dyn Write) -> io::Result<()> {
    let colour = match is_well(fault) {
        Some(true) => AnsiColor::Green,
        Some(false) => AnsiColor::Red,
        None => AnsiColor::Yellow,
    };
    let verdict = ink.paint(colour, verdict(fault));
    writeln!(out, "  {}  {verdict}: {}", fault.name, what(fault))?;
    if let Some(why) = &fault.unclean {
        writeln!(out, "    {}", ink.paint(AnsiColor::Red, format!("may still be there: {why}")))?;
    }
    writeln!(out, "    {}", force(fault))?;
    let Some(recovery) = &fault.recovery else { return Ok(()) };
    let heads = HEADS.map(|head| head.trim_end_matches(':').to_owned());
    for line in grid(ink.within(INDENT.len()), &heads, rows(recovery), 1) {
        writeln!(out, "{INDENT}{line}")?;
    }
    if let Some(doubt) = doubt(recovery) {
        writeln!(out, "    {doubt}")?;
    }
    for group in facts(recovery) {
        let told: Vec<_> = group.iter().map(|(name, value)| format!("{name} {value}")).collect();
        writeln!(out, "    {}", told.join("  "))?;
    }
    Ok(())
}

/// All of it in a word.
pub(super) fn verdict(fault: &FaultOutcome) -> String {
    match &fault.recovery {
        Some(recovery) => recovery.verdict.to_string(),
        None if fault.unclean.is_some() => Verdict::Unclean.to_string(),
        None if fault.failed.is_some() => "failed".to_owned(),
        None => "unknown".to_owned(),
    }
}

/// Whether users were well in the end; `None` where that is not known.
pub(super) fn is_well(fault: &FaultOutcome) -> Option<bool> {
    match &fault.recovery {
        Some(recovery) => Some(recovery.verdict.is_well()),
        None => fault.unclean.as_ref().or(fault.failed.as_ref()).map(|_| false),
    }
}

/// What was asked for.
pub(super) fn what(fault: &FaultOutcome) -> String {
    let FaultOutcome { on, what, lasts, at, .. } = fault;
    format!("{what} on {on}, for {} from {}", time(*lasts), time(*at))
}

/// What came of that.
pub(super) fn force(fault: &FaultOutcome) -> String {
    if let Some(why) = &fault.failed {
        return format!("could not begin: {why}");
    }
    let Some(injected) = fault.injected else {
        return "never began: the load ended before".to_owned();
    };
    let (from, stood) = (time(injected), time(fault.cleared - injected));
    let did = fault.effect.clone().unwrap_or_else(|| touched(fault));
    let away = fault.process.as_ref().map(absence).unwrap_or_default();
    format!("in force at {from} for {stood}; {did}{away}")
}

fn touched(fault: &FaultOutcome) -> String {
    let FaultOutcome { touched, eligible, bytes, .. } = fault;
    format!("touched {touched} of {eligible} connections, {}", Bytes(*bytes))
}

/// When a process was back, and when it answered: two times.
fn absence(process: &Absence) -> String {
    let since = |at: Option<f64>| match at {
        Some(at) => format!("{} (after {})", time(at), time(at - process.away)),
        None => "never".to_owned(),
    };
    let (away, back, ready) = (time(process.away), since(process.back), since(process.ready));
    format!("; process away at {away}, back at {back}, ready at {ready}")
}

/// Why nothing, or little, is known; `None` where all is.
pub(super) fn doubt(recovery: &Recovery) -> Option<&'static str> {
    match recovery.verdict {
        Verdict::NoBaseline => Some(
            "too little is known of what is normal; let the load run for longer, evenly, before \
             the first fault, or say what is normal with `recovery`",
        ),
        Verdict::GeneratorLimited => Some(
            "loadrun itself was late while it stood or after, so its times tell nothing of the \
             target; lower the rate, or give loadrun more processors",
        ),
        Verdict::NoEffect => Some("there is no sign that it did anything; is it on the right way?"),
        _ => None,
    }
}

/// The calls of each part, under [`HEADS`].
pub(super) fn rows(recovery: &Recovery) -> Vec<Vec<String>> {
    let parts = [
        ("baseline", &recovery.baseline),
        ("fault", &recovery.fault),
        ("recovery", &recovery.after),
    ];
    parts.into_iter().map(|(name, part)| row(name, part)).collect()
}

fn row(name: &str, part: &Part) -> Vec<String> {
    let name = if part.limited { format!("{name} (loadrun late)") } else { name.to_owned() };
    let mut row = vec![name];
    let failed = [part.failed, part.indeterminate, part.refused];
    row.extend([part.offered, part.good, part.degraded].map(|count| count.to_string()));
    row.extend(failed.map(|count| count.to_string()));
    row.push(part.late.map_or_else(|| "-".to_owned(), |late| late.to_string()));
    row.push(part.dropped.to_string());
    row.extend(
        [part.p50, part.p99].map(|seconds| if part.calls > 0 { time(seconds) } else { "-".into() }),
    );
    row.push(format!("{:.1}", part.goodput()));
    row
}

/// Everything else, in groups of what belongs together.
pub(super) fn facts(recovery: &Recovery) -> Vec<Vec<Fact>> {
    let known = recovery.confirm > 0;
    let groups = if known {
        vec![felt(recovery), over(recovery), lost(recovery), after(recovery)]
    } else {
        vec![recovery.first_error.map(|first| ("first error", time(first))).into_iter().collect()]
    };
    groups.into_iter().filter(|group| !group.is_empty()).collect()
}

/// A time with how exact it is.
fn exact(recovery: &Recovery, seconds: f64) -> String {
    format!("{} ±{}", time(seconds), time(recovery.resolution))
}

fn felt(recovery: &Recovery) -> Vec<Fact> {
    let seen = |seconds: Option<f64>| {
        seconds.map_or_else(|| "not seen".to_owned(), |seconds| exact(recovery, seconds))
    };
    let mut felt = vec![("detect", seen(recovery.detect))];
    felt.extend(recovery.first_error.map(|first| ("first error", time(first))));
    felt.extend(recovery.onset.map(|onset| ("onset", exact(recovery, onset))));
    felt.extend(recovery.alert.map(|alert| ("alert", exact(recovery, alert))));
    let success = recovery.fault.success();
    felt.extend(success.map(|share| ("success while it stood", percent(share))));
    felt
}

fn over(recovery: &Recovery) -> Vec<Fact> {
    let late = |seconds: Option<f64>| match (seconds, recovery.verdict) {
        (Some(seconds), _) => exact(recovery, seconds),
        (None, Verdict::Tolerated | Verdict::NoEffect) => "-".to_owned(),
        (None, _) => format!("> {}", time(recovery.tail)),
    };
    let mut over = vec![
        ("recover", late(recovery.recover)),
        ("settle", late(recovery.settle)),
        ("relapses", recovery.relapses.to_string()),
    ];
    over.extend(recovery.outage.map(|outage| ("outage", exact(recovery, outage))));
    if recovery.during {
        over.push(("good again", "while it still stood".to_owned()));
    }
    over
}

fn lost(recovery: &Recovery) -> Vec<Fact> {
    let Some(cost) = &recovery.cost else { return Vec::new() };
    let number = |value: f64| show_number(value.round());
    let estimated = if cost.estimated { ", estimated: a closed loop" } else { "" };
    vec![
        ("lost", format!("{} (excess {}{estimated})", number(cost.lost), number(cost.excess))),
        ("missing", format!("{} of what is usual", percent((1.0 - cost.resilience).max(0.0)))),
        ("budget", percent(cost.budget)),
        (
            "peak burn",
            format!("{}x over 5 s, {}x over 1 min", number(cost.burn[0]), number(cost.burn[1])),
        ),
        ("latency debt", format!("{} s ({} a call)", show_number(cost.debt), time(cost.wait))),
    ]
}

fn after(recovery: &Recovery) -> Vec<Fact> {
    let mut after = Vec::new();
    if let Some(drain) = &recovery.drain {
        let took = drain
            .took
            .map_or_else(|| format!("> {}", time(recovery.tail)), |took| exact(recovery, took));
        let ideal = drain.ideal.map_or_else(|| "never".to_owned(), time);
        after.push(("drain", format!("{} calls in {took} (ideal {ideal})", drain.calls)));
    }
    after.extend(recovery.overshoot.map(|most| ("overshoot", format!("{most:.1}x"))));
    let parts = [&recovery.baseline, &recovery.fault, &recovery.after];
    let attempts = parts.map(|part| part.attempts.map_or("-".to_owned(), |n| format!("{n:.1}")));
    after.push(("calls an iteration", attempts.join(" -> ")));
    let connects = parts.map(|part| part.connects.to_string()).join(" -> ");
    after.push(("connections opened", connects));
    let storm = recovery.fault.connects_peak.max(recovery.after.connects_peak);
    if storm > 0 {
        after.push(("connection storm", format!("{storm}/s")));
    }
    after
}

fn time(seconds: f64) -> String {
    if seconds == 0.0 {
        return "0 s".to_owned();
    }
    show_duration(std::time::Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or_default())
}
