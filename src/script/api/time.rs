//! `loadrun.time`: waiting, and seconds on the run's own clock.

use std::future::{Future, ready};
use std::pin::Pin;
use std::time::Duration;

use mlua::{Lua, Value};
use tokio::time::Instant;

use crate::script::call::Call;
use crate::script::context::Context;
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
        lua.create_async_function(|lua, duration: Value| -> Sleeping {
            match wanted(&lua, &duration) {
                Ok(duration) => Box::pin(async move {
                    tokio::time::sleep(duration).await;
                    Ok(())
                }),
                Err(error) => Box::pin(ready(Err(error))),
            }
        })?,
    )?;
    Ok(Value::Table(table))
}

/// A wait under way. In a box of its own, because mlua frees what it has waited for only when Lua
/// collects its handle, but this as soon as the wait is over.
type Sleeping = Pin<Box<dyn Future<Output = mlua::Result<()>>>>;

fn wanted(lua: &Lua, duration: &Value) -> mlua::Result<Duration> {
    Context::of(lua)?.may_wait(lua, "time.sleep")?;
    Call::new(lua, "time.sleep").takes("duration", options::duration(duration))
}
