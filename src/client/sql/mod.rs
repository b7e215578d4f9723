//! SQL as a load generator needs it: what a statement costs and how it failed, on PostgreSQL,
//! MySQL/MariaDB and SQLite. What one costs loadrun itself stands in `benches/side_by_side/sql.sh`.
//!
//! A [`Client`] has connections of its own, so many and no more (`pool`); a pool of the driver's
//! would cost three times as much a statement. [`Client::call`] waits for one, which is
//! [`Exchange::wait`], and runs a statement on it, which is [`Exchange::duration`]. Values go back
//! and forth as [`Datum`]: exactly, or as text where a script's numbers would lose something.
//!
//! Invariants: no call waits beyond its time limit; a connection in the middle of an answer, or
//! in a transaction nobody ended, is not used again, and the server is asked to stop (`cancel`);
//! nothing is ever sent a second time; a failure of the target is a [`Failure`] of the kind it is,
//! whichever database said it and how.

mod cancel;
mod connection;
mod datum;
mod exchange;
mod failure;
mod mysql;
mod nodelay;
mod opening;
mod others;
mod outage;
mod panics;
mod pool;
mod postgres;
mod settings;
mod sqlite;
mod statement;
mod stream;
mod taking;
mod transaction;
mod words;

use std::cell::RefCell;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

pub use datum::{Datum, Rows};
pub use exchange::{Exchange, Trouble};
pub use others::Others;
pub use pool::Uncounted;
pub use settings::{Address, Database, Dialect, Settings, passwords};
pub use sqlite::{Memory, Place};
pub use statement::{Statement, Traces};
pub use stream::Stream;
pub use transaction::{Begin, Isolation, Transaction};

use super::deadline::Deadline;
use super::{Failure, FailureKind};
use connection::Connection;
use exchange::{Draft, Stage};
use failure::Broken;
use pool::Pool;
use taking::Taking;

/// Longest time limit there is; what is longer is taken for this. A year is as good as none.
const LONGEST: Duration = Duration::from_hours(365 * 24);

/// One statement with its parameters.
#[derive(Clone, Debug)]
pub struct Call {
    /// The statement, with `$1` or `?` for parameters as its database has it.
    pub statement: Statement,
    /// The parameters in order.
    pub parameters: Vec<Datum>,
    /// Whether it is prepared once a connection, or anew each time.
    pub prepare: bool,
    /// What of its answer is wanted.
    pub keep: Keep,
    /// In place of the client's own.
    pub timeout: Option<Duration>,
}

/// What is wanted of an answer. All of it is read from the server in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// All rows, up to the client's limit.
    Rows,
    /// The first row.
    Row,
    /// The first column of the first row, without its name.
    Value,
}

/// What is done with a connection.
#[derive(Clone, Debug)]
pub enum Work {
    /// One statement.
    Call(Call),
    /// Several statements in one text, without parameters, not prepared.
    Batch {
        /// The statements, with semicolons between them.
        statements: Statement,
        /// In place of the client's own.
        timeout: Option<Duration>,
    },
}

impl Work {
    /// How long it may take, in place of the client's own limit.
    pub fn timeout(&self) -> Option<Duration> {
        match self {
            Self::Call(call) => call.timeout,
            Self::Batch { timeout, .. } => *timeout,
        }
    }
}

/// Runs statements on connections of its own; one a worker and declaration.
#[derive(Debug)]
pub struct Client {
    pool: Rc<Pool>,
    /// Timers of calls that have ended, for those to come.
    deadlines: RefCell<Vec<Deadline>>,
}

impl Client {
    /// A client that is not connected yet.
    pub fn new(mut settings: Settings) -> Rc<Self> {
        settings.timeout = settings.timeout.min(LONGEST);
        settings.connect_timeout = settings.connect_timeout.min(LONGEST);
        Rc::new(Self { pool: Pool::new(settings), deadlines: RefCell::default() })
    }

    /// Which database it is for; an error while a service's address is not known.
    pub fn dialect(&self) -> Result<Dialect, String> {
        self.pool.database().map(|database| database.dialect())
    }

    /// How long a call may take that does not say.
    pub fn limit(&self, own: Option<Duration>) -> Duration {
        own.unwrap_or(self.pool.settings().timeout).min(LONGEST)
    }

    /// Runs a statement. Whatever the server does comes back as a value, within the time limit.
    /// Dropping the future closes the connection it was using. Needs a local runtime with time and
    /// I/O.
    pub async fn call(&self, work: &Work) -> Exchange {
        let mut draft = Draft::new();
        let limit = self.limit(work.timeout());
        let until = draft.until(limit);
        let deadline = self.deadlines.borrow_mut().pop().unwrap_or_default();
        let answer = deadline.meet(until, pin!(self.run(work, &mut draft))).await;
        self.deadlines.borrow_mut().push(deadline);
        let answer = answer.unwrap_or_else(|| {
            draft.stop();
            Err(Trouble::Failed(self.out_of_time(&mut draft, limit)))
        });
        draft.finish(answer)
    }

    /// Begins a transaction. What it costs until its end is one exchange: this one, where it could
    /// not begin.
    pub async fn begin(
        &self,
        begin: &Begin,
        limit: Option<Duration>,
    ) -> Result<Transaction, Box<Exchange>> {
        let mut draft = Draft::new();
        let settings = self.pool.settings();
        let limit = self.limit(limit);
        let beginning = async {
            let mut held = self.pool.take(&mut draft).await?;
            let begun = held.work(async |connection| connection.begin(begin).await).await;
            begun.map(|()| held).map_err(|broken| broken.trouble)
        };
        match timeout(limit, beginning).await {
            Ok(Ok(held)) => Ok(Transaction::new(held, draft, limit, settings.result_limit)),
            Ok(Err(trouble)) => Err(Box::new(draft.ended(trouble))),
            Err(_) => {
                let failure = self.out_of_time(&mut draft, limit);
                Err(Box::new(draft.ended(Trouble::Failed(failure))))
            }
        }
    }

    /// Begins to read a large answer. What it costs until its end is one exchange: this one, where
    /// there was no connection. The reader's own time counts against no limit.
    pub async fn stream(&self, call: Call) -> Result<Stream, Box<Exchange>> {
        let mut draft = Draft::new();
        let settings = self.pool.settings();
        let limit = self.limit(call.timeout);
        match timeout(limit, self.pool.take(&mut draft)).await {
            Ok(Ok(held)) => Stream::new(held, draft, call, limit, settings.result_limit)
                .ok_or_else(|| Box::new(Draft::new().ended(lost().trouble))),
            Ok(Err(trouble)) => Err(Box::new(draft.ended(trouble))),
            Err(_) => {
                let failure = self.out_of_time(&mut draft, limit);
                Err(Box::new(draft.ended(Trouble::Failed(failure))))
            }
        }
    }

    /// Waits until the server was told of what was given up, but no longer than until then. The
    /// answer is what no call has counted.
    pub async fn settle(&self, until: Instant) -> Uncounted {
        self.pool.settle(until).await
    }

    async fn run(&self, work: &Work, draft: &mut Draft) -> Result<Rows, Trouble> {
        let mut held = match self.pool.take(draft).await {
            Ok(held) => held,
            Err(trouble) => {
                draft.stop();
                return Err(trouble);
            }
        };
        let limit = self.pool.settings().result_limit;
        let done = held.work(async |connection| perform(connection, work, limit).await).await;
        draft.stop();
        match done {
            Ok(rows) => {
                held.give_back();
                Ok(rows)
            }
            Err(Broken { trouble, usable, .. }) => {
                if usable && !self.may_be_in_transaction(work) {
                    held.give_back();
                }
                Err(trouble)
            }
        }
    }

    /// Whether work that failed may have begun a transaction and not ended it.
    fn may_be_in_transaction(&self, work: &Work) -> bool {
        let (Work::Call(Call { statement, .. }) | Work::Batch { statements: statement, .. }) = work;
        self.dialect().is_ok_and(|dialect| statement.traces(dialect).opens)
    }

    fn out_of_time(&self, draft: &mut Draft, limit: Duration) -> Failure {
        match draft.stage {
            Stage::Running => {
                Failure::new(FailureKind::Timeout, format!("not done within {limit:?}"))
            }
            _ => self.pool.starved(draft, limit),
        }
    }
}

/// What is to be done, on a connection.
async fn perform(connection: &mut Connection, work: &Work, limit: u64) -> Result<Rows, Broken> {
    match work {
        Work::Call(call) => {
            let mut taking = Taking::keep(call.keep, limit);
            connection.run(call, &mut taking).await?;
            Ok(taking.rows())
        }
        Work::Batch { statements, .. } => {
            let affected = connection.batch(statements).await?;
            Ok(Rows { affected, ..Rows::default() })
        }
    }
}

/// The failure of what took too long on a connection, which then is in the middle of something.
fn late(limit: Duration) -> Broken {
    Broken::lost(FailureKind::Timeout, format!("not done within {limit:?}"))
}

/// The failure of a connection that is not there any more.
fn lost() -> Broken {
    Broken::lost(FailureKind::Reset, "the connection was lost")
}

/// The script's mistake of giving another number of parameters than the statement has.
fn counted(expected: usize, given: usize) -> String {
    let plural = if expected == 1 { "" } else { "s" };
    format!("the statement has {expected} parameter{plural}, got {given}")
}

#[cfg(test)]
mod tests;
