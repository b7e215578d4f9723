//! Markdown for a pull request: the verdict, the thresholds, the table, and what went wrong.
//!
//! Everything that comes from a script or a target stands in a code span, where nothing is
//! markup, nobody is mentioned and no address becomes a link.

use std::io::{self, Write};

use super::faults as told;
use super::figures::{self, percent, seconds, time};
use super::{calls, processes};
use crate::outcome::{Namesakes, Outcome, RunVerdict, ScenarioOutcome, Verdict, operations};

/// Most rows of a list of troubles; a comment on a pull request has a limit.
const MOST_ROWS: usize = 50;

/// Writes the summary of `outcome`.
pub fn write(outcome: &Outcome, out: &mut dyn Write) -> io::Result<()> {
    headline(outcome, out)?;
    thresholds(outcome, out)?;
    operations(outcome, out)?;
    load(outcome, out)?;
    faults(outcome, out)?;
    checks(outcome, out)?;
    processes(outcome, out)?;
    troubles(outcome, out)
}

fn headline(outcome: &Outcome, out: &mut dyn Write) -> io::Result<()> {
    let run = &outcome.run;
    let mark = if outcome.exit == 0 { "✅" } else { "❌" };
    let grade = match outcome.grade {
        None => "no thresholds".to_owned(),
        Some(grade) if outcome.verdict != RunVerdict::Valid => format!("thresholds: {grade}"),
        Some(grade) => format!("**{grade}**"),
    };
    writeln!(out, "### {mark} {}: **{}**, {grade}\n", code(&run.name), outcome.verdict)?;
    for reason in &outcome.reasons {
        writeln!(out, "> **{}**: {}\n", reason.verdict, code(&reason.cause))?;
    }
    for warning in &outcome.warnings {
        writeln!(out, "> **warning**: {}\n", code(warning))?;
    }
    let (elapsed, workers, seed) = (seconds(run.elapsed), run.workers, run.seed);
    let (cpus, version) = (outcome.environment.cpus, &outcome.loadrun);
    writeln!(
        out,
        "{elapsed} from {}, {workers} workers on {cpus} processors, seed {seed}, loadrun {version}",
        run.started
    )
}

fn thresholds(outcome: &Outcome, out: &mut dyn Write) -> io::Result<()> {
    let rows: Vec<_> = outcome.thresholds.iter().map(threshold).collect();
    table(out, &["", "threshold", "measured:", "goal"], &rows)
}

fn threshold(verdict: &Verdict) -> Vec<String> {
    let held = match (verdict.limit_held, verdict.critical) {
        (true, _) => "held",
        (false, false) => "**missed**",
        (false, true) => "**missed, critical**",
    };
    let goal = match verdict.goal_held {
        None => "",
        Some(true) => "held",
        Some(false) => "missed",
    };
    let shown = verdict.shown.clone().unwrap_or_else(|| "matched no sample".to_owned());
    vec![held.to_owned(), code(&verdict.threshold), shown, goal.to_owned()]
}

fn operations(outcome: &Outcome, out: &mut dyn Write) -> io::Result<()> {
    let heads = ["operation", "count:", "per s:", "failed:", "p50:", "p95:", "p99:", "max:"];
    let operations = operations::of(outcome);
    let waited = calls::waited(&operations);
    let heads: Vec<_> =
        heads.into_iter().chain(calls::WAITED.into_iter().filter(|_| waited)).collect();
    let several = operations.iter().any(|o| o.scenario != operations[0].scenario);
    let rows = operations.iter().map(|operation| {
        let name = code(&operation.label);
        let name = if several && !operation.scenario.is_empty() {
            format!("{} {name}", code(&operation.scenario))
        } else {
            name
        };
        let mut row = vec![
            name,
            operation.count().to_string(),
            format!("{:.1}", operation.per_second),
            percent(operation.failed_share()),
        ];
        row.extend([0.5, 0.95, 0.99].map(|q| time(operation.times.quantile(q))));
        row.push(time(operation.times.max()));
        row.extend(calls::waits(operation).into_iter().filter(|_| waited));
        row
    });
    table(out, &heads, &rows.collect::<Vec<_>>())
}

fn load(outcome: &Outcome, out: &mut dyn Write) -> io::Result<()> {
    let heads =
        ["scenario", "offered:", "started:", "finished:", "dropped:", "unfinished:", "lag p99:"];
    let rows = outcome.scenarios.iter().map(|scenario| load_row(outcome, scenario));
    table(out, &heads, &rows.collect::<Vec<_>>())?;
    let closed: Vec<_> =
        outcome.scenarios.iter().filter(|s| s.closed).map(|s| code(&s.name)).collect();
    if !closed.is_empty() {
        let names = closed.join(", ");
        writeln!(out, "\n{names}: closed loop: not corrected for coordinated omission")?;
    }
    Ok(())
}

fn load_row(outcome: &Outcome, scenario: &ScenarioOutcome) -> Vec<String> {
    let lag = figures::trend(outcome, "iteration.lag", scenario);
    let counts = [
        scenario.offered,
        scenario.started,
        scenario.finished,
        scenario.dropped,
        scenario.unfinished,
    ];
    let mut row = vec![code(&scenario.name)];
    row.extend(counts.map(|count| count.to_string()));
    row.push(if lag.is_empty() { "-".to_owned() } else { time(lag.quantile(0.99)) });
    row
}

fn faults(outcome: &Outcome, out: &mut dyn Write) -> io::Result<()> {
    const SHOWN: [&str; 6] =
        ["success while it stood", "detect", "recover", "settle", "lost", "budget"];
    let rows = outcome.faults.iter().map(|fault| {
        let groups = fault.recovery.as_ref().map(told::facts).unwrap_or_default();
        let facts: Vec<_> = groups.into_iter().flatten().collect();
        let find = |name: &str| facts.iter().find(|(known, _)| *known == name);
        let shown = SHOWN.map(|name| find(name).map_or("-".to_owned(), |(_, value)| value.clone()));
        let verdict = told::verdict(fault);
        let verdict =
            if told::is_well(fault) == Some(true) { verdict } else { format!("**{verdict}**") };
        let named = [code(&fault.name), code(&told::what(fault)), verdict];
        named.into_iter().chain(shown).collect()
    });
    let heads = [
        "fault", "what", "verdict", "success:", "detect:", "recover:", "settle:", "lost:",
        "budget:",
    ];
    table(out, &heads, &rows.collect::<Vec<_>>())
}

fn checks(outcome: &Outcome, out: &mut dyn Write) -> io::Result<()> {
    let rows = figures::checks(outcome).into_iter().map(|check| {
        let held = if check.failed == 0 { "held" } else { "**failed**" };
        let count = format!("{} of {}", check.of - check.failed, check.of);
        vec![held.to_owned(), code(check.name), count]
    });
    table(out, &["", "check", "held:"], &rows.collect::<Vec<_>>())
}

fn processes(outcome: &Outcome, out: &mut dyn Write) -> io::Result<()> {
    let rows = processes::of(outcome).into_iter().map(|process| {
        let mut row = process.cells();
        row[0] = code(&row[0]);
        if process.leaks()
            && let Some(course) = row.last_mut()
        {
            *course = format!("**{course}**");
        }
        row
    });
    table(out, &processes::HEADS, &rows.collect::<Vec<_>>())
}

fn troubles(outcome: &Outcome, out: &mut dyn Write) -> io::Result<()> {
    let namesakes = Namesakes::of(outcome);
    let failures = outcome.failures.iter().map(|failure| {
        let count = failure.count.to_string();
        let name = namesakes.tell(&failure.metric, &failure.name);
        vec![code(&name), code(&failure.kind), count, code(&failure.detail)]
    });
    table(out, &["failed", "kind", "times:", "for example"], &failures.collect::<Vec<_>>())?;
    let errors = outcome.script_errors.iter().map(|error| {
        let place = error.place.as_ref().map_or_else(String::new, |place| code(&place.to_string()));
        vec![code(&error.message), place, error.count.to_string()]
    });
    table(out, &["script error", "at", "iterations:"], &errors.collect::<Vec<_>>())?;
    let ledgers = outcome.ledgers.iter().map(|(name, balance)| {
        let counts = [balance.acked, balance.landed, balance.lost, balance.duplicated];
        [code(name)].into_iter().chain(counts.map(|count| count.to_string())).collect()
    });
    table(
        out,
        &["ledger", "acknowledged:", "landed:", "lost:", "duplicated:"],
        &ledgers.collect::<Vec<_>>(),
    )
}

/// A table, or nothing when it has no rows; a head that ends in a colon is of a column of figures.
pub fn table(out: &mut dyn Write, heads: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = heads.iter().map(|head| head.trim_end_matches(':')).collect();
    let lines: Vec<_> =
        heads.iter().map(|head| if head.ends_with(':') { "---:" } else { "---" }).collect();
    writeln!(out, "\n| {} |\n| {} |", names.join(" | "), lines.join(" | "))?;
    for row in rows.iter().take(MOST_ROWS) {
        writeln!(out, "| {} |", row.join(" | "))?;
    }
    match rows.len().saturating_sub(MOST_ROWS) {
        0 => Ok(()),
        more => writeln!(out, "\nand {more} more"),
    }
}

/// A text as a code span on one line, in a table or out of one. Its fence is longer than any run
/// of backticks in it, and a bar is escaped, which a table takes as a bar.
pub fn code(text: &str) -> String {
    let mut line = String::new();
    let mut longest = 0;
    let mut run = 0;
    for c in text.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
        match c {
            // Behind a backslash a bar cannot be escaped; a space between them is no lie.
            '|' if line.ends_with('\\') => line.push_str(" \\|"),
            '|' => line.push_str("\\|"),
            c if c.is_control() => line.push(' '),
            c => line.push(c),
        }
    }
    let fence = "`".repeat(longest + 1);
    let edge = if longest > 0 || line.trim().is_empty() { " " } else { "" };
    format!("{fence}{edge}{line}{edge}{fence}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_text_holds_it_stays_one_code_span() {
        for (text, expected) in [
            ("item", "`item`"),
            ("a|b", r"`a\|b`"),
            (r"a\|b", r"`a\ \|b`"),
            ("two\nlines", "`two lines`"),
            ("`tick`", "`` `tick` ``"),
            ("``", "``` `` ```"),
            ("", "`  `"),
            ("<script>@team</script>", "`<script>@team</script>`"),
        ] {
            assert_eq!(code(text), expected);
        }
    }

    #[test]
    fn a_long_list_is_cut_and_says_so() {
        let rows: Vec<_> = (0..60).map(|n| vec![n.to_string()]).collect();
        let mut out = Vec::new();
        table(&mut out, &["n"], &rows).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.ends_with("| 49 |\n\nand 10 more\n"), "{text}");
    }
}
