//! Every series second by second, one row each: what a spreadsheet or a data frame takes in.
//!
//! A column that says nothing about a kind of metric is empty there. Times are in milliseconds,
//! sizes in bytes. Throughput (`ended`) stands in the second a sample ended in; `p50` to `max`
//! speak of the `begun` samples that were meant to start in that second, as on the charts. `phase`
//! is there in a run in which something was broken.

use std::io::{self, Write};
use std::time::Duration;

use csv::Writer;

use crate::metric::{Reading, Unit};
use crate::outcome::{Outcome, SeriesOutcome};

const COLUMNS: [&str; 17] = [
    "second", "metric", "kind", "unit", "scenario", "name", "tags", "value", "hits", "total",
    "ended", "begun", "p50", "p95", "p99", "max", "phase",
];

/// Writes every point of `outcome`, series by series.
pub fn write(outcome: &Outcome, out: &mut dyn Write) -> io::Result<()> {
    let mut rows = Writer::from_writer(out);
    rows.write_record(COLUMNS)?;
    for series in &outcome.series {
        let named = named(series);
        for point in &series.points {
            let second = point.second.to_string();
            let cells = named.iter().cloned().chain(reading(series.unit, &point.reading));
            let phase = phase(outcome, point.second);
            rows.write_record([second].into_iter().chain(cells).chain([phase]))?;
        }
    }
    rows.flush()
}

/// The phase in which a second begins, with the faults it is of: `recovery dead`.
fn phase(outcome: &Outcome, second: u32) -> String {
    let at = Duration::from_secs(u64::from(second));
    let begun = outcome.phases.iter().rev().find(|edge| edge.at <= at);
    let told = begun.map(|edge| {
        let faults = edge.phase.faults.iter().map(|fault| format!(" {fault}"));
        edge.phase.stage.to_string() + &faults.collect::<String>()
    });
    told.unwrap_or_default()
}

/// The cells that are the same in every row of a series.
fn named(series: &SeriesOutcome) -> [String; 6] {
    let tag = |key| series.tags.find(key).unwrap_or_default().to_owned();
    let other = series.tags.iter().filter(|(key, _)| !["scenario", "name"].contains(key));
    let other: Vec<_> = other.map(|(key, value)| format!("{key}={value}")).collect();
    [
        series.metric.clone(),
        series.kind.name().to_owned(),
        unit(series.unit).to_owned(),
        tag("scenario"),
        tag("name"),
        other.join(" "),
    ]
}

fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Time => "ms",
        Unit::Bytes => "bytes",
        Unit::Number | Unit::Share => "",
    }
}

fn reading(unit: Unit, reading: &Reading) -> [String; 9] {
    let mut cells: [String; 9] = Default::default();
    let shown = |value: f64| match unit {
        Unit::Time => value / 1e6,
        Unit::Bytes | Unit::Number | Unit::Share => value,
    };
    match reading {
        Reading::Counter(value) | Reading::Gauge(value) => cells[0] = shown(*value).to_string(),
        Reading::Rate { hits, total } => {
            (cells[1], cells[2]) = (hits.to_string(), total.to_string());
        }
        Reading::Trend { ended, begun, p50, p95, p99, max } => {
            (cells[3], cells[4]) = (ended.to_string(), begun.to_string());
            // Nothing that was meant to start then: there is no value to show.
            if *begun > 0 {
                let values = [p50, p95, p99, max].map(|raw| shown(unit.value(*raw)).to_string());
                cells[5..].clone_from_slice(&values);
            }
        }
    }
    cells
}
