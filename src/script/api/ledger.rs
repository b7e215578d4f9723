//! `loadrun.ledger`.
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use mlua::{Lua, Value};

/// The ledgers of a run by name; part of the world that all Lua states share.
#[derive(Default)]
pub struct Ledgers(Mutex<BTreeMap<String, Arc<Mutex<()>>>>);

impl Ledgers {
    /// How many ledgers a script has opened.
    pub fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// The module table.
pub fn module(_lua: &Lua) -> mlua::Result<Value> {
    todo!()
}
