//! `loadrun.json`: JSON text to Lua values and back.
//!
//! Integers that fit 64 bits stay exact integers, other numbers are floats; `null` is `json.null`,
//! which is not `nil` and counts as true. Decoding builds Lua values as it reads, with no tree in
//! between. An empty table encodes as `{}`; `json.array {}` makes it `[]`, and so does a list that
//! was decoded from `[]`. Keys are written in sorted order, so equal values give equal text.

use std::fmt;

use mlua::{LightUserData, Lua, Value};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::super::call::Call;
use super::super::options;
use super::super::plain::{self, Plain, PlainError};
use super::super::traceback::message;

/// What a script can call or read.
pub const FUNCTIONS: &[&str] = &["array", "decode", "encode", "null"];

/// The module table.
pub fn module(lua: &Lua) -> mlua::Result<Value> {
    let table = lua.create_table()?;
    table.set("null", null(lua)?)?;
    table.set(
        "array",
        lua.create_function(|lua, items: Value| match items {
            Value::Nil => plain::mark_as_list(lua, None),
            Value::Table(items) => plain::mark_as_list(lua, Some(items))
                .map_err(|error| Call::new(lua, "json.array").wrong(message(&error))),
            other => {
                let got = options::shown(&other);
                Err(Call::new(lua, "json.array").wrong(format!("expected a table, got {got}")))
            }
        })?,
    )?;
    table.set(
        "decode",
        lua.create_function(|lua, text: Value| {
            let call = Call::new(lua, "json.decode");
            let text = call.takes("text", options::bytes(&text))?;
            decode(lua, &text).map_err(|what| call.wrong(what))
        })?,
    )?;
    table.set(
        "encode",
        lua.create_function(|lua, value: Value| {
            let text = encode(&value).map_err(|error| {
                Call::new(lua, "json.encode").wrong(format!("cannot encode {error}"))
            })?;
            lua.create_string(text)
        })?,
    )?;
    Ok(Value::Table(table))
}

/// Decodes JSON text straight into Lua values; the error tells line and column.
pub fn decode(lua: &Lua, text: &[u8]) -> Result<Value, String> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = Building(lua).deserialize(&mut reader);
    value.and_then(|value| reader.end().map(|()| value)).map_err(|error| error.to_string())
}

/// Encodes a Lua value as JSON text; the error tells the path of what cannot be encoded.
pub fn encode(value: &Value) -> Result<String, PlainError> {
    Ok(Plain::read(value)?.to_json()?.to_string())
}

/// The sentinel, with a name for when it is printed. All light userdata share one metatable; this
/// is the only one a script ever sees.
pub(super) fn null(lua: &Lua) -> mlua::Result<Value> {
    let named = lua.create_table()?;
    named.set("__tostring", lua.create_function(|_, _: Value| Ok("null"))?)?;
    named.set("__name", "json.null")?;
    named.set("__metatable", false)?;
    lua.set_type_metatable::<LightUserData>(Some(named));
    Ok(Value::NULL)
}

/// Makes Lua values out of what a deserializer meets.
#[derive(Clone, Copy)]
struct Building<'a>(&'a Lua);

impl<'de> DeserializeSeed<'de> for Building<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Building<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::NULL)
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<Value, E> {
        Ok(Value::Boolean(truth))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Integer(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        Ok(i64::try_from(number).map_or(Value::Number(number as f64), Value::Integer))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Number(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        self.0.create_string(text).map(Value::String).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let table = self.0.create_table().map_err(A::Error::custom)?;
        let mut length = 0;
        while let Some(item) = items.next_element_seed(self)? {
            length += 1;
            table.raw_set(length, item).map_err(A::Error::custom)?;
        }
        if length == 0 {
            return plain::mark_as_list(self.0, Some(table))
                .map(Value::Table)
                .map_err(A::Error::custom);
        }
        Ok(Value::Table(table))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let table = self.0.create_table().map_err(A::Error::custom)?;
        while let Some(key) = entries.next_key_seed(self)? {
            let item = entries.next_value_seed(self)?;
            table.raw_set(key, item).map_err(A::Error::custom)?;
        }
        Ok(Value::Table(table))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(code: &str) -> Result<Value, String> {
        let lua = Lua::new();
        lua.globals().set("json", module(&lua).unwrap()).unwrap();
        // The value outlives this function, and so must its state.
        let lua = Box::leak(Box::new(lua));
        lua.load(code).eval().map_err(|error| error.to_string())
    }

    fn text(code: &str) -> String {
        run(code).unwrap().to_string().unwrap()
    }

    #[test]
    fn integers_of_64_bits_stay_exact() {
        for number in ["9223372036854775807", "-9223372036854775808", "9007199254740993", "0"] {
            assert_eq!(text(&format!("return json.encode(json.decode('{number}'))")), number);
        }
        assert_eq!(text("return math.type(json.decode('1.0'))"), "float");
        assert_eq!(text("return math.type(json.decode('18446744073709551615'))"), "float");
    }

    #[test]
    fn null_is_neither_nil_nor_lost() {
        assert_eq!(text("return tostring(json.decode('null') == json.null)"), "true");
        assert_eq!(
            text("return json.encode(json.decode('[null,{\"a\":null}]'))"),
            r#"[null,{"a":null}]"#
        );
        assert_eq!(text("return tostring(json.null)"), "null");
    }

    #[test]
    fn an_empty_list_stays_a_list_and_an_empty_table_is_a_map() {
        assert_eq!(
            text("return json.encode(json.decode('{\"a\":[],\"b\":{}}'))"),
            r#"{"a":[],"b":{}}"#
        );
        assert_eq!(text("return json.encode({ json.array {}, json.array(), {} })"), "[[],[],{}]");
        assert_eq!(text("local l = json.array {}; l[1] = 7; return json.encode(l)"), "[7]");
    }

    #[test]
    fn keys_are_written_in_order() {
        assert_eq!(
            text("return json.encode { b = 1, a = { true, 1.5 }, c = 'x' }"),
            r#"{"a":[true,1.5],"b":1,"c":"x"}"#
        );
    }

    #[test]
    fn strings_keep_their_unicode_and_escapes() {
        assert_eq!(text(r#"return json.decode('"\\u00e9\\ud83d\\ude00\\n"')"#), "é😀\n");
        assert_eq!(text(r#"return json.encode("é\"\\\n\1")"#), r#""é\"\\\n\u0001""#);
    }

    #[test]
    fn malformed_text_is_refused_with_line_and_column() {
        for (json, expected) in [
            ("{\\n  \"a\": x\\n}", "expected value at line 2 column 8"),
            ("", "EOF while parsing a value at line 1 column 0"),
            ("[1,]", "trailing comma at line 1 column 4"),
            ("{} x", "trailing characters at line 1 column 4"),
            ("01", "line 1 column 2"),
            ("\"\\xff\"", "line 1"),
        ] {
            let error = run(&format!("return json.decode('{json}')")).unwrap_err();
            assert!(error.contains("json.decode: ") && error.contains(expected), "{json}: {error}");
        }
    }

    #[test]
    fn nesting_without_end_is_refused_rather_than_followed() {
        let error = run("return json.decode(('['):rep(100000))").unwrap_err();
        assert!(error.contains("recursion limit exceeded"), "{error}");
    }

    #[test]
    fn what_cannot_be_encoded_is_named_with_its_path() {
        let cases = [
            ("{ db = { connect = print } }", "cannot encode a function at .db.connect"),
            ("{ list = { 1, 0/0 } }", "(JSON has none such) at .list[2]"),
            ("{ a = '\\xff' }", "a string that is not UTF-8 at .a"),
            ("{ [2] = 'x' }", "an integer as a key of a map"),
            ("{ a = { 1, 2, x = 3 } }", "at .a"),
        ];
        for (value, expected) in cases {
            let error = run(&format!("return json.encode({value})")).unwrap_err();
            assert!(error.contains(expected), "{value}: {error}");
        }
        let error = run("local t = {}; t.me = t; return json.encode(t)").unwrap_err();
        assert!(error.contains("a table that contains itself at .me"), "{error}");
    }
}
