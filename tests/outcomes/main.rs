//! Whole runs of one script each, judged by the outcome they leave.

#![expect(clippy::unwrap_used, reason = "a test that cannot start a run has failed")]

mod callbacks;
mod calls;
mod dependencies;
mod requests;

use std::collections::BTreeMap;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// The binary in a folder of its own that holds the script as `script.lua`.
fn loadrun(script: &str, arguments: &[&str]) -> (TempDir, Output) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("script.lua"), script).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadrun"));
    command.args(arguments).current_dir(folder.path()).env("NO_COLOR", "1").stdin(Stdio::null());
    let output = command.output().unwrap();
    (folder, output)
}

/// Runs a script; what it printed, and its outcome.
fn run(script: &str, options: &[&str]) -> (Output, Value) {
    let (folder, run) = loadrun(script, &[&["script.lua"], options].concat());
    let results = std::fs::read_dir(folder.path().join("results/script"));
    let place = results.ok().and_then(|mut places| places.next()?.ok());
    let text = place.and_then(|place| std::fs::read(place.path().join("outcome.json")).ok());
    let text = text.unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&run.stderr)));
    (run, serde_json::from_slice(&text).unwrap())
}

/// All that `loadrun check` finds wrong with a script.
fn wrong(script: &str) -> String {
    let (_, run) = loadrun(script, &["check", "script.lua"]);
    assert_eq!(run.status.code(), Some(4));
    String::from_utf8(run.stderr).unwrap()
}

/// Sums of a counter by the value of one of its tags.
fn counted(outcome: &Value, metric: &str, tag: &str) -> BTreeMap<String, u64> {
    let series = outcome["series"].as_array().unwrap().iter();
    let own = series.filter(|series| series["metric"] == metric && series["tags"][tag].is_string());
    own.map(|series| {
        let value = series["total"]["counter"].as_f64().unwrap() as u64;
        (series["tags"][tag].as_str().unwrap().to_owned(), value)
    })
    .collect()
}
