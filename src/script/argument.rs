//! Positional arguments of a function that a script calls: each is taken with its type, or refused
//! with one sentence that names the call, the argument, the expected form and what came instead.

use mlua::{Error, LuaString, Table, Value};

/// One argument of one call.
pub struct Argument<'a> {
    call: &'static str,
    name: &'static str,
    value: &'a Value,
}

impl<'a> Argument<'a> {
    /// The argument `name` of the function a script calls as `call` (`rand:integer`).
    pub fn new(call: &'static str, name: &'static str, value: &'a Value) -> Self {
        Self { call, name, value }
    }

    /// Whether nothing was given.
    pub fn is_absent(&self) -> bool {
        self.value.is_nil()
    }

    /// A whole number; a float without a fraction counts.
    pub fn integer(&self) -> mlua::Result<i64> {
        self.value
            .as_integer()
            .ok_or_else(|| self.expected("an integer"))
    }

    /// A number that is neither infinite nor "not a number".
    pub fn number(&self) -> mlua::Result<f64> {
        let number = match self.value {
            Value::Integer(number) => Some(*number as f64),
            Value::Number(number) => Some(*number).filter(|number| number.is_finite()),
            _ => None,
        };
        number.ok_or_else(|| self.expected("a finite number"))
    }

    /// A string.
    pub fn text(&self) -> mlua::Result<&'a LuaString> {
        self.value
            .as_string()
            .ok_or_else(|| self.expected("a string"))
    }

    /// A string that is UTF-8, for instance a name.
    pub fn name(&self) -> mlua::Result<String> {
        match self.text()?.to_str() {
            Ok(text) if !text.is_empty() => Ok(text.to_owned()),
            _ => Err(self.expected("a non-empty UTF-8 string")),
        }
    }

    /// A table.
    pub fn table(&self) -> mlua::Result<&'a Table> {
        self.value
            .as_table()
            .ok_or_else(|| self.expected("a table"))
    }

    /// The error that says what was expected and what came.
    pub fn expected(&self, form: &str) -> Error {
        self.wrong(&format!("expected {form}, got {}", describe(self.value)))
    }

    /// An error about this argument.
    pub fn wrong(&self, what: &str) -> Error {
        Error::runtime(format!("{}: {}: {what}", self.call, self.name))
    }
}

/// A value as a message shows it: its type, and itself where that is short.
pub fn describe(value: &Value) -> String {
    match value {
        Value::Nil => "nothing".to_owned(),
        Value::Boolean(truth) => truth.to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => {
            let text = text.to_string_lossy();
            match text.char_indices().nth(40) {
                Some((cut, _)) => format!("\"{}...\"", &text[..cut]),
                None => format!("\"{text}\""),
            }
        }
        other => format!("a {}", other.type_name()),
    }
}
