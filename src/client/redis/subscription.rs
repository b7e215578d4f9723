//! Messages of channels: a connection that only listens.
//!
//! It is one of its own, whatever the client's settings say of connections: a server says nothing
//! else on it. Between two messages it owns no buffer, like any idle connection.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, timeout_at};

use super::decode::Decoder;
use super::exchange::{Draft, Exchange, Stage};
use super::request::Command;
use super::value::Value;
use super::{Client, LONGEST, Session, lines, nodes};
use super::{Failure, FailureKind};
use crate::wire::Stream;

/// A message of a channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// The channel it was sent to.
    pub channel: Vec<u8>,
    /// The pattern by which it was found; `None` where the channel itself was subscribed to.
    pub pattern: Option<Vec<u8>>,
    /// What was sent.
    pub text: Vec<u8>,
    /// When its last byte was read.
    pub received: Instant,
}

/// What is subscribed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Channels by name.
    Channels,
    /// Channels by patterns such as `news.*`.
    Patterns,
}

impl Interest {
    /// The command that says so.
    pub fn command(self) -> &'static str {
        match self {
            Self::Channels => "SUBSCRIBE",
            Self::Patterns => "PSUBSCRIBE",
        }
    }
}

/// A connection that listens.
pub struct Subscription {
    client: Rc<Client>,
    stream: Stream,
    decoder: Decoder,
    /// Messages that came and were not asked for yet.
    waiting: VecDeque<Message>,
    /// Subscriptions the server has not confirmed yet.
    unconfirmed: usize,
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscription").field("waiting", &self.waiting.len()).finish_non_exhaustive()
    }
}

/// Opens a connection and subscribes; the exchange is over when the server has confirmed it all.
pub(super) async fn subscribe(
    client: &Rc<Client>,
    session: &Session,
    interest: Interest,
    channels: &[Vec<u8>],
) -> (Exchange, Option<Subscription>) {
    let mut draft = Draft::new(Instant::now(), 1);
    let limit = client.settings.timeout.min(LONGEST);
    let attempt = async {
        let command = super::Request::single(Command::new("PING"));
        let place = nodes::locate(client, session, &command, &mut draft, limit).await?;
        let lines = lines::lines_of(client, session, &place);
        let stream = lines::fresh(client, session, &lines, &mut draft, limit).await?;
        let deadline = draft.exchange.started + limit;
        let decoder = Decoder::new(client.settings.reply_limit);
        let mut made = Subscription {
            client: Rc::clone(client),
            stream,
            decoder,
            waiting: VecDeque::new(),
            unconfirmed: channels.len(),
        };
        draft.stage = Stage::Waiting;
        match timeout_at(deadline, made.begin(interest, channels)).await {
            Ok(begun) => begun.map(|()| made),
            Err(_) => Err(lines::late(&draft, limit)),
        }
    };
    let ended = attempt.await;
    let mut exchange = draft.finish();
    match ended {
        Ok(subscription) => (exchange, Some(subscription)),
        Err(failure) => {
            exchange.error = Some(failure);
            (exchange, None)
        }
    }
}

impl Subscription {
    async fn begin(&mut self, interest: Interest, channels: &[Vec<u8>]) -> Result<(), Failure> {
        let mut command = Command::new(interest.command());
        for channel in channels {
            command.arg(channel);
        }
        let mut bytes = Vec::new();
        super::Request::single(command).write(&mut bytes);
        let written = self.stream.write_all(&bytes).await;
        written.map_err(|error| Failure::of_stream(&error, "server"))?;
        while self.unconfirmed > 0 {
            self.read().await?;
        }
        Ok(())
    }

    /// The next message. After a failure there are no more. It may be given up while it waits,
    /// without losing a message.
    pub async fn receive(&mut self) -> Result<Message, Failure> {
        loop {
            if let Some(message) = self.waiting.pop_front() {
                return Ok(message);
            }
            self.read().await?;
        }
    }

    /// Takes in what comes next.
    async fn read(&mut self) -> Result<(), Failure> {
        poll_fn(|cx| self.poll_read(cx)).await
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        let client = Rc::clone(&self.client);
        let mut lent = client.lent.borrow_mut();
        let mut buffer = ReadBuf::new(&mut lent.input);
        let closed = "the server closed the connection of the subscription";
        match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(error)) => Poll::Ready(Err(Failure::of_stream(&error, "server"))),
            Poll::Ready(Ok(())) if buffer.filled().is_empty() => {
                Poll::Ready(Err(Failure::new(FailureKind::Reset, closed)))
            }
            Poll::Ready(Ok(())) => Poll::Ready(self.take(buffer.filled())),
        }
    }

    fn take(&mut self, mut bytes: &[u8]) -> Result<(), Failure> {
        let received = Instant::now();
        while !bytes.is_empty() {
            let (used, value) = self.decoder.feed(bytes)?;
            bytes = &bytes[used..];
            match value {
                // A list in version 2 of the protocol.
                Some(Value::Push(parts) | Value::List(parts)) => self.told(parts, received),
                Some(Value::Error(failure)) => return Err(failure),
                Some(_) | None => {}
            }
        }
        Ok(())
    }

    /// A message, or the confirmation of a subscription.
    fn told(&mut self, parts: Vec<Value>, received: Instant) {
        let mut parts = parts.into_iter();
        let kind = parts.next();
        let mut next = || match parts.next() {
            Some(Value::Text(bytes) | Value::Status(bytes)) => bytes,
            _ => Vec::new(),
        };
        match kind.as_ref().and_then(Value::bytes) {
            Some(b"message") => {
                let message = Message { channel: next(), pattern: None, text: next(), received };
                self.waiting.push_back(message);
            }
            Some(b"pmessage") => {
                let pattern = Some(next());
                let message = Message { channel: next(), pattern, text: next(), received };
                self.waiting.push_back(message);
            }
            Some(b"subscribe" | b"psubscribe") => {
                self.unconfirmed = self.unconfirmed.saturating_sub(1);
            }
            _ => {}
        }
    }
}
