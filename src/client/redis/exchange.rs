//! What came of one call.

use std::time::Duration;

use tokio::time::Instant;

use super::Failure;
use super::value::Value;

/// What came of one call, whether it succeeded or not.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// What the server replied; nil when the call failed as a whole. The replies of a pipeline are
    /// there even if some of them are errors.
    pub value: Value,
    /// Why it failed; `None` is a success. One error among a pipeline's replies makes it fail.
    pub error: Option<Failure>,
    /// When the call began. A pause before connecting again comes before it.
    pub started: Instant,
    /// From having the connection until the reply was whole or the failure known; with it the time of
    /// an attempt to connect that failed. Where a call gave up without an attempt, all the time that
    /// took, which is `wait` as well: each call has a duration, and none of no time.
    pub duration: Duration,
    /// Time until there was a connection: for a shared one to be free, for who is where in a cluster,
    /// for one to be opened. `None` where the user's own was there.
    pub wait: Option<Duration>,
    /// Connections opened, or tried, for this call.
    pub connects: u32,
    /// Those of them that failed, also where there was a connection in the end.
    pub refused: u32,
    /// Commands in it.
    pub commands: u32,
    /// Steps by which nodes of a cluster sent it on.
    pub redirects: u32,
    /// This machine, not the target, had no socket left: the failure says nothing of the target.
    pub exhausted: bool,
}

/// What a call is busy with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Queued,
    Connecting,
    /// Agreeing on TLS.
    Securing,
    Sending,
    Waiting,
    Receiving,
}

impl Stage {
    /// What a call that ran out of time in this stage was doing.
    pub(super) fn in_words(self) -> &'static str {
        match self {
            Self::Queued => "waiting for a free connection",
            Self::Connecting => "connecting",
            Self::Securing => "in the TLS handshake",
            Self::Sending => "sending the command",
            Self::Waiting => "waiting for the reply",
            Self::Receiving => "receiving the reply",
        }
    }
}

/// An exchange while it happens. It outlives the future that writes it, so a call that runs out of
/// time still says what it was doing.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) exchange: Exchange,
    pub(super) stage: Stage,
    /// Time until there was a connection, as far as it is over.
    pub(super) waited: Duration,
    /// Whether it gave up before there was one, and before it tried to open one.
    pub(super) starved: bool,
}

impl Draft {
    pub(super) fn new(started: Instant, commands: usize) -> Self {
        let exchange = Exchange {
            value: Value::Nil,
            error: None,
            started,
            duration: Duration::ZERO,
            wait: None,
            connects: 0,
            refused: 0,
            commands: commands as u32,
            redirects: 0,
            exhausted: false,
        };
        Self { exchange, stage: Stage::Queued, waited: Duration::ZERO, starved: false }
    }

    /// How long it has been going on.
    pub(super) fn elapsed(&self) -> Duration {
        self.exchange.started.elapsed()
    }

    /// It waits for one of a shared set.
    pub(super) fn queue(&mut self) {
        self.stage = Stage::Queued;
        self.exchange.wait = Some(Duration::ZERO);
    }

    /// The exchange, now that it is over.
    pub(super) fn finish(self) -> Exchange {
        let (whole, mut exchange) = (self.elapsed(), self.exchange);
        exchange.duration = if self.starved { whole } else { whole.saturating_sub(self.waited) };
        if exchange.wait.is_some() || !self.waited.is_zero() {
            exchange.wait = Some(if self.starved { whole } else { self.waited });
        }
        exchange
    }
}
