//! The one reader of option tables.
//!
//! Every module reads its options the same way, so every mistake reads the same way:
//! `http.client: timeout: malformed duration "5x"; expected ...`. The free functions read one
//! value and say what is wrong with it; [`Options`] reads a table. What is wrong with that raises at
//! the caller's line; while the script is loading it is kept as a problem instead, and loading goes
//! on without the value, so that all mistakes of a script are told at once.

mod keys;
mod list;

use std::cell::RefCell;
use std::time::Duration;

use mlua::{Lua, Table, Value};

use keys::{MAIN, stray_keys};
pub use keys::{meant, unknown_key, unknown_keys};
pub use list::{items, items_among_options, items_and_strays};

use super::context::Context;
use super::locate::Locator;
use super::mistakes;
use super::plain::{Plain, View};
use super::traceback::{ScriptError, caller, misuse};
use crate::units::Bytes;

/// An option table given to a module function.
#[derive(Debug)]
pub struct Options<'a> {
    lua: &'a Lua,
    /// What the messages begin with, for example `http.client`.
    owner: &'a str,
    table: Option<Table>,
    /// What was kept as a problem, and the error it would be: what is wrong afterwards may only follow
    /// from it.
    kept: RefCell<Vec<(String, mlua::Error)>>,
}

impl<'a> Options<'a> {
    /// Takes the table; nil is an empty one. A value of another type is refused, and so are keys
    /// that are not in `known`, all unknown keys at once.
    pub fn new(lua: &'a Lua, owner: &'a str, value: Value, known: &[&str]) -> mlua::Result<Self> {
        let table = match value {
            Value::Nil => None,
            Value::Table(table) => Some(table),
            other => {
                let what = format!("{owner}: expected a table of options, got {}", shown(&other));
                let only = known.first().filter(|_| known.len() == 1);
                let first = MAIN.iter().find(|key| known.contains(key)).or(only);
                let hint = first.map(|key| format!("\n  hint: write `{{ {key} = ... }}`"));
                return Err(misuse(lua, what + &hint.unwrap_or_default()));
            }
        };
        let unknown = table.as_ref().map(|table| stray_keys(table, known)).unwrap_or_default();
        let options = Self { lua, owner, table, kept: RefCell::default() };
        if unknown.is_empty() {
            return Ok(options);
        }
        if !Context::of(lua)?.goes_on() {
            let all: Vec<String> = unknown.into_iter().map(|(_, what)| what).collect();
            return Err(misuse(lua, format!("{owner}: {}", all.join("; "))));
        }
        for (key, what) in unknown {
            options.refuse_key(key.as_deref(), what)?;
        }
        Ok(options)
    }

    /// The error `owner: what` at the caller's line, for what nothing can stand in for. What is said
    /// of an option may follow from what was said of it before, and what is said of all from anything:
    /// then it is that once more.
    pub fn wrong(&self, what: &str) -> mlua::Error {
        let kept = self.kept.borrow();
        let key = what.split_once(": ").map(|(key, _)| key).filter(|key| !key.contains(' '));
        let about = |(kept, _): &&(String, mlua::Error)| {
            key.is_none_or(|key| {
                kept.starts_with(&format!("{key}: ")) || kept.contains(&format!("`{key}`"))
            })
        };
        let cause = kept.iter().find(about).map(|(_, error)| error.clone());
        cause.unwrap_or_else(|| misuse(self.lua, format!("{}: {what}", self.owner)))
    }

    /// The error of what was kept, if anything was: for a call that makes something else without an
    /// option than with it.
    pub fn whole(&self) -> mlua::Result<()> {
        self.kept.borrow().first().map_or(Ok(()), |(_, error)| Err(error.clone()))
    }

    /// Keeps what is wrong as a problem while the script is loading, and raises it later.
    pub fn refuse(&self, what: String) -> mlua::Result<()> {
        // Which options they are about is said first.
        let key = what.split('`').nth(1).map(str::to_owned);
        self.refuse_key(key.as_deref(), what)
    }

    /// [`Self::refuse`], on the line on which the option is written.
    fn refuse_key(&self, key: Option<&str>, what: String) -> mlua::Result<()> {
        let text = format!("{}: {what}", self.owner);
        let mut error = misuse(self.lua, &text);
        let context = Context::of(self.lua)?;
        if !context.goes_on() {
            return Err(error);
        }
        let source = &context.world.source;
        if let (Some(key), Some((chunk, line))) = (key, caller(self.lua))
            && chunk == source.chunk()
            && let Some(line) = Locator::new(&source.text).option(line, self.owner, key)
        {
            error = mlua::Error::runtime(format!("{chunk}:{line}: {text}"));
        }
        let problem = ScriptError::new(&error, source).into_problem();
        context.declared.borrow_mut().problems.push(problem);
        self.kept.borrow_mut().push((what, error));
        Ok(())
    }

    /// The value of `key` as it is, `None` for nil.
    pub fn value(&self, key: &str) -> Option<Value> {
        let value = self.table.as_ref()?.raw_get::<Value>(key).ok()?;
        if value.is_nil() { None } else { Some(value) }
    }

    /// The value of `key` read by `read`, one of this module's functions.
    pub fn read<T>(
        &self,
        key: &str,
        read: impl FnOnce(&Value) -> Result<T, String>,
    ) -> mlua::Result<Option<T>> {
        let value = self.value(key);
        if let Some(value) = &value
            && Context::of(self.lua)?.mistakes.left_out(value)
        {
            return Ok(None);
        }
        match value.map(|value| read(&value)).transpose() {
            Ok(value) => Ok(value),
            Err(what) => self.refuse_key(Some(key), format!("{key}: {what}")).map(|()| None),
        }
    }

    /// A string.
    pub fn string(&self, key: &str) -> mlua::Result<Option<String>> {
        self.read(key, string)
    }

    /// A duration: a string with a unit, or a number of seconds.
    pub fn duration(&self, key: &str) -> mlua::Result<Option<Duration>> {
        self.read(key, duration)
    }

    /// How long a call may take: a duration above 0.
    pub fn limit(&self, key: &str) -> mlua::Result<Option<Duration>> {
        self.read(key, limit)
    }

    /// A boolean.
    pub fn boolean(&self, key: &str) -> mlua::Result<Option<bool>> {
        self.read(key, boolean)
    }

    /// Pairs of strings: a table whose values are strings, numbers or booleans; sorted by key.
    pub fn pairs(&self, key: &str) -> mlua::Result<Option<Vec<(String, String)>>> {
        self.read(key, pairs)
    }
}

/// A value as a message shows it: short, with its type where the text alone would not tell.
pub fn shown(value: &Value) -> String {
    if let Some(unknown) = mistakes::shown_unknown(value) {
        return unknown.to_owned();
    }
    match value {
        Value::Nil => "nil".to_owned(),
        Value::Boolean(value) => value.to_string(),
        Value::Integer(value) => value.to_string(),
        Value::Number(value) => value.to_string(),
        Value::String(text) => {
            let text = text.to_string_lossy();
            match text.char_indices().nth(60) {
                Some((end, _)) => format!("{:?}", format!("{}...", &text[..end])),
                None => format!("{text:?}"),
            }
        }
        Value::LightUserData(pointer) if pointer.0.is_null() => "null".to_owned(),
        Value::UserData(_) => "an object".to_owned(),
        other => format!("a {}", other.type_name()),
    }
}

/// A string in UTF-8.
pub fn string(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => match text.to_str() {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => Err("expected text in UTF-8, got other bytes".to_owned()),
        },
        other => Err(format!("expected a string, got {}", shown(other))),
    }
}

/// Any bytes.
pub fn bytes(value: &Value) -> Result<Vec<u8>, String> {
    match value {
        Value::String(text) => Ok(text.as_bytes().to_vec()),
        other => Err(format!("expected a string, got {}", shown(other))),
    }
}

/// A duration: a string with a unit, or a number of seconds.
pub fn duration(value: &Value) -> Result<Duration, String> {
    let seconds = match value {
        Value::String(text) => {
            return crate::units::parse_duration(&text.to_string_lossy())
                .map_err(|error| error.to_string());
        }
        Value::Integer(seconds) => *seconds as f64,
        Value::Number(seconds) => *seconds,
        other => {
            let expected = "expected a duration such as \"250ms\", or a number of seconds";
            return Err(format!("{expected}, got {}", shown(other)));
        }
    };
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| format!("expected a duration of 0 seconds or more, got {}", shown(value)))
}

/// How long a call may take: a duration above 0.
pub fn limit(value: &Value) -> Result<Duration, String> {
    match duration(value)? {
        Duration::ZERO => Err(format!(
            "expected a time above 0, got {}; \"24h\" is as good as none",
            shown(value)
        )),
        limit => Ok(limit),
    }
}

/// A number of bytes, or text such as `"4MiB"`.
pub fn size(value: &Value) -> Result<u64, String> {
    match value {
        Value::String(text) => Bytes::parse(&text.to_string_lossy())
            .map(|bytes| bytes.0)
            .map_err(|error| error.to_string()),
        other => count(other),
    }
}

/// An integer, 0 or more.
pub fn count(value: &Value) -> Result<u64, String> {
    integer(value)?
        .try_into()
        .map_err(|_| format!("expected a whole number, 0 or more, got {}", shown(value)))
}

/// An integer; a float without a fraction is one too.
pub fn integer(value: &Value) -> Result<i64, String> {
    match value {
        Value::Integer(number) => Ok(*number),
        Value::Number(number) if number.fract() == 0.0 && number.abs() < 9e15 => Ok(*number as i64),
        other => Err(format!("expected a whole number, got {}", shown(other))),
    }
}

/// A finite number.
pub fn number(value: &Value) -> Result<f64, String> {
    match value {
        Value::Integer(number) => Ok(*number as f64),
        Value::Number(number) if number.is_finite() => Ok(*number),
        other => Err(format!("expected a number, got {}", shown(other))),
    }
}

/// `true` or `false`.
pub fn boolean(value: &Value) -> Result<bool, String> {
    match value {
        Value::Boolean(value) => Ok(*value),
        other => Err(format!("expected true or false, got {}", shown(other))),
    }
}

/// A string, number or boolean as text: what a header, query or form value may be.
pub fn scalar(value: &Value) -> Result<String, String> {
    match value {
        Value::String(_) => string(value),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Boolean(value) => Ok(value.to_string()),
        other => Err(format!("expected a string or a number, got {}", shown(other))),
    }
}

/// Pairs of strings, sorted by key, from a table of names or a row of data; a value may be a
/// list: one pair each.
pub fn pairs(value: &Value) -> Result<Vec<(String, String)>, String> {
    if let Some(data) = viewed(value) {
        return data_pairs(&data);
    }
    let Value::Table(table) = value else {
        return Err(format!("expected a table of names and values, got {}", shown(value)));
    };
    let mut found = Vec::new();
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair.map_err(|error| error.to_string())?;
        let key = string(&key)
            .map_err(|_| format!("expected names and values, got {} as a name", shown(&key)))?;
        let named = |what: String| format!("{key}: {what}");
        if let Some(data) = viewed(&value) {
            found.extend(data_texts(&data).map_err(named)?.map(|text| (key.clone(), text)));
        } else if let Value::Table(list) = &value {
            for item in items(list).map_err(named)? {
                found.push((key.clone(), scalar(&item).map_err(named)?));
            }
        } else {
            let text = scalar(&value).map_err(named)?;
            found.push((key, text));
        }
    }
    found.sort();
    Ok(found)
}

/// More tags of a sample, sorted by key.
pub fn tags(value: &Value) -> Result<Vec<(String, String)>, String> {
    let tags = pairs(value)?;
    match tags.iter().find(|(key, _)| ENGINES.contains(&key.as_str())) {
        Some((key, _)) => Err(format!("the tag `{key}` is set by the engine")),
        None => Ok(tags),
    }
}

/// Tags a script cannot set for a call.
const ENGINES: &[&str] = &["command", "kind", "name", "scenario", "status"];

/// The data a value is a view of.
fn viewed(value: &Value) -> Option<Plain> {
    let view = value.as_userdata()?.borrow::<View>().ok()?;
    Some(view.plain().clone())
}

/// [`pairs`] of data; a column without a value is left out, as `nil` is from a table.
fn data_pairs(data: &Plain) -> Result<Vec<(String, String)>, String> {
    let Plain::Map(entries) = data else {
        return Err(format!("expected names and values, got {}", data.kind()));
    };
    let mut found = Vec::new();
    for (key, value) in entries {
        let key =
            key.as_str().ok_or_else(|| format!("expected names, got {} as a name", key.kind()))?;
        let texts = data_texts(value).map_err(|what| format!("{key}: {what}"))?;
        found.extend(texts.map(|text| (key.to_owned(), text)));
    }
    found.sort();
    Ok(found)
}

/// The text of one datum, or of each in a list.
fn data_texts(data: &Plain) -> Result<std::vec::IntoIter<String>, String> {
    let items = match data {
        Plain::List(items) => items,
        Plain::Nil => &[][..],
        one => std::slice::from_ref(one),
    };
    let texts = items.iter().map(|item| match item {
        Plain::Bool(value) => Ok(value.to_string()),
        Plain::Integer(number) => Ok(number.to_string()),
        Plain::Float(number) => Ok(number.to_string()),
        other => match other.as_str() {
            Some(text) => Ok(text.to_owned()),
            None => Err(format!("expected a string or a number, got {}", other.kind())),
        },
    });
    texts.collect::<Result<Vec<_>, _>>().map(Vec::into_iter)
}

#[cfg(test)]
mod tests {
    use mlua::Lua;

    use super::*;

    #[test]
    fn a_row_of_data_gives_pairs_like_a_table() {
        let lua = Lua::new();
        let row = Plain::map([
            (Plain::text("name"), Plain::text("Ada")),
            (Plain::text("age"), Plain::Integer(36)),
            (Plain::text("tag"), Plain::list([Plain::text("b"), Plain::text("a")])),
            (Plain::text("none"), Plain::Nil),
        ]);
        let found = pairs(&View::of(&lua, &row).unwrap()).unwrap();
        let expected = [("age", "36"), ("name", "Ada"), ("tag", "a"), ("tag", "b")];
        let expected = expected.map(|(key, text)| (key.to_owned(), text.to_owned()));
        assert_eq!(found, expected);
        let table = lua.create_table().unwrap();
        table.set("tag", View::of(&lua, &Plain::list([Plain::text("x")])).unwrap()).unwrap();
        assert_eq!(pairs(&Value::Table(table)).unwrap(), [("tag".to_owned(), "x".to_owned())]);
        let list = View::of(&lua, &Plain::list([Plain::Null])).unwrap();
        assert_eq!(pairs(&list).unwrap_err(), "expected names and values, got a list");
        let odd = View::of(&lua, &Plain::map([(Plain::text("a"), Plain::Null)])).unwrap();
        assert_eq!(pairs(&odd).unwrap_err(), "a: expected a string or a number, got json.null");
    }
}
