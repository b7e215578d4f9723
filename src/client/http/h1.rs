//! HTTP/1.1 on one connection: write the request, read the reply, in one future without a task,
//! a channel or a buffer of its own.
//!
//! Buffers belong to the worker and are lent for the length of one poll: bytes are read into the
//! lent buffer and decoded before it goes back, so a connection that waits owns nothing but its
//! socket. Reading goes on while a request is being written: a target that answers early, or that
//! does not read until it has been read from, is not a deadlock.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::exchange::{Draft, Stage};
use super::head::Hop;
use super::reply::{Answered, Reply};
use super::{Failure, FailureKind};
use crate::wire::Stream;

/// Size of the buffer replies are read into, in bytes.
const READ_SIZE: usize = 64 << 10;

/// Largest body copied behind its head, so that both leave in one packet, in bytes.
const MOST_COPIED: usize = 16 << 10;

/// Buffers of one worker, lent to whichever request is being polled.
#[derive(Debug)]
pub(super) struct Lent {
    input: Box<[u8]>,
    output: Vec<u8>,
}

impl Default for Lent {
    fn default() -> Self {
        Self { input: vec![0; READ_SIZE].into_boxed_slice(), output: Vec::new() }
    }
}

/// How a request on a connection ended, if not well.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) failure: Failure,
    pub(super) reached: Reached,
}

/// How far a request had come when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reached {
    /// No byte of it was written: only such a request may be sent again.
    Nothing,
    /// Some of it was written, so the target may have acted on it; no byte of a reply came.
    Target,
    /// A reply had begun.
    Reply,
}

/// One request on its way: what is left to write, and the reply as far as it has come.
struct Flight<'a> {
    stream: &'a mut Stream,
    lent: &'a RefCell<Lent>,
    draft: &'a mut Draft,
    reply: Reply,
    /// What of the head, and a small body behind it, the socket did not take at once.
    head: Vec<u8>,
    body: Bytes,
    /// Bytes of head and body written, of what these two hold.
    written: usize,
    writing: Writing,
    /// Whether any byte of the request was written.
    begun: bool,
    received: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writing {
    Going,
    Flushing,
    Done,
    /// The peer takes no more. It may have answered nevertheless.
    Refused,
}

/// Sends one hop's request and reads its reply into the draft.
pub(super) async fn exchange(
    stream: &mut Stream,
    lent: &RefCell<Lent>,
    hop: &Hop<'_>,
    limit: u64,
    draft: &mut Draft,
) -> Result<Answered, Broken> {
    let reply = Reply::new(hop.request.method == http::Method::HEAD, limit);
    let mut flight = Flight {
        stream,
        lent,
        draft,
        reply,
        head: Vec::new(),
        body: Bytes::new(),
        written: 0,
        writing: Writing::Going,
        begun: false,
        received: 0,
    };
    poll_fn(|cx| {
        flight.begin(cx, hop);
        Poll::Ready(())
    })
    .await;
    let ended = poll_fn(|cx| flight.poll(cx)).await;
    flight.finish(ended)
}

impl Flight<'_> {
    /// Builds the head in the lent buffer and writes as much as the socket takes at once, which
    /// is nearly always all of it. Only what is left over is copied.
    fn begin(&mut self, cx: &mut Context<'_>, hop: &Hop<'_>) {
        let lent = self.lent;
        let mut lent = lent.borrow_mut();
        let output = &mut lent.output;
        output.clear();
        hop.write(output);
        let body = &hop.request.body.bytes;
        if body.len() <= MOST_COPIED {
            output.extend_from_slice(body);
        } else {
            self.body = body.clone();
        }
        match Pin::new(&mut *self.stream).poll_write(cx, output) {
            Poll::Ready(Ok(count)) => {
                self.draft.exchange.sent += count as u64;
                self.begun = count > 0;
                self.head = output[count..].to_vec();
                if self.head.is_empty() && self.body.is_empty() {
                    self.writing = Writing::Flushing;
                }
            }
            Poll::Ready(Err(_)) => self.writing = Writing::Refused,
            Poll::Pending => self.head = output.clone(),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        self.poll_write(cx);
        self.poll_reply(cx)
    }

    /// Writes what is left of the request as far as the socket takes it.
    fn poll_write(&mut self, cx: &mut Context<'_>) {
        while self.writing == Writing::Going {
            let rest = match self.head.get(self.written..) {
                Some(rest) if !rest.is_empty() => rest,
                _ => &self.body[self.written - self.head.len()..],
            };
            if rest.is_empty() {
                self.writing = Writing::Flushing;
                break;
            }
            match Pin::new(&mut *self.stream).poll_write(cx, rest) {
                Poll::Ready(Ok(count)) if count > 0 => {
                    self.written += count;
                    self.draft.exchange.sent += count as u64;
                    self.begun = true;
                }
                Poll::Ready(_) => self.writing = Writing::Refused,
                Poll::Pending => return,
            }
        }
        if self.writing == Writing::Flushing {
            match Pin::new(&mut *self.stream).poll_flush(cx) {
                Poll::Ready(Ok(())) => {
                    self.writing = Writing::Done;
                    self.draft.enter(Stage::Wait);
                }
                Poll::Ready(Err(_)) => self.writing = Writing::Refused,
                Poll::Pending => {}
            }
        }
    }

    /// Reads and decodes until the reply is whole or nothing more is there.
    fn poll_reply(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        let lent = self.lent;
        let mut lent = lent.borrow_mut();
        loop {
            let mut buffer = ReadBuf::new(&mut lent.input);
            match Pin::new(&mut *self.stream).poll_read(cx, &mut buffer) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) if error.kind() != ErrorKind::UnexpectedEof => {
                    return Poll::Ready(Err(self.broken(read_failure(&error))));
                }
                Poll::Ready(read) => {
                    // TLS that ends without saying so may have been cut short by anyone.
                    let cut = read.is_err();
                    if buffer.filled().is_empty() {
                        return Poll::Ready(self.closed(cut));
                    }
                    if let Some(ended) = self.take(buffer.filled()) {
                        return Poll::Ready(ended);
                    }
                }
            }
        }
    }

    /// Takes bytes that came; gives the end of the reply if it is among them.
    fn take(&mut self, bytes: &[u8]) -> Option<Result<(), Broken>> {
        let first = self.received == 0;
        if first {
            self.draft.enter(Stage::Receive);
        }
        self.received += bytes.len() as u64;
        self.draft.exchange.received += bytes.len() as u64;
        let fed = self.reply.feed(bytes);
        self.draft.exchange.status = self.reply.status;
        match fed {
            Err(failure) => Some(Err(self.broken(failure))),
            Ok(_) if !self.reply.done() => None,
            Ok(used) if used < bytes.len() => {
                let extra = bytes.len() - used;
                let detail = format!("{extra} bytes after the end of the reply");
                Some(Err(self.broken(Failure::new(FailureKind::Protocol, detail))))
            }
            Ok(_) => {
                if first {
                    self.draft.came_whole();
                }
                Some(Ok(()))
            }
        }
    }

    /// The peer has closed its side.
    fn closed(&mut self, cut: bool) -> Result<(), Broken> {
        let detail = "the connection was closed without an end of TLS; the body may be cut short";
        let ended = match self.reply.end() {
            Ok(()) if cut => Err(Failure::new(FailureKind::Reset, detail)),
            ended => ended,
        };
        ended.map_err(|failure| self.broken(failure))
    }

    fn broken(&self, failure: Failure) -> Broken {
        let reached = match (self.begun, self.received) {
            (_, 1..) => Reached::Reply,
            (true, 0) => Reached::Target,
            (false, 0) => Reached::Nothing,
        };
        Broken { failure, reached }
    }

    /// Moves what came into the draft, also when it was not whole: a status that is known helps
    /// to understand a failure.
    fn finish(self, ended: Result<(), Broken>) -> Result<Answered, Broken> {
        let exchange = &mut self.draft.exchange;
        exchange.protocol = self.reply.protocol;
        exchange.headers = super::Headers::new(self.reply.fields);
        ended?;
        exchange.body = self.reply.body.into();
        let answered = self.reply.answered;
        Ok(Answered { keep: answered.keep && self.writing == Writing::Done, ..answered })
    }
}

fn read_failure(error: &io::Error) -> Failure {
    match error.kind() {
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted => {
            Failure::new(FailureKind::Reset, "the connection was reset by the target")
        }
        ErrorKind::TimedOut => {
            Failure::new(FailureKind::Timeout, "the target stopped answering on the network")
        }
        ErrorKind::InvalidData => Failure::new(FailureKind::Tls, format!("TLS: {error}")),
        _ => Failure::new(FailureKind::Reset, format!("the connection broke: {error}")),
    }
}
