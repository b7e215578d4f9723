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
        let script = format!(
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
              thresholds = {{ {thresholds} }},
            }}
            "#
        );
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("script.lua"), script).unwrap();
        Self(folder)
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
        let place = only(only(self.0.path().join("results"))).join("outcome.json");
        serde_json::from_slice(&std::fs::read(place).unwrap()).unwrap()
    }
}

#[test]
fn an_outage_of_a_link_is_felt_recovered_from_and_told() {
    let fault = r#"{ at = "6s", for_ = "2s", on = link, kind = "down" }"#;
    let bench = Bench::new("11s", fault, r#""recovery.time{fault=down} max < 1h""#);
    let run = bench.command(&["script.lua"]).output().unwrap();
    let told = String::from_utf8_lossy(&run.stdout);
    let outcome = bench.outcome();
    let fault = &outcome["faults"][0];
    assert_eq!(fault["unclean"], Value::Null, "{told}");
    assert!(fault["injected"].as_f64().unwrap() >= 6.0);
    assert!(fault["cleared"].as_f64().unwrap() >= 8.0);
    let recovery = &fault["recovery"];
    assert_eq!(recovery["verdict"], "recovered", "{told}");
    assert_eq!(recovery["fault"]["seconds"], 2.0);
    let failed = recovery["fault"]["failed"].as_u64().unwrap();
    assert!(failed > 100, "{failed} of the 200 calls made meanwhile");
    assert!(recovery["detect"].as_f64().unwrap() >= 1.5);
    assert!(recovery["lost"].as_u64().unwrap() >= failed / 2);
    assert_eq!(outcome["thresholds"][0]["limit_held"], true, "{told}");
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
fn an_interrupt_ends_a_fault_before_its_lease() {
    let fault = r#"{ at = "0s", for_ = "1h", on = link, kind = "latency", latency = "50ms" }"#;
    let bench = Bench::new("30s", fault, "");
    let mut run = bench.command(&["script.lua"]).spawn().unwrap();
    let lines = BufReader::new(run.stderr.take().unwrap()).lines();
    let mut seen = lines.map_while(Result::ok);
    assert!(seen.any(|line| line.contains("under way")));
    let pid = rustix::process::Pid::from_child(&run);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let _ = seen.by_ref().count();
    assert_eq!(run.wait().unwrap().code(), Some(130));
    let fault = &bench.outcome()["faults"][0];
    assert_eq!(fault["unclean"], Value::Null);
    assert!(fault["cleared"].as_f64().unwrap() < 30.0, "{fault}");
    assert!(fault["touched"].as_u64().unwrap() > 0, "{fault}");
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
    "#;
    let bench = Bench::new("5s", faults, "");
    let run = bench.command(&["check", "script.lua"]).output().unwrap();
    assert_eq!(run.status.code(), Some(4));
    insta::assert_snapshot!(String::from_utf8_lossy(&run.stderr), @r#"
    error: fault 1: no `for_`
      --> script.lua:17
      hint: add `for_ = ...`: "10s", which no fault is without

    error: fault 2: on: expected what fault.proxy gave, got the service "sandbox" itself
      --> script.lua:18

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
    "#);
}
