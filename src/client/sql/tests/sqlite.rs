//! SQLite: what it stores, what it shares, and which files it does not reach.

use super::*;

#[tokio::test(flavor = "local")]
async fn values_keep_the_class_they_were_stored_with() {
    let db = client(memory(), 2, Duration::from_secs(5));
    keeps_what_is_wanted(&db).await;
    batch(&db, "CREATE TABLE t (v, truth BOOLEAN)").await;
    for value in [
        Datum::Integer(i64::MAX),
        Datum::Integer(i64::MIN),
        Datum::Float(0.1),
        text("é\u{1F600}"),
        text(""),
        Datum::Bytes(vec![0, 255, 7]),
        Datum::Null,
    ] {
        batch(&db, "DELETE FROM t").await;
        let done = rows(&db, "INSERT INTO t (v) VALUES (?)", std::slice::from_ref(&value)).await;
        assert_eq!(done.affected, 1);
        assert_eq!(rows(&db, "SELECT v FROM t", &[]).await.cells, [value]);
    }
    rows(&db, "UPDATE t SET truth = ?", &[Datum::Bool(true)]).await;
    let answer = rows(&db, "SELECT truth, v FROM t", &[]).await;
    assert_eq!(answer.cells, [Datum::Bool(true), Datum::Null]);
    assert_eq!(answer.columns.join(" "), "truth v");
}

#[tokio::test(flavor = "local")]
async fn memory_is_shared_by_clients_and_outlives_their_connections() {
    let database = memory();
    let [one, two] = [0, 1].map(|_| client(database.clone(), 1, Duration::from_secs(5)));
    batch(&one, "CREATE TABLE t (v); INSERT INTO t VALUES (1), (2)").await;
    drop(one);
    assert_eq!(rows(&two, "SELECT count(*) FROM t", &[]).await.cells, [Datum::Integer(2)]);
    let other = client(memory(), 1, Duration::from_secs(5));
    assert_eq!(failure(&other, "SELECT * FROM t").await.kind, FailureKind::Server);
}

#[tokio::test(flavor = "local")]
async fn a_file_is_made_kept_and_the_only_one_there_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = || Database::Sqlite(Place::File(folder.path().join("shop.db")));
    batch(&client(file(), 1, Duration::from_secs(5)), "CREATE TABLE t (v)").await;
    let db = client(file(), 1, Duration::from_secs(5));
    assert_eq!(rows(&db, "SELECT count(*) FROM t", &[]).await.cells, [Datum::Integer(0)]);
    let other = folder.path().join("other.db");
    for sql in ["ATTACH '{}' AS other", "VACUUM INTO '{}'"] {
        let sql = sql.replace("{}", &other.display().to_string());
        let what = misuse(&db, &sql, &[]).await;
        assert!(what.contains("is not available"), "{what}");
        let work = Work::Batch { statements: sql.as_str().into(), timeout: None };
        assert!(matches!(db.call(&work).await.answer, Err(Trouble::Misused(_))));
    }
    assert!(!other.exists());
}

#[tokio::test(flavor = "local")]
async fn mistakes_are_found_and_failures_have_their_kind() {
    let db = client(memory(), 2, Duration::from_secs(1));
    batch(
        &db,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT NOT NULL); INSERT INTO t VALUES (1, 'a')",
    )
    .await;
    for (sql, kind) in [
        ("INSERT INTO t VALUES (1, 'b')", FailureKind::Unique),
        ("INSERT INTO t VALUES (2, NULL)", FailureKind::Constraint),
        ("SELEC 1", FailureKind::Server),
        ("SELECT * FROM nowhere", FailureKind::Server),
    ] {
        let failure = failure(&db, sql).await;
        assert_eq!(failure.kind, kind, "{failure}");
    }
    let what = misuse(&db, "SELECT ?, ?", &[Datum::Null]).await;
    assert_eq!(what, "the statement has 2 parameters, got 1");
    let large = "SELECT zeroblob(700000) UNION ALL SELECT zeroblob(700000)";
    let large = failure(&db, large).await;
    assert_eq!(large.kind, FailureKind::TooLarge, "{large}");
    // One writer holds the database, the other has waited for its time.
    let writing = db.begin(&Begin::default(), None).await.unwrap();
    let locked = failure(&db, "INSERT INTO t VALUES (3, 'c')").await;
    assert_eq!(locked.kind, FailureKind::Timeout, "{locked}");
    drop(writing);
    // Another row: what ran out of time may be done nevertheless, now that it can be.
    rows(&db, "INSERT INTO t VALUES (4, 'd')", &[]).await;
}

#[tokio::test(flavor = "local")]
async fn a_stream_gives_every_row_once_and_its_connection_back() {
    let db = client(memory(), 1, Duration::from_secs(5));
    let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) \
               SELECT i FROM n";
    let Work::Call(call) = statement(sql, &[Datum::Integer(100_000)]) else { unreachable!() };
    let mut stream = db.stream(call.clone()).await.unwrap();
    let (mut sum, mut batches) = (0, 0);
    while let Some(rows) = stream.next().await {
        batches += 1;
        for row in &rows {
            let [Datum::Integer(number)] = row else { panic!("{row:?}") };
            sum += number;
        }
    }
    assert_eq!(sum, 100_000 * 100_001 / 2);
    assert!(batches > 1_000, "{batches}");
    let exchange = stream.finish();
    assert!(exchange.answer.is_ok(), "{exchange:?}");
    // One that is left early frees its place too; the pool has only one.
    let mut left = db.stream(call.clone()).await.unwrap();
    left.next().await.unwrap();
    drop(left);
    rows(&db, "SELECT 1", &[]).await;
    // The reader's own hour is not the stream's.
    let mut read = db.stream(call.clone()).await.unwrap();
    read.next().await.unwrap();
    tokio::time::pause();
    tokio::time::advance(Duration::from_hours(1)).await;
    tokio::time::resume();
    while read.next().await.is_some() {}
    let exchange = read.finish();
    assert!(exchange.answer.is_ok(), "{exchange:?}");
    assert!(exchange.duration < Duration::from_mins(1), "{exchange:?}");
    // What the database takes is, also where it gives no row.
    let counting = sql.replace("SELECT i FROM n", "SELECT count(*) FROM n");
    let (statement, timeout) = (counting.as_str().into(), Some(Duration::from_millis(1)));
    let parameters = vec![Datum::Integer(3_000_000)];
    let mut slow = db.stream(Call { statement, parameters, timeout, ..call }).await.unwrap();
    assert!(slow.next().await.is_none());
    assert_eq!(slow.failure().map(|failure| failure.kind), Some(FailureKind::Timeout));
    assert!(slow.finish().duration >= Duration::from_millis(1));
}

#[tokio::test(flavor = "local")]
async fn rows_are_those_of_the_schema_there_is_and_a_text_is_one_statement() {
    let database = memory();
    let [one, two] = [0, 1].map(|_| client(database.clone(), 1, Duration::from_secs(5)));
    batch(&one, "CREATE TABLE t (a, b); INSERT INTO t VALUES (1, 2)").await;
    for (change, columns) in [
        ("ALTER TABLE t RENAME COLUMN a TO z", "z b"),
        ("ALTER TABLE t ADD c", "z b c"),
        ("DROP TABLE t; CREATE TABLE t (d); INSERT INTO t VALUES (7)", "d"),
    ] {
        rows(&one, "SELECT * FROM t", &[]).await;
        rows(&two, "SELECT * FROM t", &[]).await;
        batch(&one, change).await;
        for db in [&one, &two] {
            assert_eq!(rows(db, "SELECT * FROM t", &[]).await.columns.join(" "), columns);
        }
    }
    let what = misuse(&one, "SELECT 1; SELECT 2", &[]).await;
    assert!(what.contains("several statements"), "{what}");
    let reading = Begin { read_only: true, isolation: None };
    let mut reader = one.begin(&reading, None).await.unwrap();
    let refused = reader.call(&statement("DELETE FROM t", &[])).await;
    assert!(refused.failure().is_some(), "{refused:?}");
    assert!(reader.roll_back().await.answer.is_ok());
    assert_eq!(rows(&one, "DELETE FROM t", &[]).await.affected, 1);
    rows(&one, "-- nothing", &[]).await;
    for (text, affected) in [
        ("CREATE TABLE u (a); INSERT INTO u VALUES (1), (2); CREATE TABLE v (a)", 2),
        ("SELECT 1; SELECT 2 -- none", 0),
        ("UPDATE u SET a = 3; WITH old AS (SELECT 3) DELETE FROM u; /* open", 4),
    ] {
        let work = Work::Batch { statements: text.into(), timeout: None };
        assert_eq!(one.call(&work).await.answer.unwrap().affected, affected, "{text}");
    }
    for (text, detail) in [
        ("SELECT 'x", "unrecognized token: \"'x\" (1)"),
        ("SELECT 1 +", "near \";\": syntax error (1)"),
    ] {
        assert_eq!(failure(&one, text).await.detail, detail);
    }
}

/// A change of the schema by somebody this process knows nothing of, such as another program.
async fn from_elsewhere(file: &std::path::Path, change: &'static str) {
    use sqlx::{ConnectOptions, Connection, Executor};
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
    let mut other = options.connect().await.unwrap();
    other.execute(change).await.unwrap();
    other.close().await.unwrap();
}

#[tokio::test(flavor = "local")]
async fn a_change_of_the_schema_by_another_process_is_a_failure_and_never_a_wrong_row() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.db");
    let place = || Database::Sqlite(Place::File(file.clone()));
    let [one, two] = [0, 1].map(|_| client(place(), 1, Duration::from_secs(30)));
    batch(&one, "CREATE TABLE t (a INTEGER, b); INSERT INTO t VALUES (1, 2)").await;
    for (change, columns, first) in [
        ("ALTER TABLE t RENAME COLUMN a TO z", "z b", Datum::Integer(1)),
        ("ALTER TABLE t ADD c", "z b c", Datum::Integer(1)),
        ("ALTER TABLE t DROP c", "z b", Datum::Integer(1)),
        (
            "DROP TABLE t; CREATE TABLE t (z BOOLEAN); INSERT INTO t VALUES (1)",
            "z",
            Datum::Bool(true),
        ),
    ] {
        for db in [&one, &two] {
            rows(db, "SELECT * FROM t", &[]).await;
            rows(db, "SELECT z FROM (SELECT *, 1 AS z FROM t)", &[]).await;
        }
        from_elsewhere(&file, change).await;
        let failed = failure(&one, "SELECT * FROM t").await;
        assert_eq!(failed.kind, FailureKind::Server, "{failed}");
        assert_eq!(failed.detail, "the schema was changed while the statement ran");
        // What answers no rows is right in any case, and a transaction sees what there is.
        rows(&two, "DELETE FROM t WHERE false", &[]).await;
        for db in [&one, &two] {
            let answer = rows(db, "SELECT * FROM t", &[]).await;
            assert_eq!((answer.columns.join(" ").as_str(), &answer.cells[0]), (columns, &first));
        }
    }
}

#[test]
fn tables_made_anew_by_two_at_once_are_failures_at_worst_and_nobody_waits() {
    let database = memory();
    let remaking = |database: Database| async move {
        let db = client(database, 1, Duration::from_mins(1));
        for round in 0..400 {
            let columns = if round % 2 == 0 { "a, b" } else { "a" };
            let change = format!(
                "DROP TABLE IF EXISTS t; CREATE TABLE t ({columns}); INSERT INTO t (a) VALUES (1)"
            );
            let works = [
                Work::Batch { statements: change.as_str().into(), timeout: None },
                statement("SELECT * FROM t", &[]),
            ];
            for work in works {
                let exchange = db.call(&work).await;
                let Err(trouble) = exchange.answer else { continue };
                let Trouble::Failed(failure) = trouble else { panic!("{trouble:?}") };
                assert_eq!(failure.kind, FailureKind::Server, "{failure}");
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let database = database.clone();
            scope.spawn(move || {
                let runtime = tokio::runtime::LocalRuntime::new();
                runtime.unwrap().block_on(remaking(database));
            });
        }
    });
}

#[tokio::test(flavor = "local")]
async fn a_statement_that_runs_out_of_time_is_interrupted_and_its_locks_are_free() {
    let folder = tempfile::tempdir().unwrap();
    let file = Database::Sqlite(Place::File(folder.path().join("shop.db")));
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) \
                   SELECT count(*) FROM n";
    for database in [file, memory()] {
        let db = client(database, 2, Duration::from_secs(20));
        batch(&db, "CREATE TABLE t (v)").await;
        let mut held = db.begin(&Begin::default(), None).await.unwrap();
        assert!(held.call(&statement("INSERT INTO t VALUES (1)", &[])).await.answer.is_ok());
        let endless = statement(endless, &[]);
        let late = tokio::time::timeout(Duration::from_millis(100), held.call(&endless));
        assert!(late.await.is_err());
        drop(held);
        rows(&db, "INSERT INTO t VALUES (2)", &[]).await;
        assert_eq!(rows(&db, "SELECT v FROM t", &[]).await.cells, [Datum::Integer(2)]);
    }
}
