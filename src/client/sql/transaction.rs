//! A transaction: one connection from BEGIN to COMMIT or ROLLBACK.
//!
//! Dropping it closes the connection, upon which the server rolls back: a user that is ended in the
//! middle leaves nothing half done.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::connection::Connection;
use super::datum::Rows;
use super::exchange::{Draft, Exchange, Trouble};
use super::failure::Broken;
use super::pool::Held;
use super::{Failure, FailureKind, Work};

/// How a transaction begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Begin {
    /// The server's own level where none is given.
    pub isolation: Option<Isolation>,
    /// Whether it may only read.
    pub read_only: bool,
}

/// How far transactions are kept from seeing each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// The weakest.
    ReadUncommitted,
    /// PostgreSQL's own.
    ReadCommitted,
    /// MySQL's own.
    RepeatableRead,
    /// As if one ran after the other.
    Serializable,
}

impl Isolation {
    /// Every level with the word scripts use for it.
    pub const ALL: [(&'static str, Self); 4] = [
        ("read uncommitted", Self::ReadUncommitted),
        ("read committed", Self::ReadCommitted),
        ("repeatable read", Self::RepeatableRead),
        ("serializable", Self::Serializable),
    ];

    pub(super) fn as_sql(self) -> &'static str {
        match self {
            Self::ReadUncommitted => "READ UNCOMMITTED",
            Self::ReadCommitted => "READ COMMITTED",
            Self::RepeatableRead => "REPEATABLE READ",
            Self::Serializable => "SERIALIZABLE",
        }
    }
}

/// A transaction under way.
#[derive(Debug)]
pub struct Transaction {
    /// There until the connection was found broken.
    held: Option<Held>,
    /// From the wish to begin to the end.
    draft: Draft,
    limit: Duration,
    result_limit: u64,
    /// Why it can only be rolled back.
    doomed: Option<Failure>,
}

impl Transaction {
    pub(super) fn new(held: Held, draft: Draft, limit: Duration, result_limit: u64) -> Self {
        Self { held: Some(held), draft, limit, result_limit, doomed: None }
    }

    /// The failure after which it can only be rolled back; nothing is sent any more.
    pub fn doomed(&self) -> Option<&Failure> {
        self.doomed.as_ref()
    }

    /// Has it been asked for earlier than it was.
    pub fn began(&mut self, started: Instant) {
        self.draft.began(started);
    }

    /// Runs a statement in it.
    pub async fn call(&mut self, work: &Work) -> Exchange {
        let limit = work.timeout().unwrap_or(self.limit);
        let mut draft = Draft::connected();
        let result_limit = self.result_limit;
        let answer = self
            .within(limit, async |connection| super::perform(connection, work, result_limit).await);
        let answer = answer.await;
        draft.stop();
        draft.finish(answer)
    }

    /// Ends it well, if no failure has doomed it; else it is rolled back.
    pub async fn commit(mut self) -> Exchange {
        if let Some(failure) = self.doomed.clone() {
            self.end("ROLLBACK").await.ok();
            return self.finish(Err(Trouble::Failed(failure)));
        }
        let ended = self.end("COMMIT").await;
        self.finish(ended)
    }

    /// Ends it as if it had not been. The failure that led there, if one did, is the answer.
    pub async fn roll_back(mut self) -> Exchange {
        let ended = self.end("ROLLBACK").await;
        let answer = match self.doomed.clone() {
            Some(failure) => Err(Trouble::Failed(failure)),
            None => ended,
        };
        self.finish(answer)
    }

    async fn end(&mut self, word: &str) -> Result<Rows, Trouble> {
        let statement = word.into();
        let ended = self.within(self.limit, async |connection| {
            connection.batch(&statement).await.map(|_| Rows::default())
        });
        ended.await
    }

    /// Gives the connection back where its transaction has come to an end, and the whole exchange.
    fn finish(mut self, answer: Result<Rows, Trouble>) -> Exchange {
        if let Some(held) = self.held.take()
            && (answer.is_ok() || self.doomed.is_some())
        {
            held.give_back();
        }
        self.draft.stop();
        self.draft.finish(answer)
    }

    /// Does something with the connection, and sees what is left of it and the transaction.
    async fn within(
        &mut self,
        limit: Duration,
        work: impl AsyncFnOnce(&mut Connection) -> Result<Rows, Broken>,
    ) -> Result<Rows, Trouble> {
        // Taken while it works: whoever drops this in the middle drops the connection.
        let mut held = self.held.take().ok_or_else(|| super::lost().trouble)?;
        let fatal = matches!(held.connection(), Some(Connection::Postgres(_)));
        let done = timeout(limit, held.work(work)).await;
        let done = done.unwrap_or_else(|_| Err(super::late(limit)));
        match done {
            Ok(rows) => {
                self.held = Some(held);
                Ok(rows)
            }
            Err(Broken { trouble, usable, .. }) => {
                if usable {
                    self.held = Some(held);
                }
                if let Trouble::Failed(failure) = &trouble
                    && (!usable || fatal || ends(failure.kind))
                {
                    self.doomed.get_or_insert_with(|| failure.clone());
                }
                Err(trouble)
            }
        }
    }
}

/// Whether a server has rolled back by itself after such a failure.
fn ends(kind: FailureKind) -> bool {
    matches!(kind, FailureKind::Deadlock | FailureKind::Serialization)
}
