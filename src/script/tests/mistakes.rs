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

#[test]
fn what_is_wrong_with_a_load_is_told_whatever_else_is() {
    insta::assert_snapshot!(script(
        r#"local function run() end
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
}"#
    ).problems(), @r#"
    error: scenarios: expected names as keys, got 1
      --> shop.lua:4
      hint: write `name = { ... }`
    error: scenario `a`: duration: malformed duration "5x"; expected a number and ns, us, ms, s, m or h, such as "250ms" or "1m30s", or plain seconds
      --> shop.lua:5
    error: scenario `a`: users cannot be -1; expected a finite number from 0
      --> shop.lua:5
    error: scenario `b`: start: malformed duration "soon"; expected a number and ns, us, ms, s, m or h, such as "250ms" or "1m30s", or plain seconds
      --> shop.lua:6
    error: scenario `b`: users lasts no time
      --> shop.lua:6
      hint: give a `duration`, or steps with `over` or `hold`
    error: scenario `c`: iterations is 0, so nothing would start
      --> shop.lua:7
    error: scenario `c`: duration cannot be 0 s; leave it out for no limit
      --> shop.lua:7
    error: scenario `d`: duration: malformed duration "x"; expected a number and ns, us, ms, s, m or h, such as "250ms" or "1m30s", or plain seconds
      --> shop.lua:8
    error: scenario `d`: iterations: expected a whole number, got 1.5
      --> shop.lua:8
    error: scenario `d`: arrivals: only a `rate` has arrivals
      --> shop.lua:8
    error: scenario `e`: rate: malformed rate "fast"; expected a number and /s, /m or /h, such as "200/s"
      --> shop.lua:9
    error: scenario `f`: users: expected a number, got "many"
      --> shop.lua:10
    error: scenario `f`: max_users: expected a whole number, got "x"
      --> shop.lua:10
    error: scenario `f`: max_users has no meaning next to users
      --> shop.lua:10
      hint: leave it out: `users` says how many there are
    error: scenario `g`: users: expected a number, got "x"
      --> shop.lua:11
    error: scenario `g`: rate: malformed rate "y"; expected a number and /s, /m or /h, such as "200/s"
      --> shop.lua:11
    error: scenario `g`: iterations: expected a whole number, got "z"
      --> shop.lua:11
    error: scenario `g`: `users` and `rate` and `iterations` at the same time
      --> shop.lua:11
      hint: a scenario has one of them; make a second scenario of the other
    error: scenario `g`: arrivals: expected "even" or "poisson", got "w"
      --> shop.lua:11
    error: scenario `g`: max_users cannot be 0; expected a number from 1
      --> shop.lua:11
    error: scenario `h`: duration: malformed duration "x"; expected a number and ns, us, ms, s, m or h, such as "250ms" or "1m30s", or plain seconds
      --> shop.lua:12
    error: scenario `h`: no load
      --> shop.lua:12
      hint: give it one of `users`, `rate`, `iterations`
    error: scenario `h`: max_users cannot be 0; expected a number from 1
      --> shop.lua:12
    error: scenario `i`: rate: step 1: to: malformed rate "x"; expected a number and /s, /m or /h, such as "200/s"
      --> shop.lua:13
    error: scenario `i`: rate: step 1: over: malformed duration "y"; expected a number and ns, us, ms, s, m or h, such as "250ms" or "1m30s", or plain seconds
      --> shop.lua:13
    error: scenario `i`: rate: step 2: hold: expected a duration of 0 seconds or more, got -1
      --> shop.lua:13
    error: scenario `i`: rate: step 3: expected a table, got 7
      --> shop.lua:13
    error: scenario `i`: rate cannot be -3; expected a finite number from 0
      --> shop.lua:13
    error: scenario `i`: rate cannot be -4; expected a finite number from 0
      --> shop.lua:13
    error: scenario `i`: rate: step 4: hold: malformed duration "q"; expected a number and ns, us, ms, s, m or h, such as "250ms" or "1m30s", or plain seconds
      --> shop.lua:14
    error: scenario `j`: duration: malformed duration "x"; expected a number and ns, us, ms, s, m or h, such as "250ms" or "1m30s", or plain seconds
      --> shop.lua:15
    error: scenario `j`: users: step 1: `to` needs `over`
      --> shop.lua:15
      hint: write `{ to = 200, over = "1m" }`
    error: scenario `j`: users: step 2: expected one of: `to` with `over`; `hold`; `jump`, with or without `hold`; `burst`
      --> shop.lua:15
      hint: split it into several steps
    error: scenario `j`: users: step 3: burst: expected a whole number, got "x"
      --> shop.lua:15
    error: scenario `j`: users: step 3: only a `rate` has bursts
      --> shop.lua:15
      hint: use `{ jump = n }` to change the load at once
    error: scenario `j`: duration: the curve of `users` has its own
      --> shop.lua:15
      hint: leave `duration` out, or make the load a number
    error: scenario `k`: iterations: step 1: to: expected a number, got "x"
      --> shop.lua:16
    error: scenario `k`: iterations cannot fall, here from 9 to 4
      --> shop.lua:16
      hint: the curve says how many have been released so far
    error: scenario `l`: rate: expected a number or a list of steps
      --> shop.lua:18
      hint: a step is `{ to = 200, over = "1m" }`, `{ hold = "5m" }` or `{ jump = 10 }`
    error: scenario `m`: rate: expected a list, got the key "to"
      --> shop.lua:19
      hint: a step is `{ to = 200, over = "1m" }`, `{ hold = "5m" }` or `{ jump = 10 }`
    error: scenario `n`: expected a table, got 5
      --> shop.lua:20
    error: scenario `1`: users cannot be -1; expected a finite number from 0
      --> shop.lua:22
    "#);
}

#[test]
fn mistakes_of_all_parts_of_a_script_are_told_together() {
    insta::assert_snapshot!(script(
        r#"local http = require "loadrun.http"
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
}"#
    ).param("users", "many").problems(), @r#"
    error: http.client: unknown key `hedaers`; did you mean `headers`?
      --> shop.lua:3
    error: http.client: base: expected a URL or a service, got 5
      --> shop.lua:3
    error: http.client: timeout: malformed duration "5x"; expected a number and ns, us, ms, s, m or h, such as "250ms" or "1m30s", or plain seconds
      --> shop.lua:3
    error: http.client: `size` goes with `connections = "shared"`
      --> shop.lua:3
    error: http.client: redirects: expected a whole number, got "few"
      --> shop.lua:3
    error: parameter `users`: expected a whole number, got "many"
      --> shop.lua:4
      hint: for example -p users=10
    error: scenario `buy`: duration: malformed duration "x"; expected a number and ns, us, ms, s, m or h, such as "250ms" or "1m30s", or plain seconds
      --> shop.lua:7
    error: threshold `http.duratoin p95 < 1s`: no metric is called "http.duratoin"
      --> shop.lua:10
      hint: did you mean "http.duration"?
    error: threshold `http.duration{scenario=by} p95 < 300`: p95 of http.duration is a time, not 300
      --> shop.lua:11
      hint: expected a time with its unit, such as "300ms"
    error: threshold `http.duration{scenario=by} p95 < 300`: no scenario is called "by"
      --> shop.lua:11
      hint: did you mean "buy"?
    error: threshold `iteration.dropped p95 < 1`: a counter has no p95
      --> shop.lua:12
      hint: expected one of count, rate
    error: threshold `http.failed rate <`: malformed value ""
      --> shop.lua:13
      hint: expected a number with its unit, such as "300ms", "1%", "4MiB", "10/s" or "12"
    error: threshold: expected a string, got 5
      --> shop.lua:14
    error: fault 1: at: malformed duration "x"; expected a number and ns, us, ms, s, m or h, such as "250ms" or "1m30s", or plain seconds
      --> shop.lua:17
    error: fault 1: no `on`
      --> shop.lua:17
      hint: add `on = ...`: a fault.proxy, a service, a URL or what fault.calls gave
    error: fault 1: for_: malformed duration "y"; expected a number and ns, us, ms, s, m or h, such as "250ms" or "1m30s", or plain seconds
      --> shop.lua:17
    error: fault 1: every: unknown key `of`; did you mean `off`?
      --> shop.lua:17
    error: fault 1: every: on: expected a time above 0
      --> shop.lua:17
    error: fault 1: every: off: expected a duration such as "250ms", or a number of seconds, got nil
      --> shop.lua:17
    error: fault 2: no `for_`
      --> shop.lua:18
      hint: add `for_ = ...`: how long it lasts at most, such as "10s"
    error: fault 2: latency is nothing that can be done to a redis that the run did not start
      --> shop.lua:18
      hint: it is a fault of a fault.proxy that leads to it
    error: faults: expected a table, got 7
      --> shop.lua:19
    error: recovery: unknown key `typo`; expected one of: p99, period, promise, success, warm_up
      --> shop.lua:21
    error: recovery: promise: expected a share below 100%, got 1
      --> shop.lua:21
    error: recovery: warm_up: malformed duration "x"; expected a number and ns, us, ms, s, m or h, such as "250ms" or "1m30s", or plain seconds
      --> shop.lua:21
    error: recovery: success: malformed share "2"; expected a percentage such as "99.5%" or a number from 0 to 1
      --> shop.lua:21
    error: recovery: p99: expected a time above 0
      --> shop.lua:21
    error: recovery: period: malformed duration "y"; expected a number and ns, us, ms, s, m or h, such as "250ms" or "1m30s", or plain seconds
      --> shop.lua:21
    error: watch: entry 1: name: a name needs a visible character, and no control characters
      --> shop.lua:22
    error: watch: entry 1: pid: expected the number of a process, got 0
      --> shop.lua:22
    error: watch: entry 2: unknown key `pdi`; did you mean `pid`?
      --> shop.lua:22
    error: watch: entry 2: no `name`
      --> shop.lua:22
      hint: add `name = ...`: what it is called in the results
    error: watch: entry 2: no `pid`
      --> shop.lua:22
      hint: add `pid = ...`: its number on this machine
    error: watch: expected a table, got "x"
      --> shop.lua:22
      hint: write `watch = { { pid = 4711, name = "shop" } }`
    error: profile `quick`: users: "few" is of another type than the parameter
      --> shop.lua:23
      hint: its default is 10
    error: profile `quick`: unknown parameter `usres`
      --> shop.lua:23
      hint: did you mean `users`?
    error: profile `slow`: expected a table, got 7
      --> shop.lua:23
      hint: write `profiles = { quick = { duration = "3s" } }`
    error: setup: expected a function, got 1
      --> shop.lua:24
    error: teardown: expected a function, got a table
      --> shop.lua:25
    error: unknown key `typo`; expected one of: faults, profiles, recovery, scenarios, setup, teardown, thresholds, watch
      --> shop.lua:26
    "#);
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
