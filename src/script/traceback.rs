//! Errors of a script: what, where, and through which of the script's own lines.
//!
//! Lua hands errors over as text with a traceback behind it, or, when Rust raised them, wrapped
//! in layers. Here both become one [`ScriptError`]: a message without its prefix, a place, and a
//! traceback from which the engine's own frames are gone.

use std::fmt::Display;

use mlua::Lua;

/// The error of a wrong call from Lua, placed at the line of the script that made the call.
///
/// A text may end with `\n  hint: ...`; the hint is shown on a line of its own.
pub fn misuse(lua: &Lua, what: impl Display) -> mlua::Error {
    match caller(lua) {
        Some((chunk, line)) => mlua::Error::runtime(format!("{chunk}:{line}: {what}")),
        None => mlua::Error::runtime(what.to_string()),
    }
}

/// The nearest line of the script itself on the stack: its chunk name and line.
pub fn caller(lua: &Lua) -> Option<(String, u32)> {
    let mut library = None;
    for level in 0.. {
        let frame = lua.inspect_stack(level, |frame| {
            let source = frame.source();
            let chunk = source.short_src.map(std::borrow::Cow::into_owned).unwrap_or_default();
            (source.what != "C", chunk, frame.current_line())
        });
        match frame {
            None => break,
            Some((true, chunk, Some(line))) if chunk.starts_with("[lib ") => {
                library.get_or_insert((chunk, line as u32));
            }
            Some((true, chunk, Some(line))) if own(&chunk) => return Some((chunk, line as u32)),
            Some(_) => {}
        }
    }
    library
}

/// Is this the name of a chunk that belongs to the script, not to the engine or a library?
fn own(chunk: &str) -> bool {
    !chunk.starts_with('[') && !chunk.starts_with("__mlua") && !chunk.is_empty()
}
