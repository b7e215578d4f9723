//! `loadrun.log`: lines for whoever runs the script. The same line is shown once and counted.

use mlua::{Lua, MultiValue, Value};

use crate::script::context::Context;
use crate::script::log::Level;
use crate::script::traceback::words;

/// What a script can call.
pub const FUNCTIONS: &[&str] = &["debug", "error", "info", "warn"];

/// The module table.
pub fn module(lua: &Lua) -> mlua::Result<Value> {
    let table = lua.create_table()?;
    for level in [Level::Debug, Level::Info, Level::Warn, Level::Error] {
        let world = Context::of(lua)?.world.clone();
        let write = lua.create_function(move |lua, values: MultiValue| {
            world.log.add(level, words(lua, &values));
            Ok(())
        })?;
        table.raw_set(level.to_string(), write)?;
    }
    Ok(Value::Table(table))
}
