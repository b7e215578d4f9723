//! The workflow that `loadrun init` lays out, its steps executed as a runner executes them: a flag
//! that does not exist, or a path that is not there, fails here and not in somebody's repository.

#![expect(clippy::unwrap_used, reason = "a test that cannot start a run has failed")]
#![expect(clippy::print_stderr, reason = "what was not tested is told")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use saphyr::{LoadableYamlNode, Yaml};
use tempfile::TempDir;

/// What cannot be had without GitHub: what begins a step's shell, and what it needs there.
const ELSEWHERE: [&str; 2] = ["cargo install --locked --git", "gh pr comment"];

/// What the script that is laid out asks for: more than every machine can give.
const LIMITS: &str = "p95 < 500ms, goal < 100ms";

/// A repository with the workflow.
struct Repository(TempDir);

/// Why the workflow runs.
#[derive(Clone, Copy, PartialEq)]
enum Event {
    Push,
    PullRequest,
}

/// A step that was executed.
#[derive(Debug)]
struct Done {
    shell: String,
    exit: i32,
    said: String,
}

impl Repository {
    fn new() -> Self {
        let repository = Self(tempfile::tempdir().unwrap());
        fs::create_dir(repository.path(".git")).unwrap();
        let mut init = Command::new(env!("CARGO_BIN_EXE_loadrun"));
        let status = init.args(["init", "tests/load"]).current_dir(repository.0.path()).status();
        assert!(status.unwrap().success());
        let smoke = repository.path("tests/load/smoke.lua");
        let text = fs::read_to_string(&smoke).unwrap();
        let shorter = text.replace("duration = \"30s\"", "duration = \"10s\"");
        let easier = shorter.replace(LIMITS, "p95 < 10s, goal < 5s");
        assert!(text != shorter && shorter != easier, "{text}");
        fs::write(smoke, easier).unwrap();
        repository
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// What a job begins with: nothing of the last one's results but what was put into the cache.
    fn check_out(&self) {
        for entry in fs::read_dir(self.path("tests/load/results")).into_iter().flatten() {
            let entry = entry.unwrap().path();
            match entry.is_dir() {
                true if entry.ends_with("baselines") => {}
                true => fs::remove_dir_all(entry).unwrap(),
                false => fs::remove_file(entry).unwrap(),
            }
        }
        let _ = fs::remove_file(self.path("summary"));
    }

    /// Executes every step with a shell that applies to the event, until one fails; after that, only
    /// those that always do.
    fn job(&self, event: Event) -> Vec<Done> {
        self.check_out();
        let text = fs::read_to_string(self.path(".github/workflows/load.yml")).unwrap();
        let documents = Yaml::load_from_str(&text).unwrap();
        let job = &documents[0]["jobs"]["load"];
        let folder = job["defaults"]["run"]["working-directory"].as_str().unwrap();
        let (mut done, mut failed) = (Vec::<Done>::new(), false);
        for step in job["steps"].as_vec().unwrap() {
            let Some(shell) = step.as_mapping_get("run").and_then(Yaml::as_str) else { continue };
            let condition = step.as_mapping_get("if").and_then(Yaml::as_str);
            let elsewhere = ELSEWHERE.iter().any(|begin| shell.starts_with(begin));
            if elsewhere || !applies(condition, event, failed) {
                continue;
            }
            assert!(!shell.contains("${{"), "what is to stand for it here? {shell}");
            let step = self.step(shell, &self.path(folder));
            failed |= step.exit != 0;
            done.push(step);
        }
        done
    }

    fn step(&self, shell: &str, folder: &Path) -> Done {
        let built = Path::new(env!("CARGO_BIN_EXE_loadrun")).parent().unwrap().to_owned();
        let others = std::env::var_os("PATH").unwrap_or_default();
        let paths = [built].into_iter().chain(std::env::split_paths(&others));
        let mut bash = Command::new("bash");
        bash.args(["--noprofile", "--norc", "-e", "-c", shell]).current_dir(folder);
        bash.env("PATH", std::env::join_paths(paths).unwrap());
        bash.env("GITHUB_STEP_SUMMARY", self.path("summary")).env("CI", "true");
        let output = bash.output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        Done {
            shell: shell.to_owned(),
            exit: output.status.code().unwrap(),
            said: String::from_utf8(said).unwrap(),
        }
    }

    /// The job of a push or a pull request; `None`, and said, where this machine was too busy for one
    /// of its runs to be valid.
    fn calm_job(&self, event: Event) -> Option<Vec<Done>> {
        let done = self.job(event);
        let busy =
            done.iter().any(|step| step.exit == 3 && step.said.contains("GENERATOR_LIMITED"));
        if busy {
            eprintln!("this machine is too busy to load anything: {done:#?}");
        }
        (!busy).then_some(done)
    }

    fn summary(&self) -> String {
        fs::read_to_string(self.path("summary")).unwrap()
    }
}

/// Whether a runner would execute a step.
fn applies(condition: Option<&str>, event: Event, failed: bool) -> bool {
    match condition {
        None => !failed,
        Some("always()") => true,
        Some("always() && github.event_name == 'pull_request'") => event == Event::PullRequest,
        Some("github.ref == 'refs/heads/main'") => event == Event::Push && !failed,
        Some(other) => panic!("when does a step run whose `if` is {other}?"),
    }
}

#[test]
fn the_main_branch_leaves_a_baseline_and_a_pull_request_is_compared_with_it() {
    let repository = Repository::new();
    let baseline = repository.path("tests/load/results/baselines/main.json");
    let Some(done) = repository.calm_job(Event::Push) else { return };
    let exits: Vec<_> = done.iter().map(|step| step.exit).collect();
    assert_eq!(exits, [0, 0, 0], "{done:#?}");
    assert!(done[0].said.contains("smoke.lua: ok"), "{done:#?}");
    assert!(repository.summary().contains("1 of 1 scripts passed"), "{}", repository.summary());
    assert!(baseline.is_file(), "{done:#?}");

    let Some(done) = repository.calm_job(Event::PullRequest) else { return };
    let [gate, comment] = &done[..] else { panic!("{done:#?}") };
    // 1 where the machine was slower meanwhile; not 3, however far apart its two runs were.
    assert!(gate.shell.contains("--baseline main") && gate.exit <= 1, "{done:#?}");
    assert_eq!(comment.exit, 0, "{done:#?}");
    let told = fs::read_to_string(repository.path("tests/load/comment.md")).unwrap();
    assert_eq!(told, repository.summary());
    let (suite, compared) = told.split_once("### ").unwrap();
    assert!(suite.contains("smoke"), "{told}");
    assert!(compared.contains("| visitors: page | p99 |"), "{told}");
}

#[test]
fn a_pull_request_that_changes_a_script_is_told_that_it_was_not_compared() {
    let repository = Repository::new();
    let Some(done) = repository.calm_job(Event::Push) else { return };
    assert!(done.iter().all(|step| step.exit == 0), "{done:#?}");
    let smoke = repository.path("tests/load/smoke.lua");
    let text = fs::read_to_string(&smoke).unwrap();
    fs::write(&smoke, format!("{text}-- changed\n")).unwrap();
    let Some(done) = repository.calm_job(Event::PullRequest) else { return };
    assert!(done.iter().all(|step| step.exit == 0), "{done:#?}");
    let told = repository.summary();
    assert!(told.contains("### NOT COMPARED") && told.contains("\n* the script's text"), "{told}");
}

#[test]
fn a_step_that_fails_fails_the_job_and_still_says_why() {
    let repository = Repository::new();
    let smoke = repository.path("tests/load/smoke.lua");
    let text = fs::read_to_string(&smoke).unwrap();
    fs::write(&smoke, text.replace("p95 < 10s, goal < 5s", "p95 < 1us")).unwrap();
    let Some(done) = repository.calm_job(Event::Push) else { return };
    let exits: Vec<_> = done.iter().map(|step| step.exit).collect();
    assert_eq!(exits, [1, 0], "nothing is kept of it: {done:#?}");
    assert!(!repository.path("tests/load/results/baselines").exists());
    assert!(repository.summary().contains("p95 < 1us"), "{}", repository.summary());
}
