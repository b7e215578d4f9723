//! HTTP/1.1 on one connection: write the request, read the reply, in one future without a task,
//! a channel or a buffer of its own.
//!
//! Buffers belong to the worker and are lent for the length of one poll: bytes are read into the
//! lent buffer and decoded before it goes back, so a connection that waits owns nothing but its
//! socket. Reading goes on while a request is being written (`client/sending.rs`).

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::ErrorKind;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, ReadBuf};

use super::exchange::{Draft, Stage};
use super::head::Hop;
use super::reply::{Answered, Reply};
use super::{Failure, FailureKind};
use crate::client::sending::{Lent, Sending};
use crate::wire::Stream;

/// Largest body copied behind its head, so that both leave in one packet, in bytes.
const MOST_COPIED: usize = 16 << 10;

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
    sending: Sending,
    received: u64,
    /// Whether anything of the reply itself has come.
    begun: bool,
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
    let sending = Sending::default();
    let mut flight = Flight { stream, lent, draft, reply, sending, received: 0, begun: false };
    poll_fn(|cx| {
        flight.begin(cx, hop);
        Poll::Ready(())
    })
    .await;
    let ended = poll_fn(|cx| flight.poll(cx)).await;
    flight.finish(ended)
}

impl Flight<'_> {
    /// Begins to write: the head, and a small body behind it, from the lent buffer.
    fn begin(&mut self, cx: &mut Context<'_>, hop: &Hop<'_>) {
        let body = &hop.request.body.bytes;
        let is_copied = body.len() <= MOST_COPIED;
        let behind = if is_copied { Bytes::new() } else { body.clone() };
        self.sending.begin(cx, self.stream, self.lent, behind, |output| {
            hop.write(output);
            if is_copied {
                output.extend_from_slice(body);
            }
        });
        self.draft.exchange.sent += self.sending.sent;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        self.poll_write(cx);
        self.poll_reply(cx)
    }

    /// Writes what is left of the request as far as the socket takes it.
    fn poll_write(&mut self, cx: &mut Context<'_>) {
        let before = self.sending.sent;
        if self.sending.poll(cx, self.stream) {
            self.draft.enter(Stage::Wait);
        }
        self.draft.exchange.sent += self.sending.sent - before;
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
                    return Poll::Ready(Err(self.broken(Failure::of_stream(&error, "target"))));
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
        let first = !self.begun;
        if first {
            self.draft.enter(Stage::Receive);
            self.begun = true;
        }
        self.received += bytes.len() as u64;
        self.draft.exchange.received += bytes.len() as u64;
        let fed = self.reply.feed(bytes);
        self.draft.exchange.status = self.reply.status;
        match fed {
            Err(failure) => Some(Err(self.broken(failure))),
            Ok(_) if self.reply.is_interim() => {
                // The reply itself is still waited for.
                self.draft.enter(Stage::Wait);
                self.begun = false;
                None
            }
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
        let reached = match (self.sending.sent, self.received) {
            (_, 1..) => Reached::Reply,
            (1.., 0) => Reached::Target,
            (0, 0) => Reached::Nothing,
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
        Ok(Answered { keep: answered.keep && self.sending.is_done(), ..answered })
    }
}
