//! The reply of scripts: a handle that makes Lua values of what is looked at.

use std::cell::RefCell;
use std::time::Duration;

use mlua::{
    Either, Lua, LuaString, MetaMethod, MultiValue, Table, UserData, UserDataMethods, Value,
};

use crate::client::http::{Exchange, Headers};
use crate::plan::nearest;
use crate::script::api::json;
use crate::script::options::shown;
use crate::script::traceback::misuse;

/// What a script can read.
pub(super) const FIELDS: &[&str] = &[
    "body",
    "detail",
    "duration",
    "error",
    "headers",
    "json",
    "ok",
    "protocol",
    "redirects",
    "status",
    "timing",
];

/// What came of a call.
pub(super) struct Reply {
    exchange: Exchange,
    /// The decoded body, once asked for.
    json: RefCell<Option<Value>>,
}

impl Reply {
    pub(super) fn new(exchange: Exchange) -> Self {
        Self { exchange, json: RefCell::new(None) }
    }

    fn field(&self, lua: &Lua, name: &str) -> mlua::Result<Value> {
        let exchange = &self.exchange;
        Ok(match name {
            "status" => Value::Integer(exchange.status.into()),
            "ok" => Value::Boolean(exchange.error.is_none()),
            "error" => match exchange.error {
                Some(kind) => Value::String(lua.create_string(kind.as_str())?),
                None => Value::Nil,
            },
            "detail" => match &exchange.detail {
                Some(detail) => Value::String(lua.create_string(detail)?),
                None => Value::Nil,
            },
            "body" => Value::String(lua.create_string(&exchange.body)?),
            "json" => self.json(lua)?,
            "headers" => Value::UserData(lua.create_userdata(Named(exchange.headers.clone()))?),
            "duration" => Value::Number(exchange.duration.as_secs_f64()),
            "timing" => Value::Table(self.timing(lua)?),
            "redirects" => Value::Integer(exchange.redirects.into()),
            "protocol" => Value::String(lua.create_string(exchange.protocol.as_str())?),
            _ => return Err(unknown(lua, &format!("{name:?}"))),
        })
    }

    fn json(&self, lua: &Lua) -> mlua::Result<Value> {
        if let Some(value) = &*self.json.borrow() {
            return Ok(value.clone());
        }
        let exchange = &self.exchange;
        let value = json::decode(lua, &exchange.body).map_err(|what| {
            let wrong = match exchange.error {
                Some(kind) if exchange.body.is_empty() => {
                    format!("the call failed ({kind}), there is no body")
                }
                _ => format!("not JSON: {what}; the body begins {}", beginning(&exchange.body)),
            };
            let hint = "look at `reply.ok` or `reply.status` first";
            misuse(lua, format!("reply.json: {wrong}\n  hint: {hint}"))
        })?;
        *self.json.borrow_mut() = Some(value.clone());
        Ok(value)
    }

    fn timing(&self, lua: &Lua) -> mlua::Result<Table> {
        let timing = &self.exchange.timing;
        let seconds = |time: Duration| time.as_secs_f64();
        let table = lua.create_table_with_capacity(0, 7)?;
        table.raw_set("blocked", seconds(timing.blocked))?;
        table.raw_set("dns", seconds(timing.dns))?;
        table.raw_set("connect", seconds(timing.connect))?;
        table.raw_set("tls", seconds(timing.tls))?;
        table.raw_set("send", seconds(timing.send))?;
        table.raw_set("wait", seconds(timing.wait))?;
        table.raw_set("receive", seconds(timing.receive))?;
        Ok(table)
    }
}

impl UserData for Reply {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_meta_method(
            MetaMethod::Index,
            |lua, this, key: Either<String, Value>| match key {
                Either::Left(name) => this.field(lua, &name),
                Either::Right(other) => Err(unknown(lua, &shown(&other))),
            },
        );
        methods.add_meta_method(MetaMethod::ToString, |_, this, ()| {
            Ok(match this.exchange.error {
                Some(kind) => format!("reply: {} ({kind})", this.exchange.status),
                None => format!("reply: {}", this.exchange.status),
            })
        });
    }
}

/// The headers of a reply, by name in any letter case.
struct Named(Headers);

impl UserData for Named {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_meta_method(MetaMethod::Index, |lua, this, name: LuaString| {
            match name.to_str().ok().and_then(|name| this.0.find(&name)) {
                Some(value) => lua.create_string(value).map(Value::String),
                None => Ok(Value::Nil),
            }
        });
        methods.add_meta_method(MetaMethod::Pairs, |lua, this, ()| {
            let all: mlua::Result<Vec<_>> = this
                .0
                .iter()
                .map(|(name, value)| Ok((name.to_lowercase(), lua.create_string(value)?)))
                .collect();
            let mut rest = all?.into_iter();
            lua.create_function_mut(move |_, _: MultiValue| Ok(rest.next().unzip()))
        });
    }
}

fn unknown(lua: &Lua, name: &str) -> mlua::Error {
    let hint = match nearest(name.trim_matches('"'), FIELDS.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("a reply has: {}", FIELDS.join(", ")),
    };
    misuse(lua, format!("reply: no field {name}\n  hint: {hint}"))
}

/// The first characters of a body, for a message.
fn beginning(body: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(&body[..body.len().min(40)]))
}
