//! Whole runs of the real binary: what a person or a CI job sees of them.

#![expect(clippy::unwrap_used, reason = "a test that cannot start a run has failed")]

mod interrupts;
mod services;
mod shipped;
mod verdicts;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A folder with scripts, in which the binary is run.
struct Bench(TempDir);

impl Bench {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn with(script: &str) -> Self {
        let bench = Self::new();
        bench.write("script.lua", script);
        bench
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.path().join(name), text).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_loadrun"));
        command.args(arguments).current_dir(self.0.path()).env_remove("NO_COLOR");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().unwrap()
    }

    /// The one outcome that runs in this folder have left.
    fn outcome(&self) -> Value {
        let stamp = only_entry(&self.0.path().join("results/script"));
        let text = fs::read(stamp.join("outcome.json")).unwrap();
        serde_json::from_slice(&text).unwrap()
    }
}

fn only_entry(folder: &Path) -> std::path::PathBuf {
    let mut entries = fs::read_dir(folder).unwrap();
    let entry = entries.next().unwrap().unwrap().path();
    assert!(entries.next().is_none(), "more than one entry in {}", folder.display());
    entry
}

fn code(output: &Output) -> i32 {
    let told = String::from_utf8_lossy(&output.stderr);
    output.status.code().unwrap_or_else(|| panic!("ended by a signal: {told}"))
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A script with the given thresholds that makes 50 calls to a practice target.
fn fifty_calls(thresholds: &str) -> String {
    format!(
        r#"
        local http = require "loadrun.http"
        local sandbox = require "loadrun.sandbox"
        local check = require "loadrun.check"
        local target = http.client {{ base = sandbox.start {{}} }}
        return {{
          scenarios = {{
            visitors = {{ iterations = 50, max_users = 2, run = function()
              local reply = target:get("/health", {{ name = "health" }})
              check(reply, {{ ["is up"] = reply.status == 200 }})
            end }},
          }},
          thresholds = {{ {thresholds} }},
        }}"#
    )
}

/// An address on which nobody listens.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[test]
fn a_run_prints_a_summary_keeps_an_outcome_and_exits_zero() {
    let bench = Bench::with(&fifty_calls(r#""http.failed rate < 1%", "http.duration p95 < 10s""#));
    let output = bench.run(&["script.lua"]);
    assert_eq!(code(&output), 0, "{}{}", stdout(&output), stderr(&output));
    let said = stdout(&output);
    for part in ["VALID", "EXCELLENT", "held", "health", "is up", "50 of 50", "outcome.json"] {
        assert!(said.contains(part), "no {part:?} in\n{said}");
    }
    assert!(said.contains("closed loop: not corrected for coordinated omission"), "{said}");
    let outcome = bench.outcome();
    assert_eq!(outcome["schema"], 1);
    assert_eq!(outcome["verdict"], "VALID");
    assert_eq!(outcome["scenarios"][0]["finished"], 50);
    let series = outcome["series"].as_array().unwrap();
    let duration = series.iter().find(|s| s["metric"] == "http.duration").unwrap();
    assert_eq!(duration["tags"]["name"], "health");
    assert!(!duration["points"].as_array().unwrap().is_empty());
}

#[test]
fn the_summary_for_machines_is_one_line_of_json() {
    let bench = Bench::with(&fifty_calls(r#""http.failed rate < 1%""#));
    let output = bench.run(&["script.lua", "--summary", "json", "--quiet"]);
    let said = stdout(&output);
    assert_eq!(said.lines().count(), 1, "{said}");
    let summary: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(summary["verdict"], "VALID");
    assert_eq!(summary["operations"][0]["count"], 50);
    assert_eq!(summary["operations"][0]["failed"], 0);
    assert_eq!(stderr(&output), "");
}

/// A script that sleeps for ten minutes and says when it has begun.
const SLEEPER: &str = r#"
    local time = require "loadrun.time"
    local log = require "loadrun.log"
    return {
      scenarios = { sleepers = { users = 3, duration = "10m", graceful_stop = "0s", run = function(vu)
        log.info("begun")
        time.sleep("200ms")
      end } },
      teardown = function() log.info("teardown ran") end,
    }"#;

/// Reads stderr until a line says what is waited for.
fn wait_for(run: &mut Child, said: &str) -> BufReader<std::process::ChildStderr> {
    let mut lines = BufReader::new(run.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains(said) {
        line.clear();
        assert_ne!(lines.read_line(&mut line).unwrap(), 0, "ended without saying {said:?}");
    }
    lines
}

fn send(signal: &str, run: &Child) {
    let sent = Command::new("kill").args([signal, &run.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

#[test]
fn secrets_reach_neither_output_nor_results() {
    let bench = Bench::with(
        r#"local http = require "loadrun.http"
           local check = require "loadrun.check"
           local log = require "loadrun.log"
           local param = require "loadrun.param"
           local sandbox = require "loadrun.sandbox"
           local token = param("token", "", "of the service", { secret = true })
           local base = sandbox.start { token = token }
           local target = http.client { base = base, auth = { bearer = token } }
           return {
             scenarios = { s = { iterations = 200, run = function(vu)
               local reply = target:get("/health", { name = "of " .. token, tags = { t = token } })
               check(reply, { ["with " .. token] = reply.ok })
               log.info("sent " .. token)
               if vu.iteration == 1 then error("broke with " .. token) end
             end } },
             thresholds = { "http.failed rate < 1%" },
           }"#,
    );
    let output = bench.run(&["script.lua", "--verbose", "-p", "token=hunter2secret"]);
    assert_eq!(code(&output), 0, "{}{}", stdout(&output), stderr(&output));
    let all = format!("{}{}{}", stdout(&output), stderr(&output), bench.outcome());
    assert!(!all.contains("hunter2secret"), "{all}");
    assert!(stdout(&output).contains("of ***"), "{}", stdout(&output));
    let checked = bench.run(&["check", "script.lua", "-p", "token=hunter2secret"]);
    assert!(!stdout(&checked).contains("hunter2secret"));
}

#[test]
fn an_unwritable_results_folder_is_told_before_the_run() {
    let bench = Bench::with(&fifty_calls(""));
    bench.write("results", "a file where the folder should be");
    let output = bench.run(&["script.lua"]);
    assert_eq!(code(&output), 4);
    let said = stderr(&output);
    assert!(said.contains("cannot write results to results/script"), "{said}");
    assert!(said.contains("--out"), "{said}");
}

#[test]
fn data_made_in_setup_reaches_every_user_and_teardown() {
    let bench = Bench::with(
        r#"local check = require "loadrun.check"
           return {
             setup = function() return { word = "hello", big = 9007199254740993 } end,
             scenarios = { s = { iterations = 10, max_users = 4, run = function(vu)
               check(vu.setup, {
                 ["the word"] = vu.setup.word == "hello",
                 ["exact integers"] = vu.setup.big == 9007199254740993,
               })
             end } },
             teardown = function(data) assert(data.word == "hello") end,
             thresholds = { "check.failed rate == 0" },
           }"#,
    );
    let output = bench.run(&["script.lua", "--quiet", "--workers", "2"]);
    assert_eq!(code(&output), 0, "{}", stdout(&output));
}

#[test]
fn a_scenario_begins_after_the_one_it_names() {
    let bench = Bench::with(
        r#"local shared = require "loadrun.shared"
           local check = require "loadrun.check"
           local done = shared.counter("done")
           return {
             scenarios = {
               first = { iterations = 40, max_users = 4, run = function() done:add(1) end },
               second = { iterations = 4, start = { after = "first" }, run = function()
                 check(done, { ["all of first is done"] = done:value() == 40 })
               end },
             },
             thresholds = { "check.failed rate == 0", "iteration.duration{scenario=second} count == 4" },
           }"#,
    );
    let output = bench.run(&["script.lua", "--quiet", "--workers", "2"]);
    assert_eq!(code(&output), 0, "{}{}", stdout(&output), stderr(&output));
}

#[test]
fn a_script_that_loads_differently_each_time_is_refused() {
    let bench = Bench::with(
        r#"local where = tonumber(tostring({}):match("0x(%x+)"), 16)
           return { scenarios = { ["s" .. where] = { iterations = 1, run = function() end } } }"#,
    );
    let output = bench.run(&["script.lua", "--quiet"]);
    assert_eq!(code(&output), 4, "{}", stdout(&output));
    assert!(stderr(&output).contains("loads differently each time"), "{}", stderr(&output));
}
