//! What a plan says about itself, and a small plan for the tests of this room.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{
    Arrivals, Curve, Load, ParamValue, Parameter, Place, Plan, Problem, Scenario, Start, Step,
    nearest,
};
use crate::metric::Threshold;

pub(super) const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(super) fn place(line: u32) -> Place {
    Place { file: "shop.lua".to_owned(), line }
}

pub(super) fn rate(curve: Curve) -> Load {
    Load::Rate { curve, arrivals: Arrivals::Even }
}

/// A scenario with nothing wrong in it but what `load` brings.
pub(super) fn scenario(name: &str, line: u32, load: Load) -> Scenario {
    Scenario {
        name: Arc::from(name),
        load,
        start: Start::At(Duration::ZERO),
        graceful_stop: Scenario::GRACEFUL_STOP,
        max_users: None,
        tags: BTreeMap::new(),
        place: place(line),
        keys: BTreeMap::new(),
    }
}

pub(super) fn plan(scenarios: Vec<Scenario>, thresholds: &[&str]) -> Plan {
    let parse = |(text, line): (&&str, u32)| (Threshold::parse(text).unwrap(), place(line));
    Plan {
        script: PathBuf::from("shop.lua"),
        scenarios,
        thresholds: thresholds.iter().zip(90..).map(parse).collect(),
        ..Plan::default()
    }
}

#[test]
fn peaks_count_only_what_runs_at_the_same_time() {
    let mut later = scenario("later", 2, Load::Users(Curve::constant(30.0, s(60))));
    later.start = Start::After(Arc::from("first"));
    let mut beside = scenario("beside", 3, rate(Curve::constant(50.0, s(30))));
    beside.start = Start::At(s(80));
    beside.max_users = Some(7);
    let ramp = Curve::steps(0.0, &[Step::To { to: 20.0, over: s(90) }]);
    let plan = plan(vec![scenario("first", 1, Load::Users(ramp)), later, beside], &[]);
    assert_eq!(plan.duration(), s(150));
    assert_eq!(plan.peak_users(), 37, "beside and later; first has ended before later begins");
    assert!((plan.peak_rate() - 50.0).abs() < f64::EPSILON);
}

#[test]
fn work_lasts_as_long_as_it_may_and_has_one_user_by_itself() {
    let mut many = scenario("many", 1, Load::iterations(1_000, Some(s(60))));
    assert_eq!((many.most_users(), many.closed(), many.load.duration()), (1, true, s(60)));
    many.max_users = Some(5_000);
    assert_eq!(many.most_users(), 1_000, "no more users than work");
}

#[test]
fn scenarios_that_wait_in_a_circle_still_have_a_duration() {
    let mut a = scenario("a", 1, Load::Users(Curve::constant(1.0, s(60))));
    a.start = Start::After(Arc::from("a"));
    assert!(plan(vec![a], &[]).duration() > s(0));
}

#[test]
fn a_secret_is_shown_nowhere() {
    let secret = |secret| Parameter {
        name: "token".to_owned(),
        value: ParamValue::String("hunter2".to_owned()),
        default: ParamValue::String("hunter1".to_owned()),
        about: String::new(),
        secret,
        place: place(1),
    };
    let shown = serde_json::to_string(&secret(true)).unwrap() + &format!("{:?}", secret(true));
    assert!(!shown.contains("hunter") && shown.contains("***"), "{shown}");
    assert!(serde_json::to_string(&secret(false)).unwrap().contains("hunter2"));
}

#[test]
fn a_plan_is_written_with_times_in_seconds_and_thresholds_as_text() {
    let buy = scenario("buy", 3, rate(Curve::constant(200.0, s(10))));
    let plan = plan(vec![buy], &["http.failed rate < 1%"]);
    insta::assert_snapshot!(serde_json::to_string_pretty(&plan).unwrap(), @r#"
    {
      "script": "shop.lua",
      "scenarios": [
        {
          "name": "buy",
          "load": {
            "rate": {
              "curve": [
                {
                  "start": 0.0,
                  "over": 10.0,
                  "from": 200.0,
                  "to": 200.0
                }
              ],
              "arrivals": "even"
            }
          },
          "start": {
            "at": 0.0
          },
          "graceful_stop": 30.0,
          "max_users": null,
          "tags": {},
          "place": {
            "file": "shop.lua",
            "line": 3
          }
        }
      ],
      "thresholds": [
        [
          "http.failed rate < 1%",
          {
            "file": "shop.lua",
            "line": 90
          }
        ]
      ],
      "parameters": [],
      "metrics": [],
      "services": [],
      "faults": [],
      "recovery": {
        "warm_up": 0.0,
        "success": null,
        "p99": null,
        "promise": 0.999,
        "period": 2592000.0
      },
      "has_setup": false,
      "has_teardown": false
    }
    "#);
}

#[test]
fn a_problem_says_what_where_and_what_next() {
    let problem = Problem::new("malformed duration \"5x\"").at(&place(12)).hint("write \"5s\"");
    insta::assert_snapshot!(problem, @r#"
    error: malformed duration "5x"
      --> shop.lua:12
      hint: write "5s"
    "#);
    insta::assert_snapshot!(Problem::new("no script"), @"error: no script");
}

#[test]
fn the_nearest_name_is_one_that_could_have_been_meant() {
    let keys = ["base", "batch", "timeout", "connections", "max_users"];
    for (word, meant) in [
        ("tiemout", Some("timeout")),
        ("Connections", Some("connections")),
        ("maxusers", Some("max_users")),
        ("bas", Some("base")),
        ("url", None),
        ("fetch", None),
        ("", None),
    ] {
        assert_eq!(nearest(word, keys), meant, "{word}");
    }
}
