//! What a script finds in `_G`: the safe part of Lua, and nothing that can be written to.
//!
//! The script's `_G` is an empty table in front of the real one, so that a write to any name,
//! known or not, reaches a function that refuses it; so are the libraries in it and every module
//! ([`super::frozen`]). The true globals keep `coroutine`, on which functions that wait are built
//! ([`super::coroutine`]); scripts do not get it, since a coroutine of their own would swallow the
//! yields by which a call waits.
//!
//! `pcall` and `xpcall` are wrapped: the error a script sees is text without the layers of the
//! engine, and a script that was stopped cannot catch that and go on.

use std::rc::Rc;

use mlua::chunk::ChunkMode;
use mlua::{Function, Lua, Table, Value};

use super::context::Context;
use super::globals::{Global, globals};
use super::log::Level;
use super::options::shown;
use super::traceback::{LAYER, misuse, words};
use super::{frozen, mistakes, require, strings, tables, traceback};
use crate::plan::{Place, Problem, nearest};

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
local pcall, xpcall, setmetatable, rawget, rawset, type, error, clean, frozen, shield, lower = ...
local function settle(shielded, ok, ...)
  if shielded then lower() end
  if ok then return true, ... end
  return false, clean((...))
end
return {
  pcall = function(f, ...) return settle(shield and shield(), pcall(f, ...)) end,
  xpcall = function(f, handler, ...)
    local function cleaned(e) return handler(clean(e)) end
    return settle(shield and shield(), xpcall(f, cleaned, ...))
  end,
  setmetatable = function(t, meta)
    if type(meta) == "table" and rawget(meta, "__gc") ~= nil then
      error("setmetatable: `__gc` is not available to scripts", 2)
    end
    return setmetatable(t, meta)
  end,
  rawset = function(t, k, v)
    if t ~= nil and frozen[t] then error("rawset: " .. frozen[t], 2) end
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
    known.raw_set("ipairs", mistakes::ipairs(lua, known.raw_get("ipairs")?)?)?;
    let env = lua.create_table()?;
    known.raw_set("_G", &env)?;
    wrapped(lua, context, &real)?
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
    narrow(lua, &known, context)?;
    freeze(lua, &env, &known)?;
    Ok(env)
}

/// Compiles a file of the script; what it names that nobody declared is kept as a problem, wherever
/// in it that stands.
pub(super) fn chunk(
    lua: &Lua,
    context: &Context,
    env: &Table,
    name: &str,
    text: &[u8],
) -> mlua::Result<Function> {
    let chunk = lua.load(text).set_name(name).set_mode(ChunkMode::Text);
    let chunk = chunk.set_environment(env.clone()).into_function();
    let chunk = chunk.map_err(|error| traceback::hinted(error, text))?;
    // In a worker it has been looked through.
    let looks = context.loading.get() && !context.mistakes.raised.get();
    let (Some(name), true) = (name.strip_prefix('@'), looks) else { return Ok(chunk) };
    let Some(front) = env.metatable() else { return Ok(chunk) };
    let known: Table = front.raw_get("__index")?;
    let names = names(&known);
    let found = globals(&chunk);
    let assigned: Vec<_> = found.iter().filter(|global| global.assigned).collect();
    let meant = |name: &str| assigned.iter().any(|global| global.name == name);
    for Global { line, name: global, assigned } in &found {
        let (what, hint) = match assigned {
            true => assignment(global),
            // What is wrong with one that is given a value is that.
            false if names.contains(global) || meant(global) => continue,
            false => undeclared(global, &names),
        };
        let at = Some(Place { file: context.world.source.shown(name), line: *line });
        context.declared.borrow_mut().problems.push(Problem { what, at, hint: Some(hint) });
    }
    Ok(chunk)
}

/// `pcall` and its kin.
fn wrapped(lua: &Lua, context: &Rc<Context>, real: &Table) -> mlua::Result<Table> {
    let frozen = frozen::set(lua)?;
    let context = Rc::clone(context);
    let clean = lua.create_function(move |lua, caught: Value| {
        if context.stopped.get() {
            return Err(mlua::Error::runtime(context.stop_text()));
        }
        match caught {
            Value::Error(error) => {
                Ok(Value::String(lua.create_string(traceback::message(&error))?))
            }
            Value::String(text) => match traceback::without_layer(&text.as_bytes()) {
                Some(rest) => lua.create_string(rest).map(Value::String),
                None => Ok(Value::String(text.clone())),
            },
            other => Ok(other),
        }
    })?;
    let of = |name: &str| real.raw_get::<Value>(name);
    let (shield, lower) = mistakes::shield(lua)?;
    lua.load(WRAPPED).set_name(format!("={LAYER}")).call((
        of("pcall")?,
        of("xpcall")?,
        of("setmetatable")?,
        of("rawget")?,
        of("rawset")?,
        of("type")?,
        of("error")?,
        clean,
        frozen,
        shield,
        lower,
    ))
}

/// Takes out of the libraries what would make bytecode, results that cannot be repeated, or calls that do
/// not end.
fn narrow(lua: &Lua, known: &Table, context: &Rc<Context>) -> mlua::Result<()> {
    let strings: Table = known.raw_get("string")?;
    strings.raw_set("dump", Value::Nil)?;
    strings::bound(lua, &strings, context)?;
    tables::bound(lua, &known.raw_get("table")?, context)?;
    let math: Table = known.raw_get("math")?;
    for name in ["random", "randomseed"] {
        let refuse = lua.create_function(move |lua, _: mlua::MultiValue| {
            let what = format!("math.{name} cannot be repeated by a run with the same seed");
            let hint = "use `vu.rand:integer(1, 6)`, or `loadrun.rand`";
            mistakes::instead(lua, misuse(lua, format!("{what}\n  hint: {hint}")))
        })?;
        math.raw_set(name, refuse)?;
    }
    let strings: mlua::Result<Table> = lua.load("return getmetatable('')").eval();
    strings?.raw_set("__metatable", false)?;
    for name in LIBRARIES {
        known.raw_set(*name, frozen::frozen(lua, name, known.raw_get(*name)?)?)?;
    }
    Ok(())
}

/// Refuses undeclared names, with the nearest one there is.
fn freeze(lua: &Lua, env: &Table, known: &Table) -> mlua::Result<()> {
    let names = names(known);
    let missing = lua.create_table()?;
    missing.raw_set(
        "__index",
        lua.create_function(move |lua, (_, name): (Value, Value)| -> mlua::Result<Value> {
            let name = plain_name(&name);
            if is_told(lua, &name)? {
                return mistakes::unknown(lua);
            }
            mistakes::instead(lua, told(lua, undeclared(&name, &names)))
        })?,
    )?;
    known.set_metatable(Some(missing))?;
    let frozen = lua.create_table()?;
    frozen.raw_set("__index", known)?;
    frozen.raw_set("__metatable", false)?;
    frozen.raw_set(
        "__newindex",
        lua.create_function(|lua, (_, name, _): (Value, Value, Value)| -> mlua::Result<()> {
            mistakes::instead(lua, told(lua, assignment(&plain_name(&name)))).map(drop)
        })?,
    )?;
    env.set_metatable(Some(frozen))?;
    frozen::set(lua)?.raw_set(env, "`_G` is frozen")
}

/// Whether something about this name was found wrong before it was come to.
fn is_told(lua: &Lua, name: &str) -> mlua::Result<bool> {
    let context = Context::of(lua)?;
    let about = format!("global `{name}`");
    let told = context.declared.borrow().problems.iter().any(|known| known.what.contains(&about));
    Ok(told && context.goes_on())
}

/// The names there are.
fn names(known: &Table) -> Vec<String> {
    known.pairs::<String, Value>().filter_map(|pair| Some(pair.ok()?.0)).collect()
}

/// What is wrong with a name that nobody declared, and what to do about it.
fn undeclared(name: &str, names: &[String]) -> (String, String) {
    let hint = match name {
        "os" | "io" | "debug" | "package" | "load" | "loadfile" | "dofile" => {
            "a script cannot reach the system; `loadrun.time`, `loadrun.data` may have it"
                .to_owned()
        }
        "coroutine" => "use `loadrun.parallel` to do things at the same time".to_owned(),
        "collectgarbage" => "memory is looked after by the engine".to_owned(),
        "null" | "undefined" | "None" => "Lua writes `nil`".to_owned(),
        word => match (require::line(word), nearest(word, names.iter().map(String::as_str))) {
            (Some(line), _) => line,
            (None, Some(near)) => format!("did you mean `{near}`?"),
            (None, None) => format!("declare it with `local {word}`"),
        },
    };
    (format!("undeclared global `{name}`"), hint)
}

fn assignment(name: &str) -> (String, String) {
    let what = format!("assignment to the global `{name}`; write `local {name}`");
    (what, "state of a user belongs in a field of `vu`".to_owned())
}

fn told(lua: &Lua, (what, hint): (String, String)) -> mlua::Error {
    misuse(lua, format!("{what}\n  hint: {hint}"))
}

/// A global's name as text.
fn plain_name(name: &Value) -> String {
    name.as_string().map_or_else(|| shown(name), mlua::LuaString::to_string_lossy)
}
