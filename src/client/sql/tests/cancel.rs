//! What is given up here is not worked on there.

use futures_util::future::{Either, select};
use tokio::time::Instant;

use super::servers::Server;
use super::*;

/// A statement that PostgreSQL works on for longer than any test.
const SLEEP: &str = "SELECT pg_sleep(600)";

/// How many connections of PostgreSQL work on it.
const SLEEPING: &str = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND \
                        pid <> pg_backend_pid() AND query LIKE '%pg_sleep(600)%'";

/// How many connections of MariaDB wait for somebody's lock on a row.
const UPDATING: &str = "SELECT CAST(count(*) AS SIGNED) FROM information_schema.processlist \
                        WHERE info LIKE 'UPDATE t %'";

/// Waits until so many are at work at the server.
async fn at_work(onlooker: &Client, asked: &str, expected: i64) {
    let begun = Instant::now();
    loop {
        let cells = rows(onlooker, asked, &[]).await.cells;
        if cells == [Datum::Integer(expected)] {
            return;
        }
        assert!(begun.elapsed() < Duration::from_mins(2), "{cells:?} are at work");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A statement, and how long it may take.
fn within(sql: &str, timeout: Duration) -> Call {
    let (statement, timeout) = (sql.into(), Some(timeout));
    Call { statement, parameters: Vec::new(), prepare: true, keep: Keep::Rows, timeout }
}

/// A statement that is given up early.
fn brief(sql: &str) -> Call {
    within(sql, Duration::from_millis(400))
}

/// A call that succeeds, however slow the machine; the connections it counts.
async fn counted(db: &Client) -> u32 {
    let exchange = db.call(&Work::Call(within("SELECT 1", LONG))).await;
    assert!(exchange.answer.is_ok(), "{exchange:?}");
    exchange.connects
}

/// How long a call may take that is not to be given up.
const LONG: Duration = Duration::from_mins(1);

fn is_late(exchange: &Exchange) {
    assert_eq!(exchange.failure().map(|f| f.kind), Some(FailureKind::Timeout), "{exchange:?}");
}

#[tokio::test(flavor = "local")]
async fn postgresql_stops_what_was_given_up_and_what_that_took_is_counted() {
    let server = Server::postgres(&[]).await;
    let (onlooker, db) = (to(&server.url, 1), to(&server.url, 1));
    assert_eq!(counted(&db).await, 1);
    is_late(&db.call(&Work::Call(brief(SLEEP))).await);
    at_work(&onlooker, SLEEPING, 0).await;
    assert_eq!(counted(&db).await, 2, "its own, and the one that cancelled");
    let mut transaction = db.begin(&Begin::default(), None).await.unwrap();
    is_late(&transaction.call(&Work::Call(brief(SLEEP))).await);
    at_work(&onlooker, SLEEPING, 0).await;
    is_late(&transaction.roll_back().await);
    assert_eq!(counted(&db).await, 2);
    let mut stream = db.stream(brief(SLEEP)).await.unwrap();
    assert!(stream.next().await.is_none());
    is_late(&stream.finish());
    at_work(&onlooker, SLEEPING, 0).await;
    assert_eq!(counted(&db).await, 2);
    // A user is ended in the middle.
    let sleep = Work::Call(within(SLEEP, LONG));
    let (under_way, seen) = (Box::pin(db.call(&sleep)), Box::pin(at_work(&onlooker, SLEEPING, 1)));
    match select(under_way, seen).await {
        Either::Right(((), under_way)) => drop(under_way),
        Either::Left((ended, _)) => panic!("{ended:?}"),
    }
    assert_eq!(db.settle(Instant::now() + LONG).await.connects, 1, "no call came to count it");
    at_work(&onlooker, SLEEPING, 0).await;
}

#[tokio::test(flavor = "local")]
async fn postgresql_works_on_where_nobody_is_to_ask_it_to_stop_and_where_nobody_is_let_in() {
    let server = Server::postgres(&["max_connections=3", "superuser_reserved_connections=0"]).await;
    let (onlooker, db) = (to(&server.url, 1), to(&server.url, 1));
    let settings = Settings { cancel: false, ..db.pool.settings().clone() };
    let quiet = Client::new(settings);
    is_late(&quiet.call(&Work::Call(brief(SLEEP))).await);
    assert_eq!(quiet.settle(Instant::now() + LONG).await.connects, 0);
    at_work(&onlooker, SLEEPING, 1).await;
    // The last place is that of the statement to be cancelled.
    is_late(&db.call(&Work::Call(brief(SLEEP))).await);
    assert_eq!(db.settle(Instant::now() + LONG).await.connects, 1, "it was tried");
    at_work(&onlooker, SLEEPING, 2).await;
}

#[tokio::test(flavor = "local")]
async fn mariadb_stops_waiting_for_the_lock_of_a_statement_that_was_given_up() {
    let server = Server::mariadb(&["innodb-lock-wait-timeout=600"]).await;
    let (onlooker, db) = (to(&server.url, 1), to(&server.url, 2));
    batch(&db, "CREATE TABLE t (id INT PRIMARY KEY, v INT); INSERT INTO t VALUES (1, 1)").await;
    let update = "UPDATE t SET v = v + 1 WHERE id = 1";
    let mut holder = db.begin(&Begin::default(), None).await.unwrap();
    assert!(holder.call(&statement(update, &[])).await.answer.is_ok());
    is_late(&db.call(&Work::Call(brief(update))).await);
    at_work(&onlooker, UPDATING, 0).await;
    assert!(holder.commit().await.answer.is_ok());
    assert_eq!(rows(&db, "SELECT v FROM t", &[]).await.cells, [Datum::Integer(2)]);
}
