//! Faults of single requests.

use serde_json::Value;

use super::{run, wrong};

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
        &[],
    );
    let told = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{told}");
    let fault = &outcome["faults"][0];
    assert_eq!((&fault["eligible"], &fault["touched"]), (&50.into(), &50.into()), "{told}");
}

#[test]
fn a_fault_of_one_statement_is_late_where_it_was_prepared_before_and_touches_no_other() {
    let (run, outcome) = run(
        r#"
        local fault = require "loadrun.fault"
        local metric = require "loadrun.metric"
        local sql = require "loadrun.sql"
        local time = require "loadrun.time"
        local store = require("loadrun.service").postgres {}
        local link = fault.proxy { upstream = store, protocol = "postgres" }
        local through, straight = sql.client { url = link, size = 1 }, sql.client { url = store }
        local late = metric.counter "late"
        local function visit()
          local begun = time.now()
          assert(through:execute("UPDATE stock SET n = n + $1 WHERE id = 1", { 1 }))
          if time.since(begun) >= 0.05 then late:add() end
          assert(through:value "SELECT n FROM stock WHERE id = 1")
        end
        return {
          setup = function()
            straight:execute "CREATE TABLE stock (id INT PRIMARY KEY, n INT)"
            straight:execute "INSERT INTO stock VALUES (1, 0)"
          end,
          scenarios = { s = { iterations = 10, max_users = 1, start = "500ms", run = visit } },
          faults = { { at = 0, for_ = "1m", on = link, kind = "latency", latency = "50ms",
                       match = "UPDATE *" } },
          thresholds = { "late count == 10", "sql.failed rate == 0", "script.errors count == 0" },
        }"#,
        &["script.lua", "--workers", "1"],
    );
    let told = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{told}{}", String::from_utf8_lossy(&run.stderr));
    // Ten times, and once when it was prepared.
    let fault = &outcome["faults"][0];
    assert_eq!((&fault["eligible"], &fault["touched"]), (&11.into(), &11.into()), "{told}");
}

#[test]
fn a_fault_per_request_where_nothing_says_what_a_request_is_is_an_error() {
    let script = r#"
        local fault = require "loadrun.fault"
        local link = fault.proxy { upstream = "127.0.0.1:1" }
        local web = fault.proxy { upstream = "127.0.0.1:1", protocol = "http" }
        local secret = require("loadrun.http").client { base = "https://127.0.0.1:1" }
        return {
          scenarios = { s = { users = 1, duration = 9, run = print } },
          faults = {
            { at = 1, for_ = 1, on = link, kind = "hold", per = "request" },
            { at = 1, for_ = 1, on = link, kind = "hold", match = "GET *" },
            { at = 1, for_ = 1, on = web, kind = "down", per = "request" },
            { at = 1, for_ = 1, on = web, kind = "hold", per = "user" },
            { at = 1, for_ = 1, on = web, kind = "hold", per = "connection", match = "GET *" },
            { at = 1, for_ = 1, on = web, kind = "slow_close", delay = 1, per = "request" },
            { at = 1, for_ = 1, on = secret, kind = "latency", latency = 1, per = "request" },
            { at = 1, for_ = 1, on = {}, kind = "hold" },
          },
        }"#;
    insta::assert_snapshot!(wrong(script), @r#"
    error: fault 1: per: nothing says what a request is on this link
      --> script.lua:9
      hint: give its fault.proxy a `protocol`: "redis", "http" or "postgres"

    error: fault 2: match: nothing says what a request is on this link
      --> script.lua:10
      hint: give its fault.proxy a `protocol`: "redis", "http" or "postgres"

    error: fault 3: down is for connections, never for single requests
      --> script.lua:11
      hint: leave `per` and `match` out

    error: fault 4: unknown per "user"; expected "connection" or "request"
      --> script.lua:12
      hint: per = "request", match = "GET cart:*"

    error: fault 5: match is for toxics with per = "request"
      --> script.lua:13
      hint: per = "request", match = "GET cart:*"

    error: fault 6: slow_close is for connections, never for single requests
      --> script.lua:14
      hint: leave `per` and `match` out

    error: fault 7: per: nothing says what a request is on this link
      --> script.lua:15
      hint: it is known on a client's connections but for TLS and HTTP/2: leave `per` and `match` out, and the fault is for whole connections

    error: fault 8: on: expected a fault.proxy, a client, a service or the URL of a server, such as "redis://127.0.0.1:6379", got an empty list
      --> script.lua:16
    "#);
}

#[test]
fn connections_of_the_scripts_own_clients_are_broken_without_a_proxy() {
    let (run, outcome) = run(
        r#"
        local fault = require "loadrun.fault"
        local http = require "loadrun.http"
        local metric = require "loadrun.metric"
        local redis = require "loadrun.redis"
        local target = require("loadrun.sandbox").start()
        local api, calm = http.client { base = target }, http.client { base = target }
        local cache = redis.client { url = require("loadrun.service").redis {}, timeout = "2s" }
        local seen = metric.counter "seen"
        local function note(what) seen:add(1, { what = what }) end
        local function visit(vu)
          note("late " .. tostring(api:get("/", { name = "root" }).duration >= 0.08))
          note("calm " .. tostring(calm:get("/", { name = "calm" }).error))
          local _, err = cache:get("lost:" .. vu.iteration)
          note("lost " .. tostring(err and err.kind))
          local _, fine = cache:get("kept:" .. vu.iteration)
          note("kept " .. tostring(fine and fine.kind))
        end
        return {
          scenarios = { s = { iterations = 20, max_users = 2, start = "500ms", run = visit } },
          faults = {
            { name = "slow", at = 0, for_ = "1m", on = api, kind = "latency", latency = "80ms" },
            { name = "cut", at = 0, for_ = "1m", on = cache, kind = "reset_peer",
              match = "GET lost:*" },
          },
        }"#,
        &[],
    );
    let told = String::from_utf8_lossy(&run.stdout);
    let series = outcome["series"].as_array().unwrap().iter();
    let mut seen: Vec<_> = series
        .filter_map(|series| {
            let what = series["tags"]["what"].as_str()?;
            Some(format!("{what}: {}", series["total"]["counter"]))
        })
        .collect();
    seen.sort();
    let expected = ["calm nil: 20.0", "kept nil: 20.0", "late true: 20.0", "lost reset: 20.0"];
    assert_eq!(seen, expected, "{told}");
    for (at, on) in [(0, "http.client"), (1, "redis.client")] {
        let fault = &outcome["faults"][at];
        assert_eq!((&fault["on"], &fault["unclean"]), (&on.into(), &Value::Null), "{told}");
    }
    // Two users, each with a connection; and every request that was looked for.
    assert_eq!(outcome["faults"][1]["touched"], 20, "{told}");
}

#[test]
fn several_links_at_once_are_a_partition() {
    let script = r#"
        local fault = require "loadrun.fault"
        local http = require "loadrun.http"
        local target = require("loadrun.sandbox").start()
        local a = fault.proxy { name = "a", upstream = target }
        local b = fault.proxy { name = "b", upstream = target }
        local one, two = http.client { base = a }, http.client { base = b }
        local function visit()
          one:get("/", { name = "one" })
          two:get("/", { name = "two" })
        end
        return {
          scenarios = { s = { rate = 50, duration = "3s", run = visit } },
          faults = { { name = "gone", at = "1s", for_ = "1s", on = { a, b }, kind = "down" } },
        }"#;
    let (run, outcome) = run(script, &[]);
    let told = String::from_utf8_lossy(&run.stdout);
    let faults = outcome["faults"].as_array().unwrap();
    let named: Vec<_> = faults.iter().map(|fault| (&fault["name"], &fault["on"])).collect();
    assert_eq!(named, [(&"gone".into(), &"a".into()), (&"gone-2".into(), &"b".into())], "{told}");
    for operation in ["one", "two"] {
        let failures = outcome["failures"].as_array().unwrap().iter();
        let mut own = failures.filter(|failure| failure["name"] == operation);
        assert!(own.any(|failure| failure["count"].as_u64().unwrap() > 20), "{operation}: {told}");
    }
}
