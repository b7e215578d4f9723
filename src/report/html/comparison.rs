//! The page of a comparison: what changed, by how much and how surely, with both sides in one
//! picture. Of several runs a side shows, second by second, the median.

use std::io::{self, Write};

use maud::{Markup, html};

use super::cells::{plain, table};
use super::clock::{Clock, percentile};
use super::plot::{Axis, Chart, Line, Scale};
use super::{percentiles, section, shell};
use crate::compare::Scale as Counted;
use crate::compare::{Comparison, Control, Finding, OperationChange, Row};
use crate::metric::{Distribution, Merge, Point, Reading, Total, Unit};
use crate::outcome::{Outcome, operations};
use crate::report::comparison::{calls, change, interval, next, runs, said, subject, told, values};
use crate::report::figures::{moment, seconds, time};

/// Most operations with charts of their own; the tables have all.
const MOST_DRAWN: usize = 12;

/// How many times as far as the middle one of its rows an interval may reach and be drawn whole.
const MOST_OF_MIDDLE: f64 = 4.0;
/// How many times as far as what is tolerated it may, however near the others are.
const MOST_TOLERATED: f64 = 10.0;

/// The names of the two sides, and the look of their lines.
const SIDES: [(&str, &str); 2] = [("base", "base"), ("now", "c1")];

/// Writes the page of a comparison of `sides`, base and now.
pub fn write(
    comparison: &Comparison,
    control: Option<&Control>,
    sides: [&[Outcome]; 2],
    out: &mut dyn Write,
) -> io::Result<()> {
    let verdict = comparison.verdict.to_string().to_uppercase();
    let name = comparison.now.first().map_or("comparison", |run| &run.name);
    let compared = comparison.operations.iter().filter(|operation| operation.why.is_none());
    let left_out: Vec<_> =
        comparison.operations.iter().filter(|operation| operation.why.is_some()).collect();
    let body = html! {
        (head(comparison, control, name, &verdict))
        main {
            @for (n, operation) in compared.enumerate() {
                (section(&format!("operation-{n}"), &subject(operation), &html! {
                    p.note { (calls(operation)) }
                    (rows(operation, comparison.limit))
                    @if n < MOST_DRAWN { (overlaid(operation, sides)) }
                }))
            }
            (section("left-out", "Not compared", &not_compared(&left_out)))
            (section("runs", "Runs", &run_table(sides)))
        }
    };
    writeln!(
        out,
        "{}",
        shell(&format!("{name} {verdict}"), env!("CARGO_PKG_VERSION"), &body).into_string()
    )
}

fn head(comparison: &Comparison, control: Option<&Control>, name: &str, verdict: &str) -> Markup {
    let look = match comparison.verdict {
        Finding::Improved | Finding::Unchanged | Finding::NotWorse => "good",
        Finding::Inconclusive => "unsure",
        Finding::Regressed => "bad",
    };
    html! {
        header {
            p.over { "comparison: " (runs(comparison)) }
            h1 { (name) }
            p.verdict.(look) { strong { (verdict) } " " span { (said(comparison)) } }
            @if let Some(next) = next(comparison) { p.note.after { "next: " (next) } }
            @if let Some(control) = control { p.note.after { (told(control)) } }
            @for target in &comparison.targets { p.note.after { "target: " (target) } }
            @if !comparison.overridden.is_empty() {
                ul.reasons {
                    @for difference in &comparison.overridden {
                        li { b { "compared anyway" } " " (difference) }
                    }
                }
            }
        }
    }
}

/// An operation's figures, each with its change and its interval, drawn too.
fn rows(operation: &OperationChange, limit: f64) -> Markup {
    let cells = operation.rows.iter().map(|row| {
        let [base, now] = values(row);
        vec![
            html! { (row.figure) },
            finding(row.finding),
            html! { (base) },
            html! { (now) },
            html! { (change(row)) },
            html! { (interval(row)) },
            bar(row, operation, limit),
        ]
    });
    let heads = ["figure", "", "base:", "now:", "change:", "95 % interval:", ""];
    table("thresholds changes", &heads, cells.collect())
}

fn finding(finding: Finding) -> Markup {
    match finding {
        Finding::Improved => html! { span.good { "✓ " (finding) } },
        Finding::Regressed => html! { span.bad { "✗ " (finding) } },
        Finding::Unchanged | Finding::NotWorse | Finding::Inconclusive => html! { (finding) },
    }
}

/// The interval of a change over the band that is tolerated; no change is in the middle.
fn bar(row: &Row, operation: &OperationChange, limit: f64) -> Markup {
    let alike = operation
        .rows
        .iter()
        .filter(|other| (other.scale == Counted::Share) == (row.scale == Counted::Share));
    let tolerated = match row.scale {
        Counted::Share => limit * row.base,
        Counted::Time | Counted::PerSecond => limit,
    };
    let most = scale(alike, tolerated);
    if most <= 0.0 {
        return html! {};
    }
    let at = |change: f64| format!("{:.1}", 50.0 + (change / most).clamp(-1.0, 1.0) * 49.0);
    let width = format!("{:.1}", tolerated / most * 98.0);
    let look = match row.finding {
        Finding::Improved => "good",
        Finding::Regressed => "bad",
        Finding::Unchanged | Finding::NotWorse | Finding::Inconclusive => "unsure",
    };
    let (low, high) = (row.low.unwrap_or(f64::NEG_INFINITY), row.high.unwrap_or(f64::INFINITY));
    // What goes on beyond the picture has an arrow there.
    let beyond = [(low < -most, "M4 1L1 5L4 9"), (high > most, "M96 1L99 5L96 9")];
    html! {
        svg.bar viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true" {
            rect.band x=(at(-tolerated)) y="0" width=(width) height="10" {}
            path.none d="M50 0V10" {}
            path.range.(look) d={ "M" (at(low)) " 5H" (at(high)) } {}
            @for (_, arrow) in beyond.iter().filter(|(beyond, _)| *beyond) {
                path.range.(look) d=(arrow) {}
            }
            @if row.change.abs() <= most {
                path.range.(look) d={ "M" (at(row.change)) " 1V9" } {}
            }
        }
    }
}

/// How far the bars of `rows` reach: as far as all of them do, but not so far for the sake of a few
/// that the others cannot be seen.
fn scale<'a>(rows: impl Iterator<Item = &'a Row>, tolerated: f64) -> f64 {
    let reach = |row: &Row| {
        let ends = [row.low, row.high, Some(row.change)].into_iter().flatten().map(f64::abs);
        ends.filter(|end| end.is_finite()).fold(0.0, f64::max)
    };
    let mut reaches: Vec<f64> = rows.map(reach).collect();
    reaches.sort_by(f64::total_cmp);
    let middle = reaches.get(reaches.len().saturating_sub(1) / 2).copied().unwrap_or(0.0);
    let bound = (MOST_OF_MIDDLE * middle).max(MOST_TOLERATED * tolerated);
    let shown = reaches.into_iter().filter(|reach| *reach <= bound);
    shown.fold(2.0 * tolerated, f64::max)
}

/// Both sides of an operation: by percentile, and over time.
fn overlaid(operation: &OperationChange, sides: [&[Outcome]; 2]) -> Markup {
    let times = sides.map(|side| {
        let mut merged = Distribution::new();
        for series in side.iter().flat_map(|outcome| totals(outcome, operation)) {
            merged.merge(series);
        }
        merged
    });
    let named: Vec<_> = SIDES
        .iter()
        .zip(&times)
        .map(|((name, look), times)| ((*name).to_owned(), (*look).to_owned(), times))
        .collect();
    html! {
        div.charts {
            (percentiles::drawn("Time by percentile", "Each step to the right is ten times rarer. A line ends at its largest value.", &named))
            (over_time(operation, sides))
        }
    }
}

fn over_time(operation: &OperationChange, sides: [&[Outcome]; 2]) -> Markup {
    let all: Vec<&Outcome> = sides.iter().flat_map(|side| side.iter()).collect();
    let Some((longest, clocks)) = Clock::among(&all) else { return html! {} };
    let axis = longest.axis();
    let clocks: [&[Clock]; 2] = clocks.split_at(sides[0].len()).into();
    let lines = |values: &dyn Fn(&Outcome, &Clock) -> Vec<Option<f64>>| {
        let lines = SIDES.iter().zip(sides).zip(clocks).map(|(((name, look), side), clocks)| {
            let each: Vec<_> =
                side.iter().zip(clocks).map(|(outcome, clock)| values(outcome, clock)).collect();
            let values = medians(&each, axis.places.len());
            Line { name: (*name).to_owned(), look: (*look).to_owned(), values }
        });
        lines.collect::<Vec<_>>()
    };
    let p95 = lines(&|outcome, clock| {
        clock.most(points(outcome, operation), percentile(Unit::Time, |_, p95, _| p95))
    });
    let ended = lines(&|outcome, clock| clock.rate(points(outcome, operation)));
    let counted = if operation.name.is_empty() { "Iterations" } else { "Calls" };
    let charts = [
        ("p95".to_owned(), Scale::Time, p95),
        (format!("{counted} a second"), Scale::Number, ended),
    ];
    html! { @for (title, scale, lines) in charts { (drawn(title, scale, lines, &axis)) } }
}

fn drawn(title: String, scale: Scale, lines: Vec<Line>, axis: &Axis) -> Markup {
    Chart { title, note: String::new(), scale, lines }.draw(axis, true)
}

/// The middle one of several runs' values, place by place; of a run that has ended there is none.
fn medians(runs: &[Vec<Option<f64>>], places: usize) -> Vec<Option<f64>> {
    let at = |place: usize| {
        let found = runs.iter().filter_map(|run| run.get(place).copied().flatten());
        let mut values: Vec<f64> = found.collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        match values.len() {
            0 => None,
            n if n % 2 == 1 => Some(values[middle]),
            _ => Some(f64::midpoint(values[middle - 1], values[middle])),
        }
    };
    (0..places).map(at).collect()
}

/// The series of an operation in a run.
fn own<'a>(
    outcome: &'a Outcome,
    operation: &'a OperationChange,
) -> impl Iterator<Item = &'a crate::outcome::SeriesOutcome> {
    outcome.series.iter().filter(move |series| {
        let tag = |key| series.tags.find(key).unwrap_or_default();
        series.metric == operation.metric
            && tag("scenario") == operation.scenario
            && tag("name") == operation.name
    })
}

fn points<'a>(
    outcome: &'a Outcome,
    operation: &'a OperationChange,
) -> impl Iterator<Item = &'a Point> {
    let trend = |point: &&Point| matches!(point.reading, Reading::Trend { .. });
    own(outcome, operation).flat_map(|series| &series.points).filter(trend)
}

fn totals<'a>(
    outcome: &'a Outcome,
    operation: &'a OperationChange,
) -> impl Iterator<Item = &'a Distribution> {
    own(outcome, operation).filter_map(|series| match &series.total {
        Total::Trend(times) => Some(times),
        Total::Counter(_) | Total::Gauge(_) | Total::Rate { .. } => None,
    })
}

fn not_compared(operations: &[&OperationChange]) -> Markup {
    let rows = operations.iter().map(|operation| {
        let why = operation.why.as_deref().unwrap_or_default();
        vec![plain(subject(operation)), plain(calls(operation)), html! { (why) }]
    });
    table("wide", &["operation", "calls", "why"], rows.collect())
}

fn run_table(sides: [&[Outcome]; 2]) -> Markup {
    let of_side = |((name, _), side): (&(&str, &str), &[Outcome])| -> Vec<Vec<Markup>> {
        let row = |outcome: &Outcome| {
            let run = &outcome.run;
            let responses = operations::responses(outcome);
            let quantile =
                |q| if responses.is_empty() { "-".to_owned() } else { time(responses.quantile(q)) };
            vec![
                html! { (moment(&run.started)) " UTC" },
                html! { (name) },
                html! { (outcome.verdict) },
                html! { (seconds(run.elapsed)) },
                html! { (quantile(0.5)) },
                html! { (quantile(0.95)) },
                html! { (quantile(0.99)) },
                html! { (run.workers) },
                html! { (run.seed) },
            ]
        };
        side.iter().map(row).collect()
    };
    let rows = SIDES.iter().zip(sides).flat_map(of_side);
    let heads = ["started", "side", "", "length:", "p50:", "p95:", "p99:", "workers:", "seed:"];
    table("operations", &heads, rows.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_interval_that_reaches_far_does_not_hide_the_others() {
        let row = |change: f64, low: f64, high: Option<f64>| Row {
            figure: "p50",
            scale: Counted::Time,
            base: 1e6,
            now: 1e6 * (1.0 + change),
            change,
            low: Some(low),
            high,
            worst: high,
            error: None,
            chance: 1.0,
            finding: Finding::Inconclusive,
        };
        let rows = vec![
            row(0.05, -0.2, Some(0.3)),
            row(0.02, -0.1, Some(0.4)),
            row(0.9, -0.5, Some(12.16)),
            row(0.1, 0.0, None),
        ];
        let most = scale(rows.iter(), 0.1);
        assert!((most - 0.4).abs() < 1e-9, "{most}");
        let operation = OperationChange {
            scenario: "shop".to_owned(),
            metric: "http.duration".to_owned(),
            name: "item".to_owned(),
            label: "item".to_owned(),
            calls: [100, 100],
            rows,
            finding: Finding::Inconclusive,
            why: None,
        };
        let drawn = |n: usize| bar(&operation.rows[n], &operation, 0.1).into_string();
        let (left, right) = ("M4 1L1 5L4 9", "M96 1L99 5L96 9");
        assert!(!drawn(0).contains(left) && !drawn(0).contains(right), "{}", drawn(0));
        assert!(drawn(2).contains(left) && drawn(2).contains(right), "{}", drawn(2));
        assert!(!drawn(3).contains(left) && drawn(3).contains(right), "{}", drawn(3));
        assert!(!drawn(2).contains("1V9") && drawn(1).contains("1V9"), "{}", drawn(2));
    }

    #[test]
    fn the_middle_of_several_runs_is_shown_as_long_as_one_goes_on() {
        let runs = [
            vec![Some(1.0), Some(4.0), None],
            vec![Some(3.0), Some(2.0)],
            vec![Some(9.0), None, None, Some(5.0)],
        ];
        assert_eq!(medians(&runs, 5), [Some(3.0), Some(3.0), None, Some(5.0), None]);
        assert_eq!(medians(&[], 1), [None]);
    }
}
