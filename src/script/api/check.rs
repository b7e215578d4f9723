//! `loadrun.check`: conditions that ought to hold, counted by name and never raised.
//!
//! A condition that is `nil` cannot be seen: a Lua table does not hold it. So an empty table, which
//! is what a single such condition leaves behind, is refused.

use mlua::{Lua, LuaString, Value};

use crate::script::context::Context;
use crate::script::options::shown;
use crate::script::traceback::misuse;

/// What a script can call: the module itself.
pub const FUNCTIONS: &[&str] = &["()"];

/// The function.
pub fn module(lua: &Lua) -> mlua::Result<Value> {
    let context = Context::of(lua)?;
    let check = lua.create_function(move |lua, (_, conditions): (Value, Value)| {
        let Value::Table(conditions) = &conditions else {
            let form = "expected `check(reply, { [\"name\"] = condition })`";
            return Err(misuse(lua, format!("check: {form}, got {}", shown(&conditions))));
        };
        let user = context.user();
        let (mut all, mut any) = (true, false);
        conditions.for_each(|name: Value, held: Value| {
            let Value::String(name) = name else {
                let what = format!("check: expected names of conditions, got {}", shown(&name));
                return Err(misuse(lua, what));
            };
            any = true;
            let held = !matches!(held, Value::Nil | Value::Boolean(false));
            all &= held;
            if let Some(user) = &user {
                record(&context, user, &name, !held);
            }
            Ok(())
        })?;
        if any {
            return Ok(all);
        }
        let hint = "a condition that is nil leaves no trace; write `value ~= nil`";
        Err(misuse(lua, format!("check: no conditions\n  hint: {hint}")))
    })?;
    Ok(Value::Function(check))
}

fn record(context: &Context, user: &crate::script::UserState, name: &LuaString, failed: bool) {
    let mut recorder = context.recorder.borrow_mut();
    user.scenario.check(&mut recorder, &name.as_bytes(), failed);
}
