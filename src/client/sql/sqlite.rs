//! One connection to a SQLite database: a file beside the script, or memory of the run's own.
//!
//! SQLite runs on a thread of its own, one a connection. A database in memory is shared by all
//! connections of the run through SQLite's `memdb`, and lives as long as one of them: so one that
//! nobody uses is kept.
//!
//! The driver keeps the columns of a statement as they were when it was prepared, and its thread
//! panics where a change of the schema has given it more. So all that was prepared is dropped when a
//! statement of this process changes a schema; where another process does, the connection is lost.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::TryStreamExt;
use sqlx::query::Query;
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteRow,
};
use sqlx::{
    Arguments, AssertSqlSafe, Column, ConnectOptions, Connection as _, Decode, Either, Executor,
    Row, Sqlite, TypeInfo, ValueRef,
};
use tokio::sync::OnceCell;

use super::datum::Datum;
use super::failure::Broken;
use super::taking::Taking;
use super::{Begin, Call, FailureKind, statement};

/// How often a statement has changed a schema, in all databases: that is rare, and costs the others
/// no more than preparing anew.
static CHANGES: AtomicU64 = AtomicU64::new(0);

/// Where a database is.
#[derive(Clone, Debug)]
pub enum Place {
    /// A file, made when it is not there.
    File(PathBuf),
    /// Memory that all clients with this handle share.
    Memory(Arc<Memory>),
}

/// A database in memory.
#[derive(Debug)]
pub struct Memory {
    name: String,
    /// The connection that keeps it; opened before any other.
    keeper: OnceCell<std::sync::Mutex<SqliteConnection>>,
}

impl Memory {
    /// One of this name, which no other in the process may have.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), keeper: OnceCell::new() }
    }
}

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    inner: SqliteConnection,
    /// The changes of schemas before what is prepared here.
    changes: u64,
    /// Whether a change of its own may not be seen by others yet.
    changing: bool,
    /// Whether it may only read until its transaction ends.
    read_only: bool,
}

impl Connection {
    /// Opens it; a statement waits so long for a lock.
    pub(super) async fn open(place: &Place, patience: Duration) -> Result<Self, Broken> {
        // SQLite counts it in milliseconds, in 31 bits.
        let patience = patience.min(Duration::from_hours(24));
        let options = SqliteConnectOptions::new()
            .busy_timeout(patience)
            .create_if_missing(true)
            .disable_statement_logging();
        let options = match place {
            Place::File(path) => options.filename(path).journal_mode(SqliteJournalMode::Wal),
            Place::Memory(memory) => {
                let options = options.filename(format!("/{}", memory.name)).vfs("memdb");
                let keep = async || options.connect().await.map(std::sync::Mutex::new);
                memory.keeper.get_or_try_init(keep).await?;
                options
            }
        };
        let changes = CHANGES.load(Ordering::Acquire);
        let inner = options.connect().await?;
        Ok(Self { inner, changes, changing: false, read_only: false })
    }

    /// Runs a statement; what it answers goes into `taking`.
    pub(super) async fn run(&mut self, call: &Call, taking: &mut Taking) -> Result<(), Broken> {
        confined(&call.text)?;
        // SQLite itself takes a parameter that is not there for null.
        let expected = statement::parameters(&call.text);
        if expected != call.parameters.len() {
            return Err(Broken::misused(super::counted(expected, call.parameters.len())));
        }
        if statement::is_several(&call.text) {
            return Err(Broken::misused(
                "the text has several statements, and a call takes one; use `batch`",
            ));
        }
        self.announce(&call.text).await?;
        let done = self.answer(call, taking).await;
        self.announced(&call.text);
        done
    }

    async fn answer(&mut self, call: &Call, taking: &mut Taking) -> Result<(), Broken> {
        let mut answers = self.inner.fetch_many(query(call)?);
        let mut ended = false;
        while let Some(answer) = answers.try_next().await? {
            match answer {
                Either::Left(done) => {
                    ended = true;
                    taking.changed(done.rows_affected());
                }
                Either::Right(row) if taking.wants_row() => {
                    // The driver panics where there are fewer values than there were columns.
                    let read = catch_unwind(AssertUnwindSafe(|| read(&row, taking)));
                    read.unwrap_or_else(|_| {
                        Err(Broken::lost(FailureKind::Server, "the schema changed meanwhile"))
                    })?;
                    taking.pass_on().await?;
                }
                Either::Right(_) => {}
            }
        }
        drop(answers);
        self.alive(ended).await
    }

    /// An answer without an end is that of an empty text, or of a thread that has panicked.
    async fn alive(&mut self, ended: bool) -> Result<(), Broken> {
        if !ended {
            self.inner.ping().await?;
        }
        Ok(())
    }

    /// Drops what was prepared before a schema changed, and tells the others of a change to come.
    async fn announce(&mut self, text: &str) -> Result<(), Broken> {
        if statement::changes_schema(text) {
            self.changing = true;
            CHANGES.fetch_add(1, Ordering::AcqRel);
        }
        let changes = CHANGES.load(Ordering::Acquire);
        if changes != self.changes {
            self.inner.clear_cached_statements().await?;
            // SQLite prepares by the schema it knows, and sees a new one when a statement runs.
            self.inner.execute(sqlx::raw_sql("SELECT 1 FROM sqlite_schema")).await?;
            self.changes = changes;
        }
        Ok(())
    }

    /// Tells the others of a change that may have come.
    fn announced(&mut self, text: &str) {
        if self.changing && (statement::changes_schema(text) || statement::ends_transaction(text)) {
            CHANGES.fetch_add(1, Ordering::AcqRel);
            self.changing = !statement::ends_transaction(text);
        }
    }

    /// Runs any number of statements without parameters, none of them prepared.
    pub(super) async fn batch(&mut self, text: &Arc<str>) -> Result<u64, Broken> {
        confined(text)?;
        self.announce(text).await?;
        let done = self.inner.execute(sqlx::raw_sql(AssertSqlSafe(Arc::clone(text)))).await;
        self.announced(text);
        if self.read_only && matches!(&**text, "COMMIT" | "ROLLBACK") {
            self.inner.execute(sqlx::raw_sql("PRAGMA query_only = 0")).await?;
            self.read_only = false;
        }
        self.alive(false).await?;
        Ok(done?.rows_affected())
    }

    /// Begins a transaction. One that may write takes its lock at once: two that both read first
    /// could only wait for each other. Every isolation level is serializable here.
    pub(super) async fn begin(&mut self, begin: &Begin) -> Result<(), Broken> {
        let text = if begin.read_only { "BEGIN" } else { "BEGIN IMMEDIATE" };
        self.batch(&text.into()).await?;
        if begin.read_only {
            self.read_only = true;
            self.inner.execute(sqlx::raw_sql("PRAGMA query_only = 1")).await?;
        }
        Ok(())
    }
}

/// Refuses what would reach other files than the database's own.
fn confined(text: &str) -> Result<(), Broken> {
    match statement::reaches_files(text) {
        None => Ok(()),
        Some(word) => Err(Broken::misused(format!(
            "{word} is not available: a script reaches no files but its own"
        ))),
    }
}

/// A statement with its parameters, as the driver takes it.
fn query<'q>(call: &Call) -> Result<Query<'q, Sqlite, SqliteArguments>, Broken> {
    let text = AssertSqlSafe(Arc::clone(&call.text));
    Ok(sqlx::query_with(text, arguments(call)?).persistent(call.prepare))
}

fn arguments(call: &Call) -> Result<SqliteArguments, Broken> {
    let mut arguments = SqliteArguments::default();
    for (at, value) in call.parameters.iter().enumerate() {
        let added = match value {
            Datum::Null => arguments.add(None::<i64>),
            Datum::Bool(truth) => arguments.add(*truth),
            Datum::Integer(number) => arguments.add(*number),
            Datum::Float(number) => arguments.add(*number),
            Datum::Text(text) | Datum::Json(text) => arguments.add(text.clone()),
            Datum::Bytes(bytes) => arguments.add(bytes.clone()),
            Datum::List(_) => {
                let what = format!("parameter {} is an array, which SQLite has not", at + 1);
                return Err(Broken::misused(what));
            }
        };
        added.map_err(|error| Broken::misused(format!("parameter {}: {error}", at + 1)))?;
    }
    Ok(arguments)
}

fn read(row: &SqliteRow, taking: &mut Taking) -> Result<(), Broken> {
    if taking.begins() {
        taking.columns(row.columns().iter().map(Column::name));
    }
    let wanted = taking.wanted(row.columns().len());
    for (at, column) in row.columns().iter().enumerate().take(wanted) {
        let value = row.try_get_raw(at)?;
        let kind = if value.is_null() { "NULL" } else { &*value.type_info().name().to_owned() };
        let datum = match kind {
            "NULL" => Datum::Null,
            "INTEGER" => {
                let number = <i64 as Decode<Sqlite>>::decode(value).map_err(sqlx::Error::Decode)?;
                let truth = column.type_info().name() == "BOOLEAN";
                match number {
                    0 | 1 if truth => Datum::Bool(number == 1),
                    number => Datum::Integer(number),
                }
            }
            "REAL" => {
                Datum::Float(<f64 as Decode<Sqlite>>::decode(value).map_err(sqlx::Error::Decode)?)
            }
            kind => {
                let bytes = <Vec<u8> as Decode<Sqlite>>::decode(value);
                let bytes = bytes.map_err(sqlx::Error::Decode)?;
                match (kind, String::from_utf8(bytes)) {
                    ("BLOB", Ok(text)) => Datum::Bytes(text.into_bytes()),
                    (_, Ok(text)) => Datum::Text(text),
                    (_, Err(other)) => Datum::Bytes(other.into_bytes()),
                }
            }
        };
        taking.cell(datum)?;
    }
    Ok(())
}
