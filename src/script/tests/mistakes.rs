//! Scripts with many mistakes: all of them are told at once, each on its line, and nothing besides.

use super::*;

#[test]
fn a_mistake_in_every_key_of_a_scenario_is_told_with_the_others() {
    insta::assert_snapshot!(script(
        r#"local function run() end
return {
  scenarios = {
    shop = {
      run = 5,
      weights = { { "x", run }, { -1, 7 }, 8 },
      init = "first",
      rate = -5,
      duration = "5x",
      start = { after = 7, atfer = "x" },
      max_users = 1.5,
      graceful_stop = -1,
      tags = { kind = "x", list = {}, [1] = "y" },
      arrivals = "sometimes",
      typo = 1,
    },
  },
}"#
    ).problems(), @r#"
    error: scenario `shop`: run: expected a function, got 5
      --> shop.lua:5
    error: scenario `shop`: `run` and `weights` at the same time
      --> shop.lua:6
      hint: keep one of them
    error: scenario `shop`: weights: entry 1: expected a number, got "x"
      --> shop.lua:6
    error: scenario `shop`: weights: entry 2: expected a weight of 0 or more, got -1
      --> shop.lua:6
    error: scenario `shop`: weights: entry 2: expected a function, got 7
      --> shop.lua:6
    error: scenario `shop`: weights: entry 3: expected a table, got 8
      --> shop.lua:6
    error: scenario `shop`: init: expected a function, got "first"
      --> shop.lua:7
    error: scenario `shop`: rate cannot be -5; expected a finite number from 0
      --> shop.lua:8
    error: scenario `shop`: duration: malformed duration "5x"; expected a number and ns, us, ms, s, m or h, such as "250ms" or "1m30s", or plain seconds
      --> shop.lua:9
    error: scenario `shop`: start: unknown key `atfer`; did you mean `after`?
      --> shop.lua:10
    error: scenario `shop`: start: after: expected a string, got 7
      --> shop.lua:10
    error: scenario `shop`: max_users: expected a whole number, got 1.5
      --> shop.lua:11
    error: scenario `shop`: graceful_stop: expected a duration of 0 seconds or more, got -1
      --> shop.lua:12
    error: scenario `shop`: tags: expected names as keys, got 1
      --> shop.lua:13
    error: scenario `shop`: tags: list: expected a string or a number, got a table
      --> shop.lua:13
    error: scenario `shop`: the tag "kind" is set by loadrun itself
      --> shop.lua:13
      hint: choose another key
    error: scenario `shop`: arrivals: expected "even" or "poisson", got "sometimes"
      --> shop.lua:14
    error: scenario `shop`: unknown key `typo`; expected one of: arrivals, duration, graceful_stop, init, iterations, max_users, rate, run, start, tags, users, weights
      --> shop.lua:15
    "#);
}

/// Loads with something wrong in each, beside what cannot be read.
const LOADS: &str = r#"local function run() end
local f = run
return {
  scenarios = {
    a = { run = f, users = -1, duration = "5x" },
    b = { run = f, users = 2, duration = "0s", start = "soon" },
    c = { run = f, iterations = 0, duration = "0s" },
    d = { run = f, iterations = 1.5, duration = "x", arrivals = "even" },
    e = { run = f, rate = "fast", duration = "1s", max_users = 5, arrivals = "poisson" },
    f = { run = f, users = "many", duration = "1s", max_users = "x" },
    g = { run = f, users = "x", rate = "y", iterations = "z", arrivals = "w", max_users = 0 },
    h = { run = f, duration = "x", max_users = 0 },
    i = { run = f, rate = { { to = "x", over = "y" }, { hold = -1 }, 7,
                            { jump = -3, hold = "q" }, { to = -4, over = "1s" } } },
    j = { run = f, users = { { to = -1 }, { over = 5, hold = 6 }, { burst = "x" } }, duration = "x" },
    k = { run = f, iterations = { { to = "x", over = "1s" }, { to = 9, over = "1s" },
                                  { jump = 4 } } },
    l = { run = f, rate = {}, arrivals = "poisson" },
    m = { run = f, rate = { { hold = "1s" }, to = 5 } },
    n = 5,
    o = { run = f, users = 1, duration = "1s", start = { after = "n" } },
    { run = f, users = -1, duration = "1s" },
  },
}"#;

#[test]
fn what_is_wrong_with_a_load_is_told_whatever_else_is() {
    insta::assert_snapshot!(script(LOADS).problems());
}

/// Something wrong in every part of a script.
const ALL: &str = r#"local http = require "loadrun.http"
local param = require "loadrun.param"
local shop = http.client { base = 5, timeout = "5x", redirects = "few", size = 3, hedaers = {} }
local users = param("users", 10, "how many")
return {
  scenarios = {
    buy = { run = function() shop:get("/") end, users = users, duration = "x" },
  },
  thresholds = {
    "http.duratoin p95 < 1s",
    "http.duration{scenario=by} p95 < 300",
    "iteration.dropped p95 < 1",
    "http.failed rate <",
    5,
  },
  faults = {
    { at = "x", for_ = "y", kind = "latncy", every = { on = 0, of = "1s" } },
    { at = "1m", on = "redis://127.0.0.1", kind = "latency" },
    7,
  },
  recovery = { warm_up = "x", success = 2, p99 = 0, promise = 1, period = "y", typo = 1 },
  watch = { { pid = 0, name = " " }, { pdi = 5 }, "x" },
  profiles = { quick = { usres = 5, users = "few" }, slow = 7 },
  setup = 1,
  teardown = {},
  typo = 1,
}"#;

#[test]
fn mistakes_of_all_parts_of_a_script_are_told_together() {
    insta::assert_snapshot!(script(ALL).param("users", "many").problems());
}

#[test]
fn thresholds_are_judged_though_there_is_no_scenario() {
    insta::assert_snapshot!(script(
        r#"return {
  scenaros = {},
  thresholds = { "http.duratoin p95 < 1s", "http.duration{scenario=by} p95 < 1s" },
  faults = { { at = "1s", for_ = "1s", on = "redis://127.0.0.1", kind = "redis_pause" } },
}"#
    ).problems(), @r#"
    error: no scenarios
      --> shop.lua:1
      hint: add `scenarios = { name = { run = ..., users = 1, duration = "10s" } }`
    error: unknown key `scenaros`; did you mean `scenarios`?
      --> shop.lua:2
    error: threshold `http.duratoin p95 < 1s`: no metric is called "http.duratoin"
      --> shop.lua:3
      hint: did you mean "http.duration"?
    error: fault 1: unknown kind "redis_pause"
      --> shop.lua:4
      hint: the kinds of a redis that the run did not start are client_pause, kill_clients, maxclients, maxmemory, wrong_password
    "#);
}

#[test]
fn undeclared_names_are_found_before_anything_runs() {
    let files = script(
        r#"local shop = require "./shop"
local function buy(vu)
  local page, other = get("/"), chekc
  total = total + 1
  return pirnt(page)
end
local early = tabel.concat({})
return { scenarios = { s = { users = -1, duration = "1s", run = buy } } }"#,
    );
    insta::assert_snapshot!(
        files.file("shop.lua", "return {\n  find = function() return serach() end }").problems(),
        @"
    error: undeclared global `serach`
      --> shop.lua:2
      hint: declare it with `local serach`
    error: undeclared global `chekc`
      --> shop.lua:3
      hint: declare it with `local chekc`
    error: undeclared global `get`
      --> shop.lua:3
      hint: declare it with `local get`
    error: assignment to the global `total`; write `local total`
      --> shop.lua:4
      hint: state of a user belongs in a field of `vu`
    error: undeclared global `pirnt`
      --> shop.lua:5
      hint: did you mean `print`?
    error: undeclared global `tabel`
      --> shop.lua:7
      hint: did you mean `table`?
    "
    );
}
