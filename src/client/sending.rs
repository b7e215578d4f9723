//! A request on its way out.
//!
//! What is said is built in a buffer of the worker, lent for one poll. The socket nearly always takes
//! all of it at once; only what it leaves is copied and kept. The rest is written while the reply may
//! already be read: a peer that answers early, or that does not read until it has been read from, is
//! not a deadlock.

use std::cell::RefCell;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;

use crate::wire::Stream;

/// Size of a lent buffer, in bytes. One that was filled beyond it is let go: a single large value
/// must not keep its room for ever.
const SIZE: usize = 64 << 10;

/// Buffers of one worker, lent to whichever request is being polled.
#[derive(Debug)]
pub(super) struct Lent {
    /// What is read goes here.
    pub(super) input: Box<[u8]>,
    output: Vec<u8>,
}

impl Default for Lent {
    fn default() -> Self {
        Self { input: vec![0; SIZE].into_boxed_slice(), output: Vec::new() }
    }
}

/// What is left to write of a request.
#[derive(Debug, Default)]
pub(super) struct Sending {
    /// What the socket did not take at once.
    rest: Vec<u8>,
    /// What follows it and was never copied.
    body: Bytes,
    /// Bytes of both that are written.
    written: usize,
    writing: Writing,
    /// Bytes of the request that are written.
    pub(super) sent: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Writing {
    #[default]
    Going,
    Flushing,
    Done,
    /// The peer takes no more. It may have answered nevertheless.
    Refused,
}

impl Sending {
    /// Writes what `write` appends to the lent buffer, and the body behind it, as far as the socket
    /// takes it at once.
    pub(super) fn begin(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut Stream,
        lent: &RefCell<Lent>,
        body: Bytes,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        let output = &mut lent.borrow_mut().output;
        output.clear();
        write(output);
        self.body = body;
        match Pin::new(stream).poll_write(cx, output) {
            Poll::Ready(Ok(count)) => {
                self.sent = count as u64;
                self.rest = output[count..].to_vec();
            }
            Poll::Ready(Err(_)) => self.writing = Writing::Refused,
            Poll::Pending => self.rest.clone_from(output),
        }
        if output.capacity() > SIZE {
            *output = Vec::new();
        }
    }

    /// Writes what is left as far as the socket takes it; true when that was the last of it.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, stream: &mut Stream) -> bool {
        while self.writing == Writing::Going {
            let rest = match self.rest.get(self.written..) {
                Some(rest) if !rest.is_empty() => rest,
                _ => &self.body[self.written - self.rest.len()..],
            };
            if rest.is_empty() {
                self.writing = Writing::Flushing;
                break;
            }
            match Pin::new(&mut *stream).poll_write(cx, rest) {
                Poll::Ready(Ok(count)) if count > 0 => {
                    self.written += count;
                    self.sent += count as u64;
                }
                Poll::Ready(_) => self.writing = Writing::Refused,
                Poll::Pending => return false,
            }
        }
        if self.writing != Writing::Flushing {
            return false;
        }
        self.writing = match Pin::new(stream).poll_flush(cx) {
            Poll::Ready(Ok(())) => Writing::Done,
            Poll::Ready(Err(_)) => Writing::Refused,
            Poll::Pending => Writing::Flushing,
        };
        self.is_done()
    }

    /// Whether all of it is written.
    pub(super) fn is_done(&self) -> bool {
        self.writing == Writing::Done
    }
}
