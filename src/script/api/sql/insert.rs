//! `insert`: many rows into a table, by one statement.

use mlua::{Table, Value};

use super::values;
use crate::client::sql::{Datum, Dialect};
use crate::script::options::{self, shown};

/// A database, and most parameters of one statement there.
fn most(dialect: Dialect) -> (&'static str, usize) {
    match dialect {
        Dialect::Postgres => ("PostgreSQL", 65_535),
        Dialect::MySql => ("MySQL", 65_535),
        Dialect::Sqlite => ("SQLite", 32_766),
    }
}

/// Refuses more rows than go into one statement, with what to write instead.
fn fitting(dialect: Dialect, table: &str, columns: usize, rows: usize) -> Result<(), String> {
    let (database, most) = most(dialect);
    if columns * rows <= most {
        return Ok(());
    }
    let values = columns * rows;
    let too_many = format!(
        "{rows} rows of {columns} are {values} values; {database} takes {most} in one statement"
    );
    match most / columns {
        0 => Err(too_many),
        fit => Err(format!(
            "{too_many}, which is {fit} rows; insert them in goes: `for at = 1, #rows, {fit} do \
             db:insert({table:?}, columns, table.move(rows, at, at + {}, 1, {{}})) end`",
            fit - 1
        )),
    }
}

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
    fitting(dialect, &table, columns.len(), count)?;
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

/// The name of a table or column, which stands in the statement as it is: words between points, each
/// plain or in quotes.
fn identifier(value: &Value) -> Result<String, String> {
    let name = options::string(value)?;
    let mut rest = name.as_str();
    while let Some(after) = word(rest) {
        match after.strip_prefix('.') {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(name),
            None => break,
        }
    }
    Err(format!(
        "expected a name as SQL has it, got {name:?}\n  \
         hint: what is not of letters, digits, `_` and `$` stands in the quotes of the database"
    ))
}

/// What comes after the word at the begin of a name; `None` where there is none.
fn word(name: &str) -> Option<&str> {
    let quote = name.chars().next()?;
    if !matches!(quote, '"' | '`') {
        let end = name.find(|c: char| !(c.is_alphanumeric() || "_$".contains(c)));
        return Some(&name[end.unwrap_or(name.len())..]).filter(|rest| rest.len() < name.len());
    }
    // A quote within is written twice.
    let mut rest = &name[1..];
    loop {
        rest = rest.split_once(quote)?.1;
        match rest.strip_prefix(quote) {
            Some(within) => rest = within,
            None => return Some(rest).filter(|rest| rest.len() + 2 < name.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_of_words_plain_or_in_quotes_and_nothing_comes_after_it() {
        let lua = mlua::Lua::new();
        let read = |name| identifier(&Value::String(lua.create_string(name).unwrap()));
        for name in [
            "items",
            "shop.größe$1",
            r#""order items""#,
            "`order-items`",
            r#"public."say ""hi""; now""#,
        ] {
            assert_eq!(read(name).as_deref(), Ok(name));
        }
        for name in [
            "",
            ".items",
            "shop.",
            "order items",
            "order-items",
            r#""""#,
            r#""items"#,
            r#""items"; DROP TABLE items"#,
            r#""a" b"#,
            "items(a) VALUES (1)",
            "`a`x",
        ] {
            let said = read(name).unwrap_err();
            assert!(said.starts_with("expected a name as SQL has it, got"), "{name}: {said}");
        }
    }

    #[test]
    fn more_rows_than_go_into_one_statement_are_refused_with_how_many_do() {
        for (dialect, columns, rows, fit) in [
            (Dialect::Postgres, 4, 16_384, Some("16383 rows")),
            (Dialect::MySql, 1, 65_536, Some("65535 rows")),
            (Dialect::Sqlite, 2, 16_384, Some("16383 rows")),
            (Dialect::Sqlite, 2, 16_383, None),
            (Dialect::Postgres, 2, 16_384, None),
        ] {
            let said = fitting(dialect, "items", columns, rows).err();
            let told = said.as_deref().is_some_and(|said| said.contains(fit.unwrap_or("?")));
            assert_eq!(told, fit.is_some(), "{said:?}");
        }
        insta::assert_snapshot!(
            fitting(Dialect::Sqlite, "items", 4, 9_000).unwrap_err(),
            @"9000 rows of 4 are 36000 values; SQLite takes 32766 in one statement, which is 8191 rows; insert them in goes: `for at = 1, #rows, 8191 do db:insert(\"items\", columns, table.move(rows, at, at + 8190, 1, {})) end`"
        );
    }
}
