//! `client:script`: a Lua script that the server keeps and runs.

use mlua::{Lua, UserData, UserDataFields, Value};

use super::commands::{self, CallOptions};
use super::{Begun, Caller, Outcome, exchanged, outcome};
use crate::client::FailureKind;
use crate::client::redis::{Request, Script};
use crate::script::coroutine;
use crate::script::options::shown;
use crate::script::traceback::misuse;
use std::rc::Rc;

/// A script of a client in a script's hands.
pub(super) struct Kept {
    caller: Caller,
    script: Rc<Script>,
}

/// A run that is ready to be sent.
struct Ready {
    caller: Caller,
    script: Rc<Script>,
    keys: Value,
    args: Value,
    options: CallOptions,
    first: Begun,
}

impl Kept {
    pub(super) fn new(lua: &Lua, caller: &Caller, text: &Value) -> mlua::Result<Self> {
        let Value::String(text) = text else {
            let what = format!("expected the text of a script, got {}", shown(text));
            return Err(misuse(lua, format!("redis:script: {what}")));
        };
        let text = text
            .to_str()
            .map_err(|_| misuse(lua, "redis:script: expected text in UTF-8, got other bytes"))?;
        Ok(Self { caller: caller.clone(), script: Rc::new(Script::new(text.to_owned())) })
    }

    fn ready(&self, lua: &Lua, keys: Value, args: Value, options: &Value) -> mlua::Result<Ready> {
        self.caller.may_wait(lua, "script")?;
        let wrong = |what: String| misuse(lua, format!("script:run: {what}"));
        let options = match options {
            Value::Nil => CallOptions::default(),
            Value::Table(table) => {
                commands::call_options(table, &["name", "tags", "timeout"]).map_err(wrong)?
            }
            other => return Err(wrong(format!("expected options, got {}", shown(other)))),
        };
        let first = self.begun(lua, &keys, &args, &options)?;
        let (caller, script) = (self.caller.clone(), Rc::clone(&self.script));
        Ok(Ready { caller, script, keys, args, options, first })
    }

    fn begun(
        &self,
        lua: &Lua,
        keys: &Value,
        args: &Value,
        options: &CallOptions,
    ) -> mlua::Result<Begun> {
        let user = self.caller.may_wait(lua, "script")?;
        let wrong = |what: String| misuse(lua, format!("script:run: {what}"));
        let count = match keys {
            Value::Nil => 0,
            Value::Table(keys) => keys.raw_len(),
            other => return Err(wrong(format!("expected a list of keys, got {}", shown(other)))),
        };
        if !matches!(args, Value::Nil | Value::Table(_)) {
            return Err(wrong(format!("expected a list of arguments, got {}", shown(args))));
        }
        let (word, mut command) = self.script.command(count, self.caller.home(keys));
        let given = [keys, args].into_iter().filter(|given| !given.is_nil());
        commands::fill(&mut command, given).map_err(wrong)?;
        Ok(self.caller.begin(user, word, Request::single(command), options))
    }
}

impl UserData for Kept {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        coroutine::method(
            fields,
            "run",
            |lua, this, (keys, args, options): (Value, Value, Value)| {
                this.ready(lua, keys, args, &options)
            },
            run,
        );
    }
}

/// Runs the script. Where the server has forgotten it, that is a failed call of its own, and the
/// text goes over again: it was not run, so it is not run twice.
async fn run(ready: Ready, lua: Lua) -> mlua::Result<Outcome> {
    let Ready { caller, script, keys, args, options, first } = ready;
    let mut exchange = exchanged(&first).await;
    let forgotten = |kind| kind == Some(FailureKind::NoScript);
    if forgotten(exchange.error.as_ref().map(|error| error.kind)) {
        script.is_forgotten();
        let again = Kept { caller: caller.clone(), script: Rc::clone(&script) };
        exchange = exchanged(&again.begun(&lua, &keys, &args, &options)?).await;
    }
    if exchange.error.is_none() {
        script.is_known(caller.home(&keys));
    }
    outcome(&lua, exchange, false)
}
