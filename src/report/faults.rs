//! What was broken, and what that did, as the summary shows it.

use std::io::{self, Write};

use anstyle::AnsiColor;

use super::figures::percent;
use super::text::Ink;
use crate::outcome::{Absence, FaultOutcome, Outcome};
use crate::recovery::{Phase, Recovery, Verdict};
use crate::units::{Bytes, show_duration, show_number};

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
    let FaultOutcome { name, on, what, .. } = fault;
    writeln!(
        out,
        "  {name}  {}: {what} on {on}, for {} from {}",
        verdict(fault, ink),
        time(fault.lasts),
        time(fault.at)
    )?;
    if let Some(why) = &fault.unclean {
        writeln!(out, "    {}", ink.paint(AnsiColor::Red, format!("may still be there: {why}")))?;
    }
    let Some(injected) = fault.injected else {
        return writeln!(out, "    never began: the load ended before");
    };
    let (from, stood) = (time(injected), time(fault.cleared - injected));
    let did = fault.effect.clone().unwrap_or_else(|| touched(fault));
    writeln!(out, "    in force at {from} for {stood}; {did}")?;
    if let Some(process) = &fault.process {
        absence(process, out)?;
    }
    match &fault.recovery {
        Some(recovery) => told(recovery, out),
        None => writeln!(out, "    nothing is known of the calls"),
    }
}

fn touched(fault: &FaultOutcome) -> String {
    let FaultOutcome { touched, eligible, bytes, .. } = fault;
    format!("touched {touched} of {eligible} connections, {}", Bytes(*bytes))
}

/// When a process was back, and when it answered: two times.
fn absence(process: &Absence, out: &mut dyn Write) -> io::Result<()> {
    let since = |at: Option<f64>| match at {
        Some(at) => format!("{} (after {})", time(at), time(at - process.away)),
        None => "never".to_owned(),
    };
    let (away, back, ready) = (time(process.away), since(process.back), since(process.ready));
    writeln!(out, "    process away at {away}, back at {back}, ready at {ready}")
}

fn verdict(fault: &FaultOutcome, ink: Ink) -> String {
    if fault.injected.is_some() && fault.no_effect() {
        return ink.paint(AnsiColor::Red, "no_effect");
    }
    match fault.recovery.as_ref().map(|recovery| recovery.verdict) {
        Some(verdict @ (Verdict::Tolerated | Verdict::Recovered)) => {
            ink.paint(AnsiColor::Green, verdict)
        }
        Some(verdict) => ink.paint(AnsiColor::Red, verdict),
        None => ink.paint(AnsiColor::Yellow, "unknown"),
    }
}

fn told(recovery: &Recovery, out: &mut dyn Write) -> io::Result<()> {
    for (name, phase) in
        [("baseline", recovery.baseline), ("fault", recovery.fault), ("after", recovery.after)]
    {
        row(name, phase, out)?;
    }
    if recovery.verdict == Verdict::NoBaseline {
        let hint = "let the load run for longer, evenly, before the first fault";
        return writeln!(out, "    too little is known of what is normal; {hint}");
    }
    let within = |seconds: Option<f64>| match seconds {
        Some(seconds) => format!("{} +-{}", time(seconds), time(recovery.resolution)),
        None => "not seen".to_owned(),
    };
    let late = |seconds: Option<f64>| match (seconds, recovery.verdict) {
        (Some(_), _) => within(seconds),
        (None, Verdict::Tolerated) => "-".to_owned(),
        (None, _) => format!("> {}", time(recovery.tail)),
    };
    writeln!(
        out,
        "    detect {}  recover {}  settle {}  relapses {}{}",
        within(recovery.detect),
        late(recovery.recover),
        late(recovery.settle),
        recovery.relapses,
        if recovery.during { "  (good again while it stood)" } else { "" },
    )?;
    writeln!(
        out,
        "    lost {} (excess {})  {} of a month's budget at 99.9 %  latency debt {} s",
        recovery.lost,
        show_number(recovery.excess.round()),
        percent(recovery.budget),
        show_number(recovery.debt),
    )
}

fn row(name: &str, phase: Phase, out: &mut dyn Write) -> io::Result<()> {
    let failed = phase.failed as f64 / phase.calls.max(1) as f64;
    writeln!(
        out,
        "    {name:8}  {:>8}  {:>8} calls  {:>8} failed  p50 {:>8}  p99 {:>8}",
        time(phase.seconds),
        phase.calls,
        percent(failed),
        time(phase.p50),
        time(phase.p99),
    )
}

fn time(seconds: f64) -> String {
    show_duration(std::time::Duration::from_secs_f64(seconds.max(0.0)))
}
