//! The page of a history: for each script its figures run by run, and the runs as a table.

use std::collections::BTreeMap;
use std::io::{self, Write};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::{Markup, html};

use super::cells::{state, table};
use super::plot::{Axis, Chart, Line, Scale};
use super::{section, shell};
use crate::history::Entry;
use crate::report::figures::moment;
use crate::report::history::{Sort, Trend, figures, trends};

/// Most labels under a chart.
const MOST_TICKS: usize = 5;

/// Writes the page of the runs of each script, the oldest first.
pub fn write(scripts: &BTreeMap<String, Vec<Entry>>, out: &mut dyn Write) -> io::Result<()> {
    let runs: usize = scripts.values().map(Vec::len).sum();
    let title = match scripts.keys().next() {
        Some(only) if scripts.len() == 1 => format!("History of {only}"),
        _ => "History".to_owned(),
    };
    let body = html! {
        header {
            p.over { "runs: " (runs) ", scripts: " (scripts.len()) }
            h1 { (title) }
        }
        main {
            @for (n, (script, entries)) in scripts.iter().enumerate() {
                (section(&format!("script-{n}"), script, &html! {
                    (charts(entries))
                    (runs_table(entries))
                }))
            }
        }
    };
    writeln!(out, "{}", shell(&title, env!("CARGO_PKG_VERSION"), &body).into_string())
}

fn charts(entries: &[Entry]) -> Markup {
    let valid: Vec<&Entry> = entries.iter().filter(|entry| entry.is_valid()).collect();
    let left_out = entries.len() - valid.len();
    let axis = axis(&valid);
    let trends =
        trends(entries).into_iter().filter(|trend| trend.values.iter().any(Option::is_some));
    html! {
        @if left_out > 0 {
            p.note { "Charts leave out what is not VALID, runs: " (left_out) "." }
        }
        // One run is no trend.
        @if valid.len() > 1 {
            div.charts.runs {
                @for trend in trends {
                    (drawn(trend, &axis))
                }
            }
        }
    }
}

fn drawn(trend: Trend, axis: &Axis) -> Markup {
    let scale = match trend.sort {
        Sort::Time => Scale::Time,
        Sort::Number => Scale::Number,
        Sort::Share => Scale::Share,
    };
    let name = trend.name.clone();
    let lines = vec![Line { name, look: "c1".to_owned(), values: trend.values }];
    Chart { title: trend.name, note: String::new(), scale, lines }.draw(axis, false)
}

/// One place a run, evenly: what happened between two runs is not what is asked.
fn axis(valid: &[&Entry]) -> Axis {
    let last = valid.len().saturating_sub(1).max(1) as f64;
    let every = valid.len().div_ceil(MOST_TICKS).max(1);
    let marked: Vec<_> = valid.iter().enumerate().step_by(every).collect();
    let before = [None].into_iter().chain(marked.iter().map(|(_, entry)| Some(*entry)));
    let minute = |entry: &Entry| entry.started.get(..16).map(str::to_owned);
    let close = marked.windows(2).any(|two| minute(two[0].1) == minute(two[1].1));
    let ticks = marked.iter().zip(before);
    Axis {
        places: (0..valid.len()).map(|n| n as f64 / last).collect(),
        names: valid.iter().map(|entry| moment(&entry.started)).collect(),
        ticks: ticks
            .map(|((n, entry), before)| {
                let before = before.map(|before| before.started.as_str());
                (*n as f64 / last, label(&entry.started, before, close))
            })
            .collect(),
        bands: Vec::new(),
        marks: Vec::new(),
    }
}

/// The day of a run, or its time where the label before it has its day: to the second where runs
/// are `close`.
fn label(started: &str, before: Option<&str>, close: bool) -> String {
    let parsed = |started: &str| Some(started.parse::<Timestamp>().ok()?.to_zoned(TimeZone::UTC));
    let Some(now) = parsed(started) else { return moment(started) };
    let same_day = before.and_then(parsed).is_some_and(|before| before.date() == now.date());
    let form = match (same_day, close) {
        (false, _) => "%-d %b",
        (true, false) => "%H:%M",
        (true, true) => "%H:%M:%S",
    };
    now.strftime(form).to_string()
}

fn runs_table(entries: &[Entry]) -> Markup {
    let heads = [
        "started (UTC)",
        "",
        "grade",
        "held:",
        "length:",
        "iterations/s:",
        "calls:",
        "failed:",
        "p50:",
        "p95:",
        "p99:",
        "changed before it",
    ];
    let rows = entries.iter().enumerate().rev().map(|(at, entry)| {
        let before = at.checked_sub(1).and_then(|before| entries.get(before));
        let changed = before.map(|before| entry.changes(before).join(", ")).unwrap_or_default();
        let grade = entry.grade.as_deref().unwrap_or_default();
        let mut row = vec![
            html! { (moment(&entry.started)) },
            state(entry.is_valid(), &entry.verdict),
            html! { @if entry.exit == 0 { (grade) } @else { span.bad { (grade) } } },
        ];
        row.extend(figures(entry).into_iter().map(|figure| html! { (figure) }));
        row.push(html! { (changed) });
        row
    });
    table("operations", &heads, rows.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_tells_the_day_and_then_the_times_of_that_day() {
        let days = ["2026-11-25T22:54:59.1Z", "2026-11-26T00:06:50Z", "2026-11-26T14:00:00Z"];
        let told = [
            label(days[0], None, false),
            label(days[1], Some(days[0]), true),
            label(days[2], Some(days[1]), false),
            label(days[2], Some(days[1]), true),
            label("some day", None, false),
        ];
        assert_eq!(told, ["25 Nov", "26 Nov", "14:00", "14:00:00", "some day"]);
    }
}
