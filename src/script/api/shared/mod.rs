//! `loadrun.shared`: counters, maps, queues and barriers that every user of every worker sees.
//!
//! A thing is known by its name: whoever asks for `shared.counter "orders"` first makes it, all
//! later ones get the same. What they hold is plain data, handed from one Lua state to another.
//! Waiting never blocks the thread. Nothing here is for the hot path of a measurement: it is what
//! the users of a test agree on.

mod barrier;
mod map;
mod queue;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use mlua::{Function, Lua, MetaMethod, UserData, UserDataFields, UserDataMethods, Value};

use super::super::call::Call;
use super::super::context::Context;
use super::super::coroutine;
use super::super::options::{self, Options};
use super::super::plain::Plain;

use barrier::Barrier;
use map::Map;
use queue::Queue;

/// What a script can call.
pub const FUNCTIONS: &[&str] = &[
    "Barrier:wait",
    "Counter:add",
    "Counter:value",
    "Map:delete",
    "Map:get",
    "Map:keys",
    "Map:len",
    "Map:set",
    "Map:update",
    "Queue:len",
    "Queue:pop",
    "Queue:push",
    "Queue:try_pop",
    "barrier",
    "counter",
    "map",
    "queue",
];

/// Values a queue holds when no capacity is given.
const CAPACITY: u64 = 1_000_000;

/// The module table.
pub fn module(lua: &Lua) -> mlua::Result<Value> {
    let table = lua.create_table()?;
    table.set("counter", lua.create_function(counter)?)?;
    table.set("map", lua.create_function(|lua, name: Value| map(lua, &name))?)?;
    table.set("queue", lua.create_function(queue)?)?;
    table.set("barrier", lua.create_function(barrier)?)?;
    Ok(Value::Table(table))
}

/// An integer that all workers add to.
#[derive(Debug)]
struct Counter {
    value: AtomicI64,
    /// What it began with.
    initial: i64,
}

/// The things in a script's hands.
struct CounterHandle(Arc<Counter>);
struct MapHandle(Arc<Map>);
struct QueueHandle(Arc<Queue>);
struct BarrierHandle(Arc<Barrier>);

fn counter(lua: &Lua, (name, initial): (Value, Value)) -> mlua::Result<CounterHandle> {
    let call = Call::new(lua, "shared.counter");
    let name = call.takes("name", options::string(&name))?;
    let given = match &initial {
        Value::Nil => None,
        given => Some(call.takes("initial", options::integer(given))?),
    };
    let initial = given.unwrap_or(0);
    let world = &Context::of(lua)?.world;
    let kept = world.kept(&name, || Counter { value: AtomicI64::new(initial), initial });
    agree(call, &name, "an initial value", kept.initial, given)?;
    Ok(CounterHandle(kept))
}

fn map(lua: &Lua, name: &Value) -> mlua::Result<MapHandle> {
    let name = Call::new(lua, "shared.map").takes("name", options::string(name))?;
    Ok(MapHandle(Context::of(lua)?.world.kept(&name, Map::default)))
}

fn queue(lua: &Lua, (name, capacity): (Value, Value)) -> mlua::Result<QueueHandle> {
    let call = Call::new(lua, "shared.queue");
    let name = call.takes("name", options::string(&name))?;
    let given = match &capacity {
        Value::Nil => None,
        given => Some(call.takes("capacity", at_least_one(given))? as usize),
    };
    let world = &Context::of(lua)?.world;
    let kept = world.kept(&name, || Queue::new(given.unwrap_or(CAPACITY as usize)));
    agree(call, &name, "a capacity", kept.capacity, given)?;
    Ok(QueueHandle(kept))
}

fn barrier(lua: &Lua, (name, size): (Value, Value)) -> mlua::Result<BarrierHandle> {
    let call = Call::new(lua, "shared.barrier");
    let name = call.takes("name", options::string(&name))?;
    let size = call.takes("n", at_least_one(&size))?;
    let kept = Context::of(lua)?.world.kept(&name, || Barrier::new(size));
    agree(call, &name, "a size", kept.size, Some(size))?;
    Ok(BarrierHandle(kept))
}

/// Two places of a script that name one thing must not disagree about it.
fn agree<T: Copy + PartialEq + std::fmt::Display>(
    call: Call,
    name: &str,
    what: &str,
    kept: T,
    given: Option<T>,
) -> mlua::Result<()> {
    match given {
        Some(given) if given != kept => {
            Err(call.wrong(format!("{name:?} was made with {what} of {kept}, not {given}")))
        }
        _ => Ok(()),
    }
}

fn at_least_one(value: &Value) -> Result<u64, String> {
    match options::count(value)? {
        0 => Err("expected 1 or more, got 0".to_owned()),
        count => Ok(count),
    }
}

/// Plain data for another Lua state.
fn plain(call: Call, argument: &str, value: &Value) -> mlua::Result<Plain> {
    let read = Plain::read(value);
    call.takes(argument, read.map_err(|error| format!("expected plain data, got {error}")))
}

fn key(call: Call, value: &Value) -> mlua::Result<Plain> {
    match value {
        Value::String(_) | Value::Integer(_) | Value::Number(_) | Value::Boolean(_) => {
            plain(call, "key", value)
        }
        other => Err(call.wrong(format!(
            "key: expected a string, a number or a boolean, got {}",
            options::shown(other)
        ))),
    }
}

impl UserData for CounterHandle {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("add", |lua, this, amount: Value| {
            let amount = match &amount {
                Value::Nil => 1,
                given => Call::new(lua, "counter:add").takes("amount", options::integer(given))?,
            };
            Ok(this.0.value.fetch_add(amount, Ordering::Relaxed).wrapping_add(amount))
        });
        methods.add_method("value", |_, this, ()| Ok(this.0.value.load(Ordering::Relaxed)));
    }
}

impl UserData for MapHandle {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("get", |lua, this, name: Value| {
            this.0.get(&key(Call::new(lua, "map:get"), &name)?).write(lua)
        });
        methods.add_method("set", |lua, this, (name, value): (Value, Value)| {
            let call = Call::new(lua, "map:set");
            this.0.set(key(call, &name)?, plain(call, "value", &value)?);
            Ok(())
        });
        methods.add_method("delete", |lua, this, name: Value| {
            Ok(this.0.delete(&key(Call::new(lua, "map:delete"), &name)?))
        });
        methods.add_method("update", |lua, this, (name, change): (Value, Value)| {
            let call = Call::new(lua, "map:update");
            let name = key(call, &name)?;
            let change = match &change {
                Value::Function(change) => change,
                other => {
                    let got = options::shown(other);
                    return Err(call.wrong(format!("change: expected a function, got {got}")));
                }
            };
            this.0.update(&name, |old| changed(lua, call, change, old))?.write(lua)
        });
        methods.add_method("keys", |lua, this, ()| Plain::list(this.0.keys()).write(lua));
        methods.add_method("len", |_, this, ()| Ok(this.0.len()));
        methods.add_meta_method(MetaMethod::Len, |_, this, ()| Ok(this.0.len()));
    }
}

/// What a script's function makes of an old value.
fn changed(lua: &Lua, call: Call, change: &Function, old: &Plain) -> mlua::Result<Plain> {
    plain(call, "what change returned", &change.call(old.write(lua)?)?)
}

impl UserData for QueueHandle {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        coroutine::method(
            fields,
            "pop",
            |lua, this, given: Value| Ok((Arc::clone(&this.0), patience(lua, "queue:pop", given)?)),
            |(queue, patience), lua| async move {
                queue.pop(patience).await.unwrap_or(Plain::Nil).write(&lua)
            },
        );
    }

    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("push", |lua, this, value: Value| {
            let call = Call::new(lua, "queue:push");
            if value.is_nil() {
                return Err(call.wrong("value: expected anything but nil"));
            }
            Ok(this.0.push(plain(call, "value", &value)?))
        });
        methods.add_method("try_pop", |lua, this, ()| {
            this.0.try_pop().unwrap_or(Plain::Nil).write(lua)
        });
        methods.add_method("len", |_, this, ()| Ok(this.0.len()));
        methods.add_meta_method(MetaMethod::Len, |_, this, ()| Ok(this.0.len()));
    }
}

impl UserData for BarrierHandle {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        coroutine::method(
            fields,
            "wait",
            |lua, this, given: Value| {
                Ok((Arc::clone(&this.0), patience(lua, "barrier:wait", given)?))
            },
            |(barrier, patience), _| async move { Ok(barrier.wait(patience).await) },
        );
    }
}

/// How long a call may wait; `None` for as long as it takes.
fn patience(lua: &Lua, call: &'static str, given: Value) -> mlua::Result<Option<Duration>> {
    Context::of(lua)?.may_wait(lua, call)?;
    Options::new(lua, call, given, &["timeout"])?.duration("timeout")
}

#[cfg(test)]
mod tests;
