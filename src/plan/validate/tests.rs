//! Bad plans and what is said about them, word for word.

use std::sync::Arc;

use super::super::tests::{plan, rate, s, scenario};
use super::super::{Curve, Load, Plan, Scenario, Start, Step};
use super::validate;
use crate::metric::{Kind, Metric, Unit};

/// Everything that is said about a plan, as the user reads it.
fn said(plan: &Plan) -> String {
    let problems = validate(plan);
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// What is said about one scenario called `buy` that offers `load`.
fn said_of(load: Load) -> String {
    said(&plan(vec![scenario("buy", 7, load)], &[]))
}

fn fine() -> Scenario {
    scenario("buy", 7, rate(Curve::constant(200.0, s(10))))
}

fn waiting(name: &str, line: u32, first: &str) -> Scenario {
    let mut scenario = scenario(name, line, Load::Users(Curve::constant(1.0, s(1))));
    scenario.start = Start::After(Arc::from(first));
    scenario
}

fn metric(name: &str, kind: Kind) -> Metric {
    Metric { name: Arc::from(name), kind, unit: Unit::Number }
}

#[test]
fn a_sound_plan_has_no_problem() {
    let mut work = scenario("work", 9, Load::iterations(1_000, Some(s(60))));
    work.max_users = Some(10);
    work.tags.insert("region".to_owned(), "eu".to_owned());
    let burst = Curve::steps(0.0, &[Step::Burst(100)]);
    let ramp = Curve::steps(0.0, &[Step::To { to: 10.0, over: s(5) }]);
    let mut plan = plan(
        vec![
            fine(),
            work,
            scenario("burst", 10, rate(burst)),
            scenario("ramp", 11, Load::Users(ramp)),
            waiting("last", 12, "ramp"),
        ],
        &[
            "http.duration{scenario=buy,name=item} p95 < 300ms, goal < 100ms",
            "http.duration{set_by_the_script=x} p95 < 300ms",
            "http.failed{kind in (timeout|reset)} rate < 1% over 10s, abort",
            "iteration.dropped{region=eu} count == 0",
            "stock.left{shop=north} value >= 0",
        ],
    );
    plan.metrics.push(metric("stock.left", Kind::Gauge));
    assert_eq!(said(&plan), "");
}

#[test]
fn a_load_of_impossible_numbers_is_refused() {
    insta::assert_snapshot!(said_of(rate(Curve::constant(-5.0, s(10)))), @r#"
    error: scenario `buy`: rate cannot be -5; expected a finite number from 0
      --> shop.lua:7
    "#);
    insta::assert_snapshot!(said_of(Load::Users(Curve::constant(f64::NAN, s(10)))), @"
    error: scenario `buy`: users cannot be NaN; expected a finite number from 0
      --> shop.lua:7
    ");
    let endless = Curve::steps(1.0, &[Step::To { to: f64::INFINITY, over: s(10) }]);
    insta::assert_snapshot!(said_of(rate(endless)), @r#"
    error: scenario `buy`: rate cannot be inf; expected a finite number from 0
      --> shop.lua:7
    "#);
}

#[test]
fn a_load_that_lasts_no_time_or_starts_nothing_is_refused() {
    insta::assert_snapshot!(said_of(Load::Users(Curve::constant(5.0, s(0)))), @r#"
    error: scenario `buy`: users lasts no time
      --> shop.lua:7
      hint: give a `duration`, or steps with `over` or `hold`
    "#);
    insta::assert_snapshot!(said_of(rate(Curve::steps(200.0, &[]))), @r#"
    error: scenario `buy`: rate lasts no time
      --> shop.lua:7
      hint: give a `duration`, or steps with `over` or `hold`
    "#);
    insta::assert_snapshot!(said_of(rate(Curve::constant(0.0, s(60)))), @r#"
    error: scenario `buy`: rate is 0 throughout, so nothing would start
      --> shop.lua:7
    "#);
    insta::assert_snapshot!(said_of(Load::iterations(0, None)), @r#"
    error: scenario `buy`: iterations is 0, so nothing would start
      --> shop.lua:7
    "#);
    insta::assert_snapshot!(said_of(Load::iterations(1, Some(s(0)))), @r#"
    error: scenario `buy`: duration cannot be 0 s; leave it out for no limit
      --> shop.lua:7
    "#);
}

#[test]
fn only_a_rate_can_burst() {
    let burst = || Curve::steps(5.0, &[Step::Hold(s(1)), Step::Burst(10)]);
    insta::assert_snapshot!(said_of(Load::Users(burst())), @r#"
    error: scenario `buy`: users cannot burst; expected `to`, `hold` or `jump`
      --> shop.lua:7
      hint: a burst is a number of arrivals, which only `rate` has
    "#);
    assert_eq!(said_of(rate(burst())), "");
}

#[test]
fn released_work_cannot_be_taken_back() {
    let curve = Curve::steps(
        0.0,
        &[Step::To { to: 100.0, over: s(1) }, Step::Jump { to: 50.0, hold: None }],
    );
    insta::assert_snapshot!(said_of(Load::Iterations { curve, total: 100, duration: None }), @r#"
    error: scenario `buy`: iterations cannot fall, here from 100 to 50
      --> shop.lua:7
      hint: the curve says how many have been released so far
    "#);
}

#[test]
fn a_limit_of_users_has_to_be_a_limit() {
    let mut none = fine();
    none.max_users = Some(0);
    let mut users = scenario("look", 8, Load::Users(Curve::constant(5.0, s(5))));
    users.max_users = Some(10);
    insta::assert_snapshot!(said(&plan(vec![none, users], &[])), @r#"
    error: scenario `buy`: max_users cannot be 0; expected a number from 1
      --> shop.lua:7
    error: scenario `look`: max_users has no meaning next to users
      --> shop.lua:8
      hint: leave it out: `users` says how many there are
    "#);
}

#[test]
fn a_scenario_has_a_visible_name_and_tags_of_its_own() {
    let mut unseen = fine();
    unseen.name = Arc::from(" ");
    unseen.tags.insert("kind".to_owned(), "x".to_owned());
    insta::assert_snapshot!(said(&plan(vec![unseen], &[])), @r#"
    error: scenario ` `: a name needs a visible character, and no control characters
      --> shop.lua:7
    error: scenario ` `: the tag "kind" is set by loadrun itself
      --> shop.lua:7
      hint: choose another key
    "#);
}

#[test]
fn a_scenario_waits_only_for_one_that_is_there() {
    insta::assert_snapshot!(
        said(&plan(vec![fine(), waiting("a", 8, "bye"), waiting("b", 9, "checkout")], &[])), @r#"
    error: scenario `a`: starts after "bye", which is not a scenario
      --> shop.lua:8
      hint: expected one of buy, b
    error: scenario `b`: starts after "checkout", which is not a scenario
      --> shop.lua:9
      hint: expected one of buy, a
    "#
    );
}

#[test]
fn each_circle_of_waiting_scenarios_is_told_once() {
    let circles = vec![
        waiting("tail", 1, "a"),
        waiting("a", 2, "b"),
        waiting("b", 3, "c"),
        waiting("c", 4, "a"),
        waiting("alone", 5, "alone"),
    ];
    insta::assert_snapshot!(said(&plan(circles, &[])), @"
    error: none of these can start: a -> b -> c -> a
      --> shop.lua:2
      hint: each starts after the next; give one of them a time to start at
    error: none of these can start: alone -> alone
      --> shop.lua:5
      hint: each starts after the next; give one of them a time to start at
    ");
}

#[test]
fn a_metric_of_a_script_has_a_name_and_a_meaning_of_its_own() {
    let mut plan = plan(vec![fine()], &[]);
    plan.metrics = vec![
        metric("http.duration", Kind::Trend),
        metric("queue", Kind::Gauge),
        metric("queue", Kind::Gauge),
        metric("queue", Kind::Counter),
    ];
    insta::assert_snapshot!(said(&plan), @r#"
    error: metric "http.duration" is recorded by loadrun itself
      hint: choose another name
    error: metric "queue" is declared in two ways
    "#);
}

#[test]
fn a_threshold_speaks_of_what_can_be_recorded() {
    insta::assert_snapshot!(said(&plan(vec![fine()], &[
        "http.durration p95 < 300ms",
        "latency p95 < 300ms",
        "http.duration{nmae=item} p95 < 300ms",
        "iteration.lag{name=item} p99 < 10ms",
        "http.duration{scenario=by} p95 < 300ms",
        "http.duration{scenario in (buy|sell)} p95 < 300ms",
        "http.failed{kind=timout} rate < 1%",
        "http.status{status in (404|5xx)} count == 0",
        "http.status{status=50x} count == 0",
        "iteration.dropped p95 < 300ms",
    ])), @r#"
    error: threshold `http.durration p95 < 300ms`: no metric is called "http.durration"
      --> shop.lua:90
      hint: did you mean "http.duration"?
    error: threshold `latency p95 < 300ms`: no metric is called "latency"
      --> shop.lua:91
      hint: expected one of http.duration, http.failed, http.status, http.wait, http.connects, http.sent, http.received, redis.duration, redis.failed, redis.wait, redis.connects, redis.refused, redis.commands, redis.redirects, sql.duration, sql.failed, sql.wait, sql.connects, sql.refused, iteration.offered, iteration.started, iteration.finished, iteration.response, iteration.duration, iteration.lag, iteration.dropped, iteration.unfinished, users.busy, process.cpu, process.memory, process.read, process.written, host.steal, host.received, host.sent, check.failed, script.errors, recovery.time, recovery.detect, recovery.settle, recovery.outage, recovery.relapses, recovery.lost, recovery.debt, recovery.retries, budget.burn, budget.burnt, ledger.lost, ledger.landing, ledger.late, ledger.refused, ledger.duplicated
    error: threshold `http.duration{nmae=item} p95 < 300ms`: http.duration has no tag "nmae"
      --> shop.lua:92
      hint: did you mean "name"?
    error: threshold `iteration.lag{name=item} p99 < 10ms`: iteration.lag has no tag "name"
      --> shop.lua:93
      hint: there is only "scenario"
    error: threshold `http.duration{scenario=by} p95 < 300ms`: no scenario is called "by"
      --> shop.lua:94
      hint: did you mean "buy"?
    error: threshold `http.duration{scenario in (buy|sell)} p95 < 300ms`: no scenario is called "sell"
      --> shop.lua:95
      hint: there is only "buy"
    error: threshold `http.failed{kind=timout} rate < 1%`: no kind is called "timout"
      --> shop.lua:96
      hint: did you mean "timeout"?
    error: threshold `http.status{status=50x} count == 0`: no status is called "50x"
      --> shop.lua:98
      hint: expected one such as "503", or a class such as "5xx"
    error: threshold `iteration.dropped p95 < 300ms`: a counter has no p95
      --> shop.lua:99
      hint: expected one of count, rate
    "#);
}

#[test]
fn everything_wrong_is_said_at_once() {
    let mut bad = scenario("buy", 7, rate(Curve::constant(0.0, s(5))));
    bad.max_users = Some(0);
    bad.start = Start::After(Arc::from("nobody"));
    bad.tags.insert("name".to_owned(), "x".to_owned());
    let plan = plan(vec![bad], &["nothing{a=b} count == 0", "http.failed{scenario=b} p95 < 1%"]);
    assert_eq!(validate(&plan).len(), 7, "{}", said(&plan));
}
