//! One connection to MySQL or MariaDB.
//!
//! Parameters are sent as what they are in the script; the server makes of them what the column
//! needs. Results are read from the binary protocol byte by byte, because the driver's own types
//! lose what a script must see: a zero date, an unsigned integer beyond 63 bits.

use std::sync::Arc;

use futures_util::TryStreamExt;
use sqlx::mysql::{MySqlArguments, MySqlConnectOptions, MySqlConnection, MySqlRow, MySqlTypeInfo};
use sqlx::query::Query;
use sqlx::{
    Arguments, AssertSqlSafe, Column, ConnectOptions, Decode, Either, Executor, MySql, Row,
    SqlSafeStr, Statement as _, Type, TypeInfo,
};

use super::datum::Datum;
use super::failure::Broken;
use super::statement::Statement;
use super::taking::Taking;
use super::{Begin, Call, FailureKind, nodelay, words};
use crate::units::Bytes;

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    inner: MySqlConnection,
    server: Option<Server>,
}

/// What a connection knows of its server, once it has asked.
#[derive(Clone, Copy, Debug)]
struct Server {
    /// The thread that serves it.
    number: u64,
    /// The largest message it takes, in bytes.
    max_allowed_packet: u64,
}

impl Connection {
    pub(super) async fn open(options: &MySqlConnectOptions) -> Result<Self, Broken> {
        let mark = nodelay::Mark::now();
        let inner = options.connect().await?;
        mark.send_at_once(options.get_port());
        Ok(Self { inner, server: None })
    }

    /// Learns its number at the server, and what the server takes.
    pub(super) async fn learn_number(&mut self) -> Result<(), Broken> {
        // MariaDB and MySQL do not agree on the types of the bare expressions.
        let text =
            "SELECT CAST(CONNECTION_ID() AS UNSIGNED), CAST(@@max_allowed_packet AS UNSIGNED)";
        let row = self.inner.fetch_one(sqlx::raw_sql(text)).await?;
        self.server = Some(Server { number: row.try_get(0)?, max_allowed_packet: row.try_get(1)? });
        Ok(())
    }

    /// Its number at the server, where that was learnt.
    pub(super) fn number(&self) -> Option<u64> {
        self.server.map(|server| server.number)
    }

    /// Runs a statement; what it answers goes into `taking`.
    pub(super) async fn run(&mut self, call: &Call, taking: &mut Taking) -> Result<(), Broken> {
        let done = self.answered(call, taking).await;
        done.map_err(|broken| {
            let parameters: u64 = call.parameters.iter().map(Datum::bytes).sum();
            self.explained(broken, parameters.max(call.statement.text().len() as u64))
        })
    }

    /// Says of a connection that was lost while a message of at least so many bytes was sent whether
    /// that was too large. The server says so and closes it, and with what it has not read yet it
    /// closes it so that its own words may be lost.
    fn explained(&self, broken: Broken, bytes: u64) -> Broken {
        match self.server {
            Some(server) if broken.is_reset() && bytes > server.max_allowed_packet => {
                let [sent, most] = [bytes, server.max_allowed_packet].map(Bytes);
                let detail = format!(
                    "the server closed the connection: a message of {sent} is more than its \
                     `max_allowed_packet` of {most}"
                );
                Broken::lost(FailureKind::TooLarge, detail)
            }
            _ => broken,
        }
    }

    async fn answered(&mut self, call: &Call, taking: &mut Taking) -> Result<(), Broken> {
        words::countable(call.parameters.len())?;
        if call.prepare {
            // A wrong number of parameters would leave the connection in the middle of a call.
            let statement = self.inner.prepare(text(call).into_sql_str()).await?;
            let expected = match statement.parameters() {
                Some(Either::Right(count)) => count,
                _ => 0,
            };
            if expected != call.parameters.len() {
                return Err(Broken::misused(super::counted(expected, call.parameters.len())));
            }
        }
        let mut answers = self.inner.fetch_many(query(call)?);
        let (mut ended, mut several) = (0, false);
        while let Some(answer) = answers.try_next().await? {
            match answer {
                Either::Left(done) => {
                    ended += 1;
                    taking.changed(done.rows_affected());
                }
                Either::Right(_) if ended > 0 => several = true,
                Either::Right(row) if taking.wants_row() => {
                    read(&row, taking)?;
                    taking.pass_on().await?;
                }
                Either::Right(_) => {}
            }
        }
        // After its answers a procedure says itself that it has ended.
        if several || ended > 2 {
            return Err(Broken::misused(
                "the procedure gives several answers, and a call takes one; use `batch`, which takes \
                 any number and keeps none of their rows",
            ));
        }
        Ok(())
    }

    /// Runs any number of statements without parameters, none of them prepared.
    pub(super) async fn batch(&mut self, statements: &Statement) -> Result<u64, Broken> {
        let text = AssertSqlSafe(Arc::clone(statements.text()));
        let done = self.inner.execute(sqlx::raw_sql(text)).await;
        let explained = |error| self.explained(Broken::from(error), statements.text().len() as u64);
        done.map(|done| done.rows_affected()).map_err(explained)
    }

    /// Begins a transaction.
    pub(super) async fn begin(&mut self, begin: &Begin) -> Result<(), Broken> {
        let level = begin
            .isolation
            .map(|level| format!("SET TRANSACTION ISOLATION LEVEL {}; ", level.as_sql()));
        let access = if begin.read_only { " READ ONLY" } else { "" };
        let text = format!("{}START TRANSACTION{access}", level.unwrap_or_default());
        self.batch(&text.as_str().into()).await.map(drop)
    }
}

fn text(call: &Call) -> AssertSqlSafe<Arc<str>> {
    AssertSqlSafe(Arc::clone(call.statement.text()))
}

/// A statement with its parameters, as the driver takes it.
fn query<'q>(call: &Call) -> Result<Query<'q, MySql, MySqlArguments>, Broken> {
    Ok(sqlx::query_with(text(call), arguments(call)?).persistent(call.prepare))
}

fn arguments(call: &Call) -> Result<MySqlArguments, Broken> {
    let mut arguments = MySqlArguments::default();
    for (at, value) in call.parameters.iter().enumerate() {
        let added = match value {
            Datum::Null => arguments.add(None::<&str>),
            Datum::Bool(truth) => arguments.add(*truth),
            Datum::Integer(number) => arguments.add(*number),
            Datum::Float(number) if !number.is_finite() => {
                let what = format!("parameter {} is {number}, which MySQL has not", at + 1);
                return Err(Broken::misused(what));
            }
            Datum::Float(number) => arguments.add(*number),
            Datum::Text(text) | Datum::Json(text) => arguments.add(text.as_str()),
            Datum::Bytes(bytes) => arguments.add(bytes.as_slice()),
            Datum::List(_) => {
                let what = format!("parameter {} is an array, which MySQL has not", at + 1);
                return Err(Broken::misused(what));
            }
        };
        added.map_err(|error| Broken::misused(format!("parameter {}: {error}", at + 1)))?;
    }
    Ok(arguments)
}

fn read(row: &MySqlRow, taking: &mut Taking) -> Result<(), Broken> {
    if taking.begins() {
        taking.columns(row.columns().iter().map(Column::name));
    }
    let wanted = taking.wanted(row.columns().len());
    for (at, column) in row.columns().iter().enumerate().take(wanted) {
        let value = row.try_get_raw(at)?;
        // A zero date counts as null with the driver, so null is what has no bytes.
        let datum = match <&[u8] as Decode<MySql>>::decode(value) {
            Err(_) => Datum::Null,
            Ok(bytes) => decode(column.type_info(), bytes).ok_or_else(|| {
                let (name, kind) = (column.name(), column.type_info().name());
                Broken::misused(format!("column `{name}` holds a malformed {kind}"))
            })?,
        };
        taking.cell(datum)?;
    }
    Ok(())
}

fn decode(info: &MySqlTypeInfo, bytes: &[u8]) -> Option<Datum> {
    let unsigned = <u64 as Type<MySql>>::compatible(info);
    Some(match info.name() {
        "BOOLEAN" => match bytes {
            [0] => Datum::Bool(false),
            [1] => Datum::Bool(true),
            _ => integer(bytes, unsigned)?,
        },
        "YEAR" => integer(bytes, true)?,
        name if name.contains("INT") && !name.contains("POINT") => integer(bytes, unsigned)?,
        "FLOAT" => Datum::Float(f64::from(f32::from_le_bytes(bytes.try_into().ok()?))),
        "DOUBLE" => Datum::Float(f64::from_le_bytes(bytes.try_into().ok()?)),
        "BIT" => whole(bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))),
        "DATE" => Datum::Text(moment(bytes, false)?),
        "DATETIME" | "TIMESTAMP" => Datum::Text(moment(bytes, true)?),
        "TIME" => Datum::Text(time(bytes)?),
        "JSON" => Datum::Json(String::from_utf8(bytes.to_vec()).ok()?),
        "GEOMETRY" => Datum::Bytes(bytes.to_vec()),
        name if name.ends_with("BLOB") || name.ends_with("BINARY") => Datum::Bytes(bytes.to_vec()),
        _ => match String::from_utf8(bytes.to_vec()) {
            Ok(text) => Datum::Text(text),
            Err(other) => Datum::Bytes(other.into_bytes()),
        },
    })
}

/// An integer of 1, 2, 4 or 8 bytes.
fn integer(bytes: &[u8], unsigned: bool) -> Option<Datum> {
    let mut eight = [0; 8];
    eight.get_mut(..bytes.len())?.copy_from_slice(bytes);
    let number = u64::from_le_bytes(eight);
    if unsigned {
        return Some(whole(number));
    }
    let unused = 64 - 8 * u32::try_from(bytes.len()).ok()?;
    Some(Datum::Integer(number.checked_shl(unused)?.cast_signed() >> unused))
}

/// A number without a sign: text where 63 bits are too few.
fn whole(number: u64) -> Datum {
    i64::try_from(number).map_or_else(|_| Datum::Text(number.to_string()), Datum::Integer)
}

/// A date, and the time of day: a length, then as many parts as are not zero.
fn moment(bytes: &[u8], timed: bool) -> Option<String> {
    let (length, rest) = bytes.split_first()?;
    let mut parts = [0; 11];
    fill(&mut parts, *length, rest)?;
    let [y0, y1, month, day, hour, minute, second, micros @ ..] = parts;
    let date = format!("{:04}-{month:02}-{day:02}", u16::from_le_bytes([y0, y1]));
    if !timed {
        return Some(date);
    }
    let fraction = fraction(u32::from_le_bytes(micros));
    Some(format!("{date} {hour:02}:{minute:02}:{second:02}{fraction}"))
}

/// A time: up to 838 hours, and negative ones.
fn time(bytes: &[u8]) -> Option<String> {
    let (length, rest) = bytes.split_first()?;
    let mut parts = [0; 12];
    fill(&mut parts, *length, rest)?;
    let [negative, d0, d1, d2, d3, hour, minute, second, micros @ ..] = parts;
    let hours = u64::from(u32::from_le_bytes([d0, d1, d2, d3])) * 24 + u64::from(hour);
    let sign = if negative == 1 { "-" } else { "" };
    let fraction = fraction(u32::from_le_bytes(micros));
    Some(format!("{sign}{hours:02}:{minute:02}:{second:02}{fraction}"))
}

/// Fills the first parts with all there is, which must be as much as was said.
fn fill(parts: &mut [u8], length: u8, rest: &[u8]) -> Option<()> {
    (rest.len() == usize::from(length)).then_some(())?;
    parts.get_mut(..rest.len())?.copy_from_slice(rest);
    Some(())
}

fn fraction(micros: u32) -> String {
    match micros {
        0 => String::new(),
        micros => format!(".{micros:06}").trim_end_matches('0').to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_keep_their_sign_and_their_64_bits() {
        for (bytes, unsigned, expected) in [
            (&[0xff][..], false, Datum::Integer(-1)),
            (&[0xff], true, Datum::Integer(255)),
            (&[0, 0x80], false, Datum::Integer(-32_768)),
            (&[0xff; 8], false, Datum::Integer(-1)),
            (&[0xff; 8], true, Datum::Text("18446744073709551615".to_owned())),
        ] {
            assert_eq!(integer(bytes, unsigned), Some(expected));
        }
        assert_eq!(integer(&[0; 9], true), None);
    }

    #[test]
    fn dates_and_times_are_written_as_the_server_writes_them() {
        assert_eq!(moment(&[4, 0xea, 7, 11, 25], false).as_deref(), Some("2026-11-25"));
        assert_eq!(moment(&[0], true).as_deref(), Some("0000-00-00 00:00:00"));
        let whole = [11, 0xea, 7, 11, 25, 18, 30, 0, 0x20, 0xa1, 7, 0];
        assert_eq!(moment(&whole, true).as_deref(), Some("2026-11-25 18:30:00.5"));
        assert_eq!(time(&[8, 1, 34, 0, 0, 0, 22, 59, 59]).as_deref(), Some("-838:59:59"));
        assert_eq!(time(&[0]).as_deref(), Some("00:00:00"));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(
            bytes in proptest::collection::vec(0_u8.., 0..20),
        ) {
            // What the length says and what is there may differ.
            let _ = (moment(&bytes, true), time(&bytes), integer(&bytes, false));
        }
    }
}
