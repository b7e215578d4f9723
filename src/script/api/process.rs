//! `loadrun.process`: how much memory a process holds now, for `setup` and `teardown`.
//!
//! What it holds while the load goes on is recorded by itself (`process.memory`).

use mlua::{Lua, Value};

use crate::process;
use crate::script::api::service;
use crate::script::call::Call;
use crate::script::context::Context;
use crate::script::options::{self, shown};

/// What a script can call.
pub const FUNCTIONS: &[&str] = &["memory"];

/// The module table.
pub fn module(lua: &Lua) -> mlua::Result<Value> {
    let table = lua.create_table()?;
    table.raw_set("memory", lua.create_function(|lua, of: Value| memory(lua, &of))?)?;
    Ok(Value::Table(table))
}

/// Nil when there is no such process.
fn memory(lua: &Lua, of: &Value) -> mlua::Result<Option<u64>> {
    let call = Call::new(lua, "process.memory");
    let Some(name) = service::name_of(of) else {
        let pid = call.takes("of", pid(of))?;
        return Ok(process::memory(pid));
    };
    match Context::of(lua)?.world.service(&name).pid() {
        0 => Err(call.wrong(format!("service {name:?} is there once the run has begun"))),
        pid => Ok(process::memory(pid)),
    }
}

fn pid(value: &Value) -> Result<u32, String> {
    let expected = || format!("expected a service or the pid of a process, got {}", shown(value));
    let pid = options::count(value).map_err(|_| expected())?;
    u32::try_from(pid).map_err(|_| expected())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::testing;
    use super::*;

    fn eval(code: &str) -> mlua::Result<Option<u64>> {
        let lua = testing::state(&testing::world(Path::new(".")), "process", module);
        lua.load(format!("return process.memory({code})")).eval()
    }

    #[test]
    fn a_process_is_asked_by_its_number() {
        let own = eval(&std::process::id().to_string()).unwrap();
        assert_eq!(own.is_some(), cfg!(target_os = "linux"));
        assert!(own.is_none_or(|bytes| bytes > 1 << 20), "{own:?}");
        assert_eq!(eval("4294967295").unwrap(), None, "no process");
    }

    #[test]
    fn what_is_no_process_is_said() {
        for code in ["'shop'", "-1", "1.5", "nil", "4294967296"] {
            let error = eval(code).unwrap_err().to_string();
            assert!(
                error.contains("of: expected a service or the pid of a process, got"),
                "{error}"
            );
        }
    }
}
