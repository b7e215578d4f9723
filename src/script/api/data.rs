//! `loadrun.data`.
use mlua::{Lua, Value};

/// The data files read so far, by canonical path; part of the world that all Lua states share.
#[derive(Default)]
pub struct DataCache(());

/// The module table.
pub fn module(_lua: &Lua) -> mlua::Result<Value> {
    todo!()
}
