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
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMIT: u64 = 1 << 20;

    /// Everything in `bytes`, fed in pieces of so many bytes.
    fn decoded(bytes: &[u8], piece: usize, limit: u64) -> Result<Vec<Value>, Failure> {
        let mut decoder = Decoder::new(limit);
        let mut found = Vec::new();
        for mut piece in bytes.chunks(piece) {
            while !piece.is_empty() {
                let (used, value) = decoder.feed(piece)?;
                found.extend(value);
                piece = &piece[used..];
            }
        }
        assert!(!decoder.is_within(), "bytes are left over");
        Ok(found)
    }

    fn one(text: &str) -> Value {
        let [value] = <[Value; 1]>::try_from(decoded(text.as_bytes(), 64, LIMIT).unwrap()).unwrap();
        value
    }

    #[test]
    fn every_type_comes_back_as_what_it_is() {
        let text = |text: &str| Value::Text(text.into());
        for (bytes, value) in [
            ("$-1\r\n", Value::Nil),
            ("*-1\r\n", Value::Nil),
            ("_\r\n", Value::Nil),
            ("$0\r\n\r\n", text("")),
            ("$4\r\na\r\nb\r\n", text("a\r\nb")),
            ("+OK\r\n", Value::Status("OK".into())),
            (":-9223372036854775808\r\n", Value::Integer(i64::MIN)),
            (",3.25\r\n", Value::Double(3.25)),
            (",inf\r\n", Value::Double(f64::INFINITY)),
            ("#t\r\n", Value::Boolean(true)),
            ("(123456789012345678901\r\n", Value::BigNumber("123456789012345678901".into())),
            ("=8\r\ntxt:some\r\n", text("some")),
            ("*0\r\n", Value::List(vec![])),
            (
                "%1\r\n+a\r\n:1\r\n",
                Value::Map(vec![(Value::Status("a".into()), Value::Integer(1))]),
            ),
            ("~1\r\n:1\r\n", Value::Set(vec![Value::Integer(1)])),
            (">1\r\n:1\r\n", Value::Push(vec![Value::Integer(1)])),
            ("|1\r\n+ttl\r\n:9\r\n:1\r\n", Value::Integer(1)),
            (
                "*2\r\n|1\r\n+ttl\r\n*0\r\n*0\r\n_\r\n",
                Value::List(vec![Value::List(vec![]), Value::Nil]),
            ),
            ("|0\r\n:1\r\n", Value::Integer(1)),
        ] {
            assert_eq!(one(bytes), value, "{bytes:?}");
        }
    }

    #[test]
    fn what_is_no_reply_is_a_failure_of_the_protocol() {
        for bytes in [
            "HTTP/1.1 400 Bad Request\r\n",
            "x",
            ":one\r\n",
            ":1\n",
            "$3\r\nabcdef\r\n",
            "$-2\r\n",
            "%-1\r\n",
            "#maybe\r\n",
            "*99999999999999999999\r\n",
            "\r\n",
        ] {
            let failure = decoded(bytes.as_bytes(), 64, LIMIT).unwrap_err();
            assert_eq!(failure.kind, FailureKind::Protocol, "{bytes:?}: {failure}");
        }
        let deep = "*1\r\n".repeat(DEEPEST + 1);
        assert_eq!(decoded(deep.as_bytes(), 64, LIMIT).unwrap_err().kind, FailureKind::Protocol);
        let long = format!("+{}", "x".repeat(LONGEST_LINE));
        assert_eq!(decoded(long.as_bytes(), 64, LIMIT).unwrap_err().kind, FailureKind::Protocol);
    }

    #[test]
    fn a_reply_over_the_limit_fails_at_the_length_it_announces() {
        for bytes in ["$1000001\r\n", "*9223372036854775807\r\n", "%1000001\r\n"] {
            let failure = decoded(bytes.as_bytes(), 64, 1_000_000).unwrap_err();
            assert_eq!(failure.kind, FailureKind::TooLarge, "{bytes:?}: {failure}");
        }
        let many = format!("*1000\r\n{}", ":1\r\n".repeat(1000));
        assert_eq!(decoded(many.as_bytes(), 7, 2_000).unwrap_err().kind, FailureKind::TooLarge);
        assert_eq!(decoded(many.as_bytes(), 7, 5_000).unwrap().len(), 1);
    }

    /// The bytes of a value, as a server writes them.
    fn encode(value: &Value, out: &mut Vec<u8>) {
        let mut many = |kind: char, count: usize, values: &mut dyn Iterator<Item = &Value>| {
            out.extend(format!("{kind}{count}\r\n").bytes());
            values.for_each(|value| encode(value, out));
        };
        match value {
            Value::List(values) => return many('*', values.len(), &mut values.iter()),
            Value::Set(values) => return many('~', values.len(), &mut values.iter()),
            Value::Push(values) => return many('>', values.len(), &mut values.iter()),
            Value::Map(entries) => {
                return many('%', entries.len(), &mut entries.iter().flat_map(|(k, v)| [k, v]));
            }
            _ => {}
        }
        let line = match value {
            Value::Integer(number) => format!(":{number}"),
            Value::Double(number) => format!(",{number}"),
            Value::Boolean(value) => format!("#{}", if *value { 't' } else { 'f' }),
            Value::Status(text) => format!("+{}", String::from_utf8_lossy(text)),
            Value::BigNumber(text) => format!("({}", String::from_utf8_lossy(text)),
            Value::Text(text) => {
                out.extend(format!("${}\r\n", text.len()).bytes());
                out.extend(text);
                String::new()
            }
            _ => "_".to_owned(),
        };
        out.extend(line.bytes());
        out.extend(b"\r\n");
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Nil),
            any::<i64>().prop_map(Value::Integer),
            any::<bool>().prop_map(Value::Boolean),
            (-1e9..1e9).prop_map(Value::Double),
            "[a-zA-Z ]{0,9}".prop_map(|text| Value::Status(text.into_bytes())),
            proptest::collection::vec(any::<u8>(), 0..40).prop_map(Value::Text),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            let list = proptest::collection::vec(inner.clone(), 0..6);
            prop_oneof![
                list.clone().prop_map(Value::List),
                list.prop_map(Value::Set),
                proptest::collection::vec((inner.clone(), inner), 0..4).prop_map(Value::Map),
            ]
        })
    }

    /// What the crate's own decoder makes of it, in our words.
    fn theirs(value: redis::Value) -> Value {
        let list = |values: Vec<redis::Value>| values.into_iter().map(theirs).collect();
        match value {
            redis::Value::Nil => Value::Nil,
            redis::Value::Int(number) => Value::Integer(number),
            redis::Value::BulkString(bytes) => Value::Text(bytes),
            redis::Value::Okay => Value::Status(b"OK".to_vec()),
            redis::Value::SimpleString(text) => Value::Status(text.into_bytes()),
            redis::Value::Double(number) => Value::Double(number),
            redis::Value::Boolean(value) => Value::Boolean(value),
            redis::Value::Array(values) => Value::List(list(values)),
            redis::Value::Set(values) => Value::Set(list(values)),
            redis::Value::Map(entries) => Value::Map(
                entries.into_iter().map(|(key, value)| (theirs(key), theirs(value))).collect(),
            ),
            other => panic!("{other:?}"),
        }
    }

    proptest! {
        #[test]
        fn a_reply_is_the_same_however_it_is_cut_and_the_same_as_the_crates(
            value in values(),
            piece in 1_usize..50,
        ) {
            let mut bytes = Vec::new();
            encode(&value, &mut bytes);
            encode(&value, &mut bytes);
            prop_assert_eq!(decoded(&bytes, piece, LIMIT).unwrap(), [value.clone(), value.clone()]);
            bytes.truncate(bytes.len() / 2);
            prop_assert_eq!(theirs(redis::parse_redis_value(&bytes).unwrap()), value);
        }

        #[test]
        fn no_bytes_make_it_panic(
            bytes in proptest::collection::vec(
                prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'1'), Just(b'-'), Just(b'*'),
                            Just(b'$'), Just(b'%'), Just(b'|'), Just(b'='), any::<u8>()],
                0..60,
            ),
            piece in 1_usize..9,
        ) {
            let mut decoder = Decoder::new(LIMIT);
            for mut piece in bytes.chunks(piece) {
                while !piece.is_empty() {
                    let Ok((used, _)) = decoder.feed(piece) else { return Ok(()) };
                    prop_assert!(used > 0);
                    piece = &piece[used..];
                }
            }
        }
    }
}
