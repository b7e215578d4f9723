//! `loadrun.listen`: an endpoint for what a target sends back.
//!
//! `listen.http {}` at file scope declares one. It is a service like any other: it has a URL once
//! the run has begun, and other services take it where they want the address of a service. Requests
//! are answered by the control state, which also runs `setup`, the faults and `teardown`.

use mlua::{Function, Lua, Value};

use super::service::{Declaration, Service, name};
use crate::script::context::Context;
use crate::script::options::{Options, shown};

/// What a script can call or read.
pub const FUNCTIONS: &[&str] = &["http"];

/// What the plan calls an endpoint among its services.
const KIND: &str = "listener";

/// The module table.
pub fn module(lua: &Lua) -> mlua::Result<Value> {
    let table = lua.create_table()?;
    table.set("http", lua.create_function(http)?)?;
    Ok(Value::Table(table))
}

fn http(lua: &Lua, given: Value) -> mlua::Result<Service> {
    const NAME: &str = "listen.http";
    let context = Context::of(lua)?;
    context.may_declare(lua, NAME)?;
    let given = Options::new(lua, NAME, given, &["name", "run"])?;
    let run: Option<Function> = given.read("run", |value| match value {
        Value::Function(function) => Ok(function.clone()),
        other => Err(format!("expected a function, got {}", shown(other))),
    })?;
    let name = given.read("name", name)?;
    let declaration = Declaration { kind: KIND, name, ..Declaration::default() };
    let service = Service::declare(lua, declaration)?.map_err(|what| given.wrong(&what))?;
    context.declared.borrow_mut().listeners.push((service.name().to_owned(), run));
    Ok(service)
}
