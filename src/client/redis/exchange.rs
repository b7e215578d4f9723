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
    /// From `started` until the reply was whole or the failure known.
    pub duration: Duration,
    /// How long it waited for a shared connection to be free; `None` for a user's own.
    pub wait: Option<Duration>,
    /// Connections opened, or tried, for this call.
    pub connects: u32,
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
            commands: commands as u32,
            redirects: 0,
            exhausted: false,
        };
        Self { exchange, stage: Stage::Queued }
    }
}
