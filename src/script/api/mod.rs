//! Modules of `loadrun.`: one file each, all in one shape.
//!
//! A module is a file with `pub fn module(lua: &Lua) -> mlua::Result<Value>` and
//! `pub const FUNCTIONS: &[&str]`, the names a script can call: `"name"` for a field of the
//! module, `"Client:get"` for a method or field of an object it makes. A test walks the real tables and compares.
//!
//! Template: `time.rs`. What a module may use:
//! * `Context::of(lua)?` - the state; `.world.kept::<T>(name, make)` - the one `T` of the run;
//! * `misuse(lua, "...")` - an error at the caller's line; `Options` - the reader of option tables;
//! * async functions check their arguments before the first await, so errors have the caller's line.

pub mod crypto;
pub mod data;
pub mod json;
pub mod ledger;
pub mod rand;
pub mod sandbox;
pub mod shared;
#[cfg(test)]
pub mod testing;
