//! A reply, decoded as its bytes arrive, in whatever pieces: no socket, no clock, no waiting, so
//! that every way of lying can be tested as a table.
//!
//! A head that came in one piece, as nearly all do, is parsed where it lies; only a head that came
//! in pieces is put together first. A head is parsed again only when it has doubled or its end
//! is in sight, so one that trickles in byte by byte costs no more than twice its length.

use std::mem::MaybeUninit;

use super::chunked::Chunked;
use super::exchange::Protocol;
use super::framing::Framing;
use super::{Failure, FailureKind};
use crate::units::Bytes;

/// Longest head accepted, in bytes; interim (1xx) replies count towards it.
const HEAD_LIMIT: usize = 64 << 10;

/// Most header fields accepted.
const MOST_FIELDS: usize = 256;

/// Most of a body's announced length for which room is made before any of it arrived.
const MOST_TRUST: u64 = 64 << 10;

/// How the body is delimited, and how much is still to come.
#[derive(Debug)]
enum Part {
    Head,
    Length(u64),
    Chunked(Chunked),
    UntilClose,
    Done,
}

/// What a reply's head means for what comes after it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Answered {
    /// Whether the connection may carry another request.
    pub(super) keep: bool,
    /// Whether there is a `Set-Cookie` to be read.
    pub(super) sets_cookie: bool,
    /// Whether the body is packed, as a `Content-Encoding` says.
    pub(super) packed: bool,
}

/// One reply, as far as it has come. Public for what measures it; [`Client`](super::Client) is what
/// to use.
#[derive(Debug)]
pub struct Reply {
    /// The final reply's status; 0 before its head is whole.
    pub(super) status: u16,
    /// What the peer says it speaks.
    pub(super) protocol: Protocol,
    /// Header fields as they came, then trailers.
    pub(super) fields: Vec<u8>,
    /// The body, without its transfer coding.
    pub(super) body: Vec<u8>,
    pub(super) answered: Answered,
    part: Part,
    /// Whether this answers a HEAD request, and so has no body whatever its headers say.
    to_head: bool,
    limit: u64,
    /// An unfinished head, and how long it was when it was last looked at.
    pending: Vec<u8>,
    looked_at: usize,
    /// Bytes of interim replies skipped.
    skipped: usize,
}

impl Reply {
    /// A reply of which nothing has come yet. `limit` is the largest body accepted, in bytes.
    pub fn new(to_head: bool, limit: u64) -> Self {
        Self {
            status: 0,
            protocol: Protocol::Http11,
            fields: Vec::new(),
            body: Vec::new(),
            answered: Answered::default(),
            part: Part::Head,
            to_head,
            limit,
            pending: Vec::new(),
            looked_at: 0,
            skipped: 0,
        }
    }

    /// Whether the reply is whole.
    pub fn done(&self) -> bool {
        matches!(self.part, Part::Done)
    }

    /// Whether interim replies (1xx) are all that has come.
    pub(super) fn is_interim(&self) -> bool {
        self.skipped > 0 && self.status == 0 && self.pending.is_empty()
    }

    /// Takes bytes as they came; says how many it used: all, unless the reply ended within them.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<usize, Failure> {
        let mut used = 0;
        while matches!(self.part, Part::Head) && used < bytes.len() {
            used += self.feed_head(&bytes[used..])?;
        }
        Ok(used + self.feed_body(&bytes[used..])?)
    }

    /// Says that the peer has closed its side.
    pub fn end(&mut self) -> Result<(), Failure> {
        let early = |detail| Err(Failure::new(FailureKind::Reset, detail));
        match &self.part {
            Part::Done => Ok(()),
            Part::UntilClose => {
                self.part = Part::Done;
                Ok(())
            }
            Part::Head if self.pending.is_empty() => {
                early("the connection was closed before a reply".to_owned())
            }
            Part::Head => early("the connection was closed within the reply's head".to_owned()),
            Part::Length(left) => {
                let came = self.body.len();
                let all = came as u64 + left;
                early(format!("the connection was closed after {came} of {all} bytes of the body"))
            }
            Part::Chunked(_) => {
                let came = self.body.len();
                early(format!("the connection was closed within the body, after {came} bytes"))
            }
        }
    }

    fn feed_head(&mut self, bytes: &[u8]) -> Result<usize, Failure> {
        if self.pending.is_empty() {
            if let Some(length) = self.parse_head(bytes)? {
                return Ok(length);
            }
            self.pending.extend_from_slice(bytes);
            self.looked_at = bytes.len();
            return Ok(bytes.len());
        }
        let before = self.pending.len();
        self.pending.extend_from_slice(bytes);
        let fresh = &self.pending[before.saturating_sub(3)..];
        let end_in_sight = fresh.windows(2).any(|pair| pair == b"\n\n")
            || fresh.windows(3).any(|triple| triple == b"\n\r\n");
        if !end_in_sight && self.pending.len() < 2 * self.looked_at {
            return self.check_head_size(self.pending.len()).map(|()| bytes.len());
        }
        let pending = std::mem::take(&mut self.pending);
        if let Some(length) = self.parse_head(&pending)? {
            return Ok(length.saturating_sub(before));
        }
        self.looked_at = pending.len();
        self.pending = pending;
        Ok(bytes.len())
    }

    fn check_head_size(&self, length: usize) -> Result<(), Failure> {
        if self.skipped + length > HEAD_LIMIT {
            return Err(broken("the reply's head is longer than 64 KiB"));
        }
        Ok(())
    }

    /// Parses a head at the beginning of `bytes`; gives its length if it is whole.
    fn parse_head(&mut self, bytes: &[u8]) -> Result<Option<usize>, Failure> {
        let mut room = [const { MaybeUninit::uninit() }; MOST_FIELDS];
        let mut head = httparse::Response::new(&mut []);
        let config = httparse::ParserConfig::default();
        let parsed = config.parse_response_with_uninit_headers(&mut head, bytes, &mut room);
        let length = match parsed {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => {
                return self.check_head_size(bytes.len()).map(|()| None);
            }
            Err(httparse::Error::TooManyHeaders) => {
                return Err(broken("the reply has more than 256 header fields"));
            }
            Err(error) => return Err(broken(format!("the reply is not HTTP/1: {error}"))),
        };
        self.check_head_size(length)?;
        let status = head.code.unwrap_or(0);
        match status {
            0..100 => return Err(broken(format!("the reply's status is {status:03}"))),
            101 => {
                return Err(broken("status 101: the target changes to a protocol not asked for"));
            }
            100..200 => {
                self.skipped += length;
                return Ok(Some(length));
            }
            _ => {}
        }
        let framing = Framing::read(head.headers)?;
        if head.version == Some(0) {
            self.protocol = Protocol::Http10;
        }
        self.status = status;
        self.answered.sets_cookie = framing.sets_cookie;
        self.answered.packed = framing.packed;
        // Where the first field begins is the distance of two addresses in one slice.
        let first = head.headers.first().map_or(length, |field| {
            (field.name.as_ptr() as usize).saturating_sub(bytes.as_ptr() as usize)
        });
        let block = bytes.get(first..length).unwrap_or_default();
        let block = block.strip_suffix(b"\n").unwrap_or(block);
        self.fields.extend_from_slice(block.strip_suffix(b"\r").unwrap_or(block));
        self.begin_body(&framing)?;
        Ok(Some(length))
    }

    /// Decides how the body is delimited (RFC 9112, 6.3).
    fn begin_body(&mut self, framing: &Framing) -> Result<(), Failure> {
        let old = self.protocol == Protocol::Http10;
        self.answered.keep = framing.stays.unwrap_or(!old);
        let bodiless = self.to_head || matches!(self.status, 204 | 304);
        self.part = match framing.length {
            _ if bodiless => Part::Done,
            Some(0) => Part::Done,
            Some(length) if length > self.limit => return Err(over_limit(self.limit)),
            Some(length) => {
                self.body.reserve_exact(length.min(MOST_TRUST) as usize);
                Part::Length(length)
            }
            None if framing.chunked => {
                self.answered.keep &= !old;
                Part::Chunked(Chunked::new())
            }
            None => {
                self.answered.keep = false;
                Part::UntilClose
            }
        };
        Ok(())
    }

    fn feed_body(&mut self, bytes: &[u8]) -> Result<usize, Failure> {
        match &mut self.part {
            Part::Head | Part::Done => Ok(0),
            Part::Length(left) => {
                let taken = usize::try_from(*left).map_or(bytes.len(), |l| l.min(bytes.len()));
                self.body.extend_from_slice(&bytes[..taken]);
                *left -= taken as u64;
                if *left == 0 {
                    self.part = Part::Done;
                }
                Ok(taken)
            }
            Part::Chunked(chunked) => {
                let mut trailers = Vec::new();
                std::mem::swap(&mut trailers, &mut self.pending);
                let used = chunked.feed(bytes, &mut self.body, self.limit, &mut trailers)?;
                if chunked.done() {
                    self.fields.extend_from_slice(&trailers);
                    self.part = Part::Done;
                } else {
                    self.pending = trailers;
                }
                Ok(used)
            }
            Part::UntilClose => {
                if bytes.len() as u64 > self.limit.saturating_sub(self.body.len() as u64) {
                    return Err(over_limit(self.limit));
                }
                self.body.extend_from_slice(bytes);
                Ok(bytes.len())
            }
        }
    }
}

/// The failure of a body beyond the limit.
pub(super) fn over_limit(limit: u64) -> Failure {
    Failure::new(FailureKind::TooLarge, format!("the body is over the limit of {}", Bytes(limit)))
}

/// The failure of a reply that HTTP does not allow.
pub(super) fn broken(detail: impl Into<String>) -> Failure {
    Failure::new(FailureKind::Protocol, detail)
}
