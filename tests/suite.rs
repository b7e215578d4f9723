//! Several scripts in one go with the real binary: one table, one grade, the worst exit code.

#![expect(clippy::unwrap_used, reason = "a test that cannot start a run has failed")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A folder with scripts, in which the binary is run.
struct Bench(TempDir);

impl Bench {
    fn with(scripts: &[(&str, &str)]) -> Self {
        let bench = Self(tempfile::tempdir().unwrap());
        for (name, text) in scripts {
            let path = bench.path(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_loadrun"));
        command.args(arguments).current_dir(self.0.path()).env("NO_COLOR", "1");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        said(self.command(arguments).output().unwrap())
    }

    /// The names in a folder of the results.
    fn results(&self, of: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path("results").join(of)).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }
}

/// Exit code, stdout, stderr.
fn said(output: Output) -> (i32, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// A script with this threshold that makes five calls to a practice target.
fn five_calls(threshold: &str) -> String {
    format!(
        r#"local http = require "loadrun.http"
           local target = http.client {{ base = require("loadrun.sandbox").start {{}} }}
           require("loadrun.param")("size", 1, "of what is asked for")
           return {{
             scenarios = {{ s = {{ iterations = 5, run = function() target:get("/health") end }} }},
             thresholds = {{ "{threshold}" }},
           }}"#
    )
}

const HOLDS: &str = "http.failed rate < 1%";
const MISSED: &str = "http.duration p50 < 1ns";

#[test]
fn a_folder_runs_in_order_of_names_and_ends_with_one_table_and_the_worst_exit_code() {
    let (holds, missed) = (five_calls(HOLDS), five_calls(MISSED));
    let bench = Bench::with(&[
        ("load/b.lua", &missed),
        ("load/a.lua", &format!("require './parts/words' require './shared'\n{holds}")),
        ("load/shared.lua", "return { word = 'of a.lua' }"),
        ("load/parts/words.lua", "return {}"),
        ("load/.hidden.lua", "no Lua"),
        ("load/notes.txt", "no Lua"),
    ]);
    let (exit, out, err) = bench.run(&["load", "--quiet", "--report", "junit,markdown,csv"]);
    assert_eq!(exit, 2, "{out}{err}");
    let (each, table) = out.split_once("\nsuite  ").unwrap();
    assert!(each.find("\na  VALID").unwrap() < each.find("\nb  VALID").unwrap(), "{each}");
    assert!(table.starts_with("POOR  1 of 2 scripts passed"), "{table}");
    assert!(table.contains("load/a.lua") && table.contains("load/b.lua"), "{table}");
    let stamp = bench.path("results/suite").join(&bench.results("suite")[0]);
    let junit = fs::read_to_string(stamp.join("junit.xml")).unwrap();
    assert!(junit.contains("a.thresholds") && junit.contains("b.thresholds"), "{junit}");
    assert!(fs::read_to_string(stamp.join("summary.md")).unwrap().starts_with("## ❌ 1 of 2"));
    let summary = fs::read(stamp.join("summary.json")).unwrap();
    let summary: Value = serde_json::from_slice(&summary).unwrap();
    assert_eq!(summary["scripts"][1]["summary"]["exit"], 2);
    assert_eq!(fs::read_dir(&stamp).unwrap().count(), 3);
    assert_eq!((bench.results("a").len(), bench.results("b").len()), (1, 1));
}

#[test]
fn everything_that_is_wrong_with_any_script_is_told_before_the_first_one_runs() {
    let command = r#"require("loadrun.service").command { cmd = { "true" }, ready = "127.0.0.1:{port}" }
        return { scenarios = { s = { iterations = 1, run = function() end } } }"#;
    let bench = Bench::with(&[
        ("a.lua", &five_calls(HOLDS)),
        ("b.lua", "return { scenarios = { s = { users = 0, run = 1 } } }"),
        ("c.lua", "return {"),
        ("d.lua", command),
    ]);
    let (exit, out, err) = bench.run(&["a.lua", "b.lua", "c.lua", "nowhere.lua"]);
    assert_eq!((exit, out.as_str()), (4, ""), "{err}");
    for part in ["b.lua:1", "c.lua:1", "no script at nowhere.lua", "scripts there: a.lua"] {
        assert!(err.contains(part), "no {part:?} in\n{err}");
    }
    let (exit, _, err) = bench.run(&["a.lua", "d.lua"]);
    assert_eq!(exit, 4);
    assert!(err.contains("d.lua:1") && err.contains("--allow-command"), "{err}");
    let (exit, _, err) = bench.run(&["a.lua", "a.lua", "-p", "size=2", "-p", "sice=2"]);
    assert_eq!(exit, 4);
    let told = "error: no script has a parameter `sice`\n  hint: did you mean `size`?\n";
    assert_eq!(err, told);
    for folder in ["one", "two"] {
        fs::create_dir(bench.path(folder)).unwrap();
        fs::copy(bench.path("a.lua"), bench.path(folder).join("a.lua")).unwrap();
    }
    let (exit, _, err) = bench.run(&["one", "two/a.lua", "one/a.lua"]);
    assert_eq!(exit, 4);
    assert!(err.starts_with("error: one/a.lua and two/a.lua are both called a\n"), "{err}");
    fs::create_dir(bench.path("none")).unwrap();
    let (exit, _, err) = bench.run(&["none"]);
    assert_eq!(exit, 4);
    assert!(err.contains("no Lua file in none"), "{err}");
    assert!(!bench.path("results").exists(), "nothing ran");
}

#[test]
fn a_parameter_goes_to_the_scripts_that_declare_it() {
    let plain = "return { scenarios = { s = { iterations = 1, run = function() end } } }";
    let bench = Bench::with(&[("a.lua", &five_calls(HOLDS)), ("b.lua", plain)]);
    let (exit, out, err) = bench.run(&["check", "a.lua", "b.lua", "-p", "size=7"]);
    assert_eq!(exit, 0, "{err}");
    assert!(out.contains("a.lua: ok") && out.contains("b.lua: ok"), "{out}");
    assert!(out.contains("size = 7"), "{out}");
}

#[test]
fn a_profile_goes_to_the_scripts_that_have_it() {
    let with = |size: u32| {
        let profiles = format!("return {{ profiles = {{ small = {{ size = {size} }} }},");
        five_calls(HOLDS).replace("return {", &profiles)
    };
    let bench =
        Bench::with(&[("a.lua", &with(2)), ("b.lua", &with(3)), ("c.lua", &five_calls(HOLDS))]);
    let all = ["a.lua", "b.lua", "c.lua", "--quiet", "--profile"];
    let (exit, out, err) = bench.run(&[&all[..], &["small"]].concat());
    assert_eq!(exit, 0, "{out}{err}");
    let size = |of: &str| {
        let run = bench.path("results").join(of).join(&bench.results(of)[0]);
        let outcome: Value =
            serde_json::from_slice(&fs::read(run.join("outcome.json")).unwrap()).unwrap();
        outcome["plan"]["parameters"][0]["value"].as_i64().unwrap()
    };
    assert_eq!(["a", "b", "c"].map(size), [2, 3, 1]);
    let (exit, _, err) = bench.run(&[&all[..], &["smal"]].concat());
    let told = "error: no script has a profile `smal`\n  hint: did you mean `small`?\n";
    assert_eq!((exit, err.as_str()), (4, told));
    let (exit, _, err) = bench.run(&[&all[..], &["small,nightly"]].concat());
    assert_eq!(exit, 4);
    assert!(
        err.contains("no script has a profile `nightly`\n  hint: `loadrun check` lists"),
        "{err}"
    );
}

#[test]
fn a_name_that_was_mistyped_is_answered_with_the_one_that_was_meant() {
    let bench = Bench::with(&[("scripts/checkout.lua", &five_calls(HOLDS))]);
    let hint = |word: &str| {
        let (exit, out, err) = bench.run(&[word]);
        assert_eq!((exit, out.as_str()), (4, ""), "{err}");
        err.trim_end().rsplit("hint: ").next().unwrap().to_owned()
    };
    let meant = "did you mean scripts/checkout.lua?";
    for word in ["scripts/chekcout.lua", "scripts/checkout", "checkout", "checkout.lua"] {
        assert_eq!(hint(word), meant, "{word}");
    }
    assert_eq!(hint("compair"), "did you mean the command `compare`?");
    assert_eq!(hint("scripts/soak.lua"), "scripts there: scripts/checkout.lua");
    assert_eq!(hint("script/checkout.lua"), "there is no folder script");
    for n in 0..20 {
        fs::write(bench.path(&format!("scripts/long_name_{n}.lua")), "return {}").unwrap();
    }
    assert_eq!(hint("scripts/checkuot.lua"), meant);
    assert_eq!(hint("scripts/xyz.lua"), "`ls scripts/*.lua` lists the 21 scripts there");
}

#[test]
fn a_script_that_breaks_does_not_keep_the_next_one_from_running() {
    let broken = r"return {
        setup = function() error('no data') end,
        scenarios = { s = { iterations = 1, run = function() end } },
    }";
    let bench = Bench::with(&[("a.lua", broken), ("b.lua", &five_calls(HOLDS))]);
    let (exit, out, err) = bench.run(&["a.lua", "b.lua", "--quiet", "--summary", "json"]);
    assert_eq!(exit, 4, "{out}{err}");
    assert!(err.contains("no data") && err.contains("a.lua:2"), "{err}");
    assert_eq!(out.lines().count(), 1, "{out}");
    let summary: Value = serde_json::from_str(&out).unwrap();
    assert!(summary["scripts"][0]["error"].as_str().unwrap().contains("no data"), "{out}");
    assert_eq!(summary["scripts"][1]["summary"]["verdict"], "VALID");
    assert_eq!(bench.results("a").len(), 0, "a run that never began leaves nothing");
}

/// Waits until the program has said this on stderr.
fn wait_for(run: &mut Child, said: &str) -> BufReader<std::process::ChildStderr> {
    let mut told = BufReader::new(run.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains(said) {
        line.clear();
        assert!(told.read_line(&mut line).unwrap() > 0, "ended before {said:?}");
    }
    told
}

#[test]
fn a_signal_ends_the_whole_suite_with_a_report_of_what_was_done() {
    let endless = r#"return {
        scenarios = { s = { users = 1, duration = "10m", run = function()
          require("loadrun.time").sleep("10ms")
        end } },
    }"#;
    let holds = five_calls(HOLDS);
    let bench = Bench::with(&[("a.lua", &holds), ("b.lua", endless), ("c.lua", &holds)]);
    let mut run = bench.command(&["a.lua", "b.lua", "c.lua"]).spawn().unwrap();
    let told = wait_for(&mut run, "  s  ");
    let pid = run.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    std::thread::spawn(move || told.lines().for_each(drop));
    let (exit, out, _) = said(run.wait_with_output().unwrap());
    assert_eq!(exit, 130, "{out}");
    let (_, table) = out.split_once("\nsuite  ").unwrap();
    assert!(table.contains("c.lua: the suite was interrupted"), "{table}");
    assert!(table.contains("INCOMPLETE") && table.contains("not run"), "{table}");
    assert_eq!((bench.results("b").len(), bench.results("c").len()), (1, 0));
}

#[test]
fn each_script_is_compared_with_its_own_runs_under_the_name_of_a_baseline() {
    let calls = |pause: &str| {
        format!(
            r#"local http = require "loadrun.http"
               local latency = require("loadrun.param")("latency", "{pause}")
               local target = http.client {{ base = require("loadrun.sandbox").start {{ latency = latency }} }}
               return {{ scenarios = {{ s = {{ users = 1, duration = "9s", run = function()
                 target:get("/health")
               end }} }} }}"#
        )
    };
    let bench = Bench::with(&[("a.lua", &calls("5ms")), ("b.lua", &calls("30ms"))]);
    let (exit, out, err) = bench.run(&["a.lua", "b.lua", "--quiet"]);
    assert_eq!(exit, 0, "{out}{err}");
    let save = ["baseline", "save", "main", "results/a", "results/b"];
    let (exit, out, err) = bench.run(&save);
    assert_eq!(exit, 0, "{out}{err}");
    assert!(out.contains("1 run of a, 1 run of b"), "{out}");
    let run = ["a.lua", "b.lua", "--quiet", "--report", "junit"];
    let (_, out, err) =
        bench.run(&[&run[..], &["--baseline", "main", "--fail-on", "100%"]].concat());
    assert!(out.contains("a at ") && out.contains("b at "), "{out}{err}");
    assert!(!out.contains("REGRESSED") && !err.contains("cannot be compared"), "{out}{err}");
    let stamps = bench.results("suite").into_iter();
    let mut asked = stamps.map(|stamp| bench.path("results/suite").join(stamp).join("junit.xml"));
    let cases = fs::read_to_string(asked.find(|file| file.is_file()).unwrap()).unwrap();
    for script in ["a", "b"] {
        assert!(cases.contains(&format!("<testsuite name=\"{script}.baseline\"")), "{cases}");
    }
}
