//! What each cause makes of a run.

use super::*;

fn lag(p99: u64, response: u64) -> Lag {
    let [p99, response] = [p99, response].map(Duration::from_millis);
    Lag { scenario: "visitors".to_owned(), p99, response, ..Lag::default() }
}

fn healthy() -> Evidence {
    Evidence {
        calls: 1000,
        iterations: vec![Iterations {
            scenario: "visitors".to_owned(),
            offered: 1000,
            started: 1000,
            finished: 1000,
            ..Iterations::default()
        }],
        lags: vec![lag(1, 20)],
        busiest_worker: 0.2,
        elapsed: Duration::from_secs(10),
        ..Evidence::default()
    }
}

fn verdict(change: impl FnOnce(&mut Evidence)) -> RunVerdict {
    let mut evidence = healthy();
    change(&mut evidence);
    judge(&evidence).0
}

#[test]
fn a_healthy_run_is_valid() {
    assert_eq!(judge(&healthy()), (RunVerdict::Valid, Vec::new()));
}

#[test]
fn each_cause_has_its_verdict() {
    assert_eq!(verdict(|e| e.interrupted = true), RunVerdict::Incomplete);
    assert_eq!(verdict(|e| e.iterations[0].finished = 0), RunVerdict::Incomplete);
    assert_eq!(verdict(|e| e.teardown = Some("error".to_owned())), RunVerdict::Incomplete);
    assert_eq!(verdict(|e| e.iterations[0].broken = 11), RunVerdict::ScriptLimited);
    assert_eq!(verdict(|e| e.stalls = 1), RunVerdict::ScriptLimited);
    assert_eq!(verdict(|e| e.slow = Duration::from_millis(600)), RunVerdict::ScriptLimited);
    assert_eq!(verdict(|e| e.failed = 1000), RunVerdict::TargetDown);
    assert_eq!(verdict(|e| e.iterations[0].dropped = 1), RunVerdict::GeneratorLimited);
    assert_eq!(verdict(|e| e.busiest_worker = 0.95), RunVerdict::GeneratorLimited);
    assert_eq!(verdict(|e| e.lags.push(lag(60, 20))), RunVerdict::GeneratorLimited);
    assert_eq!(verdict(|e| e.exhausted = 1), RunVerdict::GeneratorLimited);
    assert_eq!(verdict(|e| e.stolen = 0.06), RunVerdict::GeneratorLimited);
    assert_eq!(verdict(|e| e.stolen = 0.04), RunVerdict::Valid);
    let short = |e: &mut Evidence| (e.stolen, e.elapsed) = (0.2, Duration::from_millis(100));
    assert_eq!(verdict(short), RunVerdict::Valid, "a tick or two");
    assert_eq!(verdict(|e| e.iterations[0].unfinished = 11), RunVerdict::Incomplete);
    assert_eq!(verdict(|e| e.unready = 1), RunVerdict::Incomplete);
    assert_eq!(verdict(|e| e.undone.push(("s".to_owned(), 1, 2))), RunVerdict::Incomplete);
    assert_eq!(verdict(|e| e.broke = Some("x".to_owned())), RunVerdict::Incomplete);
    assert_eq!(verdict(|e| e.aborted_by = Some("x".to_owned())), RunVerdict::Incomplete);
    assert_eq!(verdict(|e| e.lost.push("x".to_owned())), RunVerdict::Incomplete);
    assert_eq!(verdict(|e| e.partial.push("x".to_owned())), RunVerdict::ScriptLimited);
}

#[test]
fn a_busy_scenario_excuses_nothing_of_a_quiet_one() {
    let quiet = |change: fn(&mut Iterations)| {
        verdict(|e| {
            e.iterations[0].finished = 1_000_000;
            e.iterations[0].started = 1_000_000;
            let mut few = Iterations { started: 60, finished: 60, ..Iterations::default() };
            change(&mut few);
            e.iterations.push(few);
        })
    };
    assert_eq!(quiet(|_| ()), RunVerdict::Valid);
    assert_eq!(quiet(|few| few.broken = 1), RunVerdict::ScriptLimited);
    assert_eq!(quiet(|few| few.unfinished = 1), RunVerdict::Incomplete);
}

#[test]
fn a_worker_that_stood_still_is_held_against_the_run_but_not_what_the_script_did() {
    let still = |pause, longest| {
        verdict(|e| (e.pause, e.longest) = (Duration::from_millis(pause), longest))
    };
    assert_eq!(still(1_500, Duration::from_millis(3)), RunVerdict::GeneratorLimited);
    assert_eq!(still(900, Duration::from_millis(3)), RunVerdict::Valid);
    assert_eq!(still(1_500, Duration::from_millis(1_600)), RunVerdict::Valid);
}

fn reason(change: impl FnOnce(&mut Evidence)) -> String {
    let mut evidence = healthy();
    change(&mut evidence);
    judge(&evidence).1.remove(0).cause
}

#[test]
fn a_target_that_answers_is_not_called_down_and_the_commonest_failure_is_told() {
    let told = |answered, only| {
        reason(|e| {
            let words = "server: no such table: t".to_owned();
            (e.failed, e.commonest) = (1000, Some(Commonest { words, only, answered }));
        })
    };
    let how = "all 1000 calls failed";
    assert_eq!(told(false, true), format!("{how} (server: no such table: t)"));
    assert_eq!(told(false, false), format!("{how} (mostly server: no such table: t)"));
    assert_eq!(
        told(true, true),
        format!("the target answers, but {how} (server: no such table: t)")
    );
}

#[test]
fn where_no_user_was_free_it_is_told_what_kept_them() {
    let told = |calls, waited, failed| {
        reason(|e| {
            let did = &mut e.iterations[0];
            (did.dropped, did.users) = (12, 200);
            let operation = "checkout".to_owned();
            did.busy = Some(Busy { calls, operation, share: 0.75, waited, failed });
        })
    };
    let none =
        "visitors: 12 of 1000 arrivals found no free user, as all of 200 (max_users) were busy";
    let or = "the target is slower than this load, or max_users is too small";
    for (calls, waited, failed, why) in [
        (0.2, 0.9, 0.0, "; raise max_users".to_owned()),
        (0.9, 0.0, 0.0, format!(": 75 % of the time with \"checkout\"; {or}")),
        (0.2, 0.0, 1.0, format!(": 100 % of their calls failed; {or}")),
        (
            0.9,
            0.5,
            0.25,
            concat!(
                ": 75 % of the time with \"checkout\", 50 % of that waiting for a connection, ",
                "25 % of their calls failed; the target is slower than this load, ",
                "the client has too few connections, or max_users is too small"
            )
            .to_owned(),
        ),
    ] {
        assert_eq!(told(calls, waited, failed), format!("{none}{why}"));
    }
}

#[test]
fn lag_is_held_against_the_run_only_beside_the_response_it_is_part_of() {
    assert_eq!(verdict(|e| e.lags.push(lag(60, 2000))), RunVerdict::Valid);
    // Another scenario's slow responses excuse nothing.
    let other = |e: &mut Evidence| e.lags.extend([lag(60, 20), lag(1, 5000)]);
    assert_eq!(verdict(other), RunVerdict::GeneratorLimited);
}

#[test]
fn arrivals_that_waited_for_the_init_of_new_users_are_told_apart() {
    let told = |awaited_init| {
        let mut evidence = healthy();
        evidence.lags = vec![Lag { late: 8, awaited_init, ..lag(203, 300) }];
        judge(&evidence).1.remove(0).cause
    };
    let late = "visitors began late: lag p99 203 ms, allowed 50 ms";
    assert_eq!(told(4), late);
    let init = "6 of 8 late arrivals waited for the `init` of a new user";
    assert_eq!(told(6), format!("{late}; {init}: what all can share belongs into `setup`"));
}

#[test]
fn a_few_iterations_that_were_cut_off_are_told_where_they_do_not_spoil_the_run() {
    let told = |unfinished| {
        let did = ScenarioOutcome {
            name: "s".to_owned(),
            started: 200,
            unfinished,
            ..ScenarioOutcome::default()
        };
        cut_off(&did)
    };
    assert_eq!((told(0), told(3)), (None, None));
    let what = "s: 2 of 200 iterations were cut off unfinished: the longest calls are in no times, and \
                no failures";
    assert_eq!(told(2).as_deref(), Some(what));
}

#[test]
fn one_percent_of_broken_iterations_is_still_believed() {
    assert_eq!(verdict(|e| e.iterations[0].broken = 10), RunVerdict::Valid);
    assert_eq!(verdict(|e| e.iterations[0].finished = 0), RunVerdict::Incomplete);
}

#[test]
fn every_cause_is_told_and_the_most_specific_names_the_verdict() {
    let mut evidence = healthy();
    evidence.iterations[0].broken = 1000;
    evidence.failed = 1000;
    evidence.busiest_worker = 1.0;
    let (verdict, reasons) = judge(&evidence);
    assert_eq!(verdict, RunVerdict::TargetDown);
    let under: Vec<_> = reasons.iter().map(|reason| reason.verdict).collect();
    let expected =
        [RunVerdict::TargetDown, RunVerdict::ScriptLimited, RunVerdict::GeneratorLimited];
    assert_eq!(under, expected);
}
