//! Modules of `loadrun.`: one file each, all in one shape.
//!
//! A module is a file with `pub fn module(lua: &Lua) -> mlua::Result<Value>` and
//! `pub const FUNCTIONS: &[&str]`, the names a script can call: `"name"` for a field of the
//! module, `"Client:get"` for a method of an object it makes, `"()"` for the module itself. A test
//! walks the real tables and compares, another compares with the types of lib-lua.
//!
//! Template: `time.rs`. What a module may use:
//! * `Context::of(lua)?` - the state; `.world.kept::<T>(name, make)` - the one `T` of the run;
//! * `misuse(lua, "...")` - an error at the caller's line; `Options` - the reader of option tables;
//! * async functions check their arguments before the first await, so errors have the caller's line.

pub mod check;
mod connections;
pub mod crypto;
pub mod data;
pub mod fault;
pub mod http;
pub mod json;
pub mod ledger;
pub mod listen;
pub mod log;
pub mod metric;
pub mod parallel;
pub mod param;
pub mod process;
pub mod rand;
pub mod recovery;
pub mod redis;
pub mod sandbox;
pub mod service;
pub mod shared;
pub mod sql;
pub mod time;

use mlua::{Lua, Value};

/// One module.
#[derive(Debug)]
pub struct Module {
    /// The name after `loadrun.`.
    pub name: &'static str,
    /// Makes its value in a Lua state.
    pub make: fn(&Lua) -> mlua::Result<Value>,
    /// What a script can call.
    pub functions: &'static [&'static str],
}

/// Every module, by name.
pub const MODULES: &[Module] = &[
    Module { name: "check", make: check::module, functions: check::FUNCTIONS },
    Module { name: "crypto", make: crypto::module, functions: crypto::FUNCTIONS },
    Module { name: "data", make: data::module, functions: data::FUNCTIONS },
    Module { name: "fault", make: fault::module, functions: fault::FUNCTIONS },
    Module { name: "http", make: http::module, functions: http::FUNCTIONS },
    Module { name: "json", make: json::module, functions: json::FUNCTIONS },
    Module { name: "ledger", make: ledger::module, functions: ledger::FUNCTIONS },
    Module { name: "listen", make: listen::module, functions: listen::FUNCTIONS },
    Module { name: "log", make: log::module, functions: log::FUNCTIONS },
    Module { name: "metric", make: metric::module, functions: metric::FUNCTIONS },
    Module { name: "parallel", make: parallel::module, functions: parallel::FUNCTIONS },
    Module { name: "param", make: param::module, functions: param::FUNCTIONS },
    Module { name: "process", make: process::module, functions: process::FUNCTIONS },
    Module { name: "rand", make: rand::module, functions: rand::FUNCTIONS },
    Module { name: "recovery", make: recovery::module, functions: recovery::FUNCTIONS },
    Module { name: "redis", make: self::redis::module, functions: self::redis::FUNCTIONS },
    Module { name: "sandbox", make: sandbox::module, functions: sandbox::FUNCTIONS },
    Module { name: "service", make: service::module, functions: service::FUNCTIONS },
    Module { name: "shared", make: shared::module, functions: shared::FUNCTIONS },
    Module { name: "sql", make: sql::module, functions: sql::FUNCTIONS },
    Module { name: "time", make: time::module, functions: time::FUNCTIONS },
];

/// The module that has this function, where only one does.
pub fn holder(function: &str) -> Option<&'static str> {
    let mut having = MODULES.iter().filter(|module| module.functions.contains(&function));
    let found = having.next()?;
    having.next().is_none().then_some(found.name)
}

/// The methods of all objects, some of them several times.
pub fn methods() -> impl Iterator<Item = &'static str> {
    let functions = MODULES.iter().flat_map(|module| module.functions);
    functions.filter_map(|name| Some(name.split_once(':')?.1))
}

#[cfg(test)]
pub mod testing;
#[cfg(test)]
mod tests;
