//! Replies as Lua values, each as what it is.
//!
//! Nil inside a list is `false`, as in Redis's own scripts: a list with holes would lose its
//! length, and `if values[2] then` reads the same.

use mlua::{Lua, Table};

use crate::client::redis::Value;
use crate::script::failed::Failed;

/// The Lua value of a whole reply.
pub(super) fn lua_value(lua: &Lua, value: Value) -> mlua::Result<mlua::Value> {
    Ok(match value {
        Value::Nil => mlua::Value::Nil,
        Value::Integer(number) => mlua::Value::Integer(number),
        Value::Double(number) => mlua::Value::Number(number),
        Value::Boolean(value) => mlua::Value::Boolean(value),
        Value::Text(bytes) | Value::Status(bytes) | Value::BigNumber(bytes) => {
            mlua::Value::String(lua.create_string(bytes)?)
        }
        Value::List(values) | Value::Set(values) | Value::Push(values) => {
            mlua::Value::Table(list(lua, values)?)
        }
        Value::Map(entries) => {
            let table = lua.create_table_with_capacity(0, entries.len())?;
            for (key, value) in entries {
                let key = lua_value(lua, key)?;
                if !key.is_nil() {
                    table.raw_set(key, inner(lua, value)?)?;
                }
            }
            mlua::Value::Table(table)
        }
        Value::Error(failure) => mlua::Value::UserData(lua.create_userdata(Failed(failure))?),
    })
}

/// A list; what is nil in it is `false`.
fn list(lua: &Lua, values: Vec<Value>) -> mlua::Result<Table> {
    let table = lua.create_table_with_capacity(values.len(), 0)?;
    for value in values {
        table.raw_push(inner(lua, value)?)?;
    }
    Ok(table)
}

fn inner(lua: &Lua, value: Value) -> mlua::Result<mlua::Value> {
    match value {
        Value::Nil => Ok(mlua::Value::Boolean(false)),
        value => lua_value(lua, value),
    }
}

/// A flat list of keys and values as the map it means: what RESP2 has for want of maps.
pub(super) fn paired(value: Value) -> Value {
    let Value::List(values) = value else {
        return value;
    };
    let mut values = values.into_iter();
    let mut entries = Vec::with_capacity(values.len() / 2);
    while let (Some(key), Some(value)) = (values.next(), values.next()) {
        entries.push((key, value));
    }
    Value::Map(entries)
}
