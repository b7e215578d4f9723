//! The commands that are methods, and what a script may give to a command.

use mlua::{LuaString, MultiValue, Table, Value};

use crate::client::redis::Command;
use crate::script::options::{self, shown};

/// Method and command: `client:get(...)` is `client:command("GET", ...)`.
pub(super) const COMMANDS: &[(&str, &str)] = &[
    ("append", "APPEND"),
    ("blpop", "BLPOP"),
    ("brpop", "BRPOP"),
    ("dbsize", "DBSIZE"),
    ("decr", "DECR"),
    ("decrby", "DECRBY"),
    ("del", "DEL"),
    ("eval", "EVAL"),
    ("exists", "EXISTS"),
    ("expire", "EXPIRE"),
    ("flushdb", "FLUSHDB"),
    ("get", "GET"),
    ("getdel", "GETDEL"),
    ("getex", "GETEX"),
    ("hdel", "HDEL"),
    ("hexists", "HEXISTS"),
    ("hget", "HGET"),
    ("hgetall", "HGETALL"),
    ("hincrby", "HINCRBY"),
    ("hkeys", "HKEYS"),
    ("hlen", "HLEN"),
    ("hmget", "HMGET"),
    ("hset", "HSET"),
    ("hvals", "HVALS"),
    ("incr", "INCR"),
    ("incrby", "INCRBY"),
    ("incrbyfloat", "INCRBYFLOAT"),
    ("info", "INFO"),
    ("llen", "LLEN"),
    ("lpop", "LPOP"),
    ("lpush", "LPUSH"),
    ("lrange", "LRANGE"),
    ("lrem", "LREM"),
    ("ltrim", "LTRIM"),
    ("mget", "MGET"),
    ("mset", "MSET"),
    ("persist", "PERSIST"),
    ("pexpire", "PEXPIRE"),
    ("ping", "PING"),
    ("pttl", "PTTL"),
    ("publish", "PUBLISH"),
    ("rpop", "RPOP"),
    ("rpush", "RPUSH"),
    ("sadd", "SADD"),
    ("scan", "SCAN"),
    ("scard", "SCARD"),
    ("set", "SET"),
    ("setex", "SETEX"),
    ("setnx", "SETNX"),
    ("sismember", "SISMEMBER"),
    ("smembers", "SMEMBERS"),
    ("spop", "SPOP"),
    ("srem", "SREM"),
    ("strlen", "STRLEN"),
    ("ttl", "TTL"),
    ("type", "TYPE"),
    ("unlink", "UNLINK"),
    ("xack", "XACK"),
    ("xadd", "XADD"),
    ("xdel", "XDEL"),
    ("xgroup", "XGROUP"),
    ("xlen", "XLEN"),
    ("xrange", "XRANGE"),
    ("xread", "XREAD"),
    ("xreadgroup", "XREADGROUP"),
    ("xtrim", "XTRIM"),
    ("zadd", "ZADD"),
    ("zcard", "ZCARD"),
    ("zcount", "ZCOUNT"),
    ("zincrby", "ZINCRBY"),
    ("zpopmin", "ZPOPMIN"),
    ("zrange", "ZRANGE"),
    ("zrank", "ZRANK"),
    ("zrem", "ZREM"),
    ("zscore", "ZSCORE"),
];

/// Commands after which a connection no longer answers each command with one reply.
const REFUSED: &[&str] = &[
    "HELLO",
    "MONITOR",
    "PSUBSCRIBE",
    "PSYNC",
    "PUNSUBSCRIBE",
    "QUIT",
    "RESET",
    "SSUBSCRIBE",
    "SUBSCRIBE",
    "SUNSUBSCRIBE",
    "SYNC",
    "UNSUBSCRIBE",
];

/// Commands that are about the connection they are sent on, and so need one of their own.
const STATEFUL: &[&str] = &["AUTH", "DISCARD", "EXEC", "MULTI", "SELECT", "UNWATCH", "WATCH"];

/// What a call is given besides its arguments.
#[derive(Default)]
pub(super) struct CallOptions {
    /// What the sample is called.
    pub(super) name: Option<LuaString>,
    /// More tags of the sample, sorted.
    pub(super) tags: Vec<(String, String)>,
    /// Longest the call may take.
    pub(super) timeout: Option<std::time::Duration>,
}

/// Takes the table of options off the end of the arguments, if there is one. It is told from a
/// list of arguments by having no first item.
pub(super) fn options(args: &mut MultiValue) -> Result<CallOptions, String> {
    match args.back() {
        Some(Value::Table(table)) if !is_list(table) => {
            let read = call_options(table, &["name", "tags", "timeout"])?;
            args.pop_back();
            Ok(read)
        }
        _ => Ok(CallOptions::default()),
    }
}

/// Reads the options in a table that may also have items.
pub(super) fn call_options(table: &Table, known: &[&str]) -> Result<CallOptions, String> {
    let mut read = CallOptions::default();
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair.map_err(|error| error.to_string())?;
        let key = match &key {
            Value::String(key) => key.to_string_lossy(),
            Value::Integer(_) if is_list(table) => continue,
            _ => return Err(options::unknown_keys(table, known).join("; ")),
        };
        let named = |what: String| format!("{key}: {what}");
        match key.as_str() {
            "name" => match value {
                Value::String(name) => read.name = Some(name),
                other => return Err(named(format!("expected a string, got {}", shown(&other)))),
            },
            "tags" => read.tags = options::tags(&value).map_err(named)?,
            "timeout" => read.timeout = Some(options::limit(&value).map_err(named)?),
            other => return Err(options::unknown_key(other, known)),
        }
    }
    Ok(read)
}

pub(super) fn is_list(table: &Table) -> bool {
    table.raw_len() > 0
}

/// Adds a script's arguments to a command; the items of a list stand in its place.
pub(super) fn fill<'a>(
    command: &mut Command,
    args: impl Iterator<Item = &'a Value>,
) -> Result<(), String> {
    for (at, value) in args.enumerate() {
        let numbered = |what: String| format!("argument {}: {what}", at + 1);
        match value {
            Value::Table(list) => {
                let items = options::items(list).map_err(numbered)?;
                for (item, value) in items.iter().enumerate() {
                    argument(command, value)
                        .map_err(|what| numbered(format!("item {}: {what}", item + 1)))?;
                }
            }
            value => argument(command, value).map_err(numbered)?,
        }
    }
    Ok(())
}

/// One argument: a string of any bytes, or a number in digits.
fn argument(command: &mut Command, value: &Value) -> Result<(), String> {
    match value {
        Value::String(bytes) => command.arg(&*bytes.as_bytes()),
        Value::Integer(number) => command.arg(number.to_string()),
        Value::Number(number) => command.arg(number.to_string()),
        other => return Err(format!("expected a string or a number, got {}", shown(other))),
    };
    Ok(())
}

/// Refuses what has the server say nothing to commands, or something to none.
fn unruly(word: &str, next: Option<&Value>) -> Result<(), String> {
    let (word, next) = match (word.split_once(' '), next) {
        (Some((word, next)), _) => (word, next.to_owned()),
        (None, Some(Value::String(next))) => (word, next.to_string_lossy().to_ascii_uppercase()),
        _ => return Ok(()),
    };
    let why = match (word, next.as_str()) {
        ("CLIENT", "REPLY") => "what is sent after it would have no reply to measure",
        ("CLIENT", "TRACKING") => "what the server says by itself would be read by nobody",
        _ => return Ok(()),
    };
    Err(format!("CLIENT {next} cannot be sent as a command; {why}"))
}

/// The words of a command as a script gives them, in capitals, if it may be sent like this.
pub(super) fn words<'a>(
    mut given: impl Iterator<Item = &'a Value>,
    own_connection: bool,
) -> Result<String, String> {
    let word = match given.next() {
        Some(Value::String(word)) if !word.as_bytes().is_empty() => word.to_string_lossy(),
        other => {
            let got = shown(other.unwrap_or(&Value::Nil));
            return Err(format!("expected the name of a command such as \"SET\", got {got}"));
        }
    };
    let word = word.to_ascii_uppercase();
    if REFUSED.contains(&word.as_str()) {
        let instead = match word.strip_suffix("SUBSCRIBE") {
            Some("" | "P") => format!("call `client:{}`", word.to_ascii_lowercase()),
            _ => "it has no single reply to measure".to_owned(),
        };
        return Err(format!("{word} cannot be sent as a command; {instead}"));
    }
    let second = given.next();
    if word == "SCRIPT"
        && matches!(second, Some(Value::String(it)) if it.as_bytes().eq_ignore_ascii_case(b"debug"))
    {
        return Err(
            "SCRIPT DEBUG cannot be sent as a command; its replies are the debugger's".to_owned()
        );
    }
    unruly(&word, second)?;
    if !own_connection && STATEFUL.contains(&word.as_str()) {
        return Err(format!(
            "{word} is about one connection; expected a client with `connections = \"user\"`, \
             or `client:transaction`"
        ));
    }
    Ok(word)
}
