//! A Lua state with one module under its name, for the tests of that module.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use mlua::{Lua, Value};

use super::super::context::{Context, Source, World};

/// A world whose script lies in a folder.
pub fn world(folder: &Path) -> Arc<World> {
    World::new(Source {
        path: "test.lua".into(),
        folder: folder.canonicalize().unwrap(),
        text: Arc::from([]),
        params: BTreeMap::new(),
        env: BTreeMap::new(),
        seed: 1,
    })
}

/// One more Lua state of that world, still loading its script.
pub fn state(world: &Arc<World>, name: &str, module: fn(&Lua) -> mlua::Result<Value>) -> Lua {
    let lua = Lua::new();
    lua.set_app_data(Context::new(world, None));
    lua.globals().set(name, module(&lua).unwrap()).unwrap();
    lua
}

/// What was wrong with a chunk: kept while it was loading, or raised.
pub fn wrong<T: std::fmt::Debug>(lua: &Lua, result: mlua::Result<T>) -> String {
    let kept = Context::of(lua).unwrap().declared.borrow_mut().take_problems();
    if kept.is_empty() {
        return result.unwrap_err().to_string();
    }
    kept.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
