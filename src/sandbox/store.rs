//! What the service has accepted, in SQLite.
//!
//! One writer owns the only writing connection. It takes everything that waits, stores it in one
//! transaction and answers all of it after the commit: under load one `fsync` serves a whole
//! group, so throughput is thousands of messages a second on a disk that syncs a few hundred times.
//! A group travels as one JSON array per table, so the number of statements does not grow with it.
//! `journal_mode = WAL` lets readers read meanwhile; `synchronous = FULL` makes a commit durable.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteRow, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, FromRow, Row as _};
use tokio::sync::{mpsc, oneshot};

/// How many writes one transaction takes at most; bounds the wait of its first.
const GROUP: usize = 1024;

/// Connections for reading, each a thread of SQLite's.
const READERS: u32 = 2;

/// Items that exist from the start, so that reading needs no writing first.
const FIRST_ITEMS: i64 = 1000;

const SCHEMA: &str = "
    CREATE TABLE messages (
        seq      INTEGER PRIMARY KEY,
        sid      TEXT NOT NULL UNIQUE,
        sender   TEXT NOT NULL,
        receiver TEXT NOT NULL,
        body     TEXT NOT NULL,
        received INTEGER NOT NULL
    );
    CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT NOT NULL, price INTEGER NOT NULL);
    CREATE TABLE orders (
        seq      INTEGER PRIMARY KEY,
        id       TEXT NOT NULL UNIQUE,
        item     INTEGER NOT NULL,
        quantity INTEGER NOT NULL,
        total    INTEGER NOT NULL
    );
";

/// `ON CONFLICT` and not `OR IGNORE`, which would swallow a missing field too.
const INSERT_MESSAGES: &str = "
    INSERT INTO messages (sid, sender, receiver, body, received)
    SELECT value->>0, value->>1, value->>2, value->>3, value->>4 FROM json_each(?) WHERE true
    ON CONFLICT (sid) DO NOTHING";

const INSERT_ITEMS: &str = "
    INSERT INTO items (id, name, price)
    SELECT value->>0, value->>1, value->>2 FROM json_each(?)";

const INSERT_ORDERS: &str = "
    INSERT INTO orders (id, item, quantity, total)
    SELECT value->>0, value->>1, value->>2, value->>3 FROM json_each(?) WHERE true
    ON CONFLICT (id) DO NOTHING";

/// A stored message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Message {
    /// Its place in the order of storing, from 1; the cursor of `GET /messages?since=`.
    pub(super) seq: i64,
    /// `MessageSid`: what it is known by, stored once.
    pub(super) sid: String,
    /// `From`.
    #[serde(rename = "from")]
    pub(super) sender: String,
    /// `To`.
    #[serde(rename = "to")]
    pub(super) receiver: String,
    /// `Body`.
    pub(super) body: String,
    /// When it was received, in milliseconds since 1970.
    pub(super) received: i64,
}

/// A thing that can be read and created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Item {
    /// Its number, from 1; chosen by the service.
    #[serde(default)]
    pub(super) id: i64,
    /// What it is called.
    pub(super) name: String,
    /// In cents.
    #[serde(default)]
    pub(super) price: i64,
}

/// So many of an item, for somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Order {
    /// Its place in the order of storing; the cursor of `GET /orders?since=`.
    #[serde(skip_deserializing)]
    pub(super) seq: i64,
    /// What it is known by, stored once; chosen by whoever orders.
    pub(super) id: String,
    /// The item's number.
    pub(super) item: i64,
    /// How many of it.
    #[serde(default = "one")]
    pub(super) quantity: i64,
    /// What they cost together, in cents.
    #[serde(skip_deserializing)]
    pub(super) total: i64,
}

fn one() -> i64 {
    1
}

impl FromRow<'_, SqliteRow> for Message {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        Ok(Self {
            seq: row.try_get("seq")?,
            sid: row.try_get("sid")?,
            sender: row.try_get("sender")?,
            receiver: row.try_get("receiver")?,
            body: row.try_get("body")?,
            received: row.try_get("received")?,
        })
    }
}

impl FromRow<'_, SqliteRow> for Item {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get("id")?,
            name: row.try_get("name")?,
            price: row.try_get("price")?,
        })
    }
}

impl FromRow<'_, SqliteRow> for Order {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        Ok(Self {
            seq: row.try_get("seq")?,
            id: row.try_get("id")?,
            item: row.try_get("item")?,
            quantity: row.try_get("quantity")?,
            total: row.try_get("total")?,
        })
    }
}

/// A read or write that SQLite refused.
#[derive(Clone, Debug)]
pub(super) struct StoreError(String);

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self(error.to_string())
    }
}

/// One row to write; answered after its commit.
struct Write {
    row: Row,
    done: oneshot::Sender<Result<(), StoreError>>,
}

/// A row as the JSON array its insert reads.
enum Row {
    Message(Value),
    Item(Value),
    Order(Value),
    /// Not a row: what waits before it is the last to be written.
    End,
}

/// The database; cheap to share, ends its writer when the last user is gone.
pub(super) struct Store {
    writes: mpsc::Sender<Write>,
    readers: SqlitePool,
    next_item: AtomicI64,
    tally: Arc<Tally>,
}

/// What the writer has done.
#[derive(Debug, Default)]
struct Tally {
    commits: AtomicU64,
    stored: AtomicU64,
    repeated: AtomicU64,
}

/// How many writes ended how, since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Written {
    /// Transactions.
    pub(super) commits: u64,
    /// Messages stored.
    pub(super) stored: u64,
    /// Messages that were stored already.
    pub(super) repeated: u64,
}

impl Store {
    /// Creates the database in `folder` and starts its writer.
    pub(super) async fn open(folder: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(folder.join("sandbox.sqlite"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        let mut connection = options.connect().await?;
        sqlx::raw_sql(SCHEMA).execute(&mut connection).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .test_before_acquire(false)
            .connect_with(options.read_only(true).create_if_missing(false))
            .await?;
        let (writes, waiting) = mpsc::channel(4 * GROUP);
        let tally = Arc::new(Tally::default());
        insert_first_items(&mut connection).await?;
        tokio::spawn(write_groups(connection, waiting, Arc::clone(&tally)));
        Ok(Self { writes, readers, next_item: AtomicI64::new(FIRST_ITEMS + 1), tally })
    }

    /// Stores a message once, however often it comes; returns after the commit.
    pub(super) async fn keep(&self, message: &Message) -> Result<(), StoreError> {
        let Message { seq: _, sid, sender, receiver, body, received } = message;
        self.write(Row::Message(json!([sid, sender, receiver, body, received]))).await
    }

    /// Creates an item; returns its number after the commit.
    pub(super) async fn create(&self, name: &str, price: i64) -> Result<i64, StoreError> {
        let id = self.next_item.fetch_add(1, Ordering::Relaxed);
        self.write(Row::Item(json!([id, name, price]))).await?;
        Ok(id)
    }

    /// Stores an order once, however often it comes; returns after the commit.
    pub(super) async fn order(&self, order: &Order) -> Result<(), StoreError> {
        let Order { seq: _, id, item, quantity, total } = order;
        self.write(Row::Order(json!([id, item, quantity, total]))).await
    }

    async fn write(&self, row: Row) -> Result<(), StoreError> {
        let (done, written) = oneshot::channel();
        let gone = || StoreError("the writer is gone".to_owned());
        self.writes.send(Write { row, done }).await.map_err(|_| gone())?;
        written.await.map_err(|_| gone())?
    }

    /// The message known by `sid`.
    pub(super) async fn message(&self, sid: &str) -> Result<Option<Message>, StoreError> {
        let query = sqlx::query_as("SELECT * FROM messages WHERE sid = ?").bind(sid);
        Ok(query.fetch_optional(&self.readers).await?)
    }

    /// Up to `limit` messages stored after the cursor `since`, in order.
    pub(super) async fn messages(
        &self,
        since: i64,
        limit: usize,
    ) -> Result<Vec<Message>, StoreError> {
        let query = sqlx::query_as("SELECT * FROM messages WHERE seq > ? ORDER BY seq LIMIT ?");
        Ok(query
            .bind(since)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&self.readers)
            .await?)
    }

    /// The item of that number.
    pub(super) async fn item(&self, id: i64) -> Result<Option<Item>, StoreError> {
        let query = sqlx::query_as("SELECT * FROM items WHERE id = ?").bind(id);
        Ok(query.fetch_optional(&self.readers).await?)
    }

    /// The order known by `id`.
    pub(super) async fn ordered(&self, id: &str) -> Result<Option<Order>, StoreError> {
        let query = sqlx::query_as("SELECT * FROM orders WHERE id = ?").bind(id);
        Ok(query.fetch_optional(&self.readers).await?)
    }

    /// Up to `limit` orders stored after the cursor `since`, in order.
    pub(super) async fn orders(&self, since: i64, limit: usize) -> Result<Vec<Order>, StoreError> {
        let query = sqlx::query_as("SELECT * FROM orders WHERE seq > ? ORDER BY seq LIMIT ?");
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        Ok(query.bind(since).bind(limit).fetch_all(&self.readers).await?)
    }

    /// Writes what waits and lets go of all files.
    pub(super) async fn close(&self) {
        self.readers.close().await;
        // The writer is gone only when this was done before.
        let _ = self.write(Row::End).await;
    }

    /// What was written so far.
    pub(super) fn written(&self) -> Written {
        Written {
            commits: self.tally.commits.load(Ordering::Relaxed),
            stored: self.tally.stored.load(Ordering::Relaxed),
            repeated: self.tally.repeated.load(Ordering::Relaxed),
        }
    }
}

async fn insert_first_items(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let items: Vec<_> = (1..=FIRST_ITEMS).map(|id| json!([id, format!("item {id}"), id])).collect();
    insert(connection, INSERT_ITEMS, items).await?;
    Ok(())
}

/// The writer: whatever waits is one group, one transaction, one commit.
async fn write_groups(
    mut connection: SqliteConnection,
    mut waiting: mpsc::Receiver<Write>,
    tally: Arc<Tally>,
) {
    let mut group = Vec::with_capacity(GROUP);
    let mut end = None;
    while end.is_none() && waiting.recv_many(&mut group, GROUP).await > 0 {
        let (mut rows, mut senders) = (Rows::default(), Vec::new());
        for Write { row, done } in group.drain(..) {
            match row {
                Row::Message(values) => rows.messages.push(values),
                Row::Item(values) => rows.items.push(values),
                Row::Order(values) => rows.orders.push(values),
                Row::End => {
                    end = Some(done);
                    continue;
                }
            }
            senders.push(done);
        }
        let offered = rows.messages.len() as u64;
        let result = commit(&mut connection, rows).await;
        if let Ok(stored) = result {
            tally.commits.fetch_add(1, Ordering::Relaxed);
            tally.stored.fetch_add(stored, Ordering::Relaxed);
            tally.repeated.fetch_add(offered - stored, Ordering::Relaxed);
        }
        for done in senders {
            // One that no longer waits has hung up; its row is stored all the same.
            let _ = done.send(result.as_ref().map(|_| ()).map_err(Clone::clone));
        }
    }
    // What was committed is safe whether the files close well or not.
    let _ = connection.close().await;
    if let Some(end) = end {
        let _ = end.send(Ok(()));
    }
}

/// What a group consists of, by table.
#[derive(Default)]
struct Rows {
    messages: Vec<Value>,
    items: Vec<Value>,
    orders: Vec<Value>,
}

/// Stores a group in one transaction; returns how many messages were new.
async fn commit(connection: &mut SqliteConnection, rows: Rows) -> Result<u64, StoreError> {
    if rows.items.is_empty() && rows.orders.is_empty() {
        return insert(connection, INSERT_MESSAGES, rows.messages).await;
    }
    let mut transaction = connection.begin().await?;
    let stored = insert(&mut transaction, INSERT_MESSAGES, rows.messages).await?;
    insert(&mut transaction, INSERT_ITEMS, rows.items).await?;
    insert(&mut transaction, INSERT_ORDERS, rows.orders).await?;
    transaction.commit().await?;
    Ok(stored)
}

async fn insert(
    connection: &mut SqliteConnection,
    statement: &'static str,
    rows: Vec<Value>,
) -> Result<u64, StoreError> {
    if rows.is_empty() {
        return Ok(0);
    }
    let rows = Value::Array(rows).to_string();
    Ok(sqlx::query(statement).bind(rows).execute(connection).await?.rows_affected())
}
