//! What is broken outside of loadrun: servers it did not start, and how they are put right, also
//! when loadrun is killed in the middle.

#![expect(clippy::unwrap_used, reason = "a test that cannot start a run has failed")]

mod bench;
mod door;
mod killed;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use bench::{Bench, kill, server, settings, until};
use loadrun::service::Running;
use serde_json::Value;

#[tokio::test]
async fn every_fault_of_a_redis_shows_its_effect_and_is_put_back() {
    let redis = server("redis", &[("maxclients", "500")]).await;
    let before = settings(redis.url());
    let faults = r#"
      { at = "1s", for_ = "1s", on = other, kind = "maxmemory", share = "50%" },
      { at = "3s", for_ = "1s", on = other, kind = "maxmemory", share = "50%", name = "evicts",
        policy = "allkeys-lru", irreversible = true },
      { at = "5s", for_ = "1s", on = other, kind = "wrong_password" },
      { at = "7s", for_ = "1s", on = other, kind = "maxclients", clients = 0 },
      { at = "9s", for_ = "1s", on = other, kind = "kill_clients" },
      { at = "11s", for_ = "1s", on = other, kind = "client_pause" },
      { at = "13s", for_ = "1s", on = other, kind = "client_pause", mode = "write" },
    "#;
    let bench = Bench::on_redis(redis.url(), "15s", faults);
    let (told, outcome) = bench.run();
    for (at, effect) in [
        (0, "commands refused"),
        (1, "keys evicted"),
        (2, "refused"),
        (3, "refused"),
        (4, "connections closed"),
        (5, "its commands waited"),
        (6, "its commands waited"),
    ] {
        let fault = &outcome["faults"][at];
        assert_eq!((&fault["unclean"], &fault["failed"]), (&Value::Null, &Value::Null), "{told}");
        assert!(fault["effect"].as_str().unwrap_or_default().contains(effect), "{fault}\n{told}");
        let failed = fault["recovery"]["fault"]["failed"].as_u64().unwrap();
        // Evicting lets writes in, and a connection closed between two calls is opened again.
        assert!(failed > 0 || at == 1 || at == 4, "{fault}\n{told}");
        // A pause ends a slice late, and a busy machine is later still; none lasts for the run.
        let stood = fault["cleared"].as_f64().unwrap() - fault["injected"].as_f64().unwrap();
        assert!((0.9..8.0).contains(&stood), "{fault}");
    }
    assert_eq!(settings(redis.url()), before);
    assert_eq!(bench.journals(), [] as [PathBuf; 0]);
    redis.stop().await.unwrap();
}

#[tokio::test]
async fn every_fault_of_a_database_shows_its_effect_and_is_let_go() {
    for kind in ["postgres", "mariadb"] {
        let database = server(kind, &[("max_connections", "12")]).await;
        let bench = Bench::new(&format!(
            r#"
            local sql = require "loadrun.sql"
            local client = sql.client {{ url = "{url}", size = 4, timeout = "300ms" }}
            local other = "{url}"
            return {{
              setup = function() client:execute("CREATE TABLE orders (id INT PRIMARY KEY)") end,
              scenarios = {{ s = {{ rate = 30, duration = "7s", run = function(vu)
                client:query("SELECT * FROM orders")
              end }} }},
              faults = {{
                {{ at = "1s", for_ = "1s", on = other, kind = "lock_table", table = "orders" }},
                {{ at = "3s", for_ = "1s", on = other, kind = "kill_connections" }},
                {{ at = "5s", for_ = "1s", on = other, kind = "exhaust_connections" }},
              }},
            }}
            "#,
            url = database.url(),
        ));
        let (told, outcome) = bench.run();
        for (at, effect) in
            [(0, "sessions waited"), (1, "connections ended"), (2, "connections held")]
        {
            let fault = &outcome["faults"][at];
            assert_eq!(fault["unclean"], Value::Null, "{kind}: {told}");
            assert!(
                fault["effect"].as_str().unwrap_or_default().contains(effect),
                "{kind}: {told}"
            );
        }
        let failed = |at: usize| outcome["faults"][at]["recovery"]["fault"]["failed"].as_u64();
        assert!(failed(0).unwrap() > 0 && failed(1).unwrap() > 0, "{kind}: {told}");
        assert!(!told.contains(database.url().split_once('@').unwrap().0), "{kind}: a password");
        database.stop().await.unwrap();
    }
}

#[tokio::test]
async fn a_run_that_is_killed_leaves_a_redis_as_it_was() {
    let redis = server("redis", &[]).await;
    let before = settings(redis.url());
    for kind in ["wrong_password", "maxclients\", clients = \"0", "maxmemory\", share = \"10%"] {
        let fault = format!(r#"{{ at = 0, for_ = "1h", on = other, kind = "{kind}" }}"#);
        let bench = Bench::on_redis(redis.url(), "30s", &fault);
        let mut run = bench.command(&["script.lua"]).spawn().unwrap();
        until(|| settings(redis.url()) != before).await;
        let journals = bench.journals();
        let mode = std::fs::metadata(&journals[0]).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "it may hold passwords");
        kill(&mut run);
        until(|| settings(redis.url()) == before && bench.journals().is_empty()).await;
    }
    redis.stop().await.unwrap();
}

/// The process that watches over a journal. One that was just started has no arguments yet.
pub async fn watchdog(journal: &Path) -> u32 {
    loop {
        let shown = Command::new("ps").args(["-eo", "pid=,args="]).output().unwrap();
        let text = String::from_utf8(shown.stdout).unwrap();
        let watches = |line: &&str| {
            line.contains("undo --watch") && line.ends_with(journal.to_str().unwrap())
        };
        if let Some(line) = text.lines().find(watches) {
            return line.split_whitespace().next().unwrap().parse().unwrap();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A run and its watchdog, both killed while a fault stands; the journal stays.
async fn both_killed(bench: &Bench, redis: &Running, before: &str) -> PathBuf {
    let mut run = bench.command(&["script.lua"]).spawn().unwrap();
    until(|| settings(redis.url()) != before && !bench.journals().is_empty()).await;
    let journal = bench.journals().remove(0);
    let watchdog = watchdog(&journal).await.to_string();
    assert!(Command::new("kill").args(["-KILL", &watchdog]).status().unwrap().success());
    kill(&mut run);
    assert_ne!(settings(redis.url()), before);
    journal
}

#[tokio::test]
async fn what_nobody_could_undo_is_undone_by_the_command_and_before_the_next_run() {
    let redis = server("redis", &[]).await;
    let before = settings(redis.url());
    let fault = r#"{ at = 0, for_ = "1h", on = other, kind = "wrong_password" }"#;
    let bench = Bench::on_redis(redis.url(), "30s", fault);
    let journal = both_killed(&bench, &redis, &before).await;
    // What was broken later cannot be put right before the password is.
    let later = serde_json::json!({ "open": { "number": 1, "what": "maxmemory", "undo": { "Redis": {
        "url": redis.url(), "password": null, "settings": [["maxmemory", "0"]],
    } } } });
    let known = std::fs::read_to_string(&journal).unwrap();
    std::fs::write(&journal, format!("{known}{later}\n")).unwrap();
    let undone = bench.command(&["undo"]).output().unwrap();
    let told = String::from_utf8_lossy(&undone.stderr);
    assert_eq!(undone.status.code(), Some(0), "{told}");
    assert!(told.contains("put right: maxmemory"), "{told}");
    assert!(told.contains("a run of script.lua died and left something broken"), "{told}");
    assert!(told.contains("put right: requirepass of the Redis"), "{told}");
    assert_eq!(settings(redis.url()), before);
    // Twice is once.
    let again = bench.command(&["undo"]).output().unwrap();
    assert_eq!(again.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&again.stderr).starts_with("nothing is left broken"));

    both_killed(&bench, &redis, &before).await;
    std::fs::write(
        bench.0.path().join("next.lua"),
        "return { scenarios = { s = { iterations = 1, run = function() end } } }",
    )
    .unwrap();
    let next = bench.command(&["next.lua"]).output().unwrap();
    let told = String::from_utf8_lossy(&next.stderr);
    assert_eq!(next.status.code(), Some(0), "{told}");
    assert!(told.contains("put right: requirepass of the Redis"), "{told}");
    assert_eq!(settings(redis.url()), before);
    redis.stop().await.unwrap();
}

#[tokio::test]
async fn a_run_does_not_begin_while_something_is_still_broken() {
    let redis = server("redis", &[]).await;
    let before = settings(redis.url());
    let fault = r#"{ at = 0, for_ = "1h", on = other, kind = "wrong_password" }"#;
    let bench = Bench::on_redis(redis.url(), "30s", fault);
    let journal = both_killed(&bench, &redis, &before).await;
    redis.stop().await.unwrap();
    let next = bench.command(&["script.lua"]).output().unwrap();
    let told = String::from_utf8_lossy(&next.stderr);
    assert_eq!(next.status.code(), Some(4), "{told}");
    assert!(told.contains("is still broken: "), "{told}");
    assert!(told.contains(&format!("or remove {}", journal.display())), "{told}");
    let undone = bench.command(&["undo"]).output().unwrap();
    assert_eq!(undone.status.code(), Some(3));
    assert!(journal.exists());
}

#[tokio::test]
async fn a_run_that_is_under_way_is_left_alone() {
    let redis = server("redis", &[]).await;
    let before = settings(redis.url());
    let fault = r#"{ at = 0, for_ = "1h", on = other, kind = "maxmemory", share = "10%" }"#;
    let bench = Bench::on_redis(redis.url(), "30s", fault);
    let mut run = bench.command(&["script.lua"]).spawn().unwrap();
    until(|| settings(redis.url()) != before).await;
    let undone = bench.command(&["undo"]).output().unwrap();
    assert_eq!(undone.status.code(), Some(0));
    assert_ne!(settings(redis.url()), before);
    kill(&mut run);
    until(|| settings(redis.url()) == before).await;
    redis.stop().await.unwrap();
}

#[tokio::test]
async fn a_fault_that_cannot_be_undone_makes_the_run_unclean_and_says_what_mends_it() {
    let redis = server("redis", &[]).await;
    let fault = r#"{ at = "1s", for_ = "2s", on = other, kind = "maxmemory", share = "10%" }"#;
    let bench = Bench::on_redis(redis.url(), "5s", fault);
    let before = settings(redis.url());
    let run = bench.command(&["script.lua"]).spawn().unwrap();
    until(|| settings(redis.url()) != before).await;
    redis.stop().await.unwrap();
    let run = run.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&run.stdout);
    assert_eq!(run.status.code(), Some(3), "{told}");
    assert!(told.contains("UNCLEAN") && told.contains("`loadrun undo` puts it back"), "{told}");
}

#[test]
fn a_fault_of_what_is_not_there_is_told_and_the_run_is_not_valid() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    drop(taken);
    let script = format!(
        r#"return {{
          scenarios = {{ s = {{ users = 1, duration = "1s", run = function()
            require "loadrun.time".sleep(0.1)
          end }} }},
          faults = {{ {{ at = 0, for_ = "1s", on = "redis://127.0.0.1:{port}", kind = "kill_clients" }} }},
        }}"#
    );
    let run = Bench::new(&script).command(&["script.lua"]).output().unwrap();
    let told = String::from_utf8_lossy(&run.stdout);
    assert_eq!(run.status.code(), Some(3), "{told}");
    assert!(told.contains("INCOMPLETE") && told.contains("could not begin: PING: "), "{told}");
}

#[test]
fn what_is_not_on_this_machine_is_out_of_reach_before_anything_is_started() {
    let script = r#"local fault = require "loadrun.fault"
    local target = require "loadrun.sandbox".start()
    local near = fault.proxy { name = "near", upstream = target }
    local far = fault.proxy { name = "far", upstream = "http://shop.test/v1" }
    return {
      scenarios = { s = { users = 1, duration = "1s", run = function() end } },
      faults = {
        { at = 0, for_ = "1s", on = "redis://:pw@db.test:6379", kind = "kill_clients" },
        { at = 0, for_ = "1s", on = target, kind = "pause" },
      },
    }"#;
    let bench = Bench::new(script);
    let checked = bench.command(&["check", "script.lua"]).output().unwrap();
    let told = String::from_utf8_lossy(&checked.stdout);
    let only = |host| format!("  (not on this machine: only with --allow-fault {host})\n");
    for listed in [
        "far: proxy upstream=http://shop.test/v1".to_owned() + &only("shop.test"),
        "kill_clients: on redis://:pw@db.test:6379, from 0 s for 1 s".to_owned() + &only("db.test"),
        "near: proxy upstream=service:sandbox\n".to_owned(),
    ] {
        assert!(told.contains(&listed), "{told}");
    }
    let mut run = bench.command(&["script.lua"]);
    std::fs::write(bench.0.path().join("file"), "").unwrap();
    let state = bench.0.path().join("file");
    let run = run.env("XDG_STATE_HOME", &state).output().unwrap();
    let told = String::from_utf8_lossy(&run.stderr);
    assert_eq!(run.status.code(), Some(4), "{told}");
    let expected = format!(
        "error: the proxy \"far\" leads to shop.test, which is not on this machine\n  \
           --> script.lua:4\n  \
           hint: add --allow-fault shop.test if it may be broken\n\n\
         error: the fault \"kill_clients\" is on db.test, which is not on this machine\n  \
           --> script.lua:8\n  \
           hint: add --allow-fault db.test if it may be broken\n\n\
         error: the fault \"pause\" cannot be written down in {}/loadrun: not a directory\n  \
           --> script.lua:9\n  \
           hint: from there it is undone should this run be killed. Set XDG_STATE_HOME to a folder \
         that can be written to\n",
        state.display()
    );
    assert!(told.ends_with(&expected), "{told}\n{expected}");
}

#[test]
fn a_script_that_may_break_things_itself_is_warned_where_nothing_can_be_written_down() {
    let bench = timeline(
        r#"
        local well, why = pcall(fault.start, target, { kind = "pause", for_ = "1s" })
        assert(not well and tostring(why):find("so nothing was broken", 1, true), why)
        local away = { kind = "kill_clients", for_ = "1s" }
        well, why = pcall(fault.start, "redis://10.0.0.9:6379", away)
        assert(not well and tostring(why):find("--allow-fault 10.0.0.9", 1, true), why)
        "#,
    );
    std::fs::write(bench.0.path().join("file"), "").unwrap();
    let mut run = bench.command(&["script.lua"]);
    let run = run.env("XDG_STATE_HOME", bench.0.path().join("file")).output().unwrap();
    let told = String::from_utf8_lossy(&run.stderr);
    assert!(told.contains("so no service will be paused"), "{told}");
    assert!(!told.contains("traceback"), "{told}");
}

/// A script whose one iteration is the code, beside a practice target.
fn timeline(code: &str) -> Bench {
    Bench::new(&format!(
        r#"
        local fault = require "loadrun.fault"
        local http = require "loadrun.http"
        local sandbox = require "loadrun.sandbox"
        local target = sandbox.start()
        local link = fault.proxy {{ name = "link", upstream = target }}
        local api = http.client {{ base = link, timeout = "300ms" }}
        local function well() return api:get("/items/1").status == 200 end
        return {{ scenarios = {{ s = {{ iterations = 1, run = function()
          {code}
        end }} }} }}
        "#
    ))
}

#[test]
fn a_fault_stands_while_a_function_runs_and_no_longer() {
    let bench = timeline(
        r#"
        assert(well())
        local given = fault.during(target, { kind = "pause", for_ = "1h" }, function(standing)
          assert(standing.name == "pause")
          assert(not well())
          return "given"
        end)
        assert(given == "given")
        assert(well())
        local failed = pcall(fault.during, link, { kind = "down", for_ = "1h" }, function()
          assert(not well())
          error("on purpose")
        end)
        assert(not failed)
        assert(well())
        "#,
    );
    let (told, outcome) = bench.run();
    assert_eq!(outcome["script_errors"], Value::Array(Vec::new()), "{told}");
    assert_eq!(outcome["faults"][0]["name"], "pause");
    assert_eq!(outcome["faults"][1]["name"], "down");
    assert_eq!(outcome["verdict"], "VALID", "{told}");
}

#[test]
fn a_fault_that_was_started_ends_when_cleared_at_its_lease_and_with_its_block() {
    let bench = timeline(
        r#"
        local standing = fault.start(link, { kind = "down", for_ = "1h", name = "gone" })
        assert(not well())
        local record = standing:clear()
        assert(record.stood > 0 and well())
        assert(standing:clear().stood == record.stood)

        fault.start(link, { kind = "down", for_ = "400ms" })
        assert(not well())
        require "loadrun.time".sleep("800ms")
        assert(well())

        do
          local closed <close> = fault.start(link, { kind = "down", for_ = "1h" })
          assert(not well())
        end
        require "loadrun.time".sleep("200ms")
        assert(well())

        local first <close> = fault.start(target, { kind = "pause", for_ = "1h" })
        local both, why = pcall(fault.start, target, { kind = "kill", for_ = "1s" })
        assert(not both and tostring(why):find("contradicts the fault \"pause\"", 1, true), why)
        "#,
    );
    let (told, outcome) = bench.run();
    assert_eq!(outcome["script_errors"], Value::Array(Vec::new()), "{told}");
    let names: Vec<_> =
        outcome["faults"].as_array().unwrap().iter().map(|fault| &fault["name"]).collect();
    assert_eq!(names, ["gone", "down", "down-2", "pause", "kill"], "{told}");
    assert!(outcome["faults"].as_array().unwrap().iter().all(|f| f["unclean"] == Value::Null));
}

#[test]
fn what_is_wrong_with_a_fault_is_told_at_the_line_that_asks_for_it() {
    let bench = timeline(
        r#"
        for _, wrong in ipairs {
          { link, { kind = "down" }, "no `for_`; add `for_ = ...`: how long it lasts at most" },
          { link, { kind = "donw", for_ = 1 }, "unknown kind \"donw\"; did you mean \"down\"?" },
          { target, { kind = "latency", for_ = 1 }, "it is a fault of a fault.proxy that leads to it" },
          { link, { kind = "down", for_ = 1, at = 3 }, "`at` is for `faults`" },
          { "redis://127.0.0.1:1", { kind = "pause", for_ = 1 }, "a redis that the run did not start" },
          { link, "down", "expected { kind = \"latency\", for_ = \"10s\", ... }, got \"down\"" },
        } do
          local well, why = pcall(fault.start, wrong[1], wrong[2])
          assert(not well and tostring(why):find(wrong[3], 1, true), why)
          assert(tostring(why):find("script.lua:", 1, true), why)
        end
        "#,
    );
    let (told, outcome) = bench.run();
    assert_eq!(outcome["script_errors"], Value::Array(Vec::new()), "{told}");
    assert_eq!(outcome["faults"], Value::Array(Vec::new()));
}
