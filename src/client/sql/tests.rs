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
    })
}

/// A client of the server at a URL, in no hurry.
fn to(url: &str, size: usize) -> Rc<Client> {
    client(Database::parse(url).unwrap(), size, Duration::from_secs(20))
}

fn statement(text: &str, parameters: &[Datum]) -> Work {
    Work::Call(Call {
        text: text.into(),
        parameters: parameters.to_vec(),
        prepare: true,
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

/// Several statements that must succeed.
async fn batch(client: &Client, sql: &str) {
    let work = Work::Batch { text: sql.into(), timeout: None };
    let exchange = client.call(&work).await;
    exchange.answer.unwrap_or_else(|trouble| panic!("{sql}: {trouble:?}"));
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
