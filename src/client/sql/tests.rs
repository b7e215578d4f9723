//! The client against real databases: private servers started for a test, and SQLite.

mod cancel;
mod failures;
mod pooling;
mod servers;
mod sqlite;
mod types;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::*;

/// A client of a database.
fn client(database: Database, size: usize, timeout: Duration) -> Rc<Client> {
    Client::new(Settings {
        address: Address::Known(database),
        size,
        timeout,
        connect_timeout: Duration::from_secs(10),
        result_limit: 1 << 20,
        cancel: true,
        others: Others::default(),
    })
}

/// A client of the server at a URL, in no hurry.
fn to(url: &str, size: usize) -> Rc<Client> {
    client(Database::parse(url).unwrap(), size, Duration::from_secs(20))
}

fn statement(text: &str, parameters: &[Datum]) -> Work {
    Work::Call(Call {
        statement: text.into(),
        parameters: parameters.to_vec(),
        prepare: true,
        keep: Keep::Rows,
        timeout: None,
    })
}

fn text(text: &str) -> Datum {
    Datum::Text(text.to_owned())
}

/// The rows of a statement that must succeed.
async fn rows(client: &Client, sql: &str, parameters: &[Datum]) -> Rows {
    let exchange = client.call(&statement(sql, parameters)).await;
    exchange.answer.unwrap_or_else(|trouble| panic!("{sql}: {trouble:?}"))
}

/// Of an answer that is kept in part the rest is not, whatever it is; the next call finds nothing of it.
async fn keeps_what_is_wanted(db: &Client) {
    let sql = "SELECT 1 AS a, 'x' AS b UNION ALL SELECT 2, 'y' UNION ALL SELECT 3, 'z' ORDER BY a";
    for (keep, columns, cells) in [(Keep::Row, 2, 2), (Keep::Value, 0, 1), (Keep::Rows, 2, 6)] {
        let Work::Call(call) = statement(sql, &[]) else { unreachable!() };
        let rows = db.call(&Work::Call(Call { keep, ..call })).await.answer.unwrap();
        assert_eq!((rows.columns.len(), rows.cells.len()), (columns, cells), "{rows:?}");
        assert_eq!(rows.cells[0], Datum::Integer(1));
    }
}

/// Several statements that must succeed; how many rows they have changed.
async fn batch(client: &Client, sql: &str) -> u64 {
    let work = Work::Batch { statements: sql.into(), timeout: None };
    let exchange = client.call(&work).await;
    exchange.answer.unwrap_or_else(|trouble| panic!("{sql}: {trouble:?}")).affected
}

/// How a statement failed.
async fn failure(client: &Client, sql: &str) -> Failure {
    let exchange = client.call(&statement(sql, &[])).await;
    exchange.failure().cloned().unwrap_or_else(|| panic!("{sql}: {:?}", exchange.answer))
}

/// What a statement was misused for.
async fn misuse(client: &Client, sql: &str, parameters: &[Datum]) -> String {
    match client.call(&statement(sql, parameters)).await.answer {
        Err(Trouble::Misused(what)) => what,
        other => panic!("{sql}: {other:?}"),
    }
}

fn memory() -> Database {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = format!("test-{}", COUNT.fetch_add(1, Ordering::Relaxed));
    Database::Sqlite(Place::Memory(Arc::new(Memory::new(name))))
}

#[test]
fn a_call_under_way_is_small() {
    let (client, work) = (to("postgres://127.0.0.1/a", 1), statement("SELECT 1", &[]));
    let calling = size_of_val(&client.call(&work));
    assert!(calling <= 850, "{calling}");
}
