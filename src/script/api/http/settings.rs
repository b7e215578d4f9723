//! The options of `http.client`.

use mlua::{Lua, Value};

use super::options::{Credentials, credentials, expect, redirects};
use crate::client::http::{Auth, Base, Connections, Settings, Version};
use crate::script::api::connections::{self, Choice};
use crate::script::api::service;
use crate::script::context::Context;
use crate::script::options::{self, Options, shown};

/// What a client can be given.
const KNOWN: &[&str] = &[
    "auth",
    "base",
    "body_limit",
    "ca",
    "cert",
    "connect_timeout",
    "connections",
    "cookies",
    "decompress",
    "expect",
    "headers",
    "insecure",
    "key",
    "redirects",
    "size",
    "timeout",
    "version",
];

/// Reads the options; a wrong one raises at the caller's line.
pub(super) fn read(lua: &Lua, context: &Context, value: Value) -> mlua::Result<Settings> {
    let given = Options::new(lua, "http.client", value, KNOWN)?;
    let usual = Settings::default();
    let auth = given.read("auth", |value| {
        credentials(value).map(|credentials| match credentials {
            Credentials::Basic(user, password) => Auth::Basic { user, password },
            Credentials::Bearer(token) => Auth::Bearer(token),
        })
    })?;
    let headers = given.pairs("headers")?.unwrap_or_default();
    let secrets = &context.world.log.secrets;
    match &auth {
        Some(Auth::Basic { password, .. }) => secrets.add(password),
        Some(Auth::Bearer(token)) => secrets.add(token),
        None => {}
    }
    for (name, value) in &headers {
        secrets.add_under(name, value);
    }
    Ok(Settings {
        base: given.read("base", base)?,
        timeout: given.limit("timeout")?.unwrap_or(usual.timeout),
        connect_timeout: given.limit("connect_timeout")?.unwrap_or(usual.connect_timeout),
        connections: match connections::choice(context, &given, &["user", "new"])? {
            Choice::Word("new") => Connections::New,
            Choice::Word(_) => Connections::User,
            Choice::Shared(size) => Connections::Shared(size),
        },
        redirects: given.read("redirects", redirects)?.unwrap_or(usual.redirects),
        headers,
        auth,
        cookies: given.boolean("cookies")?.unwrap_or(usual.cookies),
        decompress: given.boolean("decompress")?.unwrap_or(usual.decompress),
        body_limit: given.read("body_limit", options::size)?.unwrap_or(usual.body_limit),
        expect: given.read("expect", expect)?.unwrap_or(usual.expect),
        tls: connections::tls(context, &given)?,
        version: given.read("version", version)?.unwrap_or_default(),
    })
}

fn base(value: &Value) -> Result<Base, String> {
    if let Some(address) = service::address(value) {
        return Ok(Base::Service(address));
    }
    match value {
        Value::String(_) => options::string(value).map(Base::Url),
        other => Err(format!("expected a URL or a service, got {}", shown(other))),
    }
}

fn version(value: &Value) -> Result<Version, String> {
    match options::scalar(value).as_deref() {
        Ok("auto") => Ok(Version::Auto),
        Ok("1.1") => Ok(Version::H1),
        Ok("2") => Ok(Version::H2PriorKnowledge),
        _ => Err(format!("expected \"auto\", \"1.1\" or \"2\", got {}", shown(value))),
    }
}
