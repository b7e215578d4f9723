//! Functions of the string library that Lua has in C and that could stay there for long.
//!
//! The hook that watches over stalls sees Lua's instructions only. So `find`, `match`, `gmatch`
//! and `gsub` search with [`super::pattern`], which looks at the same watch: a search is stopped
//! like a loop is, when its resume has taken 5 s or the run is to end at once. What `gsub` and
//! `rep` make is at most [`LONGEST`] bytes.

mod replace;

use std::cell::Cell;
use std::rc::Rc;

use mlua::{Function, Lua, LuaString, MultiValue, Table, Value};

use super::call::Call;
use super::context::Context;
use super::options::shown;
use super::pattern::{Fault, Matcher, Piece, is_special};

/// Longest string `rep` and `gsub` make, in bytes.
const LONGEST: usize = 256 << 20;

/// Replaces the functions in the table of the string library.
pub(super) fn bound(lua: &Lua, strings: &Table, context: &Rc<Context>) -> mlua::Result<()> {
    let watch = |name: &'static str| Watch { name, context: Rc::clone(context) };
    let find = watch("string.find");
    let find = lua.create_function(move |lua, given: Given| find.find(lua, &given))?;
    strings.raw_set("find", find)?;
    let first = watch("string.match");
    let first = lua.create_function(move |lua, given: Given| first.first(lua, &given))?;
    strings.raw_set("match", first)?;
    let all = watch("string.gmatch");
    let all = lua.create_function(move |lua, given: Given| all.clone().all(lua, &given))?;
    strings.raw_set("gmatch", all)?;
    let replace = watch("string.gsub");
    let replace = lua.create_function(move |lua, given: Given| replace.replace(lua, &given))?;
    strings.raw_set("gsub", replace)?;
    let (rep, lua_rep) = (watch("string.rep"), strings.raw_get::<Function>("rep")?);
    strings.raw_set(
        "rep",
        lua.create_function(move |lua, given: (Value, Value, Value)| {
            rep.rep(lua, &lua_rep, given)
        })?,
    )
}

/// Up to four arguments of a call.
type Given = (Value, Value, Value, Value);

/// One of the functions: its name, and the state whose time is watched.
#[derive(Clone)]
struct Watch {
    name: &'static str,
    context: Rc<Context>,
}

impl Watch {
    /// `string.find`.
    fn find(&self, lua: &Lua, (subject, pattern, init, plain): &Given) -> mlua::Result<MultiValue> {
        let (subject, pattern) = self.texts(lua, subject, pattern)?;
        let (subject, pattern) = (subject.as_bytes(), pattern.as_bytes());
        let Some(start) = self.start(lua, init, subject.len())? else {
            return Ok(nothing());
        };
        let watch = || self.context.check_stall(lua);
        let is_plain = !matches!(plain, Value::Nil | Value::Boolean(false));
        if is_plain || !is_special(&pattern) {
            let mut matcher = Matcher::unanchored(&subject, &pattern, &watch);
            let found = matcher.plain(start).map_err(|fault| self.fault(lua, fault))?;
            let Some(at) = found else {
                return Ok(nothing());
            };
            return Ok([place(at + 1), place(at + pattern.len())].into_iter().collect());
        }
        let mut matcher = Matcher::new(&subject, &pattern, &watch);
        match matcher.find(start).map_err(|fault| self.fault(lua, fault))? {
            None => Ok(nothing()),
            Some((at, end)) => {
                let count = matcher.captured();
                let captures = self.values(lua, &matcher, &subject, (at, end), count)?;
                Ok([place(at + 1), place(end)].into_iter().chain(captures).collect())
            }
        }
    }

    /// `string.match`.
    fn first(&self, lua: &Lua, (subject, pattern, init, _): &Given) -> mlua::Result<MultiValue> {
        let (subject, pattern) = self.texts(lua, subject, pattern)?;
        let (subject, pattern) = (subject.as_bytes(), pattern.as_bytes());
        let Some(start) = self.start(lua, init, subject.len())? else {
            return Ok(nothing());
        };
        let watch = || self.context.check_stall(lua);
        let mut matcher = Matcher::new(&subject, &pattern, &watch);
        match matcher.find(start).map_err(|fault| self.fault(lua, fault))? {
            None => Ok(nothing()),
            Some(found) => self.values(lua, &matcher, &subject, found, matcher.count()),
        }
    }

    /// `string.gmatch`.
    fn all(self, lua: &Lua, (subject, pattern, init, _): &Given) -> mlua::Result<Function> {
        let (subject, pattern) = self.texts(lua, subject, pattern)?;
        let length = subject.as_bytes().len();
        let next = Cell::new(self.start(lua, init, length)?.unwrap_or(length + 1));
        let last = Cell::new(None);
        lua.create_function(move |lua, _: MultiValue| {
            let (subject, pattern) = (subject.as_bytes(), pattern.as_bytes());
            let watch = || self.context.check_stall(lua);
            let mut matcher = Matcher::unanchored(&subject, &pattern, &watch);
            for start in next.get()..=subject.len() {
                let end = matcher.at(start).map_err(|fault| self.fault(lua, fault))?;
                if let Some(end) = end.filter(|end| last.get() != Some(*end)) {
                    next.set(end);
                    last.set(Some(end));
                    return self.values(lua, &matcher, &subject, (start, end), matcher.count());
                }
            }
            next.set(subject.len() + 1);
            Ok(nothing())
        })
    }

    /// `string.rep`, which makes no empty string of more parts than can be counted.
    fn rep(
        &self,
        lua: &Lua,
        original: &Function,
        (text, times, between): (Value, Value, Value),
    ) -> mlua::Result<LuaString> {
        let call = Call::new(lua, self.name);
        let text = call.takes("text", string(lua, &text))?;
        let times = self.integer(lua, "n", &times)?;
        let between = match between {
            Value::Nil => lua.create_string("")?,
            between => call.takes("separator", string(lua, &between))?,
        };
        let each = text.as_bytes().len() + between.as_bytes().len();
        let Some(times) = u64::try_from(times).ok().filter(|times| *times > 0 && each > 0) else {
            return lua.create_string("");
        };
        if each as u128 * u128::from(times) > LONGEST as u128 {
            return Err(self.too_long(lua));
        }
        self.context.check_stall(lua)?;
        original.call((text, times, between))
    }

    /// The first values of a match.
    fn values(
        &self,
        lua: &Lua,
        matcher: &Matcher,
        subject: &[u8],
        (start, end): (usize, usize),
        count: usize,
    ) -> mlua::Result<MultiValue> {
        let value = |index| {
            let piece = matcher.piece(index, start, end).map_err(|fault| self.fault(lua, fault))?;
            match piece {
                Piece::Text(start, end) => {
                    lua.create_string(&subject[start..end]).map(Value::String)
                }
                Piece::Place(at) => Ok(place(at + 1)),
            }
        };
        (0..count).map(value).collect()
    }

    fn texts(
        &self,
        lua: &Lua,
        subject: &Value,
        pattern: &Value,
    ) -> mlua::Result<(LuaString, LuaString)> {
        let call = Call::new(lua, self.name);
        let subject = call.takes("text", string(lua, subject))?;
        Ok((subject, call.takes("pattern", string(lua, pattern))?))
    }

    /// Where to begin, from 0; nowhere when that is beyond the end.
    fn start(&self, lua: &Lua, init: &Value, length: usize) -> mlua::Result<Option<usize>> {
        let init = match init {
            Value::Nil => 1,
            given => self.integer(lua, "init", given)?,
        };
        let back = usize::try_from(init.unsigned_abs()).unwrap_or(usize::MAX);
        let start = if init > 0 { back - 1 } else { length.saturating_sub(back) };
        // Zero is the beginning too, not the end.
        Ok(Some(if init == 0 { 0 } else { start }).filter(|start| *start <= length))
    }

    fn integer(&self, lua: &Lua, argument: &str, value: &Value) -> mlua::Result<i64> {
        let expected = || format!("expected a whole number, got {}", shown(value));
        let number = lua.coerce_integer(value.clone())?.ok_or_else(expected);
        Call::new(lua, self.name).takes(argument, number)
    }

    fn too_long(&self, lua: &Lua) -> mlua::Error {
        let limit = LONGEST >> 20;
        Call::new(lua, self.name).wrong(format!("resulting string too large: over {limit} MiB"))
    }

    fn fault(&self, lua: &Lua, fault: Fault) -> mlua::Error {
        match fault {
            Fault::Malformed(what) => Call::new(lua, self.name).wrong(what),
            Fault::Stopped(error) => error,
        }
    }
}

/// A string, or a number as one.
fn string(lua: &Lua, value: &Value) -> Result<LuaString, String> {
    let expected = || format!("expected a string, got {}", shown(value));
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Integer(_) | Value::Number(_) => {
            lua.coerce_string(value.clone()).ok().flatten().ok_or_else(expected)
        }
        _ => Err(expected()),
    }
}

fn nothing() -> MultiValue {
    MultiValue::from_iter([Value::Nil])
}

/// A place in a string, as Lua counts.
fn place(at: usize) -> Value {
    Value::Integer(at.cast_signed() as i64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::api::testing;
    use super::*;

    /// A state with Lua's own library as `own` and the bound one as `string`.
    fn state() -> Lua {
        let world = testing::world(std::path::Path::new("."));
        let lua = testing::state(&world, "none", |_| Ok(Value::Nil));
        lua.load("own = {} for name, f in pairs(string) do own[name] = f end").exec().unwrap();
        let context = Context::of(&lua).unwrap();
        bound(&lua, &lua.globals().get("string").unwrap(), &context).unwrap();
        lua
    }

    /// Everything the four functions say of one subject and pattern.
    const SAID: &str = "
        local lib, text, pattern, init = ...
        local said = {}
        local function add(ok, ...)
          if not ok then said[#said + 1] = 'error' return end
          for i = 1, select('#', ...) do said[#said + 1] = tostring((select(i, ...))) end
          said[#said + 1] = '|'
        end
        add(pcall(lib.find, text, pattern, init))
        add(pcall(lib.find, text, pattern, init, true))
        add(pcall(lib.match, text, pattern, init))
        add(pcall(function()
          for a, b in lib.gmatch(text, pattern, init) do add(true, a, b) end
        end))
        add(pcall(lib.gsub, text, pattern, '<%0%%%1>', init))
        add(pcall(lib.gsub, text, pattern, function(a, b) return b end))
        add(pcall(lib.gsub, text, pattern, { a = 'A', ab = false, b = 7 }))
        return table.concat(said, ',')";

    fn item() -> impl Strategy<Value = String> {
        let class = prop_oneof![
            "[ab.%-]",
            "%[acdglpsuwxzA-Z%.]",
            Just("[ab]".to_owned()),
            Just("[^a]".to_owned()),
            Just("[%w-]".to_owned()),
            Just("[]a-b]".to_owned()),
        ];
        prop_oneof![
            6 => (class, "[*+?-]?").prop_map(|(class, suffix)| class + &suffix),
            2 => Just("(".to_owned()),
            2 => Just(")".to_owned()),
            1 => Just("()".to_owned()),
            1 => Just("%b()".to_owned()),
            1 => Just("%f[a]".to_owned()),
            1 => "%[0-9]",
            1 => "[$^%\\[]",
        ]
    }

    proptest! {
        #[test]
        fn the_bound_functions_say_what_luas_own_say(
            text in "[ab() .\\-]{0,12}",
            pattern in prop::collection::vec(item(), 0..6),
            anchor in "\\^?",
            init in -3..5_i64,
        ) {
            thread_local!(static STATE: Lua = state());
            let pattern = anchor + &pattern.concat();
            let (own, bound) = STATE.with(|lua| {
                let said = |name: &str| -> String {
                    let lib: Table = lua.globals().get(name).unwrap();
                    lua.load(SAID).call((lib, text.as_str(), pattern.as_str(), init)).unwrap()
                };
                (said("own"), said("string"))
            });
            prop_assert_eq!(own, bound, "{:?} in {:?}", pattern, text);
        }
    }

    #[test]
    fn a_wrong_argument_is_named() {
        let lua = state();
        for (call, expected) in [
            ("string.find(nil, 'a')", "string.find: text: expected a string, got nil"),
            ("string.match('a', {})", "string.match: pattern: expected a string, got a table"),
            ("string.gsub('a', 'a', true)", "expected a string, function or table, got true"),
            ("string.gsub('a', 'a', '%')", "invalid use of '%' in replacement string"),
            ("string.gsub('a', 'a', print, 'x')", "string.gsub: n: expected a whole number"),
            ("string.gmatch('a', '%')()", "malformed pattern (ends with '%')"),
            ("string.rep('a', 1.5)", "string.rep: n: expected a whole number, got 1.5"),
        ] {
            let error = lua.load(call).exec().unwrap_err().to_string();
            assert!(error.contains(expected), "{call}: {error}");
        }
        assert_eq!(lua.load("return (5):rep(2, ',')").eval::<String>().ok(), None);
        assert_eq!(lua.load("return string.rep(5, 2, ',')").eval::<String>().unwrap(), "5,5");
    }

    #[test]
    fn a_string_too_long_to_make_is_refused_at_once() {
        let lua = state();
        for call in [
            "string.rep('x', 1 << 32)",
            "string.rep('xy', math.maxinteger)",
            "string.rep('', 1 << 62, 'x')",
            "string.gsub(string.rep('x', 1 << 20), 'x', string.rep('y', 1 << 20))",
            "string.gsub('x', 'x', string.rep('%0', 1 << 20)):gsub('x', string.rep('y', 1 << 20))",
        ] {
            let error = lua.load(call).exec().unwrap_err().to_string();
            assert!(error.contains("resulting string too large: over 256 MiB"), "{call}: {error}");
        }
        let empty = lua.load("return string.rep('', math.maxinteger)").eval::<String>().unwrap();
        assert_eq!(empty, "");
    }
}
