//! `fault.calls`: a fault on the script's own calls, read into a rule.

use std::sync::Arc;
use std::time::Duration;

use mlua::{Lua, UserData, Value};

use crate::client::FailureKind;
use crate::plan::nearest;
use crate::script::calls::{Calls, Effect, Rule};
use crate::script::context::Context;
use crate::script::options::{self, Options, shown};
use crate::units::parse_share;

/// A fault on the script's own calls, in a script's hands.
pub struct Handle(pub Arc<Calls>);

impl UserData for Handle {}

/// The fault on calls that a value is.
pub fn calls_of(value: &Value) -> Option<Arc<Calls>> {
    let data = value.as_userdata()?;
    data.borrow::<Handle>().ok().map(|handle| Arc::clone(&handle.0))
}

/// Declares one.
pub(super) fn declare(lua: &Lua, given: Value) -> mlua::Result<Handle> {
    const NAME: &str = "fault.calls";
    let context = Context::of(lua)?;
    context.may_declare(lua, NAME)?;
    let given = Options::new(lua, NAME, given, &["cut", "delay", "error", "name", "share"])?;
    let missing = "needs the name of the calls it is for, such as \"redis.*\" or \"http.order\"";
    let rule = Rule {
        calls: given.read("name", pattern)?.ok_or_else(|| given.wrong(missing))?,
        effect: effect(&given)?,
        share: given.read("share", share)?.unwrap_or(1.0),
    };
    let mut declared = context.declared.borrow_mut();
    let name = match declared.calls.len() {
        0 => "calls".to_owned(),
        before => format!("calls-{}", before + 1),
    };
    declared.calls.push(name.clone());
    let world = &context.world;
    let made = world.kept(&name, || Calls::new(&name, rule, world.source.seed));
    Ok(Handle(made))
}

fn effect(given: &Options<'_>) -> mlua::Result<Effect> {
    let (error, delay) = (given.read("error", failure)?, given.read("delay", delay)?);
    match (error, delay, given.boolean("cut")?.unwrap_or(false)) {
        (Some(kind), after, false) => Ok(Effect::Fail(kind, after)),
        (None, Some(by), false) => Ok(Effect::Delay(by)),
        (None, None, true) => Ok(Effect::Cut),
        (None, None, false) => {
            let forms = "`error = \"timeout\"`, `delay = \"300ms\"` or `cut = true`";
            Err(given.wrong(&format!("does nothing; expected one of {forms}")))
        }
        (_, _, true) => Err(given.wrong("cut: a call that is cut neither fails nor waits as well")),
    }
}

/// `redis.*`: a protocol, and what the calls are known by.
fn pattern(value: &Value) -> Result<String, String> {
    let text = options::string(value)?;
    let thing = text.split('.').next().unwrap_or_default();
    if ["http", "redis", "sql"].contains(&thing) && thing != text || thing.contains('*') {
        return Ok(text);
    }
    let form = "\"http.\", \"redis.\" or \"sql.\" and the name of calls, `*` standing for anything";
    Err(format!("expected {form}, got {text:?}"))
}

fn failure(value: &Value) -> Result<FailureKind, String> {
    let text = options::string(value)?;
    let words = FailureKind::ALL.map(FailureKind::as_str);
    FailureKind::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| {
        match nearest(&text, words) {
            Some(near) => format!("unknown failure {text:?}; did you mean {near:?}?"),
            None => format!("unknown failure {text:?}; expected one of {}", words.join(", ")),
        }
    })
}

fn delay(value: &Value) -> Result<Duration, String> {
    options::duration(value)
}

fn share(value: &Value) -> Result<f64, String> {
    match parse_share(&options::scalar(value)?) {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        Ok(_) => Err(format!("expected 0% to 100%, got {}", shown(value))),
        Err(error) => Err(error.to_string()),
    }
}
