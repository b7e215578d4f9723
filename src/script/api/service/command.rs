//! `service.command`: a program of the script's choice, read into a declaration.
//!
//! Whether it may be run is not the script's choice: the engine asks whoever runs it.

use std::collections::BTreeMap;

use mlua::{Lua, Value};

use super::{Declaration, Service, checked, name};
use crate::script::context::Context;
use crate::script::options::{self, Options, shown, unknown_keys};
use crate::service::command::{ENVIRONMENT, ENVIRONMENT_OF, KIND, SIGNALS, word};
use crate::service::setting::Takes;

const CALL: &str = "service.command";

/// What it can be given.
const KNOWN: &[&str] = &["cmd", "env", "name", "ready", "ready_within", "stop", "url"];

/// Declares a program.
pub(super) fn declare(lua: &Lua, given: Value) -> mlua::Result<Service> {
    Context::of(lua)?.may_declare(lua, CALL)?;
    let given = Options::new(lua, CALL, given, KNOWN)?;
    let mut declaration = Declaration { kind: KIND, ..Declaration::default() };
    declaration.name = given.read("name", name)?;
    let words = given.read("cmd", words)?;
    let words = words.ok_or_else(|| given.wrong("cmd: expected a program and its arguments"))?;
    let options = &mut declaration.options;
    options.extend(words.into_iter().enumerate().map(|(nth, text)| (word(nth), text)));
    let ready = given.read("ready", ready)?;
    let (key, text) = ready.ok_or_else(|| {
        given.wrong("ready: expected a URL, host and port, or { line = ... }, got nothing")
    })?;
    options.insert(key.to_owned(), text);
    if let Some(url) = given.read("url", url)? {
        options.insert("url".to_owned(), url);
    }
    if let Some(text) = given.read("ready_within", |value| checked(Takes::Duration, value))? {
        options.insert("ready_within".to_owned(), text);
    }
    options.extend(given.read("stop", stop)?.unwrap_or_default());
    for (variable, value) in given.read("env", environment)?.unwrap_or_default() {
        match value {
            Variable::Text(text) => {
                declaration.secrets.insert(format!("{ENVIRONMENT}{variable}"), text);
            }
            Variable::UrlOf(service) => {
                declaration.options.insert(format!("{ENVIRONMENT_OF}{variable}"), service);
            }
        }
    }
    Service::declare(lua, declaration)?.map_err(|what| given.wrong(&what))
}

/// The program and its arguments.
fn words(value: &Value) -> Result<Vec<String>, String> {
    let Value::Table(list) = value else {
        let form = "expected a list such as { \"python3\", \"app.py\" }, without a shell";
        return Err(format!("{form}; got {}", shown(value)));
    };
    let words: Vec<String> = options::items(list)?.iter().map(text).collect::<Result<_, _>>()?;
    if words.first().is_none_or(String::is_empty) {
        return Err("expected a program and its arguments, got none".to_owned());
    }
    Ok(words)
}

/// Text that can be a word of a command or a variable of an environment.
fn text(value: &Value) -> Result<String, String> {
    let text = options::scalar(value)?;
    if text.contains('\0') { Err("expected text without zero bytes".to_owned()) } else { Ok(text) }
}

/// The setting by which it is known to be ready.
fn ready(value: &Value) -> Result<(&'static str, String), String> {
    if let Value::Table(table) = value {
        if let Some(unknown) = unknown_keys(table, &["line"]).first() {
            return Err(unknown.clone());
        }
        let line: Value = table.raw_get("line").map_err(|error| error.to_string())?;
        return Ok(("ready.line", options::string(&line).map_err(|what| format!("line: {what}"))?));
    }
    let text = options::string(value)?;
    let host_and_port = |text: &str| {
        text.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && !port.is_empty())
    };
    let place = text.strip_prefix("http://").unwrap_or(&text);
    if place.contains("://") || (place == text && !host_and_port(place)) {
        let form = "expected a URL such as \"http://127.0.0.1:{port}/health\", host and port, or \
                    { line = ... }";
        return Err(format!("{form}; got {text:?}"));
    }
    Ok(("ready", text))
}

fn url(value: &Value) -> Result<String, String> {
    let text = options::string(value)?;
    if text.contains("://") { Ok(text) } else { Err(format!("expected a URL, got {text:?}")) }
}

/// How it is asked to end, as settings.
fn stop(value: &Value) -> Result<BTreeMap<String, String>, String> {
    let Value::Table(table) = value else {
        return Err(format!("expected {{ signal = ..., within = ... }}, got {}", shown(value)));
    };
    if let Some(unknown) = unknown_keys(table, &["signal", "within"]).first() {
        return Err(unknown.clone());
    }
    let mut settings = BTreeMap::new();
    for (key, check) in
        [("signal", signal as fn(&Value) -> Result<String, String>), ("within", duration)]
    {
        let value: Value = table.raw_get(key).map_err(|error| error.to_string())?;
        if !value.is_nil() {
            let text = check(&value).map_err(|what| format!("{key}: {what}"))?;
            settings.insert(format!("stop.{key}"), text);
        }
    }
    Ok(settings)
}

fn signal(value: &Value) -> Result<String, String> {
    let text = options::string(value)?;
    let names: Vec<&str> = SIGNALS.iter().map(|(name, _)| *name).collect();
    if names.contains(&&*text) {
        return Ok(text);
    }
    Err(format!("expected one of {}; got {text:?}", names.join(", ")))
}

fn duration(value: &Value) -> Result<String, String> {
    checked(Takes::Duration, value)
}

/// What a variable of the environment is.
enum Variable {
    Text(String),
    UrlOf(String),
}

fn environment(value: &Value) -> Result<Vec<(String, Variable)>, String> {
    let Value::Table(table) = value else {
        return Err(format!("expected a table of names and values, got {}", shown(value)));
    };
    let pairs = table.pairs::<Value, Value>().map(|pair| {
        let (key, value) = pair.map_err(|error| error.to_string())?;
        let key = options::string(&key)?;
        if key.is_empty() || key.contains(['=', '\0']) {
            return Err(format!("expected the name of a variable, got {key:?}"));
        }
        let variable = match Service::named(&value) {
            Some(service) => Variable::UrlOf(service),
            None => Variable::Text(text(&value).map_err(|what| format!("{key}: {what}"))?),
        };
        Ok((key, variable))
    });
    pairs.collect()
}
