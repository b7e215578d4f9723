//! A large answer, read a batch of rows at a time.
//!
//! The connection works in a task of its own and hands rows over through a short queue: when the
//! reader is slow the task waits, and so, when the sockets are full, does the server. Dropping the
//! stream ends the task, closes the connection, and has the server cancel what it was doing.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::connection::Connection;
use super::datum::Rows;
use super::exchange::{Draft, Exchange, Trouble};
use super::failure::Broken;
use super::pool::Held;
use super::taking::Taking;
use super::{Call, Failure, FailureKind};

/// Batches that wait for their reader.
const QUEUED: usize = 2;

/// An answer under way.
#[derive(Debug)]
pub struct Stream {
    batches: mpsc::Receiver<Rows>,
    running: Task,
    /// The right to the connection, which the task has.
    held: Held,
    draft: Draft,
    /// Since when the reader does something else.
    left: Option<Instant>,
    /// How much of the time was the reader's own.
    away: Duration,
    /// Longest it may take, without the reader's own time.
    limit: Duration,
    /// The failure that ended it.
    failure: Option<Trouble>,
}

/// The task that has the connection; it ends when nobody waits for it any more.
#[derive(Debug)]
struct Task(JoinHandle<(Connection, Result<(), Broken>)>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Whether it failed between two rows, and not over what one of them holds.
fn is_between_rows(trouble: &Trouble) -> bool {
    matches!(trouble, Trouble::Failed(failure) if failure.kind != FailureKind::TooLarge)
}

impl Stream {
    pub(super) fn new(
        mut held: Held,
        draft: Draft,
        call: Call,
        limit: Duration,
        batch: u64,
    ) -> Option<Self> {
        let mut connection = held.lend()?;
        let (sender, batches) = mpsc::channel(QUEUED);
        let running = Task(tokio::spawn(async move {
            let mut taking = Taking::hand_on(batch, sender);
            let mut done = connection.run(&call, &mut taking).await;
            // What came before a failure is handed on before it; of a row that could not be read the
            // half is not.
            if done.as_ref().err().is_none_or(|broken| is_between_rows(&broken.trouble)) {
                let flushed = taking.flush().await;
                done = done.and(flushed);
            }
            (connection, done)
        }));
        Some(Self {
            batches,
            running,
            held,
            draft,
            left: None,
            away: Duration::ZERO,
            limit,
            failure: None,
        })
    }

    /// Has it been asked for earlier than it was.
    pub fn began(&mut self, started: Instant) {
        self.draft.began(started);
    }

    /// The next rows; `None` when there are no more, or it failed.
    pub async fn next(&mut self) -> Option<Rows> {
        self.back();
        let rows = self.receive().await;
        self.left = Some(Instant::now());
        rows
    }

    /// The reader is back: the time since it left was its own.
    fn back(&mut self) {
        if let Some(left) = self.left.take() {
            self.away += left.elapsed();
        }
    }

    async fn receive(&mut self) -> Option<Rows> {
        if self.failure.is_some() {
            return None;
        }
        match timeout_at(self.draft.until(self.limit) + self.away, self.batches.recv()).await {
            Ok(Some(rows)) => return Some(rows),
            Ok(None) => {}
            Err(_) => {
                let detail = format!("not done within {:?}", self.limit);
                self.fail(Trouble::failed(FailureKind::Timeout, detail));
                return None;
            }
        }
        // The queue ends with the task.
        match (&mut self.running.0).await {
            Ok((connection, Ok(()))) => self.held.returned(Some(connection)),
            Ok((connection, Err(broken))) => {
                self.held.returned(broken.usable.then_some(connection));
                self.fail(broken.trouble);
            }
            Err(_) => self.fail(Trouble::failed(FailureKind::Reset, "the connection was lost")),
        }
        None
    }

    fn fail(&mut self, trouble: Trouble) {
        self.failure = Some(trouble);
        self.running.0.abort();
    }

    /// How it failed, when it did.
    pub fn failure(&self) -> Option<&Failure> {
        match &self.failure {
            Some(Trouble::Failed(failure)) => Some(failure),
            _ => None,
        }
    }

    /// The whole of it as one exchange, without the rows. A connection in the middle of an answer
    /// is closed.
    pub fn finish(mut self) -> Exchange {
        self.back();
        self.draft.stop();
        self.held.give_back();
        let answer = self.failure.map_or_else(|| Ok(Rows::default()), Err);
        let mut exchange = self.draft.finish(answer);
        exchange.duration = exchange.duration.saturating_sub(self.away);
        exchange
    }
}
