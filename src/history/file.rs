//! The SQLite file: made, written and read, and never touched where it is not ours.
//!
//! `application_id` says that it is a history, `user_version` which form it has. Both are read in
//! the transaction that writes, so that two runs that end at once do not both make the tables.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{ConnectOptions, Connection, Row};
use tokio::runtime::Builder;

use super::{Entry, FILE, HistoryError, Operation, Times, counted};

/// "load" in ASCII.
const APPLICATION: i64 = 0x6c6f_6164;
/// The form of the tables; raised when it changes.
const SCHEMA: i64 = 1;
/// How long another run may keep the file.
const PATIENCE: Duration = Duration::from_secs(10);

const TABLES: &str = "
    CREATE TABLE runs (
        id INTEGER PRIMARY KEY,
        script TEXT NOT NULL, started TEXT NOT NULL, elapsed REAL NOT NULL,
        verdict TEXT NOT NULL, grade TEXT, exit INTEGER NOT NULL,
        held INTEGER NOT NULL, thresholds INTEGER NOT NULL,
        seed TEXT NOT NULL, fingerprint TEXT NOT NULL, parameters TEXT NOT NULL,
        host TEXT NOT NULL, loadrun TEXT NOT NULL, place TEXT NOT NULL,
        iterations INTEGER NOT NULL, per_second REAL NOT NULL,
        calls INTEGER NOT NULL, failed INTEGER NOT NULL,
        p50_ns INTEGER, p95_ns INTEGER, p99_ns INTEGER
    ) STRICT;
    CREATE TABLE operations (
        run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
        nth INTEGER NOT NULL,
        scenario TEXT NOT NULL, metric TEXT NOT NULL, name TEXT NOT NULL,
        calls INTEGER NOT NULL, failed INTEGER NOT NULL, per_second REAL NOT NULL,
        p50_ns INTEGER, p95_ns INTEGER, p99_ns INTEGER,
        PRIMARY KEY (run, nth)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX runs_of_script ON runs (script, started);
    PRAGMA application_id = 1819238756;
    PRAGMA user_version = 1;
";

const INSERT_RUN: &str = "
    INSERT INTO runs (script, started, elapsed, verdict, grade, exit, held, thresholds, seed,
        fingerprint, parameters, host, loadrun, place, iterations, per_second, calls, failed,
        p50_ns, p95_ns, p99_ns)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

const INSERT_OPERATION: &str = "
    INSERT INTO operations (run, nth, scenario, metric, name, calls, failed, per_second,
        p50_ns, p95_ns, p99_ns)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

/// The last runs of each script, the oldest first.
const SELECT_RUNS: &str = "
    SELECT * FROM (
        SELECT *, row_number() OVER (PARTITION BY script ORDER BY started DESC, id DESC) AS back
        FROM runs WHERE ?1 IS NULL OR script = ?1
    ) WHERE back <= ?2 ORDER BY script, started, id";

/// The file of a results folder.
pub struct File {
    path: PathBuf,
}

/// What went wrong, before it is told with the file's name.
enum Trouble {
    /// Of SQLite's.
    Sql(sqlx::Error),
    /// Not a history.
    Foreign,
    /// Of a later version of loadrun.
    Later(i64),
    /// What SQLite's own check found.
    Damaged(String),
}

impl From<sqlx::Error> for Trouble {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

impl File {
    /// Whether it is there or not.
    pub fn at(results: &Path) -> Self {
        Self { path: results.join(FILE) }
    }

    /// Adds a run, in a file that is made where there is none.
    pub fn add(&self, entry: &Entry) -> Result<(), HistoryError> {
        self.within(async {
            let mut file = self.options().create_if_missing(true).connect().await?;
            sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut file).await?;
            if !checked(&mut file).await? {
                sqlx::raw_sql(TABLES).execute(&mut file).await?;
            }
            insert(&mut file, entry).await?;
            sqlx::raw_sql("COMMIT").execute(&mut file).await?;
            Ok(file.close().await?)
        })
    }

    /// The last runs of each script, or of one.
    pub fn read(&self, script: Option<&str>, last: u32) -> Result<Vec<Entry>, HistoryError> {
        self.within(async {
            let Some(mut file) = self.open().await? else { return Ok(Vec::new()) };
            let rows =
                sqlx::query(SELECT_RUNS).bind(script).bind(last).fetch_all(&mut file).await?;
            let mut entries = Vec::new();
            for row in &rows {
                let mut entry = run(row)?;
                let query = sqlx::query("SELECT * FROM operations WHERE run = ? ORDER BY nth");
                let id: i64 = row.try_get("id")?;
                let operations = query.bind(id).fetch_all(&mut file).await?;
                entry.operations = operations.iter().map(operation).collect::<Result<_, _>>()?;
                entries.push(entry);
            }
            Ok(entries)
        })
    }

    /// The scripts there are runs of.
    pub fn scripts(&self) -> Result<Vec<String>, HistoryError> {
        self.within(async {
            let Some(mut file) = self.open().await? else { return Ok(Vec::new()) };
            let query = sqlx::query("SELECT DISTINCT script FROM runs ORDER BY script");
            let rows = query.fetch_all(&mut file).await?;
            Ok(rows.iter().map(|row| row.try_get("script")).collect::<Result<_, _>>()?)
        })
    }

    fn options(&self) -> SqliteConnectOptions {
        SqliteConnectOptions::new().filename(&self.path).busy_timeout(PATIENCE)
    }

    /// Opens it for reading; none where nothing has been written yet.
    async fn open(&self) -> Result<Option<SqliteConnection>, Trouble> {
        let mut file = self.options().read_only(true).connect().await?;
        Ok(checked(&mut file).await?.then_some(file))
    }

    /// Waits for SQLite, which works on a thread of its own; what goes wrong is told with the file.
    fn within<T>(&self, work: impl Future<Output = Result<T, Trouble>>) -> Result<T, HistoryError> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| self.told(&format!("no event loop: {error}"), ""))?;
        runtime.block_on(work).map_err(|trouble| self.trouble(trouble))
    }

    fn trouble(&self, trouble: Trouble) -> HistoryError {
        const PERMISSIONS: &str = "check its permissions and those of its folder";
        const AWAY: &str = "the file is left as it is; move it away, and a new one is begun";
        match trouble {
            Trouble::Foreign => self.told("not a history of loadrun", AWAY),
            Trouble::Later(schema) => self.told(
                &format!("made by a later version of loadrun (form {schema}, this reads {SCHEMA})"),
                "the file is left as it is; use that version, or another folder with --out",
            ),
            Trouble::Damaged(what) => self.told(&format!("damaged: {what}"), AWAY),
            Trouble::Sql(error) => match primary(&error) {
                // SQLITE_CORRUPT and SQLITE_NOTADB.
                Some(11) => self.told("damaged", AWAY),
                Some(26) => self.told("not a history of loadrun", AWAY),
                // SQLITE_BUSY.
                Some(5) => self.told("kept by another program", "try again when that is done"),
                // SQLITE_READONLY and SQLITE_CANTOPEN.
                Some(8) => self.told("cannot be written to", PERMISSIONS),
                Some(14) => self.told("cannot be opened", PERMISSIONS),
                // SQLITE_IOERR and SQLITE_FULL.
                Some(10) => self.told("the disk fails, or has no room", "look at the disk"),
                Some(13) => self.told("the disk is full", "free the disk"),
                _ => {
                    self.told(&error.to_string(), "check its permissions and the room on the disk")
                }
            },
        }
    }

    fn told(&self, what: &str, hint: &str) -> HistoryError {
        let what = format!("history {}: {what}", self.path.display());
        HistoryError { what, hint: hint.to_owned() }
    }
}

/// SQLite's primary result code.
fn primary(error: &sqlx::Error) -> Option<i64> {
    let code: i64 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}

/// Whether there is a history in the file; false for an empty one.
async fn checked(file: &mut SqliteConnection) -> Result<bool, Trouble> {
    let schema = number(file, "PRAGMA user_version").await?;
    let application = number(file, "PRAGMA application_id").await?;
    if application != APPLICATION {
        let tables = number(file, "SELECT count(*) FROM sqlite_schema").await?;
        let empty = tables == 0 && schema == 0 && application == 0;
        return if empty { Ok(false) } else { Err(Trouble::Foreign) };
    }
    if schema > SCHEMA {
        return Err(Trouble::Later(schema));
    }
    let row = sqlx::query("PRAGMA quick_check(1)").fetch_one(file).await?;
    match row.try_get::<String, _>(0)?.as_str() {
        "ok" => Ok(true),
        found => Err(Trouble::Damaged(found.lines().last().unwrap_or_default().to_owned())),
    }
}

/// The one number a query answers.
async fn number(file: &mut SqliteConnection, query: &'static str) -> Result<i64, sqlx::Error> {
    sqlx::query(query).fetch_one(file).await?.try_get(0)
}

async fn insert(file: &mut SqliteConnection, entry: &Entry) -> Result<(), sqlx::Error> {
    let query = sqlx::query(INSERT_RUN)
        .bind(&entry.script)
        .bind(&entry.started)
        .bind(entry.elapsed)
        .bind(&entry.verdict)
        .bind(&entry.grade)
        .bind(entry.exit)
        .bind(entry.held)
        .bind(entry.thresholds)
        .bind(&entry.seed)
        .bind(&entry.fingerprint)
        .bind(&entry.parameters)
        .bind(&entry.host)
        .bind(&entry.loadrun)
        .bind(&entry.place)
        .bind(entry.iterations)
        .bind(entry.per_second)
        .bind(entry.calls)
        .bind(entry.failed)
        .bind(entry.response.p50)
        .bind(entry.response.p95)
        .bind(entry.response.p99);
    let run = query.execute(&mut *file).await?.last_insert_rowid();
    for (nth, operation) in entry.operations.iter().enumerate() {
        let query = sqlx::query(INSERT_OPERATION)
            .bind(run)
            .bind(counted(nth as u64))
            .bind(&operation.scenario)
            .bind(&operation.metric)
            .bind(&operation.name)
            .bind(operation.calls)
            .bind(operation.failed)
            .bind(operation.per_second)
            .bind(operation.times.p50)
            .bind(operation.times.p95)
            .bind(operation.times.p99);
        query.execute(&mut *file).await?;
    }
    Ok(())
}

fn run(row: &SqliteRow) -> Result<Entry, sqlx::Error> {
    Ok(Entry {
        script: row.try_get("script")?,
        started: row.try_get("started")?,
        elapsed: row.try_get("elapsed")?,
        verdict: row.try_get("verdict")?,
        grade: row.try_get("grade")?,
        exit: row.try_get("exit")?,
        held: row.try_get("held")?,
        thresholds: row.try_get("thresholds")?,
        seed: row.try_get("seed")?,
        fingerprint: row.try_get("fingerprint")?,
        parameters: row.try_get("parameters")?,
        host: row.try_get("host")?,
        loadrun: row.try_get("loadrun")?,
        place: row.try_get("place")?,
        iterations: row.try_get("iterations")?,
        per_second: row.try_get("per_second")?,
        calls: row.try_get("calls")?,
        failed: row.try_get("failed")?,
        response: times(row)?,
        operations: Vec::new(),
    })
}

fn operation(row: &SqliteRow) -> Result<Operation, sqlx::Error> {
    Ok(Operation {
        scenario: row.try_get("scenario")?,
        metric: row.try_get("metric")?,
        name: row.try_get("name")?,
        calls: row.try_get("calls")?,
        failed: row.try_get("failed")?,
        per_second: row.try_get("per_second")?,
        times: times(row)?,
    })
}

fn times(row: &SqliteRow) -> Result<Times, sqlx::Error> {
    Ok(Times {
        p50: row.try_get("p50_ns")?,
        p95: row.try_get("p95_ns")?,
        p99: row.try_get("p99_ns")?,
    })
}
