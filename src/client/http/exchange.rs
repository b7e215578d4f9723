//! What came of one request, and how it is written down while it happens.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::fields::Headers;
use super::{Failure, FailureKind};
use crate::wire::Step;

/// What came of one request, whether it succeeded or not.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The last reply's status; 0 when no whole head arrived.
    pub status: u16,
    /// The last reply's headers, trailers after them.
    pub headers: Headers,
    /// The last reply's body, unpacked; empty when the reply was not whole or over the limit.
    pub body: Bytes,
    /// Why it failed; `None` is a success.
    pub error: Option<FailureKind>,
    /// The failure in plain words.
    pub detail: Option<String>,
    /// Where the time went; redirects are added up.
    pub timing: Timing,
    /// When `send` was called.
    pub started: Instant,
    /// From `started` until the reply was whole or the failure known; unpacking is not in it.
    pub duration: Duration,
    /// Bytes written above TLS, head and body; for HTTP/2 as they are before compression.
    pub sent: u64,
    /// Bytes read above TLS, head and body; for HTTP/2 as they are after decompression.
    pub received: u64,
    /// Connections opened, or tried, for this request.
    pub connects: u32,
    /// This machine, not the target, had no socket left: the failure says nothing of the target.
    pub exhausted: bool,
    /// Redirects followed.
    pub redirects: u8,
    /// What the last reply was spoken in.
    pub protocol: Protocol,
}

impl Exchange {
    /// A request that began then and failed just now, without having reached anybody.
    pub fn without_reply(started: Instant, failure: Failure) -> Self {
        let mut draft = Draft::new(started);
        draft.fail(failure);
        draft.stop();
        draft.exchange
    }

    /// Forgets the reply, as if the connection had broken before it came.
    pub fn lose_reply(&mut self, failure: Failure) {
        self.status = 0;
        self.headers = Headers::default();
        self.body = Bytes::new();
        self.error = Some(failure.kind);
        self.detail = Some(failure.detail);
    }
}

/// Where a request's time went. The parts add up to the duration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// Waiting for a connection of a shared set, or for room on it; also, once a process, for the
    /// system's root certificates.
    pub blocked: Duration,
    /// Resolving the host name.
    pub dns: Duration,
    /// Opening the TCP connection.
    pub connect: Duration,
    /// The TLS handshake.
    pub tls: Duration,
    /// Writing the request; for HTTP/2 this is part of `wait`.
    pub send: Duration,
    /// From the request's last byte to the reply's first.
    pub wait: Duration,
    /// From the reply's first byte to its last.
    pub receive: Duration,
}

/// A version of HTTP as it was spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    #[default]
    Http11,
    /// HTTP/2.
    Http2,
}

impl Protocol {
    /// As in a status line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
        }
    }
}

/// What a request is busy with; each has its place in [`Timing`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Blocked,
    Connecting(Step),
    Send,
    Wait,
    Receive,
}

impl Stage {
    /// What a request that ran out of time in this stage was doing.
    fn in_words(self) -> &'static str {
        match self {
            Self::Blocked => "waiting for a free connection",
            Self::Connecting(Step::Dns) => "resolving the host name",
            Self::Connecting(Step::Connect) => "connecting",
            Self::Connecting(Step::Tls) => "in the TLS handshake",
            Self::Send => "sending the request",
            Self::Wait => "waiting for the reply",
            Self::Receive => "receiving the reply",
        }
    }
}

/// An exchange while it happens. It outlives the future that writes it, so a request that runs
/// out of time still says where the time went.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) exchange: Exchange,
    stage: Stage,
    since: Instant,
    /// Whether nothing was left to come at `since`.
    whole: bool,
}

impl Draft {
    pub(super) fn new(started: Instant) -> Self {
        let exchange = Exchange {
            status: 0,
            headers: Headers::default(),
            body: Bytes::new(),
            error: None,
            detail: None,
            timing: Timing::default(),
            started,
            duration: Duration::ZERO,
            sent: 0,
            received: 0,
            connects: 0,
            exhausted: false,
            redirects: 0,
            protocol: Protocol::default(),
        };
        Self { exchange, stage: Stage::Blocked, since: started, whole: false }
    }

    /// The time from now on belongs to `stage`; that since the last call to the stage before.
    pub(super) fn enter(&mut self, stage: Stage) {
        let now = Instant::now();
        let spent = now.duration_since(self.since);
        let timing = &mut self.exchange.timing;
        *match self.stage {
            Stage::Blocked => &mut timing.blocked,
            Stage::Connecting(Step::Dns) => &mut timing.dns,
            Stage::Connecting(Step::Connect) => &mut timing.connect,
            Stage::Connecting(Step::Tls) => &mut timing.tls,
            Stage::Send => &mut timing.send,
            Stage::Wait => &mut timing.wait,
            Stage::Receive => &mut timing.receive,
        } += spent;
        self.stage = stage;
        self.since = now;
        self.whole = false;
    }

    /// The request is being sent. Where nothing was waited for, the time since the last call went to
    /// it as well, and the clock need not be asked.
    pub(super) fn sends(&mut self, waited: bool) {
        if waited {
            self.enter(Stage::Send);
        } else {
            self.stage = Stage::Send;
        }
    }

    /// The reply came in one piece, so its last byte came when its first one did.
    pub(super) fn came_whole(&mut self) {
        self.whole = true;
    }

    /// Ends the time that is measured. What the request was doing is not changed by it.
    pub(super) fn stop(&mut self) {
        if !self.whole {
            self.enter(self.stage);
        }
        self.exchange.duration = self.since.duration_since(self.exchange.started);
    }

    /// Forgets the last reply, before another one takes its place. Time goes on.
    pub(super) fn clear_reply(&mut self) {
        self.enter(Stage::Blocked);
        self.exchange.status = 0;
        self.exchange.headers = Headers::default();
        self.exchange.body = Bytes::new();
    }

    /// Counts the exchange as failed.
    pub(super) fn fail(&mut self, failure: Failure) {
        self.exchange.error = Some(failure.kind);
        self.exchange.detail = Some(failure.detail);
    }

    /// Counts the exchange as having run out of time.
    pub(super) fn time_out(&mut self, limit: Duration) {
        let doing = self.stage.in_words();
        self.fail(Failure::new(
            FailureKind::Timeout,
            format!("not done within {limit:?}: {doing}"),
        ));
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_reply_that_came_whole_ends_the_time_until_another_one_is_asked_for() {
        let second = Duration::from_secs(1);
        let mut draft = Draft::new(Instant::now());
        draft.enter(Stage::Wait);
        sleep(second).await;
        draft.enter(Stage::Receive);
        draft.came_whole();
        draft.stop();
        assert_eq!((draft.exchange.duration, draft.exchange.timing.wait), (second, second));
        draft.clear_reply();
        sleep(2 * second).await;
        draft.stop();
        draft.time_out(3 * second);
        assert_eq!(draft.exchange.duration, 3 * second);
        assert_eq!(draft.exchange.timing.blocked, 2 * second);
        let detail = draft.exchange.detail.unwrap_or_default();
        assert!(detail.ends_with("waiting for a free connection"), "{detail}");
    }
}
