//! One request on one connection: write it, read its replies, in one future without a task, a
//! channel or a buffer of its own.
//!
//! Buffers belong to the worker and are lent for the length of one poll, as in HTTP: a connection
//! that waits owns nothing but its socket, and of a reply only what has come of it. Reading goes on
//! while a long request is being written, so a pipeline that is answered early is not a deadlock.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::decode::Decoder;
use super::exchange::Stage;
use super::value::Value;
use super::{Failure, FailureKind};
use crate::wire::Stream;

/// Size of the buffer replies are read into, in bytes.
const READ_SIZE: usize = 64 << 10;

/// Buffers of one worker, lent to whichever call is being polled.
#[derive(Debug)]
pub(super) struct Lent {
    input: Box<[u8]>,
    output: Vec<u8>,
}

impl Lent {
    /// The buffer to read into.
    pub(super) fn input(&mut self) -> &mut [u8] {
        &mut self.input
    }
}

impl Default for Lent {
    fn default() -> Self {
        Self { input: vec![0; READ_SIZE].into_boxed_slice(), output: Vec::new() }
    }
}

/// One request on its way: what is left to write, and the replies as far as they have come.
struct Flight<'a> {
    stream: &'a mut Stream,
    lent: &'a RefCell<Lent>,
    stage: &'a mut Stage,
    /// What of the request the socket did not take at once.
    rest: Vec<u8>,
    /// Bytes of the rest that are written.
    written: usize,
    writing: Writing,
    decoder: Decoder,
    replies: Vec<Value>,
    /// Replies that are to come in all.
    expected: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writing {
    Going,
    Flushing,
    Done,
    /// The peer takes no more. It may have said why.
    Refused,
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
        rest: Vec::new(),
        written: 0,
        writing: Writing::Going,
        decoder: Decoder::new(limit),
        replies: Vec::with_capacity(expected),
        expected,
    };
    let mut write = Some(write);
    poll_fn(|cx| {
        if let Some(write) = write.take() {
            flight.begin(cx, write);
        }
        flight.poll_write(cx);
        flight.poll_replies(cx)
    })
    .await?;
    if flight.writing == Writing::Done {
        return Ok(flight.replies);
    }
    let detail = "the server answered before the whole command was sent";
    Err(Failure::new(FailureKind::Protocol, detail))
}

impl Flight<'_> {
    /// Builds the request in the lent buffer and writes as much as the socket takes at once, which
    /// is nearly always all of it. Only what is left over is copied.
    fn begin(&mut self, cx: &mut Context<'_>, write: impl FnOnce(&mut Vec<u8>)) {
        let lent = self.lent;
        let output = &mut lent.borrow_mut().output;
        output.clear();
        write(output);
        match Pin::new(&mut *self.stream).poll_write(cx, output) {
            Poll::Ready(Ok(count)) if count == output.len() => self.writing = Writing::Flushing,
            Poll::Ready(Ok(count)) => self.rest = output[count..].to_vec(),
            Poll::Ready(Err(_)) => self.writing = Writing::Refused,
            Poll::Pending => self.rest.clone_from(output),
        }
        if output.capacity() > READ_SIZE {
            // One large value must not keep its room for ever.
            *output = Vec::new();
        }
    }

    /// Writes what is left of the request as far as the socket takes it.
    fn poll_write(&mut self, cx: &mut Context<'_>) {
        while self.writing == Writing::Going {
            let rest = &self.rest[self.written..];
            if rest.is_empty() {
                self.writing = Writing::Flushing;
                break;
            }
            match Pin::new(&mut *self.stream).poll_write(cx, rest) {
                Poll::Ready(Ok(count)) if count > 0 => self.written += count,
                Poll::Ready(_) => self.writing = Writing::Refused,
                Poll::Pending => return,
            }
        }
        if self.writing == Writing::Flushing {
            match Pin::new(&mut *self.stream).poll_flush(cx) {
                Poll::Ready(Ok(())) => {
                    self.writing = Writing::Done;
                    *self.stage = Stage::Waiting;
                }
                Poll::Ready(Err(_)) => self.writing = Writing::Refused,
                Poll::Pending => {}
            }
        }
    }

    /// Reads and decodes until the replies are whole or nothing more is there.
    fn poll_replies(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        let lent = self.lent;
        let mut lent = lent.borrow_mut();
        loop {
            let mut buffer = ReadBuf::new(&mut lent.input);
            match Pin::new(&mut *self.stream).poll_read(cx, &mut buffer) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) if error.kind() != ErrorKind::UnexpectedEof => {
                    return Poll::Ready(Err(self.lost(read_failure(&error))));
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

/// What a failed read means.
pub(super) fn read_failure(error: &io::Error) -> Failure {
    match error.kind() {
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted => {
            Failure::new(FailureKind::Reset, "the connection was reset by the server")
        }
        ErrorKind::TimedOut => {
            Failure::new(FailureKind::Timeout, "the server stopped answering on the network")
        }
        ErrorKind::InvalidData => Failure::new(FailureKind::Tls, format!("TLS: {error}")),
        _ => Failure::new(FailureKind::Reset, format!("the connection broke: {error}")),
    }
}
