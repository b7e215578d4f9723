//! Whole runs of the real binary: what a person or a CI job sees of them.

#![expect(clippy::unwrap_used, reason = "a test that cannot start a run has failed")]

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

#[test]
fn missed_thresholds_are_graded_in_the_exit_code() {
    let held = r#""http.failed rate < 1%""#;
    let missed = r#""http.duration p50 < 1ns""#;
    for (thresholds, exit) in [
        (format!("{held}, {missed}"), 1),
        (missed.to_owned(), 2),
        (format!("{held}, {held}, \"http.duration p50 < 1ns, critical\""), 2),
    ] {
        let output = Bench::with(&fifty_calls(&thresholds)).run(&["script.lua", "--quiet"]);
        assert_eq!(code(&output), exit, "{thresholds}\n{}", stdout(&output));
    }
}

#[test]
fn a_threshold_that_matched_no_sample_fails_and_says_so() {
    let bench = Bench::with(&fifty_calls(r#""http.duration{name=nowhere} p95 < 1s""#));
    let output = bench.run(&["script.lua", "--quiet"]);
    assert_eq!(code(&output), 2);
    assert!(stdout(&output).contains("matched no sample"), "{}", stdout(&output));
}

#[test]
fn a_run_in_which_every_iteration_throws_never_passes() {
    let bench = Bench::with(
        "return { scenarios = { broken = { iterations = 20, run = function(vu)
             local nothing = vu.nothing
             return nothing.field
           end } } }",
    );
    let output = bench.run(&["script.lua", "--quiet"]);
    assert_eq!(code(&output), 3, "{}", stdout(&output));
    let said = stdout(&output);
    assert!(said.contains("SCRIPT_LIMITED"), "{said}");
    assert!(said.contains("script.lua:3"), "{said}");
    let errors = bench.outcome()["script_errors"].clone();
    assert_eq!(errors.as_array().unwrap().len(), 1, "{errors}");
    assert_eq!(errors[0]["count"], 20);
}

#[test]
fn a_run_in_which_every_call_fails_never_passes() {
    let bench = Bench::with(
        r#"local http = require "loadrun.http"
           local param = require "loadrun.param"
           local target = http.client { base = param("url", "", "address") }
           return { scenarios = { calls = { iterations = 5, run = function()
             assert(target:get("/").error == "refused")
           end } } }"#,
    );
    let output = bench.run(&["script.lua", "--quiet", "-p", &format!("url={}", nobody())]);
    assert_eq!(code(&output), 3, "{}", stdout(&output));
    assert!(stdout(&output).contains("TARGET_DOWN"), "{}", stdout(&output));
    let failure = bench.outcome()["failures"][0].clone();
    assert_eq!(failure["kind"], "refused");
    assert_eq!(failure["count"], 5);
}

#[test]
fn a_threshold_marked_abort_ends_the_run_early() {
    let bench = Bench::with(
        r#"local http = require "loadrun.http"
           local time = require "loadrun.time"
           local param = require "loadrun.param"
           local target = http.client { base = param("url", "", "address") }
           return {
             scenarios = { calls = { users = 1, duration = "10m", run = function()
               target:get("/")
               time.sleep("50ms")
             end } },
             thresholds = { "http.failed rate < 1%, abort" },
           }"#,
    );
    let output = bench.run(&["script.lua", "--quiet", "-p", &format!("url={}", nobody())]);
    assert_eq!(code(&output), 3, "{}", stdout(&output));
    assert_eq!(bench.outcome()["run"]["aborted_by"], "http.failed rate < 1%, abort");
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
fn an_interrupted_run_still_reports_and_exits_130() {
    let bench = Bench::with(SLEEPER);
    let mut run = bench.start(&["script.lua"]);
    let mut rest = wait_for(&mut run, "begun");
    send("-INT", &run);
    let mut told = String::new();
    rest.read_to_string(&mut told).unwrap();
    let output = run.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{told}");
    assert!(told.contains("teardown ran"), "{told}");
    assert!(stdout(&output).contains("INCOMPLETE"), "{}", stdout(&output));
    let outcome = bench.outcome();
    assert_eq!(outcome["run"]["interrupted"], true);
    assert!(outcome["scenarios"][0]["started"].as_u64().unwrap() >= 3);
}

#[test]
fn an_interrupt_in_teardown_is_heard_and_a_second_one_ends_it() {
    let bench = Bench::with(
        r#"local time, log = require "loadrun.time", require "loadrun.log"
           return {
             scenarios = { s = { iterations = 1, run = function() end } },
             teardown = function() log.info("tidying up") time.sleep("10m") end,
           }"#,
    );
    let mut run = bench.start(&["script.lua"]);
    let rest = wait_for(&mut run, "tidying up");
    send("-INT", &run);
    run.stderr = Some(rest.into_inner());
    let _rest = wait_for(&mut run, "waiting for teardown (again to stop at once)");
    send("-INT", &run);
    let output = run.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let said = stdout(&output);
    assert!(said.contains("INCOMPLETE: interrupted after the load, in teardown"), "{said}");
}

#[test]
fn a_service_that_ends_meanwhile_keeps_the_run_from_passing() {
    let bench = Bench::with(
        r#"local service, time = require "loadrun.service", require "loadrun.time"
           local fragile = service.command {
             name = "fragile", cmd = { "sh", "-c", "echo up; sleep 0.3; exit 7" },
             ready = { line = "up" },
           }
           return { scenarios = { s = { users = 1, duration = "1s", run = function()
             time.sleep("50ms")
           end } } }"#,
    );
    let output = bench.run(&["script.lua", "--allow-command", "--quiet"]);
    let said = stdout(&output);
    assert_eq!(code(&output), 3, "{said}{}", stderr(&output));
    let expected = "INCOMPLETE: service \"fragile\" ended by itself (exit status: 7)";
    assert!(said.contains(expected), "{said}");
}

#[test]
fn a_second_interrupt_ends_the_run_at_once() {
    let script = SLEEPER.replace("graceful_stop = \"0s\"", "graceful_stop = \"10m\"");
    let bench = Bench::with(&script.replace("200ms", "10m"));
    let mut run = bench.start(&["script.lua"]);
    let rest = wait_for(&mut run, "begun");
    send("-INT", &run);
    run.stderr = Some(rest.into_inner());
    let _rest = wait_for(&mut run, "stopping");
    send("-INT", &run);
    assert_eq!(run.wait_with_output().unwrap().status.code(), Some(130));
    assert_eq!(bench.outcome()["scenarios"][0]["unfinished"], 3);
}

/// A script with a web service of its own that is told where its cache is.
const COMMANDED: &str = r#"
    local check = require "loadrun.check"
    local http = require "loadrun.http"
    local service = require "loadrun.service"
    local cache = service.redis { requirepass = "hunter22secret" }
    local web = service.command {
      name = "web",
      cmd = { "python3", "web.py", "{port}" },
      env = { CACHE_URL = cache },
      ready = "http://127.0.0.1:{port}/",
    }
    local client = http.client { base = web }
    return {
      scenarios = { s = { iterations = 5, run = function()
        local page = client:get("/", { name = "page" })
        check(page, { ["knows its cache"] = page.body == cache.url })
      end } },
      thresholds = { "check.failed rate == 0", "http.failed rate == 0" },
    }"#;

const WEB: &str = r#"
import http.server, os, sys
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = os.environ["CACHE_URL"].encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Page).serve_forever()
"#;

#[test]
fn a_script_runs_commands_only_when_it_is_allowed_to() {
    let bench = Bench::with(COMMANDED);
    bench.write("web.py", WEB);
    let refused = bench.run(&["script.lua"]);
    assert_eq!(code(&refused), 4, "{}", stderr(&refused));
    let expected = "error: service \"web\" would run a command: python3 web.py {port}\n  \
                    --> script.lua:6\n  hint: add --allow-command";
    assert!(stderr(&refused).contains(expected), "{}", stderr(&refused));
    let checked = stdout(&bench.run(&["check", "script.lua"]));
    let expected = "  redis: redis\n  web: python3 web.py {port}  (a command: only with \
                    --allow-command)\n";
    assert!(checked.contains(expected), "{checked}");

    let output = bench.run(&["script.lua", "--allow-command"]);
    let all = format!("{}{}{}", stdout(&output), stderr(&output), bench.outcome());
    assert_eq!(code(&output), 0, "{all}");
    assert!(!all.contains("hunter22secret"), "{all}");
}

/// A script that starts services, says where they are, and then takes its time.
const SERVED: &str = r#"
    local log = require "loadrun.log"
    local sandbox = require "loadrun.sandbox"
    local service = require "loadrun.service"
    local time = require "loadrun.time"
    local target, cache = sandbox.start {}, service.redis { requirepass = "hunter22secret" }
    local stores = { service.postgres {}, service.mariadb {} }
    return {
      setup = function()
        log.info("served at", target.address, cache.address, stores[1].address,
          stores[2].address, "url", cache.url, stores[1].url)
      end,
      scenarios = { s = { users = 1, duration = "10m", graceful_stop = "10m", run = function()
        log.info("begun")
        time.sleep("10m")
      end } },
    }"#;

/// Starts [`SERVED`] in a bench whose temporary folder is `TMPDIR`, waits until its services are
/// up, has `end` end the run, and waits until nothing of the services is left.
fn served_until(end: impl FnOnce(&mut Child, BufReader<std::process::ChildStderr>)) {
    let bench = Bench::with(SERVED);
    let own = bench.0.path().join("tmp");
    fs::create_dir(&own).unwrap();
    for folder in [bench.0.path(), &own] {
        // A server that runs as another user has its folder in there.
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut run = bench.command(&["script.lua"]).env("TMPDIR", &own).spawn().unwrap();
    let mut lines = BufReader::new(run.stderr.take().unwrap());
    let mut told = String::new();
    while !told.ends_with("begun\n") {
        assert_ne!(lines.read_line(&mut told).unwrap(), 0, "ended too early: {told}");
    }
    let line = told.lines().find(|line| line.contains("served at")).unwrap();
    assert!(line.contains("redis://:***@127.0.0.1"), "{line}");
    assert!(line.contains("postgres://postgres:***@127.0.0.1"), "{line}");
    let places: Vec<String> = line
        .split_whitespace()
        .skip_while(|word| *word != "at")
        .skip(1)
        .take(2)
        .map(Into::into)
        .collect();
    for place in &places {
        std::net::TcpStream::connect(place).unwrap();
    }
    assert_eq!(fs::read_dir(&own).unwrap().count(), 4);
    end(&mut run, lines);
    run.wait().unwrap();
    while fs::read_dir(&own).unwrap().count() > 0 {
        std::thread::yield_now();
    }
    for place in &places {
        TcpListener::bind(place).unwrap();
    }
}

#[test]
fn services_of_a_killed_run_leave_nothing() {
    served_until(|run, _| send("-KILL", run));
}

#[test]
fn services_of_a_run_that_is_interrupted_twice_leave_nothing() {
    served_until(|run, lines| {
        send("-INT", run);
        run.stderr = Some(lines.into_inner());
        let _rest = wait_for(run, "stopping");
        send("-INT", run);
        run.wait().unwrap();
    });
}

#[test]
fn services_of_a_run_that_is_told_to_end_leave_nothing() {
    served_until(|run, lines| {
        run.stderr = Some(lines.into_inner());
        send("-TERM", run);
        let _rest = wait_for(run, "stopping");
        send("-TERM", run);
        run.wait().unwrap();
    });
}

#[test]
fn a_run_with_its_own_redis_passes_and_keeps_the_password_to_itself() {
    let script = SERVED
        .replace("users = 1, duration = \"10m\"", "iterations = 1")
        .replace("time.sleep(\"10m\")", "log.info(cache.url)");
    let bench = Bench::with(&script);
    let output = bench.run(&["script.lua"]);
    let all = format!("{}{}{}", stdout(&output), stderr(&output), bench.outcome());
    assert_eq!(code(&output), 0, "{all}");
    assert!(!all.contains("hunter22secret"), "{all}");
    assert_eq!(bench.outcome()["plan"]["services"][1]["name"], "redis");
    let checked = stdout(&bench.run(&["check", "script.lua"]));
    assert!(
        checked.contains(
            "services it starts\n  sandbox: sandbox\n  redis: redis\n  \
                               postgres: postgres\n  mariadb: mariadb\n"
        ),
        "{checked}"
    );
}

#[test]
fn a_service_that_cannot_be_had_ends_the_run_before_it_begins() {
    let script = SERVED.replace("service.redis {", "service.redis { config = { nonsense = 1 }, ");
    let bench = Bench::with(&script);
    let output = bench.run(&["script.lua"]);
    assert_eq!(code(&output), 4, "{}", stderr(&output));
    let said = stderr(&output);
    assert!(said.contains("error: service \"redis\" ended before it was ready"), "{said}");
    assert!(said.contains("nonsense"), "{said}");
    assert!(said.contains("--> script.lua:6"), "{said}");
    assert!(!said.contains("served at"), "{said}");
}

#[test]
fn a_program_that_is_missing_is_told_in_one_line_with_what_to_install() {
    let bench = Bench::with(SERVED);
    let output = bench.command(&["script.lua"]).env("PATH", "").output().unwrap();
    assert_eq!(code(&output), 4, "{}", stderr(&output));
    let expected = "error: service \"redis\": no redis-server on this machine; install it: apt \
                    install redis-server (Debian), dnf install valkey (Fedora), brew install redis \
                    (macOS)\n  --> script.lua:6\n";
    assert!(stderr(&output).contains(expected), "{}", stderr(&output));
}

#[test]
fn a_service_whose_port_was_taken_meanwhile_is_started_at_another() {
    let bench = Bench::with(
        r#"local log = require "loadrun.log"
           local cache = require("loadrun.service").redis {}
           return {
             setup = function() log.info("served at", cache.address) end,
             scenarios = { s = { iterations = 1, run = function() end } },
           }"#,
    );
    // Found first, it tells its port, waits until that is taken, and ends; from the second time on
    // it is the server itself.
    let program = bench.0.path().join("redis-server");
    bench.write(
        "redis-server",
        r#"#!/bin/sh
here=$(dirname "$0")
if [ -e "$here/port" ]; then PATH=${PATH#*:} exec redis-server "$@"; fi
sed -n 's/^port //p' redis.conf > "$here/told" && mv "$here/told" "$here/port"
until [ -e "$here/taken" ]; do sleep 0.01; done
exit 1
"#,
    );
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let mut path = bench.0.path().as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap());
    let run = bench.command(&["script.lua"]).env("PATH", path).spawn().unwrap();
    let port = loop {
        match fs::read_to_string(bench.0.path().join("port")) {
            Ok(port) => break port.trim().to_owned(),
            Err(_) => std::thread::sleep(std::time::Duration::from_millis(5)),
        }
    };
    let _faster = TcpListener::bind(format!("127.0.0.1:{port}")).unwrap();
    bench.write("taken", "");
    let output = run.wait_with_output().unwrap();
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let said = stderr(&output);
    assert!(said.contains("served at 127.0.0.1:") && !said.contains(&port), "{said}");
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
fn every_shipped_script_passes_check_without_traffic() {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let bench = Bench::new();
    let mut seen = 0;
    for entry in fs::read_dir(scripts).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "lua") {
            continue;
        }
        let output = bench.run(&["check", path.to_str().unwrap()]);
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        assert!(stdout(&output).contains("scenarios"), "{}", stdout(&output));
        seen += 1;
    }
    assert!(seen >= 4, "only {seen} scripts found");
}

/// Runs a shipped script, made short, on servers of its own; what its summary says.
fn shipped(script: &str, parameters: &[&str]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(script);
    let mut arguments = vec![path.to_str().unwrap(), "--quiet"];
    arguments.extend(parameters.iter().flat_map(|parameter| ["-p", parameter]));
    let output = Bench::new().run(&arguments);
    let said = stdout(&output) + &stderr(&output);
    assert!(said.contains("thresholds") && !said.contains("script errors"), "{said}");
    said
}

/// Asserts that thresholds were held which do not depend on how fast the machine is.
fn hold(said: &str, thresholds: &[&str]) {
    for threshold in thresholds {
        let held = said.lines().any(|line| {
            line.trim_start().strip_prefix("held").is_some_and(|it| it.contains(threshold))
        });
        assert!(held, "{threshold}\n{said}");
    }
}

/// The same on every database at once: most of it is waiting.
fn on_every_database(check: impl Fn(&str) + Sync) {
    std::thread::scope(|scope| {
        for kind in ["kind=sqlite", "kind=postgres", "kind=mariadb"] {
            let check = &check;
            scope.spawn(move || check(kind));
        }
    });
}

#[test]
fn no_money_is_lost_where_many_move_it_between_few_accounts() {
    on_every_database(|kind| {
        let said = shipped("sql_contention.lua", &[kind, "duration=1s"]);
        hold(&said, &["money.difference value == 0, critical"]);
        assert!(said.contains("transfer"), "{said}");
    });
}

#[test]
fn every_statement_of_the_sql_bench_finds_what_it_asks_for_on_every_database() {
    on_every_database(|kind| {
        let said = shipped("sql_bench.lua", &[kind, "duration=1s", "rows=1000"]);
        hold(&said, &["sql.failed rate == 0", "check.failed rate == 0", "the item asked for"]);
        for name in ["by key", "by index", "join", "page", "insert 100", "all columns", "search"] {
            assert!(said.lines().any(|line| line.trim_start().starts_with(name)), "{name}\n{said}");
        }
    });
}

#[test]
fn every_scenario_of_caches_and_pools_finds_what_it_looks_for_on_servers_of_its_own() {
    let all: [(&str, &[&str], &[&str]); 5] = [
        ("cache_mix.lua", &["step=200ms"], &["cache.hits rate >= 80%", "redis.failed rate < 0.1%"]),
        (
            "cache_aside.lua",
            &["seconds=1", "products=100"],
            &["rush.loads count <= 100", "check.failed rate == 0"],
        ),
        (
            "pubsub.lua",
            &["seconds=1", "rate=200"],
            &["pubsub.disordered rate == 0", "redis.failed rate == 0"],
        ),
        (
            "pool_limits.lua",
            &["seconds=1"],
            &["sql.failed{scenario=waiting} rate == 0", "server.busy max <= 20"],
        ),
        (
            "cache_scale.lua",
            &["seconds=1", "memory=1"],
            &[
                "redis.failed rate == 0",
                "scale.overhead{size=100, entries=10000} max <= 200B",
                "scale.gone{by=lru} count > 0",
                "scale.gone{by=ttl} count > 0",
            ],
        ),
    ];
    std::thread::scope(|scope| {
        for (script, parameters, thresholds) in all {
            scope.spawn(move || hold(&shipped(script, parameters), thresholds));
        }
    });
}

#[test]
fn a_stalled_target_is_measured_as_arithmetic_says() {
    // It tells that a busy machine cannot be believed; a wrong loadrun is wrong each time.
    let mut outputs = (0..5).map(|_| Bench::new().run(&["selftest", "--quiet"]));
    let output = outputs.find(|output| code(output) != 3);
    let output = output.expect("what is measured differs, or this machine is too busy");
    assert_eq!(code(&output), 0, "{}{}", stdout(&output), stderr(&output));
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
fn a_failing_teardown_keeps_the_run_from_passing() {
    let bench = Bench::with(
        r#"return {
             scenarios = { s = { iterations = 1, run = function() end } },
             teardown = function() error("the books do not balance") end,
             thresholds = { "ledger.lost count == 0" },
           }"#,
    );
    let output = bench.run(&["script.lua", "--quiet"]);
    assert_eq!(code(&output), 3, "{}", stdout(&output));
    assert!(stdout(&output).contains("the books do not balance"), "{}", stdout(&output));
}

/// A server that answers each request with the next of `statuses`, and the last one from then on.
fn answering(statuses: Vec<u16>) -> String {
    use std::io::Write;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let statuses = std::sync::Arc::new(std::sync::Mutex::new(statuses));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, statuses) = (stream.unwrap(), std::sync::Arc::clone(&statuses));
            std::thread::spawn(move || {
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                while let Some(Ok(line)) = lines.next() {
                    if !line.is_empty() {
                        continue;
                    }
                    let mut left = statuses.lock().unwrap();
                    let status = if left.len() > 1 { left.remove(0) } else { left[0] };
                    drop(left);
                    let reply = format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\n\r\n");
                    if stream.write_all(reply.as_bytes()).is_err() {
                        break;
                    }
                }
            });
        }
    });
    address
}

/// A script with one user that calls `url` every 100 ms for `duration`.
fn ten_a_second(duration: &str, thresholds: &str) -> String {
    format!(
        r#"
        local http = require "loadrun.http"
        local param = require "loadrun.param"
        local target = http.client {{ base = param("url", "", "address") }}
        return {{
          scenarios = {{ calls = {{ rate = 10, duration = "{duration}", run = function()
            target:get("/")
          end }} }},
          thresholds = {{ {thresholds} }},
        }}"#
    )
}

#[test]
fn failures_of_the_last_second_count_in_a_window() {
    let script = ten_a_second("2s", r#""http.failed rate < 1% over 1s", "http.failed rate < 90%""#);
    let bench = Bench::with(&script);
    let mut statuses = vec![200; 15];
    statuses.push(500);
    let url = format!("url={}", answering(statuses));
    let output = bench.run(&["script.lua", "--quiet", "-p", &url]);
    assert_eq!(code(&output), 1, "{}", stdout(&output));
    assert_eq!(bench.outcome()["thresholds"][0]["limit_held"], false);
}

#[test]
fn a_limit_that_aborted_the_run_stays_missed_however_well_the_rest_goes() {
    let thresholds = r#""http.failed rate < 50%, abort""#;
    let script = ten_a_second("10m", thresholds);
    let bench = Bench::with(&script);
    let mut statuses = vec![500; 9];
    statuses.push(200);
    let url = format!("url={}", answering(statuses));
    let output = bench.run(&["script.lua", "--quiet", "-p", &url]);
    assert_eq!(code(&output), 3, "{}", stdout(&output));
    let outcome = bench.outcome();
    assert_eq!(outcome["verdict"], "INCOMPLETE");
    assert_eq!(outcome["thresholds"][0]["limit_held"], false);
    assert_eq!(outcome["run"]["interrupted"], false);
}

#[test]
fn iterations_that_hang_to_the_end_keep_the_run_from_passing() {
    // Accepts, and says nothing.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("url=http://{}", listener.local_addr().unwrap());
    let script = ten_a_second("1s", "").replace("rate = 10", "graceful_stop = 0, rate = 10");
    let bench = Bench::with(&script);
    let output = bench.run(&["script.lua", "--quiet", "-p", &url]);
    assert_eq!(code(&output), 3, "{}", stdout(&output));
    let said = stdout(&output);
    assert!(said.contains("10 of 10 iterations were cut off unfinished"), "{said}");
}

#[test]
fn fixed_work_that_was_not_done_in_its_time_is_incomplete() {
    let bench = Bench::with(
        r#"local time = require "loadrun.time"
           return { scenarios = { s = { iterations = 100, duration = "500ms", run = function()
             time.sleep("100ms")
           end } } }"#,
    );
    let output = bench.run(&["script.lua", "--quiet"]);
    assert_eq!(code(&output), 3, "{}", stdout(&output));
    assert!(stdout(&output).contains("of 100 iterations when its time was over"));
}

#[test]
fn a_slow_load_of_the_script_is_not_held_against_it() {
    let bench = Bench::with(
        r#"local n = 0
           for i = 1, 3e7 do n = n + i end
           local time = require "loadrun.time"
           return { scenarios = { s = { users = 1, duration = "1s", run = function()
             time.sleep("100ms")
           end } } }"#,
    );
    let output = bench.run(&["script.lua", "--quiet"]);
    assert_eq!(code(&output), 0, "{}", stdout(&output));
}

#[test]
fn a_declared_counter_that_nobody_adds_to_is_zero() {
    let bench = Bench::with(
        r#"local metric = require "loadrun.metric"
           local mishaps = metric.counter("shop.mishaps")
           return {
             scenarios = { s = { iterations = 1, run = function() end } },
             thresholds = { "shop.mishaps count == 0" },
           }"#,
    );
    let output = bench.run(&["script.lua", "--quiet"]);
    assert_eq!(code(&output), 0, "{}", stdout(&output));
}

#[test]
fn too_slow_a_generator_is_named_and_never_passes() {
    let bench = Bench::with(
        r#"return { scenarios = { s = { rate = 20, duration = "2s", max_users = 1000, run = function()
             local n = 0
             for i = 1, 2e7 do n = n + i end
           end } } }"#,
    );
    let output = bench.run(&["script.lua", "--quiet", "--workers", "1"]);
    assert_eq!(code(&output), 3, "{}", stdout(&output));
    assert!(stdout(&output).contains("GENERATOR_LIMITED"), "{}", stdout(&output));
}

#[test]
fn users_that_never_come_through_their_init_keep_the_run_from_passing() {
    let bench = Bench::with(
        r#"local time = require "loadrun.time"
           return { scenarios = { s = {
             users = 10, duration = "1s", graceful_stop = 0,
             init = function(vu) if vu.id > 1 then time.sleep("10m") end end,
             run = function() time.sleep("100ms") end,
           } } }"#,
    );
    let output = bench.run(&["script.lua", "--quiet"]);
    assert_eq!(code(&output), 3, "{}", stdout(&output));
    let said = stdout(&output);
    assert!(said.contains("9 users never came through their init"), "{said}");
}

#[test]
fn failures_beyond_the_limit_of_series_keep_their_kind() {
    let bench = Bench::with(
        r#"local http = require "loadrun.http"
           local param = require "loadrun.param"
           local target = http.client { base = param("url", "", "address") }
           return {
             scenarios = { s = { iterations = 600, run = function(vu)
               target:get("/", { name = "op" .. vu.iteration })
             end } },
             thresholds = { "http.failed{kind=status} count == 0" },
           }"#,
    );
    let mut statuses = vec![200; 300];
    statuses.push(500);
    let url = format!("url={}", answering(statuses));
    let output = bench.run(&["script.lua", "--quiet", "--workers", "1", "-p", &url]);
    assert_eq!(bench.outcome()["thresholds"][0]["value"], 300.0, "{}", stdout(&output));
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
