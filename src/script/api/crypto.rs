//! `loadrun.crypto`.
use mlua::{Lua, Value};

/// The module table.
pub fn module(_lua: &Lua) -> mlua::Result<Value> {
    todo!()
}
