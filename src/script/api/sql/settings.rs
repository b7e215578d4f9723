//! The options of `sql.client`.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mlua::{Lua, Value};

use crate::client::sql::{Address, Database, Memory, Others, Place, Settings, passwords};
use crate::script::api::connections::share;
use crate::script::api::service;
use crate::script::context::Context;
use crate::script::options::{self, Options, shown};
use crate::script::require::confined;
use crate::units::Bytes;

/// What a client can be given.
const KNOWN: &[&str] = &["cancel", "connect_timeout", "result_limit", "size", "timeout", "url"];

/// Connections where nothing else is said.
const SIZE: usize = 10;

/// How many clients this Lua state has declared: the n-th is the same one in every state.
struct Declared(usize);

/// Reads the options; a wrong one raises at the caller's line.
pub(super) fn read(lua: &Lua, context: &Context, value: Value) -> mlua::Result<Settings> {
    let given = Options::new(lua, "sql.client", value, KNOWN)?;
    let nth = lua.app_data_ref::<Declared>().map_or(0, |declared| declared.0) + 1;
    let url = given.value("url").ok_or_else(|| {
        given.wrong(
            "url: expected an address such as \"postgres://user@127.0.0.1:5432/shop\", got nil",
        )
    })?;
    let address = address(context, &url, nth);
    let address = address.map_err(|what| given.wrong(&format!("url: {what}")))?;
    let size = given.read("size", size)?.unwrap_or(SIZE);
    let settings = Settings {
        address,
        size: share(context, size).unwrap_or(1),
        others: others(context, nth),
        timeout: given.limit("timeout")?.unwrap_or(Duration::from_secs(30)),
        connect_timeout: given.limit("connect_timeout")?.unwrap_or(Duration::from_secs(10)),
        result_limit: given.read("result_limit", bytes)?.unwrap_or(64 << 20),
        cancel: given.boolean("cancel")?.unwrap_or(true),
    };
    lua.set_app_data(Declared(nth));
    Ok(settings)
}

fn address(context: &Context, value: &Value, nth: usize) -> Result<Address, String> {
    if let Some(url) = service::address(value) {
        return Ok(Address::Service(url));
    }
    let Value::String(_) = value else {
        return Err(format!("expected a URL or a service, got {}", shown(value)));
    };
    let url = options::string(value)?;
    for password in passwords(&url) {
        context.world.log.secrets.add(&password);
    }
    let database = match url.strip_prefix("sqlite:") {
        Some(rest) => Database::Sqlite(place(context, rest, nth)?),
        None => Database::parse(&url)?,
    };
    Ok(Address::Known(database))
}

/// A file of the script's folder, or memory that this client has in all Lua states of the run.
fn place(context: &Context, rest: &str, nth: usize) -> Result<Place, String> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    if rest == ":memory:" {
        let memory = context.world.kept(&format!("sql.client {nth}"), || {
            Memory::new(format!("loadrun-{}", COUNT.fetch_add(1, Ordering::Relaxed)))
        });
        return Ok(Place::Memory(memory));
    }
    let name = rest.strip_prefix("//").unwrap_or(rest);
    if name.is_empty() || name.contains('?') {
        return Err("expected \"sqlite:file.db\" or \"sqlite::memory:\"".to_owned());
    }
    file(context, name).map(Place::File)
}

/// The true path of a file beside the script, which need not be there yet.
fn file(context: &Context, name: &str) -> Result<PathBuf, String> {
    let folder = &context.world.source.folder;
    let path = folder.join(name);
    if path.symlink_metadata().is_ok() {
        return confined(folder, &path);
    }
    let (Some(parent), Some(last)) = (path.parent(), path.file_name()) else {
        return Err(format!("`{name}` is no file"));
    };
    confined(folder, parent).map(|parent| parent.join(last))
}

fn size(value: &Value) -> Result<usize, String> {
    match options::count(value)? {
        0 => Err("expected at least 1".to_owned()),
        size => Ok(usize::try_from(size).unwrap_or(usize::MAX)),
    }
}

fn bytes(value: &Value) -> Result<u64, String> {
    match value {
        Value::String(text) => Bytes::parse(&text.to_string_lossy())
            .map(|bytes| bytes.0)
            .map_err(|error| error.to_string()),
        other => options::count(other),
    }
}

/// The clients of this declaration in all workers; `setup` and `teardown` have one by itself.
fn others(context: &Context, nth: usize) -> Others {
    match context.worker {
        Some(_) => {
            let name = format!("sql.client {nth}");
            Others::clone(&context.world.kept(&name, Others::default))
        }
        None => Others::default(),
    }
}
