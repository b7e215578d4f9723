//! How the control state answers what a target sends back: the function a script gave a listener,
//! called as a coroutine for each request.
//!
//! An error of it is the author's: it is kept with its traceback like that of an iteration, and
//! whoever asked gets status 500.

use std::sync::Arc;

use mlua::{Function, Lua, LuaString, Table, Value};

use super::context::UserState;
use super::coroutine::first;
use super::measure::ScenarioMeter;
use super::options::{self, shown};
use super::plain::Plain;
use super::traceback::ScriptError;
use super::user::Entered;
use super::vm::Vm;
use crate::listen::{Answer, Inbound};

/// What is answered where the script says nothing.
const NOTHING_SAID: u16 = 204;

/// Keys of an answer.
const ANSWER: &[&str] = &["body", "delay", "headers", "json", "status"];

impl Vm {
    /// What the script answers a request to the listener of this name.
    pub async fn answer(&self, listener: &str, inbound: Inbound) -> Answer {
        self.asked(listener, inbound).await.unwrap_or_else(|error| {
            if !self.context.world.is_halted() {
                let error: ScriptError = self.error(&error);
                self.context.errors.borrow_mut().add(&Arc::from(listener), error);
            }
            Answer::status(500)
        })
    }

    /// What the script gave the listener to answer with.
    fn answers(&self, listener: &str) -> Option<Function> {
        let declared = self.context.declared.borrow();
        let (_, function) = declared.listeners.iter().find(|(name, _)| name == listener)?;
        function.clone()
    }

    async fn asked(&self, listener: &str, inbound: Inbound) -> mlua::Result<Answer> {
        let Some(function) = self.answers(listener) else {
            return Ok(Answer::status(NOTHING_SAID));
        };
        let request = table(&self.lua, &inbound)?;
        let meter = ScenarioMeter::new(&self.context.world, &Arc::from(listener), &[]);
        let user = UserState::new(meter, 0, false);
        let answered = first(Entered::new(self, function, request, user).await?);
        read(&answered).map_err(|what| {
            mlua::Error::runtime(format!("listener {listener:?}: answered wrongly: {what}"))
        })
    }
}

/// A request as the script sees it.
fn table(lua: &Lua, inbound: &Inbound) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    table.raw_set("method", inbound.method.as_str())?;
    table.raw_set("path", inbound.path.as_str())?;
    table.raw_set("body", lua.create_string(&inbound.body)?)?;
    let headers = lua.create_table()?;
    for (name, value) in &inbound.headers {
        headers.raw_set(name.as_str(), value.as_str())?;
    }
    table.raw_set("headers", headers)?;
    table.raw_set("query", pairs(lua, inbound.query.as_bytes())?)?;
    let header = |name: &str| inbound.headers.iter().find(|(known, _)| known == name);
    let kind = header("content-type").map_or("", |(_, value)| value.as_str());
    if kind.starts_with("application/x-www-form-urlencoded") {
        table.raw_set("form", pairs(lua, &inbound.body)?)?;
    }
    if kind.contains("json")
        && let Ok(json) = serde_json::from_slice(&inbound.body)
    {
        table.raw_set("json", Plain::from_json(json).write(lua)?)?;
    }
    Ok(table)
}

fn pairs(lua: &Lua, text: &[u8]) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    for (key, value) in url::form_urlencoded::parse(text) {
        table.raw_set(&*key, &*value)?;
    }
    Ok(table)
}

/// An answer as the script gives it: nothing, a status, or a table.
fn read(answered: &Value) -> Result<Answer, String> {
    match answered {
        Value::Nil => Ok(Answer::status(NOTHING_SAID)),
        Value::Integer(_) => status(answered).map(Answer::status),
        Value::Table(given) => of_table(given),
        other => Err(format!(
            "expected a status, or a table such as `{{ status = 200, body = \"ok\" }}`, got {}",
            shown(other)
        )),
    }
}

fn of_table(given: &Table) -> Result<Answer, String> {
    if let Some(unknown) = options::unknown_keys(given, ANSWER).first() {
        return Err(unknown.clone());
    }
    let value = |key: &str| given.raw_get::<Value>(key).unwrap_or(Value::Nil);
    let mut answer = Answer::status(200);
    if let said @ Value::Integer(_) = value("status") {
        answer.status = status(&said)?;
    } else if !value("status").is_nil() {
        return Err(format!("status: expected a number, got {}", shown(&value("status"))));
    }
    match value("body") {
        Value::Nil => {}
        Value::String(body) => answer.body = LuaString::as_bytes(&body).to_vec(),
        other => return Err(format!("body: expected a string, got {}", shown(&other))),
    }
    if !value("json").is_nil() {
        let plain = Plain::read(&value("json")).map_err(|error| format!("json: {error}"))?;
        let json = plain.to_json().map_err(|error| format!("json: {error}"))?;
        answer.body = json.to_string().into_bytes();
        answer.headers.push(("content-type".to_owned(), "application/json".to_owned()));
    }
    if !value("headers").is_nil() {
        let headers = options::pairs(&value("headers"));
        answer.headers.extend(headers.map_err(|what| format!("headers: {what}"))?);
    }
    if !value("delay").is_nil() {
        let delay = options::duration(&value("delay"));
        answer.delay = delay.map_err(|what| format!("delay: {what}"))?;
    }
    Ok(answer)
}

fn status(value: &Value) -> Result<u16, String> {
    match value {
        Value::Integer(status @ 200..=599) => Ok(*status as u16),
        other => Err(format!("expected a status from 200 to 599, got {}", shown(other))),
    }
}
