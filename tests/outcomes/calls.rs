//! Faults on the script's own calls: who is touched, how, and what is told of it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{counted, run, wrong};

#[test]
fn the_same_calls_are_touched_by_one_worker_two_and_four() {
    let script = r#"
        local fault = require "loadrun.fault"
        local http = require "loadrun.http"
        local metric = require "loadrun.metric"
        local api = http.client { base = require("loadrun.sandbox").start() }
        local some = fault.calls { name = "http.read*", error = "refused", share = "10%" }
        local struck = metric.counter "struck"
        local function read(vu)
          for call = 1, 3 do
            local reply = api:get("/items/1", { name = "read " .. call })
            if reply.error then struck:add(1, { call = vu.iteration .. "-" .. call }) end
            api:get("/items/2", { name = "other" })
          end
        end
        return {
          scenarios = { s = { iterations = 200, max_users = 8, start = "500ms", run = read } },
          faults = { { at = 0, for_ = "10m", on = some } },
        }"#;
    let touched = ["1", "2", "4"].map(|workers| {
        let (run, outcome) = run(script, &["--workers", workers]);
        let told = String::from_utf8_lossy(&run.stdout).into_owned();
        let struck = counted(&outcome, "struck", "call");
        let fault = &outcome["faults"][0];
        assert_eq!(fault["eligible"], 600, "{told}");
        assert_eq!(fault["touched"], struck.len(), "{told}");
        assert!(fault["unclean"].is_null(), "{told}");
        struck
    });
    assert!((30..100).contains(&touched[0].len()), "{}", touched[0].len());
    assert_eq!(touched[0], touched[1]);
    assert_eq!(touched[0], touched[2]);
}

#[test]
fn the_same_connections_and_requests_of_clients_are_touched_by_one_worker_two_and_four() {
    let script = r#"
        local fault = require "loadrun.fault"
        local http = require "loadrun.http"
        local metric = require "loadrun.metric"
        local redis = require "loadrun.redis"
        local begun = require("loadrun.shared").barrier("begun", 8)
        local target = require("loadrun.sandbox").start()
        local cache = require("loadrun.service").redis {}
        local struck = metric.counter "struck"
        local clients = {}
        for _, per in ipairs { "connection", "request" } do
          clients["http " .. per] = http.client { base = target, timeout = "20s" }
          clients["redis " .. per] = redis.client { url = cache, timeout = "20s" }
        end
        local names = { "http connection", "http request", "redis connection", "redis request" }
        local function failed(name)
          local client = clients[name]
          if name:find("http", 1, true) then return client:get("/items/1").error end
          local _, err = client:get("a")
          return err
        end
        local function run(vu)
          -- Every user has one iteration: none ends before all have begun.
          begun:wait()
          for call = 1, 20 do
            for _, name in ipairs(names) do
              if failed(name) then struck:add(1, { call = name .. " " .. vu.id .. "-" .. call }) end
            end
          end
        end
        local faults = {}
        for _, name in ipairs(names) do
          local per = name:match " (.*)"
          -- A connection that is spared serves all that follows.
          faults[#faults + 1] = { name = name, at = 0, for_ = "10m", on = clients[name],
            kind = "reset_peer", toxicity = per == "request" and "20%" or "70%", per = per }
        end
        return {
          scenarios = { s = { iterations = 8, max_users = 8, start = "3s", run = run } },
          faults = faults,
        }"#;
    let touched = ["1", "2", "4"].map(|workers| {
        let (run, outcome) = run(script, &["--workers", workers]);
        let told = String::from_utf8_lossy(&run.stdout).into_owned();
        assert_eq!(outcome["script_errors"], Value::Array(Vec::new()), "{told}");
        counted(&outcome, "struck", "call")
    });
    for name in ["http connection", "http request", "redis connection", "redis request"] {
        let of = |all: &BTreeMap<String, u64>| -> Vec<String> {
            all.keys().filter(|call| call.starts_with(name)).cloned().collect()
        };
        let [one, two, four] = touched.each_ref().map(of);
        assert!((4..156).contains(&one.len()), "{name}: {one:?}");
        assert_eq!(one, two, "{name}");
        assert_eq!(one, four, "{name}");
    }
}

/// One call of each kind, each under a fault.
const EVERY_PROTOCOL: &str = r#"
        local fault = require "loadrun.fault"
        local http = require "loadrun.http"
        local metric = require "loadrun.metric"
        local redis = require "loadrun.redis"
        local sandbox = require "loadrun.sandbox"
        local service = require "loadrun.service"
        local sql = require "loadrun.sql"
        local time = require "loadrun.time"
        local shop = http.client { base = sandbox.start(), timeout = "2s" }
        local cache = redis.client { url = service.redis {}, timeout = "2s" }
        local db = sql.client { url = "sqlite:shop.db", timeout = "2s" }
        local count = metric.counter "count"
        local function note(what) count:add(1, { what = what }) end
        local function all(vu)
          local order = shop:post("/orders", { json = { id = "a", item = 1 }, name = "order" })
          note("order " .. tostring(order.error) .. " " .. order.status)
          note("kept " .. shop:get("/orders/a", { name = "look" }).status)
          local begun = time.now()
          local pong, err = cache:ping()
          local late = time.since(begun) >= 0.3 and "late" or "early"
          note("ping " .. tostring(pong) .. " " .. tostring(err) .. " " .. late)
          local _, failed = cache:get("x", { name = "lost" })
          note("get " .. tostring(failed and failed.kind))
          local done, unknown = db:transaction(function(tx)
            return tx:execute("INSERT INTO t VALUES (1)")
          end)
          note("tx " .. tostring(done) .. " " .. tostring(unknown and unknown.kind))
          note("rows " .. tostring(db:value("SELECT count(*) FROM t")))
          local rows, why = db:query("SELECT 2", nil, { name = "report" })
          note("report " .. tostring(rows) .. " " .. tostring(why and why.kind))
        end
        return {
          setup = function() db:batch("CREATE TABLE t (a INTEGER)") end,
          scenarios = { s = { iterations = 1, start = "500ms", run = all } },
          faults = {
            { name = "cut", at = 0, for_ = "1m", on = fault.calls { name = "http.order", cut = true } },
            { at = 0, for_ = "1m", on = fault.calls { name = "redis.PING", delay = "300ms" } },
            { at = 0, for_ = "1m", on = fault.calls { name = "redis.GET", error = "oom" } },
            { at = 0, for_ = "1m", on = fault.calls { name = "sql.transaction", cut = true } },
            { at = 0, for_ = "1m", on = fault.calls { name = "sql.rep*", error = "deadlock" } },
            { at = 0, for_ = "1m", on = fault.calls { name = "sql.nothing", error = "reset" } },
          },
        }"#;

#[test]
fn calls_of_every_protocol_fail_are_late_or_lose_their_reply() {
    let (run, outcome) = run(EVERY_PROTOCOL, &[]);
    let told = String::from_utf8_lossy(&run.stdout);
    let seen: Vec<_> = counted(&outcome, "count", "what").into_keys().collect();
    let expected = [
        "get oom",
        "kept 200",
        "order reset 0",
        "ping PONG nil late",
        "report nil deadlock",
        "rows 1",
        "tx nil reset",
    ];
    assert_eq!(seen, expected, "{told}");
    assert!(told.contains("cut  no_baseline: calls cut true of http.order share 100 %"), "{told}");
    assert_eq!(outcome["faults"][5]["touched"], 0, "{told}");
}

#[test]
fn everything_wrong_with_a_fault_on_calls_is_told_before_the_load() {
    let told = [
        r#"{ error = "timeout" }"#,
        r#"{ name = "cart", error = "timeout" }"#,
        r#"{ name = "redis.*" }"#,
        r#"{ name = "redis.*", error = "timout" }"#,
        r#"{ name = "redis.*", error = "reset", cut = true }"#,
        r#"{ name = "redis.*", cut = true, share = 2 }"#,
        r#"{ name = "redis.*", cut = true }, kind = "latency", toxicity = 1"#,
    ]
    .map(|calls| {
        let script = format!(
            "local fault = require 'loadrun.fault'
            return {{
              scenarios = {{ s = {{ users = 1, duration = 5, run = print }} }},
              faults = {{ {{ at = 1, for_ = 1, on = fault.calls {calls} }} }},
            }}"
        );
        wrong(&script)
    });
    insta::assert_snapshot!(told.join("\n"), @r#"
    error: fault.calls: needs the name of the calls it is for, such as "redis.*" or "http.order"
      --> script.lua:4

    error: fault.calls: name: expected "http.", "redis." or "sql." and the name of calls, `*` standing for anything, got "cart"
      --> script.lua:4

    error: fault.calls: does nothing; expected one of `error = "timeout"`, `delay = "300ms"` or `cut = true`
      --> script.lua:4

    error: fault.calls: error: unknown failure "timout"; did you mean "timeout"?
      --> script.lua:4

    error: fault.calls: cut: a call that is cut neither fails nor waits as well
      --> script.lua:4

    error: fault.calls: share: malformed share "2"; expected a percentage such as "99.5%" or a number from 0 to 1
      --> script.lua:4

    error: fault 1: unknown key `toxicity`; expected one of: at, every, for_, kind, name, on
      --> script.lua:4
      hint: what happens to the calls is said in `fault.calls`

    error: fault 1: kind: expected "calls", got "latency"
      --> script.lua:4
      hint: the kinds of links are for what `fault.proxy` gave
    "#);
}
