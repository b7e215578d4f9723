//! Keeping runs under a name, in a folder of their own.

use super::*;
use serde_json::{Value, json};

/// A run as a file has it: valid, with nothing measured.
fn run(started: &str, verdict: &str) -> Outcome {
    let whole = json!({
        "schema": 1, "loadrun": "0.1.0", "exit": 0, "grade": null, "verdict": verdict,
        "run": {
            "name": "shop", "started": started, "elapsed": 60.0, "seed": 1, "workers": 1,
            "interrupted": false, "aborted_by": null, "fingerprint": "f00d",
        },
        "environment": { "os": "linux", "arch": "x86_64", "cpus": 2, "cpu": null, "memory": null },
        "plan": {
            "script": "shop.lua", "scenarios": [], "thresholds": [], "parameters": [],
            "metrics": [], "services": [], "has_setup": false, "has_teardown": false,
        },
        "reasons": [], "thresholds": [], "scenarios": [],
        "series": [{
            "metric": "http.duration", "kind": "trend", "unit": "time", "tags": {},
            "total": { "counter": 0.0 }, "points": [], "slices": { "width": 1, "parts": {} },
        }],
        "failures": [], "script_errors": [], "ledgers": {}, "log": [],
        "generator": { "cpu": 0.0, "busiest_worker": 0.0, "memory": 0, "longest_script": 0.0 },
    });
    serde_json::from_value(whole).unwrap()
}

fn kept(results: &Path, name: &str, runs: &[&str]) -> Baseline {
    let mut baseline = Baseline::new(name).unwrap();
    for started in runs {
        baseline.add(run(started, "VALID"), false).unwrap();
    }
    baseline.save(results).unwrap();
    baseline
}

#[test]
fn what_is_kept_under_a_name_is_found_again_and_can_be_removed() {
    let results = tempfile::tempdir().unwrap();
    let results = results.path();
    kept(results, "main", &["a", "b"]);
    kept(results, "release-1.4", &["c"]);
    assert_eq!(Baseline::names(results), ["main", "release-1.4"]);
    let found = Baseline::load(results, "main").unwrap();
    let started: Vec<_> = found.outcomes.iter().map(|o| o.run.started.as_str()).collect();
    assert_eq!(started, ["a", "b"]);
    Baseline::remove(results, "main").unwrap();
    let said = Baseline::load(results, "main").unwrap_err();
    assert!(said.what.starts_with("no baseline main in "), "{said}");
    assert_eq!(said.hint, "there is release-1.4");
    assert_eq!(Baseline::remove(results, "main").unwrap_err().hint, said.hint);
}

#[test]
fn only_a_valid_run_is_kept_and_each_once() {
    let mut baseline = Baseline::new("main").unwrap();
    baseline.add(run("a", "VALID"), false).unwrap();
    for (outcome, anyway, expected) in [
        (run("b", "INCOMPLETE"), true, "the run of shop at b is INCOMPLETE"),
        (run("a", "VALID"), true, "the run of shop at a is in main already"),
    ] {
        assert_eq!(baseline.add(outcome, anyway).unwrap_err().what, expected);
    }
    let mut other = run("c", "VALID");
    other.run.fingerprint = "beef".to_owned();
    let said = baseline.add(other.clone(), false).unwrap_err().what;
    assert!(said.contains("cannot be compared with the first: the script's text"), "{said}");
    baseline.add(other, true).unwrap();
    assert_eq!(baseline.outcomes.len(), 2);
}

#[test]
fn one_name_keeps_the_last_runs_of_several_scripts_apart() {
    let of = |name: &str, started: &str| {
        let mut outcome = run(started, "VALID");
        name.clone_into(&mut outcome.run.name);
        name.clone_into(&mut outcome.run.fingerprint);
        outcome
    };
    let mut baseline = Baseline::new("main").unwrap();
    for (name, started) in [("a", "1"), ("b", "2"), ("a", "3"), ("a", "4"), ("b", "5")] {
        baseline.add(of(name, started), false).unwrap();
    }
    let started = |baseline: &Baseline| -> Vec<String> {
        baseline.outcomes.iter().map(|outcome| outcome.run.started.clone()).collect()
    };
    assert_eq!(started(&baseline.of_script("b")), ["2", "5"]);
    assert!(baseline.of_script("other").outcomes.is_empty());
    let lacks = baseline.lacks("other", "--baseline", Path::new("results"));
    assert_eq!(lacks.what, "no run of other in baseline main");
    assert!(lacks.hint.ends_with("loadrun baseline save main --add results/other"), "{lacks}");
    baseline.shorten(2);
    assert_eq!(started(&baseline), ["2", "3", "4", "5"]);
    baseline.shorten(1);
    assert_eq!(started(&baseline), ["4", "5"]);
}

#[test]
fn a_name_cannot_lead_out_of_the_folder() {
    for name in ["", "../main", "a/b", ".hidden", "ein name", "a\\b"] {
        let said = Baseline::new(name).unwrap_err();
        assert!(said.what.contains("cannot be the name of a baseline"), "{said}");
        assert!(!Baseline::exists(Path::new("/"), name));
    }
}

#[test]
fn a_truncated_an_edited_and_a_newer_baseline_are_refused() {
    let results = tempfile::tempdir().unwrap();
    let results = results.path();
    kept(results, "main", &["a"]);
    let path = results.join("baselines/main.json");
    let text = fs::read_to_string(&path).unwrap();
    for (text, expected) in [
        (text[..text.len() / 2].to_owned(), "cut off"),
        (text.replace("\"elapsed\":60.0", "\"elapsed\":6.0"), "edited or damaged"),
        (text.replacen("\"schema\":1", "\"schema\":2", 1), "schema 2, this program reads 1"),
    ] {
        fs::write(&path, text).unwrap();
        let said = Baseline::load(results, "main").unwrap_err().what;
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn a_run_inside_of_another_schema_is_refused() {
    let results = tempfile::tempdir().unwrap();
    let mut baseline = Baseline::new("main").unwrap();
    baseline.add(Outcome { schema: 7, ..run("a", "VALID") }, false).unwrap();
    baseline.save(results.path()).unwrap();
    let said = Baseline::load(results.path(), "main").unwrap_err().what;
    assert!(said.contains("holds a run of schema 7"), "{said}");
}

#[test]
fn a_word_means_a_file_a_folder_the_latest_run_of_a_script_or_a_name() {
    let folder = tempfile::tempdir().unwrap();
    let results = folder.path();
    let stamps = ["2026-01-02T03-04-05", "2026-01-02T03-04-05-2", "2026-01-02T03-04-05-10"];
    for stamp in stamps {
        let folder = results.join("shop").join(stamp);
        fs::create_dir_all(&folder).unwrap();
        run(stamp, "VALID").save(&folder).unwrap();
    }
    kept(results, "main", &["a", "b"]);
    let started = |word: &Path| -> Result<Vec<String>, String> {
        let runs = locate(word.to_str().unwrap(), results).map_err(|error| error.to_string())?;
        Ok(runs.runs().into_iter().map(|outcome| outcome.run.started).collect())
    };
    let script = results.join("shop");
    assert_eq!(started(&script).unwrap(), [stamps[2]]);
    assert_eq!(started(&script.join(stamps[0])).unwrap(), [stamps[0]]);
    assert_eq!(started(&script.join(stamps[1]).join("outcome.json")).unwrap(), [stamps[1]]);
    assert_eq!(started(Path::new("main")).unwrap(), ["a", "b"]);
    let said = started(results).unwrap_err();
    assert!(said.contains("name the folder of one script: ") && said.contains("shop"), "{said}");
    assert!(started(Path::new("nowhere")).unwrap_err().contains("there is main"));
    assert!(started(&results.join("gone.json")).unwrap_err().contains("there is no "));
    // One that began before them and wrote no outcome is none of them; one after them is the latest.
    fs::create_dir_all(script.join("2026-01-01T00-00-00")).unwrap();
    fs::create_dir_all(script.join("notes of mine")).unwrap();
    assert_eq!(started(&script).unwrap(), [stamps[2]]);
    let dead = script.join("2026-01-02T03-04-05-11");
    fs::create_dir_all(&dead).unwrap();
    let said = started(&script).unwrap_err();
    assert!(said.contains(&format!("left no outcome: {}", dead.display())), "{said}");
    assert!(said.ends_with(&format!("before it: {})", script.join(stamps[2]).display())), "{said}");
}

#[test]
fn a_run_is_held_against_its_own_script_or_the_one_that_was_pointed_at() {
    let folder = tempfile::tempdir().unwrap();
    let results = folder.path();
    kept(results, "main", &["a", "b"]);
    run("c", "VALID").save(results).unwrap();
    let held = |word: &str, script: &str| {
        let runs = locate(word, results).unwrap().runs_for(script, results);
        runs.map(|runs| runs.len()).map_err(|error| error.what)
    };
    assert_eq!(held("main", "shop"), Ok(2));
    assert_eq!(held("main", "other"), Err("no run of other in baseline main".to_owned()));
    assert_eq!(held(results.join("outcome.json").to_str().unwrap(), "other"), Ok(1));
}

#[test]
fn the_file_of_a_run_is_json_anyone_can_read() {
    let results = tempfile::tempdir().unwrap();
    kept(results.path(), "main", &["a"]);
    let text = fs::read(results.path().join("baselines/main.json")).unwrap();
    let value: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(value["outcomes"][0]["run"]["name"], "shop");
}
