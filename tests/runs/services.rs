//! Runs that start servers and commands of their own.

use super::*;

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
