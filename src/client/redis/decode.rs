//! Replies out of bytes, however they are cut: RESP2 and RESP3.
//!
//! The crate's own decoder wants a reply as one piece of memory and knows its size only when it is
//! there. This one is fed whatever a read brings, copies each byte once, and refuses a reply over
//! the limit at the length it announces; a test holds it against the crate's.
//!
//! Invariant: nothing is reserved for what is only announced, so no length a server makes up costs
//! memory.

use super::value::Value;
use super::{Failure, FailureKind};

/// Deepest nesting; Redis itself replies with at most a handful of levels.
const DEEPEST: usize = 100;

/// Longest line, in bytes: a length, a number, a status or an error.
const LONGEST_LINE: usize = 64 << 10;

/// Most room reserved for a list or a string before its content is there.
const RESERVED: usize = 4 << 10;

/// One reply at a time, as far as it has come.
#[derive(Debug)]
pub(super) struct Decoder {
    /// Largest reply, in bytes.
    limit: u64,
    /// Bytes of this reply so far.
    taken: u64,
    /// The beginning of a line whose end has not come yet.
    line: Vec<u8>,
    /// A string whose end has not come yet.
    text: Option<Text>,
    /// Lists that are not complete, the outermost first.
    open: Vec<Open>,
}

/// A string with a length, and what it is for.
#[derive(Debug)]
struct Text {
    kind: u8,
    /// With its line end.
    size: usize,
    bytes: Vec<u8>,
}

/// A list, map, set, push or attribute that is being filled.
#[derive(Debug)]
struct Open {
    kind: u8,
    /// Values still to come; a map has two for each entry.
    left: u64,
    values: Vec<Value>,
}

/// What a line was the beginning of.
enum Begun {
    Value(Value),
    Text(Text),
    Open(Open),
}

impl Decoder {
    /// Decodes replies of at most so many bytes.
    pub(super) fn new(limit: u64) -> Self {
        Self { limit, taken: 0, line: Vec::new(), text: None, open: Vec::new() }
    }

    /// Whether a reply has begun and is not complete.
    pub(super) fn is_within(&self) -> bool {
        self.taken > 0
    }

    /// Takes bytes up to the end of a reply: how many it took, and the reply if it is complete.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<(usize, Option<Value>), Failure> {
        let mut used = 0;
        while used < bytes.len() {
            let rest = &bytes[used..];
            let (count, value) = match self.text.take() {
                Some(text) => self.more_text(text, rest)?,
                None => self.more_line(rest)?,
            };
            used += count;
            self.taken += count as u64;
            if self.taken > self.limit {
                return Err(self.too_large());
            }
            if let Some(whole) = value.and_then(|value| self.place(value)) {
                self.taken = 0;
                return Ok((used, Some(whole)));
            }
        }
        Ok((used, None))
    }

    fn more_text(
        &mut self,
        mut text: Text,
        rest: &[u8],
    ) -> Result<(usize, Option<Value>), Failure> {
        let count = rest.len().min(text.size - text.bytes.len());
        text.bytes.extend_from_slice(&rest[..count]);
        if text.bytes.len() < text.size {
            self.text = Some(text);
            return Ok((count, None));
        }
        text.whole().map(|value| (count, Some(value)))
    }

    fn more_line(&mut self, rest: &[u8]) -> Result<(usize, Option<Value>), Failure> {
        let end = rest.iter().position(|byte| *byte == b'\n');
        let count = end.map_or(rest.len(), |at| at + 1);
        if self.line.len() + count > LONGEST_LINE {
            return Err(protocol(format!("a line of more than {LONGEST_LINE} bytes")));
        }
        let begun = if end.is_none() {
            self.line.extend_from_slice(rest);
            // What no reply begins with need not be waited for.
            return known(self.line[0]).map(|_| (count, None));
        } else if self.line.is_empty() {
            self.begin(&rest[..count])?
        } else {
            self.line.extend_from_slice(&rest[..count]);
            let line = std::mem::take(&mut self.line);
            self.begin(&line)?
        };
        let value = match begun {
            Begun::Value(value) => Some(value),
            Begun::Text(text) => {
                self.text = Some(text);
                None
            }
            Begun::Open(open) if open.left == 0 && open.kind != b'|' => Some(open.whole()),
            Begun::Open(open) => {
                if self.open.len() >= DEEPEST {
                    return Err(protocol(format!("a reply of more than {DEEPEST} levels")));
                }
                self.open.push(open);
                None
            }
        };
        Ok((count, value))
    }

    /// What a line with its end begins.
    fn begin(&self, line: &[u8]) -> Result<Begun, Failure> {
        let kind = known(line[0])?;
        let Some(rest) = line[1..].strip_suffix(b"\r\n") else {
            return Err(protocol(format!("a line without an end: {}", shown(line))));
        };
        let value = match kind {
            b'+' => Value::Status(rest.to_vec()),
            b'-' => Value::failed(rest),
            b':' => Value::Integer(number(rest)?),
            b'_' => Value::Nil,
            b',' => Value::Double(double(rest)?),
            b'#' => match rest {
                b"t" => Value::Boolean(true),
                b"f" => Value::Boolean(false),
                _ => return Err(protocol(format!("no boolean: {}", shown(line)))),
            },
            b'(' => Value::BigNumber(rest.to_vec()),
            kind => return self.counted(kind, number(rest)?, line),
        };
        Ok(Begun::Value(value))
    }

    /// What begins with a length: a string, or a list of some kind.
    fn counted(&self, kind: u8, count: i64, line: &[u8]) -> Result<Begun, Failure> {
        let is_text = matches!(kind, b'$' | b'!' | b'=');
        let Ok(count) = u64::try_from(count) else {
            // RESP2 has a nil of each.
            return match (kind, count) {
                (b'$' | b'*', -1) => Ok(Begun::Value(Value::Nil)),
                _ => Err(protocol(format!("no length: {}", shown(line)))),
            };
        };
        if count > self.limit {
            return Err(self.too_large());
        }
        let room = (count as usize).min(RESERVED);
        Ok(if is_text {
            let bytes = Vec::with_capacity(room + 2);
            Begun::Text(Text { kind, size: count as usize + 2, bytes })
        } else {
            let left = if matches!(kind, b'%' | b'|') { count * 2 } else { count };
            Begun::Open(Open { kind, left, values: Vec::with_capacity(room.min(64)) })
        })
    }

    /// Puts a value where it belongs; gives it back when nothing is open.
    fn place(&mut self, mut value: Value) -> Option<Value> {
        loop {
            let Some(open) = self.open.last_mut() else {
                return Some(value);
            };
            if open.kind == b'|' && open.left == 0 {
                // Attributes say something about the value after them; nobody asks for it.
                self.open.pop();
                continue;
            }
            open.values.push(value);
            open.left -= 1;
            if open.left > 0 || open.kind == b'|' {
                return None;
            }
            value = self.open.pop().map_or(Value::Nil, Open::whole);
        }
    }

    fn too_large(&self) -> Failure {
        let detail = format!("the reply is larger than the limit of {} bytes", self.limit);
        Failure::new(FailureKind::TooLarge, detail)
    }
}

impl Text {
    fn whole(mut self) -> Result<Value, Failure> {
        let end = self.size - 2;
        if &self.bytes[end..] != b"\r\n" {
            let detail = format!("a string of {end} bytes that goes on: {}", shown(&self.bytes));
            return Err(protocol(detail));
        }
        self.bytes.truncate(end);
        Ok(match self.kind {
            b'!' => Value::failed(&self.bytes),
            // The first four bytes say what the text is written in: `txt:`.
            b'=' => Value::Text(self.bytes.get(4..).unwrap_or_default().to_vec()),
            _ => Value::Text(self.bytes),
        })
    }
}

impl Open {
    fn whole(self) -> Value {
        match self.kind {
            b'%' => {
                let mut values = self.values.into_iter();
                let mut entries = Vec::with_capacity(values.len() / 2);
                while let (Some(key), Some(value)) = (values.next(), values.next()) {
                    entries.push((key, value));
                }
                Value::Map(entries)
            }
            b'~' => Value::Set(self.values),
            b'>' => Value::Push(self.values),
            _ => Value::List(self.values),
        }
    }
}

/// The first byte of a value, if it is one.
fn known(kind: u8) -> Result<u8, Failure> {
    if b"+-:_,#($!=*%~>|".contains(&kind) {
        return Ok(kind);
    }
    Err(protocol(format!("no reply begins with {:?}", char::from(kind))))
}

fn number(text: &[u8]) -> Result<i64, Failure> {
    let parsed = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    parsed.ok_or_else(|| protocol(format!("no number: {}", shown(text))))
}

fn double(text: &[u8]) -> Result<f64, Failure> {
    let parsed = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    parsed.ok_or_else(|| protocol(format!("no number: {}", shown(text))))
}

fn protocol(detail: String) -> Failure {
    Failure::new(FailureKind::Protocol, detail)
}

/// The first bytes of something, for a message.
fn shown(bytes: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(40)]))
}

#[cfg(test)]
mod tests;
