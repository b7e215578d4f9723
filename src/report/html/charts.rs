//! Which charts the page has, and the values of their lines.
//!
//! A run too long for a point a second is shown in steps of several: a rate is then the mean of
//! its step, everything else the largest value in it, so that no spike is lost.

use maud::{Markup, html};

use super::faults;
use super::plot::{Axis, Chart, Line, Scale};
use crate::metric::{Distribution, Kind, Point, Reading, Total, Unit};
use crate::outcome::operations::{self, Operation};
use crate::outcome::{Outcome, ScenarioOutcome, SeriesOutcome};
use crate::report::figures;

/// Most points of a line.
const MOST_POINTS: usize = 600;
/// Most lines of one chart that the eye still tells apart.
const MOST_LINES: usize = 8;
/// Most charts of one sort.
const MOST_CHARTS: usize = 8;

/// Everything over time.
pub fn over_time(outcome: &Outcome) -> Markup {
    let clock = Clock::of(outcome);
    let length = clock.seconds as f64;
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

/// Shortest end of a run, in seconds, that still has a rate.
const SHORTEST: f64 = 0.5;

/// The seconds of a run, in steps.
pub struct Clock {
    seconds: usize,
    step: usize,
    /// How long the last second was; what began in it may be less than that.
    last: f64,
}

impl Clock {
    /// Of a run by itself.
    pub fn of(outcome: &Outcome) -> Self {
        let points = outcome.series.iter().flat_map(|series| &series.points);
        let latest = points.map(|point| point.second as usize).max().unwrap_or(0);
        let whole = outcome.run.elapsed.max(0.0).floor();
        let last = outcome.run.elapsed - whole;
        // What teardown records stands after the load, and an end of some milliseconds is none.
        let seconds = if last < SHORTEST { whole as usize } else { whole as usize + 1 };
        let seconds = seconds.clamp(1, latest + 1);
        let last = if seconds as f64 > outcome.run.elapsed { last.max(SHORTEST) } else { 1.0 };
        Self { seconds, step: seconds.div_ceil(MOST_POINTS), last }
    }

    /// Of several runs on one axis: that of the longest, and each run's own with the same steps.
    pub fn among(outcomes: &[&Outcome]) -> Option<(Self, Vec<Self>)> {
        let own = || outcomes.iter().map(|outcome| Self::of(outcome));
        let longest = own().max_by_key(|clock| clock.seconds)?;
        let step = longest.step;
        Some((longest, own().map(|clock| Self { step, ..clock }).collect()))
    }

    fn steps(&self) -> usize {
        self.seconds.div_ceil(self.step)
    }

    /// The axis under its charts.
    pub fn axis(&self) -> Axis {
        const EVERY: [usize; 16] =
            [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 21_600, 86_400];
        let width = self.seconds as f64;
        let at = |second: usize| clock(second as u64, self.seconds as u64);
        let places =
            (0..self.steps()).map(|n| ((n as f64 + 0.5) * self.step as f64 / width).min(1.0));
        let every = EVERY.into_iter().find(|every| self.seconds / every <= 8).unwrap_or(86_400);
        let ticks = (0..self.seconds).step_by(every).map(|tick| (tick as f64 / width, at(tick)));
        Axis {
            places: places.collect(),
            names: (0..self.steps()).map(|n| at(n * self.step)).collect(),
            ticks: ticks.collect(),
            bands: Vec::new(),
            marks: Vec::new(),
        }
    }

    /// The step a point belongs to.
    fn place(&self, point: &Point) -> usize {
        (point.second as usize).min(self.seconds - 1) / self.step
    }

    /// What was counted, a second.
    pub fn rate<'a>(&self, points: impl Iterator<Item = &'a Point>) -> Vec<Option<f64>> {
        let mut sums = vec![0.0; self.steps()];
        for point in points {
            // What ended just after the last second ended in it, as far as a chart can tell.
            sums[self.place(point)] += match point.reading {
                Reading::Counter(sum) => sum,
                Reading::Rate { hits, .. } => hits as f64,
                Reading::Trend { ended, .. } => ended as f64,
                Reading::Gauge(_) => 0.0,
            };
        }
        let length = |n: usize| {
            let end = ((n + 1) * self.step).min(self.seconds);
            let cut = if end == self.seconds { 1.0 - self.last } else { 0.0 };
            (end - n * self.step) as f64 - cut
        };
        sums.iter().enumerate().map(|(n, sum)| Some(sum / length(n))).collect()
    }

    /// The largest in each step of what `value` finds in a point.
    pub fn most<'a>(
        &self,
        points: impl Iterator<Item = &'a Point>,
        value: impl Fn(&Reading) -> Option<f64>,
    ) -> Vec<Option<f64>> {
        let mut most = vec![None; self.steps()];
        for point in points {
            let step = &mut most[self.place(point)];
            *step = [*step, value(&point.reading)].into_iter().flatten().reduce(f64::max);
        }
        most
    }
}

/// `0:05`, or `1:00:05` where the run is longer than an hour; a short run's plain seconds.
fn clock(second: u64, of: u64) -> String {
    let (hours, minutes, seconds) = (second / 3600, second / 60 % 60, second % 60);
    match of {
        0..=90 => format!("{second} s"),
        91..=3600 => format!("{}:{seconds:02}", second / 60),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// A percentile of a trend's point, in the metric's unit.
pub fn percentile(unit: Unit, which: fn(u64, u64, u64) -> u64) -> impl Fn(&Reading) -> Option<f64> {
    move |reading| match reading {
        Reading::Trend { begun, p50, p95, p99, .. } if *begun > 0 => {
            Some(unit.value(which(*p50, *p95, *p99)))
        }
        _ => None,
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
    if outcome.scenarios.len() > 1 && !operation.scenario.is_empty() {
        format!("{}: {}", operation.scenario, operation.name)
    } else {
        operation.name.clone()
    }
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

/// A gauge's value, or the largest of a trend.
fn level(unit: Unit) -> impl Fn(&Reading) -> Option<f64> {
    move |reading| match reading {
        Reading::Gauge(value) => Some(*value),
        Reading::Trend { begun, max, .. } if *begun > 0 => Some(unit.value(*max)),
        _ => None,
    }
}

/// The share of hits.
fn share(reading: &Reading) -> Option<f64> {
    match reading {
        Reading::Rate { hits, total } if *total > 0 => Some(*hits as f64 / *total as f64),
        _ => None,
    }
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

/// How the times of each operation lie, by percentile.
pub fn distribution(outcome: &Outcome) -> Markup {
    let mut operations = operations::of(outcome);
    operations.sort_by_key(|operation| std::cmp::Reverse(operation.count()));
    operations.truncate(MOST_LINES);
    let named = operations
        .iter()
        .enumerate()
        .map(|(n, operation)| (label(outcome, operation), look(n), &operation.times));
    let note = "How many calls took at most so long; each step to the right is ten times rarer.";
    html! {
        @if !operations.is_empty() { (percentiles("Time by percentile", note, &named.collect::<Vec<_>>())) }
    }
}

/// Times by percentile: for each line its name, its look and its values.
pub fn percentiles(title: &str, note: &str, of: &[(String, String, &Distribution)]) -> Markup {
    let most = of.iter().map(|(_, _, times)| times.count()).max().unwrap_or(0).max(10);
    let nines = (most as f64).log10();
    let places: Vec<f64> = (0..=100).map(|n| f64::from(n) / 100.0).collect();
    let share = |place: f64| 1.0 - 10_f64.powf(-place * nines);
    let lines = of.iter().map(|(name, look, times)| {
        // Beyond one call in as many as were made there is nothing to know.
        let known = (times.count().max(1) as f64).log10() / nines;
        let value =
            |place: &f64| (*place <= known + 1e-9).then(|| times.quantile(share(*place)) as f64);
        let values = places.iter().map(value).collect();
        Line { name: name.clone(), look: look.clone(), values }
    });
    let lines = lines.collect();
    let marks = [0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999_999];
    let ticks = marks.into_iter().map(|q: f64| (-(1.0 - q).log10() / nines, q));
    let axis = Axis {
        names: places
            .iter()
            .map(|place| format!("p{}", figures::digits(share(*place) * 100.0)))
            .collect(),
        ticks: ticks
            .filter(|(place, _)| *place <= 1.0)
            .map(|(place, q)| (place, format!("p{}", figures::digits(q * 100.0))))
            .collect(),
        places,
        bands: Vec::new(),
        marks: Vec::new(),
    };
    let (title, note) = (title.to_owned(), note.to_owned());
    Chart { title, note, scale: Scale::Time, lines }.draw(&axis, false)
}

/// The look of the line with this number.
fn look(n: usize) -> String {
    format!("c{}", n % MOST_LINES + 1)
}
