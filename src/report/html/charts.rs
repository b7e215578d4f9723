//! Which charts the page has, and the values of their lines.

use maud::{Markup, html};

use super::clock::{Clock, level, percentile, share};
use super::faults;
use super::plot::{Axis, Chart, Line, Scale};
use crate::metric::{Kind, Point, Total, Unit};
use crate::outcome::operations::{self, Operation};
use crate::outcome::{Outcome, ScenarioOutcome, SeriesOutcome};
use crate::report::figures;

/// Most lines of one chart that the eye still tells apart.
pub const MOST_LINES: usize = 8;
/// Most charts of one sort.
const MOST_CHARTS: usize = 8;

/// Everything over time.
pub fn over_time(outcome: &Outcome) -> Markup {
    let clock = Clock::of(outcome);
    let length = clock.length();
    let (bands, marks) = (faults::bands(outcome, length), faults::marks(outcome, length));
    let axis = Axis { bands, marks, ..clock.axis() };
    let charts = [
        vec![iterations(outcome, &clock)],
        responses(outcome, &clock),
        vec![
            operation_times(outcome, &clock),
            failures(outcome, &clock),
            by_tag(outcome, &clock, "users.busy", "scenario", "Users in an iteration"),
            lag(outcome, &clock),
            by_tag(outcome, &clock, "process.cpu", "process", "CPU, 100 % being one processor"),
            by_tag(outcome, &clock, "process.memory", "process", "Resident memory"),
            flow(outcome, &clock, "process.read", "process", "Read from disk, a second"),
            flow(outcome, &clock, "process.written", "process", "Written to disk, a second"),
            flow(
                outcome,
                &clock,
                "host.received",
                "interface",
                "Received by this machine, a second",
            ),
            flow(outcome, &clock, "host.sent", "interface", "Sent by this machine, a second"),
            steal(outcome, &clock),
        ],
        own(outcome, &clock),
    ];
    let told = charts.into_iter().flatten().filter(|chart| !chart.lines.is_empty());
    html! {
        @if clock.step > 1 {
            p.note { "Each point stands for " (clock.step) " seconds: the mean of a rate, the largest of everything else." }
        }
        (faults::key(outcome))
        div.charts { @for chart in told { (chart.draw(&axis, true)) } }
    }
}

fn quantiles(clock: &Clock, unit: Unit, series: &[&SeriesOutcome]) -> Vec<Line> {
    let points = || series.iter().flat_map(|series| &series.points);
    let line = |name: &str, look: &str, which| Line {
        name: name.to_owned(),
        look: look.to_owned(),
        values: clock.most(points(), percentile(unit, which)),
    };
    vec![
        line("p50", "q1", |p50, _, _| p50),
        line("p95", "q2", |_, p95, _| p95),
        line("p99", "q3", |_, _, p99| p99),
    ]
}

fn iterations(outcome: &Outcome, clock: &Clock) -> Chart {
    let line = |metric: &str, look: &str| Line {
        name: metric.trim_start_matches("iteration.").to_owned(),
        look: look.to_owned(),
        values: clock.rate(points(outcome, metric)),
    };
    let open = outcome.scenarios.iter().any(|scenario| !scenario.closed);
    let offered = open.then(|| line("iteration.offered", "offered"));
    let rest = [line("iteration.started", "c1"), line("iteration.finished", "c2")];
    let lines = offered.into_iter().chain(rest).collect();
    let note = if open { "" } else { "Closed loop: the target sets the pace." };
    Chart {
        title: "Iterations a second".to_owned(),
        note: note.to_owned(),
        scale: Scale::Number,
        lines,
    }
}

fn points<'a>(outcome: &'a Outcome, metric: &str) -> impl Iterator<Item = &'a Point> {
    let series = outcome.series.iter().filter(move |series| series.metric == metric);
    series.flat_map(|series| &series.points).collect::<Vec<_>>().into_iter()
}

/// The times of each scenario.
fn responses(outcome: &Outcome, clock: &Clock) -> Vec<Chart> {
    let charts = outcome.scenarios.iter().take(MOST_CHARTS).map(|scenario| {
        let series = of_scenario(outcome, "iteration.response", scenario);
        let lines =
            if series.is_empty() { Vec::new() } else { quantiles(clock, Unit::Time, &series) };
        let note = if scenario.closed {
            "Closed loop: not corrected for coordinated omission."
        } else {
            "From the moment an iteration was due to its end."
        };
        let title = format!("Response times of {}", scenario.name);
        Chart { title, note: note.to_owned(), scale: Scale::Time, lines }
    });
    charts.collect()
}

fn of_scenario<'a>(
    outcome: &'a Outcome,
    metric: &str,
    scenario: &ScenarioOutcome,
) -> Vec<&'a SeriesOutcome> {
    let own = |s: &&SeriesOutcome| {
        s.metric == metric && s.tags.find("scenario") == Some(scenario.name.as_str())
    };
    outcome.series.iter().filter(own).collect()
}

/// The busiest operations, as one line each.
fn operation_times(outcome: &Outcome, clock: &Clock) -> Chart {
    let mut operations = operations::of(outcome);
    if operations.len() < 2 {
        operations.clear();
    }
    operations.sort_by_key(|operation| std::cmp::Reverse(operation.count()));
    let note = match operations.len().saturating_sub(MOST_LINES) {
        0 => String::new(),
        more => format!("The busiest; {more} more are in the table."),
    };
    let lines = operations.iter().take(MOST_LINES).enumerate().map(|(n, operation)| {
        let own = |s: &&SeriesOutcome| {
            s.metric == operation.metric
                && s.tags.find("name") == Some(operation.name.as_str())
                && s.tags.find("scenario").unwrap_or_default() == operation.scenario
        };
        let points = outcome.series.iter().filter(own).flat_map(|series| &series.points);
        let values = clock.most(points, percentile(Unit::Time, |_, p95, _| p95));
        Line { name: label(outcome, operation), look: look(n), values }
    });
    Chart {
        title: "p95 of each operation".to_owned(),
        note,
        scale: Scale::Time,
        lines: lines.collect(),
    }
}

/// An operation's name, with its scenario where there are several.
pub fn label(outcome: &Outcome, operation: &Operation) -> String {
    figures::named(outcome.scenarios.len() > 1, &operation.scenario, &operation.label)
}

fn failures(outcome: &Outcome, clock: &Clock) -> Chart {
    let failed = |s: &&SeriesOutcome| {
        s.metric.ends_with(".failed") && matches!(s.total, Total::Rate { hits, .. } if hits > 0)
    };
    let lines = by(outcome, "kind", failed, |points| clock.rate(points.into_iter()));
    let title = "Failures a second, by kind".to_owned();
    Chart { title, note: String::new(), scale: Scale::Number, lines }
}

/// One line for each value a tag has.
fn by(
    outcome: &Outcome,
    tag: &str,
    wanted: impl Fn(&&SeriesOutcome) -> bool,
    values: impl Fn(Vec<&Point>) -> Vec<Option<f64>>,
) -> Vec<Line> {
    let mut names: Vec<&str> = Vec::new();
    let series: Vec<_> = outcome.series.iter().filter(wanted).collect();
    for name in series.iter().filter_map(|series| series.tags.find(tag)) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let lines = names.into_iter().take(MOST_LINES).enumerate().map(|(n, name)| {
        let own = series.iter().filter(|series| series.tags.find(tag) == Some(name));
        let points = own.flat_map(|series| &series.points).collect();
        Line { name: name.to_owned(), look: look(n), values: values(points) }
    });
    lines.collect()
}

/// The level of a metric, one line for each value a tag has.
fn by_tag(outcome: &Outcome, clock: &Clock, metric: &str, tag: &str, title: &str) -> Chart {
    let wanted = |s: &&SeriesOutcome| s.metric == metric;
    let unit = outcome.series.iter().find(wanted).map_or(Unit::Number, |series| series.unit);
    let lines = by(outcome, tag, wanted, |points| clock.most(points.into_iter(), level(unit)));
    Chart { title: title.to_owned(), note: String::new(), scale: scale(unit), lines }
}

/// What flowed of a metric, one line for each value a tag has for which anything did.
fn flow(outcome: &Outcome, clock: &Clock, metric: &str, tag: &str, title: &str) -> Chart {
    let wanted = |s: &&SeriesOutcome| {
        s.metric == metric && matches!(s.total, Total::Counter(sum) if sum > 0.0)
    };
    let lines = by(outcome, tag, wanted, |points| clock.rate(points.into_iter()));
    Chart { title: title.to_owned(), note: String::new(), scale: Scale::Bytes, lines }
}

/// What was withheld from this machine, where anything was.
fn steal(outcome: &Outcome, clock: &Clock) -> Chart {
    let wanted = |s: &&SeriesOutcome| {
        s.metric == "host.steal" && matches!(s.total, Total::Gauge(gauge) if gauge.max > 0.0)
    };
    let series: Vec<_> = outcome.series.iter().filter(wanted).collect();
    let lines = series.iter().map(|series| Line {
        name: "steal".to_owned(),
        look: look(0),
        values: clock.most(series.points.iter(), level(Unit::Share)),
    });
    let note = "What this machine's host gave to others.".to_owned();
    let title = "Processor time withheld".to_owned();
    Chart { title, note, scale: Scale::Share, lines: lines.collect() }
}

fn scale(unit: Unit) -> Scale {
    match unit {
        Unit::Time => Scale::Time,
        Unit::Bytes => Scale::Bytes,
        Unit::Number => Scale::Number,
        Unit::Share => Scale::Share,
    }
}

fn lag(outcome: &Outcome, clock: &Clock) -> Chart {
    let open = |s: &&SeriesOutcome| {
        let scenario = s.tags.find("scenario");
        let closed =
            outcome.scenarios.iter().any(|s| s.closed && Some(s.name.as_str()) == scenario);
        s.metric == "iteration.lag" && !closed
    };
    let p99 = percentile(Unit::Time, |_, _, p99| p99);
    let lines = by(outcome, "scenario", open, |points| clock.most(points.into_iter(), &p99));
    let note = "How late loadrun itself began what was due: p99.".to_owned();
    Chart { title: "Lag of the generator".to_owned(), note, scale: Scale::Time, lines }
}

/// The script's own metrics.
fn own(outcome: &Outcome, clock: &Clock) -> Vec<Chart> {
    let metrics = outcome.plan.metrics.iter().take(MOST_CHARTS).map(|metric| {
        let wanted = |s: &&SeriesOutcome| s.metric == *metric.name;
        let series: Vec<_> = outcome.series.iter().filter(wanted).collect();
        let points = || series.iter().flat_map(|series| &series.points);
        let single =
            |name: &str, values| vec![Line { name: name.to_owned(), look: look(0), values }];
        let lines = match metric.kind {
            _ if points().next().is_none() => Vec::new(),
            Kind::Trend => quantiles(clock, metric.unit, &series),
            Kind::Counter => single("a second", clock.rate(points())),
            Kind::Rate => single("hits", clock.most(points(), share)),
            Kind::Gauge => single("value", clock.most(points(), level(metric.unit))),
        };
        let scale = if metric.kind == Kind::Rate { Scale::Share } else { scale(metric.unit) };
        Chart { title: metric.name.to_string(), note: String::new(), scale, lines }
    });
    metrics.collect()
}

/// The look of the line with this number.
pub fn look(n: usize) -> String {
    format!("c{}", n % MOST_LINES + 1)
}
