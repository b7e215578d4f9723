//! What comes of one statement: its rows or its failure, and where the time went.

use std::time::Duration;

use tokio::time::Instant;

use super::datum::Rows;
use super::settings::Database;
use super::{Failure, FailureKind};

/// What came of one statement, transaction or stream.
#[derive(Debug)]
pub struct Exchange {
    /// The rows, or why there are none.
    pub answer: Result<Rows, Trouble>,
    /// When it was asked for.
    pub started: Instant,
    /// Time until there was a connection, opening one included; `None` where it was there already,
    /// inside a transaction. Where there never was one, the time before the attempt that failed.
    pub wait: Option<Duration>,
    /// From having the connection to the end of the answer. Where there never was one, the time of
    /// the attempt that failed last, and without an attempt all the time it took to give up, which is
    /// [`Exchange::wait`] as well. A call has one duration whatever came of it, for calls are counted by
    /// it; a shorter one would have those that got nothing pass for quick, and none for not made.
    pub duration: Duration,
    /// Connections opened, or tried.
    pub connects: u32,
    /// Attempts that failed, also where there was a connection in the end: its own, and those of calls
    /// before it that had ended by then.
    pub refused: u32,
    /// This machine, not the target, had no socket left: the failure says nothing of the target.
    pub no_socket: bool,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The target failed; data.
    Failed(Failure),
    /// The script asked for what cannot be done: a parameter too few, a type nobody can read.
    Misused(String),
}

impl Exchange {
    /// How the target failed, if it did.
    pub fn failure(&self) -> Option<&Failure> {
        match &self.answer {
            Err(Trouble::Failed(failure)) => Some(failure),
            _ => None,
        }
    }
}

impl Trouble {
    pub(super) fn failed(kind: FailureKind, detail: impl Into<String>) -> Self {
        Self::Failed(Failure::new(kind, detail))
    }

    /// A failure to connect, which says where to.
    pub(super) fn at(self, database: &Database) -> Self {
        match self {
            Self::Failed(failure) => Self::Failed(database.named(failure)),
            misused @ Self::Misused(_) => misused,
        }
    }
}

/// What a statement is busy with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// All connections are in use by others.
    Queued,
    /// Others are connecting, or the server was not there a moment ago.
    Paused,
    Connecting,
    Running,
}

/// An exchange while it happens. It outlives the future that writes it, so a statement that runs
/// out of time still says where the time went.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) stage: Stage,
    pub(super) connects: u32,
    pub(super) refusals: u32,
    pub(super) no_socket: bool,
    started: Instant,
    /// Since when it is running, or connecting.
    since: Option<Instant>,
    /// When it was given the right to a connection, where there was none.
    stood: Option<Instant>,
    /// How long the last attempt took that failed.
    refused: Option<Duration>,
    ended: Option<Instant>,
    /// Whether waiting for a connection was part of it.
    waits: bool,
}

impl Draft {
    /// A call that begins by waiting for a connection.
    pub(super) fn new() -> Self {
        Self {
            stage: Stage::Queued,
            connects: 0,
            refusals: 0,
            no_socket: false,
            started: Instant::now(),
            since: None,
            stood: None,
            refused: None,
            ended: None,
            waits: true,
        }
    }

    /// A call that has its connection.
    pub(super) fn connected() -> Self {
        let mut draft = Self::new();
        draft.waits = false;
        draft.run();
        draft
    }

    /// Has it been asked for earlier than it was: the time until now was waiting.
    pub(super) fn began(&mut self, started: Instant) {
        self.started = started;
    }

    /// When it has taken so long since it was asked for.
    pub(super) fn until(&self, limit: Duration) -> Instant {
        self.started + limit
    }

    /// It has the right to a connection and waits for one, as it did before an attempt that failed.
    pub(super) fn wait_again(&mut self) {
        self.stage = Stage::Paused;
        self.stood.get_or_insert_with(Instant::now);
        if let Some(begun) = self.since.take() {
            self.refused = Some(begun.elapsed());
        }
    }

    /// Whether it has had the right to a connection for less than half of so long.
    pub(super) fn has_queued_for_most_of(&self, limit: Duration) -> bool {
        self.stood.is_some_and(|stood| stood.elapsed() * 2 < limit)
    }

    /// Its attempt came too late to count as one.
    pub(super) fn has_not_tried(&mut self) {
        self.since = None;
    }

    /// Whether its attempt has taken less than half of so long.
    pub(super) fn has_just_begun(&self, limit: Duration) -> bool {
        self.since.is_some_and(|begun| begun.elapsed() * 2 < limit)
    }

    /// It tries to open one.
    pub(super) fn attempt(&mut self) {
        self.stage = Stage::Connecting;
        self.connects += 1;
        self.since = Some(Instant::now());
    }

    /// There is a connection: from now on it is the server's time.
    pub(super) fn run(&mut self) {
        self.stage = Stage::Running;
        self.since = Some(Instant::now());
    }

    /// There was one at once: it is the server's time from the begin on.
    pub(super) fn run_at_once(&mut self) {
        self.stage = Stage::Running;
        self.since = Some(self.started);
    }

    /// Ends the time that is measured.
    pub(super) fn stop(&mut self) {
        self.ended = Some(Instant::now());
    }

    /// Ends it now, in trouble.
    pub(super) fn ended(mut self, trouble: Trouble) -> Exchange {
        self.stop();
        self.finish(Err(trouble))
    }

    pub(super) fn finish(self, answer: Result<Rows, Trouble>) -> Exchange {
        let ended = self.ended.unwrap_or_else(Instant::now);
        let whole = ended - self.started;
        let (wait, duration) = match (self.since, self.refused) {
            (Some(since), _) => (since - self.started, ended - since),
            (None, Some(refused)) => (whole.saturating_sub(refused), refused),
            (None, None) => (whole, whole),
        };
        Exchange {
            answer,
            started: self.started,
            wait: self.waits.then_some(wait),
            duration,
            connects: self.connects,
            refused: self.refusals,
            no_socket: self.no_socket,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn split(draft: Draft) -> (Option<Duration>, Duration) {
        let exchange = draft.ended(Trouble::failed(FailureKind::Refused, "refused"));
        (exchange.wait, exchange.duration)
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_takes_the_time_of_its_attempt_and_what_came_before_was_waiting() {
        let mut refused = Draft::new();
        advance(seconds(3)).await;
        refused.attempt();
        advance(seconds(2)).await;
        assert_eq!(split(refused), (Some(seconds(3)), seconds(2)));
        // It went back to the line after an attempt, and gave up there.
        let mut again = Draft::new();
        advance(seconds(1)).await;
        again.attempt();
        advance(seconds(2)).await;
        again.wait_again();
        advance(seconds(4)).await;
        assert_eq!(split(again), (Some(seconds(5)), seconds(2)));
        // Without an attempt all of it was in vain.
        let starved = Draft::new();
        advance(seconds(6)).await;
        assert_eq!(split(starved), (Some(seconds(6)), seconds(6)));
        let mut run = Draft::new();
        advance(seconds(1)).await;
        run.run();
        advance(seconds(2)).await;
        run.stop();
        advance(seconds(9)).await;
        let exchange = run.finish(Ok(Rows::default()));
        assert_eq!((exchange.wait, exchange.duration), (Some(seconds(1)), seconds(2)));
    }
}
