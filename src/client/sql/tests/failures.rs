//! Every kind of failure, provoked for real.

use super::servers::Server;
use super::*;

/// Two transactions that each have what the other wants; how the one that lost failed.
async fn deadlock(db: &Client, placeholder: &str) -> Failure {
    let update = |id: i64| {
        let sql = format!("UPDATE accounts SET balance = balance + 1 WHERE id = {placeholder}");
        statement(&sql, &[Datum::Integer(id)])
    };
    let mut one = db.begin(&Begin::default(), None).await.unwrap();
    let mut two = db.begin(&Begin::default(), None).await.unwrap();
    assert!(one.call(&update(1)).await.answer.is_ok());
    assert!(two.call(&update(2)).await.answer.is_ok());
    let crossed = (update(2), update(1));
    let (first, second) = tokio::join!(one.call(&crossed.0), two.call(&crossed.1));
    let failed: Vec<&Failure> =
        [&first, &second].into_iter().filter_map(Exchange::failure).collect();
    assert_eq!(failed.len(), 1, "{first:?} {second:?}");
    // The loser can do nothing more, whatever its script tries; the winner commits.
    let (lost, won) = if first.failure().is_some() { (one, two) } else { (two, one) };
    assert_eq!(lost.doomed().map(|f| f.kind), Some(FailureKind::Deadlock));
    assert_eq!(lost.commit().await.failure().unwrap().kind, FailureKind::Deadlock);
    assert!(won.commit().await.answer.is_ok());
    failed[0].clone()
}

const ACCOUNTS: &str = "CREATE TABLE accounts (id BIGINT PRIMARY KEY, balance BIGINT NOT NULL);
    INSERT INTO accounts VALUES (1, 100), (2, 100)";

/// What both servers are asked, and the kind of what they say.
const COMMON: &[(&str, FailureKind)] = &[
    ("INSERT INTO accounts VALUES (1, 5)", FailureKind::Unique),
    ("INSERT INTO accounts VALUES (3, NULL)", FailureKind::Constraint),
    ("SELEC 1", FailureKind::Server),
    ("SELECT * FROM nowhere", FailureKind::Server),
];

#[tokio::test(flavor = "local")]
async fn every_failure_of_postgresql_has_its_kind() {
    let server = Server::postgres(&["max_connections=8", "superuser_reserved_connections=0"]).await;
    let db = to(&server.url, 3);
    batch(&db, ACCOUNTS).await;
    for (sql, kind) in COMMON {
        let failure = failure(&db, sql).await;
        assert_eq!(failure.kind, *kind, "{failure}");
    }
    let syntax = failure(&db, "SELECT 1 FRM t").await;
    assert_eq!(syntax.detail, "syntax error at or near \"t\" at character 14 (42601)");
    let lost = deadlock(&db, "$1").await;
    assert_eq!(lost.kind, FailureKind::Deadlock, "{lost}");
    let serializable = Begin { isolation: Some(Isolation::RepeatableRead), read_only: false };
    let mut late = db.begin(&serializable, None).await.unwrap();
    assert!(late.call(&statement("SELECT * FROM accounts", &[])).await.answer.is_ok());
    let update = "UPDATE accounts SET balance = balance + 1 WHERE id = 1";
    rows(&db, update, &[]).await;
    let exchange = late.call(&statement(update, &[])).await;
    assert_eq!(exchange.failure().unwrap().kind, FailureKind::Serialization, "{exchange:?}");
    drop(late);
    let what = misuse(&db, "SELECT $1::int", &[]).await;
    assert_eq!(what, "the statement has 1 parameter, got 0");
    let what = misuse(&db, "SELECT $1::int", &[Datum::Null, Datum::Null]).await;
    assert_eq!(what, "the statement has 1 parameter, got 2");
    let what = misuse(&db, "SELECT $1::int2", &[Datum::Integer(70_000)]).await;
    assert_eq!(what, "parameter 1 is of type smallint, which cannot hold 70000");
    forgotten(&server).await;
    refused_logins(&server, "/postgres").await;
    crowded(&server, 8).await;
    drop(db);
    cut_off(server, "SELECT pg_sleep(30)").await;
}

#[tokio::test(flavor = "local")]
async fn every_failure_of_mariadb_has_its_kind() {
    let server = Server::mariadb(&["max-connections=10"]).await;
    let db = to(&server.url, 3);
    batch(&db, ACCOUNTS).await;
    for (sql, kind) in COMMON {
        let failure = failure(&db, sql).await;
        assert_eq!(failure.kind, *kind, "{failure}");
    }
    let lost = deadlock(&db, "?").await;
    assert_eq!(lost.kind, FailureKind::Deadlock, "{lost}");
    let what = misuse(&db, "SELECT ?", &[]).await;
    assert_eq!(what, "the statement has 1 parameter, got 0");
    several_answers(&server).await;
    let patient = failure(&db, "SET STATEMENT max_statement_time=0.05 FOR SELECT sleep(5)").await;
    assert_eq!(patient.kind, FailureKind::Timeout, "{patient}");
    refused_logins(&server, "/shop").await;
    crowded(&server, 11).await;
    drop(db);
    cut_off(server, "SELECT sleep(30)").await;
}

/// A procedure that answers once is one answer; one that answers twice is refused.
async fn several_answers(server: &Server) {
    let db = to(&server.url, 1);
    batch(&db, "CREATE PROCEDURE one() SELECT 1 AS a").await;
    batch(&db, "CREATE PROCEDURE two() BEGIN SELECT 1 AS a; SELECT 2 AS a; END").await;
    assert_eq!(rows(&db, "CALL one()", &[]).await.cells, [Datum::Integer(1)]);
    let what = misuse(&db, "CALL two()", &[]).await;
    assert!(what.contains("several answers"), "{what}");
    let Work::Call(call) = statement("SELECT ?", &[]) else { unreachable!() };
    match db.call(&Work::Call(Call { prepare: false, ..call })).await.answer {
        Err(Trouble::Misused(what)) => {
            assert_eq!(what, "the statement has 1 parameter, got 0");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(rows(&db, "SELECT 7", &[]).await.cells, [Datum::Integer(7)]);
    // A second small message must not wait until the first was acknowledged.
    let Database::MySql(options) = Database::parse(&server.url).unwrap() else { unreachable!() };
    let sockets = nodelay::sent_at_once(options.get_port());
    assert!(!sockets.is_empty() && sockets.iter().all(|sent| *sent), "{sockets:?}");
    too_large(&db, server).await;
    let many = vec![Datum::Null; 65_536];
    let what = misuse(&db, "SELECT 1", &many).await;
    assert_eq!(what, "65536 parameters are more than one statement can have (65535)");
}

/// A message beyond what the server takes is too large, whether its words arrive or the connection is
/// gone before they do, as it is where most of the message is not sent yet.
async fn too_large(db: &Client, server: &Server) {
    batch(db, "SET GLOBAL max_allowed_packet = 1048576").await;
    let db = to(&server.url, 1);
    rows(&db, "SELECT 7", &[]).await;
    for megabytes in [2, 15] {
        let large = "x".repeat(megabytes << 20);
        let written =
            Work::Batch { statements: format!("SELECT '{large}'").as_str().into(), timeout: None };
        for work in [statement("SELECT length(?)", &[Datum::Text(large)]), written] {
            let exchange = db.call(&work).await;
            let failure = exchange.failure().unwrap_or_else(|| panic!("{exchange:?}"));
            assert_eq!(failure.kind, FailureKind::TooLarge, "{failure}");
            assert_eq!(rows(&db, "SELECT 7", &[]).await.cells, [Datum::Integer(7)]);
        }
    }
}

/// After a change of the schema, or of what the server remembers, one failure at most.
async fn forgotten(server: &Server) {
    let db = to(&server.url, 1);
    let changed = "CREATE TABLE f (a int); INSERT INTO f VALUES (1); SELECT a FROM f;
        WITH w AS (SELECT 1) SELECT a FROM f FOR UPDATE; WITH w AS (SELECT 2) UPDATE f SET a = 1;;";
    assert_eq!(batch(&db, changed).await, 2, "an INSERT and an UPDATE of one row each");
    assert_eq!(batch(&db, "SELECT * FROM generate_series(1, 3)").await, 0);
    rows(&db, "SELECT * FROM f", &[]).await;
    for change in ["ALTER TABLE f ADD b text", "DEALLOCATE ALL", "DISCARD ALL"] {
        batch(&db, change).await;
        let _ = db.call(&statement("SELECT * FROM f", &[])).await;
        assert_eq!(rows(&db, "SELECT * FROM f", &[]).await.cells.len(), 2, "{change}");
    }
    remade_types(&db).await;
    let Err(Trouble::Misused(what)) = db.call(&statement("COPY f TO STDOUT", &[])).await.answer
    else {
        panic!("copied")
    };
    assert!(what.starts_with("COPY to or from the client is not available"), "{what}");
    rows(&db, "SELECT 1", &[]).await;
    let zone = [text("2026-11-26T10:00:00Z")];
    let what = misuse(&db, "SELECT $1::timestamp", &zone).await;
    assert!(what.contains("without a zone; with one, write `$1::timestamptz`"), "{what}");
    assert!(db.call(&statement("SELECT $1::timestamptz::timestamp", &zone)).await.answer.is_ok());
    idle_too_long(server).await;
    batch(&db, "SET idle_session_timeout = 1").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let closed = failure(&db, "SELECT 1").await;
    assert_eq!(closed.kind, FailureKind::Reset, "{closed}");
    rows(&db, "SELECT 1", &[]).await;
}

/// A type that is dropped and made anew while statements of it are prepared: one failure at most.
async fn remade_types(db: &Client) {
    let made = |words: &str| {
        format!(
            "DROP TABLE IF EXISTS moods; DROP TYPE IF EXISTS mood; CREATE TYPE mood AS ENUM \
             ({words}); CREATE TABLE moods (v mood, w mood[])"
        )
    };
    let insert = "INSERT INTO moods VALUES ($1, $2) RETURNING v, w";
    for (words, word) in [("'a'", "a"), ("'b', 'c'", "c"), ("'d'", "d")] {
        batch(db, &made(words)).await;
        let parameters = [text(word), Datum::List(vec![text(word), Datum::Null])];
        let first = db.call(&statement(insert, &parameters)).await;
        if let Err(trouble) = first.answer {
            assert!(matches!(trouble, Trouble::Failed(_)), "{trouble:?}");
            assert_eq!(rows(db, insert, &parameters).await.cells, parameters);
        }
        assert_eq!(rows(db, "SELECT v, w FROM moods", &[]).await.cells, parameters);
    }
}

/// A transaction in which nothing is said for too long is closed by the server.
async fn idle_too_long(server: &Server) {
    let [db, other] = [0, 1].map(|_| to(&server.url, 1));
    let mut idle = db.begin(&Begin::default(), None).await.unwrap();
    let pid = idle.call(&statement("SELECT pg_backend_pid()", &[])).await.answer.unwrap().cells;
    let short = "SET LOCAL idle_in_transaction_session_timeout = 1";
    idle.call(&statement(short, &[])).await.answer.unwrap();
    let there = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1";
    while rows(&other, there, &pid).await.cells != [Datum::Integer(0)] {}
    let exchange = idle.call(&statement("SELECT 1", &[])).await;
    let failure = exchange.failure().unwrap_or_else(|| panic!("{exchange:?}"));
    assert_eq!(failure.kind, FailureKind::Reset, "{failure}");
    drop(idle);
    rows(&db, "SELECT 1", &[]).await;
}

/// A wrong password, and a database that is not there.
async fn refused_logins(server: &Server, database: &str) {
    let wrong = failure(&to(&server.with("p%40ss", "hunter2"), 1), "SELECT 1").await;
    assert_eq!(wrong.kind, FailureKind::Auth, "{wrong}");
    assert!(!wrong.detail.contains("hunter2"), "{wrong}");
    let nowhere = failure(&to(&server.with(database, "/nowhere"), 1), "SELECT 1").await;
    assert_eq!(nowhere.kind, FailureKind::Server, "{nowhere}");
    assert!(nowhere.detail.contains("nowhere"), "{nowhere}");
}

/// More connections than the server takes.
async fn crowded(server: &Server, most: usize) {
    let db = client(Database::parse(&server.url).unwrap(), most + 5, Duration::from_secs(3));
    let held = futures_util::future::join_all(
        (0..most + 5).map(async |_| db.begin(&Begin::default(), None).await),
    );
    let held = held.await;
    let refused: Vec<&Exchange> =
        held.iter().filter_map(|begun| begun.as_ref().err()).map(|exchange| &**exchange).collect();
    assert!(refused.len() >= 5 && refused.len() < most + 5, "{}", refused.len());
    for exchange in refused {
        let failure = exchange.failure().unwrap();
        assert_eq!(failure.kind, FailureKind::Exhausted, "{exchange:?}");
        assert!(failure.detail.contains("127.0.0.1:"), "{failure}");
        // It stood in the line until its time was over, whether it tried by itself or not.
        let whole = exchange.wait.unwrap() + exchange.duration;
        assert!(whole >= Duration::from_secs(3), "{exchange:?}");
    }
    drop(held);
    drop(db);
    // The server frees a place only some time after its connection was closed.
    while to(&server.url, 1).call(&statement("SELECT 1", &[])).await.failure().is_some() {
        tokio::task::yield_now().await;
    }
}

/// What no server of that kind would say, at once or in answer, in words of our own and no panic.
#[tokio::test(flavor = "local")]
async fn what_is_no_database_is_a_failure_whatever_it_says() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let cut = b"\x05\0\0\0\x0a9.9\0".as_slice();
    for (scheme, greeting, answer, expected) in [
        ("postgres", &b""[..], &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "is not PostgreSQL's"),
        ("postgres", b"", b"N\xff\xff\xff\xff\xff\xff\xff", "the server's answer is malformed"),
        ("postgres", b"", b"N\x52\0\0\0\x05\0", "the server's answer is malformed"),
        ("mysql", cut, b"", "the server's answer is malformed"),
        ("mysql", b"\x01\0\0\0\x0b", b"", "the server's answer is malformed"),
    ] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let db = to(&format!("{scheme}://u:p@127.0.0.1:{port}/d"), 1);
        let serving = async {
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                let _ = socket.write_all(greeting).await;
                let _ = socket.read(&mut [0; 1024]).await;
                let _ = socket.write_all(answer).await;
            }
        };
        let failed = tokio::select! {
            failed = failure(&db, "SELECT 1") => failed,
            () = serving => unreachable!(),
        };
        assert_eq!(failed.kind, FailureKind::Protocol, "{scheme} {failed}");
        assert!(failed.detail.contains(expected), "{scheme} {failed}");
    }
}

/// A statement that takes too long, one on a server that does not answer, one on a server that dies.
async fn cut_off(mut server: Server, sleep: &str) {
    let db = client(Database::parse(&server.url).unwrap(), 1, Duration::from_millis(400));
    let slow = failure(&db, sleep).await;
    assert_eq!(slow.kind, FailureKind::Timeout, "{slow}");
    assert_eq!(rows(&db, "SELECT 7", &[]).await.cells, [Datum::Integer(7)]);
    server.freeze(true);
    let frozen = client(Database::parse(&server.url).unwrap(), 1, Duration::from_millis(300));
    assert_eq!(failure(&frozen, "SELECT 1").await.kind, FailureKind::Timeout);
    server.freeze(false);
    let db = to(&server.url, 1);
    rows(&db, "SELECT 1", &[]).await;
    let sleeping = statement(sleep, &[]);
    let (dying, ()) = tokio::join!(db.call(&sleeping), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        server.kill();
    });
    assert_eq!(dying.failure().unwrap().kind, FailureKind::Reset, "{dying:?}");
    let refused = failure(&db, "SELECT 1").await;
    assert_eq!(refused.kind, FailureKind::Refused);
    assert!(refused.detail.starts_with("127.0.0.1:"), "{refused}");
}
