//! What a run comes to: thresholds, and what keeps it from passing.

use super::*;

#[test]
fn missed_thresholds_are_graded_in_the_exit_code() {
    let held = r#""http.failed rate < 1%""#;
    let missed = r#""http.duration p50 < 1ns""#;
    for (thresholds, exit) in [
        (format!("{held}, {missed}"), 1),
        (missed.to_owned(), 2),
        (format!("{held}, {held}, \"http.duration p50 < 1ns, critical\""), 2),
    ] {
        let output = Bench::with(&fifty_calls(&thresholds)).run(&["script.lua", "--quiet"]);
        assert_eq!(code(&output), exit, "{thresholds}\n{}", stdout(&output));
    }
}

#[test]
fn a_threshold_that_matched_no_sample_fails_and_says_so() {
    let bench = Bench::with(&fifty_calls(r#""http.duration{name=nowhere} p95 < 1s""#));
    let output = bench.run(&["script.lua", "--quiet"]);
    assert_eq!(code(&output), 2);
    assert!(stdout(&output).contains("matched no sample"), "{}", stdout(&output));
}

#[test]
fn a_run_in_which_every_iteration_throws_never_passes() {
    let bench = Bench::with(
        "return { scenarios = { broken = { iterations = 20, run = function(vu)
             local nothing = vu.nothing
             return nothing.field
           end } } }",
    );
    let output = bench.run(&["script.lua", "--quiet"]);
    assert_eq!(code(&output), 3, "{}", stdout(&output));
    let said = stdout(&output);
    assert!(said.contains("SCRIPT_LIMITED"), "{said}");
    assert!(said.contains("script.lua:3"), "{said}");
    let errors = bench.outcome()["script_errors"].clone();
    assert_eq!(errors.as_array().unwrap().len(), 1, "{errors}");
    assert_eq!(errors[0]["count"], 20);
}

#[test]
fn a_run_in_which_every_call_fails_never_passes() {
    let bench = Bench::with(
        r#"local http = require "loadrun.http"
           local param = require "loadrun.param"
           local sandbox = require "loadrun.sandbox"
           local target = http.client { base = param("url", "", "address") }
           local other = http.client { base = sandbox.start {} }
           return {
             setup = function() assert(other:get("/health").status == 200) end,
             scenarios = { calls = { iterations = 5, run = function()
               assert(target:get("/").error == "refused")
             end } },
           }"#,
    );
    let output = bench.run(&["script.lua", "--quiet", "-p", &format!("url={}", nobody())]);
    assert_eq!(code(&output), 3, "{}", stdout(&output));
    let told = "TARGET_DOWN: all 5 calls failed (refused: 127.0.0.1:";
    assert!(stdout(&output).contains(told), "{}", stdout(&output));
    let failure = bench.outcome()["failures"][0].clone();
    assert_eq!(failure["kind"], "refused");
    assert_eq!(failure["count"], 5);
}

#[test]
fn an_operation_that_never_works_holds_no_threshold_on_its_times_and_is_told_under_the_verdict() {
    let bench = Bench::with(
        r#"local http = require "loadrun.http"
           local sandbox = require "loadrun.sandbox"
           local target = http.client { base = sandbox.start {} }
           return {
             scenarios = { visitors = { iterations = 5, run = function()
               target:get("/health", { name = "health" })
               target:get("/nowhere", { name = "checkout" })
             end } },
             thresholds = {
               "http.duration{name=health} p95 < 1m", "http.duration{name=checkout} p95 < 1m, goal < 30s",
             },
           }"#,
    );
    let output = bench.run(&["script.lua", "--quiet", "--report", "html,markdown,junit"]);
    let said = stdout(&output);
    assert_eq!(code(&output), 1, "{said}");
    assert!(said.contains(", but all 5 calls failed  goal missed"), "{said}");
    let warning = "all 5 calls of \"checkout\" failed (status: ";
    let line = said.lines().position(|line| line.contains(&format!("warning: {warning}")));
    assert_eq!(line, Some(3), "{said}");
    let outcome = bench.outcome();
    assert_eq!(outcome["verdict"], "VALID");
    assert!(outcome["warnings"][0].as_str().unwrap().starts_with(warning), "{outcome}");
    let held = outcome["thresholds"].as_array().unwrap().iter().map(|v| v["limit_held"].clone());
    assert_eq!(held.collect::<Vec<_>>(), [true, false]);
}

#[test]
fn a_threshold_marked_abort_ends_the_run_early() {
    let bench = Bench::with(
        r#"local http = require "loadrun.http"
           local time = require "loadrun.time"
           local param = require "loadrun.param"
           local target = http.client { base = param("url", "", "address") }
           return {
             scenarios = { calls = { users = 1, duration = "10m", run = function()
               target:get("/")
               time.sleep("50ms")
             end } },
             thresholds = { "http.failed rate < 1%, abort" },
           }"#,
    );
    let output = bench.run(&["script.lua", "--quiet", "-p", &format!("url={}", nobody())]);
    assert_eq!(code(&output), 3, "{}", stdout(&output));
    assert_eq!(bench.outcome()["run"]["aborted_by"], "http.failed rate < 1%, abort");
}

#[test]
fn a_service_that_ends_meanwhile_keeps_the_run_from_passing() {
    let bench = Bench::with(
        r#"local service, time = require "loadrun.service", require "loadrun.time"
           local fragile = service.command {
             name = "fragile", cmd = { "sh", "-c", "echo up; sleep 0.3; exit 7" },
             ready = { line = "up" },
           }
           return { scenarios = { s = { users = 1, duration = "1s", run = function()
             time.sleep("50ms")
           end } } }"#,
    );
    let output = bench.run(&["script.lua", "--allow-command", "--quiet"]);
    let said = stdout(&output);
    assert_eq!(code(&output), 3, "{said}{}", stderr(&output));
    let expected = "INCOMPLETE: service \"fragile\" ended by itself (exit status: 7)";
    assert!(said.contains(expected), "{said}");
}

#[test]
fn a_failing_teardown_keeps_the_run_from_passing() {
    let bench = Bench::with(
        r#"return {
             scenarios = { s = { iterations = 1, run = function() end } },
             teardown = function() error("the books do not balance") end,
             thresholds = { "ledger.lost count == 0" },
           }"#,
    );
    let output = bench.run(&["script.lua", "--quiet"]);
    assert_eq!(code(&output), 3, "{}", stdout(&output));
    assert!(stdout(&output).contains("the books do not balance"), "{}", stdout(&output));
}

/// A server that answers each request with the next of `statuses`, and the last one from then on.
fn answering(statuses: Vec<u16>) -> String {
    use std::io::Write;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let statuses = std::sync::Arc::new(std::sync::Mutex::new(statuses));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, statuses) = (stream.unwrap(), std::sync::Arc::clone(&statuses));
            std::thread::spawn(move || {
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                while let Some(Ok(line)) = lines.next() {
                    if !line.is_empty() {
                        continue;
                    }
                    let mut left = statuses.lock().unwrap();
                    let status = if left.len() > 1 { left.remove(0) } else { left[0] };
                    drop(left);
                    let reply = format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\n\r\n");
                    if stream.write_all(reply.as_bytes()).is_err() {
                        break;
                    }
                }
            });
        }
    });
    address
}

/// A script with one user that calls `url` every 100 ms for `duration`.
fn ten_a_second(duration: &str, thresholds: &str) -> String {
    format!(
        r#"
        local http = require "loadrun.http"
        local param = require "loadrun.param"
        local target = http.client {{ base = param("url", "", "address") }}
        return {{
          scenarios = {{ calls = {{ rate = 10, duration = "{duration}", run = function()
            target:get("/")
          end }} }},
          thresholds = {{ {thresholds} }},
        }}"#
    )
}

#[test]
fn failures_of_the_last_second_count_in_a_window() {
    let script = ten_a_second("2s", r#""http.failed rate < 1% over 1s", "http.failed rate < 90%""#);
    let bench = Bench::with(&script);
    let mut statuses = vec![200; 15];
    statuses.push(500);
    let url = format!("url={}", answering(statuses));
    let output = bench.run(&["script.lua", "--quiet", "-p", &url]);
    assert_eq!(code(&output), 1, "{}", stdout(&output));
    assert_eq!(bench.outcome()["thresholds"][0]["limit_held"], false);
}

#[test]
fn a_limit_that_aborted_the_run_stays_missed_however_well_the_rest_goes() {
    let thresholds = r#""http.failed rate < 50%, abort""#;
    let script = ten_a_second("10m", thresholds);
    let bench = Bench::with(&script);
    let mut statuses = vec![500; 9];
    statuses.push(200);
    let url = format!("url={}", answering(statuses));
    let output = bench.run(&["script.lua", "--quiet", "-p", &url]);
    assert_eq!(code(&output), 3, "{}", stdout(&output));
    let outcome = bench.outcome();
    assert_eq!(outcome["verdict"], "INCOMPLETE");
    assert_eq!(outcome["thresholds"][0]["limit_held"], false);
    assert_eq!(outcome["run"]["interrupted"], false);
}

#[test]
fn iterations_that_hang_to_the_end_keep_the_run_from_passing() {
    // Accepts, and says nothing.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("url=http://{}", listener.local_addr().unwrap());
    let script = ten_a_second("1s", "").replace("rate = 10", "graceful_stop = 0, rate = 10");
    let bench = Bench::with(&script);
    let output = bench.run(&["script.lua", "--quiet", "-p", &url]);
    assert_eq!(code(&output), 3, "{}", stdout(&output));
    let said = stdout(&output);
    assert!(said.contains("10 of 10 iterations were cut off unfinished"), "{said}");
}

#[test]
fn fixed_work_that_was_not_done_in_its_time_is_incomplete() {
    let bench = Bench::with(
        r#"local time = require "loadrun.time"
           return { scenarios = { s = { iterations = 100, duration = "500ms", run = function()
             time.sleep("100ms")
           end } } }"#,
    );
    let output = bench.run(&["script.lua", "--quiet"]);
    assert_eq!(code(&output), 3, "{}", stdout(&output));
    assert!(stdout(&output).contains("of 100 iterations when its time was over"));
}

#[test]
fn a_slow_load_of_the_script_is_not_held_against_it() {
    let bench = Bench::with(
        r#"local n = 0
           for i = 1, 3e7 do n = n + i end
           local time = require "loadrun.time"
           return { scenarios = { s = { users = 1, duration = "1s", run = function()
             time.sleep("100ms")
           end } } }"#,
    );
    let output = bench.run(&["script.lua", "--quiet"]);
    assert_eq!(code(&output), 0, "{}", stdout(&output));
}

#[test]
fn a_declared_counter_that_nobody_adds_to_is_zero() {
    let bench = Bench::with(
        r#"local metric = require "loadrun.metric"
           local mishaps = metric.counter("shop.mishaps")
           return {
             scenarios = { s = { iterations = 1, run = function() end } },
             thresholds = { "shop.mishaps count == 0" },
           }"#,
    );
    let output = bench.run(&["script.lua", "--quiet"]);
    assert_eq!(code(&output), 0, "{}", stdout(&output));
}

#[test]
fn too_slow_a_generator_is_named_and_never_passes() {
    let bench = Bench::with(
        r#"return { scenarios = { s = { rate = 20, duration = "2s", max_users = 1000, run = function()
             local n = 0
             for i = 1, 2e7 do n = n + i end
           end } } }"#,
    );
    let output = bench.run(&["script.lua", "--quiet", "--workers", "1"]);
    assert_eq!(code(&output), 3, "{}", stdout(&output));
    assert!(stdout(&output).contains("GENERATOR_LIMITED"), "{}", stdout(&output));
}

#[test]
fn users_that_never_come_through_their_init_keep_the_run_from_passing() {
    let bench = Bench::with(
        r#"local time = require "loadrun.time"
           return { scenarios = { s = {
             users = 10, duration = "1s", graceful_stop = 0,
             init = function(vu) if vu.id > 1 then time.sleep("10m") end end,
             run = function() time.sleep("100ms") end,
           } } }"#,
    );
    let output = bench.run(&["script.lua", "--quiet"]);
    assert_eq!(code(&output), 3, "{}", stdout(&output));
    let said = stdout(&output);
    assert!(said.contains("9 users never came through their init"), "{said}");
}

#[test]
fn failures_beyond_the_limit_of_series_keep_their_kind() {
    let bench = Bench::with(
        r#"local http = require "loadrun.http"
           local param = require "loadrun.param"
           local target = http.client { base = param("url", "", "address") }
           return {
             scenarios = { s = { iterations = 600, run = function(vu)
               target:get("/", { name = "op" .. vu.iteration })
             end } },
             thresholds = { "http.failed{kind=status} count == 0" },
           }"#,
    );
    let mut statuses = vec![200; 300];
    statuses.push(500);
    let url = format!("url={}", answering(statuses));
    let output = bench.run(&["script.lua", "--quiet", "--workers", "1", "-p", &url]);
    assert_eq!(bench.outcome()["thresholds"][0]["value"], 300.0, "{}", stdout(&output));
}
