//! Whole runs in which something is broken: what it did, and that it ended.

#![expect(clippy::unwrap_used, reason = "a test that cannot start a run has failed")]

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A folder with a script, in which the binary is run.
struct Bench(TempDir);

impl Bench {
    /// A steady load through a link, with these faults and thresholds.
    fn new(duration: &str, faults: &str, thresholds: &str) -> Self {
        Self::of(&Self::script(duration, faults, thresholds))
    }

    fn of(script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("script.lua"), script).unwrap();
        Self(folder)
    }

    fn script(duration: &str, faults: &str, thresholds: &str) -> String {
        // What is normal is said, so that a busy machine's outliers are not held against it.
        format!(
            r#"
            local fault = require "loadrun.fault"
            local http = require "loadrun.http"
            local log = require "loadrun.log"
            local sandbox = require "loadrun.sandbox"
            local target = sandbox.start()
            local link = fault.proxy {{ name = "link", upstream = target }}
            local unused = fault.proxy {{ name = "unused", upstream = target }}
            local api = http.client {{ base = link, timeout = "1s" }}
            local function read(vu)
              api:get("/items/1", {{ name = "item" }})
              if vu.iteration == 1 then log.warn("under way") end
            end
            return {{
              scenarios = {{ s = {{ rate = 100, duration = "{duration}", run = read }} }},
              faults = {{ {faults} }},
              recovery = {{ success = "80%", p99 = "30s" }},
              thresholds = {{ {thresholds} }},
            }}
            "#
        )
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_loadrun"));
        command.args(arguments).current_dir(self.0.path()).env("NO_COLOR", "1");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn outcome(&self) -> Value {
        let only = |folder: PathBuf| {
            let mut entries = std::fs::read_dir(folder).unwrap();
            entries.next().unwrap().unwrap().path()
        };
        let place = only(self.0.path().join("results/script")).join("outcome.json");
        serde_json::from_slice(&std::fs::read(place).unwrap()).unwrap()
    }
}

#[test]
fn an_outage_of_a_link_is_felt_recovered_from_and_told() {
    let fault = r#"{ at = "6s", for_ = "2s", on = link, kind = "down" }"#;
    let thresholds = r#"
      "recovery.time{fault=down} max < 1h",
      "recovery.detect max < 1h",
      "http.failed{phase=fault, fault=down} rate > 20%",
      "http.failed{phase=baseline} rate < 20%",
      "http.duration{phase=recovery} p50 < 1h",
      "budget.burnt < 2%",
    "#;
    let bench = Bench::new("14s", fault, thresholds);
    let run = bench.command(&["script.lua"]).output().unwrap();
    let told = String::from_utf8_lossy(&run.stdout);
    let outcome = bench.outcome();
    let fault = &outcome["faults"][0];
    assert_eq!(fault["unclean"], Value::Null, "{told}");
    assert!(fault["injected"].as_f64().unwrap() >= 6.0);
    assert!(fault["cleared"].as_f64().unwrap() >= 8.0);
    let recovery = &fault["recovery"];
    assert_eq!(recovery["verdict"], "recovered", "{told}");
    let stood = recovery["fault"]["seconds"].as_f64().unwrap();
    assert!((1.9..2.5).contains(&stood), "{stood}");
    let failed = recovery["fault"]["failed"].as_u64().unwrap();
    assert!(failed > 100, "{failed} of the 200 calls made meanwhile");
    assert!(recovery["detect"].as_f64().unwrap() >= 1.5);
    assert!(recovery["cost"]["lost"].as_f64().unwrap() >= failed as f64 / 2.0);
    let held = outcome["thresholds"].as_array().unwrap().iter().map(|it| &it["limit_held"]);
    assert_eq!(held.collect::<Vec<_>>(), [true; 6], "{told}");
    let processes = outcome["series"].as_array().unwrap().iter();
    let processes = processes.filter_map(|series| series["tags"]["process"].as_str());
    let named: std::collections::BTreeSet<_> = processes.collect();
    assert_eq!(
        named.into_iter().collect::<Vec<_>>(),
        ["loadrun", "sandbox"],
        "proxies are no processes"
    );
    assert!(told.contains("down  recovered: down on link, for 2 s from 6 s"), "{told}");
}

#[test]
fn a_fault_that_touches_nothing_says_so_and_gives_no_number() {
    let fault = r#"{ at = "6s", for_ = "1s", on = unused, kind = "latency", latency = 1 }"#;
    let bench = Bench::new("8s", fault, r#""recovery.time max < 1h""#);
    let run = bench.command(&["script.lua"]).output().unwrap();
    let told = String::from_utf8_lossy(&run.stdout);
    assert!(told.contains("latency  no_effect"), "{told}");
    assert!(told.contains("matched no sample"), "{told}");
    assert_ne!(run.status.code(), Some(0));
}

#[test]
fn a_redis_that_is_killed_is_back_before_it_is_ready_and_the_outage_is_as_long_as_it_was_away() {
    let bench = Bench::of(
        r#"
        local redis = require "loadrun.redis"
        local own = require("loadrun.service").redis {}
        local cache = redis.client { url = own, timeout = "1s" }
        return {
          scenarios = { s = { rate = 100, duration = "11s", run = function() cache:get("a") end } },
          faults = { { at = "6s", for_ = "2s", on = own, kind = "kill" } },
          recovery = { success = "80%", p99 = "30s" },
        }
        "#,
    );
    let run = bench.command(&["script.lua"]).output().unwrap();
    let told = String::from_utf8_lossy(&run.stdout);
    let outcome = bench.outcome();
    let fault = &outcome["faults"][0];
    let time = |key: &str| fault["process"][key].as_f64().unwrap();
    assert_eq!(fault["unclean"], Value::Null, "{told}");
    assert!(time("away") >= 6.0 && time("back") >= 8.0 && time("ready") > time("back"), "{fault}");
    assert!(fault["effect"].as_str().unwrap().contains("signal: 9"), "{fault}");
    assert_eq!(fault["cleared"], fault["process"]["back"]);
    assert!(told.contains("process away at 6"), "{told}");
    let recovery = &fault["recovery"];
    assert!(recovery["fault"]["failed"].as_u64().unwrap() > 100, "{told}");
    // Where loadrun itself was late, it says that its times tell nothing.
    if recovery["verdict"] != "generator_limited" && outcome["verdict"] != "GENERATOR_LIMITED" {
        assert_eq!(outcome["verdict"], "VALID", "{told}");
        assert_eq!(recovery["verdict"], "recovered", "{told}");
        let [outage, exact] = ["outage", "resolution"].map(|it| recovery[it].as_f64().unwrap());
        let least = time("back") - time("away") - exact;
        assert!((least..=time("ready") - time("away") + exact).contains(&outage), "{told}");
    }
}

#[test]
fn a_paused_process_answers_nobody_and_one_restarted_is_away_only_as_long_as_it_takes() {
    let faults = r#"
      { at = "6s", for_ = "2s", on = target, kind = "pause" },
      { at = "11s", for_ = "2s", on = target, kind = "restart", with = { latency = "100ms" } },
    "#;
    let bench = Bench::new("15s", faults, "");
    let run = bench.command(&["script.lua"]).output().unwrap();
    let told = String::from_utf8_lossy(&run.stdout);
    let outcome = bench.outcome();
    let [paused, restarted] = [0, 1].map(|at| &outcome["faults"][at]);
    assert!(paused["effect"].as_str().unwrap().contains("stood still"), "{told}");
    // Calls time out after a second, and none of that time succeeds.
    assert!(paused["recovery"]["fault"]["failed"].as_u64().unwrap() > 50, "{told}");
    assert_eq!(paused["unclean"], Value::Null);
    assert_eq!(restarted["unclean"], Value::Null, "{told}");
    // With its other settings it was slower, and then again as it was declared.
    let p50 = |phase: &str| restarted["recovery"][phase]["p50"].as_f64().unwrap();
    assert!(p50("fault") > 0.09 && p50("after") < 0.09, "{told}");
}

#[test]
fn a_fault_that_comes_and_goes_stands_more_than_once() {
    // Each time the sandbox has to come back first, which a busy machine takes seconds for.
    let fault = r#"{ at = "1s", for_ = "8s", on = target, kind = "kill",
                     every = { on = "200ms", off = "300ms" } }"#;
    let bench = Bench::new("10s", fault, "");
    let run = bench.command(&["script.lua"]).output().unwrap();
    let told = String::from_utf8_lossy(&run.stdout);
    let outcome = bench.outcome();
    let fault = &outcome["faults"][0];
    assert_eq!(fault["unclean"], Value::Null, "{told}");
    // The last time it stood began after the first had ended.
    assert!(fault["process"]["away"].as_f64().unwrap() > 1.4, "{fault}");
    assert!(told.contains("kill, 200 ms on, 300 ms off on sandbox"), "{told}");
}

#[test]
fn a_command_can_be_told_to_dial_a_proxy() {
    let bench = Bench::of(
        r#"
        local fault = require "loadrun.fault"
        local http = require "loadrun.http"
        local sandbox = require "loadrun.sandbox"
        local service = require "loadrun.service"
        local link = fault.proxy { upstream = sandbox.start() }
        local echo = service.command {
          cmd = { "sh", "-c", "echo it dials $UPSTREAM; exec sleep 60" },
          env = { UPSTREAM = link },
          ready = { line = "it dials" },
        }
        local api = http.client { base = echo }
        return { scenarios = { s = { iterations = 3, run = function()
          assert(api:get("/items/1").status == 200)
        end } } }
        "#,
    );
    let run = bench.command(&["script.lua", "--allow-command"]).output().unwrap();
    let told = String::from_utf8_lossy(&run.stdout);
    assert_eq!(run.status.code(), Some(0), "{told}{}", String::from_utf8_lossy(&run.stderr));
}

#[test]
fn a_signal_and_a_threshold_that_aborts_end_a_fault_before_its_lease() {
    use rustix::process::{Pid, Signal, kill_process};
    let fault = r#"{ at = "0s", for_ = "1h", on = link, kind = "latency", latency = "50ms" }"#;
    for (signal, thresholds) in [
        (Some(Signal::INT), ""),
        (Some(Signal::TERM), ""),
        (Some(Signal::HUP), ""),
        (None, r#""http.duration max < 1ms, abort""#),
    ] {
        let bench = Bench::new("30s", fault, thresholds);
        let mut run = bench.command(&["script.lua"]).spawn().unwrap();
        let lines = BufReader::new(run.stderr.take().unwrap()).lines();
        let mut seen = lines.map_while(Result::ok);
        assert!(seen.any(|line| line.contains("under way")));
        if let Some(signal) = signal {
            kill_process(Pid::from_child(&run), signal).unwrap();
        }
        let _ = seen.by_ref().count();
        assert_eq!(run.wait().unwrap().code(), Some(if signal.is_some() { 130 } else { 3 }));
        let fault = &bench.outcome()["faults"][0];
        assert_eq!(fault["unclean"], Value::Null);
        assert!(fault["cleared"].as_f64().unwrap() < 30.0, "{fault}");
        assert!(fault["touched"].as_u64().unwrap() > 0, "{fault}");
    }
}

#[test]
fn everything_wrong_with_faults_is_told_before_the_load() {
    let faults = r#"
      { at = "1s", on = link, kind = "latency", latency = "5ms" },
      { at = "1s", for_ = "1s", on = target, kind = "latency", latency = "5ms" },
      { at = "1s", for_ = "1s", on = link, kind = "latncy", latency = "5ms" },
      { at = "1s", for_ = "1s", on = link, kind = "latency", latecny = "5ms" },
      { at = "1s", for_ = "1s", on = link, kind = "bandwidth" },
      { at = "1s", for_ = "1s", on = link, kind = "hold", toxicity = "150%" },
      { at = "1s", for_ = 0, on = link, kind = "hold" },
      { at = "1s", for_ = "1s", on = link, kind = "hold", stream = "sideways" },
      { at = "9s", for_ = "1s", on = link, kind = "hold", name = "late" },
      { at = "1s", fro_ = "1s", on = link, knd = "latency", latency = "5ms" },
    "#;
    let bench = Bench::new("5s", faults, "");
    let run = bench.command(&["check", "script.lua"]).output().unwrap();
    assert_eq!(run.status.code(), Some(4));
    insta::assert_snapshot!(String::from_utf8_lossy(&run.stderr), @r#"
    error: fault 1: no `for_`
      --> script.lua:17
      hint: add `for_ = ...`: how long it lasts at most, such as "10s"

    error: fault 2: latency is nothing that can be done to a service of kind sandbox
      --> script.lua:18
      hint: it is a fault of a fault.proxy that leads to it

    error: fault 3: unknown kind "latncy"
      --> script.lua:19
      hint: did you mean "latency"?

    error: fault 4: latency has no `latecny`
      --> script.lua:20
      hint: did you mean `latency`?

    error: fault 5: bandwidth needs its rate
      --> script.lua:21
      hint: add `rate = ...`

    error: fault 6: toxicity: malformed share "150%"; expected a percentage such as "99.5%" or a number from 0 to 1
      --> script.lua:22

    error: fault 7: for_: expected a time above 0
      --> script.lua:23

    error: fault 8: unknown stream "sideways"
      --> script.lua:24
      hint: stream is "upstream", "downstream" or "both"

    error: fault "late" begins at 9 s, when the load is over
      --> script.lua:25
      hint: the load lasts 5 s; begin earlier, or let it go on for longer

    error: fault 10: unknown key `knd`; did you mean `kind`?
      --> script.lua:26

    error: fault 10: unknown key `fro_`; did you mean `for_`?
      --> script.lua:26
    "#);
}

#[test]
fn a_proxy_that_could_lead_nowhere_is_told_by_check() {
    let bench = Bench::of(
        r#"local fault = require "loadrun.fault"
        fault.proxy { name = "a", upstream = "127.0.0.1" }
        fault.proxy { name = "b", upstream = "127.0.0.1:99999" }
        fault.proxy { name = "c", upstream = "file:///etc" }
        fault.proxy { name = "d", upstrem = "127.0.0.1:80" }
        fault.proxy { name = "e" }
        return { scenarios = { s = { iterations = 1, run = function() end } } }"#,
    );
    let run = bench.command(&["check", "script.lua"]).output().unwrap();
    assert_eq!(run.status.code(), Some(4));
    insta::assert_snapshot!(String::from_utf8_lossy(&run.stderr), @r#"
    error: fault.proxy: upstream: "127.0.0.1" is not an address; expected "host:port"
      --> script.lua:2

    error: fault.proxy: upstream: "127.0.0.1:99999" has no port; expected "host:port"
      --> script.lua:3

    error: fault.proxy: upstream: the URL has no host or port
      --> script.lua:4

    error: fault.proxy: unknown key `upstrem`; did you mean `upstream`?
      --> script.lua:5

    error: fault.proxy: upstream: expected a service of this script, "host:port" or a URL, got nothing
      --> script.lua:6
    "#);
}

#[test]
fn everything_wrong_with_faults_of_processes_is_told_before_the_load() {
    let faults = r#"
      { at = "3s", for_ = "1s", on = target, kind = "pause", stream = "both" },
      { at = "1s", for_ = "1s", on = target, kind = "kill", restart_after = "2s" },
      { at = "3500ms", for_ = "1s", on = target, kind = "restart", with = { latenc = "1ms" } },
      { at = "3500ms", for_ = "1s", on = target, kind = "stop", name = "gone" },
      { at = "3600ms", for_ = "1s", on = target, kind = "stop", name = "twice" },
      { at = "1s", for_ = "1s", on = link, kind = "pause" },
      { at = "1s", for_ = "2s", on = target, kind = "pause", every = { on = "2s", of = "1s" } },
      { at = "1s", for_ = "2s", on = "redis://127.0.0.1:1", kind = "pause" },
    "#;
    let bench = Bench::new("5s", faults, "");
    let run = bench.command(&["check", "script.lua"]).output().unwrap();
    assert_eq!(run.status.code(), Some(4));
    insta::assert_snapshot!(String::from_utf8_lossy(&run.stderr), @r#"
    error: fault 1: stream: only a link has a stream
      --> script.lua:17

    error: fault 2: restart_after is as long as the fault itself
      --> script.lua:18
      hint: leave `restart_after` out: it comes back when the fault is over

    error: fault 3: with: no setting `latenc`
      --> script.lua:19
      hint: did you mean `latency`?

    error: fault 4: it contradicts the fault "pause" of line 17: a process that is paused or away can suffer nothing else
      --> script.lua:20
      hint: let one end before the other begins

    error: fault 5: it contradicts the fault "pause" of line 17: a process that is paused or away can suffer nothing else
      --> script.lua:21
      hint: let one end before the other begins

    error: fault 6: pause is nothing that can be done to a link
      --> script.lua:22
      hint: it is a fault of a service that the run starts

    error: fault 7: every: unknown key `of`; did you mean `off`?
      --> script.lua:23

    error: fault 7: every: off: expected a duration such as "250ms", or a number of seconds, got nil
      --> script.lua:23

    error: fault 8: pause is nothing that can be done to a redis that the run did not start
      --> script.lua:24
      hint: it is a fault of a service that the run starts
    "#);
}

/// A steady load through two links, and beside it a scenario whose one iteration is the code.
fn awaiting(duration: &str, faults: &str, code: &str) -> Bench {
    // What is normal is said, so that a busy machine's outliers are not held against it.
    Bench::of(&format!(
        r#"
        local fault = require "loadrun.fault"
        local http = require "loadrun.http"
        local recovery = require "loadrun.recovery"
        local sandbox = require "loadrun.sandbox"
        local time = require "loadrun.time"
        local target = sandbox.start()
        local link = fault.proxy {{ name = "link", upstream = target }}
        local other = fault.proxy {{ name = "other", upstream = target }}
        local api = http.client {{ base = link, timeout = "20s" }}
        local second = http.client {{ base = other, timeout = "20s" }}
        local function wrong(options, expected)
          local well, why = pcall(recovery.await, options)
          assert(not well and tostring(why):find(expected, 1, true), tostring(why))
          assert(tostring(why):find("script.lua:", 1, true), tostring(why))
        end
        return {{
          setup = function() wrong({{ within = 1 }}, "there is no load that could tell") end,
          scenarios = {{
            load = {{ rate = 60, duration = "{duration}", run = function()
              api:get("/items/1", {{ name = "item" }})
              second:get("/items/1", {{ name = "item" }})
            end }},
            watch = {{ iterations = 1, start = "6s", run = function()
              {code}
            end }},
          }},
          faults = {{ {faults} }},
          recovery = {{ success = "80%", p99 = "30s" }},
        }}
        "#
    ))
}

impl Bench {
    /// Runs a script whose assertions are its own; its outcome, and what was told.
    fn asserted(&self) -> (Value, String) {
        let run = self.command(&["script.lua"]).output().unwrap();
        let told = [run.stdout, run.stderr].map(|out| String::from_utf8_lossy(&out).into_owned());
        let (outcome, told) = (self.outcome(), told.concat());
        assert_eq!(outcome["script_errors"], Value::Array(Vec::new()), "{told}");
        (outcome, told)
    }
}

#[test]
fn a_script_waits_until_what_it_broke_has_recovered_and_hears_what_the_report_says() {
    let bench = awaiting(
        "30s",
        "",
        r#"
        wrong({ within = "1s" }, "nothing has been broken so far")
        wrong({ within = "1s", fault = "down" }, "no fault is called \"down\"; there is none so far")
        fault.during(link, { kind = "down", for_ = "2s" })
        wrong({ within = "1s", fault = "dwon" }, "no fault is called \"dwon\"; did you mean \"down\"?")
        wrong({ within = "1s", on = other }, "nothing has been broken on other so far")
        wrong({}, "no `within`")
        wrong({ wihtin = "1s" }, "unknown key `wihtin`; did you mean `within`?")
        wrong({ within = "1s", on = link, fault = "down" }, "expected `fault` or `on`, got both")
        local found = recovery.await { within = "20s" }
        print("TIME " .. found.time)
        print("LOST " .. found.lost)
        assert(found.recovered and found.verdict == "recovered" and found.fault == "down")
        assert(found.detect and found.outage and found.success < 0.8 and found.waited < 22)
        assert(#found.faults == 1 and found.faults[1].time == found.time)
        assert(recovery.await { within = "20s", on = link }.time == found.time)
        -- What did nothing is not recovered from.
        fault.during(link, { kind = "noop", for_ = "500ms" })
        local nothing = recovery.await { within = "20s" }
        assert(not nothing.recovered and nothing.verdict == "no_effect", nothing.verdict)
        assert(nothing.fault == "noop" and nothing.time == nil)
        "#,
    );
    let (outcome, told) = bench.asserted();
    let recovery = &outcome["faults"][0]["recovery"];
    assert_eq!(recovery["verdict"], "recovered", "{told}");
    let said = |what: &str| {
        let line = told.lines().find_map(|line| line.split_once(what));
        let number = line.unwrap_or_else(|| panic!("no {what} in {told}")).1;
        serde_json::from_str::<Value>(number).unwrap()
    };
    // Where the baseline has flaws, more windows have to be good in a longer run, which may be later.
    if recovery["uneven"] == 0.0 {
        assert_eq!(said("TIME "), recovery["recover"], "{told}");
    }
    assert!(said("LOST ").as_f64() <= recovery["cost"]["lost"].as_f64(), "{told}");
}

#[test]
fn a_deadline_that_passes_is_an_answer() {
    let planned = r#"{ name = "planned", at = "8s", for_ = "1s", on = other, kind = "down" }"#;
    let bench = awaiting(
        "45s",
        planned,
        r#"
        -- It is waited for, though it is still to come.
        local planned = recovery.await { within = "20s", fault = "planned" }
        assert(planned.recovered and planned.waited > 2, planned.verdict)

        local dead <close> = fault.start(link, { kind = "down", for_ = "1h", name = "dead" })
        local standing = recovery.await { within = "2s", fault = dead }
        assert(not standing.recovered and standing.verdict == "still_broken", standing.verdict)
        assert(standing.fault == "dead" and standing.time == nil and standing.waited >= 2)
        -- The link is well again, but what it leads to is not.
        target:control { errors = "100%" }
        assert(dead:clear())
        local hurt = recovery.await { within = "4s" }
        assert(not hurt.recovered and hurt.verdict == "not_recovered", hurt.verdict)
        assert(hurt.fault == "dead" and hurt.time == nil and hurt.detect and hurt.waited >= 4)
        target:control { errors = 0 }
        local well = recovery.await { within = "20s" }
        assert(well.recovered and well.time > 3, well.verdict)
        "#,
    );
    let (outcome, told) = bench.asserted();
    assert_eq!(outcome["faults"][1]["recovery"]["verdict"], "recovered", "{told}");
}

#[test]
fn faults_on_several_things_begin_end_and_recover_together() {
    let bench = awaiting(
        "30s",
        "",
        r#"
        local both = { kind = "down", for_ = "1h", name = "cut" }
        local well = function(client) return client:get("/items/1", { name = "probe" }).ok end
        fault.during({ link, other }, both, function(standing)
          assert(standing.name == "cut" and not well(api) and not well(second))
        end)
        assert(well(api) and well(second))
        local standing = fault.start({ link, other }, { kind = "down", for_ = "1h" })
        time.sleep("2s")
        local record = standing:clear()
        assert(record.touched >= 2 and record.stood >= 2)
        local found = recovery.await { within = "20s", fault = standing }
        assert(found.recovered and #found.faults == 2, found.verdict)
        local again = recovery.await { within = "20s", on = { link, other } }
        assert(again.time == found.time and #again.faults == 2)
        -- Where one of them cannot begin, the other does not stay.
        local first <close> = fault.start(other, { kind = "down", for_ = "1h" })
        local begun, why = pcall(fault.start, { link, other }, { kind = "down", for_ = "1h" })
        assert(not begun and tostring(why):find("it contradicts the fault \"down-3\"", 1, true), why)
        assert(well(api) and not well(second))
        begun, why = pcall(fault.start, { link, other }, { kind = "down" })
        local _, times = tostring(why):gsub("no `for_`", "")
        assert(not begun and times == 1, why)
        "#,
    );
    let (outcome, told) = bench.asserted();
    let names: Vec<_> =
        outcome["faults"].as_array().unwrap().iter().map(|fault| &fault["name"]).collect();
    assert_eq!(names, ["cut", "cut-2", "down", "down-2", "down-3", "down-4", "down-5"], "{told}");
}
