//! The options of `redis.client`.

use mlua::{Lua, Value};

use crate::client::redis::{Address, Connections, Settings, Topology, passwords_in};
use crate::script::api::connections::{self, Choice};
use crate::script::api::service;
use crate::script::context::Context;
use crate::script::options::{self, Options, shown};

/// What a client can be given.
const KNOWN: &[&str] = &[
    "ca",
    "cert",
    "cluster",
    "connect_timeout",
    "connections",
    "database",
    "insecure",
    "key",
    "password",
    "protocol",
    "reply_limit",
    "sentinel",
    "size",
    "timeout",
    "url",
    "user",
];

/// Reads the options; a wrong one raises at the caller's line. Passwords are secrets from here on.
pub(super) fn read(lua: &Lua, context: &Context, value: Value) -> mlua::Result<Settings> {
    let given = Options::new(lua, "redis.client", value, KNOWN)?;
    let secrets = &context.world.log.secrets;
    let usual = Settings::default();
    let password = given.string("password")?;
    if let Some(password) = &password {
        secrets.add(password);
    }
    let address = given.read("url", address)?.unwrap_or(usual.address);
    if let Address::Url(url) = &address {
        for password in passwords_in(url) {
            secrets.add(&password);
        }
    }
    Ok(Settings {
        address,
        user: given.string("user")?,
        password,
        database: given.read("database", database)?,
        timeout: given.limit("timeout")?.unwrap_or(usual.timeout),
        connect_timeout: given.limit("connect_timeout")?.unwrap_or(usual.connect_timeout),
        connections: match connections::choice(context, &given, &["user"])? {
            Choice::Word(_) => Connections::User,
            Choice::Shared(size) => Connections::Shared(size),
        },
        topology: topology(&given)?,
        protocol: given.read("protocol", protocol)?.unwrap_or(usual.protocol),
        reply_limit: given.read("reply_limit", options::size)?.unwrap_or(usual.reply_limit),
        tls: connections::tls(context, &given)?,
    })
}

fn address(value: &Value) -> Result<Address, String> {
    match (value, service::address(value)) {
        (_, Some(address)) => Ok(Address::Service(address)),
        (Value::String(_), _) => options::string(value).map(Address::Url),
        (other, _) => Err(format!("expected a URL or a service, got {}", shown(other))),
    }
}

fn database(value: &Value) -> Result<u32, String> {
    u32::try_from(options::count(value)?)
        .map_err(|_| format!("expected the number of a database, got {}", shown(value)))
}

fn protocol(value: &Value) -> Result<u8, String> {
    match value {
        Value::Integer(2) => Ok(2),
        Value::Integer(3) => Ok(3),
        other => Err(format!("expected 2 or 3, got {}", shown(other))),
    }
}

/// `cluster = true`, or `sentinel` with the name the server has there.
fn topology(given: &Options<'_>) -> mlua::Result<Topology> {
    match (given.boolean("cluster")?, given.string("sentinel")?) {
        (Some(true), Some(_)) => Err(given.wrong("`cluster` and `sentinel` exclude one another")),
        (Some(true), None) => Ok(Topology::Cluster),
        (_, Some(name)) => Ok(Topology::Sentinel(name)),
        _ => Ok(Topology::Single),
    }
}
