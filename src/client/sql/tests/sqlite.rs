//! SQLite: what it stores, what it shares, and which files it does not reach.

use super::*;

#[tokio::test]
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

#[tokio::test]
async fn memory_is_shared_by_clients_and_outlives_their_connections() {
    let database = memory();
    let [one, two] = [0, 1].map(|_| client(database.clone(), 1, Duration::from_secs(5)));
    batch(&one, "CREATE TABLE t (v); INSERT INTO t VALUES (1), (2)").await;
    drop(one);
    assert_eq!(rows(&two, "SELECT count(*) FROM t", &[]).await.cells, [Datum::Integer(2)]);
    let other = client(memory(), 1, Duration::from_secs(5));
    assert_eq!(failure(&other, "SELECT * FROM t").await.kind, FailureKind::Server);
}

#[tokio::test]
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
        let work = Work::Batch { text: sql.as_str().into(), timeout: None };
        assert!(matches!(db.call(&work).await.answer, Err(Trouble::Misused(_))));
    }
    assert!(!other.exists());
}

#[tokio::test]
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

#[tokio::test]
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
    let mut left = db.stream(call).await.unwrap();
    left.next().await.unwrap();
    drop(left);
    rows(&db, "SELECT 1", &[]).await;
}

#[tokio::test]
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
}
