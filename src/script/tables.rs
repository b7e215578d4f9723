//! Functions of the table library that Lua has in C and that could stay there for long.
//!
//! What `__len` says, and the bounds given to `table.move`, need not have anything to do with a
//! table: C would walk through 2^60 items of nothing. So what moves or joins items does so with at
//! most [`MOST`], and looks at the watch over stalls before it does much.

use std::rc::Rc;

use mlua::{Function, Lua, Table};

use super::context::Context;
use super::traceback::{LAYER, misuse};

/// Most items one call moves, joins or sorts.
const MOST: i64 = 10_000_000;

/// The functions with their check in front; in Lua, where a call costs least. `large` refuses too
/// many items. Appending and taking off the end move nothing.
const BOUND: &str = r##"
local tables, large, select, type, tointeger = ...
local insert, remove, concat, sort, move =
  tables.insert, tables.remove, tables.concat, tables.sort, tables.move
local LARGE <const> = 10000
local function length(t)
  return type(t) == "table" and tointeger(#t) or 0
end
function tables.insert(t, ...)
  if select("#", ...) > 1 and length(t) > LARGE then large("table.insert", length(t)) end
  return insert(t, ...)
end
function tables.remove(t, ...)
  if select("#", ...) > 0 and length(t) > LARGE then large("table.remove", length(t)) end
  return remove(t, ...)
end
function tables.concat(t, ...)
  if length(t) > LARGE then large("table.concat", length(t)) end
  return concat(t, ...)
end
function tables.sort(t, ...)
  if length(t) > LARGE then large("table.sort", length(t)) end
  return sort(t, ...)
end
function tables.move(t, from, to, ...)
  local first, last = tointeger(from), tointeger(to)
  if first and last and last > first then
    -- Beyond half the integers the difference is negative.
    local count = last - first
    if count < 0 or count > LARGE then large("table.move", count) end
  end
  return move(t, from, to, ...)
end
"##;

/// Replaces the functions in the table of the table library.
pub(super) fn bound(lua: &Lua, tables: &Table, context: &Rc<Context>) -> mlua::Result<()> {
    let context = Rc::clone(context);
    let large = lua.create_function(move |lua, (name, count): (String, i64)| {
        if (0..=MOST).contains(&count) {
            return context.check_stall(lua);
        }
        Err(misuse(lua, format!("{name}: too many items: at most {MOST} at a time")))
    })?;
    let real = lua.globals();
    let math: Table = real.raw_get("math")?;
    lua.load(BOUND).set_name(format!("={LAYER}")).call((
        tables,
        large,
        real.raw_get::<Function>("select")?,
        real.raw_get::<Function>("type")?,
        math.raw_get::<Function>("tointeger")?,
    ))
}
