//! Loading: plans, parameters, `require`, and everything that can be wrong before a request.

use super::*;
use crate::plan::{Load, ParamValue, Start};

#[test]
fn the_script_of_the_design_becomes_a_plan() {
    let loaded = script(
        r#"
local check = require "loadrun.check"
local http  = require "loadrun.http"
local param = require "loadrun.param"
local base = param("base", "http://127.0.0.1:8080", "address of the shop")
local shop = http.client { base = base, timeout = "2s" }
local function buy(vu)
  local page = shop:get("/items/" .. vu.rand:integer(1, 1000), { name = "item" })
  if not check(page, { ["item found"] = page.status == 200 }) then return end
end
return {
  scenarios = {
    customers = { run = buy, max_users = 400, tags = { team = "shop" },
                  rate = { { to = 200, over = "1m" }, { hold = "5m" }, { jump = 1000, hold = "10s" } } },
    auditors  = { run = buy, users = 5, duration = "6m", start = "10s" },
    counters  = { weights = { { 60, buy }, { 40, buy } }, iterations = 100, start = { after = "auditors" } },
  },
  thresholds = {
    "http.duration{name=item} p95 < 300ms, goal < 100ms",
    "iteration.dropped count == 0",
  },
}"#,
    )
    .load()
    .unwrap_or_else(|problems| panic!("{problems:?}"));
    let plan = loaded.plan;
    let names: Vec<_> = plan.scenarios.iter().map(|scenario| &*scenario.name).collect();
    assert_eq!(names, ["customers", "auditors", "counters"]);
    assert_eq!(plan.scenarios[1].start, Start::At(Duration::from_secs(10)));
    assert_eq!(plan.scenarios[2].start, Start::After(Arc::from("auditors")));
    assert!(matches!(plan.scenarios[2].load, Load::Iterations { total: 100, .. }));
    let Load::Rate { curve, .. } = &plan.scenarios[0].load else { panic!() };
    assert_eq!(curve.duration(), Duration::from_secs(370));
    assert_eq!(plan.scenarios[0].max_users, Some(400));
    assert_eq!(plan.scenarios[0].place.line, 13);
    assert_eq!(plan.thresholds[1].1.line, 20);
    assert_eq!(plan.parameters[0].about, "address of the shop");
    assert_eq!(plan.parameters[0].place.to_string(), "shop.lua:5");
}

#[test]
fn scenarios_made_in_a_loop_are_in_the_order_they_start_and_then_of_the_numbers_in_their_names() {
    let loaded = script(
        r#"local scenarios = {}
for at, users in ipairs { 20, 5, 1, 50, 10 } do
  local run = function() end
  local timed = { users = users, duration = "1s", start = at % 3 }
  local after = { run = run, users = users, duration = "1s", start = { after = "1 at 0s" } }
  timed.run = run
  scenarios[users .. " at " .. at % 3 .. "s"], scenarios[users .. " after"] = timed, after
end
return { scenarios = scenarios }"#,
    )
    .load()
    .unwrap_or_else(|problems| panic!("{problems:?}"));
    let names: Vec<_> = loaded.plan.scenarios.iter().map(|scenario| &*scenario.name).collect();
    assert_eq!(
        names,
        [
            "1 at 0s", "20 at 1s", "50 at 1s", "5 at 2s", "10 at 2s", "1 after", "5 after",
            "10 after", "20 after", "50 after",
        ]
    );
}

#[test]
fn all_mistakes_of_a_table_are_reported_at_once_with_their_lines() {
    insta::assert_snapshot!(script(
        r#"local function run() end
return {
  scenarios = {
    a = { run = run, users = 1, rate = 2, duration = "1s" },
    b = { users = 1, duration = "5x" },
    c = { run = run, rate = { { to = 5 }, { hold = "1s", to = 3 }, { brust = 1 } } },
    d = { run = 5, users = 2 },
    e = { run = run, users = "many", duration = "1s", gracefull_stop = "1s" },
    f = { run = run, users = 1, duration = "1s", start = { after = "nobody" }, arrivals = "even" },
    g = { weights = { { 1, run }, { -1, run } }, iterations = 1.5 },
    h = { run = run },
  },
  threshholds = {},
}"#
    ).problems(), @r#"
    error: scenario `a`: `users` and `rate` at the same time
      --> shop.lua:4
      hint: a scenario has one of them; make a second scenario of the other
    error: scenario `b`: nothing to run
      --> shop.lua:5
      hint: `run` is a function, or `weights` a list such as `{ {60, read}, {40, write} }`
    error: scenario `b`: duration: malformed duration "5x"; expected a number and ns, us, ms, s, m or h, such as "250ms" or "1m30s", or plain seconds
      --> shop.lua:5
    error: scenario `c`: rate: step 1: `to` needs `over`
      --> shop.lua:6
      hint: write `{ to = 200, over = "1m" }`
    error: scenario `c`: rate: step 2: `to` needs `over`
      --> shop.lua:6
      hint: write `{ to = 200, over = "1m" }`
    error: scenario `c`: rate: step 3: unknown key `brust`; did you mean `burst`?
      --> shop.lua:6
    error: scenario `d`: run: expected a function, got 5
      --> shop.lua:7
    error: scenario `d`: `users = 2` needs a `duration`
      --> shop.lua:7
      hint: add `duration = "1m"`, or give a list of steps
    error: scenario `e`: unknown key `gracefull_stop`; did you mean `graceful_stop`?
      --> shop.lua:8
    error: scenario `e`: users: expected a number, got "many"
      --> shop.lua:8
    error: scenario `f`: arrivals: only a `rate` has arrivals
      --> shop.lua:9
    error: scenario `f`: starts after "nobody", which is not a scenario
      --> shop.lua:9
      hint: expected one of a, b, c, d, e, g, h
    error: scenario `g`: weights: entry 2: expected a weight of 0 or more, got -1
      --> shop.lua:10
    error: scenario `g`: iterations: expected a whole number, got 1.5
      --> shop.lua:10
    error: scenario `h`: no load
      --> shop.lua:11
      hint: give it one of `users`, `rate`, `iterations`
    error: unknown key `threshholds`; did you mean `thresholds`?
      --> shop.lua:13
    "#);
}

#[test]
fn a_script_that_is_not_a_table_is_told_how_to_end() {
    insta::assert_snapshot!(script("local x = 1").problems(), @"
    error: the script returned nil, not a table
      --> shop.lua:1
      hint: end it with `return { scenarios = { ... } }`
    ");
    insta::assert_snapshot!(script("return 5").problems(), @"
    error: the script returned 5, not a table
      --> shop.lua:1
      hint: end it with `return { scenarios = { ... } }`
    ");
    insta::assert_snapshot!(script("return {}").problems(), @r#"
    error: no scenarios
      --> shop.lua:1
      hint: add `scenarios = { name = { run = ..., users = 1, duration = "10s" } }`
    "#);
}

#[test]
fn syntax_and_runtime_errors_have_their_line() {
    insta::assert_snapshot!(script("local x = {\n  a = 1\n  b = 2\n}").problems(), @"
    error: '}' expected (to close '{' at line 1) near 'b'
      --> shop.lua:3
      hint: there may be a comma missing before it
    ");
    insta::assert_snapshot!(script("local x\nlocal function f() return x.y end\nf()").problems(), @"
    error: attempt to index a nil value (upvalue 'x')
      --> shop.lua:2
    ");
    insta::assert_snapshot!(script("\x1bLua").problems(), @"
    error: attempt to load a binary chunk (mode is 't')
      --> shop.lua:1
    ");
}

#[test]
fn a_threshold_on_an_unknown_metric_names_the_nearest() {
    let text = running("", "").source.text;
    let text = String::from_utf8(text.to_vec()).unwrap();
    let with = text.replace(
        "return {",
        "return { thresholds = {\n 'http.duratoin p95 < 1s',\n 'http.duration p95 <',\n },",
    );
    insta::assert_snapshot!(script(&with).problems(), @r#"
    error: threshold `http.duratoin p95 < 1s`: no metric is called "http.duratoin"
      --> shop.lua:3
      hint: did you mean "http.duration"?
    error: threshold `http.duration p95 <`: malformed value ""
      --> shop.lua:4
      hint: expected a number with its unit, such as "300ms", "1%", "4MiB", "10/s" or "12"; or "baseline"
    "#);
}

#[test]
fn globals_can_be_neither_made_nor_guessed() {
    insta::assert_snapshot!(script("local a = 1\ncount = 5").problems(), @"
    error: assignment to the global `count`; write `local count`
      --> shop.lua:2
      hint: state of a user belongs in a field of `vu`
    error: the script returned nil, not a table
      --> shop.lua:2
      hint: end it with `return { scenarios = { ... } }`
    ");
    insta::assert_snapshot!(script("local t = tabel.concat({})").problems(), @"
    error: undeclared global `tabel`
      --> shop.lua:1
      hint: did you mean `table`?
    error: the script returned nil, not a table
      --> shop.lua:1
      hint: end it with `return { scenarios = { ... } }`
    ");
    insta::assert_snapshot!(script("local t = os.time()").problems(), @"
    error: undeclared global `os`
      --> shop.lua:1
      hint: a script cannot reach the system; `loadrun.time`, `loadrun.data` may have it
    error: the script returned nil, not a table
      --> shop.lua:1
      hint: end it with `return { scenarios = { ... } }`
    ");
    insta::assert_snapshot!(script("print = nil").problems(), @"
    error: assignment to the global `print`; write `local print`
      --> shop.lua:1
      hint: state of a user belongs in a field of `vu`
    error: the script returned nil, not a table
      --> shop.lua:1
      hint: end it with `return { scenarios = { ... } }`
    ");
    insta::assert_snapshot!(script("rawset(_G, 'x', 1)").problems(), @"
    error: rawset: `_G` is frozen
      --> shop.lua:1
    ");
    insta::assert_snapshot!(script("return math.random(5)").problems(), @"
    error: math.random cannot be repeated by a run with the same seed
      --> shop.lua:1
      hint: use `vu.rand:integer(1, 6)`, or `loadrun.rand`
    ");
    insta::assert_snapshot!(script("setmetatable({}, { __gc = print })").problems(), @"
    error: setmetatable: `__gc` is not available to scripts
      --> shop.lua:1
    ");
    assert!(script("string.dump(print)").problems().contains("nil value (field 'dump')"));
    assert!(script("getmetatable(_G).x = 1").problems().contains("index a boolean value"));
    assert!(script("load('x = 1')").problems().contains("undeclared global `load`"));
}

/// What is wrong with a script of two lines, the second of which does something forbidden.
fn refused(line: &str) -> String {
    let modules =
        "local http, json, pick = require 'loadrun.http', require 'loadrun.json', require 'pick'";
    script(&format!("{modules}\n{line}")).problems()
}

#[test]
fn what_users_share_cannot_be_changed_by_one_of_them() {
    insta::assert_snapshot!(refused("http.get = print"), @"
    error: http.get: `http` is read-only
      --> shop.lua:2
      hint: every user shares it; keep a function of your own in a local
    error: the script returned nil, not a table
      --> shop.lua:2
      hint: end it with `return { scenarios = { ... } }`
    ");
    for (line, what) in [
        ("json.extra = 1", "json.extra: `json` is read-only"),
        ("pick.hot = nil", "pick.hot: `pick` is read-only"),
        ("string.rep = nil", "string.rep: `string` is read-only"),
        ("math[1] = 1", "math[1]: `math` is read-only"),
        ("table.insert(table, 1)", "table[1]: `table` is read-only"),
        ("table.move({ 1 }, 1, 1, 1, utf8)", "utf8[1]: `utf8` is read-only"),
        ("rawset(http, 'get', print)", "rawset: `http` is read-only"),
        ("rawset(string, 'rep', print)", "rawset: `string` is read-only"),
        ("setmetatable(http, {})", "cannot change a protected metatable"),
        ("json.array(_G)", "json.array: expected a table without a metatable"),
        ("json.array(string)", "json.array: expected a table without a metatable"),
        ("for name, f in pairs(string) do string[name] = f end", "is read-only"),
        ("getmetatable('').__index.rep = print", "attempt to index a boolean value"),
        ("getmetatable('').__index = {}", "attempt to index a boolean value"),
        ("getmetatable(http).__index.get = print", "attempt to index a boolean value"),
        ("getmetatable(http.client {}).__index = {}", "attempt to index a boolean value"),
        ("getmetatable(json.null).__index = {}", "attempt to index a boolean value"),
        ("getmetatable(json.array {}).__index = {}", "attempt to index a boolean value"),
        ("local _, real = pairs(string) real.rep = print", "attempt to index a nil value"),
        ("rawget(_G, 'string').rep = print", "attempt to index a nil value"),
    ] {
        let problems = refused(line);
        assert!(problems.contains(what), "{line}: {problems}");
        assert!(problems.contains("--> shop.lua:2"), "{line}: {problems}");
    }
    let read = "local names = {} for name in pairs(utf8) do names[#names + 1] = name end\n\
                table.sort(names) print(#names, names[1], ('x'):rep(2), #json.array { 1 })";
    assert_eq!(running("local json = require 'loadrun.json'", read).logged(), ["6 char xx 1"]);
}

#[test]
fn another_env_is_the_chunks_own_and_lets_nothing_out() {
    let script = running(
        "local beside = require './beside'",
        "local before = print\n_ENV = { print = print, made = 1 }\nprint(made, beside(), string)",
    );
    let script = script
        .file("beside.lua", "return function() return pcall(function() return _G.made end) end");
    assert_eq!(script.logged(), ["1 false nil"]);
}

#[test]
fn code_comes_from_files_of_text_only() {
    for (line, what) in [
        ("string.dump(print)", "nil value (field 'dump')"),
        ("print(('').dump)\nerror('end', 0)", "end"),
        ("load('x = 1')", "undeclared global `load`"),
        ("coroutine.wrap(print)", "undeclared global `coroutine`"),
        ("debug.sethook()", "undeclared global `debug`"),
        ("collectgarbage('stop')", "undeclared global `collectgarbage`"),
    ] {
        let problems = refused(line);
        assert!(problems.contains(what), "{line}: {problems}");
    }
    let binary = script("require './code'").file("code.lua", "\x1bLua").problems();
    assert!(binary.contains("attempt to load a binary chunk"), "{binary}");
}

#[test]
fn a_call_into_c_that_would_not_end_is_refused() {
    let endless = "setmetatable({}, { __len = function() return 1 << 60 end })";
    for (line, what) in [
        ("string.format('%99999d', 1)".to_owned(), "invalid conversion specification: '%99999d'"),
        ("string.rep('x', 1 << 40)".to_owned(), "string.rep: resulting string too large"),
        ("table.move({}, 1, 1 << 60, 2)".to_owned(), "table.move: too many items"),
        (
            "table.move({}, math.mininteger + 1, 1 << 62, 2)".to_owned(),
            "table.move: too many items",
        ),
        (format!("table.insert({endless}, 1, 2)"), "table.insert: too many items"),
        (format!("table.remove({endless}, 1)"), "table.remove: too many items"),
        (format!("table.concat({endless})"), "table.concat: too many items"),
        (format!("table.sort({endless})"), "table.sort: too many items"),
        (format!("table.unpack({endless})"), "too many results to unpack"),
        ("table.insert(nil, 1)".to_owned(), "bad argument #1 to 'insert'"),
    ] {
        let problems = refused(&line);
        assert!(problems.contains(what), "{line}: {problems}");
        assert!(problems.contains("--> shop.lua:2"), "{line}: {problems}");
    }
    let caught = running("", "print(pcall(table.insert, nil, 1))").logged();
    assert_eq!(caught, ["false bad argument #1 to 'insert' (table expected, got nil)"]);
    let many = "local t = {} for i = 1, 20000 do table.insert(t, i) end table.insert(t, 1, 7)\n\
                table.sort(t) table.move(t, 1, #t, 2)\n\
                print(#t, t[1], table.remove(t, 1), table.remove(t), #table.concat(t))";
    assert_eq!(running("", many).logged(), ["20002 1 1 20000 88890"]);
}

#[test]
fn a_loop_at_file_scope_is_stopped_and_named() {
    let source = script("local n = 0\nwhile true do\n  n = n + 1\nend").source;
    let world = World::new(source);
    world.stall_after(Duration::from_millis(20));
    let (_, problems) = Vm::load(&world);
    insta::assert_snapshot!(problems[0].to_string().replace(":2", ":3"), @"
    error: script stalled at shop.lua:3
      --> shop.lua:3
      hint: a loop that never waits holds up every user of its worker
    ");
}

#[test]
fn modules_are_found_beside_the_script_and_named_when_they_are_not() {
    let beside = running(
        "local shop = require './lib/shop'\nlocal log = require 'loadrun.log'",
        "log.info(shop.name)",
    )
    .file("lib/shop.lua", "return { name = 'corner' }");
    assert_eq!(beside.logged(), ["corner"]);
    insta::assert_snapshot!(script("require 'loadrun.htpp'").problems(), @"
    error: require: unknown module `loadrun.htpp`
      --> shop.lua:1
      hint: did you mean `loadrun.http`?
    error: the script returned nil, not a table
      --> shop.lua:1
      hint: end it with `return { scenarios = { ... } }`
    ");
    let far = script("require 'loadrun.nothing'").problems();
    assert!(far.contains("  hint: there are loadrun.{check, crypto, data, "), "{far}");
    insta::assert_snapshot!(script("\nrequire 'http'").problems(), @"
    error: require: unknown module `http`
      --> shop.lua:2
      hint: did you mean `loadrun.http`?
    error: the script returned nil, not a table
      --> shop.lua:2
      hint: end it with `return { scenarios = { ... } }`
    ");
    insta::assert_snapshot!(script("require './shop'").problems(), @"
    error: require: there is no file `shop.lua` beside the script
      --> shop.lua:1
    error: the script returned nil, not a table
      --> shop.lua:1
      hint: end it with `return { scenarios = { ... } }`
    ");
    insta::assert_snapshot!(script("require 'shopx'").problems(), @r#"
    error: require: unknown module `shopx`
      --> shop.lua:1
      hint: a file beside the script is `require "./shopx"`
    error: the script returned nil, not a table
      --> shop.lua:1
      hint: end it with `return { scenarios = { ... } }`
    "#);
}

#[test]
fn what_cannot_be_required_is_told_with_its_line() {
    insta::assert_snapshot!(script("require(nil)").problems(), @"
    error: require: expected a name, got nil
      --> shop.lua:1
    error: the script returned nil, not a table
      --> shop.lua:1
      hint: end it with `return { scenarios = { ... } }`
    ");
    insta::assert_snapshot!(script("require '../../etc/passwd'").problems(), @"
    error: require: there is no file `../../etc/passwd.lua` beside the script
      --> shop.lua:1
    error: the script returned nil, not a table
      --> shop.lua:1
      hint: end it with `return { scenarios = { ... } }`
    ");
    insta::assert_snapshot!(script("local a = require './a'").file("a.lua", "\nreturn { 1 2 }").problems(), @"
    error: '}' expected near '2'
      --> a.lua:2
      hint: there may be a comma missing before it
    error: the script returned nil, not a table
      --> shop.lua:1
      hint: end it with `return { scenarios = { ... } }`
    ");
    let circle =
        script("require './a'").file("a.lua", "require './b'").file("b.lua", "require './a'");
    insta::assert_snapshot!(circle.problems(), @"
    error: require: a circle: `./a` needs `./b` needs `./a`
      --> b.lua:1
    error: the script returned nil, not a table
      --> shop.lua:1
      hint: end it with `return { scenarios = { ... } }`
    ");
}

#[cfg(unix)]
#[test]
fn a_link_out_of_the_folder_is_not_followed() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret.lua"), "return 1").unwrap();
    let script = script("require './link/secret'");
    std::os::unix::fs::symlink(outside.path(), script.folder.path().join("link")).unwrap();
    assert!(
        script.problems().contains("lies outside the script's folder"),
        "{}",
        script.problems()
    );
}

#[test]
fn parameters_come_from_the_command_line_then_the_environment_then_the_default() {
    let text = r#"
local param = require "loadrun.param"
local log = require "loadrun.log"
log.info(param("a", 1), param("b", 0.5), param("c", false), param("d", "x"), param("e", "y"))
return { scenarios = { s = { users = 1, duration = "1s", run = function() end } } }"#;
    let given =
        script(text).param("a", "7").param("b", "2").env("A", "8").env("C", "true").env("D", "z");
    let loaded = given.load().unwrap_or_else(|problems| panic!("{problems:?}"));
    assert_eq!(loaded.control.world().log.drain()[0].text, "7 2.0 true z y");
    assert_eq!(loaded.plan.parameters[0].value, ParamValue::Integer(7));
    assert_eq!(loaded.plan.parameters[0].default, ParamValue::Integer(1));
}

#[test]
fn a_parameter_takes_only_what_its_script_says() {
    let text = r#"
local param = require "loadrun.param"
local users = param("users", 10, "how many", { min = 1, max = 50 })
local share = param("share", 0.5, "of them", { max = 1 })
local kind = param("kind", "b", "", { one_of = { "a", "b" } })
return { scenarios = { s = { users = users, duration = "1s", run = function() end } } }"#;
    let given = |users, share, kind| {
        script(text).param("users", users).param("share", share).param("kind", kind)
    };
    let loaded = given("50", "1", "a").load().unwrap();
    let about: Vec<&str> = loaded.plan.parameters.iter().map(|one| &*one.about).collect();
    assert_eq!(about, ["how many (from 1 to 50)", "of them (at most 1)", "(one of a, b)"]);
    insta::assert_snapshot!(given("0", "1.5", "c").problems(), @r#"
    error: parameter `users`: expected from 1 to 50, got "0"
      --> shop.lua:3
      hint: for example -p users=10
    error: parameter `share`: expected at most 1, got "1.5"
      --> shop.lua:4
      hint: for example -p share=0.5
    error: parameter `kind`: expected one of a, b, got "c"
      --> shop.lua:5
      hint: for example -p kind=b
    "#);
    let wrong = |options: &str| {
        let before = "local param = require 'loadrun.param'\n";
        script(&format!("{before}param('users', 10, 'how many', {options})\nreturn {{}}"))
            .problems()
    };
    for (options, expected) in [
        ("{ min = 20 }", "param: default: expected at least 20, got 10"),
        ("{ min = 'x' }", "param: min: expected a number"),
        ("{ one_of = { 10, '20' } }", "param: one_of: expected values of the type of the default"),
        ("{ one_of = { 1, 2 } }", "param: default: expected one of 1, 2, got 10"),
        ("{ least = 1 }", "unknown key `least`"),
    ] {
        let told = wrong(options);
        assert!(told.contains(expected), "{options}\n{told}");
    }
}

#[test]
fn wrong_and_unknown_parameters_are_reported_together() {
    let text = r#"
local param = require "loadrun.param"
local users = param("users", 10, "how many")
local key = param("key", 1.5, "secret", { secret = true })
return { scenarios = { s = { users = users, duration = "1s", run = function() end } } }"#;
    let given = script(text)
        .param("users", "many")
        .param("key", "hush")
        .param("bsae", "x")
        .param("user", "1");
    insta::assert_snapshot!(given.problems(), @r#"
    error: unknown parameter `bsae`
      hint: the script declares: users, key
    error: unknown parameter `user`
      hint: did you mean `users`?
    error: parameter `users`: expected a whole number, got "many"
      --> shop.lua:3
      hint: for example -p users=10
    error: parameter `key`: expected a number, got ***
      --> shop.lua:4
    "#);
}

#[test]
fn a_secret_is_shown_neither_in_the_log_nor_in_errors() {
    let text = r#"
local param = require "loadrun.param"
local key = param("key", "", "of the shop", { secret = true })
local pin = param("pin", 12345, "of the shop", { secret = true })
print("key=" .. key, pin)
return { scenarios = { s = { users = 1, duration = "1s", run = function(vu)
  if vu.iteration == 1 then error("wrong key " .. key .. "\n  hint: not " .. pin) end
  print(pcall(error, key))
end } } }"#;
    let given = script(text).param("key", "hunter22");
    let vm = given.run(2);
    let world = vm.world();
    assert_eq!(world.secrets(), ["hunter22", "12345"]);
    let lines: Vec<_> = world.log.drain().into_iter().map(|line| line.text).collect();
    assert_eq!(lines, ["key=*** ***", "false ***"]);
    let errors = vm.take_errors();
    let error = errors.iter().next().unwrap().1.to_string();
    assert!(error.contains("wrong key ***") && error.contains("hint: not ***"), "{error}");
    let told = "local key = require('loadrun.param')('key', '', '', { secret = true })\n\
                return { thresholds = { key }, scenarios = key }";
    let problems = script(told).param("key", "hunter22").problems();
    assert!(problems.contains("***") && !problems.contains("hunter22"), "{problems}");
}

#[test]
fn what_a_client_is_known_by_is_shown_nowhere() {
    let before = "local http = require 'loadrun.http'
local word = 'pass' .. 'word-1'
local shop = http.client { auth = { user = 'someone', password = word } }
local other = http.client { headers = { Cookie = 'sid=' .. 'cookie-2', ['x-a'] = 'shown' } }
local third = http.client { auth = { bearer = 'token-' .. '3' } }";
    let body = "print(word, 'cookie-2', 'token-3', 'shown')\n\
                print(pcall(http.get, 'http://me:secret-4@127.0.0.1:1/', \
                { headers = { authorization = 'literal-5' } }))";
    let script = running(before, body);
    let lines = script.logged();
    assert_eq!(lines[0], "*** *** *** shown");
    assert!(lines[1].contains("http://me:***@127.0.0.1:1"), "{lines:?}");
    let world = script.worker().world();
    let text = String::from_utf8_lossy(&world.source.text).into_owned();
    let shown = world.masked(text);
    assert!(!shown.contains("secret-4") && !shown.contains("literal-5"), "{shown}");
}

#[test]
fn a_worker_reads_the_same_script_as_the_control_state() {
    let vm = running("", "").worker();
    assert_eq!(vm.plan().scenarios.len(), 1);
}
