//! Whole comparisons with the real binary: runs of a practice target, and files that are not what
//! they should be.

#![expect(clippy::unwrap_used, reason = "a test that cannot start a run has failed")]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::thread;

use serde_json::Value;
use tempfile::TempDir;

/// Twenty calls a second for ten seconds, to a practice target as slow as it is told to be.
const SCRIPT: &str = r#"
local http = require "loadrun.http"
local param = require "loadrun.param"
local sandbox = require "loadrun.sandbox"
param("address", "http://127.0.0.1:1", "of nothing: a target that may differ")
local target = http.client { base = sandbox.start { latency = param("latency", "20ms") } }
return {
  scenarios = {
    visitors = { rate = 20, duration = "10s", run = function()
      target:get("/items/1", { name = "item" })
    end },
  },
}"#;

/// A folder with the script, in which the binary is run.
struct Bench(TempDir);

impl Bench {
    fn new() -> Self {
        let bench = Self(tempfile::tempdir().unwrap());
        fs::write(bench.path("script.lua"), SCRIPT).unwrap();
        bench
    }

    /// The same with thresholds.
    fn ask(&self, thresholds: &str) {
        let whole = format!("  }},\n  thresholds = {{ {thresholds} }},\n}}");
        let at = SCRIPT.rfind("  },").unwrap();
        fs::write(self.path("script.lua"), SCRIPT[..at].to_owned() + &whole).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_loadrun"));
        command.args(arguments).current_dir(self.0.path()).env("NO_COLOR", "1");
        command.stdin(Stdio::null()).output().unwrap()
    }

    /// A run of the script into a results folder of its own; where its outcome lies.
    fn load(&self, out: &str, arguments: &[&str]) -> String {
        let (exit, said) = self.calm(&[&["script.lua", "-q", "--out", out], arguments].concat());
        assert_eq!(exit, 0, "{said}");
        format!("{out}/script")
    }

    /// A run, and again while this machine is too busy for it to be valid.
    fn calm(&self, arguments: &[&str]) -> (i32, String) {
        let mut runs = (0..5).map(|_| self.said(arguments));
        runs.find(|(_, said)| !is_busy(said)).expect("this machine is too busy to load anything")
    }

    /// Runs it, with what it prints and its exit code.
    fn said(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.run(arguments);
        (output.status.code().unwrap(), stdout(&output) + &stderr(&output))
    }
}

/// Whether a run was spoilt by who else is on this machine.
fn is_busy(said: &str) -> bool {
    said.contains("GENERATOR_LIMITED")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// How slow the practice target is, and how slow a fifth slower: long enough that a busy machine adds
/// nothing to speak of.
const LATENCIES: [&str; 2] = ["latency=normal 1s 50ms", "latency=normal 1.2s 60ms"];

/// A base, ten runs of the same target, then ten of the slower one: where each lies, unless this
/// machine was too busy for it to be valid.
fn twenty_one_runs(bench: &Bench) -> Vec<Option<String>> {
    let run = |n: usize| {
        let (out, seed) = (format!("run{n}"), n.to_string());
        let latency = LATENCIES[usize::from(n > 10)];
        let given = ["--out", &out, "--seed", &seed, "-p", latency];
        let (exit, said) = bench.said(&[&["script.lua", "-q"], &given[..]].concat());
        let busy = exit == 3 && is_busy(&said);
        assert!(exit == 0 || busy, "{said}");
        (!busy).then(|| format!("{out}/script"))
    };
    // A run mostly waits, so that some at a time do not disturb each other.
    let halves = [0..11, 11..21].map(|half| {
        thread::scope(|scope| {
            let runs: Vec<_> = half.map(|n| scope.spawn(move || run(n))).collect();
            runs.into_iter().map(|run| run.join().unwrap()).collect::<Vec<_>>()
        })
    });
    halves.concat()
}

#[test]
fn a_target_a_fifth_slower_fails_the_gate_ten_times_of_ten_and_the_same_passes_as_often() {
    let bench = Bench::new();
    let runs = twenty_one_runs(&bench);
    let [same, slower] = [&runs[..11], &runs[11..]].map(|half| half.iter().flatten());
    let (same, slower): (Vec<_>, Vec<_>) = (same.collect(), slower.collect());
    assert!(same.len() > 1 && !slower.is_empty(), "this machine is too busy to load anything");
    let now = same[1..].iter().map(|now| (0, now)).chain(slower.iter().map(|now| (1, now)));
    for (expected, now) in now {
        let (exit, said) = bench.said(&["compare", same[0], now, "--anyway"]);
        assert_eq!(exit, expected, "{now}: {said}");
    }
    in_every_format(&bench, same[0], slower[0]);
}

fn in_every_format(bench: &Bench, before: &str, after: &str) {
    let (exit, said) = bench.said(&["compare", before, after]);
    assert_eq!(exit, 3, "{said}");
    assert!(said.contains("parameter latency is normal 1s 50ms in base, normal 1.2s"), "{said}");
    let compare = ["compare", before, after, "--anyway"];
    let (exit, said) = bench.said(&compare);
    assert_eq!(exit, 1, "{said}");
    for part in ["REGRESSED", "visitors: item", "p50", "compared anyway: parameter latency"] {
        assert!(said.contains(part), "no {part:?} in\n{said}");
    }
    let (exit, said) = bench.said(&[&compare[..], &["--format", "markdown"]].concat());
    assert_eq!(exit, 1);
    assert!(said.contains("### REGRESSED: ") && said.contains("| **REGRESSED** |"), "{said}");
    let (exit, said) = bench.said(&[&compare[..], &["--format", "json"]].concat());
    let value: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((exit, &value["exit"], &value["verdict"]), (1, &1.into(), &"REGRESSED".into()));
    let (exit, said) = bench.said(&[&compare[..], &["--fail-on", "60%"]].concat());
    assert_eq!(exit, 0, "{said}");
    let asked = ["--fail-on", "60%", "--must-improve", "--format", "json"];
    let (exit, said) = bench.said(&[&compare[..], &asked].concat());
    let value: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((exit, &value["exit"]), (2, &2.into()), "{said}");
    let (exit, said) = bench.said(&["compare", before, after, "--pass-inconclusive"]);
    assert_eq!(exit, 0, "{said}");
    assert!(said.contains("parameter latency is normal 1s 50ms in base, normal 1.2s"), "{said}");
}

#[test]
fn what_is_not_a_run_is_refused_with_everything_that_is_wrong() {
    let bench = Bench::new();
    let before = bench.load("before", &[]);
    let file = bench.path("before/script");
    let stamp = fs::read_dir(file).unwrap().next().unwrap().unwrap().path();
    let text = fs::read_to_string(stamp.join("outcome.json")).unwrap();
    fs::write(bench.path("cut.json"), &text[..text.len() / 2]).unwrap();
    fs::write(bench.path("edited.json"), text.replacen("\"seed\":1", "\"seed\":2", 1)).unwrap();
    let (exit, said) = bench.said(&["compare", "cut.json", "edited.json"]);
    assert_eq!(exit, 4);
    assert!(said.contains("cut.json: cut off"), "{said}");
    assert!(said.contains("edited.json: edited or damaged"), "{said}");
    let (exit, said) = bench.said(&["compare", "main", &before]);
    assert_eq!(exit, 4);
    assert!(said.contains("no baseline main") && said.contains("baseline save"), "{said}");
    let (exit, said) = bench.said(&["compare", &before, &before]);
    assert_eq!(exit, 3);
    assert!(said.contains("both are the run of script at "), "{said}");
    let (exit, said) = bench.said(&["compare", &before, &before, "--anyway"]);
    assert_eq!(exit, 0, "{said}");
    let (exit, said) = bench.said(&["compare", &before]);
    assert_eq!(exit, 4, "{said}");
    fs::create_dir(bench.path("before/script/2999-01-01T00-00-00")).unwrap();
    for asked in [&["compare", &before, &before][..], &["report", &before]] {
        let (exit, said) = bench.said(asked);
        assert_eq!(exit, 4, "{said}");
        let (last, earlier) = said.split_once("hint: ").unwrap();
        assert!(last.contains("left no outcome: before/script/2999-"), "{said}");
        let stamp = stamp.file_name().unwrap().to_str().unwrap();
        assert!(earlier.contains(&format!("before/script/{stamp}")), "{said}");
    }
}

#[test]
fn runs_are_kept_under_a_name_shown_compared_with_and_removed() {
    let bench = Bench::new();
    let [one, two] = thread::scope(|scope| {
        let runs = ["one", "two"].map(|out| scope.spawn(|| bench.load(out, &[])));
        runs.map(|run| run.join().unwrap())
    });
    let (exit, said) = bench.said(&["baseline", "save", "main", &one]);
    assert_eq!(exit, 0, "{said}");
    assert!(said.contains("1 run of script"), "{said}");
    let (exit, said) = bench.said(&["baseline", "save", "main", &two]);
    assert_eq!(exit, 4);
    assert!(said.contains("there is a baseline main already") && said.contains("--add"), "{said}");
    let (exit, said) = bench.said(&["baseline", "save", "main", "--add", &two]);
    assert_eq!(exit, 0, "{said}");
    assert!(said.contains("between runs") && said.contains("item  "), "{said}");
    let (exit, said) = bench.said(&["baseline", "save", "twice", &two, &two]);
    assert_eq!(exit, 0, "{said}");
    assert!(said.contains("1 run of script") && said.contains("warning: left out: two"), "{said}");
    let (exit, said) = bench.said(&["baseline", "save", "twice", "--add", &two]);
    assert_eq!(exit, 4, "{said}");
    assert!(said.starts_with("error: two/script: the run of script at "), "{said}");
    assert_eq!(bench.said(&["baseline", "rm", "twice"]).0, 0);
    let (exit, said) = bench.said(&["baseline", "save", "more", "script", "--out", "one"]);
    assert_eq!(exit, 4);
    assert_eq!(said, "error: there is no script\n  hint: did you mean one/script?\n");
    let (exit, said) = bench.said(&["baseline", "save", "more", "nosuch"]);
    assert_eq!(exit, 4);
    assert!(said.starts_with("error: there is no nosuch\n  hint: name an outcome.json"), "{said}");
    let (exit, said) = bench.said(&["baseline", "list"]);
    assert_eq!(exit, 0);
    assert!(said.starts_with("main  2 runs of script"), "{said}");
    let (_, said) = bench.said(&["compare", "main", &one]);
    assert!(said.contains("both are the run of script at"), "{said}");
    let (exit, said) = bench.said(&["baseline", "rm", "main"]);
    assert_eq!(exit, 0, "{said}");
    assert_eq!(bench.said(&["baseline", "show", "main"]).0, 4);
}

#[test]
fn a_run_is_compared_at_its_end_and_its_thresholds_held_against_the_baseline() {
    let bench = Bench::new();
    bench.ask(r#""http.duration{name=item} p50 <= baseline + 20%""#);
    let (exit, said) = bench.said(&["script.lua", "-q"]);
    assert_eq!(exit, 4, "{said}");
    assert!(said.contains("there is no baseline") && said.contains("--baseline NAME"), "{said}");
    assert!(said.contains("script.lua:"), "{said}");
    bench.ask("");
    let before = bench.load("results", &["-p", "latency=100ms"]);
    bench.said(&["baseline", "save", "main", &before]);
    a_script_without_a_run_in_the_baseline_does_not_begin(&bench);
    bench.ask(r#""http.duration{name=item} p50 <= baseline + 20%""#);
    let run = ["script.lua", "-q", "--baseline", "main", "-p", "latency=1s", "--report", "junit"];
    let (exit, said) = bench.calm(&run);
    assert_eq!(exit, 3, "{said}");
    assert!(said.contains("MISSED") && said.contains(" (limit "), "{said}");
    assert!(said.contains("the script's text is not the same"), "{said}");
    let foreseen =
        "this run cannot be compared with main: parameter latency is 100ms in base, 1s now";
    assert!(said.contains(foreseen), "{said}");
    let elsewhere = ["--anyway", "-p", "address=http://127.0.0.1:2"];
    let (exit, said) = bench.calm(&[&run[..], &elsewhere].concat());
    assert_eq!(exit, 2, "{said}");
    assert!(said.contains("REGRESSED") && said.contains("compared anyway"), "{said}");
    let target = "target: address: http://127.0.0.1:1 before, http://127.0.0.1:2 now";
    assert!(said.contains(target) && !said.contains("parameter address"), "{said}");
    let stamps = || fs::read_dir(bench.path("results/script")).unwrap().flatten();
    let told = stamps().filter_map(|s| fs::read_to_string(s.path().join("comparison.md")).ok());
    let refused = told.map(|text| text.starts_with("### NOT COMPARED")).collect::<Vec<_>>();
    assert!(refused.contains(&true) && refused.contains(&false));
    let compared = stamps().filter(|stamp| stamp.path().join("comparison.json").is_file());
    assert_eq!(compared.count(), refused.iter().filter(|refused| !**refused).count());
    let cases = stamps().filter_map(|s| fs::read_to_string(s.path().join("junit.xml")).ok());
    for cases in cases {
        let (_, baseline) = cases.split_once("<testsuite name=\"script.baseline\"").unwrap();
        let regressed = baseline.contains("<testcase name=\"visitors: item\"")
            && baseline.contains("type=\"regressed\"");
        assert!(regressed || baseline.contains("text is not the same"), "{baseline}");
    }
}

/// A figure of another script says nothing of it; without a threshold on one, a gate that is to stop
/// regressions alone lets it pass.
fn a_script_without_a_run_in_the_baseline_does_not_begin(bench: &Bench) {
    let script = |thresholds: &str| {
        let scenario = "s = { iterations = 1, run = function() end }";
        let text =
            format!("return {{ scenarios = {{ {scenario} }},\nthresholds = {{ {thresholds} }} }}");
        fs::write(bench.path("other.lua"), text).unwrap();
    };
    for alone in [&["--anyway"][..], &["--fail-on", "2%"], &["--pass-inconclusive"]] {
        let (exit, said) = bench.said(&[&["script.lua"], alone].concat());
        assert_eq!(exit, 4, "{said}");
        assert!(said.contains("--baseline <NAME>"), "{said}");
    }
    let run = ["other.lua", "-q", "--baseline", "main"];
    let pass = [&run[..], &["--pass-inconclusive"]].concat();
    script(r#""iteration.duration p95 < baseline""#);
    for asked in [&run[..], &pass] {
        let (exit, said) = bench.said(asked);
        assert_eq!(exit, 4, "{said}");
        let told =
            said.contains("no run of other in baseline main") && said.contains("other.lua:2");
        assert!(told && said.contains("save main --add results/other"), "{said}");
    }
    script("");
    let (exit, said) = bench.said(&run);
    assert_eq!(exit, 4, "{said}");
    assert!(!bench.path("results/other").exists(), "nothing ran");
    let (exit, said) = bench.calm(&pass);
    assert_eq!(exit, 0, "{said}");
    assert_eq!(said.matches("no run of other in baseline main").count(), 1, "{said}");
    let (exit, said) = bench.said(&["compare", "main", "results/other"]);
    assert_eq!(exit, 4, "{said}");
    assert!(said.starts_with("error: no run of other in baseline main\n"), "{said}");
}

#[test]
fn two_targets_in_turn_are_compared_with_the_noise_of_the_machine() {
    let bench = Bench::new();
    let ab = [
        "ab",
        "script.lua",
        "-q",
        "--rounds",
        "2",
        "--format",
        "json",
        "--html",
        "ab.html",
        "--anyway",
    ];
    // Ten times as slow, so that a busy machine hides nothing.
    let sides = ["--a", "latency=20ms", "--b", "latency=200ms"];
    let (exit, said) = bench.said(&[&ab[..], &sides].concat());
    assert_eq!(exit, 1, "{said}");
    let value: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&value["verdict"], &value["exit"]), (&"REGRESSED".into(), &1.into()));
    assert_eq!(value["base"].as_array().unwrap().len(), 2);
    let control = &value["control"];
    assert_ne!(control["verdict"], Value::Null, "{said}");
    assert!(control["noise"].as_object().unwrap().contains_key("p50"), "{said}");
    assert!(
        fs::read_to_string(bench.path("ab.html")).unwrap().contains("control: A against itself")
    );
    assert_eq!(fs::read_dir(bench.path("results/script")).unwrap().count(), 4);
    let (exit, said) = bench.said(&["ab", "script.lua", "--a", "latency=20ms"]);
    assert_eq!(exit, 4, "{said}");
    for (given, expected) in [
        (["latency=20ms", "nope=2"], &["error: B: unknown parameter"][..]),
        (["nope=2", "latency"], &["error: A: unknown parameter", "error: B: malformed"]),
        (["nope=2", "nope=2"], &["error: unknown parameter"]),
    ] {
        let (exit, said) = bench.said(&["ab", "script.lua", "--a", given[0], "--b", given[1]]);
        assert_eq!(exit, 4, "{said}");
        assert!(expected.iter().all(|part| said.contains(part)), "{said}");
        assert_eq!(said.matches("error:").count(), expected.len(), "{said}");
    }
    assert_eq!(fs::read_dir(bench.path("results/script")).unwrap().count(), 4, "nothing ran");
}
