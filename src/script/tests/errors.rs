//! What a user's error looks like: its line, its own frames, its hint.

use std::sync::atomic::Ordering;

use super::*;

#[test]
fn an_error_has_the_line_and_the_scripts_own_frames() {
    let text = running(
        "local time = require 'loadrun.time'\nlocal function deep(vu)\n  time.sleep(0)\n  local x = vu.token.value\nend",
        "deep(vu)",
    )
    .error();
    insta::assert_snapshot!(text, @"
    error: attempt to index a nil value (field 'token')
      --> shop.lua:4
          shop.lua:7: in function <shop.lua:6>
    ");
}

#[test]
fn a_wrong_call_has_the_callers_line() {
    insta::assert_snapshot!(running("local time = require 'loadrun.time'", "time.sleep('5x')").error(), @r#"
    error: time.sleep: duration: malformed duration "5x"; expected a number and ns, us, ms, s, m or h, such as "250ms" or "1m30s", or plain seconds
      --> shop.lua:3
    "#);
    insta::assert_snapshot!(running("local http = require 'loadrun.http'", "\nhttp.get('http://127.0.0.1:1/', { timeot = 1, quary = 2 })").error(), @"
    error: http.get: unknown key `quary`; did you mean `query`?; unknown key `timeot`; did you mean `timeout`?
      --> shop.lua:4
    ");
    insta::assert_snapshot!(running("local http = require 'loadrun.http'", "http.get(nil)").error(), @r#"
    error: http.get: expected a path or URL, got nil
      --> shop.lua:3
      hint: call it as `client:get("/path")`
    "#);
    insta::assert_snapshot!(running("local http = require 'loadrun.http'", "http.post('http://127.0.0.1:1/', { json = { print } })").error(), @"
    error: http.post: json: cannot encode a function at [1]
      --> shop.lua:3
    ");
    insta::assert_snapshot!(running("local check = require 'loadrun.check'", "check({}, { ok = nil })").error(), @"
    error: check: no conditions
      --> shop.lua:3
      hint: a condition that is nil leaves no trace; write `value ~= nil`
    ");
    insta::assert_snapshot!(running("local parallel = require 'loadrun.parallel'", "parallel { 5 }").error(), @"
    error: parallel: item 1: expected a function, got 5
      --> shop.lua:3
    ");
    insta::assert_snapshot!(running("", "_G.undeclared.x = 1").error(), @"
    error: undeclared global `undeclared`
      --> shop.lua:3
      hint: declare it with `local undeclared`
    ");
    insta::assert_snapshot!(running("", "error({})").error(), @r#"
    error: a table was raised as an error
      --> shop.lua:3
      hint: raise text: `error("...")`
    "#);
    insta::assert_snapshot!(running("", "vu.rand.integer(1, 2)").error(), @"
    error: integer: expected a call with a colon, `x:integer(...)`
      --> shop.lua:3
    ");
    insta::assert_snapshot!(running("", "vu:sleep(1)").error(), @"
    error: attempt to call a nil value (method 'sleep')
      --> shop.lua:3
      hint: there is `time.sleep`, of `loadrun.time`
    ");
    insta::assert_snapshot!(running("local shop = require('loadrun.http').client {}", "shop:gett('/')").error(), @"
    error: attempt to call a nil value (method 'gett')
      --> shop.lua:3
      hint: did you mean `get`?
    ");
    insta::assert_snapshot!(running("local http = require 'loadrun.http'", "http.gte('/')").error(), @"
    error: `http` has no `gte`
      --> shop.lua:3
      hint: did you mean `http.get`?
    ");
    insta::assert_snapshot!(running("", "error('told\\n  hint: try this', 0)").error(), @"
    error: told
      --> shop.lua:3
      hint: try this
    ");
}

#[test]
fn a_call_is_hinted_at_only_where_what_was_meant_is_near() {
    let shop = "local shop = require('loadrun.http').client {}";
    insta::assert_snapshot!(running(shop, "shop:fetch('/')").error(), @"
    error: attempt to call a nil value (method 'fetch')
      --> shop.lua:3
    ");
    insta::assert_snapshot!(running("local reply = { json = {} }", "reply:json()").error(), @"
    error: attempt to call a table value (method 'json')
      --> shop.lua:3
      hint: it is a value and not a function: write `.json`, without a call
    ");
}

#[test]
fn a_call_while_loading_is_refused() {
    insta::assert_snapshot!(script("local http = require 'loadrun.http'\nhttp.get('http://127.0.0.1:1/')").problems(), @"
    error: http.get: loading a script makes no calls
      --> shop.lua:2
      hint: call it in `run`, `init`, `setup` or `teardown`
    error: the script returned nil, not a table
      --> shop.lua:2
      hint: end it with `return { scenarios = { ... } }`
    ");
    for (make, call) in [("queue('q')", "queue:pop"), ("barrier('b', 2)", "barrier:wait")] {
        let method = call.split(':').nth(1).unwrap();
        let text =
            format!("local it = require 'loadrun.shared'.{make}\nit:{method}()\nreturn {{}}");
        let refused = "loading a script makes no calls\n  --> shop.lua:2\n  hint: call it in";
        let found = script(&text).problems();
        assert!(found.starts_with(&format!("error: {call}: {refused}")), "{found}");
    }
    insta::assert_snapshot!(running("local param = require 'loadrun.param'", "param('x', 1)").error(), @"
    error: param: declares something, so only at file scope
      --> shop.lua:3
      hint: call it at file scope and keep what it returns in a local
    ");
}

#[test]
fn an_error_that_the_script_catches_is_text_with_a_place() {
    let lines = running(
        "local time = require 'loadrun.time'",
        "print(pcall(time.sleep, 'x'))\nprint(pcall(error, { 1 }) == false)\nprint(pcall(function() time.sleep(0) return 1, nil, 3 end))\nprint(select(2, xpcall(function() time.sleep('x') end, function(e) return 'handled ' .. e end)))",
    )
    .logged();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    false shop.lua:3: time.sleep: duration: malformed duration "x"; expected a number and ns, us, ms, s, m or h, such as "250ms" or "1m30s", or plain seconds
    true
    true 1 nil 3
    handled shop.lua:6: time.sleep: duration: malformed duration "x"; expected a number and ns, us, ms, s, m or h, such as "250ms" or "1m30s", or plain seconds
    "#);
}

#[test]
fn a_loop_that_never_waits_is_stopped_although_the_script_catches_errors() {
    let script = running("", "while true do pcall(function() while true do end end) end");
    let vm = script.worker();
    vm.world().stall_after(Duration::from_millis(20));
    run_user(&vm, 0, 1);
    let errors = vm.take_errors();
    let (scenario, error, count) = errors.iter().next().unwrap();
    assert_eq!((scenario, count), ("s", 1));
    insta::assert_snapshot!(error.to_string(), @"
    error: script stalled at shop.lua:3
      --> shop.lua:3
      hint: a loop that never waits holds up every user of its worker
    ");
    assert_eq!(vm.take_busy().stalls, 1);
}

#[test]
fn a_string_too_large_for_the_state_breaks_the_iteration_and_goes_on() {
    for body in [
        "local s = ('x'):rep(1 << 27)",
        "local s, t = ('x'):rep(1 << 20), {} for i = 1, 30 do t[i] = s end s = table.concat(t)",
        "local s = ('x'):rep(1 << 20) s = s:gsub('x', ('y'):rep(30))",
        "local s = ('x'):rep(1 << 22) s = ('%s%s%s%s%s'):format(s, s, s, s, s)",
    ] {
        let vm = running("", body).worker();
        vm.lua.set_memory_limit(16 << 20).unwrap();
        run_user(&vm, 0, 2);
        let errors = vm.take_errors();
        let (_, error, count) = errors.iter().next().unwrap();
        assert_eq!((error.what.split(':').next(), count), (Some("out of memory"), 2), "{body}");
    }
}

#[test]
fn a_pattern_that_backtracks_without_end_is_stopped_like_a_loop() {
    for body in [
        "local s = ('a'):rep(1e5) return s:find('.-.-.-b')",
        "local s = ('a'):rep(1e6) return s:match('(a*)a*b')",
        "local s = ('a'):rep(1e6) for x in s:gmatch('a-b') do print(x) end",
        "local s = ('a'):rep(1e6) return s:gsub('a*%s*b', pcall)",
        "local s = ('a'):rep(1e7) return s:find(('a'):rep(5e6) .. 'b', 1, true)",
        "local s = ('('):rep(1e6) print(pcall(s.match, s, '%b()'))",
    ] {
        let vm = running("", body).worker();
        vm.world().stall_after(Duration::from_millis(20));
        run_user(&vm, 0, 1);
        let errors = vm.take_errors();
        let text = errors.iter().next().unwrap().1.to_string();
        assert!(
            text.starts_with("error: script stalled at shop.lua:3\n  --> shop.lua:3"),
            "{text}"
        );
        assert_eq!(vm.take_busy().stalls, 1);
    }
}

#[test]
fn a_run_that_is_to_end_at_once_ends_a_loop_and_counts_neither_error_nor_stall() {
    let body = "while true do pcall(function() while true do end end) end";
    let vm = running("", body).worker();
    let world = vm.world();
    let halt = std::thread::spawn(move || world.halted.store(true, Ordering::Relaxed));
    run_user(&vm, 0, 1);
    halt.join().unwrap();
    assert_eq!((vm.take_errors().total(), vm.take_busy().stalls), (0, 0));
    assert!(samples(&vm.recorder().borrow_mut().take()).is_empty());
}

#[test]
fn a_run_that_is_to_end_at_once_ends_setup_too() {
    let script = script(
        "return { setup = function() while true do end end,\n\
         scenarios = { s = { users = 1, duration = '1s', run = function() end } } }",
    );
    let loaded = script.load().unwrap_or_else(|problems| panic!("{problems:?}"));
    loaded.control.world().halted.store(true, Ordering::Relaxed);
    let problem = wait(loaded.control.setup()).unwrap_err();
    assert_eq!(problem.what, "the run was stopped");
}

#[test]
fn errors_are_kept_once_for_each_place() {
    let vm = running(
        "",
        "if vu.iteration % 2 == 0 then\nerror('even ' .. vu.iteration)\nend\nerror('odd')",
    )
    .run(5);
    let errors = vm.take_errors();
    let counts: Vec<_> =
        errors.iter().map(|(_, error, count)| (error.what.as_str(), count)).collect();
    assert_eq!(counts, [("even 2", 2), ("odd", 3)]);
    assert_eq!(errors.total(), 5);
    let interval = vm.recorder().borrow_mut().take();
    assert_eq!(samples(&interval), ["script.errors{scenario=s} 5"]);
}

#[test]
fn a_state_that_holds_too_much_breaks_the_iteration_and_goes_on() {
    let script = running("", "local t = {}\nfor i = 1, 1e9 do t[i] = ('x'):rep(1000) .. i end");
    let vm = script.worker();
    vm.lua.set_memory_limit(16 << 20).unwrap();
    run_user(&vm, 0, 2);
    let errors = vm.take_errors();
    let (_, error, count) = errors.iter().next().unwrap();
    assert_eq!(count, 2);
    insta::assert_snapshot!(error.to_string(), @"error: out of memory: a Lua state may hold 2 GiB");
}

#[test]
fn different_errors_of_one_line_are_told_apart_up_to_a_few() {
    let body = "vu.n = (vu.n or 0) + 1 if vu.n < 5 then error('no order ' .. vu.n) end \
                error(('kind %s'):format(('x'):rep(vu.n)))";
    let vm = running("", body).worker();
    run_user(&vm, 0, 20);
    let told = |errors: &Errors| -> Vec<_> {
        errors.iter().map(|(_, error, count)| (error.what.clone(), count)).collect()
    };
    let once = vm.take_errors();
    let expected = [
        ("no order 1", 4),
        ("kind xxxxx", 1),
        ("kind xxxxxx", 1),
        ("kind xxxxxxx", 1),
        ("kind xxxxxxxx", 1),
        ("other errors of this line, such as: kind xxxxxxxxx", 12),
    ];
    let expected =
        |times: u64| expected.map(|(what, count)| (what.to_owned(), count * times)).to_vec();
    assert_eq!(told(&once), expected(1));
    let mut twice = Errors::default();
    twice.merge(&once);
    twice.merge(&once);
    assert_eq!((told(&twice), twice.total()), (expected(2), 40));
}
