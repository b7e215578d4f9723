//! Mistakes met while a script loads: all are told at once, because loading goes on after them.
//!
//! A function of ours that finds something wrong with its call raises, and the first such mistake
//! would end the loading. So in the control state they have a net below them ([`guarded`]): what one
//! raises is kept as a problem, and the script goes on with an [`Unknown`] in place of the value.
//! Whatever is done with that gives another one or nothing, so that loading comes to its end. What is
//! wrong only because of it is not told: such a message shows it, and so has its name ([`UNKNOWN`])
//! in it, Lua's own messages included.
//!
//! A script with a problem never runs, so none outlives the loading. There is no net in a worker,
//! which loads what has no problem, nor in what is called with `pcall`: there a mistake is raised as
//! in a run, and is the script's to deal with. An error of the script's own, such as a call of nil,
//! ends the loading of its file.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use mlua::{Error, Function, Lua, MetaMethod, MultiValue, Table, UserData, UserDataFields};
use mlua::{UserDataMethods, Value};

use super::context::Context;
use super::options::shown;
use super::traceback::ScriptError;
use crate::plan::Problem;

/// The name by which a value is shown that is missing because of a mistake.
const UNKNOWN: &str = "\u{2039}unknown\u{203a}";

/// How many things a value has that is missing: no loop goes on over them, and what is reckoned from it,
/// be it multiplied or divided, is still outside of [`USUAL`].
const COUNT: i64 = -(1 << 45);
/// Beside a value that is missing, numbers outside of these come from [`COUNT`].
const USUAL: RangeInclusive<i64> = -(1 << 20)..=1 << 40;

/// How often something is done with values that are missing; a loop that goes on until they say
/// something else would never end.
const USES: u32 = 10_000;

/// How deep in the tables of a call such a value is looked for.
const DEPTH: u32 = 4;

/// What stands in place of a value that is missing because of a mistake.
struct Unknown;

/// The net of one Lua state.
#[derive(Default)]
pub(super) struct Mistakes {
    /// True in the state of a worker, which has none.
    pub(super) raised: Cell<bool>,
    /// Calls of `pcall` under way.
    shields: Cell<u32>,
    /// How often something was done with a value that stands for another, its making included.
    uses: Cell<u32>,
    /// The classes of objects whose methods have a net, by where Lua keeps them.
    classes: RefCell<BTreeSet<usize>>,
    /// Makes a guarded function of one that is not.
    guard: OnceCell<Function>,
}

impl Mistakes {
    /// Whether the script was given any value that stands for another: then it may also lack a
    /// declaration, which was made of that or in place of which that stands.
    pub(super) fn any(&self) -> bool {
        self.uses.get() > 0
    }

    /// Whether a value is missing because of a mistake, which was told.
    pub(super) fn left_out(&self, value: &Value) -> bool {
        self.any() && is_unknown(value)
    }

    /// Leaves out the problems that are there only because of another one.
    pub(super) fn only_causes(&self, problems: &mut Vec<Problem>) {
        let is_cause = |problem: &Problem| !shows_unknown(&problem.what);
        // There is one, or what looked like one of ours was the script's own.
        if self.any() && problems.iter().any(is_cause) {
            problems.retain(is_cause);
        }
    }
}

impl Context {
    /// Whether loading goes on after a mistake.
    pub(super) fn goes_on(&self) -> bool {
        self.loading.get() && !self.mistakes.raised.get() && self.mistakes.shields.get() == 0
    }
}

/// Whether a value is missing because of a mistake.
pub(super) fn is_unknown(value: &Value) -> bool {
    match value {
        Value::UserData(data) => data.is::<Unknown>(),
        Value::Integer(number) => !USUAL.contains(number),
        Value::Number(number) => is_unusual(*number),
        _ => false,
    }
}

fn is_unusual(number: f64) -> bool {
    number.is_finite() && (number < *USUAL.start() as f64 || number > *USUAL.end() as f64)
}

/// How a value is shown that is missing, or made of one that is.
pub(super) fn shown_unknown(value: &Value) -> Option<&'static str> {
    let made = |text: &mlua::LuaString| text.to_string_lossy().contains(UNKNOWN);
    let stands_in = matches!(value, Value::UserData(data) if data.is::<Unknown>());
    (stands_in || value.as_string().is_some_and(made)).then_some(UNKNOWN)
}

/// Whether a text has a value in it that is missing, or a number that comes from one.
fn shows_unknown(text: &str) -> bool {
    let numbers = text.split(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | 'e' | '+' | '-'));
    text.contains(UNKNOWN) || numbers.flat_map(str::parse).any(is_unusual)
}

/// A value in place of one that is missing.
pub(super) fn unknown(lua: &Lua) -> mlua::Result<Value> {
    used(lua)?;
    lua.create_userdata(Unknown).map(Value::UserData)
}

/// Notes that something was done with a value that is missing; raises where that has no end.
fn used(lua: &Lua) -> mlua::Result<()> {
    let uses = &Context::of(lua)?.mistakes.uses;
    if uses.get() >= USES {
        return Err(Error::runtime(format!("a loop over {UNKNOWN}")));
    }
    uses.set(uses.get() + 1);
    Ok(())
}

/// Keeps a mistake, and gives what stands in for the value it left the script without; the error
/// itself where loading does not go on after it.
pub(super) fn instead(lua: &Lua, error: Error) -> mlua::Result<Value> {
    let context = Context::of(lua)?;
    if !context.goes_on() || context.stopped.get() || is_out_of_memory(&error) {
        return Err(error);
    }
    let source = &context.world.source;
    let mut problem = ScriptError::new(&error, source).into_problem();
    // What is raised in Lua of ours has a place there, if any.
    problem.at.get_or_insert_with(|| source.caller(lua));
    let problems = &mut context.declared.borrow_mut().problems;
    // What was wrong with an option may be raised again by the call that needed it.
    if !problems.contains(&problem) {
        problems.push(problem);
    }
    unknown(lua)
}

/// The Lua half of the net; a call costs more with it, in the control state only.
const GUARD: &str = "
local pcall, pack, goes_on, made, caught = ...
local function settle(given, ok, ...)
  if not ok then return caught(given, (...)) end
  made((...))
  return ...
end
return function(f)
  return function(...)
    if not goes_on() then return f(...) end
    return settle(pack(...), pcall(f, ...))
  end
end
";

/// The function with a net below it, where mistakes are kept.
pub(super) fn guarded(lua: &Lua, function: Function) -> mlua::Result<Function> {
    let context = Context::of(lua)?;
    if !context.loading.get() || context.mistakes.raised.get() {
        return Ok(function);
    }
    if let Some(guard) = context.mistakes.guard.get() {
        return guard.call(function);
    }
    let real = lua.globals();
    let pack: Function = real.raw_get::<Table>("table")?.raw_get("pack")?;
    let goes_on = lua.create_function(|lua, ()| Ok(Context::of(lua)?.goes_on()))?;
    let (made, caught) = (lua.create_function(made)?, lua.create_function(caught)?);
    let pcall: Function = real.raw_get("pcall")?;
    let guard = lua.load(GUARD).set_name("=[lib mistakes]");
    let guard: Function = guard.call((pcall, pack, goes_on, made, caught))?;
    context.mistakes.guard.get_or_init(|| guard).call(function)
}

/// A module of ours, or the methods of a class, with a net below each function.
pub(super) fn guarded_module(lua: &Lua, module: Value) -> mlua::Result<Value> {
    match module {
        Value::Function(function) => guarded(lua, function).map(Value::Function),
        Value::Table(table) => {
            let fields: Vec<(Value, Value)> = table.pairs().collect::<mlua::Result<_>>()?;
            for (key, value) in fields {
                if let Value::Function(function) = value {
                    table.raw_set(key, guarded(lua, function)?)?;
                }
            }
            Ok(Value::Table(table))
        }
        other => Ok(other),
    }
}

/// Puts a net below the methods of what a call made, where they have none yet.
fn made(lua: &Lua, object: Value) -> mlua::Result<()> {
    let Value::UserData(object) = object else { return Ok(()) };
    let Value::Table(methods) = object.metatable()?.get("__index")? else { return Ok(()) };
    let context = Context::of(lua)?;
    let class = methods.to_pointer() as usize;
    if context.mistakes.classes.borrow_mut().insert(class) {
        guarded_module(lua, Value::Table(methods))?;
    }
    Ok(())
}

/// What a call that went wrong gives, from its arguments and what it raised.
fn caught(lua: &Lua, (given, raised): (Table, Value)) -> mlua::Result<Value> {
    let error = match raised {
        Value::Error(error) => *error,
        Value::String(text) => Error::runtime(text.to_string_lossy()),
        other => Error::runtime(shown(&other)),
    };
    let context = Context::of(lua)?;
    let goes_on = !context.stopped.get() && !is_out_of_memory(&error);
    if goes_on && context.mistakes.any() && holds_unknown(&Value::Table(given), DEPTH) {
        return unknown(lua);
    }
    instead(lua, error)
}

fn holds_unknown(value: &Value, depth: u32) -> bool {
    let Value::Table(table) = value else { return is_unknown(value) };
    let holds = |(key, item): (Value, Value)| {
        is_unknown(&key) || (depth > 0 && holds_unknown(&item, depth - 1))
    };
    table.pairs().flatten().any(holds)
}

fn is_out_of_memory(error: &Error) -> bool {
    match error {
        Error::MemoryError(_) => true,
        Error::CallbackError { cause, .. } | Error::WithContext { cause, .. } => {
            is_out_of_memory(cause)
        }
        _ => false,
    }
}

/// For `pcall` in the control state: `shield` says whether a script is loading, and that it will
/// deal with what is raised from now on; `lower` that it no longer does.
pub(super) fn shield(lua: &Lua) -> mlua::Result<(Value, Value)> {
    if Context::of(lua)?.mistakes.raised.get() {
        return Ok((Value::Nil, Value::Nil));
    }
    let shield = lua.create_function(|lua, ()| {
        let context = Context::of(lua)?;
        let shields = &context.mistakes.shields;
        shields.set(shields.get() + u32::from(context.loading.get()));
        Ok(context.loading.get())
    })?;
    let lower = lua.create_function(|lua, ()| {
        let context = Context::of(lua)?;
        context.mistakes.shields.update(|shields| shields.saturating_sub(1));
        Ok(())
    })?;
    Ok((Value::Function(shield), Value::Function(lower)))
}

/// `ipairs` that ends where the value is missing, whose every index has something.
pub(super) fn ipairs(lua: &Lua, real: Value) -> mlua::Result<Value> {
    if Context::of(lua)?.mistakes.raised.get() {
        return Ok(real);
    }
    let is_unknown =
        lua.create_function(|lua, value: Value| Ok(Context::of(lua)?.mistakes.left_out(&value)))?;
    let chunk = "local ipairs, is_unknown = ...\n\
                 return function(t) if is_unknown(t) then return t end return ipairs(t) end";
    lua.load(chunk).set_name("=[lib mistakes]").call((real, is_unknown))
}

impl UserData for Unknown {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        fields.add_meta_field(MetaMethod::Type, UNKNOWN);
    }

    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        const ANOTHER: &[MetaMethod] = &[
            MetaMethod::Add,
            MetaMethod::Sub,
            MetaMethod::Mul,
            MetaMethod::Div,
            MetaMethod::Mod,
            MetaMethod::Pow,
            MetaMethod::Unm,
            MetaMethod::IDiv,
            MetaMethod::BAnd,
            MetaMethod::BOr,
            MetaMethod::BXor,
            MetaMethod::BNot,
            MetaMethod::Shl,
            MetaMethod::Shr,
            MetaMethod::Concat,
            MetaMethod::Index,
        ];
        for operation in ANOTHER {
            methods.add_meta_function(*operation, |lua, _: MultiValue| unknown(lua));
        }
        methods.add_meta_function(MetaMethod::Call, |lua, given: MultiValue| {
            // So a loop calls what it walks through: there is nothing.
            let walked = given.len() == 3 && given.iter().skip(1).all(Value::is_nil);
            if walked { Ok(Value::Nil) } else { unknown(lua) }
        });
        methods.add_meta_function(MetaMethod::Pairs, |lua, _: MultiValue| unknown(lua));
        methods.add_meta_function(MetaMethod::NewIndex, |lua, _: MultiValue| used(lua));
        methods.add_meta_function(MetaMethod::Close, |_, _: MultiValue| Ok(()));
        methods.add_meta_function(MetaMethod::Len, |lua, _: MultiValue| used(lua).map(|()| COUNT));
        for comparison in [MetaMethod::Lt, MetaMethod::Le] {
            let never = |lua: &Lua, _: MultiValue| used(lua).map(|()| false);
            methods.add_meta_function(comparison, never);
        }
        methods.add_meta_function(MetaMethod::ToString, |_, _: MultiValue| Ok(UNKNOWN));
    }
}
