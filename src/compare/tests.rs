//! The statistics against known answers: runs made by arithmetic, whose truth is known.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::seq::IndexedRandom as _;
use rand_distr::{Binomial, Distribution as _, StandardNormal};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::*;
use crate::metric::{Distribution, Merge as _, Point, Reading, Slices, Tags, Total, Unit};
use crate::outcome::{
    Environment, Generator, Reason, Run, RunVerdict, ScenarioOutcome, SeriesOutcome,
};
use crate::plan::{Arrivals, Curve, Load, ParamValue, Parameter, Place, Plan, Scenario, Start};

/// The default of `--fail-on`.
const LIMIT: f64 = 0.05;

/// A target made by arithmetic.
#[derive(Clone, Copy)]
struct Target {
    /// Seconds of load.
    seconds: u32,
    /// Calls a second.
    rate: u32,
    /// All times by this.
    factor: f64,
    /// How much seconds differ, as a logarithm.
    sway: f64,
    /// How much a second resembles the one before.
    correlation: f64,
    /// How much runs differ, as a logarithm.
    between: f64,
    /// Share of calls that fail.
    failing: f64,
    /// From one second to another load and times are five times as high.
    burst: Option<(u32, u32)>,
}

/// About what the practice target does on a shared machine: its seconds were seen to differ by
/// 3.5 % beyond chance, and not to depend on each other.
const REAL: Target = Target {
    seconds: 60,
    rate: 100,
    factor: 1.0,
    sway: 0.04,
    correlation: 0.3,
    between: 0.0,
    failing: 0.01,
    burst: None,
};

/// What calls take without noise, in nanoseconds: around 20 ms, 2 % of them three times as long.
static TIMES_OF_CALLS: LazyLock<Vec<f64>> = LazyLock::new(|| {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(0);
    let times = (0..10_000).map(|n| {
        let spread: f64 = StandardNormal.sample(&mut rng);
        20e6 * (0.2 * spread).exp() * if n % 50 == 0 { 3.0 } else { 1.0 }
    });
    times.collect()
});

impl Target {
    /// The outcome of a run against it.
    fn run(self, seed: u64) -> Outcome {
        shop(&[self], seed)
    }

    /// Times and failures of one operation.
    fn series(self, name: &str, rng: &mut Xoshiro256PlusPlus) -> [SeriesOutcome; 2] {
        let normal = |rng: &mut _| -> f64 { StandardNormal.sample(rng) };
        let run_factor = self.factor * (self.between * normal(rng)).exp();
        let mut sway = normal(rng);
        let (mut total, mut slices) = (Distribution::new(), Slices::default());
        let (mut points, mut failed) = (Vec::new(), Vec::new());
        for second in 0..self.seconds {
            let fresh = (1.0 - self.correlation.powi(2)).sqrt();
            sway = self.correlation * sway + fresh * normal(rng);
            let burst = self.burst.is_some_and(|(from, to)| (from..to).contains(&second));
            let height = if burst { 5 } else { 1 };
            let mut values = Distribution::new();
            let calls = self.rate * height;
            let factor = run_factor * (self.sway * sway).exp() * f64::from(height);
            for _ in 0..calls {
                values.record((TIMES_OF_CALLS.choose(rng).unwrap_or(&1.0) * factor) as u64);
            }
            total.merge(&values);
            slices.add(second, &values);
            let ended = u64::from(calls);
            let hits = Binomial::new(ended, self.failing).unwrap().sample(rng);
            let reading = Reading::Trend { ended, begun: ended, p50: 0, p95: 0, p99: 0, max: 0 };
            points.push(Point { second, reading });
            failed.push(Point { second, reading: Reading::Rate { hits, total: ended } });
        }
        let duration = series("http.duration", name, Unit::Time, Total::Trend(total), points);
        let rate = Total::Rate { hits: 0, total: 0 };
        [
            SeriesOutcome { slices: Some(slices), ..duration },
            series("http.failed", name, Unit::Number, rate, failed),
        ]
    }

    fn runs(self, seeds: std::ops::Range<u64>) -> Vec<Outcome> {
        seeds.map(|seed| self.run(seed)).collect()
    }
}

/// The outcome of a run with an operation for each target.
fn shop(targets: &[Target], seed: u64) -> Outcome {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let elapsed = targets.iter().map(|target| target.seconds).max().unwrap_or(0);
    let of_one = |(at, target): (usize, &Target)| {
        let name = if at == 0 { "item".to_owned() } else { format!("item {at}") };
        target.series(&name, &mut rng)
    };
    outcome(seed, f64::from(elapsed), targets.iter().enumerate().flat_map(of_one).collect())
}

fn series(metric: &str, name: &str, unit: Unit, total: Total, points: Vec<Point>) -> SeriesOutcome {
    SeriesOutcome {
        metric: metric.to_owned(),
        kind: total.kind(),
        unit,
        tags: Tags::new([("scenario", "s"), ("name", name)]),
        total,
        points,
        slices: None,
        phases: BTreeMap::new(),
    }
}

#[expect(clippy::too_many_lines, reason = "one value, written out")]
fn outcome(seed: u64, elapsed: f64, series: Vec<SeriesOutcome>) -> Outcome {
    let place = Place { file: "shop.lua".to_owned(), line: 1 };
    let curve = Curve::constant(100.0, std::time::Duration::from_secs_f64(elapsed));
    let scenario = Scenario {
        name: "s".into(),
        load: Load::Rate { curve, arrivals: Arrivals::Even },
        start: Start::At(std::time::Duration::ZERO),
        graceful_stop: Scenario::GRACEFUL_STOP,
        max_users: None,
        tags: BTreeMap::new(),
        place: place.clone(),
        keys: BTreeMap::new(),
    };
    let parameter = Parameter {
        name: "size".to_owned(),
        value: ParamValue::Integer(10),
        default: ParamValue::Integer(1),
        about: String::new(),
        secret: false,
        place,
    };
    Outcome {
        schema: crate::outcome::SCHEMA,
        phases: Vec::new(),
        faults: Vec::new(),
        loadrun: "0.1.0".to_owned(),
        run: Run {
            name: "shop".to_owned(),
            started: format!("2026-01-02T03:04:05.{seed:06}Z"),
            elapsed,
            seed: 1,
            workers: 1,
            interrupted: false,
            aborted_by: None,
            fingerprint: "f00d".to_owned(),
        },
        environment: Environment {
            os: "linux".to_owned(),
            arch: "x86_64".to_owned(),
            cpus: 2,
            cpu: Some("cpu".to_owned()),
            memory: None,
        },
        plan: Plan {
            script: "shop.lua".into(),
            scenarios: vec![scenario],
            parameters: vec![parameter],
            ..Plan::default()
        },
        script: String::new(),
        verdict: RunVerdict::Valid,
        warnings: Vec::new(),
        reasons: Vec::new(),
        grade: None,
        exit: 0,
        thresholds: Vec::new(),
        scenarios: vec![ScenarioOutcome {
            name: "s".to_owned(),
            elapsed,
            ..ScenarioOutcome::default()
        }],
        series,
        failures: Vec::new(),
        script_errors: Vec::new(),
        ledgers: BTreeMap::new(),
        generator: Generator::default(),
        log: Vec::new(),
    }
}

/// How many of `pairs` comparisons of single runs come to this verdict.
fn count(pairs: u64, base: Target, now: Target, limit: f64, verdict: Finding) -> u64 {
    let found = (0..pairs).filter(|pair| {
        let compared = compare(&[base.run(2 * pair)], &[now.run(2 * pair + 1)], limit);
        compared.verdict == verdict
    });
    found.count() as u64
}

fn slower(target: Target, factor: f64) -> Target {
    Target { factor, ..target }
}

#[test]
fn of_200_pairs_without_a_change_at_most_5_percent_are_found_regressed() {
    // Without a limit every change beyond the noise is found: the hardest case.
    for (correlation, limit) in [(0.3, 0.0), (0.6, 0.0), (0.85, LIMIT)] {
        let target = Target { correlation, rate: 40, ..REAL };
        let false_alarms = count(200, target, target, limit, Finding::Regressed);
        assert!(false_alarms <= 10, "correlation {correlation}, {limit}: {false_alarms}");
    }
}

#[test]
fn a_slowdown_of_10_percent_is_found_in_at_least_90_percent() {
    let found = count(100, REAL, slower(REAL, 1.1), LIMIT, Finding::Regressed);
    assert!(found >= 90, "{found} of 100");
    let improved = count(50, REAL, slower(REAL, 0.9), LIMIT, Finding::Improved);
    assert!(improved >= 45, "{improved} of 50 improvements");
}

#[test]
fn without_a_change_most_pairs_are_found_unchanged() {
    let calm = Target { sway: 0.02, ..REAL };
    let unchanged = count(100, calm, calm, LIMIT, Finding::Unchanged);
    assert!(unchanged >= 90, "{unchanged} of 100");
}

#[test]
fn a_wave_of_load_that_both_runs_have_is_not_taken_for_noise() {
    let target = Target { burst: Some((15, 35)), rate: 40, ..REAL };
    let found = count(50, target, slower(target, 1.1), LIMIT, Finding::Regressed);
    let false_alarms = count(100, target, target, LIMIT, Finding::Regressed);
    assert!(found >= 45 && false_alarms <= 5, "{found} of 50, {false_alarms} of 100");
}

#[test]
fn what_one_burst_was_like_is_no_news_until_there_are_several_runs() {
    let target = Target { burst: Some((20, 21)), ..REAL };
    let false_alarms = count(200, target, target, LIMIT, Finding::Regressed);
    assert!(false_alarms <= 10, "{false_alarms} of 200");
    let single = compare(&[target.run(1)], &[slower(target, 1.5).run(2)], LIMIT);
    let p99 = |compared: &Comparison| {
        let row = compared.rows().find(|row| row.figure == "p99").unwrap();
        (row.finding, row.low.is_none())
    };
    assert_eq!(p99(&single), (Finding::Inconclusive, true));
    let several = compare(&target.runs(0..5), &slower(target, 1.5).runs(5..8), LIMIT);
    assert_eq!(p99(&several), (Finding::Regressed, false));
}

/// How often the 95 % interval of each figure holds the true change, in percent.
fn coverage(base: Target, now: Target, runs: u64) -> BTreeMap<&'static str, f64> {
    let truth = now.factor / base.factor - 1.0;
    let mut held = BTreeMap::new();
    for pair in 0..200 {
        let seeds = |side: u64| (2 * pair + side) * runs..(2 * pair + side + 1) * runs;
        let compared = compare(&base.runs(seeds(0)), &now.runs(seeds(1)), LIMIT);
        for row in compared.rows().filter(|row| row.scale == Scale::Time) {
            let low = row.low.is_none_or(|low| low <= truth);
            let high = row.high.is_none_or(|high| truth <= high);
            *held.entry(row.figure).or_default() += f64::from(u8::from(low && high)) / 2.0;
        }
    }
    held
}

#[test]
fn the_interval_of_every_figure_holds_the_truth_as_often_as_it_says() {
    for correlation in [0.0, 0.7] {
        let target = Target { correlation, rate: 50, ..REAL };
        let held = coverage(target, slower(target, 1.2), 1);
        for (figure, share) in held {
            assert!(share >= 92.0, "{figure}, correlation {correlation}: {share} %");
        }
    }
}

#[test]
fn what_runs_differ_by_themselves_is_learnt_from_several_of_them() {
    for (between, runs) in [(0.06, 4), (0.0, 2)] {
        let target = Target { between, seconds: 15, rate: 50, ..REAL };
        for (figure, share) in coverage(target, target, runs) {
            assert!(share >= 91.0, "{figure}, {runs} runs that differ by {between}: {share} %");
        }
    }
}

#[test]
fn a_run_against_itself_is_unchanged_in_every_row() {
    let run = [REAL.run(7)];
    let compared = compare(&run, &run, LIMIT);
    assert_eq!((compared.verdict, compared.exit_code()), (Finding::Unchanged, 0));
    assert_eq!(compared.rows().count(), 6);
    for row in compared.rows() {
        assert_eq!((row.finding, row.change), (Finding::Unchanged, 0.0), "{row:?}");
    }
    assert_eq!(compared, compare(&run, &run, LIMIT));
}

#[test]
fn more_failures_are_a_regression_and_fewer_calls_are_one_too() {
    let failing = Target { failing: 0.03, ..REAL };
    let compared = compare(&[REAL.run(1)], &[failing.run(2)], LIMIT);
    let finding = |figure| compared.rows().find(|row| row.figure == figure).unwrap().finding;
    assert_eq!((finding("failed"), compared.exit_code()), (Finding::Regressed, 1));
    let fewer = Target { rate: 80, ..REAL };
    let compared = compare(&[REAL.run(1)], &[fewer.run(2)], LIMIT);
    let throughput = compared.rows().find(|row| row.figure == "throughput").unwrap();
    assert_eq!(throughput.finding, Finding::Regressed, "{throughput:?}");
    assert!((throughput.change + 0.2).abs() < 1e-9);
}

#[test]
fn too_little_to_tell_is_inconclusive_with_the_reason() {
    for (target, why) in [
        (Target { seconds: 5, ..REAL }, "calls in fewer than 8 seconds"),
        (Target { rate: 1, ..REAL }, "fewer than 100 calls"),
    ] {
        let compared = compare(&[target.run(1)], &[slower(target, 3.0).run(2)], LIMIT);
        assert_eq!((compared.verdict, compared.exit_code()), (Finding::Inconclusive, 3));
        assert_eq!(compared.operations[0].why.as_deref(), Some(why));
    }
}

#[test]
fn a_percentile_of_too_few_calls_has_an_open_end_and_no_finding() {
    let few = Target { rate: 4, seconds: 30, ..REAL };
    let compared = compare(&[few.run(1)], &[slower(few, 2.0).run(2)], LIMIT);
    let p99 = compared.rows().find(|row| row.figure == "p99").unwrap();
    assert_eq!((p99.high, p99.finding), (None, Finding::Inconclusive), "{p99:?}");
    assert_eq!(compared.verdict, Finding::Regressed);
}

#[test]
fn two_runs_of_the_same_thing_have_no_differences() {
    assert_eq!(differences(&REAL.run(1), &REAL.run(2), &[]), Vec::<String>::new());
}

#[test]
fn everything_that_forbids_a_comparison_is_said() {
    let base = REAL.run(1);
    let mut now = REAL.run(2);
    now.verdict = RunVerdict::Incomplete;
    let cause = "interrupted".to_owned();
    now.reasons = vec![Reason { verdict: RunVerdict::Incomplete, cause }];
    now.run.fingerprint = "beef".to_owned();
    now.plan.parameters[0].value = ParamValue::Integer(20);
    now.plan.scenarios[0].max_users = Some(3);
    now.environment.cpus = 64;
    now.series.iter_mut().for_each(|series| series.slices = None);
    let found = differences(&base, &now, &[]).join("\n");
    insta::assert_snapshot!(found, @r"
    now is INCOMPLETE, not VALID: interrupted
    now has no histograms along the run (loadrun 0.1.0)
    the script's text is not the same
    parameter size is 10 in base, 20 now
    the load of scenario s is not the same
    the host was linux x86_64, 2 x cpu in base, is linux x86_64, 64 x cpu now
    ");
    let varied = differences(&base, &now, &["size".to_owned()]).join("\n");
    assert!(!varied.contains("parameter"), "{varied}");
    let same = differences(&base, &base, &[]).join("\n");
    assert!(same.contains("both are the run of shop at 2026-01-02"), "{same}");
}

#[test]
fn where_the_load_went_is_said_and_not_held_against_a_comparison() {
    let at = |seed: u64, base: &str| {
        let mut run = REAL.run(seed);
        let mut parameter = run.plan.parameters[0].clone();
        parameter.name = "base".to_owned();
        parameter.value = ParamValue::String(base.to_owned());
        run.plan.parameters.push(parameter);
        run
    };
    let base = [at(1, "http://10.0.0.7:1"), at(2, "http://10.0.0.7:2"), at(3, "10.0.0.7:3")];
    let now = at(4, "http://10.0.0.8:4");
    for base in &base {
        assert_eq!(differences(base, &now, &[]), Vec::<String>::new());
    }
    let told = compare(&base, std::slice::from_ref(&now), LIMIT).targets;
    assert_eq!(told, ["base: http://10.0.0.7:1 and 2 more before, http://10.0.0.8:4 now"]);
    let same = [now.clone()];
    assert!(compare(&same, &same, LIMIT).targets.is_empty());
    let small = at(5, "small");
    let found = differences(&base[0], &small, &[]);
    assert_eq!(found, ["parameter base is http://10.0.0.7:1 in base, small now"]);
    assert!(compare(&base, &[small], LIMIT).targets.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]
    #[test]
    fn turned_round_a_comparison_says_the_opposite(a in 0..1000_u64, b in 1000..2000_u64) {
        let target = Target { seconds: 12, ..REAL };
        let (a, b) = ([target.run(a)], [slower(target, 1.3).run(b)]);
        let (there, back) = (compare(&a, &b, LIMIT), compare(&b, &a, LIMIT));
        for (there, back) in there.rows().zip(back.rows()).filter(|(t, _)| t.scale == Scale::Time) {
            prop_assert!(((1.0 + there.change) * (1.0 + back.change) - 1.0).abs() < 1e-9);
            prop_assert!((there.base - back.now).abs() < 1e-6);
            // It takes more to be found worse than to be found better. The slower target need not be
            // the worse one in each figure of so short a run.
            let (worse, better) = if there.change > 0.0 { (there, back) } else { (back, there) };
            prop_assert!(better.chance <= worse.chance + 1e-6, "{worse:?} {better:?}");
            if worse.finding == Finding::Regressed {
                prop_assert_eq!(better.finding, Finding::Improved);
            }
        }
    }
}

#[test]
fn what_is_worse_by_the_limit_is_let_through_in_at_most_5_percent() {
    let target = Target { rate: 40, seconds: 30, ..REAL };
    let passed = (0..100).filter(|pair| {
        let now = slower(target, 1.0 + LIMIT).run(2 * pair + 1);
        compare(&[target.run(2 * pair)], &[now], LIMIT).exit_code() == 0
    });
    let passed = passed.count();
    assert!(passed <= 5, "{passed} of 100");
}

/// Shops of ten operations, each with its own noise.
fn shops(target: Target, seeds: std::ops::Range<u64>) -> Vec<Outcome> {
    seeds.map(|seed| shop(&[target; 10], seed)).collect()
}

#[test]
fn of_many_operations_without_a_change_none_is_found_better_or_worse_by_luck() {
    let target = Target { rate: 20, seconds: 12, ..REAL };
    let mut found = [0, 0];
    for pair in 0..40 {
        let [base, now] = [0, 1].map(|side| shops(target, 2 * pair + side..2 * pair + side + 1));
        let compared = compare(&base, &now, 0.0);
        for (found, finding) in found.iter_mut().zip([Finding::Improved, Finding::Regressed]) {
            *found += u32::from(compared.rows().any(|row| row.finding == finding));
        }
    }
    assert!(found.iter().all(|found| *found <= 3), "{found:?} of 40");
}

#[test]
fn many_operations_that_are_twice_as_fast_are_better_as_a_whole_and_none_is_in_doubt() {
    let target = Target { rate: 20, seconds: 30, ..REAL };
    for pair in 0..5 {
        let base = shops(target, 2 * pair..2 * pair + 1);
        let now = shops(slower(target, 0.5), 2 * pair + 1..2 * pair + 2);
        let compared = compare(&base, &now, LIMIT);
        assert_eq!((compared.verdict, compared.exit_code()), (Finding::Improved, 0));
        assert_eq!(compared.more, None);
        for row in compared.rows().filter(|row| row.scale == Scale::Time) {
            // Whose interval lies on the better side is never called inconclusive.
            let told = [Finding::Improved, Finding::NotWorse].contains(&row.finding);
            assert_eq!(told, row.worst.is_some_and(|worst| worst <= LIMIT), "{row:?}");
        }
    }
}

#[test]
fn where_it_cannot_be_told_a_larger_limit_or_as_many_runs_as_it_says_tell() {
    let target = Target { rate: 20, seconds: 12, between: 0.03, ..REAL };
    let (mut told, mut asked) = (0, 0);
    for pair in 0..20 {
        let sides =
            [0, 1].map(|side| target.runs(100 * pair + 50 * side..100 * pair + 50 * side + 2));
        let compared = compare(&sides[0], &sides[1], LIMIT);
        let Some(More { limit, runs }) = compared.more else { continue };
        assert_eq!(compared.verdict, Finding::Inconclusive);
        if let Some(limit) = limit {
            assert!(limit > LIMIT);
            assert_eq!(compare(&sides[0], &sides[1], limit).exit_code(), 0);
        }
        let Some(runs) = runs.map(u64::from) else { continue };
        assert!(runs > 2);
        let sides =
            [0, 1].map(|side| target.runs(100 * pair + 50 * side..100 * pair + 50 * side + runs));
        asked += 1;
        told += u32::from(compare(&sides[0], &sides[1], LIMIT).exit_code() == 0);
    }
    // How noisy it is was learnt from two runs of each, which may be off.
    assert!(asked >= 10 && 10 * told >= 6 * asked, "{told} of {asked}");
}

#[test]
fn calls_of_setup_that_cannot_be_compared_do_not_keep_the_load_from_it() {
    let with_setup = |seed: u64| {
        let short = Target { seconds: 2, rate: 200, ..REAL };
        let mut run = shop(&[REAL, short], seed);
        for series in run.series.iter_mut().filter(|s| s.tags.find("name") == Some("item 1")) {
            series.tags = Tags::new([("name", "seed rows")]);
        }
        run
    };
    let compared = compare(&[with_setup(1)], &[with_setup(1)], LIMIT);
    let why = compared.operations.iter().find_map(|operation| operation.why.as_deref());
    assert_eq!(why, Some("calls in fewer than 8 seconds"));
    assert_eq!(compared.verdict, Finding::Unchanged);
}
