//! `loadrun.param`: what whoever runs the script may choose, typed by its default.
//!
//! The command line (`-p name=value`) comes before the profile that was chosen, this before the
//! environment (`LOADRUN_NAME`), and this before the default. A value of the wrong type, or one that
//! the script does not take, is reported with everything else that is wrong, so loading goes on with
//! the default. A secret's value is shown nowhere, wherever it came from.

mod accepted;

use mlua::{Lua, Value};

use accepted::Accepted;

use crate::plan::{ParamValue, Parameter, Problem};
use crate::script::call::Call;
use crate::script::context::Context;
use crate::script::options::{self, Options, shown};

/// What a script can call: the module itself.
pub const FUNCTIONS: &[&str] = &["()"];

/// The function.
pub fn module(lua: &Lua) -> mlua::Result<Value> {
    Ok(Value::Function(lua.create_function(param)?))
}

fn param(
    lua: &Lua,
    (name, default, about, opts): (Value, Value, Value, Value),
) -> mlua::Result<Value> {
    let context = Context::of(lua)?;
    context.may_declare(lua, "param")?;
    let call = Call::new(lua, "param");
    let form = |what: String| format!("{what}\n  hint: write `param(\"users\", 10, \"how many\")`");
    let name = call.takes("name", parameter_name(&name).map_err(form))?;
    let default = call.takes("default", parameter_value(&default).map_err(form))?;
    let about = match about {
        Value::Nil => String::new(),
        about => call.takes("about", options::string(&about).map_err(form))?,
    };
    let [least, most, choices] = Accepted::KEYS;
    let opts = Options::new(lua, "param", opts, &["secret", least, most, choices])?;
    let secret = opts.boolean("secret")?.unwrap_or(false);
    let accepted = Accepted::read(&opts, &default)?;
    // Whether it is a secret is not known then, so nobody gets its value.
    opts.whole()?;
    let mut declared = context.declared.borrow_mut();
    if declared.parameters.iter().any(|known| known.name == name) {
        return Err(call.wrong(format!("`{name}` is declared twice")));
    }
    let place = context.world.source.caller(lua);
    let wrong = |text: &str, expected: &str| {
        let shown = if secret { "***".to_owned() } else { format!("{text:?}") };
        Problem {
            what: format!("parameter `{name}`: expected {expected}, got {shown}"),
            at: Some(place.clone()),
            hint: (!secret).then(|| format!("for example -p {name}={default}")),
        }
    };
    let read = |text: &str| match parsed(text, &default) {
        None => Err(wrong(text, type_of(&default))),
        Some(value) if accepted.takes(&value) => Ok(value),
        Some(_) => Err(wrong(text, &accepted.words().unwrap_or_default())),
    };
    let value = given(&context, &name).map_or_else(|| Ok(default.clone()), read);
    let value = value.unwrap_or_else(|problem| {
        declared.problems.push(problem);
        default.clone()
    });
    let about = match accepted.words() {
        Some(words) => format!("{about} ({words})").trim_start().to_owned(),
        None => about,
    };
    let in_lua = in_lua(lua, &value)?;
    if secret {
        hide(lua, &context, &name, &in_lua)?;
        hide(lua, &context, &name, &self::in_lua(lua, &default)?)?;
    }
    declared.parameters.push(Parameter { name, value, default, about, secret, place });
    Ok(in_lua)
}

/// Keeps a secret out of the log, of errors and of results, as it was given and as a script writes
/// it; its default too, which stands in the script's text.
fn hide(lua: &Lua, context: &Context, name: &str, in_lua: &Value) -> mlua::Result<()> {
    let secrets = &context.world.log.secrets;
    if matches!(in_lua, Value::Boolean(_)) {
        return Ok(());
    }
    if let Some(text) = given(context, name) {
        secrets.add(text);
    }
    if let Some(text) = lua.coerce_string(in_lua.clone())? {
        secrets.add(&text.to_string_lossy());
    }
    Ok(())
}

fn parameter_name(value: &Value) -> Result<String, String> {
    let name = options::string(value)?;
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(word) {
        Ok(name)
    } else {
        Err(format!("expected letters, digits and `_`, got {}", shown(value)))
    }
}

fn parameter_value(value: &Value) -> Result<ParamValue, String> {
    match value {
        Value::String(_) => options::string(value).map(ParamValue::String),
        Value::Integer(number) => Ok(ParamValue::Integer(*number)),
        Value::Number(number) => Ok(ParamValue::Float(*number)),
        Value::Boolean(value) => Ok(ParamValue::Bool(*value)),
        other => Err(format!("expected a string, number or boolean, got {}", shown(other))),
    }
}

/// What was given from outside.
fn given<'a>(context: &'a Context, name: &str) -> Option<&'a str> {
    let source = &context.world.source;
    let given = source.params.get(name).or_else(|| source.env.get(&name.to_ascii_uppercase()));
    given.map(String::as_str)
}

/// Text as a value of the default's type.
fn parsed(text: &str, default: &ParamValue) -> Option<ParamValue> {
    match default {
        ParamValue::String(_) => Some(ParamValue::String(text.to_owned())),
        ParamValue::Integer(_) => text.trim().parse().ok().map(ParamValue::Integer),
        ParamValue::Float(_) => {
            let number: f64 = text.trim().parse().ok()?;
            number.is_finite().then_some(ParamValue::Float(number))
        }
        ParamValue::Bool(_) => text.trim().parse().ok().map(ParamValue::Bool),
    }
}

/// Whether a text is a value of the type of the default.
pub fn fits(text: &str, default: &ParamValue) -> bool {
    parsed(text, default).is_some()
}

fn type_of(default: &ParamValue) -> &'static str {
    match default {
        ParamValue::String(_) => "text",
        ParamValue::Integer(_) => "a whole number",
        ParamValue::Float(_) => "a number",
        ParamValue::Bool(_) => "true or false",
    }
}

fn in_lua(lua: &Lua, value: &ParamValue) -> mlua::Result<Value> {
    Ok(match value {
        ParamValue::String(text) => Value::String(lua.create_string(text)?),
        ParamValue::Integer(number) => Value::Integer(*number),
        ParamValue::Float(number) => Value::Number(*number),
        ParamValue::Bool(value) => Value::Boolean(*value),
    })
}
