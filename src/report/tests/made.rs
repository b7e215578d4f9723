//! Everything a report can tell, in one outcome made by hand.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::ledger::Balance;
use crate::metric::{
    Distribution, Edge, Gauge, Kind, Metric, Point, Reading, Tags, Timeline, Total, Unit,
};
use crate::outcome::{
    self, Environment, FailureSample, FaultOutcome, Generator, Grade, LogLine, Outcome, Reason,
    Run, RunVerdict, ScenarioOutcome, ScriptErrorSample, SeriesOutcome,
};
use crate::plan::{Place, Plan};
use crate::recovery::{Cost, Drain, Part, Recovery, Verdict};

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
        phases: BTreeMap::new(),
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
        elapsed: 10.0,
        ..ScenarioOutcome::default()
    }
}

fn verdict(threshold: &str, shown: Option<&str>, goal_held: Option<bool>) -> outcome::Verdict {
    outcome::Verdict {
        threshold: threshold.to_owned(),
        shown: shown.map(str::to_owned),
        value: shown.map(|_| 1.0),
        limit_held: shown.is_some(),
        goal_held,
        critical: false,
    }
}

/// A fault that stood from the fourth to the sixth second.
fn phases() -> Vec<Edge> {
    let timeline = Timeline::new(Duration::ZERO);
    timeline.begins("slow", Duration::from_secs(4));
    timeline.ends("slow", Duration::from_secs(6));
    timeline.edges().list().to_vec()
}

fn part(seconds: f64, calls: u64, failed: u64) -> Part {
    Part {
        seconds,
        offered: calls + 3,
        calls,
        good: calls - failed - 4,
        degraded: 4,
        failed,
        refused: failed / 2,
        indeterminate: failed / 5,
        late: Some(2),
        dropped: 3,
        p50: 0.0042,
        p99: 0.091,
        attempts: Some(1.0 + failed as f64 / 100.0),
        connects: 7,
        connects_peak: 5,
        limited: false,
    }
}

fn fault() -> FaultOutcome {
    FaultOutcome {
        name: "slow".to_owned(),
        on: "link".to_owned(),
        what: "latency latency 300ms".to_owned(),
        at: 4.0,
        lasts: 2.0,
        injected: Some(4.0),
        failed: None,
        cleared: 6.0,
        unclean: None,
        eligible: 12,
        touched: 11,
        bytes: 4096,
        effect: None,
        process: None,
        recovery: Some(Recovery {
            verdict: Verdict::RecoveredThenRelapsed,
            baseline: part(4.0, 400, 1),
            fault: part(2.0, 200, 60),
            after: part(6.5, 640, 20),
            first_error: Some(0.31),
            onset: Some(0.0),
            detect: Some(1.5),
            alert: None,
            recover: Some(1.0),
            outage: Some(3.0),
            settle: Some(4.5),
            relapses: 1,
            during: false,
            cost: Some(Cost {
                lost: 83.0,
                estimated: false,
                excess: 81.5,
                deficit: 79.0,
                resilience: 0.74,
                budget: 0.000_32,
                burn: [310.0, 62.5],
                debt: 12.5,
                wait: 0.0149,
            }),
            drain: Some(Drain { calls: 31, took: Some(0.5), ideal: Some(0.31) }),
            overshoot: Some(1.4),
            resolution: 0.5,
            tail: 6.5,
            judged: 13,
            confirm: 3,
            uneven: 0.0,
        }),
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
            metrics: vec![Metric::new("basket.size", Kind::Trend, Unit::Number)],
            has_teardown: true,
            ..Plan::default()
        },
        script: "-- a shop\nlocal token = \"***\"\n".to_owned(),
        verdict: RunVerdict::GeneratorLimited,
        reasons: vec![Reason {
            verdict: RunVerdict::GeneratorLimited,
            cause: "buyers: 10 of 1000 arrivals found no free user, as all of 50 (max_users) were \
                    busy; raise max_users"
                .to_owned(),
        }],
        warnings: vec![
            "all 3 calls of \"item\" failed (refused: connection refused by 127.0.0.1:9), and no \
             threshold on http.failed was missed for it"
                .to_owned(),
        ],
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
            metric: "http.failed".to_owned(),
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
        phases: phases(),
        faults: vec![fault()],
        ledgers: BTreeMap::from([(
            "orders".to_owned(),
            Balance {
                expected: 20,
                acked: 19,
                landed: 18,
                late: 3,
                perhaps_late: 1,
                resolution: Some(Duration::from_millis(1200)),
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
