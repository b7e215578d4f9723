//! `loadrun.time`: waiting, and seconds on the run's own clock.

use std::time::Duration;

use futures_util::FutureExt;
use mlua::{Lua, Value};
use tokio::time::Instant;

use crate::script::call::Call;
use crate::script::context::Context;
use crate::script::coroutine;
use crate::script::options;

/// What a script can call.
pub const FUNCTIONS: &[&str] = &["now", "seconds", "since", "sleep"];

/// The module table.
pub fn module(lua: &Lua) -> mlua::Result<Value> {
    let made = Context::of(lua)?.world.made;
    let now = move || Instant::now().saturating_duration_since(made).as_secs_f64();
    let table = lua.create_table()?;
    table.raw_set("now", lua.create_function(move |_, ()| Ok(now()))?)?;
    table.raw_set(
        "since",
        lua.create_function(move |lua, before: Value| {
            let before = Call::new(lua, "time.since").takes("before", options::number(&before))?;
            Ok(now() - before)
        })?,
    )?;
    table.raw_set(
        "seconds",
        lua.create_function(|lua, duration: Value| {
            let read = options::duration(&duration);
            Call::new(lua, "time.seconds").takes("duration", read).map(|time| time.as_secs_f64())
        })?,
    )?;
    table.raw_set(
        "sleep",
        coroutine::function(
            lua,
            |lua, duration: Value| wanted(lua, &duration),
            |duration, _| tokio::time::sleep(duration).map(Ok),
        )?,
    )?;
    Ok(Value::Table(table))
}

fn wanted(lua: &Lua, duration: &Value) -> mlua::Result<Duration> {
    Context::of(lua)?.may_wait(lua, "time.sleep")?;
    Call::new(lua, "time.sleep").takes("duration", options::duration(duration))
}
