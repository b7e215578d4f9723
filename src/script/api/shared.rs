//! `loadrun.shared`.
use mlua::{Lua, Value};

/// Counters, maps, queues and barriers by name; part of the world that all Lua states share.
#[derive(Default)]
pub struct Shared(());

/// The module table.
pub fn module(_lua: &Lua) -> mlua::Result<Value> {
    todo!()
}
