//! Values on their way to SQLite, and from it.

use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments, Column, Decode, Row, Sqlite, TypeInfo, ValueRef};

use super::{Broken, Datum, Taking, changed, panics};

/// Parameters, as the driver takes them.
pub(super) fn arguments(parameters: &[Datum]) -> Result<SqliteArguments, Broken> {
    let mut arguments = SqliteArguments::default();
    for (at, value) in parameters.iter().enumerate() {
        let added = match value {
            Datum::Null => arguments.add(None::<i64>),
            Datum::Bool(truth) => arguments.add(*truth),
            Datum::Integer(number) => arguments.add(*number),
            Datum::Float(number) if number.is_nan() => {
                let what = format!("parameter {} is NaN, which SQLite would take for NULL", at + 1);
                return Err(Broken::misused(what));
            }
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

/// Reads a row. The driver panics where a change of the schema has left it fewer values than there
/// were columns when the statement was prepared.
pub(super) fn read(row: &SqliteRow, taking: &mut Taking) -> Result<(), Broken> {
    panics::caught(|| cells(row, taking)).unwrap_or_else(|| Err(changed()))
}

fn cells(row: &SqliteRow, taking: &mut Taking) -> Result<(), Broken> {
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
