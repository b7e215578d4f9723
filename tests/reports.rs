//! Reports of the real binary: beside the outcome of a run, and from an outcome it left.

#![expect(clippy::unwrap_used, reason = "a test that cannot start a run has failed")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Some calls that a target refuses, and one that is answered.
const SCRIPT: &str = r#"
local http = require "loadrun.http"
local sandbox = require "loadrun.sandbox"
local check = require "loadrun.check"
local target = http.client { base = sandbox.start {} }
return {
  scenarios = {
    visitors = { iterations = 20, max_users = 2, run = function(vu)
      local reply = target:get("/health", { name = "health" })
      check(reply, { ["is up"] = reply.status == 200 })
      if vu.iteration == 0 then target:get("/nowhere", { name = "nowhere" }) end
    end },
  },
  thresholds = { "http.duration{name=health} p95 < 10s", "http.failed{name=nowhere} rate < 1%" },
}"#;

fn loadrun(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadrun"));
    command.args(arguments).current_dir(folder).output().unwrap()
}

fn said(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!("{}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(err))
}

/// A folder with one run in it, and the folder of its results.
fn a_run(arguments: &[&str]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("script.lua"), SCRIPT).unwrap();
    let ran = loadrun(folder.path(), &[&["script.lua", "--quiet"], arguments].concat());
    let stamps = fs::read_dir(folder.path().join("results/script"));
    let results = stamps.unwrap_or_else(|_| panic!("{}", said(&ran))).next().unwrap();
    (folder, results.unwrap().path())
}

#[test]
fn a_run_leaves_the_reports_it_was_asked_for_and_the_outcome_makes_the_same_again() {
    let (folder, results) = a_run(&["--report", "junit,markdown,csv,html"]);
    let files = [
        ("junit", "junit.xml"),
        ("markdown", "summary.md"),
        ("csv", "series.csv"),
        ("html", "report.html"),
    ];
    for (form, file) in files {
        let left = fs::read_to_string(results.join(file)).unwrap();
        assert!(left.contains("health"), "{form}: {left}");
        // From the file, from its folder, into a file or to stdout.
        let outcome = results.join("outcome.json");
        let flag = format!("--{form}");
        let again = loadrun(folder.path(), &["report", outcome.to_str().unwrap(), &flag, "-"]);
        assert_eq!(said(&again), left);
        loadrun(folder.path(), &["report", results.to_str().unwrap(), &flag, "again"]);
        assert_eq!(fs::read_to_string(folder.path().join("again")).unwrap(), left);
    }
    assert_eq!(fs::read_dir(&results).unwrap().count(), 5, "nothing else is left");
}

#[test]
fn the_seconds_of_a_run_are_told_once_each_and_add_up_to_its_outcome() {
    let folder = tempfile::tempdir().unwrap();
    let script = SCRIPT.replace("iterations = 20, max_users = 2", "rate = 20, duration = \"2s\"");
    fs::write(folder.path().join("script.lua"), script).unwrap();
    let ran = loadrun(folder.path(), &["script.lua", "--quiet", "--report", "ndjson"]);
    let stamps = fs::read_dir(folder.path().join("results/script"));
    let results = stamps.unwrap_or_else(|_| panic!("{}", said(&ran))).next().unwrap();
    let text = fs::read_to_string(results.unwrap().path().join("seconds.ndjson")).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let seconds: Vec<_> = lines.iter().map(|line| line["second"].as_u64().unwrap()).collect();
    assert_eq!(seconds, (0..lines.len() as u64).collect::<Vec<_>>());
    let of = |metric: &str, field: &str| {
        let series = lines.iter().flat_map(|line| line["series"].as_array().unwrap());
        let own = series.filter(|series| series["metric"] == metric);
        own.map(|series| series[field].as_f64().unwrap()).collect::<Vec<_>>()
    };
    assert!((of("iteration.finished", "sum").iter().sum::<f64>() - 40.0).abs() < 1e-9);
    assert!((of("check.failed", "total").iter().sum::<f64>() - 40.0).abs() < 1e-9);
    assert!(of("process.memory", "value").iter().all(|bytes| *bytes > 1e6));
}

#[test]
fn the_seconds_of_a_run_that_is_killed_are_whole_lines() {
    let folder = tempfile::tempdir().unwrap();
    let script = SCRIPT.replace("iterations = 20, max_users = 2", "rate = 20, duration = \"10m\"");
    fs::write(folder.path().join("script.lua"), script).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadrun"));
    command.args(["script.lua", "--quiet", "--report", "ndjson"]).current_dir(folder.path());
    let mut run = command.spawn().unwrap();
    let seconds = || {
        let stamp = fs::read_dir(folder.path().join("results/script")).ok()?.next()?.ok()?;
        let text = fs::read_to_string(stamp.path().join("seconds.ndjson")).ok()?;
        (text.lines().count() >= 2).then_some(text)
    };
    while seconds().is_none() {
        assert!(run.try_wait().unwrap().is_none(), "the run ended by itself");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    run.kill().unwrap();
    run.wait().unwrap();
    let text = seconds().unwrap();
    assert!(text.ends_with('\n'));
    assert!(text.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
}

#[test]
fn without_a_form_the_summary_is_printed_as_after_the_run() {
    let (folder, results) = a_run(&[]);
    let told = said(&loadrun(folder.path(), &["report", results.to_str().unwrap()]));
    assert!(told.contains("MISSED  http.failed{name=nowhere} rate < 1%"), "{told}");
    assert!(told.contains("is up  20 of 20"), "{told}");
}

#[test]
fn what_is_no_outcome_of_a_run_is_refused_with_four_and_leaves_no_report() {
    let (folder, results) = a_run(&[]);
    let path = results.join("outcome.json");
    let whole = fs::read_to_string(&path).unwrap();
    let refused = |text: &str, reason: &str| {
        fs::write(&path, text).unwrap();
        let output = loadrun(folder.path(), &["report", path.to_str().unwrap(), "--csv", "x.csv"]);
        let told = said(&output);
        assert_eq!(output.status.code(), Some(4), "{told}");
        assert!(told.contains(reason) && told.contains("hint: "), "no {reason:?} in {told}");
        assert!(!folder.path().join("x.csv").exists());
    };
    refused(&whole[..whole.len() / 2], "cut off");
    refused(&whole.replacen("\"finished\":20", "\"finished\":21", 1), "edited or damaged");
    refused(&whole.replacen("\"schema\":1", "\"schema\":2", 1), "schema 2, this program reads 1");
    refused("no outcome", "not an outcome");
    fs::remove_file(&path).unwrap();
    let output = loadrun(folder.path(), &["report", results.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(4), "{}", said(&output));
}

#[test]
fn a_form_that_does_not_exist_is_refused_with_those_that_do() {
    let (folder, _) = a_run(&[]);
    let output = loadrun(folder.path(), &["script.lua", "--report", "junit,pdf"]);
    assert_eq!(output.status.code(), Some(4));
    assert!(said(&output).contains("possible values: "), "{}", said(&output));
}

#[test]
fn a_report_that_cannot_be_written_is_named() {
    let (folder, results) = a_run(&[]);
    let arguments = ["report", results.to_str().unwrap(), "--junit", "none/junit.xml"];
    let output = loadrun(folder.path(), &arguments);
    assert_eq!(output.status.code(), Some(5), "{}", said(&output));
    assert!(said(&output).contains("none/junit.xml"), "{}", said(&output));
}

#[test]
fn the_sample_that_is_kept_is_a_result_this_program_reads() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sample = root.join("results/webhook_burst/2026-11-26T03-07-03");
    let told = said(&loadrun(root, &["report", sample.to_str().unwrap()]));
    assert!(told.contains("webhook_burst  VALID  EXCELLENT"), "{told}");
    for file in ["outcome.json", "report.html"] {
        let text = fs::read_to_string(sample.join(file)).unwrap();
        assert!(!text.contains(root.to_str().unwrap()), "{file} tells where it was made");
    }
}
