//! Functions that wait: what is raised, where, and what is left behind.

use super::coroutine::Coroutine;
use super::traceback::ScriptError;
use super::*;

#[test]
fn a_method_called_without_its_colon_says_so() {
    let vm = running(
        "local http = require 'loadrun.http'\nlocal shop = http.client { base = 'http://127.0.0.1:1' }",
        "shop.get('/')",
    )
    .run(1);
    insta::assert_snapshot!(vm.take_errors().iter().next().unwrap().1.to_string(), @r#"
    error: get: expected a call with a colon, `x:get(...)`, got "/" before it
      --> shop.lua:4
    "#);
}

#[tokio::test(start_paused = true)]
async fn what_goes_wrong_after_a_wait_is_raised_where_the_script_called() {
    let vm = running(
        "local time, parallel = require 'loadrun.time', require 'loadrun.parallel'",
        "local function deep()\n  parallel { function() time.sleep(1) error('late', 0) end }\nend\n\
         print(pcall(deep))\ndeep()",
    )
    .worker();
    vm.user(0, 0).iterate(Turn { number: 0, intended: None }).await;
    assert_eq!(vm.world().log.drain()[0].text, "false late");
    let errors = vm.take_errors();
    insta::assert_snapshot!(errors.iter().next().unwrap().1.to_string(), @"
    error: late
      --> shop.lua:4
    ");
}

#[tokio::test(start_paused = true)]
async fn what_is_open_is_closed_when_a_coroutine_fails_after_a_wait() {
    let vm = running(
        "local time = require 'loadrun.time'",
        "local x <close> = setmetatable({}, { __close = function() print('closed', vu.iteration) end })\n\
         time.sleep(1)\nerror('after')",
    )
    .worker();
    let mut user = vm.user(0, 0);
    for number in 0..2 {
        user.iterate(Turn { number, intended: None }).await;
        assert_eq!(vm.world().log.drain()[0].text, format!("closed {}", number + 1));
    }
    assert_eq!(vm.take_errors().total(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_coroutine_is_used_again_whatever_the_one_before_left_in_it() {
    let vm = running(
        "local time = require 'loadrun.time'",
        "local seen = vu.iteration\ntime.sleep(1)\nif seen == 2 then error('broken') end\n\
         print(seen, select('#', time.sleep(1)))",
    )
    .worker();
    let mut user = vm.user(0, 0);
    for number in 0..4 {
        user.iterate(Turn { number, intended: None }).await;
    }
    let lines: Vec<_> = vm.world().log.drain().into_iter().map(|line| line.text).collect();
    assert_eq!(lines, ["1 0", "3 0", "4 0"]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_begins_where_lua_forbids_waiting_is_nobody_elses() {
    let vm = running(
        "local time = require 'loadrun.time'",
        "print(vu.iteration, (xpcall(function() error('x') end, function() time.sleep(1) end)))\n\
         if vu.iteration ~= 2 then return end\n\
         local x <close> = setmetatable({}, { __close = function() time.sleep(1) end })\n\
         error('broken')",
    )
    .worker();
    let mut user = vm.user(0, 0);
    for number in 0..3 {
        user.iterate(Turn { number, intended: None }).await;
    }
    let lines: Vec<_> = vm.world().log.drain().into_iter().map(|line| line.text).collect();
    assert_eq!(lines, ["1 false", "2 false", "3 false"]);
    assert_eq!(vm.take_errors().total(), 1);
}

#[tokio::test]
async fn what_cannot_be_made_into_lua_is_told_where_the_script_called() {
    let vm = running("", "").worker();
    let large = |(), _| async { Ok("x".repeat(16 << 20)) };
    let call = coroutine::function(&vm.lua, |_, ()| Ok(()), large).unwrap();
    let chunk = vm.lua.load("local call = ...\nlocal text = call()\nreturn text");
    let chunk = chunk.set_name("@shop.lua").into_function().unwrap();
    vm.lua.set_memory_limit(vm.memory() + (4 << 20)).unwrap();
    let error = Coroutine::new(&vm.lua, &vm.context, chunk, call).await.unwrap_err();
    insta::assert_snapshot!(ScriptError::new(&error, &vm.world().source), @"
    error: out of memory: a Lua state may hold 2 GiB
      --> shop.lua:2
    ");
}
