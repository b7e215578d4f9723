//! One connection to PostgreSQL.
//!
//! A statement with parameters is prepared first, so that the server says which type each has
//! (`encode`); those types are kept beside the connection, and the second call asks for nothing.

mod decode;
mod encode;
mod numeric;
mod shape;
mod time;

use std::sync::Arc;

use futures_util::TryStreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use rustc_hash::FxHashMap;
use sqlx::encode::{Encode, IsNull};
use sqlx::error::BoxDynError;
use sqlx::postgres::{
    PgArgumentBuffer, PgArguments, PgConnectOptions, PgConnection, PgQueryResult, PgRow, PgTypeInfo,
};
use sqlx::query::Query;
use sqlx::{
    Arguments, AssertSqlSafe, Column, ConnectOptions, Either, Executor, Postgres, Row, SqlSafeStr,
    Statement as _, Type, ValueRef,
};

use super::datum::Datum;
use super::failure::Broken;
use super::statement::Statement;
use super::taking::Taking;
use super::{Begin, Call, nodelay, words};
use shape::Shape;

/// Most statements whose types are kept; beyond it all are asked for again.
const MOST_KNOWN: usize = 1_000;

/// A connection, and what is known of the statements prepared on it.
#[derive(Debug)]
pub(super) struct Connection {
    inner: PgConnection,
    /// By their texts, which a script makes up for itself alone: a plain hash will do.
    known: FxHashMap<Arc<str>, Arc<[Parameter]>>,
    /// The process that serves it, once that is known.
    number: Option<u64>,
}

/// The type of a parameter, as the server says it.
#[derive(Debug)]
struct Parameter {
    info: PgTypeInfo,
    shape: Shape,
}

impl Connection {
    pub(super) async fn open(options: &PgConnectOptions) -> Result<Self, Broken> {
        let mark = nodelay::Mark::now();
        let inner = options.connect().await?;
        mark.send_at_once(options.get_port());
        Ok(Self { inner, known: FxHashMap::default(), number: None })
    }

    /// Learns its number at the server.
    pub(super) async fn learn_number(&mut self) -> Result<(), Broken> {
        let row = self.inner.fetch_one(sqlx::raw_sql("SELECT pg_backend_pid()")).await?;
        let pid: i32 = row.try_get(0)?;
        self.number = u64::try_from(pid).ok();
        Ok(())
    }

    /// Its number at the server, where that was learnt.
    pub(super) fn number(&self) -> Option<u64> {
        self.number
    }

    /// Runs a statement; what it answers goes into `taking`.
    pub(super) async fn run(&mut self, call: &Call, taking: &mut Taking) -> Result<(), Broken> {
        words::countable(call.parameters.len())?;
        let types = if call.parameters.is_empty() {
            None
        } else {
            Some(self.types(call.statement.text()).await?)
        };
        let types = types.as_deref().unwrap_or_default();
        let done = if taking.wants_one() {
            let answer = self.inner.fetch_optional(query(call, types)?);
            take_one(answer, taking).await
        } else {
            let answers = self.inner.fetch_many(query(call, types)?);
            // Boxed, so that not all calls take its room.
            Box::pin(take_all(answers, taking)).await
        };
        match done {
            Err(broken) if call.parameters.is_empty() && broken.is_malformed() => {
                Err(Box::pin(self.uncounted(call, broken)).await)
            }
            done => done,
        }
    }

    /// Runs any number of statements without parameters, none of them prepared.
    pub(super) async fn batch(&mut self, statements: &Statement) -> Result<u64, Broken> {
        let text = AssertSqlSafe(Arc::clone(statements.text()));
        let mut answers = self.inner.fetch_many(sqlx::raw_sql(text));
        let mut counts = Vec::new();
        while let Some(answer) = answers.try_next().await? {
            if let Either::Left(done) = answer {
                counts.push(done.rows_affected());
            }
        }
        if counts.iter().any(|count| *count > 0)
            && let Some(changing) = statements.changing()
        {
            counts.iter_mut().zip(changing).filter(|it| !it.1).for_each(|it| *it.0 = 0);
        }
        Ok(counts.iter().sum())
    }

    /// Begins a transaction.
    pub(super) async fn begin(&mut self, begin: &Begin) -> Result<(), Broken> {
        let level = begin.isolation.map(|level| format!(" ISOLATION LEVEL {}", level.as_sql()));
        let access = if begin.read_only { " READ ONLY" } else { "" };
        let text = format!("BEGIN{}{access}", level.unwrap_or_default());
        self.batch(&text.as_str().into()).await.map(drop)
    }

    /// What is wrong with a call without parameters: usually that the statement has some.
    async fn uncounted(&mut self, call: &Call, broken: Broken) -> Broken {
        match self.types(call.statement.text()).await {
            Ok(types) if !types.is_empty() => Broken::misused(super::counted(types.len(), 0)),
            _ => broken,
        }
    }

    /// The types of a statement's parameters.
    async fn types(&mut self, text: &Arc<str>) -> Result<Arc<[Parameter]>, Broken> {
        match self.known.get(text) {
            Some(types) => Ok(Arc::clone(types)),
            // Boxed: what only few calls need must not make all futures large.
            None => Box::pin(self.ask_types(text)).await,
        }
    }

    async fn ask_types(&mut self, text: &Arc<str>) -> Result<Arc<[Parameter]>, Broken> {
        let sql = AssertSqlSafe(Arc::clone(text)).into_sql_str();
        let statement = self.inner.prepare(sql).await?;
        let infos = match statement.parameters() {
            Some(Either::Left(infos)) => infos,
            _ => &[],
        };
        let types: Arc<[Parameter]> = infos
            .iter()
            .map(|info| Parameter { info: info.clone(), shape: Shape::of(info) })
            .collect();
        if self.known.len() >= MOST_KNOWN {
            self.known.clear();
        }
        self.known.insert(Arc::clone(text), Arc::clone(&types));
        Ok(types)
    }
}

/// A statement with its parameters, as the driver takes it.
fn query<'q>(call: &Call, types: &[Parameter]) -> Result<Query<'q, Postgres, PgArguments>, Broken> {
    let (expected, given) = (types.len(), call.parameters.len());
    if expected != given {
        return Err(Broken::misused(super::counted(expected, given)));
    }
    let mut arguments = PgArguments::default();
    for (at, (parameter, value)) in types.iter().zip(&call.parameters).enumerate() {
        let added = arguments.add(Argument { parameter, value });
        added.map_err(|what| Broken::misused(format!("parameter {} {what}", at + 1)))?;
    }
    let text = AssertSqlSafe(Arc::clone(call.statement.text()));
    Ok(sqlx::query_with(text, arguments).persistent(call.prepare))
}

/// Takes every row of an answer.
async fn take_all(
    mut answers: BoxStream<'_, Result<Either<PgQueryResult, PgRow>, sqlx::Error>>,
    taking: &mut Taking,
) -> Result<(), Broken> {
    let mut shapes = Vec::new();
    while let Some(answer) = answers.try_next().await? {
        match answer {
            Either::Left(done) => taking.changed(done.rows_affected()),
            Either::Right(row) => {
                read(&row, &mut shapes, taking)?;
                taking.pass_on().await?;
            }
        }
    }
    Ok(())
}

/// Takes the first row of an answer, which costs the driver a third less than to hand on each.
async fn take_one(
    answer: BoxFuture<'_, Result<Option<PgRow>, sqlx::Error>>,
    taking: &mut Taking,
) -> Result<(), Broken> {
    if let Some(row) = answer.await? {
        taking.columns(row.columns().iter().map(Column::name));
        for at in 0..taking.wanted(row.columns().len()) {
            taking.cell(cell(&row, at, &Shape::of(row.column(at).type_info()))?)?;
        }
    }
    Ok(())
}

/// Reads a row; the shapes of its columns are found at the first one.
fn read(row: &PgRow, shapes: &mut Vec<Shape>, taking: &mut Taking) -> Result<(), Broken> {
    if shapes.len() != row.columns().len() || taking.begins() {
        *shapes = row.columns().iter().map(|column| Shape::of(column.type_info())).collect();
        taking.columns(row.columns().iter().map(Column::name));
    }
    for (at, shape) in shapes.iter().enumerate() {
        taking.cell(cell(row, at, shape)?)?;
    }
    Ok(())
}

/// One value of a row.
fn cell(row: &PgRow, at: usize, shape: &Shape) -> Result<Datum, Broken> {
    let value = row.try_get_raw(at)?;
    match value.as_bytes() {
        Ok(bytes) => decode::decode(shape, bytes)
            .map_err(|what| Broken::misused(format!("column `{}` {what}", row.column(at).name()))),
        Err(_) if value.is_null() => Ok(Datum::Null),
        Err(error) => Err(Broken::from(sqlx::Error::Decode(error))),
    }
}

/// A value on its way into the binary form of its parameter.
struct Argument<'a> {
    parameter: &'a Parameter,
    value: &'a Datum,
}

impl Type<Postgres> for Argument<'_> {
    fn type_info() -> PgTypeInfo {
        // Never asked for: `produces` always knows.
        PgTypeInfo::with_name("text")
    }
}

impl Encode<'_, Postgres> for Argument<'_> {
    fn produces(&self) -> Option<PgTypeInfo> {
        Some(self.parameter.info.clone())
    }

    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        if *self.value == Datum::Null {
            return Ok(IsNull::Yes);
        }
        encode::encode(&self.parameter.shape, self.value, buffer)?;
        Ok(IsNull::No)
    }
}
