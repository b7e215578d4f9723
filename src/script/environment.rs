//! What a script finds in `_G`: the safe part of Lua, and nothing that can be written to.
//!
//! The script's `_G` is an empty table in front of the real one, so that a write to any name,
//! known or not, reaches a function that refuses it. mlua keeps the true globals for itself: its
//! async functions are built on `coroutine`, which scripts do not get, since a coroutine of their
//! own would swallow the yields by which a call waits.
//!
//! `pcall` and `xpcall` are wrapped: the error a script sees is text without the layers of the
//! engine, and a script that was stopped for stalling cannot catch that and go on.

use std::rc::Rc;

use mlua::{Lua, Table, Value};

use super::context::Context;
use super::log::Level;
use super::options::shown;
use super::traceback::{misuse, words};
use super::{require, traceback};
use crate::plan::nearest;

/// Functions of Lua's base library that scripts get as they are.
const BASE: &[&str] = &[
    "_VERSION",
    "assert",
    "error",
    "getmetatable",
    "ipairs",
    "next",
    "pairs",
    "rawequal",
    "rawget",
    "rawlen",
    "select",
    "tonumber",
    "tostring",
    "type",
];

/// Libraries that scripts get.
const LIBRARIES: &[&str] = &["math", "string", "table", "utf8"];

/// The wrapped functions; in Lua, because a call may wait inside `pcall`, and Rust cannot.
const WRAPPED: &str = r#"
local pcall, xpcall, setmetatable, rawget, rawset, type, error, clean, env = ...
local function settle(ok, ...)
  if ok then return true, ... end
  return false, clean((...))
end
return {
  pcall = function(f, ...) return settle(pcall(f, ...)) end,
  xpcall = function(f, handler, ...)
    return settle(xpcall(f, function(e) return handler(clean(e)) end, ...))
  end,
  setmetatable = function(t, meta)
    if type(meta) == "table" and rawget(meta, "__gc") ~= nil then
      error("setmetatable: `__gc` is not available to scripts", 2)
    end
    return setmetatable(t, meta)
  end,
  rawset = function(t, k, v)
    if t == env then error("rawset: `_G` is frozen", 2) end
    return rawset(t, k, v)
  end,
}
"#;

/// Makes the environment that every chunk of the script is loaded with.
pub(super) fn environment(lua: &Lua, context: &Rc<Context>) -> mlua::Result<Table> {
    let (real, known) = (lua.globals(), lua.create_table()?);
    for name in BASE.iter().chain(LIBRARIES) {
        known.raw_set(*name, real.raw_get::<Value>(*name)?)?;
    }
    let env = lua.create_table()?;
    known.raw_set("_G", &env)?;
    wrapped(lua, context, &real, &env)?
        .for_each(|name: String, function: Value| known.raw_set(name, function))?;
    let world = Rc::clone(context);
    known.raw_set(
        "print",
        lua.create_function(move |lua, values: mlua::MultiValue| {
            world.world.log.add(Level::Info, words(lua, &values));
            Ok(())
        })?,
    )?;
    known.raw_set("require", require::function(lua, context, &env)?)?;
    narrow(lua, &known)?;
    freeze(lua, &env, &known)?;
    Ok(env)
}

/// `pcall` and its kin.
fn wrapped(lua: &Lua, context: &Rc<Context>, real: &Table, env: &Table) -> mlua::Result<Table> {
    let context = Rc::clone(context);
    let clean = lua.create_function(move |lua, caught: Value| {
        if context.stalled.get() {
            return Err(mlua::Error::runtime(context.stall_text()));
        }
        match caught {
            Value::Error(error) => {
                Ok(Value::String(lua.create_string(traceback::message(&error))?))
            }
            other => Ok(other),
        }
    })?;
    let of = |name: &str| real.raw_get::<Value>(name);
    lua.load(WRAPPED).set_name("=[lib base]").call((
        of("pcall")?,
        of("xpcall")?,
        of("setmetatable")?,
        of("rawget")?,
        of("rawset")?,
        of("type")?,
        of("error")?,
        clean,
        env,
    ))
}

/// Takes out of the libraries what would make bytecode or results that cannot be repeated.
fn narrow(lua: &Lua, known: &Table) -> mlua::Result<()> {
    known.raw_get::<Table>("string")?.raw_set("dump", Value::Nil)?;
    let math: Table = known.raw_get("math")?;
    for name in ["random", "randomseed"] {
        let refuse = lua.create_function(move |lua, _: mlua::MultiValue| -> mlua::Result<()> {
            let what = format!("math.{name} cannot be repeated by a run with the same seed");
            let hint = "use `vu.rand:integer(1, 6)`, or `loadrun.rand`";
            Err(misuse(lua, format!("{what}\n  hint: {hint}")))
        })?;
        math.raw_set(name, refuse)?;
    }
    let strings: mlua::Result<Table> = lua.load("return getmetatable('')").eval();
    strings?.raw_set("__metatable", false)
}

/// Refuses undeclared names, with the nearest one there is.
fn freeze(lua: &Lua, env: &Table, known: &Table) -> mlua::Result<()> {
    let names: Vec<String> =
        known.pairs::<String, Value>().filter_map(|pair| Some(pair.ok()?.0)).collect();
    let missing = lua.create_table()?;
    missing.raw_set(
        "__index",
        lua.create_function(move |lua, (_, name): (Value, Value)| -> mlua::Result<Value> {
            Err(undeclared(lua, &name, &names))
        })?,
    )?;
    known.set_metatable(Some(missing))?;
    let frozen = lua.create_table()?;
    frozen.raw_set("__index", known)?;
    frozen.raw_set("__metatable", false)?;
    frozen.raw_set(
        "__newindex",
        lua.create_function(|lua, (_, name, _): (Value, Value, Value)| -> mlua::Result<()> {
            let name = plain_name(&name);
            let hint = "state of a user belongs in a field of `vu`";
            let what = format!("assignment to the global `{name}`; write `local {name}`");
            Err(misuse(lua, format!("{what}\n  hint: {hint}")))
        })?,
    )?;
    env.set_metatable(Some(frozen))
}

fn undeclared(lua: &Lua, name: &Value, names: &[String]) -> mlua::Error {
    let name = plain_name(name);
    let hint = match name.as_str() {
        "os" | "io" | "debug" | "package" | "load" | "loadfile" | "dofile" => {
            "a script cannot reach the system; `loadrun.time`, `loadrun.data` may have it"
                .to_owned()
        }
        "coroutine" => "use `loadrun.parallel` to do things at the same time".to_owned(),
        "collectgarbage" => "memory is looked after by the engine".to_owned(),
        word => match nearest(word, names.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("declare it with `local {word}`"),
        },
    };
    misuse(lua, format!("undeclared global `{name}`\n  hint: {hint}"))
}

/// A global's name as text.
fn plain_name(name: &Value) -> String {
    name.as_string().map_or_else(|| shown(name), mlua::LuaString::to_string_lossy)
}
