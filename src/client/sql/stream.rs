//! A large answer, read a batch of rows at a time.
//!
//! The connection works in a task of its own and hands rows over through a short queue: when the
//! reader is slow the task waits, and so, when the sockets are full, does the server. Dropping the
//! stream ends the task, closes the connection, and has the server cancel what it was doing.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

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
    /// Longest the reader waits for a batch.
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
            if done.is_ok() {
                done = taking.flush().await;
            }
            (connection, done)
        }));
        Some(Self { batches, running, held, draft, limit, failure: None })
    }

    /// Has it been asked for earlier than it was.
    pub fn began(&mut self, started: Instant) {
        self.draft.began(started);
    }

    /// The next rows; `None` when there are no more, or it failed.
    pub async fn next(&mut self) -> Option<Rows> {
        if self.failure.is_some() {
            return None;
        }
        match timeout(self.limit, self.batches.recv()).await {
            Ok(Some(rows)) => return Some(rows),
            Ok(None) => {}
            Err(_) => {
                let detail = format!("no row within {:?}", self.limit);
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
        self.draft.stop();
        self.held.give_back();
        let answer = self.failure.map_or_else(|| Ok(Rows::default()), Err);
        self.draft.finish(answer)
    }
}
