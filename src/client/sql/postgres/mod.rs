//! One connection to PostgreSQL.
//!
//! A statement with parameters is prepared first, so that the server says which type each has
//! (`encode`); those types are kept beside the connection, and the second call asks for nothing.

mod decode;
mod encode;
mod numeric;
mod shape;
mod time;

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::TryStreamExt;
use sqlx::encode::{Encode, IsNull};
use sqlx::error::BoxDynError;
use sqlx::postgres::{
    PgArgumentBuffer, PgArguments, PgConnectOptions, PgConnection, PgRow, PgTypeInfo,
};
use sqlx::{
    Arguments, AssertSqlSafe, Column, ConnectOptions, Either, Executor, Postgres, Row, SqlSafeStr,
    Statement, Type, ValueRef,
};

use super::datum::Datum;
use super::failure::Broken;
use super::taking::Taking;
use super::{Begin, Call};
use shape::Shape;

/// Most statements whose types are kept; beyond it all are asked for again.
const MOST_KNOWN: usize = 1_000;

/// A connection, and what is known of the statements prepared on it.
#[derive(Debug)]
pub(super) struct Connection {
    inner: PgConnection,
    known: HashMap<Arc<str>, Arc<[Parameter]>>,
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
        let inner = options.connect().await?;
        Ok(Self { inner, known: HashMap::new(), number: None })
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
        let arguments = if call.parameters.is_empty() {
            PgArguments::default()
        } else {
            self.arguments(call).await?
        };
        let text = AssertSqlSafe(Arc::clone(&call.text));
        let query = sqlx::query_with(text, arguments).persistent(call.prepare);
        let mut answers = self.inner.fetch_many(query);
        let mut shapes = Vec::new();
        loop {
            let answer = match answers.try_next().await {
                Ok(Some(answer)) => answer,
                Ok(None) => break,
                Err(error) if call.parameters.is_empty() && is_protocol(&error) => {
                    drop(answers);
                    return Err(self.uncounted(call, error).await);
                }
                Err(error) => return Err(error.into()),
            };
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

    /// Runs any number of statements without parameters, none of them prepared.
    pub(super) async fn batch(&mut self, text: &Arc<str>) -> Result<u64, Broken> {
        let done = self.inner.execute(sqlx::raw_sql(AssertSqlSafe(Arc::clone(text)))).await?;
        Ok(done.rows_affected())
    }

    /// Begins a transaction.
    pub(super) async fn begin(&mut self, begin: &Begin) -> Result<(), Broken> {
        let level = begin.isolation.map(|level| format!(" ISOLATION LEVEL {}", level.as_sql()));
        let access = if begin.read_only { " READ ONLY" } else { "" };
        let text = format!("BEGIN{}{access}", level.unwrap_or_default());
        self.batch(&text.into()).await.map(drop)
    }

    /// What is wrong with a call without parameters: usually that the statement has some.
    async fn uncounted(&mut self, call: &Call, error: sqlx::Error) -> Broken {
        match self.types(&call.text).await {
            Ok(types) if !types.is_empty() => Broken::misused(super::counted(types.len(), 0)),
            _ => error.into(),
        }
    }

    async fn arguments(&mut self, call: &Call) -> Result<PgArguments, Broken> {
        let types = self.types(&call.text).await?;
        let (expected, given) = (types.len(), call.parameters.len());
        if expected != given {
            return Err(Broken::misused(super::counted(expected, given)));
        }
        let mut arguments = PgArguments::default();
        let mut bytes = Vec::new();
        for (at, (parameter, value)) in types.iter().zip(&call.parameters).enumerate() {
            bytes.clear();
            if *value != Datum::Null {
                let encoded = encode::encode(&parameter.shape, value, &mut bytes);
                encoded.map_err(|what| Broken::misused(format!("parameter {} {what}", at + 1)))?;
            }
            let present = (*value != Datum::Null).then_some(bytes.as_slice());
            let argument = Argument { bytes: present, info: &parameter.info };
            arguments.add(argument).map_err(|error| Broken::misused(error.to_string()))?;
        }
        Ok(arguments)
    }

    /// The types of a statement's parameters.
    async fn types(&mut self, text: &Arc<str>) -> Result<Arc<[Parameter]>, Broken> {
        if let Some(types) = self.known.get(text) {
            return Ok(Arc::clone(types));
        }
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

/// Whether the server found a message malformed, such as one with too few parameters.
fn is_protocol(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| code == "08P01")
}

/// Reads a row; the shapes of its columns are found at the first one.
fn read(row: &PgRow, shapes: &mut Vec<Shape>, taking: &mut Taking) -> Result<(), Broken> {
    if shapes.len() != row.columns().len() || taking.begins() {
        *shapes = row.columns().iter().map(|column| Shape::of(column.type_info())).collect();
        taking.columns(row.columns().iter().map(Column::name));
    }
    for (at, shape) in shapes.iter().enumerate() {
        let value = row.try_get_raw(at)?;
        let datum = match value.as_bytes() {
            Ok(bytes) => decode::decode(shape, bytes).map_err(|what| {
                Broken::misused(format!("column `{}` {what}", row.column(at).name()))
            })?,
            Err(_) if value.is_null() => Datum::Null,
            Err(error) => return Err(Broken::from(sqlx::Error::Decode(error))),
        };
        taking.cell(datum)?;
    }
    Ok(())
}

/// A parameter in its binary form.
struct Argument<'a> {
    bytes: Option<&'a [u8]>,
    info: &'a PgTypeInfo,
}

impl Type<Postgres> for Argument<'_> {
    fn type_info() -> PgTypeInfo {
        // Never asked for: `produces` always knows.
        PgTypeInfo::with_name("text")
    }
}

impl Encode<'_, Postgres> for Argument<'_> {
    fn produces(&self) -> Option<PgTypeInfo> {
        Some(self.info.clone())
    }

    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        match self.bytes {
            Some(bytes) => {
                buffer.extend_from_slice(bytes);
                Ok(IsNull::No)
            }
            None => Ok(IsNull::Yes),
        }
    }
}
