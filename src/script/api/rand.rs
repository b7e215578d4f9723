//! `loadrun.rand`.
use mlua::{Lua, UserData, Value};

/// A seeded generator: `vu.rand`, and what `rand.new(seed)` returns.
pub struct Rand(());

impl Rand {
    /// A generator whose whole sequence follows from the seed.
    pub fn seeded(_seed: u64) -> Self {
        todo!()
    }
    /// Begins the sequence of another seed, in place.
    pub fn reseed(&mut self, _seed: u64) {
        todo!()
    }
}
impl UserData for Rand {}

/// The module table.
pub fn module(_lua: &Lua) -> mlua::Result<Value> {
    todo!()
}
