//! Faults of single requests, in whole runs.

#![expect(clippy::unwrap_used, reason = "a test that cannot start a run has failed")]

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// Runs a script in a folder of its own; what it printed, and its outcome.
fn run(script: &str, command: &[&str]) -> (Output, Option<Value>) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("script.lua"), script).unwrap();
    let mut run = Command::new(env!("CARGO_BIN_EXE_loadrun"));
    run.args(command).current_dir(folder.path()).env("NO_COLOR", "1").stdin(Stdio::null());
    let run = run.output().unwrap();
    let first = |folder: PathBuf| std::fs::read_dir(folder).ok()?.next()?.ok();
    let place = first(folder.path().join("results/script"));
    let text = place.and_then(|place| std::fs::read(place.path().join("outcome.json")).ok());
    (run, text.map(|text| serde_json::from_slice(&text).unwrap()))
}

#[test]
fn a_fault_of_one_path_is_late_on_that_path_and_touches_no_other() {
    let (run, outcome) = run(
        r#"
        local fault = require "loadrun.fault"
        local http = require "loadrun.http"
        local metric = require "loadrun.metric"
        local target = require("loadrun.sandbox").start()
        local link = fault.proxy { upstream = target, protocol = "http" }
        local api = http.client { base = link }
        local late = metric.counter "late"
        local function visit(vu)
          api:get("/", { name = "root" })
          local reply = api:get("/items/" .. vu.iteration, { name = "item" })
          if reply.duration >= 0.1 then late:add() end
        end
        return {
          scenarios = { s = { iterations = 50, max_users = 5, start = "500ms", run = visit } },
          faults = { { at = 0, for_ = "1m", on = link, kind = "latency", latency = "100ms",
                       per = "request", match = "GET /items/*" } },
          thresholds = { "late count == 50", "http.failed rate == 0" },
        }"#,
        &["script.lua"],
    );
    let told = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{told}");
    let fault = &outcome.unwrap()["faults"][0];
    assert_eq!((&fault["eligible"], &fault["touched"]), (&50.into(), &50.into()), "{told}");
}

#[test]
fn a_fault_per_request_where_nothing_says_what_a_request_is_is_an_error() {
    let script = r#"
        local fault = require "loadrun.fault"
        local link = fault.proxy { upstream = "127.0.0.1:1" }
        local web = fault.proxy { upstream = "127.0.0.1:1", protocol = "http" }
        return {
          scenarios = { s = { users = 1, duration = 9, run = print } },
          faults = {
            { at = 1, for_ = 1, on = link, kind = "hold", per = "request" },
            { at = 1, for_ = 1, on = link, kind = "hold", match = "GET *" },
            { at = 1, for_ = 1, on = web, kind = "down", per = "request" },
            { at = 1, for_ = 1, on = web, kind = "hold", per = "user" },
            { at = 1, for_ = 1, on = web, kind = "hold", per = "connection", match = "GET *" },
          },
        }"#;
    let (run, _) = run(script, &["check", "script.lua"]);
    assert_eq!(run.status.code(), Some(4));
    insta::assert_snapshot!(String::from_utf8_lossy(&run.stderr), @r#"
    error: fault 1: per: nothing says what a request is on this link
      --> script.lua:8
      hint: give its fault.proxy a `protocol`: "redis", "http" or "postgres"

    error: fault 2: per: nothing says what a request is on this link
      --> script.lua:9
      hint: give its fault.proxy a `protocol`: "redis", "http" or "postgres"

    error: fault 3: down is for connections, never for single requests
      --> script.lua:10
      hint: per = "request", match = "GET cart:*"

    error: fault 4: unknown per "user"; expected "connection" or "request"
      --> script.lua:11
      hint: per = "request", match = "GET cart:*"

    error: fault 5: match is for toxics with per = "request"
      --> script.lua:12
      hint: per = "request", match = "GET cart:*"
    "#);
}
