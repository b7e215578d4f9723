//! A failure of the target as a script sees it: the second value of calls that return
//! `value, err`.

use mlua::{Lua, MetaMethod, UserData, UserDataMethods, Value};

use super::options::shown;
use super::traceback::misuse;
use crate::client::Failure;
use crate::plan::nearest;

/// What a script can read.
const FIELDS: &[&str] = &["detail", "kind"];

/// How a call failed: `err.kind`, `err.detail`, and as text both.
pub(super) struct Failed(pub(super) Failure);

impl UserData for Failed {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_meta_method(MetaMethod::Index, |lua, this, key: Value| {
            let name = key.as_string().map(mlua::LuaString::as_bytes);
            match name.as_deref() {
                Some(b"kind") => lua.create_string(this.0.kind.as_str()),
                Some(b"detail") => lua.create_string(&this.0.detail),
                _ => Err(unknown(lua, &key)),
            }
        });
        methods.add_meta_method(MetaMethod::ToString, |_, this, ()| Ok(this.0.to_string()));
        methods.add_meta_function(MetaMethod::Concat, |_, (left, right): (Value, Value)| {
            Ok(format!("{}{}", left.to_string()?, right.to_string()?))
        });
    }
}

fn unknown(lua: &Lua, key: &Value) -> mlua::Error {
    let name = shown(key);
    let hint = match nearest(name.trim_matches('"'), FIELDS.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("a failure has: {}", FIELDS.join(", ")),
    };
    misuse(lua, format!("err: no field {name}\n  hint: {hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::FailureKind;

    #[test]
    fn a_failure_has_a_kind_and_a_detail_and_is_text() {
        let lua = Lua::new();
        let failed = Failed(Failure::new(FailureKind::Oom, "no room"));
        lua.globals().set("err", failed).unwrap();
        let shown: Vec<String> = lua
            .load("return { err.kind, err.detail, tostring(err), 'it: ' .. err, err .. '!' }")
            .eval()
            .unwrap();
        assert_eq!(shown, ["oom", "no room", "oom: no room", "it: oom: no room", "oom: no room!"]);
        let error = lua.load("return err.knd").eval::<Value>().unwrap_err().to_string();
        assert!(error.contains("err: no field \"knd\"\n  hint: did you mean `kind`?"), "{error}");
    }
}
