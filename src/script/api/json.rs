//! `loadrun.json`.
use mlua::{Lua, Value};

/// The module table.
pub fn module(_lua: &Lua) -> mlua::Result<Value> {
    todo!()
}

/// Decodes JSON text straight into Lua values; the error tells line and column.
pub fn decode(_lua: &Lua, _text: &[u8]) -> Result<Value, String> {
    todo!()
}

/// Encodes a Lua value as JSON text; the error tells the path of what cannot be encoded.
pub fn encode(_lua: &Lua, _value: &Value) -> Result<Vec<u8>, crate::script::plain::PlainError> {
    todo!()
}
