//! `string.gsub`: what is found, replaced.

use mlua::{Function, Lua, LuaString, Table, Value};

use super::{Given, LONGEST, Watch, string};
use crate::script::call::Call;
use crate::script::options::shown;
use crate::script::pattern::{Fault, Matcher, Piece};

/// What `gsub` puts in place of a match.
enum Replacement {
    Text(LuaString),
    Function(Function),
    Table(Table),
}

impl Watch {
    /// `string.gsub`.
    pub(super) fn replace(&self, lua: &Lua, given: &Given) -> mlua::Result<(LuaString, usize)> {
        let (subject, pattern, by, most) = given;
        let (original, pattern) = self.texts(lua, subject, pattern)?;
        let by = self.replacement(lua, by)?;
        let most = match most {
            Value::Nil => usize::MAX,
            given => usize::try_from(self.integer(lua, "n", given)?).unwrap_or(0),
        };
        let (subject, pattern) = (original.as_bytes(), pattern.as_bytes());
        let watch = || self.context.check_stall(lua);
        let mut matcher = Matcher::new(&subject, &pattern, &watch);
        let (mut made, mut at, mut last, mut count) = (Vec::new(), 0, None, 0);
        let mut changed = false;
        while count < most {
            let end = matcher.at(at).map_err(|fault| self.fault(lua, fault))?;
            if let Some(end) = end.filter(|end| last != Some(*end)) {
                count += 1;
                changed |= self.put(lua, &by, &matcher, &subject, (at, end), &mut made)?;
                (at, last) = (end, Some(end));
            } else if let Some(byte) = subject.get(at) {
                made.push(*byte);
                at += 1;
            } else {
                break;
            }
            if made.len() > LONGEST {
                return Err(self.too_long(lua));
            }
            if matcher.is_anchored() {
                break;
            }
        }
        if !changed {
            return Ok((original.clone(), count));
        }
        made.extend_from_slice(&subject[at..]);
        Ok((lua.create_string(made)?, count))
    }

    /// Adds what stands in place of a match; whether it is anything but the match.
    fn put(
        &self,
        lua: &Lua,
        by: &Replacement,
        matcher: &Matcher,
        subject: &[u8],
        found: (usize, usize),
        made: &mut Vec<u8>,
    ) -> mlua::Result<bool> {
        let value = match by {
            Replacement::Text(text) => {
                self.expand(lua, &text.as_bytes(), matcher, subject, found, made)?;
                return Ok(true);
            }
            Replacement::Function(function) => {
                let count = matcher.count();
                function.call(self.values(lua, matcher, subject, found, count)?)?
            }
            Replacement::Table(table) => {
                let key = self.values(lua, matcher, subject, found, 1)?;
                table.get::<Value>(key.into_iter().next())?
            }
        };
        if matches!(value, Value::Nil | Value::Boolean(false)) {
            made.extend_from_slice(&subject[found.0..found.1]);
            return Ok(false);
        }
        let text = string(lua, &value).map_err(|_| {
            let what = format!("invalid replacement value ({})", shown(&value));
            Call::new(lua, self.name).wrong(what)
        })?;
        made.extend_from_slice(&text.as_bytes());
        Ok(true)
    }

    /// Adds a replacement in which `%1` stands for a capture.
    fn expand(
        &self,
        lua: &Lua,
        text: &[u8],
        matcher: &Matcher,
        subject: &[u8],
        found: (usize, usize),
        made: &mut Vec<u8>,
    ) -> mlua::Result<()> {
        let mut bytes = text.iter();
        while let Some(byte) = bytes.next() {
            if *byte != b'%' {
                made.push(*byte);
                continue;
            }
            let piece = match bytes.next() {
                Some(b'%') => {
                    made.push(b'%');
                    continue;
                }
                Some(b'0') => Ok(Piece::Text(found.0, found.1)),
                Some(digit @ b'1'..=b'9') => {
                    matcher.piece((digit - b'1') as usize, found.0, found.1)
                }
                _ => Err(Fault::Malformed("invalid use of '%' in replacement string")),
            };
            match piece.map_err(|fault| self.fault(lua, fault))? {
                Piece::Text(start, end) => made.extend_from_slice(&subject[start..end]),
                Piece::Place(at) => made.extend_from_slice((at + 1).to_string().as_bytes()),
            }
            if made.len() > LONGEST {
                return Err(self.too_long(lua));
            }
        }
        Ok(())
    }

    fn replacement(&self, lua: &Lua, value: &Value) -> mlua::Result<Replacement> {
        let read = match value {
            Value::Function(function) => Ok(Replacement::Function(function.clone())),
            Value::Table(table) => Ok(Replacement::Table(table.clone())),
            other => match string(lua, other) {
                Ok(text) => Ok(Replacement::Text(text)),
                Err(_) => {
                    Err(format!("expected a string, function or table, got {}", shown(other)))
                }
            },
        };
        Call::new(lua, self.name).takes("replacement", read)
    }
}
