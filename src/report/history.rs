//! How runs of a script followed each other: the list, and where its figures are going.
//!
//! Trends are of VALID runs only: the others say nothing about the target.

use std::collections::BTreeMap;
use std::io::{self, Write};

use anstyle::AnsiColor;

use super::figures::{moment, named, percent, seconds, time};
use super::html;
use super::table::table;
use super::text::Ink;
use crate::history::{Entry, Operation};
use crate::outcome::Namesakes;
use crate::units::show_number;

pub use html::history as page;

/// Most operations with a trend of their own.
const MOST_OPERATIONS: usize = 8;
/// Most runs of a drawn trend; a terminal is only so wide.
const MOST_DRAWN: usize = 60;

/// A figure over the runs.
pub struct Trend {
    /// What it is.
    pub name: String,
    /// What it is counted in.
    pub sort: Sort,
    /// Its value in each VALID run, the oldest first; `None` where the run has none.
    pub values: Vec<Option<f64>>,
}

/// What a figure is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// Nanoseconds.
    Time,
    /// A number.
    Number,
    /// A share of a whole.
    Share,
}

impl Sort {
    fn show(self, value: f64) -> String {
        match self {
            Self::Time => time(value as u64),
            Self::Number => show_number(value),
            Self::Share => percent(value),
        }
    }
}

/// Writes one line a script.
pub fn overview(
    scripts: &BTreeMap<String, Vec<Entry>>,
    ink: Ink,
    out: &mut dyn Write,
) -> io::Result<()> {
    let heads = ["", "runs", "last run (UTC)", "", "", "p95", ""].map(String::from);
    let rows = scripts.iter().filter_map(|(script, entries)| {
        let last = entries.last()?;
        let [said, graded] = verdict(last, ink);
        let p95 = last.response.p95.map_or("-".to_owned(), |p95| time(p95.cast_unsigned()));
        let trend = trends(entries).into_iter().next();
        let drawn = trend.map_or_else(String::new, |trend| drawn(&trend.values, ink.width));
        let count = entries.len().to_string();
        Some(vec![script.clone(), count, moment(&last.started), said, graded, p95, drawn])
    });
    table(
        ink,
        out,
        "history: response times of VALID runs, the latest on the right",
        &heads,
        rows.collect(),
        7,
    )
}

/// Writes the runs of one script, and how its figures went.
pub fn runs(script: &str, entries: &[Entry], ink: Ink, out: &mut dyn Write) -> io::Result<()> {
    let valid = entries.iter().filter(|entry| entry.is_valid()).count();
    let plural = if entries.len() == 1 { "" } else { "s" };
    writeln!(out, "\n{script}  {} run{plural}, {valid} VALID", entries.len())?;
    let heads = [
        "started (UTC)",
        "",
        "",
        "held",
        "length",
        "iterations/s",
        "calls",
        "failed",
        "p50",
        "p95",
        "p99",
        "changed before it",
    ];
    let rows = entries.iter().enumerate().map(|(at, entry)| {
        let before = at.checked_sub(1).and_then(|before| entries.get(before));
        let changed = before.map(|before| entry.changes(before).join(", ")).unwrap_or_default();
        [moment(&entry.started)]
            .into_iter()
            .chain(verdict(entry, ink))
            .chain(figures(entry))
            .chain([changed])
            .collect()
    });
    table(ink, out, "runs", &heads.map(String::from), rows.collect(), 3)?;
    let rows = trends(entries).into_iter().filter_map(|trend| {
        let values = || trend.values.iter().flatten().copied();
        let (least, most) = values().reduce(f64::min).zip(values().reduce(f64::max))?;
        let last = trend.values.last().copied().flatten();
        let shown = [last, Some(least), Some(most)]
            .map(|value| value.map_or("-".to_owned(), |value| trend.sort.show(value)));
        let drawn = drawn(&trend.values, ink.width);
        Some([trend.name, drawn].into_iter().chain(shown).collect())
    });
    let heads = ["", "", "last", "least", "most"].map(String::from);
    table(ink, out, "VALID runs, the latest on the right", &heads, rows.collect(), 2)
}

fn verdict(entry: &Entry, ink: Ink) -> [String; 2] {
    let colour = |good: bool| if good { AnsiColor::Green } else { AnsiColor::Red };
    let graded = match entry.grade.as_deref() {
        None => String::new(),
        Some(grade) if !entry.is_valid() => format!("({grade})"),
        Some(grade) => ink.paint(colour(entry.exit == 0), grade),
    };
    [ink.paint(colour(entry.is_valid()), &entry.verdict), graded]
}

/// What a run comes to, from the limits that held to its times.
pub fn figures(entry: &Entry) -> [String; 8] {
    let timed =
        |value: Option<i64>| value.map_or("-".to_owned(), |value| time(value.cast_unsigned()));
    [
        format!("{} of {}", entry.held, entry.thresholds),
        seconds(entry.elapsed),
        format!("{:.1}", entry.per_second),
        entry.calls.to_string(),
        entry.failed_share().map_or("-".to_owned(), percent),
        timed(entry.response.p50),
        timed(entry.response.p95),
        timed(entry.response.p99),
    ]
}

/// What is followed over the VALID runs: the whole first, then each operation.
pub fn trends(entries: &[Entry]) -> Vec<Trend> {
    let valid: Vec<&Entry> = entries.iter().filter(|entry| entry.is_valid()).collect();
    let of = |name: &str, sort, value: &dyn Fn(&Entry) -> Option<f64>| Trend {
        name: name.to_owned(),
        sort,
        values: valid.iter().map(|entry| value(entry)).collect(),
    };
    let ns = |value: Option<i64>| value.map(|value| value as f64);
    let mut trends = vec![
        of("response p95", Sort::Time, &|entry| ns(entry.response.p95)),
        of("response p99", Sort::Time, &|entry| ns(entry.response.p99)),
        of("iterations a second", Sort::Number, &|entry| Some(entry.per_second)),
        of("calls failed", Sort::Share, &Entry::failed_share),
    ];
    let latest = valid.last().map(|entry| entry.operations.as_slice()).unwrap_or_default();
    let mut busiest: Vec<&Operation> = latest.iter().collect();
    busiest.sort_by_key(|operation| std::cmp::Reverse(operation.calls));
    let namesakes = Namesakes::among(latest.iter().map(|o| (&*o.metric, &*o.name)));
    let several = latest.iter().any(|operation| operation.scenario != latest[0].scenario);
    trends.extend(busiest.into_iter().take(MOST_OPERATIONS).map(|operation| {
        let label = namesakes.tell(&operation.metric, &operation.name);
        let label = named(several, &operation.scenario, &label);
        of(&format!("{label} p95"), Sort::Time, &|entry| {
            let key = |operation: &Operation| {
                (operation.scenario.clone(), operation.metric.clone(), operation.name.clone())
            };
            let own = entry.operations.iter().find(|other| key(other) == key(operation));
            own.and_then(|own| ns(own.times.p95))
        })
    }));
    trends
}

/// A figure as a row of bars from nothing to its largest value; only the latest where there are
/// too many for a line so wide.
fn drawn(values: &[Option<f64>], width: Option<usize>) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = width.map_or(MOST_DRAWN, |width| (width / 3).clamp(1, MOST_DRAWN));
    let shown = &values[values.len().saturating_sub(most)..];
    let most = shown.iter().flatten().copied().fold(0.0, f64::max);
    let bar = |value: &Option<f64>| match value {
        None => ' ',
        Some(value) if most > 0.0 => BARS[((value / most * 8.0).ceil() as usize).clamp(1, 8) - 1],
        Some(_) => BARS[0],
    };
    shown.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trend_is_drawn_from_nothing_to_its_largest_value() {
        let values = [Some(1.0), Some(4.0), None, Some(8.0), Some(0.0)];
        assert_eq!(drawn(&values, None), "▁▄ █▁");
        assert_eq!(drawn(&[Some(0.0), Some(0.0)], Some(80)), "▁▁");
        assert_eq!(drawn(&[], None), "");
        let many = vec![Some(1.0); 100];
        assert_eq!(drawn(&many, None).chars().count(), MOST_DRAWN);
        assert_eq!(drawn(&many, Some(42)).chars().count(), 14);
    }
}
