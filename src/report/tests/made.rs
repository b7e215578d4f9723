//! Everything a report can tell, in one outcome made by hand.

use std::collections::BTreeMap;

use crate::ledger::Balance;
use crate::metric::{Distribution, Gauge, Kind, Metric, Point, Reading, Tags, Total, Unit};
use crate::outcome::{
    Environment, FailureSample, Generator, Grade, LogLine, Outcome, Reason, Run, RunVerdict,
    ScenarioOutcome, ScriptErrorSample, SeriesOutcome, Verdict,
};
use crate::plan::{Place, Plan};

fn times(milliseconds: impl Iterator<Item = u64>) -> Total {
    let mut times = Distribution::new();
    milliseconds.for_each(|ms| times.record(ms * 1_000_000));
    Total::Trend(times)
}

/// A series whose total is spread over the twelve seconds of the run, but for the fourth.
fn series(metric: &str, tags: &[(&str, &str)], total: Total) -> SeriesOutcome {
    let own = Metric::new(metric, total.kind(), Unit::Number);
    let definition = Metric::builtin(metric).unwrap_or(own);
    SeriesOutcome {
        metric: metric.to_owned(),
        kind: definition.kind,
        unit: definition.unit,
        tags: Tags::new(tags.iter().copied()),
        points: (0..12).filter(|second| *second != 3).map(|at| point(at, &total)).collect(),
        slices: None,
        total,
    }
}

fn point(second: u32, total: &Total) -> Point {
    let n = u64::from(second);
    let reading = match total {
        Total::Counter(sum) => Reading::Counter(sum / 11.0),
        Total::Gauge(gauge) => Reading::Gauge(gauge.last),
        Total::Rate { hits, total } => Reading::Rate { hits: hits / 2, total: total / 11 },
        Total::Trend(values) => {
            let of = |q: f64| values.quantile(q) / 12 * (n + 1);
            let (ended, begun) = (values.count() / 11, values.count() / 12);
            Reading::Trend {
                ended,
                begun,
                p50: of(0.5),
                p95: of(0.95),
                p99: of(0.99),
                max: of(1.0),
            }
        }
    };
    Point { second, reading }
}

fn scenario(name: &str, closed: bool) -> ScenarioOutcome {
    ScenarioOutcome {
        name: name.to_owned(),
        closed,
        offered: 1000,
        started: 990,
        finished: 988,
        dropped: 10,
        unfinished: 2,
        late: 7,
        unready: 0,
        elapsed: 10.0,
    }
}

fn verdict(threshold: &str, shown: Option<&str>, goal_held: Option<bool>) -> Verdict {
    Verdict {
        threshold: threshold.to_owned(),
        shown: shown.map(str::to_owned),
        value: shown.map(|_| 1.0),
        limit_held: shown.is_some(),
        goal_held,
        critical: false,
    }
}

#[expect(clippy::too_many_lines, reason = "one value, written out")]
pub fn outcome() -> Outcome {
    let item = [("scenario", "buyers"), ("name", "item")];
    let refused = [("scenario", "buyers"), ("name", "item"), ("kind", "refused")];
    let buyers = [("scenario", "buyers")];
    Outcome {
        schema: 1,
        loadrun: "0.1.0".to_owned(),
        run: Run {
            name: "shop".to_owned(),
            started: "2026-01-02T03:04:05Z".to_owned(),
            elapsed: 12.5,
            seed: 7,
            workers: 2,
            interrupted: false,
            aborted_by: Some("http.failed rate < 1%, abort".to_owned()),
            fingerprint: String::new(),
        },
        environment: Environment {
            os: "linux".to_owned(),
            arch: "x86_64".to_owned(),
            cpus: 2,
            cpu: None,
            memory: None,
        },
        plan: Plan {
            script: "shop.lua".into(),
            scenarios: Vec::new(),
            thresholds: Vec::new(),
            parameters: Vec::new(),
            metrics: vec![Metric::new("basket.size", Kind::Trend, Unit::Number)],
            services: Vec::new(),
            faults: Vec::new(),
            has_setup: false,
            has_teardown: true,
        },
        script: "-- a shop\nlocal token = \"***\"\n".to_owned(),
        verdict: RunVerdict::GeneratorLimited,
        reasons: vec![Reason {
            verdict: RunVerdict::GeneratorLimited,
            cause: "10 of 1000 arrivals found no free user; raise max_users".to_owned(),
        }],
        grade: Some(Grade::Fair),
        exit: 3,
        thresholds: vec![
            verdict("http.duration p95 < 300ms, goal < 100ms", Some("190 ms"), Some(false)),
            verdict("http.duration{name=nowhere} p95 < 1s", None, None),
        ],
        scenarios: vec![scenario("buyers", false), scenario("auditors", true)],
        series: vec![
            series("basket.size", &buyers, times(std::iter::empty())),
            series("check.failed", &[("check", "item found")], Total::Rate { hits: 1, total: 20 }),
            series("http.duration", &item, times(1..=200)),
            series("http.failed", &item, Total::Rate { hits: 0, total: 197 }),
            series("http.failed", &refused, Total::Rate { hits: 3, total: 3 }),
            series("iteration.finished", &buyers, Total::Counter(988.0)),
            series("iteration.lag", &buyers, times(0..=5)),
            series("iteration.offered", &buyers, Total::Counter(1000.0)),
            series("iteration.response", &buyers, times(2..=201)),
            series("iteration.started", &buyers, Total::Counter(990.0)),
            series("users.busy", &buyers, Total::Gauge(Gauge::new(3.0))),
        ],
        failures: vec![FailureSample {
            scenario: "buyers".to_owned(),
            name: "item".to_owned(),
            kind: "refused".to_owned(),
            detail: "connection refused by 127.0.0.1:9".to_owned(),
            count: 3,
        }],
        script_errors: vec![ScriptErrorSample {
            message: "attempt to index a nil value (field 'json')".to_owned(),
            place: Some(Place { file: "shop.lua".to_owned(), line: 12 }),
            hint: None,
            traceback: vec!["shop.lua:12: in function 'buy'".to_owned()],
            scenario: "buyers".to_owned(),
            count: 4,
        }],
        faults: Vec::new(),
        ledgers: BTreeMap::from([(
            "orders".to_owned(),
            Balance {
                expected: 20,
                acked: 19,
                landed: 18,
                lost: 1,
                lost_sample: vec!["order-17".to_owned()],
                unconfirmed: 1,
                ..Balance::default()
            },
        )]),
        generator: Generator {
            cpu: 1.25,
            busiest_worker: 0.06,
            memory: 20 << 20,
            longest_script: 0.002,
        },
        log: vec![
            LogLine { level: "info".to_owned(), text: "not repeated here".to_owned(), count: 1 },
            LogLine { level: "warn".to_owned(), text: "shop is slow".to_owned(), count: 2 },
        ],
    }
}
