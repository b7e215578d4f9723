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
    { at = "1m", on = "redis://127.0.0.1", kind = "client_pause", ["for"] = "1s" },
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
        @r#"
    error: undeclared global `serach`
      --> shop.lua:2
      hint: declare it with `local serach`
    error: undeclared global `chekc`
      --> shop.lua:3
      hint: declare it with `local chekc`
    error: undeclared global `get`
      --> shop.lua:3
      hint: write `http.get`, with `local http = require "loadrun.http"`
    error: assignment to the global `total`; write `local total`
      --> shop.lua:4
      hint: state of a user belongs in a field of `vu`
    error: undeclared global `pirnt`
      --> shop.lua:5
      hint: did you mean `print`?
    error: undeclared global `tabel`
      --> shop.lua:7
      hint: did you mean `table`?
    error: scenario `s`: users cannot be -1; expected a finite number from 0
      --> shop.lua:8
    "#
    );
}

/// Mistakes at file scope, in a function, and in what is returned; the rest only follows from them.
const CALLS: &str = r#"local http = require "loadrun.http"
local data = require "loadrun.data"
local fault = require "loadrun.fault"
local metric = require "loadrun.metric"
local param = require "loadrun.param"
local rand = require "loadrun.rand"
local redis = require "loadrun.redsi"
local service = require "loadrun.service"
local shared = require "loadrun.shared"
local sql = require "loadrun.sql"
local broken = require "./broken"
local shop = http.client {
  bas = "http://127.0.0.1:1",
  headers = { "x" },
  timeout = "5 parsecs",
}
local db = sql.client { sise = 3 }
local link = fault.proxy {
  upstraem = 5,
}
local more = data.csv("more.csv")
local again = data.csv("more.csv")
local rows = data.csv("data.csv", { header = 1 })
local base = param("base", {}, "address of the shop")
local users = param("users", 10, "how many")
local slow = metric.trend("shop.slow", "ms")
local cache = service.redis { maxmemory = rows.size }
local other = http.client { base = cache.url, timeout = base, size = 5 }
local first = rows[1].name .. "@" .. base
local half = -#rows / 2 + rows.count // 2
print(("%d of %s"):format(#rows, rows), table.concat(rows, ","), tostring(rows):upper(), table.unpack(rows))
table.sort(rows)
for _, row in ipairs(rows) do error(row.name) end
for key, value in pairs(rows.all()) do error(key .. value) end
for line in rows:lines() do error(line) end
for i = 1, #rows do error(rows[i]) end
if half > 5 or first <= half or rows == 5 or not base then error("never") end
http.clinet { base = base }
db:query("SELECT 1")
shop:get("/")
redis.client { url = first }.pool.size = ("%s:%d"):format(base, 5)
total = tabel.concat(rows)
slow:record(total + math.random(6))
local late = metric.trend("shop.late")
late:record(1)
shared.map("prices"):set({}, 5)
local seven = rand.new(7):integer(9, 1)
local function buy(vu)
  shop:get(paht, broken.name)
end
return {
  scenarios = {
    buy = { run = buy, rate = -5, duration = "10s", tags = { first = first } },
    other = { run = rows.run, users = users, duration = base, max_users = half },
    third = { runn = buy, users = 1, duration = "1s" },
    fourth = { run = buy, users = #rows, duration = #rows // 2, graceful_stop = #rows .. "x" },
  },
  thresholds = {
    "http.duratoin p95 < 1s",
    "http.failed{scenario=" .. first .. "} rate < 1%",
    first,
  },
  profiles = { quick = { base = "x", users = "few" }, [base] = {} },
  faults = { { at = base, for_ = "1s", on = cache, kind = "pause" },
             { on = rows }, more = { on = rows } },
}"#;

#[test]
fn a_mistake_at_file_scope_hides_none_after_it() {
    let script = script(CALLS).file("broken.lua", "local t\n\nreturn t.x").param("base", "x");
    insta::assert_snapshot!(script.problems());
}

#[test]
fn an_error_that_ends_the_loading_is_told_with_what_was_found_before() {
    let before = "local data = require 'loadrun.data'\nlocal rows = data.csv('gone.csv')\n\
                  local function later() return pirnt() end";
    let told = |line: &str| script(&format!("{before}\n{line}\nreturn {{ typo = 1 }}")).problems();
    insta::assert_snapshot!(told("print(later.x.y)"), @"
    error: data.csv: there is no file `gone.csv` beside the script
      --> shop.lua:2
    error: undeclared global `pirnt`
      --> shop.lua:3
      hint: did you mean `print`?
    error: attempt to index a function value (local 'later')
      --> shop.lua:4
      hint: it may only follow from a mistake before it
    ");
    // Nothing of it is known but that it follows.
    insta::assert_snapshot!(told("local n = math.floor(rows)"), @"
    error: data.csv: there is no file `gone.csv` beside the script
      --> shop.lua:2
    error: undeclared global `pirnt`
      --> shop.lua:3
      hint: did you mean `print`?
    ");
    insta::assert_snapshot!(told("assert(#rows > 0, 'no rows')"), @"
    error: data.csv: there is no file `gone.csv` beside the script
      --> shop.lua:2
    error: undeclared global `pirnt`
      --> shop.lua:3
      hint: did you mean `print`?
    error: no rows
      --> shop.lua:4
      hint: it may only follow from a mistake before it
    ");
}

#[test]
fn what_is_called_with_pcall_raises_as_in_a_run() {
    let tried = r#"local data = require "loadrun.data"
local http = require "loadrun.http"
print(pcall(data.csv, "gone.csv"))
print(xpcall(http.client, function(why) return "met " .. why end, { bas = 1, timeout = "5x" }))
print(pcall(require, "./gone"))
print(pcall(require, "./broken"))
print(pcall(function() return undecl + 1 end))
print(select(2, pcall(require, "./shop")).name)
return { scenarios = { s = { users = 1, duration = "1s", run = function() end } } }"#;
    let files = |text: &str| {
        let files =
            script(text).file("broken.lua", "local function f() return pirnt() end\ntotal = 5");
        files.file(
            "shop.lua",
            "return {\n  name = 'corner', find = function() return serach() end }",
        )
    };
    // What is not declared is not, whoever deals with it; a file that was not loaded has nothing.
    insta::assert_snapshot!(files(tried).problems(), @"
    error: undeclared global `serach`
      --> shop.lua:2
      hint: declare it with `local serach`
    error: undeclared global `undecl`
      --> shop.lua:7
      hint: declare it with `local undecl`
    ");
    let sound = tried.replace("undecl + 1", "1").replace("./shop", "./corner");
    let loaded = files(&sound).file("corner.lua", "return { name = 'corner' }").load();
    let loaded = loaded.unwrap_or_else(|problems| panic!("{problems:?}"));
    let world = loaded.control.world();
    let said: Vec<_> = world.log.drain().into_iter().map(|line| line.text).collect();
    insta::assert_snapshot!(said.join("\n"), @"
    false shop.lua:3: data.csv: there is no file `gone.csv` beside the script
    false met shop.lua:4: http.client: unknown key `bas`; did you mean `base`?
    false shop.lua:5: require: there is no file `gone.lua` beside the script
    false broken.lua:2: assignment to the global `total`; write `local total`
      hint: state of a user belongs in a field of `vu`
    true 1
    corner
    ");
    Vm::worker(&world, 0).unwrap_or_else(|problems| panic!("{problems:?}"));
}

/// What people write who come from other tools, or are in a hurry.
const HABITS: &str = r#"local http = require "loadrun.http"
local param = require "loadrun.param"
local pick = require "pick"
local backoff = require "backoff"
local breaker = require "breaker"
local shop = http.client("http://127.0.0.1:8080")
local other = http.client { "http://127.0.0.1:8080", host = "x" }
local users = param { name = "users", default = 5 }
local kinds = pick.weighted { 60, 40 }
local hot = pick.hot { keyz = 5 }
local retry = backoff.new { attemps = 3 }
local guard = breaker.new "3"
local gone = json.decode("{}")
local function buy(vu)
  sleep(1)
  local found = null
  if undefined == nil then check(found, {}) end
end
return {
  users = 5,
  rate = 3,
  scenarios = {
    a = { vus = 10, duration = "1m", exec = buy },
    b = { users = { { duration = "1m", target = 10 }, to = 5 }, run = buy },
    c = { users = 1, duration = "1s", weights = { read = 60, { 40, buy } } },
  },
  thresholds = { "http.faild < 1%", http = "rate < 1%", [5] = "x" },
}"#;

#[test]
fn habits_of_other_tools_are_told_in_words_of_this_one() {
    insta::assert_snapshot!(script(HABITS).problems());
}

#[test]
fn a_script_that_is_not_lua_is_told_what_lua_writes() {
    let files = script("local a = require './a'\nlocal b = require './b'\nreturn {}");
    let files = files.file("a.lua", "local x = 1\nx += 1").file("b.lua", "import a from 'b'");
    insta::assert_snapshot!(files.problems(), @r#"
    error: syntax error near '+'
      --> a.lua:2
      hint: Lua has no `+=`; write `x = x + 1`
    error: syntax error near 'a'
      --> b.lua:1
      hint: a script is Lua, such as `local http = require "loadrun.http"`
    error: no scenarios
      --> shop.lua:3
      hint: add `scenarios = { name = { run = ..., users = 1, duration = "10s" } }`
    "#);
}

#[test]
fn a_number_far_below_zero_is_a_mistake_of_its_own() {
    let text = "local shared = require 'loadrun.shared'\n\
                local jobs = shared.queue('jobs', math.mininteger)\n\
                return { scenarios = { s = { run = print, duration = '1s', users = math.mininteger } } }";
    let found = script(text).load().err().unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    let alone = script(&text.replace("'jobs', math.mininteger", "'jobs'")).load().err().unwrap();
    assert_eq!(alone.len(), 1, "{alone:?}");
}

/// The requires, what is to be told nothing of, and a sound scenario.
fn follows(lines: &str, returned: &str) -> Scripted {
    let modules = ["data", "metric", "param", "service"];
    let requires = modules.map(|name| format!("local {name} = require 'loadrun.{name}'; "));
    script(&format!(
        "{}\n{lines}\nreturn {{\n  scenarios = {{ s = {{ run = print, users = 1, duration = '1s' }} }},\n  \
         {returned}\n}}",
        requires.concat()
    ))
}

#[test]
fn what_only_follows_from_a_name_that_is_not_declared_is_not_told() {
    let without = "local users = param('users', 5)\nlocal slow = metric.trend('shop.slow')\n\
                   return { scenarios = { s = { run = print, users = users, duration = '1s' } },\n  \
                   thresholds = { 'shop.slow p95 < 5' }, profiles = { quick = { users = 3 } } }";
    insta::assert_snapshot!(script(without).param("users", "7").problems(), @r#"
    error: undeclared global `param`
      --> shop.lua:1
      hint: write `local param = require "loadrun.param"`
    error: undeclared global `metric`
      --> shop.lua:2
      hint: write `local metric = require "loadrun.metric"`
    "#);
    insta::assert_snapshot!(script("assert(jsn.x > 0, 'none')").problems(), @r"
    error: undeclared global `jsn`
      --> shop.lua:1
      hint: declare it with `local jsn`
    error: none
      --> shop.lua:1
      hint: it may only follow from a mistake before it
    ");
}

#[test]
fn a_declaration_that_may_be_missing_is_not_missed() {
    let lines = "local rows = data.csv('gone.csv')\nlocal n = param('n', rows.count)\n\
                 local slow = metric.tredn('shop.slow')\n\
                 local late = metric.trend('shop.late', { unit = 'ms' })\n\
                 local cache = service.redis { maxmemory = 'much', name = 5 }\nlate:record(n)";
    let returned = "thresholds = { 'shop.slow p95 < 300ms', 'shop.late p95 < 300ms',\n    \
                    'process.cpu{process=cache} max < 1', 'http.duratoin p95 < 1s' },\n  \
                    profiles = { quick = { n = 5 } }";
    insta::assert_snapshot!(follows(lines, returned).param("n", "5").problems(), @r#"
    error: data.csv: there is no file `gone.csv` beside the script
      --> shop.lua:2
    error: `metric` has no `tredn`
      --> shop.lua:4
      hint: did you mean `metric.trend`?
    error: metric.trend: unit: expected "time", "bytes" or "number", got "ms"
      --> shop.lua:5
    error: service.redis: name: expected a string, got 5
      --> shop.lua:6
    error: service.redis: maxmemory: malformed size "much"; expected a number and B, KB, MB, GB, KiB, MiB or GiB, such as "4MiB"
      --> shop.lua:6
    error: threshold `http.duratoin p95 < 1s`: no metric is called "http.duratoin"
      --> shop.lua:11
      hint: did you mean "http.duration"?
    "#);
}

#[test]
fn a_unit_that_was_refused_is_no_reason_to_refuse_a_threshold() {
    let lines = "local late = metric.trend('shop.late', { unit = 'ms' })";
    insta::assert_snapshot!(
        follows(lines, "thresholds = { 'shop.late p95 < 300ms' }").problems(), @r#"
    error: metric.trend: unit: expected "time", "bytes" or "number", got "ms"
      --> shop.lua:2
    "#);
}

#[test]
fn what_is_reckoned_from_a_count_that_is_missing_is_not_told() {
    for amount in ["#rows // 100", "#rows * 8", "#rows * 5", "-#rows", "-#rows // 10", "#rows / 7"]
    {
        let lines = format!("local rows = data.csv('gone.csv')\nlocal n = {amount}");
        let returned = "faults = { { at = n, for_ = '1s', on = 'redis://127.0.0.1', kind = n .. 'x' } },\n  \
                        recovery = { success = n, period = n }, watch = { { pid = n, name = 'x' } },\n  \
                        profiles = { quick = n }, typo = n";
        let told = follows(&lines, returned).load().err().unwrap();
        let told: Vec<_> = told.into_iter().map(|problem| problem.what).collect();
        assert_eq!(told.len(), 2, "{amount}: {told:?}");
        assert!(told[0].contains("gone.csv") && told[1].contains("`typo`"), "{amount}: {told:?}");
    }
}

#[test]
fn a_loop_that_waits_for_a_missing_value_ends_without_a_word() {
    for text in [
        "while #rows < 100 do rows[#rows + 1] = 5 end",
        "for i = #rows + 1, 100 do rows[i] = i end",
        "local page, list = rows.page, {} while page do list[#list + 1] = page; page = page.next end",
        "local n = 0 while not (n > rows.limit) do n = n + 1 end",
        "local more = require './more'",
    ] {
        let lines = format!("local rows = data.csv('gone.csv')\n{text}");
        let script = follows(&lines, "typo = 1");
        let script = script.file("more.lua", "local x = require './gone'\nrepeat until x.y == 5");
        let told = script.load().err().unwrap();
        assert!(told.iter().all(|told| told.what.contains("there is no file")), "{text}: {told:?}");
    }
}

#[test]
fn a_loop_that_stalls_beside_a_missing_value_is_no_mistake_of_its_own() {
    let lines = "local rows = data.csv('gone.csv')\nrepeat until rows == 5";
    let world = World::new(follows(lines, "").source.clone());
    world.stall_after(Duration::from_millis(100));
    let (_, told) = Vm::load(&world);
    assert!(told.len() == 1 && told[0].what.contains("gone.csv"), "{told:?}");
}

#[test]
fn a_file_that_a_script_does_without_declares_nothing() {
    let extra = "require 'loadrun.service'.redis {}\nrequire 'loadrun.param' ('n', 5)\n\
                 require 'loadrun.metric'.trend('shop.slow')\nrequire './part'\nerror('x')";
    let text = "local sound = pcall(require, './extra')\nrequire './part'\n\
                return { scenarios = { s = { run = print, users = 1, duration = '1s' } } }";
    let part = "require 'loadrun.param' ('part', 5)";
    let loaded = script(text).file("extra.lua", extra).file("part.lua", part).load();
    let plan = loaded.unwrap_or_else(|problems| panic!("{problems:?}")).plan;
    assert!(plan.services.is_empty() && plan.metrics.is_empty(), "{plan:?}");
    // What it loaded is loaded for whoever else needs it.
    let names: Vec<_> = plan.parameters.iter().map(|known| &*known.name).collect();
    assert_eq!(names, ["part"]);
}

#[test]
fn the_same_mistake_on_two_lines_is_two() {
    let lines = "local function load() local t = data.csv('more.csv') return t end\n\n\
                 for i = 1, 2 do data.csv('more.csv') end\nload()";
    insta::assert_snapshot!(follows(lines, "").problems(), @r"
    error: data.csv: there is no file `more.csv` beside the script
      --> shop.lua:2
    error: data.csv: there is no file `more.csv` beside the script
      --> shop.lua:4
    ");
}

#[test]
fn a_parameter_that_may_be_a_secret_is_not_shown() {
    let lines =
        "local token = param('token', '', '', { secrets = true })\nlocal rows = data.csv(token)";
    let script = follows(lines, "setup = token").param("token", "hunter2");
    insta::assert_snapshot!(script.problems(), @r"
    error: param: unknown key `secrets`; did you mean `secret`?
      --> shop.lua:2
    ");
}

#[test]
fn every_key_that_a_library_does_not_know_is_told() {
    let text = "local pick, backoff, breaker = require 'pick', require 'backoff', require 'breaker'\n\
                local hot = pick.hot { keys = 5, b = 1, a = 2 }\n\
                local retry = backoff.new { tries = 3, attemps = 3 }\n\
                local guard = breaker.new { opens = 3, failure = 5, [1] = 2 }\n\
                return { scenarios = { s = { run = print, users = 1, duration = '1s' } } }";
    insta::assert_snapshot!(script(text).problems(), @r"
    error: pick.hot: unknown keys `a`, `b`; expected hot, keys or share
      --> shop.lua:2
    error: backoff.new: unknown keys `attemps`, `tries`; expected attempts, base, cap, factor or jitter
      --> shop.lua:3
    error: breaker.new: unknown keys `1`, `failure`, `opens`; expected failures, on_change, open or trials
      --> shop.lua:4
    ");
}

#[test]
fn only_a_method_that_is_not_there_may_be_one_of_ours() {
    insta::assert_snapshot!(script("local page = {}\npage:gett()").problems(), @r"
    error: attempt to call a nil value (method 'gett')
      --> shop.lua:2
      hint: did you mean `get`?
    ");
    insta::assert_snapshot!(script("local page = {}\npage.gett()").problems(), @r"
    error: attempt to call a nil value (field 'gett')
      --> shop.lua:2
    ");
}
