//! The options of one call, read in one pass over their table.

use mlua::{LuaString, Table, Value};

use crate::client::http::{Body, Expect, Multipart, Request};
use crate::script::api::json;
use crate::script::options::{self, shown};

/// What a call can be given.
const KNOWN: &[&str] = &[
    "auth",
    "body",
    "expect",
    "form",
    "headers",
    "json",
    "multipart",
    "name",
    "query",
    "redirects",
    "tags",
    "timeout",
];

/// The options that speak of the sample; all others go into the request.
#[derive(Default)]
pub(super) struct CallOptions {
    /// What the sample is called.
    pub(super) name: Option<LuaString>,
    /// More tags of the sample, sorted.
    pub(super) tags: Vec<(String, String)>,
}

impl CallOptions {
    /// Reads the table into the request; the error is a sentence about one option.
    pub(super) fn read(value: &Value, request: &mut Request) -> Result<Self, String> {
        let table = match value {
            Value::Nil => return Ok(Self::default()),
            Value::Table(table) => table,
            other => return Err(format!("expected a table of options, got {}", shown(other))),
        };
        let mut read = Self::default();
        let mut body = None;
        for pair in table.pairs::<Value, Value>() {
            let (key, value) = pair.map_err(|error| error.to_string())?;
            let Value::String(key) = &key else {
                return Err(options::unknown_keys(table, KNOWN).join("; "));
            };
            let key = key.as_bytes();
            let named = |what: String| format!("{}: {what}", String::from_utf8_lossy(&key));
            match &*key {
                b"name" => read.name = Some(name(value).map_err(named)?),
                b"tags" => read.tags = options::tags(&value).map_err(named)?,
                b"body" | b"json" | b"form" | b"multipart" => {
                    if let Some(other) = body.replace(String::from_utf8_lossy(&key).into_owned()) {
                        return Err(format!(
                            "`{other}` and `{}` at the same time",
                            String::from_utf8_lossy(&key)
                        ));
                    }
                    request.body = self::body(&key, &value).map_err(named)?;
                }
                _ => match apply(request, &key, &value) {
                    Some(applied) => applied.map_err(named)?,
                    None => return Err(options::unknown_keys(table, KNOWN).join("; ")),
                },
            }
        }
        Ok(read)
    }
}

/// Puts one option into the request; `None` when there is no such option.
fn apply(request: &mut Request, key: &[u8], value: &Value) -> Option<Result<(), String>> {
    Some(match key {
        b"query" => options::pairs(value).map(|pairs| {
            for (name, value) in pairs {
                request.query(&name, value.as_bytes());
            }
        }),
        b"headers" => options::pairs(value).and_then(|pairs| {
            pairs.iter().try_for_each(|(name, value)| request.header(name, value.as_bytes()))
        }),
        b"auth" => auth(request, value),
        b"timeout" => options::limit(value).map(|limit| request.timeout = Some(limit)),
        b"redirects" => redirects(value).map(|most| request.redirects = Some(most)),
        b"expect" => expect(value).map(|expect| request.expect = Some(expect)),
        _ => return None,
    })
}

fn name(value: Value) -> Result<LuaString, String> {
    match value {
        Value::String(name) => Ok(name),
        other => Err(format!("expected a string, got {}", shown(&other))),
    }
}

fn auth(request: &mut Request, value: &Value) -> Result<(), String> {
    match credentials(value)? {
        Credentials::Basic(user, password) => request.basic_auth(&user, &password),
        Credentials::Bearer(token) => request.bearer_auth(&token),
    }
}

/// What `auth` says.
pub(super) enum Credentials {
    /// A name and a password.
    Basic(String, String),
    /// A token.
    Bearer(String),
}

/// Reads `{ user = "...", password = "..." }` or `{ bearer = "..." }`.
pub(super) fn credentials(value: &Value) -> Result<Credentials, String> {
    let form = "expected `{ user = \"...\", password = \"...\" }` or `{ bearer = \"...\" }`";
    let Value::Table(table) = value else {
        return Err(format!("{form}, got {}", shown(value)));
    };
    if let Some(unknown) = options::unknown_keys(table, &["bearer", "password", "user"]).first() {
        return Err(unknown.clone());
    }
    match (text_of(table, "user")?, text_of(table, "password")?, text_of(table, "bearer")?) {
        (Some(user), Some(password), None) => Ok(Credentials::Basic(user, password)),
        (None, None, Some(token)) => Ok(Credentials::Bearer(token)),
        _ => Err(form.to_owned()),
    }
}

/// A string of a table; `None` for nil.
fn text_of(table: &Table, key: &str) -> Result<Option<String>, String> {
    let value: Value = table.raw_get(key).map_err(|error| error.to_string())?;
    match value {
        Value::Nil => Ok(None),
        value => options::string(&value).map(Some).map_err(|what| format!("{key}: {what}")),
    }
}

/// How many redirects to follow.
pub(super) fn redirects(value: &Value) -> Result<u8, String> {
    let most = crate::client::http::MOST_REDIRECTS;
    match options::count(value)? {
        count if count <= u64::from(most) => Ok(count as u8),
        count => Err(format!("expected 0 to {most}, got {count}")),
    }
}

/// Which statuses are a success: a number, `"2xx"`, or a list of them.
pub(super) fn expect(value: &Value) -> Result<Expect, String> {
    let one = |value: &Value| match value {
        Value::String(text) => Expect::parse(&text.to_string_lossy()),
        other => match options::integer(other) {
            Ok(status @ 100..=999) => Ok(Expect::status(status as u16)),
            _ => Err(format!("expected a status such as 201 or \"2xx\", got {}", shown(other))),
        },
    };
    let Value::Table(list) = value else {
        return one(value);
    };
    let mut all: Option<Expect> = None;
    for item in options::items(list)? {
        let more = one(&item)?;
        all = Some(match all {
            None => more,
            Some(expect) => expect.or(more),
        });
    }
    all.ok_or_else(|| "expected at least one status".to_owned())
}

fn body(key: &[u8], value: &Value) -> Result<Body, String> {
    match key {
        b"json" => {
            let text = json::encode(value).map_err(|error| format!("cannot encode {error}"))?;
            Body::new(text, Some("application/json"))
        }
        b"form" => {
            let mut form = url::form_urlencoded::Serializer::new(String::new());
            form.extend_pairs(options::pairs(value)?);
            Body::new(form.finish(), Some("application/x-www-form-urlencoded"))
        }
        b"multipart" => multipart(value),
        _ => Body::new(options::bytes(value)?, None),
    }
}

/// A table of names and values; a value is text, or `{ content, filename, type }` for a file.
fn multipart(value: &Value) -> Result<Body, String> {
    let Value::Table(table) = value else {
        return Err(format!("expected a table of names and parts, got {}", shown(value)));
    };
    let mut parts = Vec::new();
    for pair in table.pairs::<Value, Value>() {
        let (name, part) = pair.map_err(|error| error.to_string())?;
        parts.push((options::string(&name)?, part));
    }
    parts.sort_by(|a, b| a.0.cmp(&b.0));
    let mut form = Multipart::new();
    for (name, part) in &parts {
        let named = |what: String| format!("{name}: {what}");
        if let Value::Table(file) = part {
            let known = ["content", "filename", "type"];
            if let Some(unknown) = options::unknown_keys(file, &known).first() {
                return Err(named(unknown.clone()));
            }
            let content: Value = file.raw_get("content").map_err(|error| error.to_string())?;
            let content =
                options::bytes(&content).map_err(|what| named(format!("content: {what}")))?;
            let filename = text_of(file, "filename").map_err(named)?;
            let kind = text_of(file, "type").map_err(named)?;
            let filename = filename.as_deref().unwrap_or(name);
            form.file(name, filename, kind.as_deref(), &content).map_err(named)?;
        } else {
            let bytes = match part {
                Value::String(text) => text.as_bytes().to_vec(),
                other => options::scalar(other).map_err(named)?.into_bytes(),
            };
            form.field(name, &bytes).map_err(named)?;
        }
    }
    Ok(form.build())
}
