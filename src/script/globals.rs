//! Names that nobody declared, found before anything runs.
//!
//! Lua resolves a global when it gets there, which in a `run` is in the middle of the load. But its
//! compiler has told locals from globals long before: a global is a field of the chunk's first
//! upvalue, `_ENV`, or of an upvalue that stands for it in a function within. So the compiled chunk
//! is looked through for those. What is not of the form expected here finds nothing, and is still
//! refused when it runs; so is what a chunk does that gives itself another `_ENV`.

use std::collections::BTreeSet;

use mlua::Function;

/// A global of a chunk, where it is used.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Global {
    /// The line, from 1.
    pub(super) line: u32,
    pub(super) name: String,
    /// Whether it is given a value there.
    pub(super) assigned: bool,
}

/// The globals a compiled chunk uses, by line.
pub(super) fn globals(chunk: &Function) -> BTreeSet<Global> {
    let code = chunk.dump(false);
    let mut found = Vec::new();
    match Dump(&code).chunk(&mut found) {
        Some(()) => found.into_iter().collect(),
        None => BTreeSet::new(),
    }
}

/// What stands before the first function: a signature, the version, sizes and sample numbers.
const HEADER: usize = 4 + 1 + 1 + 6 + 3 + 8 + 8;
/// Signature, version and format of Lua 5.4.
const LUA_5_4: &[u8] = b"\x1bLua\x54\0";

/// Opcodes of Lua 5.4.
const SETUPVAL: u32 = 10;
const GETTABUP: u32 = 11;
const SETTABUP: u32 = 15;

/// A byte of line information that says: look into the other list.
const ABSOLUTE: i8 = -0x80;

/// What is left of a chunk as `string.dump` would write it.
struct Dump<'a>(&'a [u8]);

/// A constant, as far as it can be the name of a global.
type Constant = Option<String>;

impl<'a> Dump<'a> {
    fn chunk(&mut self, found: &mut Vec<Global>) -> Option<()> {
        if !self.0.starts_with(LUA_5_4) {
            return None;
        }
        // The number of upvalues stands behind the header; the first of them is `_ENV`.
        self.bytes(HEADER + 1)?;
        self.function(&|in_stack, index| in_stack && index == 0, found)
    }

    /// One function and those within it; `is_env` tells which of its upvalues is `_ENV`, by where
    /// it comes from. `None` where `_ENV` is given a value, or what is read makes no sense.
    fn function(
        &mut self,
        is_env: &dyn Fn(bool, usize) -> bool,
        found: &mut Vec<Global>,
    ) -> Option<()> {
        self.string()?;
        let begin = self.number()?;
        self.number()?;
        self.bytes(3)?;
        let code = self.list(|dump| dump.bytes(4)?.try_into().ok().map(u32::from_le_bytes))?;
        let constants = self.list(Dump::constant)?;
        let envs = self.list(|dump| {
            let [in_stack, index, _] = dump.bytes(3)?.try_into().ok()?;
            Some(is_env(in_stack != 0, usize::from(index)))
        })?;
        let is_own = |index: usize| envs.get(index).copied().unwrap_or(false);
        self.list(|dump| dump.function(&|in_stack, index| !in_stack && is_own(index), found))?;
        let lines = self.lines(begin)?;
        // Names of locals and of upvalues.
        self.list(|dump| dump.string().and(dump.number()).and(dump.number()))?;
        self.list(Dump::string)?;
        for (at, instruction) in code.iter().enumerate() {
            let (a, b, c) = (instruction >> 7 & 0xff, instruction >> 16 & 0xff, instruction >> 24);
            let (env, name, assigned) = match instruction & 0x7f {
                SETUPVAL if is_own(b as usize) => return None,
                GETTABUP => (b, c, false),
                SETTABUP => (a, b, true),
                _ => continue,
            };
            let name = constants.get(name as usize).cloned().flatten();
            if let (true, Some(name)) = (is_own(env as usize), name) {
                found.push(Global { line: *lines.get(at)?, name, assigned });
            }
        }
        Some(())
    }

    /// The line of each instruction: steps from the one before, or as it is where that is too far.
    fn lines(&mut self, begin: usize) -> Option<Vec<u32>> {
        let steps = self.list(|dump| Some(i8::from_le_bytes(dump.bytes(1)?.try_into().ok()?)))?;
        let absolute = self.list(|dump| Some((dump.number()?, dump.number()?)))?;
        let mut line = u32::try_from(begin).ok()?;
        let lines = steps.iter().enumerate().map(|(at, step)| {
            line = match *step {
                ABSOLUTE => {
                    let (_, line) = absolute.iter().find(|(known, _)| *known == at)?;
                    u32::try_from(*line).ok()?
                }
                step => line.checked_add_signed(i32::from(step))?,
            };
            Some(line)
        });
        lines.collect()
    }

    fn constant(&mut self) -> Option<Constant> {
        match self.bytes(1)?[0] {
            // nil, false and true.
            0 | 1 | 17 => Some(None),
            // An integer, or a number with a fraction.
            3 | 19 => self.bytes(8).map(|_| None),
            // A short or a long string.
            4 | 20 => self.string().map(Some),
            _ => None,
        }
    }

    fn list<T>(&mut self, mut read: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        (0..self.number()?).map(|_| read(self)).collect()
    }

    /// Text, with its length and one more before it; none at all is 0.
    fn string(&mut self) -> Option<String> {
        let length = self.number()?.saturating_sub(1);
        self.bytes(length).map(|text| String::from_utf8_lossy(text).into_owned())
    }

    /// Seven bits a byte, the highest first; the last byte has the eighth.
    fn number(&mut self) -> Option<usize> {
        let mut number = 0usize;
        loop {
            let byte = self.bytes(1)?[0];
            number = number.checked_mul(128)?.checked_add(usize::from(byte & 0x7f))?;
            if byte & 0x80 != 0 {
                return Some(number);
            }
        }
    }

    fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use mlua::Lua;
    use proptest::prelude::*;

    use super::*;

    fn found(text: &str) -> Vec<(u32, String)> {
        let lua = Lua::new();
        let chunk = lua.load(text).into_function().unwrap();
        let shown = |Global { line, name, assigned }: Global| {
            (line, if assigned { name + " =" } else { name })
        };
        globals(&chunk).into_iter().map(shown).collect()
    }

    #[test]
    fn globals_are_told_from_locals_as_the_compiler_tells_them() {
        let text = "local a, print = 1, print\n\
                    local function f(b) return a + b + c, print end\n\
                    for i, d in pairs(f) do\n  e = i + d\nend\n\
                    return function() return function() return { g = h.g, [i] = 1 } end end, d";
        let expected =
            [(1, "print"), (2, "c"), (3, "pairs"), (4, "e ="), (6, "d"), (6, "h"), (6, "i")];
        assert_eq!(found(text), expected.map(|(line, name)| (line, name.to_owned())));
    }

    #[test]
    fn lines_are_right_however_far_apart() {
        let gap = "\n".repeat(300);
        let many = "local _ = 1\n".repeat(3);
        let text = format!("local t = {{\na,{gap}b,\n{gap}1}}\n{many}return c");
        assert_eq!(
            found(&text),
            [(2, "a".to_owned()), (302, "b".to_owned()), (607, "c".to_owned())]
        );
    }

    #[test]
    fn another_env_has_globals_of_its_own() {
        assert_eq!(found("_ENV = { a = 1 } return a"), []);
        assert_eq!(found("local function f(_ENV) return function() return a end end"), []);
        let mixed = found("do local _ENV = {} local a = b end return function() return c end");
        assert_eq!(mixed, [(1, "c".to_owned())]);
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_looked_through(bytes: Vec<u8>, cut in 0usize..400) {
            let lua = Lua::new();
            let chunk = lua.load("local a = b return function() c = a end").into_function().unwrap();
            let mut code = chunk.dump(false);
            code.truncate(cut);
            code.extend(bytes);
            let _ = Dump(&code).chunk(&mut Vec::new());
        }
    }
}
