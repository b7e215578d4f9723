//! Header fields as a block of text, `Name: value` a line: the form they have on the wire. A
//! block is copied into a request as it is, and a reply's is looked through only when asked, so
//! no map is ever built of what nobody reads.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;

/// The fields of a block, in order, names as they were written.
pub(super) fn lines(block: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    whole_lines(block).filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        Some((&line[..colon], line[colon + 1..].trim_ascii()))
    })
}

/// The lines of a block with their line ends.
pub(super) fn whole_lines(block: &[u8]) -> impl Iterator<Item = &[u8]> {
    block.split_inclusive(|byte| *byte == b'\n')
}

/// The first value under a name, whatever its letter case.
pub(super) fn find<'a>(block: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    lines(block).find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// Appends a field to a block, unless it could be read as anything else than one field.
pub(super) fn push(block: &mut Vec<u8>, name: &str, value: &[u8]) -> Result<(), String> {
    check_name(name)?;
    let value = value.trim_ascii();
    if let Some(bad) = value.iter().find(|byte| !may_stand_in_value(**byte)) {
        return Err(format!(
            "header {name}: character {bad:#04x} is not allowed in a value; \
             expected no line break and no control character"
        ));
    }
    push_unchecked(block, name.as_bytes(), value);
    Ok(())
}

/// Appends a field that is known to be well-formed.
pub(super) fn push_unchecked(block: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    block.reserve(name.len() + value.len() + 4);
    block.extend_from_slice(name);
    block.extend_from_slice(b": ");
    block.extend_from_slice(value);
    block.extend_from_slice(b"\r\n");
}

fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(format!(
            "malformed header name {name:?}; expected letters, digits and any of !#$%&'*+-.^_`|~"
        ));
    }
    for (ours, why) in [
        ("content-length", "it is computed from the body"),
        ("transfer-encoding", "the body is sent with its length"),
    ] {
        if name.eq_ignore_ascii_case(ours) {
            return Err(format!("header {name} cannot be set: {why}"));
        }
    }
    Ok(())
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

pub(super) fn may_stand_in_value(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

/// A reply's headers: the bytes as they came, looked through when asked.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers {
    /// `Name: value` lines, each ended by a line feed.
    raw: Bytes,
}

impl Headers {
    pub(super) fn new(raw: impl Into<Bytes>) -> Self {
        Self { raw: raw.into() }
    }

    /// The first value under this name, whatever its letter case.
    pub fn find(&self, name: &str) -> Option<&[u8]> {
        find(&self.raw, name.as_bytes())
    }

    /// Like [`find`](Self::find), for values that are text; `None` also where one is not UTF-8.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.find(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Every value under this name, whatever its letter case.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.iter().filter(move |(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, v)| v)
    }

    /// The values under this name as the one list they stand for (RFC 9110, 5.3).
    pub(super) fn joined(&self, name: &str) -> Option<Cow<'_, str>> {
        let mut values = lines(&self.raw)
            .filter(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| String::from_utf8_lossy(value));
        let first = values.next()?;
        Some(values.fold(first, |list, value| Cow::Owned(format!("{list}, {value}"))))
    }

    /// All headers in the order they came, trailers after them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        lines(&self.raw).filter_map(|(name, value)| Some((std::str::from_utf8(name).ok()?, value)))
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.iter().map(|(name, value)| (name, String::from_utf8_lossy(value)));
        f.debug_map().entries(shown).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_break_in_a_header_is_refused() {
        let mut block = Vec::new();
        for value in ["a\r\nEvil: 1", "a\nEvil: 1", "a\rb", "a\0b", "\u{7f}"] {
            let error = push(&mut block, "X-Note", value.as_bytes()).unwrap_err();
            assert!(error.starts_with("header X-Note: character 0x"), "{error}");
        }
        for name in ["", "a b", "a:b", "a\r\nb", "naïve"] {
            assert!(push(&mut block, name, b"1").unwrap_err().contains("malformed header name"));
        }
        assert!(block.is_empty());
    }

    #[test]
    fn the_length_of_the_body_is_not_the_callers_to_say() {
        let mut block = Vec::new();
        assert!(push(&mut block, "Content-length", b"5").is_err());
        assert!(push(&mut block, "transfer-Encoding", b"chunked").is_err());
    }

    #[test]
    fn headers_are_found_in_any_letter_case_and_keep_their_order() {
        let headers = Headers::new(&b"A: 1\r\nSet-Cookie:  x=1 \nset-cookie: y=2\r\nE:\r\n"[..]);
        assert_eq!(headers.find("SET-COOKIE"), Some(&b"x=1"[..]));
        assert_eq!(headers.text("e"), Some(""));
        assert_eq!(headers.find("b"), None);
        assert_eq!(headers.all("set-cookie").count(), 2);
        let names: Vec<_> = headers.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["A", "Set-Cookie", "set-cookie", "E"]);
    }
}
