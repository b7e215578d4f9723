//! Runs that are ended from outside, and what is left of them.

use super::*;

#[test]
fn an_interrupted_run_still_reports_and_exits_130() {
    let bench = Bench::with(SLEEPER);
    let mut run = bench.start(&["script.lua"]);
    let mut rest = wait_for(&mut run, "begun");
    send("-INT", &run);
    let mut told = String::new();
    rest.read_to_string(&mut told).unwrap();
    let output = run.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{told}");
    assert!(told.contains("teardown ran"), "{told}");
    assert!(stdout(&output).contains("INCOMPLETE"), "{}", stdout(&output));
    let outcome = bench.outcome();
    assert_eq!(outcome["run"]["interrupted"], true);
    assert!(outcome["scenarios"][0]["started"].as_u64().unwrap() >= 3);
}

#[test]
fn an_interrupt_in_teardown_is_heard_and_a_second_one_ends_it() {
    let bench = Bench::with(
        r#"local time, log = require "loadrun.time", require "loadrun.log"
           return {
             scenarios = { s = { iterations = 1, run = function() end } },
             teardown = function() log.info("tidying up") time.sleep("10m") end,
           }"#,
    );
    let mut run = bench.start(&["script.lua"]);
    let rest = wait_for(&mut run, "tidying up");
    send("-INT", &run);
    run.stderr = Some(rest.into_inner());
    let _rest = wait_for(&mut run, "waiting for teardown (again to stop at once)");
    send("-INT", &run);
    let output = run.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let said = stdout(&output);
    assert!(said.contains("INCOMPLETE: interrupted after the load, in teardown"), "{said}");
}

#[test]
fn a_second_interrupt_ends_the_run_at_once() {
    let script = SLEEPER.replace("graceful_stop = \"0s\"", "graceful_stop = \"10m\"");
    let bench = Bench::with(&script.replace("200ms", "10m"));
    let mut run = bench.start(&["script.lua"]);
    let rest = wait_for(&mut run, "begun");
    send("-INT", &run);
    run.stderr = Some(rest.into_inner());
    let _rest = wait_for(&mut run, "stopping");
    send("-INT", &run);
    assert_eq!(run.wait_with_output().unwrap().status.code(), Some(130));
    assert_eq!(bench.outcome()["scenarios"][0]["unfinished"], 3);
}
