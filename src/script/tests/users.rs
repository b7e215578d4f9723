//! Users: their state, their randomness, their iterations' samples, their size.

use super::*;

#[test]
fn an_iteration_leaves_its_times() {
    let vm = running("", "").run(3);
    let interval = vm.recorder().borrow_mut().take();
    assert_eq!(
        samples(&interval),
        ["iteration.duration{scenario=s} 3 samples", "iteration.response{scenario=s} 3 samples"]
    );
}

#[tokio::test(start_paused = true)]
async fn response_counts_from_the_intended_start_and_lag_is_the_difference() {
    let vm = running("local time = require 'loadrun.time'", "time.sleep('3s')").worker();
    let begin = Instant::now();
    let _ = vm.world().begin.set(begin);
    tokio::time::advance(Duration::from_secs(2)).await;
    let mut user = vm.user(0, 0);
    user.iterate(Turn { number: 0, intended: Some(begin + Duration::from_secs(1)) }).await;
    let interval = vm.recorder().borrow_mut().take();
    let mut seen = BTreeMap::new();
    for Received { series, samples, .. } in &interval.series {
        let Accumulator::Trend(seconds) = samples else { panic!("{samples:?}") };
        let (second, values) = seconds.iter().next().unwrap();
        seen.insert(series.metric.name.to_string(), (*second, values.mean() / 1e9));
    }
    assert_eq!(seen["iteration.response"].0, 1);
    assert!((seen["iteration.response"].1 - 4.0).abs() < 0.01);
    assert!((seen["iteration.duration"].1 - 3.0).abs() < 0.01);
    assert!((seen["iteration.lag"].1 - 1.0).abs() < 0.01);
}

#[test]
fn a_user_keeps_its_fields_and_shares_nothing_else() {
    let script = running(
        "",
        "vu.n = (vu.n or 0) + 1\nprint(vu.id, vu.iteration, vu.scenario, vu.n, vu.other)",
    );
    let vm = script.worker();
    run_user(&vm, 4, 2);
    run_user(&vm, 6, 1);
    let lines: Vec<_> = vm.world().log.drain().into_iter().map(|line| line.text).collect();
    assert_eq!(lines, ["5 1 s 1 nil", "5 2 s 2 nil", "7 1 s 1 nil"]);
}

#[test]
fn init_runs_once_and_is_tried_again_when_it_failed() {
    let script = script(
        "local tries = 0\nreturn { scenarios = { s = { users = 1, duration = '1s',\n\
         init = function(vu) tries = tries + 1; if tries < 3 then error('not yet') end; vu.token = tries end,\n\
         run = function(vu) print(vu.token, vu.iteration) end } } }",
    );
    let vm = script.worker();
    wait_unhurried(iterations(&vm, 0, 3));
    let lines: Vec<_> = vm.world().log.drain().into_iter().map(|line| line.text).collect();
    assert_eq!(lines, ["3 3"]);
    assert_eq!(vm.take_errors().total(), 2);
}

#[test]
fn an_init_that_always_fails_breaks_each_iteration_once() {
    let script = script(
        "return { scenarios = { s = { users = 1, duration = '1s',\n\
         init = function() error('never') end, run = function() end } } }",
    );
    let vm = script.worker();
    let took = wait_unhurried(async {
        let begun = Instant::now();
        iterations(&vm, 0, 20).await;
        begun.elapsed()
    });
    assert_eq!(took.as_secs(), 20, "it is not tried in a burst");
    let errors = vm.take_errors();
    assert_eq!(errors.total(), 20);
    insta::assert_snapshot!(errors.iter().next().unwrap().1.to_string(), @"
    error: never
      --> shop.lua:2
      hint: raised in `init`, which is run again before the user's next iteration
    ");
    let interval = vm.recorder().borrow_mut().take();
    assert_eq!(samples(&interval), ["script.errors{scenario=s} 20"]);
    run_user(&vm, 1, 0);
    assert_eq!(vm.take_errors().total(), 0);
}

#[test]
fn setup_data_reaches_every_user_and_teardown() {
    let script = script(
        "return { setup = function() return { token = 'abc', list = { 1, 2 } } end,\n\
         teardown = function(data) print('down', data.token) end,\n\
         scenarios = { s = { users = 1, duration = '1s', run = function(vu) print(vu.setup.token, #vu.setup.list) end } } }",
    );
    let loaded = script.load().unwrap_or_else(|problems| panic!("{problems:?}"));
    wait(loaded.control.setup()).unwrap();
    let world = loaded.control.world();
    let vm = Vm::worker(&world, 0).unwrap();
    run_user(&vm, 0, 1);
    wait(loaded.control.teardown()).unwrap();
    let lines: Vec<_> = world.log.drain().into_iter().map(|line| line.text).collect();
    assert_eq!(lines, ["abc 2", "down abc"]);
}

#[test]
fn setup_that_returns_a_function_is_refused() {
    let script = script(
        "return {\n setup = function() return { call = print } end,\n\
         scenarios = { s = { users = 1, duration = '1s', run = function() end } } }",
    );
    let loaded = script.load().unwrap_or_else(|problems| panic!("{problems:?}"));
    insta::assert_snapshot!(wait(loaded.control.setup()).unwrap_err().to_string(), @"
    error: setup: returned a function at .call
      --> shop.lua:2
      hint: only plain data reaches users: no functions, no clients
    ");
}

#[test]
fn randomness_follows_the_iteration_and_not_the_user_in_an_open_loop() {
    let draws = |load: &str, seed: u64, users: &[u64], turn: u64| {
        let script = script(&format!(
            "return {{ scenarios = {{ s = {{ {load}, run = function(vu) print(vu.rand:integer(1, 1 << 40)) end }} }} }}"
        ))
        .seed(seed);
        let vm = script.worker();
        wait(async {
            for number in users {
                let mut user = vm.user(0, *number);
                user.iterate(Turn { number: 5, intended: None }).await;
                user.iterate(Turn { number: turn, intended: None }).await;
            }
        });
        let lines = vm.world().log.drain();
        lines.into_iter().map(|line| line.text).collect::<Vec<_>>()
    };
    let open = "rate = 1, duration = '1s'";
    let closed = "users = 1, duration = '1s'";
    // The log shows the same line once: the same draw for both users.
    assert_eq!(draws(open, 1, &[0, 1], 6).len(), 2);
    assert_eq!(draws(closed, 1, &[0, 1], 6).len(), 4);
    assert_eq!(draws(closed, 1, &[3], 6), draws(closed, 1, &[3], 6));
    assert_ne!(draws(closed, 2, &[3], 6), draws(closed, 1, &[3], 6));
}

#[test]
fn weights_divide_the_iterations() {
    let script = script(
        "local function p(text) return function(vu) vu[text] = (vu[text] or 0) + 1; vu.all = (vu.all or 0) + 1\n\
         if vu.all == 1000 then print(vu.a, vu.b, vu.c) end end end\n\
         return { scenarios = { s = { users = 1, duration = '1s', weights = { {60, p'a'}, {30, p'b'}, {10, p'c'} } } } }",
    );
    let line = script.run(1000).world().log.drain()[0].text.clone();
    let counts: Vec<f64> = line.split(' ').map(|n| n.parse().unwrap()).collect();
    for (count, expected) in counts.iter().zip([600.0, 300.0, 100.0]) {
        assert!((count - expected).abs() < 60.0, "{line}");
    }
}

#[test]
fn a_user_that_never_waits_lets_others_go_on() {
    let vm = running("", "").worker();
    wait(async {
        let mut user = vm.user(0, 0);
        let busy = async {
            loop {
                user.iterate(Turn { number: 0, intended: None }).await;
            }
        };
        tokio::select! {
            () = busy => {}
            () = tokio::time::sleep(Duration::from_millis(5)) => {}
        }
    });
}

#[test]
fn an_iteration_that_is_dropped_closes_what_it_had_open() {
    let script = running(
        "local time = require 'loadrun.time'",
        "local x <close> = setmetatable({}, { __close = function() print('closed') end })\ntime.sleep(60)",
    );
    let vm = script.worker();
    wait(async {
        let mut user = vm.user(0, 0);
        let iteration = user.iterate(Turn { number: 0, intended: None });
        let _ = tokio::time::timeout(Duration::from_millis(1), iteration).await;
    });
    assert_eq!(vm.world().log.drain()[0].text, "closed");
}

#[test]
fn a_sleeping_user_is_small() {
    let users = 2_000;
    let vm = running("local time = require 'loadrun.time'", "time.sleep(600)").worker();
    wait(async {
        let before = vm.memory();
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..users {
            let mut user = vm.user(0, number);
            let size = std::mem::size_of_val(&user);
            assert!(size <= 64, "{size}");
            tasks.spawn_local(async move {
                let iteration = user.iterate(Turn { number, intended: None });
                let size = std::mem::size_of_val(&iteration);
                assert!(size <= 1024, "{size}");
                iteration.await;
            });
        }
        while vm.context.busy.get().resumes < users {
            tokio::task::yield_now().await;
        }
        vm.lua.gc_collect().unwrap();
        let each = (vm.memory() - before) / users as usize;
        assert!(each < 1_700, "{each} bytes of Lua for each user");
    });
}
