//! `kill -9` of a run in every state a fault can be in: written down and not yet done, half done,
//! standing, half undone, undone and not yet written down. Nothing stays broken.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command};

use loadrun::service::Running;
use rustix::process::{Pid, Signal, kill_process};

use super::bench::{Bench, asked, kill, place, server, settings, until};
use super::door::{Door, Hold};

/// A run that does what it is told by way of keys in a Redis: it breaks something when `go` is
/// there, says so with `stands`, and ends that when `end` is there.
struct Told {
    bench: Bench,
    run: Child,
    signals: Running,
}

impl Told {
    async fn new(declared: &str, on: &str, fault: &str) -> Self {
        let signals = server("redis", &[]).await;
        let bench = Bench::new(&format!(
            r#"
            local fault = require "loadrun.fault"
            local redis = require "loadrun.redis"
            local service = require "loadrun.service"
            local time = require "loadrun.time"
            local signals = redis.client {{ url = "{url}" }}
            local function prepare() end
            {declared}
            local function wait(key)
              while not signals:get(key) do time.sleep("5ms") end
            end
            return {{ scenarios = {{ s = {{ iterations = 1, run = function()
              prepare()
              signals:set("ready", "1")
              wait "go"
              fault.during({on}, {{ {fault}, for_ = "1h" }}, function()
                signals:set("stands", "1")
                wait "end"
              end)
              signals:set("over", "1")
              wait "never"
            end }} }} }}
            "#,
            url = signals.url(),
        ));
        let run = bench.command(&["script.lua"]).spawn().unwrap();
        let told = Self { bench, run, signals };
        told.says("ready").await;
        told
    }

    async fn says(&self, key: &str) {
        until(|| asked(self.signals.url(), &format!("EXISTS {key}")).starts_with(":1")).await;
    }

    fn tell(&self, key: &str) {
        asked(self.signals.url(), &format!("SET {key} 1"));
    }

    /// Whether something is written down as broken, and not as put right.
    fn is_open(&self) -> bool {
        let journals = self.bench.journals();
        let text = journals.first().map(|path| std::fs::read_to_string(path).unwrap_or_default());
        text.is_some_and(|text| text.contains("{\"open\":") && !text.contains("{\"done\":"))
    }

    fn signal(&self, signal: Signal) {
        send(self.run.id(), signal);
    }
}

fn send(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
}

/// Processes with their parents and states, those left out that have ended.
fn processes() -> Vec<(u32, u32, String)> {
    let shown = Command::new("ps").args(["-eo", "pid=,ppid=,stat="]).output().unwrap();
    let text = String::from_utf8(shown.stdout).unwrap();
    let all = text.lines().map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        (fields[0].parse().unwrap(), fields[1].parse().unwrap(), fields[2].to_owned())
    });
    all.filter(|(.., state)| !state.starts_with('Z')).collect()
}

fn children(of: u32) -> Vec<u32> {
    let all = processes().into_iter().filter(|(_, parent, _)| *parent == of);
    all.map(|(pid, ..)| pid).collect()
}

fn are_still(pids: &[u32]) -> bool {
    let all = processes();
    pids.iter()
        .all(|pid| all.iter().any(|(other, _, state)| other == pid && state.starts_with('T')))
}

fn are_gone(pids: &[u32]) -> bool {
    processes().iter().all(|(pid, ..)| !pids.contains(pid))
}

/// How many bytes lie in the pipe to a process that it has not read.
fn unread(pid: u32) -> u64 {
    let pipe = std::fs::File::open(format!("/proc/{pid}/fd/0")).unwrap();
    rustix::io::ioctl_fionread(&pipe).unwrap()
}

#[tokio::test]
async fn settings_of_a_redis_are_as_they_were_wherever_a_run_was_killed() {
    const SET: &str = "CONFIG\r\n$3\r\nSET";
    const GET: &str = "CONFIG\r\n$3\r\nGET";
    // Two settings are asked for, set and read back, and the same when they are put back.
    let states = [
        ("nothing is done", Hold { bytes: SET, after: 0, answered: false }, false),
        ("it is half done", Hold { bytes: SET, after: 1, answered: false }, true),
        ("it is done", Hold { bytes: SET, after: 2, answered: false }, true),
        ("it is half undone", Hold { bytes: SET, after: 3, answered: false }, true),
        ("it is undone", Hold { bytes: GET, after: 5, answered: true }, false),
    ];
    for (state, hold, changed) in states {
        let redis = server("redis", &[]).await;
        let before = settings(redis.url());
        let door = Door::new(place(redis.url()), hold);
        let url = redis.url().replace(place(redis.url()), &door.place);
        let spec =
            r#"kind = "maxmemory", share = "50%", policy = "allkeys-lru", irreversible = true"#;
        let mut told = Told::new(&format!("local other = {url:?}"), "other", spec).await;
        door.stops(told.run.id());
        told.tell("go");
        told.tell("end");
        until(|| door.holds()).await;
        assert!(told.is_open(), "{state}");
        assert_eq!(settings(redis.url()) != before, changed, "{state}");
        kill(&mut told.run);
        until(|| settings(redis.url()) == before && told.bench.journals().is_empty()).await;
        redis.stop().await.unwrap();
        told.signals.stop().await.unwrap();
    }
}

#[tokio::test]
async fn a_redis_answers_wherever_a_run_was_killed_that_paused_it() {
    let pause = |after| Hold { bytes: "PAUSE", after, answered: false };
    let states = [
        ("nothing is done", pause(0)),
        ("it stands", pause(3)),
        ("it is being undone", Hold { bytes: "PING", after: 1, answered: false }),
        ("it is undone", Hold { bytes: "PING", after: 1, answered: true }),
    ];
    for (state, hold) in states {
        for mode in ["all", "write"] {
            let redis = server("redis", &[]).await;
            let door = Door::new(place(redis.url()), hold);
            let url = redis.url().replace(place(redis.url()), &door.place);
            let spec = format!("kind = \"client_pause\", mode = {mode:?}");
            let mut told = Told::new(&format!("local other = {url:?}"), "other", &spec).await;
            door.stops(told.run.id());
            told.tell("go");
            if state != "it stands" {
                told.tell("end");
            }
            until(|| door.holds()).await;
            kill(&mut told.run);
            // It waits while it is paused, and nobody renews that any more.
            assert!(asked(redis.url(), "SET a 1").starts_with("+OK"), "{state}");
            assert!(told.bench.journals().is_empty(), "{state}");
            redis.stop().await.unwrap();
            told.signals.stop().await.unwrap();
        }
    }
}

/// A run with a PostgreSQL of its own, whose processes are in groups of their own.
struct Paused {
    told: Told,
    guard: u32,
    /// The server and its processes.
    family: Vec<u32>,
    folder: std::path::PathBuf,
}

impl Paused {
    async fn new() -> Self {
        let told = Told::new("local own = service.postgres {}", "own", "kind = \"pause\"").await;
        let guard = children(told.run.id())[0];
        let head = children(guard)[0];
        let folder = std::fs::read_link(format!("/proc/{head}/cwd")).unwrap();
        let family = [vec![head], children(head)].concat();
        assert!(family.len() > 3, "{family:?}");
        Self { told, guard, family, folder }
    }

    /// The guard does nothing from now on, and the run waits for it.
    fn hold_guard(&self) {
        send(self.guard, Signal::STOP);
    }

    /// Waits until the run wants something of a guard that does nothing, and stops it there.
    async fn stopped_while_it_waits(&self) {
        until(|| unread(self.guard) > 0).await;
        self.told.signal(Signal::STOP);
        assert!(self.told.is_open());
    }

    /// Kills the run, and then its guard or not, and waits until nothing is left.
    async fn killed(mut self, guard_too: bool) {
        self.hold_guard();
        kill(&mut self.told.run);
        send(self.guard, if guard_too { Signal::KILL } else { Signal::CONT });
        until(|| are_gone(&self.family) && are_gone(&[self.guard])).await;
        until(|| !self.folder.exists() && self.told.bench.journals().is_empty()).await;
        self.told.signals.stop().await.unwrap();
    }
}

#[tokio::test]
async fn a_service_does_not_stand_still_when_its_run_was_killed_before_it_was_paused() {
    for guard_too in [false, true] {
        let paused = Paused::new().await;
        paused.hold_guard();
        paused.told.tell("go");
        paused.stopped_while_it_waits().await;
        assert!(!are_still(&paused.family));
        paused.killed(guard_too).await;
    }
}

#[tokio::test]
async fn a_service_does_not_stand_still_when_its_run_was_killed_while_it_was_paused() {
    for guard_too in [false, true] {
        let paused = Paused::new().await;
        paused.told.tell("go");
        paused.told.says("stands").await;
        assert!(paused.told.is_open() && are_still(&paused.family));
        paused.killed(guard_too).await;
    }
}

#[tokio::test]
async fn a_service_does_not_stand_still_when_its_run_was_killed_while_that_was_undone() {
    for guard_too in [false, true] {
        let paused = Paused::new().await;
        paused.told.tell("go");
        paused.told.says("stands").await;
        paused.hold_guard();
        paused.told.tell("end");
        paused.stopped_while_it_waits().await;
        assert!(are_still(&paused.family));
        paused.killed(guard_too).await;
    }
}

#[tokio::test]
async fn a_service_does_not_stand_still_when_its_run_was_killed_after_that_was_undone() {
    for guard_too in [false, true] {
        let paused = Paused::new().await;
        paused.told.tell("go");
        paused.told.says("stands").await;
        paused.hold_guard();
        paused.told.tell("end");
        paused.stopped_while_it_waits().await;
        send(paused.guard, Signal::CONT);
        until(|| unread(paused.guard) == 0 && !are_still(&paused.family[..1])).await;
        assert!(paused.told.is_open());
        paused.killed(guard_too).await;
    }
}

#[tokio::test]
async fn a_service_that_stands_still_ends_with_its_run_though_its_guard_was_killed() {
    let paused = Paused::new().await;
    paused.told.tell("go");
    paused.told.says("stands").await;
    send(paused.guard, Signal::KILL);
    paused.told.tell("end");
    paused.told.tell("never");
    let Paused { told, family, folder, .. } = paused;
    let ended = told.run.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    assert_eq!(ended.status.code(), Some(3), "{said}");
    assert!(said.contains("UNCLEAN") && said.contains("its guard is gone"), "{said}");
    until(|| are_gone(&family) && !folder.exists() && told.bench.journals().is_empty()).await;
    told.signals.stop().await.unwrap();
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_service_that_nothing_was_done_to_ends_with_its_run_and_its_guard_though_both_were_killed()
 {
    let Paused { mut told, guard, family, folder } = Paused::new().await;
    // So the run does nothing about it.
    told.signal(Signal::STOP);
    send(guard, Signal::KILL);
    until(|| are_gone(&family)).await;
    assert!(told.bench.journals().is_empty());
    kill(&mut told.run);
    std::fs::remove_dir_all(folder).unwrap();
    told.signals.stop().await.unwrap();
}

/// Sessions that hold a lock on `orders`, and that wait for one.
async fn locks(open: &mut sqlx::PgConnection) -> (i64, i64) {
    let asked = "SELECT count(*) FILTER (WHERE granted), count(*) FILTER (WHERE NOT granted)
                 FROM pg_locks WHERE relation = to_regclass('orders')";
    sqlx::query_as(asked).fetch_one(open).await.unwrap()
}

async fn until_locks(open: &mut sqlx::PgConnection, expected: (i64, i64)) {
    while locks(open).await != expected {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_table_is_free_wherever_a_run_was_killed_that_locked_it() {
    use sqlx::{Connection as _, Executor as _};
    let select = |answered| Hold { bytes: "SELECT 1 FROM orders", after: 0, answered };
    for state in ["it is asked for", "it stands", "it is let go", "it is seen to be free"] {
        let database = server("postgres", &[]).await;
        let mut sight = sqlx::PgConnection::connect(database.url()).await.unwrap();
        let mut rival = sqlx::PgConnection::connect(database.url()).await.unwrap();
        sight.execute("CREATE TABLE orders (id INT PRIMARY KEY)").await.unwrap();
        let door = Door::new(place(database.url()), select(state == "it is seen to be free"));
        let url = database.url().replace(place(database.url()), &door.place);
        let spec = "kind = \"lock_table\", table = \"orders\"";
        let mut told = Told::new(&format!("local other = {url:?}"), "other", spec).await;
        door.stops(told.run.id());
        match state {
            "it is asked for" => {
                rival.execute("BEGIN; LOCK TABLE orders").await.unwrap();
                told.tell("go");
                until_locks(&mut sight, (1, 1)).await;
            }
            "it stands" => {
                told.tell("go");
                told.says("stands").await;
                assert_eq!(locks(&mut sight).await, (1, 0));
            }
            _ => {
                told.tell("go");
                told.tell("end");
                until(|| door.holds()).await;
            }
        }
        kill(&mut told.run);
        if state == "it is asked for" {
            // The server itself gives up what nobody waits for any more.
            until_locks(&mut sight, (1, 0)).await;
            rival.execute("ROLLBACK").await.unwrap();
        }
        until_locks(&mut sight, (0, 0)).await;
        rival.execute("INSERT INTO orders VALUES (1)").await.unwrap();
        assert!(told.bench.journals().is_empty(), "{state}");
        drop((sight, rival));
        database.stop().await.unwrap();
        told.signals.stop().await.unwrap();
    }
}

/// Clients that a Redis has, the one that asks included.
fn clients(url: &str) -> usize {
    asked(url, "CLIENT LIST").matches("id=").count()
}

#[tokio::test]
async fn no_connection_is_held_wherever_a_run_was_killed_that_had_a_proxy() {
    for state in ["ready", "stands", "over"] {
        let redis = server("redis", &[]).await;
        let declared = format!(
            "local link = fault.proxy {{ upstream = {:?} }}
             local through = redis.client {{ url = link, timeout = \"200ms\" }}
             function prepare()
               signals:set(\"link\", link.url)
               through:ping()
             end",
            redis.url()
        );
        let spec = "kind = \"hold\", stream = \"both\"";
        let mut told = Told::new(&declared, "link", spec).await;
        if state != "ready" {
            told.tell("go");
            told.says("stands").await;
        }
        if state == "over" {
            told.tell("end");
            told.says("over").await;
        }
        let link = asked(told.signals.url(), "GET link");
        let link = place(link.lines().nth(1).unwrap()).to_owned();
        let mut stranger = TcpStream::connect(&link).unwrap();
        assert!(clients(redis.url()) > 1, "{state}");
        kill(&mut told.run);
        // It is closed, or reset.
        let ended = std::io::copy(&mut stranger, &mut std::io::sink());
        assert!(matches!(ended, Ok(0) | Err(_)), "{state}: {ended:?}");
        assert!(TcpStream::connect(&link).is_err(), "{state}");
        until(|| clients(redis.url()) == 1).await;
        assert!(told.bench.journals().is_empty(), "{state}");
        redis.stop().await.unwrap();
        told.signals.stop().await.unwrap();
    }
}

/// What a journal says that something is open, cut off where a machine may have stopped writing.
#[tokio::test]
async fn a_journal_that_was_cut_off_anywhere_is_read_as_far_as_it_was_written() {
    let redis = server("redis", &[]).await;
    let before = settings(redis.url());
    let spec = "kind = \"wrong_password\"";
    let mut told = Told::new(&format!("local other = {:?}", redis.url()), "other", spec).await;
    told.tell("go");
    told.says("stands").await;
    let journal = told.bench.journals().remove(0);
    let text = std::fs::read_to_string(&journal).unwrap();
    let watchdog = super::watchdog(&journal).await;
    send(watchdog, Signal::KILL);
    kill(&mut told.run);
    let lines: Vec<_> = text.match_indices('\n').map(|(at, _)| at + 1).collect();
    assert_eq!(lines.len(), 2, "{text}");
    for (length, whole) in [
        (0, false),
        (lines[0] / 2, false),
        (lines[0], false),
        (lines[1] - 9, false),
        (lines[1], true),
    ] {
        std::fs::write(&journal, &text[..length]).unwrap();
        assert_ne!(settings(redis.url()), before);
        let undone = told.bench.command(&["undo"]).output().unwrap();
        let said = String::from_utf8_lossy(&undone.stderr);
        assert_eq!(undone.status.code(), Some(0), "{said}");
        assert_eq!(settings(redis.url()) == before, whole, "{length}: {said}");
        assert!(!Path::exists(&journal), "{length}");
    }
    redis.stop().await.unwrap();
    told.signals.stop().await.unwrap();
}
