//! Tables that scripts can read and not write: `_G`, the libraries of Lua, the modules.
//!
//! One user's iteration must not change what another's finds. So a script never gets the table
//! itself but an empty one in front of it: reads go through, writes are refused by name, whatever
//! way they come, `rawset` included. `pairs` walks the true table without handing it out.

use mlua::{Lua, Table, Value};

use super::mistakes;
use super::options::shown;
use super::traceback::misuse;

/// Name in the registry of the set of tables in front.
const FROZEN: &str = "loadrun.frozen";

/// The set of tables in front, for `rawset`: each with what is refused about it.
pub(super) fn set(lua: &Lua) -> mlua::Result<Table> {
    if let Some(set) = lua.named_registry_value::<Option<Table>>(FROZEN)? {
        return Ok(set);
    }
    let set = lua.create_table()?;
    lua.set_named_registry_value(FROZEN, &set)?;
    Ok(set)
}

/// The table in front of `table`, called `name` in what refuses a write.
pub(super) fn frozen(lua: &Lua, name: &str, table: Table) -> mlua::Result<Table> {
    let meta = lua.create_table()?;
    meta.raw_set("__index", &table)?;
    meta.raw_set("__metatable", false)?;
    let owner = name.to_owned();
    let refuse = move |lua: &Lua, (_, key, _): (Value, Value, Value)| -> mlua::Result<()> {
        let field = match &key {
            Value::String(key) => format!("{owner}.{}", key.to_string_lossy()),
            other => format!("{owner}[{}]", shown(other)),
        };
        let hint = "every user shares it; keep a function of your own in a local";
        let what = format!("{field}: `{owner}` is read-only\n  hint: {hint}");
        mistakes::instead(lua, misuse(lua, what)).map(drop)
    };
    meta.raw_set("__newindex", lua.create_function(refuse)?)?;
    meta.raw_set(
        "__pairs",
        lua.create_function(move |lua, _: Value| {
            let pairs = table.pairs::<Value, Value>().collect::<mlua::Result<Vec<_>>>()?;
            let mut pairs = pairs.into_iter();
            lua.create_function_mut(move |_, _: (Value, Value)| {
                Ok(pairs.next().unwrap_or((Value::Nil, Value::Nil)))
            })
        })?,
    )?;
    let front = lua.create_table()?;
    front.set_metatable(Some(meta))?;
    set(lua)?.raw_set(&front, format!("`{name}` is read-only"))?;
    Ok(front)
}
