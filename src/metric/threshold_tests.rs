//! Tests of thresholds: their grammar, their error texts, their judgement.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::{Held, Judgement, Kind, Metric, Recorder, Series, Summary, Total, Unit};
use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn parse(text: &str) -> Threshold {
    Threshold::parse(text).unwrap()
}

fn refusal(text: &str) -> String {
    Threshold::parse(text).unwrap_err().to_string()
}

fn filter(key: &str, values: &[&str], wanted: bool) -> Filter {
    let values = values.iter().map(|value| (*value).to_owned()).collect();
    Filter { key: key.to_owned(), values, wanted }
}

fn limit(text: &str) -> (f64, Form) {
    let limit = parse(&format!("m p95 < {text}")).limit;
    (limit.value, limit.form)
}

#[test]
fn a_threshold_with_every_clause_is_read_whole() {
    let text = "http.duration{name=item, scenario in (buy|look), kind!=x} p(99.9) <= 1.5s over 10s, \
                goal < 100ms, critical, abort after 1m";
    let expected = Threshold {
        text: text.to_owned(),
        metric: "http.duration".to_owned(),
        filters: vec![
            filter("name", &["item"], true),
            filter("scenario", &["buy", "look"], true),
            filter("kind", &["x"], false),
        ],
        aggregate: Aggregate::Percentile(99.9),
        limit: Bound { comparison: Comparison::AtMost, value: 1.5e9, form: Form::Time },
        goal: Some(Bound { comparison: Comparison::Less, value: 1e8, form: Form::Time }),
        over: Some(10 * SECOND),
        critical: true,
        abort: Some(60 * SECOND),
    };
    assert_eq!(parse(text), expected);
}

#[test]
fn spaces_are_free_and_a_goal_takes_over_the_operator() {
    let tight = parse("http.failed{name=a}rate<1%,goal 0.1%,abort,over 1500ms");
    assert_eq!(tight.goal.unwrap().comparison, Comparison::Less);
    assert_eq!(tight.abort, Some(Duration::ZERO));
    assert_eq!(tight.over, Some(2 * SECOND), "rounded up to whole seconds");
    let wide = parse("  http.failed { name = a }  rate  <  1 % , goal < 0.1 % , abort , over 2s ");
    assert_eq!(Threshold { text: tight.text.clone(), ..wide }, tight);
}

#[test]
fn values_are_read_in_every_unit() {
    assert_eq!(limit("300ms"), (3e8, Form::Time));
    assert_eq!(limit("1m30s"), (9e10, Form::Time));
    assert_eq!(limit("5m"), (3e11, Form::Time));
    assert_eq!(limit("4MiB"), (4_194_304.0, Form::Bytes));
    assert_eq!(limit("1%"), (0.01, Form::Percent));
    assert_eq!(limit("30/m"), (0.5, Form::PerSecond));
    assert_eq!(limit("6KB/m"), (100.0, Form::BytesPerSecond));
    assert_eq!(limit("12"), (12.0, Form::Plain));
    assert_eq!(limit("-0.5"), (-0.5, Form::Plain));
}

#[test]
fn every_aggregate_and_operator_is_read() {
    let aggregates =
        ["count", "rate", "value", "avg", "min", "max", "med", "p5", "p(99.99)", "p100"];
    let shown = aggregates.map(|word| parse(&format!("m {word} < 1")).aggregate.to_string());
    let expected = ["count", "rate", "value", "avg", "min", "max", "p50", "p5", "p99.99", "p100"];
    assert_eq!(shown, expected);
    let holds = |sign: &str| {
        let limit = parse(&format!("m value {sign} 2")).limit;
        [1.0, 2.0, 3.0].map(|value| limit.holds(Estimate::exactly(value)))
    };
    assert_eq!(holds("<"), [true, false, false]);
    assert_eq!(holds("<="), [true, true, false]);
    assert_eq!(holds(">"), [false, false, true]);
    assert_eq!(holds(">="), [false, true, true]);
    assert_eq!(holds("=="), [false, true, false]);
    assert_eq!(holds("!="), [true, false, true]);
}

#[test]
fn a_tag_value_may_hold_paired_braces_or_stand_in_quotes() {
    let braces = parse("m{name=GET /items/{id},kind=x} count > 1");
    assert_eq!(braces.filters[0], filter("name", &["GET /items/{id}"], true));
    assert_eq!(braces.filters[1], filter("kind", &["x"], true));
    let quotes = parse(r#"m{name in ("a,b"|"say \"hi\"}")} count > 1"#);
    assert_eq!(quotes.filters[0], filter("name", &["a,b", "say \"hi\"}"], true));
}

#[test]
fn a_malformed_threshold_says_what_is_wrong_and_what_is_expected() {
    let malformed = [
        "",
        "http.duration",
        "http.duration p95",
        "http.duration p95 300ms",
        "http.duration p95 =< 300ms",
        "http.duration mean < 300ms",
        "http.duration medain < 300ms",
        "http.duration slowest < 300ms",
        "http.duration p101 < 300ms",
        "http.duration p(95 < 300ms",
        "http.duration p95 < ",
        "http.duration p95 < 300 parsecs",
        "http.duration p95 < 1e3",
        "http.failed rate < 1%, critcal",
        "http.failed rate < 1%, critical, critical",
        "http.failed rate < 1% over 10ms",
        "http.failed rate < 1% over ten seconds",
        "http.failed rate < 1%, abort before 3s",
        "http.failed rate < 1%,",
        "http.failed{} rate < 1%",
        "http.failed{name} rate < 1%",
        "http.failed{name=} rate < 1%",
        "http.failed{name=a rate < 1%",
        "http.failed{name in (a|b} rate < 1%",
        "http.failed{name=\"a} rate < 1%",
    ];
    insta::assert_snapshot!(malformed.map(refusal).join("\n"));
}

#[test]
fn a_threshold_that_does_not_suit_its_metric_says_what_would() {
    let misfits = [
        ("m p95 < 1", Kind::Counter, Unit::Number),
        ("m value < 1", Kind::Rate, Unit::Number),
        ("m count < 1", Kind::Gauge, Unit::Number),
        ("m value < 1s", Kind::Trend, Unit::Time),
        ("m p95 < 300", Kind::Trend, Unit::Time),
        ("m p95 < 4MiB", Kind::Trend, Unit::Time),
        ("m rate < 300ms", Kind::Rate, Unit::Number),
        ("m rate < 5", Kind::Rate, Unit::Number),
        ("m rate < 1", Kind::Rate, Unit::Number),
        ("m rate < 150%", Kind::Rate, Unit::Number),
        ("m rate < 1%, goal < 1s", Kind::Rate, Unit::Number),
        ("m max < 1%", Kind::Trend, Unit::Bytes),
        ("m rate > 10/s", Kind::Counter, Unit::Bytes),
        ("m count < 3/s", Kind::Trend, Unit::Time),
        ("m p95 < 300ms", Kind::Gauge, Unit::Share),
        ("m growth < 1s", Kind::Gauge, Unit::Bytes),
        ("m growth < 5MB, goal < 1MB/h", Kind::Gauge, Unit::Bytes),
        ("m growth < 1/h", Kind::Gauge, Unit::Time),
        ("m growth < 5MB", Kind::Trend, Unit::Bytes),
        ("m p95 < 1ms, goal < 10s", Kind::Trend, Unit::Time),
        ("m p95 < 300ms, goal > 100ms", Kind::Trend, Unit::Time),
        ("m rate > 99%, goal 0.9", Kind::Rate, Unit::Number),
        ("m rate < 0.1%, goal == 1%", Kind::Rate, Unit::Number),
        ("m count == 0, goal < 5", Kind::Counter, Unit::Number),
        ("m p95 < baseline, goal < baseline + 5%", Kind::Trend, Unit::Time),
    ];
    let refusals =
        misfits.map(|(text, kind, unit)| parse(text).fits(kind, unit).unwrap_err().to_string());
    insta::assert_snapshot!(refusals.join("\n"));
}

#[test]
fn a_status_may_be_asked_for_by_its_class() {
    let found = |text: &str| {
        let filters = parse(&format!("m{{{text}}} count == 0")).filters;
        let meant = ["200", "404", "500", "503"].into_iter().filter(|status| {
            let tags = Tags::new([("status", *status)]);
            filters.iter().all(|filter| filter.matches(&tags))
        });
        meant.collect::<Vec<_>>().join(" ")
    };
    for (text, expected) in [
        ("status=5xx", "500 503"),
        ("status in (404|5xx)", "404 500 503"),
        ("status!=5xx", "200 404"),
        ("status=503", "503"),
        ("status=xx", ""),
    ] {
        assert_eq!(found(text), expected, "{text}");
    }
}

#[test]
fn a_threshold_in_the_unit_of_its_metric_fits() {
    for (text, kind, unit) in [
        ("m p95 < 300ms, goal 0", Kind::Trend, Unit::Time),
        ("m count == 0", Kind::Counter, Unit::Number),
        ("m rate > 10/s", Kind::Counter, Unit::Number),
        ("m rate > 10", Kind::Trend, Unit::Time),
        ("m rate > 4MiB/s", Kind::Counter, Unit::Bytes),
        ("m count < 4MiB", Kind::Counter, Unit::Bytes),
        ("m rate < 0.01, goal 0.1%", Kind::Rate, Unit::Number),
        ("m value > -3", Kind::Gauge, Unit::Number),
        ("m max < 4KB", Kind::Trend, Unit::Bytes),
        ("m p95 < 80%, goal < 0.5", Kind::Gauge, Unit::Share),
        ("m max < 250%", Kind::Gauge, Unit::Share),
        ("m growth < 50MB", Kind::Gauge, Unit::Bytes),
        ("m growth < 1MB/h, goal 0", Kind::Gauge, Unit::Bytes),
        ("m growth < 20/m", Kind::Gauge, Unit::Number),
        ("m avg < 4MiB over 10s", Kind::Gauge, Unit::Bytes),
        ("m p95 < 1s, goal <= 1000ms", Kind::Trend, Unit::Time),
        ("m rate > 90%, goal == 100%", Kind::Rate, Unit::Number),
        ("m count < 5, goal == 0", Kind::Counter, Unit::Number),
        ("m count != 5, goal > 7", Kind::Counter, Unit::Number),
        ("m p95 < baseline, goal < baseline - 5%", Kind::Trend, Unit::Time),
        ("m p95 < baseline, goal < 10s", Kind::Trend, Unit::Time),
    ] {
        assert_eq!(parse(text).fits(kind, unit), Ok(()), "{text}");
    }
}

/// What a threshold makes of one second's samples, ten seconds into the run.
fn judge(text: &str, unit: Unit, kind: Kind, record: impl Fn(&mut Recorder, &Metric)) -> Judgement {
    let threshold = parse(text);
    let metric = Metric::new(&threshold.metric, kind, unit);
    let mut recorder = Recorder::new();
    record(&mut recorder, &metric);
    let mut summary = Summary::new(10 * SECOND);
    summary.absorb(9, recorder.take());
    threshold.judge(&summary, 10 * SECOND, 9, unit)
}

fn judge_trend(text: &str, unit: Unit, values: &[f64]) -> Option<f64> {
    let judgement = judge(text, unit, Kind::Trend, |recorder, metric| {
        let id = recorder.series(metric, &Tags::default());
        for value in values {
            recorder.record(id, 9, unit.raw(*value));
        }
    });
    judgement.value
}

#[test]
fn a_trend_is_judged_in_the_unit_of_its_values_not_in_raw_steps() {
    let values = [1.5, 0.5, 4.0, 2.0];
    for (aggregate, expected) in
        [("count", 4.0), ("rate", 0.4), ("avg", 2.0), ("min", 0.5), ("max", 4.0), ("med", 1.5)]
    {
        let value = judge_trend(&format!("m {aggregate} < 1"), Unit::Number, &values);
        assert_eq!(value, Some(expected), "{aggregate}");
    }
    assert_eq!(judge_trend("m max < 1s over 5s", Unit::Time, &[7e8]), Some(7e8));
    assert_eq!(judge_trend("m rate < 1 over 4s", Unit::Number, &values), Some(1.0));
}

#[test]
fn limit_and_goal_are_judged_apart() {
    let failures = |text: &str, failed: u32| {
        judge(text, Unit::Number, Kind::Rate, |recorder, metric| {
            let id = recorder.series(metric, &Tags::default());
            for n in 0..10 {
                recorder.hit(id, n < failed);
            }
        })
    };
    let text = "http.failed rate <= 20%, goal == 0";
    let expected = [(0, true, true), (2, true, false), (3, false, false)];
    for (failed, limit_held, goal) in expected {
        let value = Some(f64::from(failed) / 10.0);
        let judgement = Judgement { value, interval: None, limit_held, goal_held: Some(goal) };
        assert_eq!(failures(text, failed), judgement);
    }
    assert_eq!(failures("http.failed count < 1", 3).value, Some(3.0));
}

#[test]
fn a_gauge_and_a_counter_are_judged_by_their_own_aggregates() {
    let gauge = |text: &str| {
        judge(text, Unit::Number, Kind::Gauge, |recorder, metric| {
            let id = recorder.series(metric, &Tags::default());
            for value in [4.0, -1.0, 2.0] {
                recorder.set(id, value);
            }
        })
    };
    assert_eq!(gauge("m value > 0").value, Some(2.0));
    assert_eq!(gauge("m min > 0").value, Some(-1.0));
    assert_eq!(gauge("m max > 0").value, Some(4.0));
    let rate = judge("m rate > 3/s", Unit::Number, Kind::Counter, |recorder, metric| {
        let id = recorder.series(metric, &Tags::default());
        recorder.add(id, 40.0);
    });
    assert_eq!((rate.value, rate.limit_held), (Some(4.0), true));
}

#[test]
fn a_threshold_that_matched_no_sample_does_not_hold() {
    let silence = |text: &str| judge(text, Unit::Time, Kind::Trend, |_, _| {});
    let none = Judgement { value: None, interval: None, limit_held: false, goal_held: None };
    assert_eq!(silence("http.duration p95 < 1s"), none);
    assert_eq!(silence("http.duration count == 0"), none);
    assert_eq!(silence("http.failed rate < 1%"), none);
    assert_eq!(silence("mine count == 0"), none);
    assert_eq!(silence("http.failed rate < 1%, goal 0").goal_held, Some(false));
}

#[test]
fn nothing_dropped_is_a_real_zero_but_a_ledger_never_balanced_is_not() {
    let silence = |text: &str| judge(text, Unit::Number, Kind::Counter, |_, _| {});
    let zero = Judgement { value: Some(0.0), interval: None, limit_held: true, goal_held: None };
    assert_eq!(silence("iteration.dropped count == 0"), zero);
    assert_eq!(silence("script.errors{scenario=a} rate < 1/s"), zero);
    assert_eq!(silence("ledger.lost count == 0").value, None);
}

#[test]
fn a_run_is_ended_by_a_miss_after_its_delay_and_never_by_silence() {
    let threshold = parse("m max < 1s, abort after 10s");
    let missed = Judgement { value: Some(2e9), interval: None, limit_held: false, goal_held: None };
    let silent = Judgement { value: None, ..missed };
    assert!(threshold.aborts(&missed, 10 * SECOND));
    assert!(!threshold.aborts(&missed, 9 * SECOND));
    assert!(!threshold.aborts(&silent, 10 * SECOND));
    assert!(!parse("m max < 1s").aborts(&missed, 10 * SECOND));
}

#[test]
fn values_are_shown_in_the_scale_they_are_judged_in() {
    let show = |text: &str, kind, unit, value| parse(text).show(kind, unit, value);
    assert_eq!(show("m p95 < 1s", Kind::Trend, Unit::Time, 2.034e8), "203 ms");
    assert_eq!(show("m count < 1", Kind::Trend, Unit::Time, 12.0), "12");
    assert_eq!(show("m avg < 1", Kind::Trend, Unit::Number, 1.5), "1.5");
    assert_eq!(show("m rate < 1%", Kind::Rate, Unit::Number, 0.012), "1.2 %");
    assert_eq!(show("m rate < 1%", Kind::Rate, Unit::Number, 0.010_45), "> 1 %");
    assert_eq!(show("m rate < 1%", Kind::Rate, Unit::Number, 0.01), "1 %");
    assert_eq!(show("m p95 >= 1s", Kind::Trend, Unit::Time, 9.9999e8), "< 1 s");
    assert_eq!(show("m rate < 1", Kind::Counter, Unit::Number, 20.0), "20/s");
    assert_eq!(show("m rate < 1B/s", Kind::Counter, Unit::Bytes, 4_194_304.0), "4 MiB/s");
    assert_eq!(show("m p95 < 80%", Kind::Gauge, Unit::Share, 2.5), "250 %");
    assert_eq!(show("m growth < 5MB", Kind::Gauge, Unit::Bytes, -4_194_304.0), "-4 MiB");
    assert_eq!(show("m growth < 1MB/h", Kind::Gauge, Unit::Bytes, 1024.0), "3.52 MiB/h");
}

#[test]
fn a_file_keeps_a_threshold_as_it_was_written() {
    let threshold = parse("http.failed{name=a} rate < 1% over 10s, critical");
    let json = serde_json::to_string(&threshold).unwrap();
    assert_eq!(json, r#""http.failed{name=a} rate < 1% over 10s, critical""#);
    assert_eq!(serde_json::from_str::<Threshold>(&json).unwrap(), threshold);
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC*") {
        _ = Threshold::parse(&text);
    }

    #[test]
    fn no_nearly_right_text_makes_the_parser_panic(
        text in r#"[a-z.]{0,5}[{]?[a-z]{0,2}[=!]?=?["a-z{}\\|]{0,4}[}]? ?p?[(]?[0-9.]{0,3}[)]? ?[<>=]{0,2}[0-9.a-z%/-]{0,4}[, a-z0-9]{0,9}"#
    ) {
        _ = Threshold::parse(&text);
    }

    #[test]
    fn a_series_as_shown_is_selected_by_a_threshold_on_it(
        tags in prop::collection::btree_map("[a-z]{1,3}", "[^\\s\\p{C}][^\\p{C}]{0,6}[^\\s\\p{C}]", 1..4)
    ) {
        let series = Series {
            metric: Metric::new("m.n", Kind::Counter, Unit::Number),
            tags: Tags::new(tags),
        };
        let threshold = parse(&format!("{series} count > 1"));
        prop_assert!(threshold.filters.iter().all(|filter| filter.matches(&series.tags)));
        prop_assert_eq!(threshold.filters.len(), series.tags.iter().count());
    }
}

#[test]
fn a_limit_may_be_so_much_of_a_baseline() {
    for (text, times) in [
        ("http.duration p99 <= baseline - 85%", 0.15),
        ("http.duration p99 <= baseline", 1.0),
        ("http.duration p99 >= baseline + 14 %, critical", 1.14),
        ("http.duration p99 < baseline-7.5%", 0.925),
    ] {
        let mut threshold = Threshold::parse(text).unwrap();
        assert!(threshold.needs_baseline(), "{text}");
        threshold.fits(Kind::Trend, Unit::Time).unwrap();
        threshold.hold_against(2e9);
        assert!((threshold.limit.value - times * 2e9).abs() < 1.0, "{text}");
    }
    let mut goal = Threshold::parse("http.failed rate < 1%, goal < baseline").unwrap();
    goal.hold_against(0.002);
    assert!((goal.goal.unwrap().value - 0.002).abs() < 1e-12);
    assert!((goal.limit.value - 0.01).abs() < 1e-12);
    assert!(!Threshold::parse("http.failed rate < 1%").unwrap().needs_baseline());
}

#[test]
fn what_no_baseline_can_be_is_refused() {
    for text in ["baseline - 101%", "baseline 5%", "baseline - 5", "baseline * 2", "baselines"] {
        let error = Threshold::parse(&format!("http.duration p99 <= {text}")).unwrap_err();
        assert!(error.expected.contains("baseline - 85%"), "{text}: {error}");
    }
    let windowed = Threshold::parse("http.duration p99 <= baseline over 10s").unwrap();
    let said = windowed.fits(Kind::Trend, Unit::Time).unwrap_err().what;
    assert!(said.ends_with("a baseline says nothing of windows"), "{said}");
}

#[test]
fn a_baseline_is_measured_as_a_run_is() {
    let tags = |name: &str| Tags::new([("name", name)]);
    let (one, two) = (tags("one"), tags("two"));
    let rate = |hits| Total::Rate { hits, total: 100 };
    let none = BTreeMap::new();
    let held = |tags, total| Held { tags, total, phases: &none, points: &[] };
    let (ten, thirty) = (rate(10), rate(30));
    let series = [held(&one, &ten), held(&two, &thirty)];
    let measured = |text: &str| {
        let threshold = Threshold::parse(text).unwrap();
        threshold.measure(series.into_iter(), None, Duration::from_secs(10), Unit::Number)
    };
    assert_eq!(measured("http.failed rate <= baseline"), Some(0.2));
    assert_eq!(measured("http.failed{name=two} rate <= baseline"), Some(0.3));
    assert_eq!(measured("http.failed{name=three} rate <= baseline"), None);
}

/// What a threshold makes of gauges with a value a second.
fn judge_levels(text: &str, unit: Unit, gauges: &[&[f64]]) -> Judgement {
    let threshold = parse(text);
    let metric = Metric::new(&threshold.metric, Kind::Gauge, unit);
    let mut summary = Summary::new(threshold.over.unwrap_or_default());
    let seconds = gauges.iter().map(|levels| levels.len()).max().unwrap_or(0);
    for second in 0..seconds {
        let mut recorder = Recorder::new();
        for (at, levels) in gauges.iter().enumerate() {
            let id = recorder.series(&metric, &Tags::new([("n", &*at.to_string())]));
            recorder.set(id, levels[second]);
        }
        summary.absorb(second as u32, recorder.take());
    }
    threshold.judge(&summary, seconds as u32 * SECOND, seconds as u32 - 1, unit)
}

#[test]
fn a_gauge_is_judged_by_the_values_of_its_seconds() {
    let levels: Vec<f64> = (1..=100).map(|n| f64::from(n) / 100.0).collect();
    for (text, value) in [
        ("m p95 < 96%", 0.95),
        ("m p(100) <= 100%", 1.0),
        ("m med < 80%", 0.5),
        ("m avg < 80%", 0.505),
        ("m min < 80%", 0.01),
        ("m med > 95% over 10s", 0.95),
    ] {
        let judgement = judge_levels(text, Unit::Share, &[&levels]);
        let close = judgement.value.is_some_and(|found| (found - value).abs() < 1e-9);
        assert!(close && judgement.interval.is_none(), "{text}: {judgement:?}");
    }
}

#[test]
fn growth_is_how_far_a_gauge_rose_and_as_a_pace_how_fast_it_still_does() {
    let mb = 1e6;
    let rising: Vec<f64> = (0..100).map(|at| 20.0 * mb + f64::from(at) * 0.5 * mb).collect();
    let rose = judge_levels("m growth < 60MB", Unit::Bytes, &[&rising]);
    assert!((rose.value.unwrap() - 50.0 * mb).abs() < 1.0, "{rose:?}");
    assert!(rose.limit_held && rose.interval.is_some(), "{rose:?}");
    assert!(!judge_levels("m growth < 50MB", Unit::Bytes, &[&rising]).limit_held);
    let pace = judge_levels("m growth < 1MB/h", Unit::Bytes, &[&rising]);
    assert!((pace.value.unwrap() - 0.5 * mb).abs() < 1.0 && !pace.limit_held, "{pace:?}");
    assert!(judge_levels("m growth > 1700MB/h", Unit::Bytes, &[&rising]).limit_held);
}

#[test]
fn growth_that_a_short_run_cannot_know_is_missed_whichever_way_it_is_asked() {
    let flat = [20e6; 60];
    let below = judge_levels("m growth < 1MB/h", Unit::Bytes, &[&flat]);
    assert_eq!((below.value, below.limit_held), (Some(0.0), false));
    assert!(!judge_levels("m growth > 1MB/h", Unit::Bytes, &[&flat]).limit_held);
    assert!(judge_levels("m growth < 1MB/h", Unit::Bytes, &[&[20e6; 1200]]).limit_held);
    assert_eq!(judge_levels("m growth < 5MB", Unit::Bytes, &[&[20e6; 10]]).value, None);
}

#[test]
fn of_several_gauges_that_grow_the_worst_one_counts() {
    let line = |by: f64| (0..60).map(|at| f64::from(at) * by).collect::<Vec<_>>();
    let (slow, fast) = (line(1.0), line(3.0));
    let value = |text| judge_levels(text, Unit::Number, &[&slow, &fast]).value.unwrap().round();
    assert!((value("m growth < 100") - 180.0).abs() < 1e-9);
    assert!((value("m growth > 100") - 60.0).abs() < 1e-9);
}
