//! What a user's error looks like: its line, its own frames, its hint.

use super::*;

#[test]
fn an_error_has_the_line_and_the_scripts_own_frames() {
    let text = running(
        "local time = require 'loadrun.time'\nlocal function deep(vu)\n  time.sleep(0)\n  local x = vu.token.value\nend",
        "deep(vu)",
    )
    .error();
    insta::assert_snapshot!(text, @"");
}

#[test]
fn a_wrong_call_has_the_callers_line() {
    insta::assert_snapshot!(running("local time = require 'loadrun.time'", "time.sleep('5x')").error(), @"");
    insta::assert_snapshot!(running("local http = require 'loadrun.http'", "\nhttp.get('/x', { timeot = 1, quary = 2 })").error(), @"");
    insta::assert_snapshot!(running("local http = require 'loadrun.http'", "http.get(nil)").error(), @"");
    insta::assert_snapshot!(running("local http = require 'loadrun.http'", "http.post('/x', { json = { print } })").error(), @"");
    insta::assert_snapshot!(running("local check = require 'loadrun.check'", "check({}, { ok = nil })").error(), @"");
    insta::assert_snapshot!(running("local parallel = require 'loadrun.parallel'", "parallel { 5 }").error(), @"");
    insta::assert_snapshot!(running("", "undeclared.x = 1").error(), @"");
    insta::assert_snapshot!(running("", "error({})").error().replace(|c: char| c.is_ascii_hexdigit(), "."), @"");
    insta::assert_snapshot!(running("", "error('told\\n  hint: try this', 0)").error(), @"");
}

#[test]
fn a_call_while_loading_is_refused() {
    insta::assert_snapshot!(script("local http = require 'loadrun.http'\nhttp.get('http://127.0.0.1:1/')").problems(), @"");
    insta::assert_snapshot!(running("local param = require 'loadrun.param'", "param('x', 1)").error(), @"");
}

#[test]
fn an_error_that_the_script_catches_is_text_with_a_place() {
    let lines = running(
        "local time = require 'loadrun.time'",
        "print(pcall(time.sleep, 'x'))\nprint(pcall(error, { 1 }) == false)\nprint(pcall(function() time.sleep(0) return 1, nil, 3 end))\nprint(select(2, xpcall(function() time.sleep('x') end, function(e) return 'handled ' .. e end)))",
    )
    .logged();
    insta::assert_snapshot!(lines.join("\n"), @"");
}

#[test]
fn a_loop_that_never_waits_is_stopped_although_the_script_catches_errors() {
    let script = running(
        "",
        "while true do pcall(function() while true do end end) end",
    );
    let vm = script.worker();
    vm.world().stall_after(Duration::from_millis(20));
    run_user(&vm, 0, 1);
    let errors = vm.take_errors();
    let (scenario, error, count) = errors.iter().next().unwrap();
    assert_eq!((scenario, count), ("s", 1));
    insta::assert_snapshot!(error.to_string(), @"");
    assert_eq!(vm.take_busy().stalls, 1);
}

#[test]
fn errors_are_kept_once_for_each_place() {
    let vm = running(
        "",
        "if vu.iteration % 2 == 0 then\nerror('even ' .. vu.iteration)\nend\nerror('odd')",
    )
    .run(5);
    let errors = vm.take_errors();
    let counts: Vec<_> = errors
        .iter()
        .map(|(_, error, count)| (error.what.as_str(), count))
        .collect();
    assert_eq!(counts, [("even 2", 2), ("odd", 3)]);
    assert_eq!(errors.total(), 5);
    let interval = vm.recorder().borrow_mut().take();
    assert_eq!(samples(&interval), ["script.errors{scenario=s} 5"]);
}
