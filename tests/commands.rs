//! What stands around runs, with the real binary: history, a folder to begin with, completions.

#![expect(clippy::unwrap_used, reason = "a test that cannot start a run has failed")]

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// Five calls to a practice target.
const SCRIPT: &str = r#"local http = require "loadrun.http"
local size = require("loadrun.param")("size", 1, "of nothing")
local target = http.client { base = require("loadrun.sandbox").start {} }
return { scenarios = { s = { iterations = 5, run = function()
  target:get("/health", { name = "health" })
end } } }"#;

/// A folder in which the binary is run.
struct Bench(TempDir);

impl Bench {
    fn new() -> Self {
        let bench = Self(tempfile::tempdir().unwrap());
        fs::write(bench.path("script.lua"), SCRIPT).unwrap();
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Exit code, stdout, stderr.
    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_loadrun"));
        command.args(arguments).current_dir(self.0.path()).env("NO_COLOR", "1");
        let output = command.stdin(Stdio::null()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }
}

#[test]
fn every_run_goes_into_the_history_which_lists_and_draws_them() {
    let bench = Bench::new();
    let (exit, _, err) = bench.run(&["history"]);
    assert_eq!(exit, 4);
    assert!(err.contains("no history in results"), "{err}");
    for size in ["1", "1", "2"] {
        let (exit, out, err) = bench.run(&["script.lua", "--quiet", "-p", &format!("size={size}")]);
        assert_eq!((exit, err.as_str()), (0, ""), "{out}");
    }
    let (exit, out, err) = bench.run(&["history", "script.lua"]);
    assert_eq!(exit, 0, "{err}");
    assert!(out.contains("script  3 runs, 3 VALID"), "{out}");
    let changed: Vec<_> = out.lines().filter(|line| line.ends_with("parameters")).collect();
    assert_eq!(changed.len(), 1, "{out}");
    for trend in ["response p95", "iterations a second", "calls failed", "health p95"] {
        let line = out.lines().find(|line| line.trim_start().starts_with(trend));
        assert!(
            line.is_some_and(|line| line.chars().filter(|c| ('▁'..='█').contains(c)).count() == 3),
            "{out}"
        );
    }
    let (_, out, _) = bench.run(&["history", "script", "--last", "1", "--format", "json"]);
    let value: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(value["script"].as_array().unwrap().len(), 1);
    assert_eq!(value["script"][0]["parameters"], r#"{"size":"2"}"#);
    assert_eq!(value["script"][0]["operations"][0]["calls"], 5);
    let (_, out, _) = bench.run(&["history"]);
    assert!(out.lines().any(|line| line.contains("script") && line.contains('3')), "{out}");
    let (exit, _, err) = bench.run(&["history", "scirpt"]);
    assert_eq!(exit, 4);
    assert!(err.contains("did you mean `script`?"), "{err}");
    assert_eq!(bench.run(&["history", "--html", "page.html"]).0, 0);
    assert!(fs::read_to_string(bench.path("page.html")).unwrap().contains("<figure"));
}

#[test]
fn a_history_that_cannot_be_written_is_told_of_and_spoils_no_run() {
    let bench = Bench::new();
    fs::create_dir(bench.path("results")).unwrap();
    let file = bench.path("results/history.db");
    let foreign = "what somebody else keeps here".repeat(100);
    fs::write(&file, &foreign).unwrap();
    let (exit, out, err) = bench.run(&["script.lua", "--quiet"]);
    assert_eq!(exit, 0, "{out}{err}");
    assert!(err.starts_with("warning: history results/history.db: not a history"), "{err}");
    assert_eq!(fs::read_to_string(&file).unwrap(), foreign);
    let (exit, _, err) = bench.run(&["history"]);
    assert_eq!(exit, 4);
    assert!(err.starts_with("error: history results/history.db: not a history"), "{err}");
}

/// Every file below a folder, with its text.
fn tree(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push((path.clone(), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

#[test]
fn a_folder_to_begin_with_is_laid_out_passes_check_and_is_never_overwritten() {
    let bench = Bench::new();
    fs::create_dir(bench.path(".git")).unwrap();
    let (exit, out, err) = bench.run(&["init", "tests/load"]);
    assert_eq!(exit, 0, "{out}{err}");
    assert!(out.contains("made: tests/load/smoke.lua"), "{out}");
    let workflow = fs::read_to_string(bench.path(".github/workflows/load.yml")).unwrap();
    assert!(workflow.contains("working-directory: tests/load"), "{workflow}");
    assert!(!workflow.contains("{folder}") && !workflow.contains("{version}"), "{workflow}");
    let (exit, out, err) = bench.run(&["check", "tests/load"]);
    assert_eq!(exit, 0, "{out}{err}");
    assert!(out.starts_with("tests/load/smoke.lua: ok"), "{out}");

    let smoke = bench.path("tests/load/smoke.lua");
    fs::write(&smoke, "-- mine").unwrap();
    fs::remove_file(bench.path("tests/load/types/loadrun/http.lua")).unwrap();
    let (exit, out, err) = bench.run(&["init", "tests/load"]);
    assert_eq!(exit, 0, "{out}{err}");
    assert!(out.contains("kept yours: tests/load/smoke.lua"), "{out}");
    assert_eq!(fs::read_to_string(&smoke).unwrap(), "-- mine");
    let before = tree(bench.0.path());
    assert!(before.iter().any(|(path, _)| path.ends_with("types/loadrun/http.lua")));
    assert_eq!(bench.run(&["init", "tests/load"]).0, 0);
    assert_eq!(tree(bench.0.path()), before);
    let (exit, _, err) = bench.run(&["init", "script.lua/load"]);
    assert_eq!(exit, 4);
    assert!(err.contains("cannot write script.lua/load"), "{err}");
}

#[test]
fn an_editor_finds_nothing_to_complain_of_in_a_folder_to_begin_with() {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/bin");
    let mut folders = std::env::split_paths(&paths).chain([own]);
    let found =
        folders.find_map(|folder| Some(folder.join("emmylua_check")).filter(|file| file.is_file()));
    let emmylua = found.expect("no emmylua_check: `make test` and `make check` install it");
    let bench = Bench::new();
    assert_eq!(bench.run(&["init", "load"]).0, 0);
    let complaints = |script: &str| {
        fs::write(bench.path("load/another.lua"), script).unwrap();
        let mut command = Command::new(&emmylua);
        command.args(["--warnings-as-errors", "."]).current_dir(bench.path("load"));
        let output = command.output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let knows = "local http = require \"loadrun.http\"\nlocal pick = require \"pick\"\n\
                 http.get(\"/\")\nreturn pick.hot { keys = 10 }\n";
    let (fine, told) = complaints(knows);
    assert!(fine, "{told}");
    for wrong in [
        knows.replace("http.get(\"/\")", "http.gett(\"/\")"),
        knows.replace("pick.hot {", "pick.hott {"),
    ] {
        let (fine, told) = complaints(&wrong);
        assert!(!fine, "it does not know the types: {told}");
    }
}

#[test]
fn an_argument_that_cannot_be_read_is_named_with_what_is_expected() {
    let bench = Bench::new();
    for seed in ["-1", "x", "18446744073709551616"] {
        for command in [&["check", "script.lua"][..], &["sandbox"], &["proxy"]] {
            let (exit, _, err) = bench.run(&[command, &["--seed", seed]].concat());
            assert_eq!(exit, 4, "{err}");
            assert!(err.contains(&format!("invalid value '{seed}' for '--seed")), "{err}");
            assert!(
                err.contains("expected a whole number from 0 to 18446744073709551615"),
                "{err}"
            );
        }
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadrun"));
    command.args(["check", "script.lua", "-p"]).arg(OsStr::from_bytes(b"size=\xff"));
    let output = command.output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(4), "{err}");
    assert!(err.contains("for '--param <NAME=VALUE>'") && err.contains("UTF-8"), "{err}");
}

#[test]
fn what_cannot_be_printed_is_said_and_no_success() {
    let bench = Bench::new();
    for asked in [&["check", "script.lua"][..], &["--help"], &["man"], &["init", "folder"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_loadrun"));
        command.args(asked).current_dir(bench.0.path());
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let output = command.stdout(full).output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(5), "{asked:?}: {err}");
        assert!(err.starts_with("error: could not print: "), "{asked:?}: {err}");
    }
}

#[test]
fn a_selftest_that_is_interrupted_says_nothing_of_the_machine() {
    let bench = Bench::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadrun"));
    command.arg("selftest").current_dir(bench.0.path());
    let mut run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(run.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("  load  ") {
        line.clear();
        assert!(told.read_line(&mut line).unwrap() > 0, "it ended");
    }
    let pid = run.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let rest = std::thread::spawn(move || told.lines().map_while(Result::ok).collect::<String>());
    let output = run.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(130), &[][..]));
    assert!(rest.join().unwrap().contains("interrupted: "));
}

#[test]
fn a_shell_completes_commands_and_options() {
    let bench = Bench::new();
    let (exit, script, err) = bench.run(&["completions", "bash"]);
    assert_eq!(exit, 0, "{err}");
    fs::write(bench.path("loadrun.bash"), script).unwrap();
    let completed = |word: &str| {
        let program = format!(
            "source loadrun.bash; COMP_WORDS=(loadrun {word}); COMP_CWORD=1; \
             _loadrun loadrun {word} loadrun; echo \"${{COMPREPLY[@]}}\""
        );
        let mut bash = Command::new("bash");
        let output = bash.args(["-c", &program]).current_dir(bench.0.path()).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    assert_eq!(completed("basel"), "baseline");
    assert_eq!(completed("--allow-c"), "--allow-command");
    for shell in ["zsh", "fish"] {
        let (exit, script, _) = bench.run(&["completions", shell]);
        assert!(exit == 0 && script.contains("baseline"), "{shell}: {script}");
    }
    assert_eq!(bench.run(&["completions", "cmd.com"]).0, 4);
}

#[test]
fn the_manual_has_a_page_for_every_command() {
    let bench = Bench::new();
    let (exit, page, err) = bench.run(&["man"]);
    assert!(page.contains("loadrun \\- Load and proof from one Lua file"), "{page}");
    assert_eq!(exit, 0, "{err}");
    for part in [".TH loadrun 1", "allow\\-command", "the numbers cannot be believed"] {
        assert!(page.contains(part), "no {part:?} in {page}");
    }
    fs::create_dir(bench.path("man1")).unwrap();
    assert_eq!(bench.run(&["man", "--out", "man1"]).0, 0);
    for page in ["loadrun.1", "loadrun-compare.1", "loadrun-baseline-save.1"] {
        assert!(bench.path("man1").join(page).is_file(), "{page}");
    }
    assert!(!bench.path("man1/loadrun-guard.1").exists());
    assert_eq!(bench.run(&["man", "--out", "nowhere"]).0, 4);
}
