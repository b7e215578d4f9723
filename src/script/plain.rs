//! Data that crosses Lua states.

/// A value without functions, userdata or metatables.
#[derive(Clone, Debug, PartialEq)]
pub enum Plain {
    /// `nil`.
    Nil,
    /// `true` or `false`.
    Bool(bool),
    /// A 64-bit integer.
    Integer(i64),
    /// A float.
    Float(f64),
    /// A string: any bytes.
    Bytes(std::sync::Arc<[u8]>),
    /// A table with keys 1..n.
    List(Vec<Plain>),
    /// Any other table.
    Map(Vec<(Plain, Plain)>),
}

impl Plain {
    /// Reads a Lua value; the error says what in it is not plain, with its path.
    pub fn read(_value: &mlua::Value) -> Result<Self, String> {
        todo!()
    }

    /// Makes the Lua value.
    pub fn write(&self, _lua: &mlua::Lua) -> mlua::Result<mlua::Value> {
        todo!()
    }
}
