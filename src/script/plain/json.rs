//! Between JSON and plain data.

use serde_json::{Number, Value};

use super::{Plain, PlainError, key_text};

impl Plain {
    /// Takes over a JSON value. A number beyond a 64-bit signed integer becomes a float.
    pub fn from_json(value: Value) -> Plain {
        match value {
            Value::Null => Plain::Null,
            Value::Bool(truth) => Plain::Bool(truth),
            Value::Number(number) => match number.as_i64() {
                Some(integer) => Plain::Integer(integer),
                None => Plain::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => Plain::text(text),
            Value::Array(items) => Plain::list(items.into_iter().map(Plain::from_json)),
            Value::Object(entries) => Plain::map(
                entries.into_iter().map(|(key, item)| (Plain::text(key), Plain::from_json(item))),
            ),
        }
    }

    /// The value as JSON. `nil` and `json.null` are both `null`; keys come out sorted.
    ///
    /// Refused, with their path: numbers that JSON cannot hold (infinite, not a number), strings
    /// that are not UTF-8, and maps with keys that are not strings.
    pub fn to_json(&self) -> Result<Value, PlainError> {
        Ok(match self {
            Plain::Nil | Plain::Null => Value::Null,
            Plain::Bool(truth) => Value::Bool(*truth),
            Plain::Integer(number) => Value::from(*number),
            Plain::Float(number) => Number::from_f64(*number)
                .map(Value::Number)
                .ok_or_else(|| here(format!("the number {number} (JSON has none such)")))?,
            Plain::Bytes(_) => match self.as_str() {
                Some(text) => Value::String(text.to_owned()),
                None => return Err(here("a string that is not UTF-8".to_owned())),
            },
            Plain::List(items) => {
                let inner = items.iter().enumerate().map(|(index, item)| {
                    item.to_json().map_err(|error| under(&format!("[{}]", index + 1), &error))
                });
                Value::Array(inner.collect::<Result<_, _>>()?)
            }
            Plain::Map(entries) => {
                let inner = entries.iter().map(|(key, item)| {
                    let name = key.as_str().ok_or_else(|| odd_key(key))?;
                    let item = item.to_json().map_err(|error| under(&key_text(key), &error))?;
                    Ok((name.to_owned(), item))
                });
                Value::Object(inner.collect::<Result<_, _>>()?)
            }
        })
    }
}

fn here(what: String) -> PlainError {
    PlainError { what, path: String::new() }
}

fn under(step: &str, error: &PlainError) -> PlainError {
    PlainError { what: error.what.clone(), path: format!("{step}{}", error.path) }
}

fn odd_key(key: &Plain) -> PlainError {
    here(format!("{} as a key of a map (JSON: only strings, or a list with keys 1..n)", key.kind()))
}
