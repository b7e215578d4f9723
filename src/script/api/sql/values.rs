//! Between Lua values and those of a database.

use mlua::{Lua, LuaString, Table, UserData, Value};

use super::document;
use crate::client::sql::{Datum, Rows};
use crate::script::api::json;
use crate::script::options::{self, shown};

/// A parameter that says itself what it is: `sql.bytes`, `sql.json`, `sql.array`.
pub(super) struct Marked(pub(super) Datum);

impl UserData for Marked {}

/// What else is expected, when a value cannot be a parameter.
const EXPECTED: &str = "expected a string, number, boolean, `sql.null`, `sql.bytes(...)`, \
                        `sql.json(...)` or `sql.array { ... }`";

/// A parameter; the error is a sentence about it.
pub(super) fn parameter(value: &Value) -> Result<Datum, String> {
    Ok(match value {
        Value::LightUserData(pointer) if pointer.0.is_null() => Datum::Null,
        Value::Boolean(truth) => Datum::Bool(*truth),
        Value::Integer(number) => Datum::Integer(*number),
        Value::Number(number) => Datum::Float(*number),
        Value::String(text) => match text.to_str() {
            Ok(text) => Datum::Text(text.to_owned()),
            Err(_) => Datum::Bytes(text.as_bytes().to_vec()),
        },
        Value::UserData(data) => match data.borrow::<Marked>() {
            Ok(marked) => marked.0.clone(),
            Err(_) => return Err(format!("{EXPECTED}, got {}", shown(value))),
        },
        Value::Nil => return Err("is nil; write `sql.null` for NULL".to_owned()),
        other => return Err(format!("{EXPECTED}, got {}", shown(other))),
    })
}

/// How closely the parameters of a statement are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Nothing but a list will do.
    Whole,
    /// What stands beside a list is not seen, which is a third of the work.
    List,
}

/// The parameters of a statement: nil for none, or a list without gaps.
pub(super) fn parameters(value: &Value, look: Look) -> Result<Vec<Datum>, String> {
    let list = match value {
        Value::Nil => return Ok(Vec::new()),
        Value::Table(list) => list,
        other => {
            let what = format!("expected a list of parameters, got {}", shown(other));
            return Err(format!("{what}\n  hint: write `{{ 1, \"a\" }}`, one value a placeholder"));
        }
    };
    if look == Look::List
        && let Some(found) = listed(list)
    {
        return Ok(found);
    }
    items(list).map_err(|what| format!("parameter {what}"))
}

/// The values of what is a list as far as its length goes.
fn listed(list: &Table) -> Option<Vec<Datum>> {
    let length = list.raw_len();
    let mut found = Vec::with_capacity(length);
    let take = |value: Value| {
        found.push(parameter(&value).map_err(mlua::Error::runtime)?);
        Ok(())
    };
    list.for_each_value(take).ok()?;
    (found.len() == length && length > 0).then_some(found)
}

/// The values of a list without gaps; the error begins with the number of the item.
pub(super) fn items(list: &Table) -> Result<Vec<Datum>, String> {
    match in_order(list) {
        Some(found) => Ok(found),
        None => one_by_one(list),
    }
}

/// The values of a list that Lua gives in order, as it nearly always does.
fn in_order(list: &Table) -> Option<Vec<Datum>> {
    let (mut found, mut next) = (Vec::with_capacity(list.raw_len()), 1);
    let all = list.for_each(|key: Value, value: Value| {
        match parameter(&value) {
            Ok(datum) if key == Value::Integer(next) => found.push(datum),
            _ => return Err(mlua::Error::runtime("another look")),
        }
        next += 1;
        Ok(())
    });
    all.is_ok().then_some(found)
}

/// The same in whatever order they are, and what is wrong with one.
fn one_by_one(list: &Table) -> Result<Vec<Datum>, String> {
    let mut most = 0;
    for pair in list.pairs::<Value, Value>() {
        let (key, _) = pair.map_err(|error| error.to_string())?;
        match key {
            Value::Integer(at) if at >= 1 => most = most.max(at),
            other => return Err(format!("{}: expected a list", shown(&other))),
        }
    }
    let mut found = Vec::with_capacity(usize::try_from(most).unwrap_or(0).min(65_535));
    for at in 1..=most {
        let value: Value = list.raw_get(at).map_err(|error| error.to_string())?;
        found.push(parameter(&value).map_err(|what| format!("{at}: {what}"))?);
    }
    Ok(found)
}

/// An array of PostgreSQL: lists in lists are its dimensions.
pub(super) fn array(value: &Value) -> Result<Datum, String> {
    let Value::Table(list) = value else {
        return Err(format!("expected a list, got {}", shown(value)));
    };
    let mut found = Vec::new();
    for (at, item) in options::items(list)?.iter().enumerate() {
        let datum = match item {
            Value::Table(_) => array(item),
            other => parameter(other),
        };
        found.push(datum.map_err(|what| format!("item {}: {what}", at + 1))?);
    }
    Ok(Datum::List(found))
}

/// A value of a row.
pub(super) fn lua_value(lua: &Lua, datum: &Datum) -> mlua::Result<Value> {
    Ok(match datum {
        Datum::Null => Value::NULL,
        Datum::Bool(truth) => Value::Boolean(*truth),
        Datum::Integer(number) => Value::Integer(*number),
        Datum::Float(number) => Value::Number(*number),
        Datum::Text(text) => Value::String(lua.create_string(text)?),
        Datum::Bytes(bytes) => Value::String(lua.create_string(bytes)?),
        // Its text where a number would lose something, or it is deeper than can be followed.
        Datum::Json(text) => match json::decode(lua, text.as_bytes()) {
            Ok(value) if document::fits(text) => value,
            _ => Value::String(lua.create_string(text)?),
        },
        Datum::List(items) => {
            let list = lua.create_table_with_capacity(items.len(), 0)?;
            for (at, item) in items.iter().enumerate() {
                list.raw_set(at + 1, lua_value(lua, item)?)?;
            }
            Value::Table(list)
        }
    })
}

/// All rows as a list of tables by column name; `rows.columns` are the names in order.
pub(super) fn rows(lua: &Lua, rows: &Rows) -> mlua::Result<Value> {
    let names = names(lua, rows)?;
    let list = lua.create_table_with_capacity(rows.len(), 0)?;
    for (at, cells) in rows.iter().enumerate() {
        list.raw_set(at + 1, row(lua, &names, cells)?)?;
    }
    // Beside the rows and not among them: `pairs` and `json.encode` see a list.
    let fields = lua.create_table_with_capacity(0, 1)?;
    fields.raw_set("columns", lua.create_sequence_from(names)?)?;
    let meta = lua.create_table_with_capacity(0, 1)?;
    meta.raw_set("__index", fields)?;
    list.set_metatable(Some(meta))?;
    Ok(Value::Table(list))
}

/// The first row, or nil.
pub(super) fn one(lua: &Lua, rows: &Rows) -> mlua::Result<Value> {
    match rows.iter().next() {
        Some(cells) => row(lua, &names(lua, rows)?, cells).map(Value::Table),
        None => Ok(Value::Nil),
    }
}

/// The columns' names as Lua has them.
pub(super) fn names(lua: &Lua, rows: &Rows) -> mlua::Result<Vec<LuaString>> {
    rows.columns.iter().map(|name| lua.create_string(&**name)).collect()
}

/// One row as a table by column name.
pub(super) fn row(lua: &Lua, names: &[LuaString], cells: &[Datum]) -> mlua::Result<Table> {
    let table = lua.create_table_with_capacity(0, names.len())?;
    for (name, cell) in names.iter().zip(cells) {
        table.raw_set(name, lua_value(lua, cell)?)?;
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_taken_in_its_order_however_lua_keeps_it_and_its_first_mistake_is_named() {
        let lua = Lua::new();
        let read = |code: &str| items(&lua.load(code).eval::<Table>().unwrap());
        let numbers = |last| Ok((1..=last).map(Datum::Integer).collect::<Vec<_>>());
        assert_eq!(read("{ 1, 2, 3 }"), numbers(3));
        assert_eq!(read("{ [3] = 3, [2] = 2, [1] = 1 }"), numbers(3));
        assert_eq!(
            read("(function() local l = {} for i = 100, 1, -1 do l[i] = i end return l end)()"),
            numbers(100)
        );
        assert_eq!(read("{}"), Ok(Vec::new()));
        for (code, what) in [
            ("{ 1, nil, 3 }", "2: is nil; write `sql.null` for NULL"),
            ("{ 1, id = 2 }", "\"id\": expected a list"),
            ("{ [0] = 1, 1 }", "0: expected a list"),
            ("{ 1, print, {} }", "2: "),
        ] {
            let error = read(code).unwrap_err();
            assert!(error.starts_with(what), "{code}: {error}");
        }
    }

    #[test]
    fn a_look_at_the_list_alone_finds_the_same_in_every_list_and_refuses_the_same_in_it() {
        let lua = Lua::new();
        for (code, beside) in [
            ("{ 1, 'a', true, 2.5, NULL }", false),
            ("{}", false),
            ("{ [3] = 3, [2] = 2, [1] = 1 }", false),
            ("{ 1, nil, 3 }", false),
            ("{ [2] = 2 }", false),
            ("{ id = 2 }", false),
            ("{ 1, print }", false),
            ("{ 1, id = 2 }", true),
        ] {
            lua.globals().set("NULL", Value::NULL).unwrap();
            let list: Value = lua.load(code).eval().unwrap();
            let (whole, alone) = (parameters(&list, Look::Whole), parameters(&list, Look::List));
            if beside {
                assert!(whole.is_err() && alone.is_ok(), "{code}");
            } else {
                assert_eq!(whole, alone, "{code}");
            }
        }
    }
}
