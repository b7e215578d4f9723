//! Runs of the real binary that look at processes, and the scripts that are about them.

#![expect(clippy::unwrap_used, reason = "a test that cannot start a run has failed")]
#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

fn loadrun(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadrun"));
    command.args(arguments).current_dir(folder).output().unwrap()
}

fn said(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    format!("{out}\n{err}")
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| panic!("ended by a signal: {}", said(output)))
}

/// A script of the project.
fn shipped(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(name);
    path.to_str().unwrap().to_owned()
}

fn script(text: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("script.lua"), text).unwrap();
    folder
}

/// The outcomes in a folder of results, the oldest first.
fn outcomes(results: &Path) -> Vec<PathBuf> {
    let stamps = fs::read_dir(results).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = stamps.map(|stamp| stamp.join("outcome.json")).collect();
    found.sort();
    found
}

fn outcome(folder: &Path, name: &str) -> Value {
    let found = outcomes(&folder.join("results").join(name));
    serde_json::from_slice(&fs::read(found.last().unwrap()).unwrap()).unwrap()
}

fn series<'a>(outcome: &'a Value, metric: &str, key: &str, tag: &str) -> Option<&'a Value> {
    let mut all = outcome["series"].as_array().unwrap().iter();
    all.find(|series| series["metric"] == metric && series["tags"][key] == tag)
}

/// A process that does nothing, ended with the test.
struct Sleeper(Child);

impl Sleeper {
    fn start() -> Self {
        Self(Command::new("sleep").arg("600").stdout(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const WATCHING: &str = r#"
local http = require "loadrun.http"
local param = require "loadrun.param"
local sandbox = require "loadrun.sandbox"
local pid = param("pid", 1, "who is watched")
local target = http.client { base = sandbox.start() }
return {
  watch = { { pid = pid, name = "sleeper" } },
  scenarios = {
    visitors = { rate = 20, duration = "3s", run = function() target:get("/health") end },
  },
  thresholds = {
    "process.cpu{process=sleeper} p95 < 50%",
    "process.cpu{process=sandbox} max < 10000%",
    "process.memory{process=sandbox} min > 1MB",
    "process.memory{process=sandbox} growth < 500MB",
    "host.received{interface=lo} count > 1KB",
  },
}"#;

#[test]
fn a_run_looks_at_itself_its_services_and_whom_the_script_names() {
    let (folder, sleeper) = (script(WATCHING), Sleeper::start());
    let pid = format!("pid={}", sleeper.0.id());
    let ran = loadrun(folder.path(), &["script.lua", "--quiet", "-p", &pid]);
    let outcome = outcome(folder.path(), "script");
    for name in ["loadrun", "sandbox", "sleeper"] {
        let memory = series(&outcome, "process.memory", "process", name);
        let most = memory.unwrap_or_else(|| panic!("{name}"))["total"]["gauge"]["max"].as_f64();
        assert!(most.unwrap() > 100_000.0, "{name}: {most:?}");
        assert!(series(&outcome, "process.cpu", "process", name).is_some(), "{name}");
    }
    let held: Vec<_> =
        outcome["thresholds"].as_array().unwrap().iter().map(|t| &t["limit_held"]).collect();
    assert_eq!(held, [true, true, true, false, true], "{}", said(&ran));
    let steal = outcome["series"].as_array().unwrap().iter().find(|s| s["metric"] == "host.steal");
    let points = steal.unwrap()["points"].as_array().unwrap();
    assert!(points.iter().all(|point| (0.0..=1.0).contains(&point["gauge"].as_f64().unwrap())));
    let growth = &outcome["thresholds"][3];
    assert_eq!(growth["shown"], "too few seconds to tell", "{growth}");
    let text = said(&ran);
    assert!(text.contains("processes\n"), "{text}");
    assert!(text.lines().any(|line| line.contains("sleeper  ")), "{text}");
}

#[test]
fn a_process_that_is_not_there_ends_the_run_before_it_begins() {
    let (folder, mut sleeper) = (script(WATCHING), Sleeper::start());
    sleeper.0.kill().unwrap();
    sleeper.0.wait().unwrap();
    let pid = sleeper.0.id();
    let ran = loadrun(folder.path(), &["script.lua", "-p", &format!("pid={pid}")]);
    let text = said(&ran);
    assert_eq!(code(&ran), 4, "{text}");
    assert!(
        text.contains(&format!("watch: there is no process {pid} to be called \"sleeper\"")),
        "{text}"
    );
    assert!(text.contains("--> script.lua:8"), "{text}");
}

#[test]
fn a_process_that_ends_meanwhile_is_a_warning_with_its_name() {
    let folder = script(WATCHING);
    let short = Command::new("sleep").arg("1.5").spawn().unwrap();
    let mut short = Sleeper(short);
    let pid = format!("pid={}", short.0.id());
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadrun"));
    command.args(["script.lua", "--quiet", "-p", &pid]).current_dir(folder.path());
    let run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    short.0.wait().unwrap();
    let ran = run.wait_with_output().unwrap();
    let text = said(&ran);
    // On a machine so slow that it had ended before, that is said as an error.
    let warned =
        text.contains("process \"sleeper\" (") && text.contains("into the run: nothing is known");
    assert!(warned || text.contains("watch: there is no process"), "{text}");
}

#[test]
fn one_process_to_watch_needs_no_list() {
    let folder = script(
        r#"return {
  scenarios = { s = { iterations = 1, run = function() end } },
  watch = { pid = 1, name = "first" },
  thresholds = { "process.memory{process=first} growth < 50MB" },
}"#,
    );
    let checked = loadrun(folder.path(), &["check", "script.lua"]);
    assert_eq!(code(&checked), 0, "{}", said(&checked));
    let wrong = r#"return { watch = { pid = 0, named = "first" }, scenarios = {} }"#;
    fs::write(folder.path().join("script.lua"), wrong).unwrap();
    let text = said(&loadrun(folder.path(), &["check", "script.lua"]));
    for expected in [
        "watch: pid: expected the number of a process, got 0",
        "watch: unknown key `named`",
        "watch: no `name`",
    ] {
        assert!(text.contains(expected), "no {expected:?} in\n{text}");
    }
}

#[test]
fn everything_that_is_wrong_with_watch_is_said_at_once() {
    let folder = script(
        r#"return {
  scenarios = { s = { iterations = 1, run = function() end } },
  watch = {
    { pid = 0, name = "none" },
    { pid = 1, name = "twice" },
    { pid = 1, name = "twice" },
    { pid = 1, name = "loadrun", since = 3 },
    { name = "nameless" },
  },
  thresholds = { "process.cpu{process=twce} p95 < 80%", "process.memory growth < 5s" },
}"#,
    );
    let text = said(&loadrun(folder.path(), &["check", "script.lua"]));
    for expected in [
        "watch: entry 1: pid: expected the number of a process, got 0\n  --> script.lua:4",
        "watch: entry 4: unknown key `since`",
        "watch: entry 5: no `pid`\n  --> script.lua:8",
        "watch: there is a process \"twice\" already\n  --> script.lua:6",
        "watch: there is a process \"loadrun\" already\n  --> script.lua:7",
        "no process is called \"twce\"\n  --> script.lua:10\n  hint: did you mean \"twice\"?",
        "growth of process.memory is a size, not a time",
    ] {
        assert!(text.contains(expected), "no {expected:?} in\n{text}");
    }
}

const PROFILED: &str = r#"
local param = require "loadrun.param"
local metric = require "loadrun.metric"
local size = param("size", 1, "how much")
local word = param("word", "none", "which")
local told = metric.gauge("told")
return {
  scenarios = { s = { iterations = 1, run = function() told:set(size) end } },
  thresholds = { "told value == " .. size },
  profiles = { small = { size = 2, word = "few" }, large = { size = 100 } },
}"#;

#[test]
fn a_profile_sets_parameters_and_what_is_given_goes_before() {
    let folder = script(PROFILED);
    for (arguments, size, word) in [
        (&[][..], 1, "none"),
        (&["--profile", "small"], 2, "few"),
        (&["--profile", "small,large"], 100, "few"),
        (&["--profile", "large,small"], 2, "few"),
        (&["--profile", "large", "-p", "size=7"], 7, "none"),
    ] {
        let ran = loadrun(folder.path(), &[&["script.lua", "--quiet"], arguments].concat());
        assert_eq!(code(&ran), 0, "{}", said(&ran));
        let outcome = outcome(folder.path(), "script");
        let parameters = outcome["plan"]["parameters"].as_array().unwrap();
        assert_eq!(parameters[0]["value"], size, "{arguments:?}");
        assert_eq!(parameters[1]["value"], word, "{arguments:?}");
        let told = series(&outcome, "told", "scenario", "s").unwrap();
        assert_eq!(told["total"]["gauge"]["last"].as_f64(), Some(f64::from(size)), "{arguments:?}");
        fs::remove_dir_all(folder.path().join("results")).unwrap();
    }
    let checked = said(&loadrun(folder.path(), &["check", "script.lua"]));
    assert!(checked.contains("small: size=2 word=few"), "{checked}");
}

#[test]
fn what_is_wrong_with_profiles_is_said_before_a_run() {
    let folder = script(PROFILED);
    let ran = loadrun(folder.path(), &["script.lua", "--profile", "smal"]);
    let text = said(&ran);
    assert_eq!(code(&ran), 4, "{text}");
    assert!(
        text.contains("script.lua has no profile \"smal\"\n  hint: did you mean \"small\"?"),
        "{text}"
    );
    let text = said(&loadrun(folder.path(), &["script.lua", "--profile", "other"]));
    assert!(text.contains("it has: large, small"), "{text}");

    let wrong = PROFILED
        .replace("size = 2,", "size = \"two\", sise = 2,")
        .replace("large = { size = 100 }", "large = 5");
    let folder = script(&wrong);
    let text = said(&loadrun(folder.path(), &["check", "script.lua"]));
    for expected in [
        "profile `small`: size: \"two\" is of another type than the parameter\n  --> script.lua:10\n  hint: its default is 1",
        "profile `small`: unknown parameter `sise`\n  --> script.lua:10\n  hint: did you mean `size`?",
        "profile `large`: expected a table, got 5",
    ] {
        assert!(text.contains(expected), "no {expected:?} in\n{text}");
    }
}

#[test]
fn soak_finds_a_leak_that_was_put_into_the_target_and_none_without() {
    let folder = tempfile::tempdir().unwrap();
    let soak = shipped("soak.lua");
    // By the clock, so that there are seconds enough on a machine of any speed.
    let run = |leak: &str| {
        let leak = format!("leak={leak}");
        let given = ["-p", "rate=300", "-p", "duration=18s", "-p", "settle=1s", "-p", &leak];
        loadrun(folder.path(), &[&[&*soak, "--quiet"], &given[..]].concat())
    };
    let leaking = run("32KiB");
    let text = said(&leaking);
    assert!(text.contains("leaks "), "{text}");
    let found = outcome(folder.path(), "soak");
    let missed = |outcome: &Value, what: &str| {
        let all = outcome["thresholds"].as_array().unwrap();
        let own = all.iter().find(|t| t["threshold"].as_str().unwrap().contains(what)).unwrap();
        own["limit_held"] == false
    };
    assert!(missed(&found, "growth < 50MB"), "{text}");
    assert!(missed(&found, "memory.kept"), "{text}");
    fs::remove_dir_all(folder.path().join("results")).unwrap();

    let checked = said(&loadrun(folder.path(), &["check", &soak, "--profile", "hours"]));
    for hours in ["growth < 50MB", "growth < 1MB/h", "memory.kept value < 10MB", "up to 2h"] {
        assert!(checked.contains(hours), "no {hours} in\n{checked}");
    }
    let checked = said(&loadrun(folder.path(), &["check", &soak]));
    assert!(checked.contains("operations = 100000"), "{checked}");

    let sound = run("none");
    let text = said(&sound);
    let found = outcome(folder.path(), "soak");
    assert!(!missed(&found, "growth < 50MB"), "{text}");
    assert!(!missed(&found, "memory.kept"), "{text}");
}

#[test]
fn breaking_point_finds_what_the_target_was_told_to_carry() {
    let folder = tempfile::tempdir().unwrap();
    // Ten at once, 100 ms each: 100 a second.
    let text = fs::read_to_string(shipped("breaking_point.lua")).unwrap();
    let text = text.replace(
        "capacity = 50, latency = \"normal 100ms 10ms\"",
        "capacity = 10, latency = \"100ms\"",
    );
    fs::write(folder.path().join("script.lua"), text).unwrap();
    let given = ["-p", "begin=20", "-p", "ceiling=400", "-p", "steps=9", "-p", "step=2"];
    let ran = loadrun(
        folder.path(),
        &[&["script.lua", "--verbose", "-p", "wanted=40"], &given[..]].concat(),
    );
    let outcome = outcome(folder.path(), "script");
    let told =
        outcome["series"].as_array().unwrap().iter().find(|s| s["metric"] == "breaking_point.rate");
    let highest = told.unwrap()["total"]["gauge"]["last"].as_f64().unwrap();
    assert!((40.0..=101.0).contains(&highest), "{highest}: {}", said(&ran));
    assert!(said(&ran).contains("it broke by status 429: "), "{}", said(&ran));
}

#[test]
fn breaking_point_comes_with_large_bodies_many_keys_and_a_connection_for_each_call() {
    let folder = tempfile::tempdir().unwrap();
    let script = shipped("breaking_point.lua");
    let short = ["-p", "begin=20", "-p", "ceiling=50", "-p", "steps=1", "-p", "step=1"];
    let count = |profile: &str, metric: &str| {
        let given = ["--quiet", "--profile", profile, "-p", "wanted=0"];
        let ran = loadrun(folder.path(), &[&[&*script], &given[..], &short].concat());
        assert!([0, 3].contains(&code(&ran)), "{}", said(&ran));
        let outcome = outcome(folder.path(), "breaking_point");
        let of = |metric| series(&outcome, metric, "name", "call").unwrap()["total"].clone();
        let calls = of("http.failed")["rate"]["total"].as_f64().unwrap();
        (calls, of(metric)["counter"].as_f64().unwrap())
    };
    let (calls, sent) = count("payload", "http.sent");
    assert!(calls > 5.0 && sent > calls * 200_000.0, "{sent} bytes in {calls} calls");
    let (calls, opened) = count("connections", "http.connects");
    assert!(calls > 5.0 && (opened - calls).abs() < 0.5, "{opened} connections, {calls} calls");
    let checked = said(&loadrun(folder.path(), &["check", &script, "--profile", "keys"]));
    assert!(checked.contains("keys = 1000"), "{checked}");
}

#[test]
fn each_profile_of_profiles_makes_its_load() {
    let folder = tempfile::tempdir().unwrap();
    let script = shipped("profiles.lua");
    for profile in ["baseline", "target", "stress", "cache_hit", "cache_miss", "complex"] {
        let checked = loadrun(folder.path(), &["check", &script, "--profile", profile]);
        assert_eq!(code(&checked), 0, "{}", said(&checked));
    }
    let rate = |names: &str| said(&loadrun(folder.path(), &["check", &script, "--profile", names]));
    assert!(rate("baseline").contains("at most 100 arrivals/s"));
    assert!(rate("target").contains("at most 2000 arrivals/s"));
    assert!(rate("stress").contains("up to 1m, at most 10000 users, at most 5000 arrivals/s"));
    assert!(
        rate("stress,quick").contains("up to 3 s, at most 10000 users, at most 5000 arrivals/s")
    );
    let ran = loadrun(
        folder.path(),
        &[&script, "--quiet", "--profile", "complex,quick", "-p", "rate=20"],
    );
    let text = said(&ran);
    assert!(text.contains("profile complex,quick"), "{text}");
    for operation in ["read", "write", "admin"] {
        assert!(text.lines().any(|line| line.trim_start().starts_with(operation)), "{text}");
    }
}

#[test]
fn baseline_check_holds_what_was_mended_against_what_was_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let script = shipped("baseline_check.lua");
    let ran = loadrun(folder.path(), &[&script, "--quiet", "--profile", "record,quick"]);
    assert_eq!(code(&ran), 0, "{}", said(&ran));
    let recorded = outcomes(&folder.path().join("results/baseline_check"));
    let recorded = recorded[0].to_str().unwrap();
    let saved = loadrun(folder.path(), &["baseline", "save", "before", recorded]);
    assert_eq!(code(&saved), 0, "{}", said(&saved));
    let now = |more: &[&str]| {
        let given = [&script, "--quiet", "--profile", "quick", "--baseline", "before", "--anyway"];
        loadrun(folder.path(), &[&given[..], more].concat())
    };
    let mended = said(&now(&[]));
    assert!(mended.contains("VALID") && !mended.contains("MISSED"), "{mended}");
    let same = said(&now(&["-p", "latency=exponential 80ms", "-p", "errors=15%"]));
    assert_eq!(same.matches("MISSED").count(), 3, "{same}");
}
