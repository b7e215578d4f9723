//! RESP: commands are arrays of strings, or a line; replies are values of any shape. Pushed values
//! of RESP 3 are replies to nothing.

use super::{Begin, Found, HEAD, Reader, SUBJECT, SaidTo, line, subject};

/// Reads commands.
#[derive(Default)]
pub(super) struct Commands {
    /// Strings of the command that are still to come.
    items: u64,
    /// Bytes of the present one that are.
    skip: u64,
}

impl Reader for Commands {
    fn next(&mut self, bytes: &[u8], _: &mut SaidTo<'_>) -> Found {
        if self.skip > 0 {
            return skipped(&mut self.skip, bytes);
        }
        let Some(head) = line(bytes) else { return Found::More };
        let len = head.len() + 2;
        if self.items > 0 {
            let Some(size) = number(head, b'$') else { return Found::Nonsense };
            self.items -= 1;
            self.skip = size + 2;
            return Found::Piece(len, Begin::Nothing);
        }
        if head.first() != Some(&b'*') {
            // A command in one line, as people type it; an empty line is none.
            let text = head.trim_ascii();
            let begin = match text {
                [] => Begin::Aside,
                [first, ..] if first.is_ascii_alphabetic() => Begin::Request(subject(text)),
                _ => return Found::Nonsense,
            };
            return Found::Piece(len, begin);
        }
        match number(head, b'*') {
            None => Found::Nonsense,
            Some(0) => Found::Piece(len, Begin::Aside),
            Some(items) => match words(&bytes[len..], items.min(2)) {
                None => Found::More,
                Some(Err(())) => Found::Nonsense,
                Some(Ok(words)) => {
                    self.items = items;
                    Found::Piece(len, Begin::Request(words))
                }
            },
        }
    }
}

/// The first strings of a command, once they are there; of a long one the begin.
fn words(mut bytes: &[u8], count: u64) -> Option<Result<String, ()>> {
    let mut words = Vec::new();
    for at in 0..count {
        let head = line(bytes)?;
        let Some(size) = number(head, b'$') else { return Some(Err(())) };
        let content = &bytes[head.len() + 2..];
        let size = size as usize;
        let seen = size.min(SUBJECT);
        if content.len() < seen || (at + 1 < count && size < HEAD && content.len() < size + 2) {
            return None;
        }
        if at > 0 {
            words.push(b' ');
        }
        words.extend_from_slice(&content[..seen]);
        if size > SUBJECT {
            break;
        }
        bytes = content.get(size + 2..).unwrap_or_default();
    }
    Some(Ok(subject(&words)))
}

/// Reads replies.
#[derive(Default)]
pub(super) struct Replies {
    /// Values of the reply that are still to come.
    items: u64,
    skip: u64,
}

impl Reader for Replies {
    fn next(&mut self, bytes: &[u8], said: &mut SaidTo<'_>) -> Found {
        if self.skip > 0 {
            return skipped(&mut self.skip, bytes);
        }
        let Some(head) = line(bytes) else { return Found::More };
        let begin = match (self.items, head.first()) {
            (1.., _) => Begin::Nothing,
            (0, Some(b'>')) => Begin::Aside,
            (0, _) if said.asked.is_none() => Begin::Aside,
            (0, _) => Begin::Reply,
        };
        let items = self.items.max(1) - 1;
        let kind = head.first().copied().unwrap_or_default();
        // A negative size is that of nothing.
        let size = number(head, kind);
        let is_nothing = head.get(1) == Some(&b'-');
        let (more, skip) = match kind {
            b'+' | b'-' | b':' | b'_' | b',' | b'#' | b'(' => (0, 0),
            b'$' | b'=' | b'!' | b'*' if is_nothing => (0, 0),
            b'$' | b'=' | b'!' => match size {
                Some(size) => (0, size + 2),
                None => return Found::Nonsense,
            },
            b'*' | b'~' | b'>' | b'%' | b'|' => match (size, kind) {
                (Some(size), b'%') => (size * 2, 0),
                // Attributes are before the value they are of.
                (Some(size), b'|') => (size * 2 + 1, 0),
                (Some(size), _) => (size, 0),
                (None, _) => return Found::Nonsense,
            },
            _ => return Found::Nonsense,
        };
        (self.items, self.skip) = (items + more, skip);
        Found::Piece(head.len() + 2, begin)
    }
}

fn skipped(skip: &mut u64, bytes: &[u8]) -> Found {
    let len = (bytes.len() as u64).min(*skip);
    *skip -= len;
    Found::Piece(len as usize, Begin::Nothing)
}

/// The number in a line that begins with `kind`: at most 512 MiB, as the server's own limit.
fn number(line: &[u8], kind: u8) -> Option<u64> {
    let digits = line.strip_prefix(&[kind])?;
    let number = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (number <= 512 << 20).then_some(number)
}
