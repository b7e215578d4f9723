//! Which bytes belong to which request, where a proxy is told what is spoken through it.
//!
//! A [`Framer`] stands at the begin of each direction and cuts what passes into pieces, each with
//! the request it is part of; replies are given to requests in the order both have. Only the head of
//! a message is held back until it is whole, because who is concerned depends on what is asked
//! for; bodies pass as they come. What is not understood (TLS, HTTP/2, another protocol) passes as
//! it is from there on, and belongs to no request: a framer never changes, adds or loses a byte.
//!
//! One protocol is one file with a reader for each direction; [`resp`] is the template.

mod http;
mod postgres;
mod resp;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};

use super::toxic::{Direction, Marks};

/// Most bytes of a head that are waited for.
const HEAD: usize = 64 << 10;

/// Most bytes of what is asked for that are looked at.
const SUBJECT: usize = 512;

/// What is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// RESP 2 and 3; a request is a command, `GET cart:7`.
    Redis,
    /// HTTP/1; a request is a method and its target, `GET /items/7`.
    Http,
    /// PostgreSQL 3; a request is what ends with one readiness, known by its first statement.
    Postgres,
}

impl Protocol {
    /// Every protocol.
    pub const ALL: [Self; 3] = [Self::Redis, Self::Http, Self::Postgres];

    /// What it is called in scripts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Http => "http",
            Self::Postgres => "postgres",
        }
    }

    /// The protocol of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.name() == name)
    }
}

/// One request of a connection.
#[derive(Debug)]
pub(in crate::wire) struct Request {
    /// Its number in the connection, from 1.
    pub(in crate::wire) number: u64,
    /// What is asked for, cut off where it is long.
    pub(in crate::wire) subject: String,
    /// What of it is counted already.
    pub(in crate::wire) marks: Marks,
}

impl PartialEq for Request {
    /// Of one connection.
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Request {}

/// What the two directions of a connection know of each other.
#[derive(Clone, Debug, Default)]
pub(in crate::wire) struct Talk(Arc<Mutex<Said>>);

#[derive(Debug, Default)]
struct Said {
    requests: u64,
    /// Requests whose reply has not begun.
    unanswered: VecDeque<Arc<Request>>,
    /// PostgreSQL: answers of one byte that are expected, to whether TLS is spoken.
    bytes: u32,
    /// Whether one direction was not understood: then neither is.
    opaque: bool,
}

impl Talk {
    fn said(&self) -> MutexGuard<'_, Said> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What begins with a piece.
#[derive(Debug, PartialEq, Eq)]
enum Begin {
    /// Nothing: it goes on.
    Nothing,
    /// A request for that.
    Request(String),
    /// The reply to the request that has waited longest.
    Reply,
    /// Something that is neither.
    Aside,
}

/// What a reader makes of the bytes that are next.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// More of them are needed to tell.
    More,
    /// So many are the next piece, at least one.
    Piece(usize, Begin),
    /// They make no sense.
    Nonsense,
}

/// Reads one direction of one protocol.
trait Reader: Send {
    /// What the bytes are, of which there is at least one. `asked` is what the reply under way, or
    /// else the next one, is to.
    fn next(&mut self, bytes: &[u8], said: &mut SaidTo<'_>) -> Found;
}

/// What a reader may know and tell.
struct SaidTo<'a> {
    /// What the next reply is to.
    asked: Option<&'a str>,
    /// PostgreSQL: answers of one byte that are expected.
    bytes: &'a mut u32,
}

/// Cuts one direction of a connection into pieces.
pub(in crate::wire) struct Framer {
    talk: Talk,
    reader: Box<dyn Reader>,
    /// A head that is not whole.
    waiting: BytesMut,
    /// What the pieces belong to now.
    request: Option<Arc<Request>>,
}

/// Some bytes, and the request they are part of.
pub(in crate::wire) type Piece = (Bytes, Option<Arc<Request>>);

impl Framer {
    pub(in crate::wire) fn new(protocol: Protocol, direction: Direction, talk: Talk) -> Self {
        let upstream = direction == Direction::Upstream;
        let reader: Box<dyn Reader> = match (protocol, upstream) {
            (Protocol::Redis, true) => Box::new(resp::Commands::default()),
            (Protocol::Redis, false) => Box::new(resp::Replies::default()),
            (Protocol::Http, true) => Box::new(http::Requests::default()),
            (Protocol::Http, false) => Box::new(http::Replies::default()),
            (Protocol::Postgres, true) => Box::new(postgres::Statements::default()),
            (Protocol::Postgres, false) => Box::new(postgres::Answers::default()),
        };
        Self { talk, reader, waiting: BytesMut::new(), request: None }
    }

    /// Cuts bytes that have arrived; what cannot be told yet is kept for the next call.
    pub(in crate::wire) fn cut(&mut self, bytes: &[u8]) -> Vec<Piece> {
        self.waiting.extend_from_slice(bytes);
        let mut pieces = Vec::new();
        let mut said = self.talk.said();
        while !self.waiting.is_empty() && !said.opaque {
            let Said { unanswered, bytes, .. } = &mut *said;
            let asked = unanswered.front().map(|request| request.subject.as_str());
            let found = self.reader.next(&self.waiting, &mut SaidTo { asked, bytes });
            let (len, begin) = match found {
                Found::More if self.waiting.len() < HEAD => return pieces,
                Found::More | Found::Nonsense => {
                    said.opaque = true;
                    break;
                }
                Found::Piece(len, begin) => (len, begin),
            };
            match begin {
                Begin::Nothing => {}
                Begin::Aside => self.request = None,
                Begin::Reply => self.request = said.unanswered.pop_front(),
                Begin::Request(subject) => {
                    said.requests += 1;
                    let number = said.requests;
                    let request = Arc::new(Request { number, subject, marks: Marks::default() });
                    said.unanswered.push_back(Arc::clone(&request));
                    self.request = Some(request);
                }
            }
            pieces.push((self.waiting.split_to(len).freeze(), self.request.clone()));
        }
        if said.opaque && !self.waiting.is_empty() {
            self.request = None;
            pieces.push((std::mem::take(&mut self.waiting).freeze(), None));
        }
        pieces
    }

    /// What is left when the stream has ended in the middle of a head.
    pub(in crate::wire) fn rest(&mut self) -> Option<Bytes> {
        let rest = std::mem::take(&mut self.waiting);
        (!rest.is_empty()).then(|| rest.freeze())
    }
}

/// The bytes up to the end of their first line, which is not among them.
fn line(bytes: &[u8]) -> Option<&[u8]> {
    bytes.windows(2).position(|two| two == b"\r\n").map(|end| &bytes[..end])
}

/// What is asked for as text.
fn subject(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(SUBJECT)]).into_owned()
}

#[cfg(test)]
mod tests;
