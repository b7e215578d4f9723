//! One request on one connection: write it, read its replies, in one future without a task, a
//! channel or a buffer of its own.
//!
//! Buffers belong to the worker and are lent for the length of one poll, as in HTTP: a connection
//! that waits owns nothing but its socket, and of a reply only what has come of it. Reading goes on
//! while a long request is being written (`client/sending.rs`), as a pipeline is answered early.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::ErrorKind;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, ReadBuf};

use super::decode::Decoder;
use super::exchange::Stage;
use super::value::Value;
use super::{Failure, FailureKind};
use crate::client::sending::{Lent, Sending};
use crate::wire::Stream;

/// One request on its way: what is left to write, and the replies as far as they have come.
struct Flight<'a> {
    stream: &'a mut Stream,
    lent: &'a RefCell<Lent>,
    stage: &'a mut Stage,
    sending: Sending,
    decoder: Decoder,
    replies: Vec<Value>,
    /// Replies that are to come in all.
    expected: usize,
}

/// Sends what `write` appends to its buffer and reads so many replies to it. After a failure the
/// connection is not in order.
pub(super) async fn exchange(
    stream: &mut Stream,
    lent: &RefCell<Lent>,
    write: impl FnOnce(&mut Vec<u8>),
    expected: usize,
    limit: u64,
    stage: &mut Stage,
) -> Result<Vec<Value>, Failure> {
    *stage = Stage::Sending;
    let mut flight = Flight {
        stream,
        lent,
        stage,
        sending: Sending::default(),
        decoder: Decoder::new(limit),
        replies: Vec::with_capacity(expected),
        expected,
    };
    let mut write = Some(write);
    poll_fn(|cx| {
        if let Some(write) = write.take() {
            flight.sending.begin(cx, flight.stream, flight.lent, Bytes::new(), write);
        }
        if flight.sending.poll(cx, flight.stream) {
            *flight.stage = Stage::Waiting;
        }
        flight.poll_replies(cx)
    })
    .await?;
    if flight.sending.is_done() {
        return Ok(flight.replies);
    }
    let detail = "the server answered before the whole command was sent";
    Err(Failure::new(FailureKind::Protocol, detail))
}

impl Flight<'_> {
    /// Reads and decodes until the replies are whole or nothing more is there.
    fn poll_replies(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        let lent = self.lent;
        let mut lent = lent.borrow_mut();
        loop {
            let mut buffer = ReadBuf::new(&mut lent.input);
            match Pin::new(&mut *self.stream).poll_read(cx, &mut buffer) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) if error.kind() != ErrorKind::UnexpectedEof => {
                    return Poll::Ready(Err(self.lost(Failure::of_stream(&error, "server"))));
                }
                Poll::Ready(_) if buffer.filled().is_empty() => {
                    let detail = if self.decoder.is_within() {
                        "the server closed the connection in the middle of a reply"
                    } else {
                        "the server closed the connection without answering"
                    };
                    return Poll::Ready(Err(self.lost(Failure::new(FailureKind::Reset, detail))));
                }
                Poll::Ready(_) => {
                    if let Some(ended) = self.take(buffer.filled()).transpose() {
                        return Poll::Ready(ended);
                    }
                }
            }
        }
    }

    /// Takes bytes that came; gives the end of the replies if it is among them.
    fn take(&mut self, mut bytes: &[u8]) -> Result<Option<()>, Failure> {
        *self.stage = Stage::Receiving;
        while !bytes.is_empty() && self.replies.len() < self.expected {
            let (used, value) = self.decoder.feed(bytes)?;
            bytes = &bytes[used..];
            match value {
                // Not an answer to anything that was asked.
                None | Some(Value::Push(_)) => {}
                Some(value) => self.replies.push(value),
            }
        }
        if self.replies.len() < self.expected {
            return Ok(None);
        }
        if bytes.is_empty() {
            return Ok(Some(()));
        }
        let detail = format!("{} bytes after the end of the reply", bytes.len());
        Err(Failure::new(FailureKind::Protocol, detail))
    }

    /// The connection is gone. A server that will not serve us says so first, and that is the
    /// better reason.
    fn lost(&mut self, failure: Failure) -> Failure {
        let said = self.replies.iter().find_map(Value::error);
        match said {
            Some(said) if said.kind == FailureKind::Exhausted => said.clone(),
            _ => failure,
        }
    }
}
