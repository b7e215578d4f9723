//! HTTP/1: heads are held until they are whole, bodies are counted. After an upgrade, and for
//! HTTP/2, nothing more is understood.

use super::{Begin, Found, Reader, SaidTo, line, subject};

/// What of a message is still to come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Body {
    /// Nothing.
    #[default]
    None,
    /// So many bytes.
    Length(u64),
    /// The size of a chunk.
    Size,
    /// So many bytes of a chunk and the end of its line, and then the next size.
    Chunk(u64),
    /// Fields after the last chunk.
    Trailer,
    /// All that comes until the connection is closed.
    Rest,
    /// Another protocol.
    Other,
}

/// Reads requests.
#[derive(Default)]
pub(super) struct Requests(Body);

impl Reader for Requests {
    fn next(&mut self, bytes: &[u8], _: &mut SaidTo<'_>) -> Found {
        if self.0 != Body::None {
            return self.0.next(bytes);
        }
        let Some(head) = head(bytes) else { return Found::More };
        let first = line(head).unwrap_or(head);
        let mut words = first.split(|byte| *byte == b' ');
        let (Some(method), Some(target), Some(b"HTTP/1.1" | b"HTTP/1.0"), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Found::Nonsense;
        };
        let asked = subject(&[method, b" ", target].concat());
        self.0 = match framing(head) {
            Framing::Chunked => Body::Size,
            Framing::Length(length) => Body::of(length),
            Framing::Nothing => Body::None,
            Framing::Wrong => return Found::Nonsense,
        };
        Found::Piece(head.len(), Begin::Request(asked))
    }
}

/// Reads replies.
#[derive(Default)]
pub(super) struct Replies(Body);

impl Reader for Replies {
    fn next(&mut self, bytes: &[u8], said: &mut SaidTo<'_>) -> Found {
        if self.0 != Body::None {
            return self.0.next(bytes);
        }
        let Some(head) = head(bytes) else { return Found::More };
        let status = head.get(9..12).and_then(|status| std::str::from_utf8(status).ok());
        let status = status.filter(|_| head.starts_with(b"HTTP/1.")).and_then(|s| s.parse().ok());
        let Some(status): Option<u16> = status else { return Found::Nonsense };
        let asked = said.asked.unwrap_or_default();
        let tunnel = status == 101 || (asked.starts_with("CONNECT ") && status < 300);
        if status < 200 && !tunnel {
            return Found::Piece(head.len(), Begin::Aside);
        }
        let bodiless = asked.starts_with("HEAD ") || matches!(status, 204 | 304);
        self.0 = match framing(head) {
            _ if tunnel => Body::Other,
            _ if bodiless => Body::None,
            Framing::Chunked => Body::Size,
            Framing::Length(length) => Body::of(length),
            Framing::Nothing => Body::Rest,
            Framing::Wrong => return Found::Nonsense,
        };
        Found::Piece(head.len(), Begin::Reply)
    }
}

impl Body {
    fn of(length: u64) -> Self {
        if length == 0 { Self::None } else { Self::Length(length) }
    }

    fn next(&mut self, bytes: &[u8]) -> Found {
        let all = bytes.len() as u64;
        match *self {
            Self::None | Self::Other => Found::Nonsense,
            Self::Rest => Found::Piece(bytes.len(), Begin::Nothing),
            Self::Length(left) => {
                *self = Self::of(left - left.min(all));
                Found::Piece(left.min(all) as usize, Begin::Nothing)
            }
            Self::Chunk(left) => {
                *self = if left > all { Self::Chunk(left - all) } else { Self::Size };
                Found::Piece(left.min(all) as usize, Begin::Nothing)
            }
            Self::Size | Self::Trailer => {
                let Some(line) = line(bytes) else { return Found::More };
                *self = match (*self, size(line)) {
                    (Self::Trailer, _) if line.is_empty() => Self::None,
                    (Self::Trailer, _) | (_, Some(0)) => Self::Trailer,
                    (_, Some(size)) => Self::Chunk(size + 2),
                    (_, None) => return Found::Nonsense,
                };
                Found::Piece(line.len() + 2, Begin::Nothing)
            }
        }
    }
}

/// The size in the first line of a chunk, which may have extensions.
fn size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|byte| *byte == b';').next()?.trim_ascii();
    let size = u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    (size < u64::MAX - 2).then_some(size)
}

/// How long a body is, as its head says.
enum Framing {
    Nothing,
    Length(u64),
    Chunked,
    Wrong,
}

fn framing(head: &[u8]) -> Framing {
    let mut found = Framing::Nothing;
    for field in head.split(|byte| *byte == b'\n').skip(1) {
        let Some(colon) = field.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = (&field[..colon], field[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if value.to_ascii_lowercase().ends_with(b"chunked") {
                return Framing::Chunked;
            }
        } else if name.eq_ignore_ascii_case(b"content-length") {
            let length = std::str::from_utf8(value).ok().and_then(|value| value.parse().ok());
            found = length.map_or(Framing::Wrong, Framing::Length);
        }
    }
    found
}

/// The head with the empty line that ends it, once it is whole.
fn head(bytes: &[u8]) -> Option<&[u8]> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|end| &bytes[..end + 4])
}
