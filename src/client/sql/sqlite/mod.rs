//! One connection to a SQLite database: a file beside the script, or memory of the run's own.
//!
//! SQLite runs on a thread of its own, one a connection. A database in memory is shared by all
//! connections of the run through SQLite's `memdb`, and lives as long as one of them: so one that
//! nobody uses is kept.
//!
//! SQLite prepares a statement anew by itself when the schema has changed; the driver keeps the
//! columns it had, and panics where there are other ones. So all that was prepared is dropped when a
//! statement of this process changes a schema, and what nobody here could know, a change by another
//! process or one in the very moment, is found: each text ends by asking for the version of the
//! schema ([`Lite::watched`]). Rows whose columns may be other ones are a failure, never an answer.

mod row;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::TryStreamExt;
use sqlx::query::Query;
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteRow,
};
use sqlx::{AssertSqlSafe, Column, ConnectOptions, Connection as _, Either, Executor, Row, Sqlite};
use tokio::sync::OnceCell;

use super::datum::Datum;
use super::exchange::Trouble;
use super::failure::Broken;
use super::statement::{Count, Lite, QUESTION, Statement};
use super::taking::Taking;
use super::{Begin, Call, FailureKind, panics};

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
    /// The version of the schema before what is prepared here; `None` where it is to be learnt.
    version: Option<i64>,
    /// Whether a change of its own may not be seen by others yet.
    changing: bool,
    /// Whether it may only read until its transaction ends.
    read_only: bool,
    /// Stops what its thread is at work on when it is dropped.
    _interrupt: Interrupt,
}

/// Steps of SQLite's machine from one look whether to go on to the next: some tens of microseconds.
const LOOKS_EVERY: i32 = 10_000;

/// Says that nobody waits for a statement any more, once it is dropped: its thread would work on, and
/// hold its locks, until it has a row to give.
#[derive(Debug, Default)]
struct Interrupt(Arc<AtomicBool>);

impl Drop for Interrupt {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Connection {
    /// Opens it; a statement waits so long for a lock.
    pub(super) async fn open(place: &Place, patience: Duration) -> Result<Self, Broken> {
        panics::hush();
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
        let mut inner = options.connect().await?;
        let interrupt = Interrupt::default();
        let is_over = Arc::clone(&interrupt.0);
        let mut handle = inner.lock_handle().await?;
        handle.set_progress_handler(LOOKS_EVERY, move || !is_over.load(Ordering::Relaxed));
        drop(handle);
        Ok(Self {
            inner,
            changes: 0,
            version: None,
            changing: false,
            read_only: false,
            _interrupt: interrupt,
        })
    }

    /// Runs a statement; what it answers goes into `taking`.
    pub(super) async fn run(&mut self, call: &Call, taking: &mut Taking) -> Result<(), Broken> {
        let lite = call.statement.lite();
        confined(lite)?;
        // SQLite itself takes a parameter that is not there for null.
        let expected = lite.parameters.clone().map_err(Broken::misused)?;
        if expected != call.parameters.len() {
            return Err(Broken::misused(super::counted(expected, call.parameters.len())));
        }
        if lite.count == Count::Several {
            return Err(Broken::misused(
                "the text has several statements, and a call takes one; use `batch`",
            ));
        }
        self.announce(lite).await?;
        let done = self.answer(call, lite, taking).await.map_err(unasked);
        self.announced(lite);
        done
    }

    async fn answer(
        &mut self,
        call: &Call,
        lite: &Lite,
        taking: &mut Taking,
    ) -> Result<(), Broken> {
        let mut answers = self.inner.fetch_many(query(call, lite)?);
        let (mut ended, mut answered, mut version) = (lite.count == Count::None, false, None);
        while let Some(answer) = answers.try_next().await? {
            match answer {
                Either::Right(row) if ended => version = Some(row.try_get(0)?),
                Either::Right(row) => {
                    answered = true;
                    if taking.wants_row() {
                        row::read(&row, taking)?;
                        taking.pass_on().await?;
                    }
                }
                Either::Left(done) if !ended => {
                    ended = true;
                    taking.changed(done.rows_affected());
                }
                Either::Left(_) => {}
            }
        }
        drop(answers);
        self.seen(version, answered)
    }

    /// Looks at the version of the schema there was after a text, which has answered rows or not.
    fn seen(&mut self, version: Option<i64>, answered: bool) -> Result<(), Broken> {
        // An answer without its end is that of a thread that has panicked.
        let version = version.ok_or_else(changed)?;
        if self.version == Some(version) {
            return Ok(());
        }
        self.version = None;
        if answered { Err(Broken { usable: true, ..changed() }) } else { Ok(()) }
    }

    /// Drops what was prepared before a schema changed, and tells the others of a change to come.
    async fn announce(&mut self, lite: &Lite) -> Result<(), Broken> {
        if lite.changes_schema {
            self.changing = true;
            CHANGES.fetch_add(1, Ordering::AcqRel);
        }
        let changes = CHANGES.load(Ordering::Acquire);
        if changes != self.changes || self.version.is_none() {
            self.inner.clear_cached_statements().await?;
            // SQLite prepares by the schema it knows, and sees a new one when a statement runs: that
            // is no older than the version asked for before it.
            let text = "PRAGMA schema_version; SELECT 1 FROM sqlite_schema LIMIT 1";
            let rows = self.inner.fetch_all(sqlx::raw_sql(text)).await?;
            self.version = rows.first().map(|row| row.try_get(0)).transpose()?;
            self.changes = changes;
        }
        Ok(())
    }

    /// Tells the others of a change that may have come.
    fn announced(&mut self, lite: &Lite) {
        if self.changing && (lite.changes_schema || lite.ends_transaction) {
            CHANGES.fetch_add(1, Ordering::AcqRel);
            self.changing = !lite.ends_transaction;
        }
    }

    /// Runs any number of statements without parameters, none of them prepared.
    pub(super) async fn batch(&mut self, statement: &Statement) -> Result<u64, Broken> {
        let lite = statement.lite();
        confined(lite)?;
        if lite.parameters != Ok(0) {
            return Err(Broken::misused("several statements take no parameters; use `execute`"));
        }
        self.announce(lite).await?;
        let done = self.count(lite).await.map_err(unasked);
        self.announced(lite);
        if self.read_only && matches!(&**statement.text(), "COMMIT" | "ROLLBACK") {
            self.inner.execute(sqlx::raw_sql("PRAGMA query_only = 0")).await?;
            self.read_only = false;
        }
        done
    }

    /// How many rows the statements of a text have changed.
    async fn count(&mut self, lite: &Lite) -> Result<u64, Broken> {
        let text = AssertSqlSafe(Arc::clone(&lite.watched));
        let mut answers = self.inner.fetch_many(sqlx::raw_sql(text));
        let (mut counts, mut last) = (Vec::new(), None);
        while let Some(answer) = answers.try_next().await? {
            match answer {
                Either::Left(done) => counts.push(done.rows_affected()),
                Either::Right(row) => last = Some(row),
            }
        }
        drop(answers);
        // The last answer is that of the question for the version. After what changes no rows SQLite
        // still counts what an earlier statement changed.
        counts.pop();
        if let Some(changing) = &lite.changes_rows {
            counts.iter_mut().zip(changing).filter(|it| !it.1).for_each(|it| *it.0 = 0);
        }
        let own = |row: &SqliteRow| row.column(0).name() == "schema_version";
        let version = last.filter(own).map(|row| row.try_get(0)).transpose()?;
        self.seen(version, false).map(|()| counts.iter().sum())
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

/// The failure of rows whose columns may not be those they were read by.
fn changed() -> Broken {
    Broken::lost(FailureKind::Server, "the schema was changed while the statement ran")
}

/// A failure without the question that follows the text it quotes.
fn unasked(mut broken: Broken) -> Broken {
    if let Trouble::Failed(failure) = &mut broken.trouble {
        failure.detail = failure.detail.replace(&format!(" {QUESTION}"), "");
    }
    broken
}

/// Refuses what would reach other files than the database's own.
fn confined(lite: &Lite) -> Result<(), Broken> {
    match lite.reaches {
        None => Ok(()),
        Some(word) => Err(Broken::misused(format!(
            "{word} is not available: a script reaches no files but its own"
        ))),
    }
}

/// A statement with its parameters, as the driver takes it.
fn query<'q>(call: &Call, lite: &Lite) -> Result<Query<'q, Sqlite, SqliteArguments>, Broken> {
    let text = AssertSqlSafe(Arc::clone(&lite.watched));
    Ok(sqlx::query_with(text, row::arguments(&call.parameters)?).persistent(call.prepare))
}
