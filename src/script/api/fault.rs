//! `loadrun.fault`: links that can be broken.
//!
//! `fault.proxy {}` at file scope declares a proxy of the run; it is a service like any other, and
//! clients take it as their address. What is broken on it, and when, stands in the `faults` of the
//! table the script returns.

use mlua::{Lua, Value};

use super::service::{Declaration, Service};
use crate::script::context::Context;
use crate::script::options::{self, Options};

/// What a script can call or read.
pub const FUNCTIONS: &[&str] = &["proxy"];

/// What the plan calls a proxy among its services.
pub const KIND: &str = "proxy";

/// The module table.
pub fn module(lua: &Lua) -> mlua::Result<Value> {
    let table = lua.create_table()?;
    table.set("proxy", lua.create_function(proxy)?)?;
    Ok(Value::Table(table))
}

fn proxy(lua: &Lua, given: Value) -> mlua::Result<Service> {
    const NAME: &str = "fault.proxy";
    Context::of(lua)?.may_declare(lua, NAME)?;
    let given = Options::new(lua, NAME, given, &["name", "upstream"])?;
    let mut declaration = Declaration { kind: KIND, ..Declaration::default() };
    declaration.name = given.read("name", super::service::name)?;
    let upstream = given.read("upstream", upstream)?;
    let missing = "needs its upstream: a service of this script, \"host:port\" or a URL";
    let upstream = upstream.ok_or_else(|| given.wrong(missing))?;
    declaration.options.insert("upstream".to_owned(), upstream);
    Service::declare(lua, declaration)?.map_err(|what| given.wrong(&what))
}

/// Where a proxy leads: a service by name, or an address as it is.
fn upstream(value: &Value) -> Result<String, String> {
    match super::service::name_of(value) {
        Some(name) => Ok(format!("service:{name}")),
        None => options::string(value).map_err(|what| format!("{what}; or a service")),
    }
}
