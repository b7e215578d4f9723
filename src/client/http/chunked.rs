//! The chunked transfer coding (RFC 9112, 7.1), read byte by byte where lines are and in one piece
//! where data is. Strict about line ends and digits: what is lenient here is how requests are
//! smuggled, and a target that gets it wrong should be told so.

use super::{Failure, FailureKind};

/// Longest size line with its extensions, and longest block of trailers, in bytes.
const LINE_LIMIT: usize = 64 << 10;

/// Where in the coding the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In the digits of a size; whether there has been one.
    Size {
        digits: bool,
    },
    /// In white space or an extension after the size, to be skipped.
    Extension,
    /// Before the line feed after a size.
    SizeEnd,
    /// In the data, with this many bytes to come.
    Data(u64),
    /// Before the carriage return, then the line feed, after the data.
    DataReturn,
    DataEnd,
    /// In the trailers, at the beginning of a line or within one.
    Trailers {
        line_begin: bool,
    },
    /// Before the line feed that ends the body.
    LastEnd,
    /// The body is over.
    Done,
}

/// A decoder for one body.
#[derive(Debug)]
pub(super) struct Chunked {
    place: Place,
    /// The size being read.
    size: u64,
    /// Bytes of the line, or trailers, being read.
    line: usize,
}

impl Chunked {
    pub(super) fn new() -> Self {
        Self { place: Place::Size { digits: false }, size: 0, line: 0 }
    }

    pub(super) fn done(&self) -> bool {
        self.place == Place::Done
    }

    /// Takes bytes, appends what is data to `body` and what is trailers to `trailers`, and says how
    /// many it used: all, unless the body ended within them.
    pub(super) fn feed(
        &mut self,
        bytes: &[u8],
        body: &mut Vec<u8>,
        limit: u64,
        trailers: &mut Vec<u8>,
    ) -> Result<usize, Failure> {
        let mut used = 0;
        while used < bytes.len() && self.place != Place::Done {
            if let Place::Data(left) = self.place {
                let rest = &bytes[used..];
                let taken = usize::try_from(left).map_or(rest.len(), |left| left.min(rest.len()));
                body.extend_from_slice(&rest[..taken]);
                used += taken;
                let left = left - taken as u64;
                self.place = if left == 0 { Place::DataReturn } else { Place::Data(left) };
            } else {
                self.step(bytes[used], trailers)?;
                used += 1;
                if let Place::Data(size) = self.place
                    && size > limit.saturating_sub(body.len() as u64)
                {
                    return Err(super::reply::over_limit(limit));
                }
            }
        }
        Ok(used)
    }

    /// Takes one byte that is not data.
    fn step(&mut self, byte: u8, trailers: &mut Vec<u8>) -> Result<(), Failure> {
        self.line += 1;
        if self.line > LINE_LIMIT {
            return Err(broken("a chunk's size line or the trailers are longer than 64 KiB"));
        }
        self.place = match (self.place, byte) {
            (Place::Size { .. }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = (byte as char).to_digit(16).map_or(0, u64::from);
                let grown = self.size.checked_mul(16).and_then(|size| size.checked_add(digit));
                self.size = grown.ok_or_else(|| broken("a chunk size beyond 64 bits"))?;
                Place::Size { digits: true }
            }
            (Place::Size { digits: true } | Place::Extension, b'\r') => Place::SizeEnd,
            (Place::Size { digits: true }, b' ' | b'\t' | b';') => Place::Extension,
            (Place::Size { .. }, _) => return Err(unexpected("chunk size", byte)),
            (Place::Extension, b'\n') => return Err(unexpected("chunk extension", byte)),
            (Place::Extension, _) => Place::Extension,
            (Place::SizeEnd, b'\n') => {
                self.line = 0;
                match std::mem::take(&mut self.size) {
                    0 => Place::Trailers { line_begin: true },
                    size => Place::Data(size),
                }
            }
            (Place::DataReturn, b'\r') => Place::DataEnd,
            (Place::DataEnd, b'\n') => {
                self.line = 0;
                Place::Size { digits: false }
            }
            (Place::DataReturn | Place::DataEnd, _) => return Err(unexpected("chunk end", byte)),
            (Place::Trailers { line_begin: true }, b'\r') => Place::LastEnd,
            (Place::Trailers { .. }, _) => {
                trailers.push(byte);
                Place::Trailers { line_begin: byte == b'\n' }
            }
            (Place::LastEnd, b'\n') => {
                check_trailers(trailers)?;
                Place::Done
            }
            (Place::SizeEnd | Place::LastEnd, _) => return Err(unexpected("line end", byte)),
            (Place::Data(_) | Place::Done, _) => self.place,
        };
        Ok(())
    }
}

fn check_trailers(trailers: &[u8]) -> Result<(), Failure> {
    if trailers.is_empty() {
        return Ok(());
    }
    let mut block = trailers.to_vec();
    block.extend_from_slice(b"\r\n");
    let mut fields = [httparse::EMPTY_HEADER; 64];
    match httparse::parse_headers(&block, &mut fields) {
        Ok(httparse::Status::Complete(_)) => Ok(()),
        _ => Err(broken("malformed trailers")),
    }
}

fn broken(detail: impl Into<String>) -> Failure {
    Failure::new(FailureKind::Protocol, detail)
}

fn unexpected(place: &str, byte: u8) -> Failure {
    broken(format!("bad {place}: unexpected {:?}", byte as char))
}
