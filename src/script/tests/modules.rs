//! The modules of the core, and the list of all of them.

use super::*;
use crate::metric::Kind;

#[test]
fn every_module_offers_what_it_lists_and_nothing_else() {
    for module in api::MODULES {
        let vm = running("", "").worker();
        // Declarations are allowed while loading only; making the module is not one.
        let value = (module.make)(&vm.lua).unwrap();
        let mut found: Vec<String> = match &value {
            mlua::Value::Table(table) => {
                table.pairs::<String, mlua::Value>().map(|pair| pair.unwrap().0).collect()
            }
            _ => vec!["()".to_owned()],
        };
        found.sort();
        let listed: Vec<_> = module.functions.iter().filter(|name| !name.contains(':')).collect();
        assert!(found.iter().eq(listed.iter().copied()), "{}: {found:?} {listed:?}", module.name);
    }
}

#[test]
fn checks_are_counted_by_name() {
    let script = running(
        "local check = require 'loadrun.check'",
        "print(check(vu, { a = true, b = vu.iteration == 1 }), check(vu, { a = 1 }))",
    );
    let vm = script.run(2);
    let lines: Vec<_> = vm.world().log.drain().into_iter().map(|line| line.text).collect();
    assert_eq!(lines, ["true true", "false true"]);
    let found = samples(&vm.recorder().borrow_mut().take());
    assert_eq!(
        found[..2],
        ["check.failed{check=a,scenario=s} 0/4", "check.failed{check=b,scenario=s} 1/2"]
    );
}

#[tokio::test(start_paused = true)]
async fn parallel_runs_at_the_same_time_and_returns_in_order() {
    let vm = running(
        "local time, parallel = require 'loadrun.time', require 'loadrun.parallel'",
        "local before = time.now()\n\
         local a, b, c, d = parallel { function() time.sleep(2) return 'a' end, function() time.sleep(1) return 'b' end,\n\
         function() end, function() time.sleep(1) return 'd', 'more' end }\n\
         print(a, b, c, d, math.floor(time.since(before) + 0.5))",
    )
    .worker();
    vm.user(0, 0).iterate(Turn { number: 0, intended: None }).await;
    assert_eq!(vm.world().log.drain()[0].text, "a b nil d 2");
}

#[tokio::test(start_paused = true)]
async fn an_error_in_parallel_is_raised_when_the_others_have_ended() {
    let vm = running(
        "local time, parallel = require 'loadrun.time', require 'loadrun.parallel'",
        "parallel {\nfunction() error('first') end,\nfunction() time.sleep(1) print('ended') end }",
    )
    .worker();
    vm.user(0, 0).iterate(Turn { number: 0, intended: None }).await;
    assert_eq!(vm.world().log.drain()[0].text, "ended");
    insta::assert_snapshot!(vm.take_errors().iter().next().unwrap().1.to_string(), @"
    error: first
      --> shop.lua:4
    ");
}

#[test]
fn own_metrics_are_declared_and_recorded() {
    let script = running(
        "local metric = require 'loadrun.metric'\n\
         local sent = metric.counter('sms.sent')\nlocal size = metric.trend('sms.size', { unit = 'bytes' })\n\
         local depth = metric.gauge('queue.depth')\nlocal dup = metric.rate('sms.dup')\n\
         local age = metric.trend('sms.age', { unit = 'time' })",
        "sent:add() sent:add(2, { kind_of = 'x' }) size:record('2KiB') depth:set(7) dup:hit(true) age:record('5ms')",
    );
    let loaded = script.load().unwrap_or_else(|problems| panic!("{problems:?}"));
    let kinds: Vec<_> = loaded.plan.metrics.iter().map(|metric| metric.kind).collect();
    assert_eq!(kinds, [Kind::Counter, Kind::Trend, Kind::Gauge, Kind::Rate, Kind::Trend]);
    let vm = script.run(1);
    let found = samples(&vm.recorder().borrow_mut().take());
    assert!(found.contains(&"sms.sent{scenario=s} 1".to_owned()), "{found:?}");
    assert!(found.contains(&"sms.sent{kind_of=x,scenario=s} 2".to_owned()), "{found:?}");
    assert!(found.contains(&"sms.dup{scenario=s} 1/1".to_owned()), "{found:?}");
}

#[test]
fn a_metric_of_the_engine_cannot_be_declared() {
    insta::assert_snapshot!(script("local m = require 'loadrun.metric'\nm.trend('http.duration')").problems(), @"
    error: metric.trend: name: `http.duration` is recorded by the engine
      --> shop.lua:2
    error: the script returned nil, not a table
      --> shop.lua:2
      hint: end it with `return { scenarios = { ... } }`
    ");
    insta::assert_snapshot!(running("local m = require 'loadrun.metric'\nm.trend('a', { unit = 'seconds' })", "").problems(), @r#"
    error: metric.trend: unit: expected "time", "bytes" or "number", got "seconds"
      --> shop.lua:2
    "#);
}

#[test]
fn what_is_printed_goes_to_the_log() {
    assert_eq!(running("", "print('a', nil, 1.5, true)").logged(), ["a nil 1.5 true"]);
}
