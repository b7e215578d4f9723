//! Services as what they are: real programs under a real guard, started, asked, stopped.

#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use loadrun::plan::ServiceDecl;
use loadrun::service::{self, Running, Site};

fn site() -> Site {
    Site { exe: env!("CARGO_BIN_EXE_loadrun").into(), folder: ".".into() }
}

fn table(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn declared(kind: &str, options: &[(&str, &str)]) -> ServiceDecl {
    let (name, kind) = ("practice".to_owned(), kind.to_owned());
    ServiceDecl { name, kind, options: table(options), ..ServiceDecl::default() }
}

async fn started(decl: &ServiceDecl) -> Running {
    let mut running = service::start(decl, &site()).unwrap();
    running.ready().await.unwrap_or_else(|error| panic!("{error}"));
    running
}

/// Why a service does not come up.
async fn refused(decl: &ServiceDecl) -> String {
    let mut running = service::start(decl, &site()).unwrap();
    running.ready().await.unwrap_err().what
}

/// Host and port of a URL.
fn place(url: &str) -> &str {
    let rest = url.split_once("://").unwrap().1;
    rest.rsplit_once('@').map_or(rest, |(_, place)| place).split('/').next().unwrap()
}

/// What comes back for `said` until the other side closes.
fn exchange(place: &str, said: &str) -> String {
    let mut stream = TcpStream::connect(place).unwrap();
    stream.write_all(said.as_bytes()).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    reply
}

/// The status line of the answer to a GET.
fn status(url: &str, path: &str) -> String {
    let host = place(url);
    let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    exchange(host, &request).lines().next().unwrap_or_default().to_owned()
}

/// Whether a process runs; one that is dead and not reaped does not.
fn is_alive(pid: u32) -> bool {
    let shown = Command::new("ps").args(["-o", "stat=", "-p", &pid.to_string()]).output().unwrap();
    let state = String::from_utf8_lossy(&shown.stdout).trim().to_owned();
    !state.is_empty() && !state.starts_with('Z')
}

/// Waits for what has to come; a test that waits for ever is ended from outside.
async fn until(what: impl Fn() -> bool) {
    while !what() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_declared_sandbox_answers_until_it_is_stopped() {
    let running = started(&declared("sandbox", &[("capacity", "0")])).await;
    let url = running.url().to_owned();
    assert_eq!(status(&url, "/health"), "HTTP/1.1 200 OK");
    assert_eq!(status(&url, "/items/1"), "HTTP/1.1 429 Too Many Requests");
    running.stop().await.unwrap();
    assert!(TcpStream::connect(place(&url)).is_err());
}

#[tokio::test]
async fn a_wrong_option_is_an_error_that_quotes_the_child() {
    let error = refused(&declared("sandbox", &[("latency", "fast")])).await;
    assert!(error.contains("ended before it was ready (exit status: 4)"), "{error}");
    assert!(error.contains("malformed latency \"fast\""), "{error}");
}

#[tokio::test]
async fn an_unknown_kind_of_service_is_an_error_that_lists_the_kinds() {
    let error = service::start(&declared("mainframe", &[]), &site()).unwrap_err();
    assert_eq!(error.what, "service \"practice\" is of the unknown kind \"mainframe\"");
    let hint = error.hint.unwrap();
    assert!(hint.starts_with("the kinds are: ") && hint.contains("sandbox"), "{hint}");
}

#[tokio::test]
async fn a_service_that_is_let_go_is_ended_by_its_guard() {
    let running = started(&declared("redis", &[])).await;
    let (pid, place) = (running.pid(), place(running.url()).to_owned());
    drop(running);
    until(|| !is_alive(pid)).await;
    assert!(TcpStream::connect(place).is_err());
}

#[tokio::test]
async fn a_service_whose_guard_is_killed_is_ended_by_the_run() {
    let running = started(&declared("redis", &[])).await;
    let (pid, folder) = (running.pid(), folder_of(running.pid()));
    let guard = Command::new("ps").args(["-o", "ppid=", "-p", &pid.to_string()]).output().unwrap();
    let guard = String::from_utf8(guard.stdout).unwrap();
    assert!(Command::new("kill").args(["-KILL", guard.trim()]).status().unwrap().success());
    until(|| running.ended().is_some()).await;
    let error = running.stop().await.unwrap_err();
    assert!(error.what.contains("has lost its guard, which was killed"), "{error}");
    until(|| !is_alive(pid)).await;
    assert!(!Path::new(&folder).exists());
}

#[tokio::test]
async fn a_server_that_dies_is_noticed_with_its_last_words() {
    let running = started(&declared("redis", &[])).await;
    let pid = running.pid().to_string();
    assert!(Command::new("kill").args(["-KILL", &pid]).status().unwrap().success());
    until(|| running.ended().is_some()).await;
    let error = running.stop().await.unwrap_err();
    assert!(error.what.contains("ended by itself (signal: 9"), "{error}");
    assert!(error.what.contains("Ready to accept connections"), "{error}");
}

/// The folder a process runs in.
fn folder_of(pid: u32) -> String {
    std::fs::read_link(format!("/proc/{pid}/cwd")).unwrap().display().to_string()
}

#[tokio::test]
async fn a_redis_keeps_its_options_its_password_and_its_folder_to_itself() {
    let mut decl = declared(
        "redis",
        &[("maxmemory", "64MiB"), ("maxmemory_policy", "allkeys-lru"), ("config.hz", "50")],
    );
    decl.secrets = table(&[("requirepass", "pass \"word\"")]);
    let running = started(&decl).await;
    assert!(running.url().starts_with("redis://:pass%20%22word%22@127.0.0.1:"));
    let asked = "*2\r\n$4\r\nAUTH\r\n$11\r\npass \"word\"\r\n\
                 CONFIG GET maxmemory*\r\nCONFIG GET hz\r\nQUIT\r\n";
    let place = place(running.url()).to_owned();
    assert!(exchange(&place, "PING\r\nQUIT\r\n").starts_with("-NOAUTH"));
    let said = exchange(&place, asked);
    for part in ["+OK", "67108864", "allkeys-lru", "$2\r\n50\r\n"] {
        assert!(said.contains(part), "no {part:?} in {said}");
    }
    let folder = folder_of(running.pid());
    let mode = std::fs::metadata(&folder).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    running.stop().await.unwrap();
    assert!(!Path::new(&folder).exists());
    TcpListener::bind(place).unwrap();
}

#[tokio::test]
async fn a_redis_that_refuses_its_configuration_is_quoted() {
    let error = refused(&declared("redis", &[("config.no-such-thing", "1")])).await;
    assert!(error.contains("ended before it was ready"), "{error}");
    assert!(error.contains("no-such-thing"), "{error}");
}

#[tokio::test]
async fn a_service_that_is_not_ready_in_time_is_given_up_and_gone() {
    let mut running =
        service::start(&declared("redis", &[("ready_within", "0")]), &site()).unwrap();
    let error = running.ready().await.unwrap_err();
    assert!(error.what.contains("was not ready within 0 s"), "{error}");
    running.stop().await.unwrap();
}

#[tokio::test]
async fn several_services_of_a_kind_run_beside_each_other() {
    let [one, other] =
        [started(&declared("redis", &[])).await, started(&declared("redis", &[])).await];
    assert_ne!(one.url(), other.url());
    for running in [one, other] {
        assert_eq!(exchange(place(running.url()), "PING\r\nQUIT\r\n"), "+PONG\r\n+OK\r\n");
        running.stop().await.unwrap();
    }
}

/// Who owns a process.
fn owner(pid: u32) -> String {
    let shown = Command::new("ps").args(["-o", "uid=", "-p", &pid.to_string()]).output().unwrap();
    String::from_utf8_lossy(&shown.stdout).trim().to_owned()
}

#[tokio::test]
async fn a_postgres_keeps_its_options_its_database_and_its_password() {
    use sqlx::Connection as _;
    let mut decl = declared(
        "postgres",
        &[
            ("database", "shop"),
            ("max_connections", "7"),
            ("lock_timeout", "250ms"),
            ("shared_buffers", "16MiB"),
            ("config.idle_session_timeout", "5s"),
        ],
    );
    decl.secrets = table(&[("password", "it's @ \\ secret")]);
    let running = started(&decl).await;
    let mut open = sqlx::PgConnection::connect(running.url()).await.unwrap();
    for (asked, expected) in [
        ("SELECT current_database()::text", "shop"),
        ("SHOW max_connections", "7"),
        ("SHOW lock_timeout", "250ms"),
        ("SHOW shared_buffers", "16MB"),
        ("SHOW idle_session_timeout", "5s"),
        ("SHOW fsync", "on"),
    ] {
        let said: String = sqlx::query_scalar(asked).fetch_one(&mut open).await.unwrap();
        assert_eq!(said, expected, "{asked}");
    }
    let wrong = format!("postgres://postgres:wrong@{}/shop", place(running.url()));
    assert!(sqlx::PgConnection::connect(&wrong).await.is_err());
    assert_ne!(owner(running.pid()), "0");
    let (folder, place) = (folder_of(running.pid()), place(running.url()).to_owned());
    running.stop().await.unwrap();
    assert!(!Path::new(&folder).exists());
    TcpListener::bind(place).unwrap();
}

#[tokio::test]
async fn a_postgres_without_options_has_a_password_nobody_knows_before() {
    // Neither can the user it runs as use this program then, nor does it need to.
    let folder = tempfile::tempdir().unwrap();
    let exe = folder.path().join("loadrun");
    assert!(Command::new("cp").args([site().exe, exe.clone()]).status().unwrap().success());
    fs::set_permissions(&exe, fs::Permissions::from_mode(0o700)).unwrap();
    let private = Site { exe, ..site() };
    let mut one = service::start(&declared("postgres", &[]), &private).unwrap();
    one.ready().await.unwrap_or_else(|error| panic!("{error}"));
    let other = started(&declared("postgres", &[])).await;
    let password = |url: &str| url.split([':', '@']).nth(2).unwrap().to_owned();
    assert_eq!(password(one.url()).len(), 32);
    assert_ne!(password(one.url()), password(other.url()));
    one.stop().await.unwrap();
    other.stop().await.unwrap();
}

#[tokio::test]
async fn a_postgres_that_refuses_its_configuration_is_quoted() {
    let error = refused(&declared("postgres", &[("config.no_such_thing", "1")])).await;
    assert!(error.contains("ended before it was ready"), "{error}");
    assert!(error.contains("unrecognized configuration parameter \"no_such_thing\""), "{error}");
    assert!(!error.contains("creating"), "{error}");
}

#[tokio::test]
async fn a_mariadb_that_refuses_its_configuration_is_quoted_without_advice_on_other_things() {
    let error = refused(&declared("mariadb", &[("config.no_such_thing", "1")])).await;
    assert!(error.contains("[ERROR]") && error.contains("'no_such_thing=1'"), "{error}");
    assert!(!error.contains("shell>"), "{error}");
}

#[tokio::test]
async fn a_mariadb_keeps_its_options_its_database_and_its_password() {
    use sqlx::Connection as _;
    let mut decl = declared(
        "mariadb",
        &[
            ("database", "shop"),
            ("user", "owner"),
            ("max_connections", "17"),
            ("innodb_lock_wait_timeout", "3s"),
            ("config.sql_mode", "ANSI"),
        ],
    );
    decl.secrets = table(&[("password", "it's @ \\ secret")]);
    let running = started(&decl).await;
    let mut open = sqlx::MySqlConnection::connect(running.url()).await.unwrap();
    let asked = "SELECT CONCAT_WS(' ', DATABASE(), @@global.max_connections,
                 @@global.innodb_lock_wait_timeout, @@global.sql_mode LIKE '%ANSI%')";
    let said: String = sqlx::query_scalar(asked).fetch_one(&mut open).await.unwrap();
    assert_eq!(said, "shop 17 3 1");
    for user in ["owner:wrong", "root"] {
        let wrong = format!("mysql://{user}@{}/shop", place(running.url()));
        assert!(sqlx::MySqlConnection::connect(&wrong).await.is_err(), "{user}");
    }
    assert_ne!(owner(running.pid()), "0");
    let (folder, place) = (folder_of(running.pid()), place(running.url()).to_owned());
    running.stop().await.unwrap();
    assert!(!Path::new(&folder).exists());
    TcpListener::bind(place).unwrap();
}

#[tokio::test]
async fn a_database_that_is_given_up_while_it_is_being_made_leaves_nothing() {
    for kind in ["postgres", "mariadb"] {
        let mut running =
            service::start(&declared(kind, &[("ready_within", "100ms")]), &site()).unwrap();
        let error = running.ready().await.unwrap_err();
        assert!(error.what.contains("was not ready within 0.1 s"), "{error}");
        running.stop().await.unwrap();
    }
}

/// A command of the shell as a declaration.
fn shell(script: &str, options: &[(&str, &str)]) -> ServiceDecl {
    let mut decl = declared("command", options);
    let words = [("word.0000", "sh"), ("word.0001", "-c"), ("word.0002", script)];
    decl.options.extend(table(&words));
    decl
}

#[tokio::test]
async fn a_command_is_ready_when_its_line_says_so_and_where() {
    let decl = shell(
        "echo starting; echo up at http://127.0.0.1:1 >&2; exec sleep 1000",
        &[("ready.line", "up at ")],
    );
    let running = started(&decl).await;
    assert_eq!(running.url(), "http://127.0.0.1:1");
    assert_eq!(running.ended(), None);
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_command_is_ready_when_its_port_answers() {
    let serve = "exec python3 -m http.server --bind 127.0.0.1 {port}";
    for ready in ["http://127.0.0.1:{port}/", "127.0.0.1:{port}"] {
        let running = started(&shell(serve, &[("ready", ready)])).await;
        assert!(TcpStream::connect(place(running.url())).is_ok(), "{ready}");
        running.stop().await.unwrap();
    }
}

#[tokio::test]
async fn a_command_has_its_environment_and_a_folder_for_what_is_temporary() {
    let mut decl =
        shell("touch $TMPDIR/x; echo \"is $A $TMPDIR\"; exec sleep 1000", &[("ready.line", "is ")]);
    decl.secrets = table(&[("env.A", "b c")]);
    let running = started(&decl).await;
    let folder = running.url().strip_prefix("b c ").unwrap().to_owned();
    assert!(Path::new(&folder).join("x").exists());
    running.stop().await.unwrap();
    assert!(!Path::new(&folder).exists());
}

#[tokio::test]
async fn a_command_that_ends_too_early_is_quoted() {
    let decl = shell("echo hello; echo no such flag >&2; exit 3", &[("ready.line", "up")]);
    let error = refused(&decl).await;
    let start = "service \"practice\" ended before it was ready (exit status: 3); it wrote:";
    assert!(error.starts_with(start), "{error}");
    assert!(error.contains("\n    no such flag"), "{error}");
}

#[tokio::test]
async fn a_program_that_cannot_be_run_is_told_with_why_and_is_none_that_ended() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("api");
    for (interpreter, why) in [
        ("/no/such/shell", "No such file or directory (os error 2); the file is there: check what"),
        ("/etc/passwd", "Permission denied (os error 13); check that its user may run it, what"),
    ] {
        fs::write(&file, format!("#!{interpreter}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        let word = file.to_str().unwrap();
        let options = [("word.0000", word), ("ready.line", "up")];
        let error = refused(&declared("command", &options)).await;
        let expected = format!("service \"practice\" cannot be started: {word}: {why}");
        assert!(error.starts_with(&expected) && !error.contains("127"), "{error}");
    }
    let error = refused(&shell("exit 127", &[("ready.line", "up")])).await;
    assert!(error.contains("ended before it was ready (exit status: 127)"), "{error}");
}

#[tokio::test]
async fn a_command_that_ignores_the_request_to_end_is_killed_with_what_it_started() {
    let script = "trap '' TERM; sleep 1000 & echo up $!; while :; do sleep 1; done";
    let decl = shell(script, &[("ready.line", "up "), ("stop.within", "50ms")]);
    let running = started(&decl).await;
    let (pid, grandchild) = (running.pid(), running.url().parse().unwrap());
    let error = running.stop().await.unwrap_err();
    assert!(error.what.contains("did not end within 0.05 s and was killed"), "{error}");
    assert!(!is_alive(pid));
    until(|| !is_alive(grandchild)).await;
}

#[tokio::test]
async fn a_command_is_asked_to_end_by_the_signal_it_knows() {
    let script = "trap 'exit 0' INT; trap '' TERM; echo up; while :; do sleep 0.01; done";
    let decl = shell(script, &[("ready.line", "up"), ("stop.signal", "INT")]);
    started(&decl).await.stop().await.unwrap();
}

/// The process ids of a server's family that `ps` shows to stand still, and all of them.
fn family(pid: u32) -> Vec<(u32, bool)> {
    let shown = Command::new("ps").args(["-eo", "pid=,ppid=,stat="]).output().unwrap();
    let text = String::from_utf8(shown.stdout).unwrap();
    let all: Vec<(u32, u32, bool)> = text
        .lines()
        .filter_map(|line| {
            let mut fields = line.split_whitespace();
            let mut number = || fields.next().unwrap().parse().unwrap();
            let (pid, parent) = (number(), number());
            let state = fields.next().unwrap();
            // One that has ended stays until its parent, which stands still, has heard of it.
            (!state.starts_with('Z')).then(|| (pid, parent, state.starts_with('T')))
        })
        .collect();
    let mut family: Vec<(u32, bool)> = Vec::new();
    let mut heads = vec![pid];
    while let Some(head) = heads.pop() {
        family.extend(all.iter().filter(|(pid, ..)| *pid == head).map(|(pid, _, t)| (*pid, *t)));
        heads.extend(all.iter().filter(|(_, parent, _)| *parent == head).map(|(pid, ..)| *pid));
    }
    family
}

#[tokio::test]
async fn a_paused_server_stands_still_with_all_its_children_and_goes_on() {
    let running = started(&declared("postgres", &[])).await;
    let process = running.process();
    process.pause().await.unwrap();
    let held = family(running.pid());
    assert!(held.len() > 3, "a PostgreSQL has processes of its own: {held:?}");
    assert!(held.iter().all(|(_, still)| *still), "{held:?}");
    process.proceed().await.unwrap();
    process.ready().await.unwrap();
    assert!(family(running.pid()).iter().all(|(_, still)| !*still));
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_server_that_stands_still_ends_with_its_run() {
    let running = started(&declared("redis", &[])).await;
    let pid = running.pid();
    running.process().pause().await.unwrap();
    drop(running);
    until(|| !is_alive(pid)).await;
}

#[tokio::test]
async fn a_killed_server_comes_back_where_it_was_with_what_it_had_kept() {
    for kind in ["postgres", "mariadb", "redis"] {
        let options = if kind == "redis" { &[("appendonly", "true")][..] } else { &[] };
        let running = started(&declared(kind, options)).await;
        let (pid, url, process) = (running.pid(), running.url().to_owned(), running.process());
        let folder = folder_of(pid);
        let ended = process.end(true).await.unwrap();
        assert!(ended.contains("signal: 9"), "{kind}: {ended}");
        assert!(process.is_away() && !is_alive(pid) && Path::new(&folder).exists(), "{kind}");
        assert!(TcpStream::connect(place(&url)).is_err(), "{kind}");
        process.start(&BTreeMap::new()).await.unwrap();
        process.ready().await.unwrap();
        assert_ne!(process.pid(), pid);
        assert!(TcpStream::connect(place(&url)).is_ok(), "{kind}");
        assert_eq!(folder_of(process.pid()), folder, "{kind}");
        running.stop().await.unwrap();
        assert!(!Path::new(&folder).exists(), "{kind}");
    }
}

#[tokio::test]
async fn a_server_is_started_again_with_other_settings_and_then_with_its_own() {
    let running = started(&declared("redis", &[("maxmemory", "64MiB")])).await;
    let process = running.process();
    for (with, bytes) in [(table(&[("maxmemory", "32MiB")]), 32 << 20), (table(&[]), 64 << 20)] {
        process.end(false).await.unwrap();
        process.start(&with).await.unwrap();
        process.ready().await.unwrap();
        let told = exchange(place(running.url()), "CONFIG GET maxmemory\r\nQUIT\r\n");
        assert!(told.contains(&format!("{bytes}")), "{told}");
    }
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_away_when_its_run_ends_leaves_nothing() {
    let running = started(&declared("sandbox", &[])).await;
    let folder = folder_of(running.pid());
    running.process().end(false).await.unwrap();
    running.stop().await.unwrap();
    assert!(!Path::new(&folder).exists());
}
