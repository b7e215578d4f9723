//! `loadrun.service`: real servers, started by the engine for the run.
//!
//! `service.redis {}` at file scope declares one. What a kind can be given is in its file of the
//! room `service`, as a table, and is checked here while the script loads.

mod command;
mod declared;

use mlua::{Lua, Value};

pub use declared::{Declaration, Service, address, name_of};

use crate::script::context::Context;
use crate::script::options::{self, Options};
use crate::service::SERVERS;
use crate::service::setting::{self, Kind, Takes};

/// What a script can call or read.
pub const FUNCTIONS: &[&str] = &[
    "Service:address",
    "Service:name",
    "Service:pid",
    "Service:url",
    "command",
    "mariadb",
    "postgres",
    "redis",
];

/// Options of every kind, besides its own.
const COMMON: &[&str] = &["config", "name", "ready_within"];

/// The module table.
pub fn module(lua: &Lua) -> mlua::Result<Value> {
    let table = lua.create_table()?;
    for kind in SERVERS.iter().copied() {
        let declare = lua.create_function(move |lua, given| declare(lua, kind, given))?;
        table.set(kind.name, declare)?;
    }
    table.set("command", lua.create_function(command::declare)?)?;
    Ok(Value::Table(table))
}

fn declare(lua: &Lua, kind: &'static Kind, given: Value) -> mlua::Result<Service> {
    let call = format!("service.{}", kind.name);
    let context = Context::of(lua)?;
    context.may_declare(lua, &call)?;
    let known = kind.settings.iter().map(|setting| setting.name).chain(COMMON.iter().copied());
    let given = Options::new(lua, &call, given, &known.collect::<Vec<_>>())?;
    let mut declaration = Declaration { kind: kind.name, ..Declaration::default() };
    declaration.name = given.read("name", name)?;
    for setting in kind.settings {
        let Some(text) = given.read(setting.name, |value| checked(setting.takes, value))? else {
            continue;
        };
        let place = if setting.takes == Takes::Secret {
            context.world.log.secrets.add(&text);
            &mut declaration.secrets
        } else {
            &mut declaration.options
        };
        place.insert(setting.name.to_owned(), text);
    }
    if let Some(text) = given.read("ready_within", |value| checked(Takes::Duration, value))? {
        declaration.options.insert("ready_within".to_owned(), text);
    }
    for (key, text) in given.pairs("config")?.unwrap_or_default() {
        let wrong = |what: String| given.wrong(&format!("config: {what}"));
        setting::check_config(kind, &key, &text).map_err(wrong)?;
        declaration.options.insert(format!("{}{key}", setting::CONFIG), text);
    }
    Service::declare(lua, declaration)?.map_err(|what| given.wrong(&what))
}

/// The value of a setting as text, checked.
fn checked(takes: Takes, value: &Value) -> Result<String, String> {
    let text = match takes {
        Takes::Secret => options::string(value)?,
        _ => options::scalar(value)?,
    };
    takes.check(&text).map(|()| text)
}

/// A name of the script's own for a service.
pub fn name(value: &Value) -> Result<String, String> {
    let name = options::string(value)?;
    let word = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(word) {
        return Ok(name);
    }
    Err(format!("expected letters, digits, `_` and `-`, got {name:?}"))
}

#[cfg(test)]
mod tests;
