//! One call of a module function with positional arguments, for its error messages.
//!
//! The readers of single values are in [`super::options`]; a [`Call`] adds which function and
//! which argument was wrong, and the line of the script: `rand:integer: low: expected ...`.

use std::fmt::Display;

use mlua::{Error, Lua, Value};

use super::plain::{Plain, View};
use super::traceback::misuse;

/// A function being called by a script.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    lua: &'a Lua,
    /// The function as a script writes it.
    name: &'static str,
}

impl<'a> Call<'a> {
    /// A call of the function a script writes as `name`.
    pub fn new(lua: &'a Lua, name: &'static str) -> Self {
        Self { lua, name }
    }

    /// The value of an argument, or the error that names the call and the argument.
    pub fn takes<T>(&self, argument: &str, read: Result<T, String>) -> mlua::Result<T> {
        read.map_err(|what| self.wrong(format!("{argument}: {what}")))
    }

    /// The function as a script writes it.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The error `name: what` at the caller's line.
    pub fn wrong(&self, what: impl Display) -> Error {
        misuse(self.lua, format!("{}: {what}", self.name))
    }

    /// A Lua value for plain data: a view of a list or map, else the value itself.
    pub fn view(&self, plain: &Plain) -> mlua::Result<Value> {
        View::of(self.lua, plain)
    }
}
