//! `insert`: many rows into a table, by one statement.

use mlua::{Table, Value};

use super::values;
use crate::client::sql::{Datum, Dialect};
use crate::script::options::{self, shown};

/// Most parameters of one statement in the three databases; SQLite has the fewest.
const PARAMETERS: usize = 32_766;

/// `INSERT INTO table (columns) VALUES (...), (...)` and its parameters, of a list of rows, each a
/// list in the order of the columns or a table by their names.
pub(super) fn statement(
    dialect: Dialect,
    table: &Value,
    columns: &Value,
    rows: &Value,
) -> Result<(String, Vec<Datum>), String> {
    let table = identifier(table).map_err(|what| format!("table: {what}"))?;
    let (Value::Table(columns), Value::Table(rows)) = (columns, rows) else {
        let form = "`db:insert(\"items\", { \"id\", \"name\" }, { { 1, \"a\" }, { 2, \"b\" } })`";
        return Err(format!("expected a list of columns and a list of rows: {form}"));
    };
    let named = |what: String| format!("columns: {what}");
    let columns = options::items(columns).map_err(named)?;
    let columns: Vec<String> =
        columns.iter().map(identifier).collect::<Result<_, _>>().map_err(named)?;
    let count = rows.raw_len();
    if columns.is_empty() || count == 0 {
        return Err("expected at least one column and one row".to_owned());
    }
    if columns.len() * count > PARAMETERS {
        let most = PARAMETERS / columns.len();
        return Err(format!(
            "{count} rows are too many for one statement; at most {most} of these"
        ));
    }
    let mut parameters = Vec::with_capacity(columns.len() * count);
    let mut text = format!("INSERT INTO {table} ({}) VALUES ", columns.join(", "));
    for at in 1..=count {
        let row: Value = rows.raw_get(at).map_err(|error| error.to_string())?;
        let Value::Table(row) = &row else {
            return Err(format!("row {at}: expected a list of values, got {}", shown(&row)));
        };
        all_used(row, &columns).map_err(|what| format!("row {at}: {what}"))?;
        text += if at == 1 { "(" } else { ", (" };
        for (index, name) in columns.iter().enumerate() {
            let listed: Value = row.raw_get(index + 1).map_err(|error| error.to_string())?;
            let value = match listed {
                Value::Nil => row.raw_get(name.as_str()).map_err(|error| error.to_string())?,
                value => value,
            };
            let datum = values::parameter(&value);
            parameters.push(datum.map_err(|what| format!("row {at}: {name}: {what}"))?);
            if index > 0 {
                text += ", ";
            }
            match dialect {
                Dialect::Postgres => {
                    text.push('$');
                    text += &parameters.len().to_string();
                }
                Dialect::MySql | Dialect::Sqlite => text.push('?'),
            }
        }
        text.push(')');
    }
    Ok((text, parameters))
}

/// Refuses a row with a value that no column takes.
fn all_used(row: &Table, columns: &[String]) -> Result<(), String> {
    for pair in row.pairs::<Value, Value>() {
        let (key, value) = pair.map_err(|error| error.to_string())?;
        match &key {
            Value::Integer(at) => {
                let index = usize::try_from(at.wrapping_sub(1)).unwrap_or(usize::MAX);
                let Some(name) = columns.get(index) else {
                    let (value, count) = (shown(&value), columns.len());
                    let plural = if count == 1 { "" } else { "s" };
                    return Err(format!(
                        "{value} at {at} is for no column; there are {count} name{plural}"
                    ));
                };
                let named: Value = row.raw_get(name.as_str()).map_err(|error| error.to_string())?;
                if !named.is_nil() {
                    return Err(format!("{name} is given twice, in the list and by its name"));
                }
            }
            Value::String(name) => {
                let name = name.to_string_lossy();
                if columns.contains(&name) {
                    continue;
                }
                let known: Vec<&str> = columns.iter().map(String::as_str).collect();
                let hint = options::meant(&name, &known).map_or_else(
                    || format!("the columns are {}", known.join(", ")),
                    |near| format!("did you mean `{near}`?"),
                );
                return Err(format!("unknown column `{name}`; {hint}"));
            }
            other => return Err(format!("unexpected {} as a key", shown(other))),
        }
    }
    Ok(())
}

/// The name of a table or column, which stands in the statement as it is.
fn identifier(value: &Value) -> Result<String, String> {
    let name = options::string(value)?;
    let plain = |c: char| c.is_alphanumeric() || "_.$\"`".contains(c);
    if name.is_empty() || !name.chars().all(plain) {
        return Err(format!("expected a name as SQL has it, got {name:?}"));
    }
    Ok(name)
}
