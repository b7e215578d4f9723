//! Tests of the summary, through recorders as the engine uses it.

use proptest::prelude::*;

use super::super::{Metric, Recorder, SeriesId, Tags, Unit};
use super::*;

const TEN: Duration = Duration::from_secs(10);

fn metric(kind: Kind) -> Metric {
    named("m", kind)
}

fn named(name: &str, kind: Kind) -> Metric {
    Metric::new(name, kind, Unit::Number)
}

fn series(kind: Kind, tags: &[(&str, &str)]) -> Series {
    Series { metric: metric(kind), tags: Tags::new(tags.iter().copied()) }
}

fn wanted(key: &str, value: &str) -> Filter {
    Filter { key: key.into(), values: vec![value.into()], wanted: true }
}

/// An interval with one series.
fn one(kind: Kind, tags: &[(&str, &str)], record: impl Fn(&mut Recorder, SeriesId)) -> Interval {
    let mut recorder = Recorder::new();
    let id = recorder.series(&metric(kind), &Tags::new(tags.iter().copied()));
    record(&mut recorder, id);
    recorder.take()
}

fn trend(intended: u32, values: &[u64]) -> Interval {
    one(Kind::Trend, &[], |recorder, id| {
        for value in values {
            recorder.record(id, intended, *value);
        }
    })
}

fn count(total: Option<Total>) -> u64 {
    match total {
        Some(Total::Trend(distribution)) => distribution.count(),
        None => 0,
        other => panic!("not a trend: {other:?}"),
    }
}

#[test]
fn throughput_stands_at_completion_and_latency_at_the_intended_start() {
    let mut summary = Summary::new(Duration::ZERO);
    summary.absorb(5, trend(3, &[100, 200, 300]));
    summary.absorb(5, trend(5, &[1]));
    let points = summary.points(&series(Kind::Trend, &[]));
    let expected = [
        (3, Reading::Trend { ended: 0, begun: 3, p50: 200, p95: 300, p99: 300, max: 300 }),
        (5, Reading::Trend { ended: 4, begun: 1, p50: 1, p95: 1, p99: 1, max: 1 }),
    ];
    assert_eq!(points, expected.map(|(second, reading)| Point { second, reading }));
}

#[test]
fn a_value_later_than_its_closed_second_counts_in_total_begun_and_max() {
    let mut summary = Summary::new(Duration::ZERO);
    summary.absorb(0, trend(0, &[10, 10, 10]));
    summary.absorb(71, trend(0, &[900]));
    let point = &summary.points(&series(Kind::Trend, &[]))[0];
    let expected = Reading::Trend { ended: 3, begun: 4, p50: 10, p95: 10, p99: 10, max: 900 };
    assert_eq!(point.reading, expected);
    assert_eq!(count(summary.select("m", &[], None)), 4);
}

#[test]
fn a_closed_second_without_a_value_takes_the_percentiles_of_its_first_late_ones() {
    let mut summary = Summary::new(Duration::ZERO);
    summary.absorb(100, trend(2, &[7, 7, 9]));
    let point = &summary.points(&series(Kind::Trend, &[]))[0];
    let expected = Reading::Trend { ended: 0, begun: 3, p50: 7, p95: 9, p99: 9, max: 9 };
    assert_eq!((point.second, &point.reading), (2, &expected));
}

#[test]
fn a_window_holds_the_seconds_up_to_now_and_no_others() {
    let mut summary = Summary::new(TEN);
    for second in 0..30 {
        summary.absorb(second, trend(second, &[u64::from(second)]));
    }
    let Some(Total::Trend(window)) = summary.select("m", &[], Some((TEN, 29))) else {
        panic!("no window")
    };
    assert_eq!((window.count(), window.min(), window.max()), (10, 20, 29));
    assert_eq!(count(summary.select("m", &[], Some((TEN, 27)))), 10);
    assert_eq!(count(summary.select("m", &[], Some((TEN, 50)))), 0);
    assert_eq!(count(summary.select("m", &[], None)), 30);
}

#[test]
fn a_condition_on_kind_narrows_the_failures_and_not_what_they_are_a_share_of() {
    let mut summary = Summary::new(Duration::ZERO);
    for (tags, hit) in [
        (vec![("name", "a")], false),
        (vec![("name", "a"), ("kind", "timeout")], true),
        (vec![("name", "a"), ("kind", "reset")], true),
        (vec![("name", "b"), ("kind", "timeout")], true),
    ] {
        summary.absorb(0, one(Kind::Rate, &tags, |recorder, id| recorder.hit(id, hit)));
    }
    let select = |filters: &[Filter]| summary.select("m", filters, None);
    assert_eq!(select(&[]), Some(Total::Rate { hits: 3, total: 4 }));
    let timeouts = [wanted("name", "a"), wanted("kind", "timeout")];
    assert_eq!(select(&timeouts), Some(Total::Rate { hits: 1, total: 3 }));
    let none_of_this_kind = [wanted("name", "a"), wanted("kind", "dns")];
    assert_eq!(select(&none_of_this_kind), Some(Total::Rate { hits: 0, total: 3 }));
    assert_eq!(select(&[wanted("name", "c")]), None);
}

#[test]
fn an_unknown_metric_has_no_total_and_an_unknown_series_no_points() {
    let summary = Summary::new(Duration::ZERO);
    assert_eq!(summary.select("m", &[], None), None);
    assert!(summary.points(&series(Kind::Counter, &[])).is_empty());
}

#[test]
fn the_last_value_of_a_gauge_is_that_of_the_latest_second_in_whatever_order_it_arrives() {
    let mut summary = Summary::new(TEN);
    for (second, value) in [(4, 40.0), (2, 90.0), (4, 30.0), (3, -5.0)] {
        summary.absorb(second, one(Kind::Gauge, &[], |recorder, id| recorder.set(id, value)));
    }
    let expected = Gauge { last: 40.0, second: 4, min: -5.0, max: 90.0 };
    assert_eq!(summary.select("m", &[], None), Some(Total::Gauge(expected)));
    let readings: Vec<_> = summary
        .points(&series(Kind::Gauge, &[]))
        .iter()
        .map(|point| point.reading.clone())
        .collect();
    assert_eq!(readings, [90.0, -5.0, 40.0].map(Reading::Gauge));
}

#[test]
fn a_point_names_its_kind_in_a_file() {
    let mut summary = Summary::new(Duration::ZERO);
    summary.absorb(2, one(Kind::Counter, &[], |recorder, id| recorder.add(id, 3.0)));
    summary.absorb(2, trend(2, &[8]));
    let json = |kind| serde_json::to_string(&summary.points(&series(kind, &[]))[0]).unwrap();
    assert_eq!(json(Kind::Counter), r#"{"second":2,"counter":3.0}"#);
    assert_eq!(
        json(Kind::Trend),
        r#"{"second":2,"trend":{"ended":1,"begun":1,"p50":8,"p95":8,"p99":8,"max":8}}"#
    );
    let read: Point = serde_json::from_str(&json(Kind::Trend)).unwrap();
    assert_eq!(read, summary.points(&series(Kind::Trend, &[]))[0]);
}

#[test]
fn what_is_kept_does_not_grow_with_the_number_of_samples() {
    let mut summary = Summary::new(TEN);
    for second in 0..200 {
        summary.absorb(second, trend(second, &[5; 100]));
    }
    let history = &summary.series[&series(Kind::Trend, &[])];
    assert_eq!(history.points.len(), 200);
    assert_eq!(history.open.len(), OPEN_SECONDS as usize + 1);
    assert_eq!(history.recent.len(), 10 + WINDOW_SLACK as usize);
}

/// One sample: when it ended, when it was meant to start, its value, its tag.
type Sample = (u32, u32, u64, u8);

/// What a run's samples look like when so many workers recorded them and their intervals were
/// absorbed in the given direction.
fn run(samples: &[Sample], workers: usize, backwards: bool) -> Summary {
    let mut summary = Summary::new(TEN);
    let mut recorders: Vec<Recorder> = (0..workers).map(|_| Recorder::new()).collect();
    let mut intervals = Vec::new();
    for second in 0..20 {
        for (n, (_, intended, raw, tag)) in
            samples.iter().enumerate().filter(|(_, s)| s.0 == second)
        {
            let recorder = &mut recorders[n % workers];
            let tags = Tags::new([("name", tag.to_string())]);
            let id = recorder.series(&named("trend", Kind::Trend), &tags);
            recorder.record(id, *intended, *raw);
            let id = recorder.series(&named("rate", Kind::Rate), &tags);
            recorder.hit(id, *tag == 0);
            let id = recorder.series(&named("counter", Kind::Counter), &tags);
            recorder.add(id, f64::from(*tag));
        }
        intervals.extend(recorders.iter_mut().map(|recorder| (second, recorder.take())));
    }
    if backwards {
        intervals.reverse();
    }
    for (second, interval) in intervals {
        summary.absorb(second, interval);
    }
    summary
}

proptest! {
    #[test]
    fn several_workers_in_any_order_sum_up_to_what_one_would(
        samples in prop::collection::vec((0..20_u32, 0..20_u32, 0..1_000_000_u64, 0..3_u8), 0..60),
        workers in 2..5_usize,
    ) {
        let (one, many) = (run(&samples, 1, false), run(&samples, workers, true));
        prop_assert_eq!(one.totals().collect::<Vec<_>>(), many.totals().collect::<Vec<_>>());
        for (series, _) in one.totals() {
            prop_assert_eq!(one.points(series), many.points(series));
        }
        for metric in ["trend", "rate", "counter"] {
            let select = |summary: &Summary| {
                summary.select(metric, &[wanted("name", "1")], Some((TEN, 19)))
            };
            prop_assert_eq!(select(&one), select(&many));
        }
    }
}

#[test]
fn only_what_runs_are_compared_by_is_kept_in_slices() {
    let mut recorder = Recorder::new();
    let item = Tags::new([("name", "item")]);
    let mut summary = Summary::new(Duration::ZERO);
    for (name, tags, kept) in [
        ("http.duration", &item, true),
        ("sql.duration", &item, true),
        ("iteration.response", &Tags::default(), true),
        ("iteration.duration", &Tags::default(), false),
        ("http.wait", &item, false),
    ] {
        let metric = named(name, Kind::Trend);
        let id = recorder.series(&metric, tags);
        recorder.record(id, 90, 5);
        summary.absorb(200, recorder.take());
        let series = Series { metric, tags: tags.clone() };
        let held = summary.slices(&series).map(|slices| slices.iter().count());
        assert_eq!(held, kept.then_some(1), "{name}");
    }
}
