//! Attempts to open a connection: each a call's own, and beside it.
//!
//! A call whose turn it is has a task connect, and stands in the line meanwhile: where it is handed a
//! connection that is given back, it need not wait for a server that is slow to let it in. The attempt
//! then goes on, and what it opens is for the next in the line, or for later. A call that gives up, or
//! is ended, gives its attempt up with it.
//!
//! An attempt is begun only while fewer are under way than calls stand in the line. Each of those has
//! the right to a connection and none, so with all that are open there are never more than the pool may
//! have.

use std::panic::resume_unwind;
use std::rc::{Rc, Weak};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::connection::Connection;
use super::failure::Broken;
use super::pool::Pool;
use super::settings::Database;
use super::{Failure, FailureKind, Trouble, lost};

/// Most attempts under way.
const MOST: usize = 4;

/// The turn to make an attempt. Dropping it makes room for the next.
#[derive(Debug)]
pub(super) struct Turn(Weak<Pool>);

/// An attempt under way, and the call that made it.
pub(super) struct Attempt {
    pool: Rc<Pool>,
    task: JoinHandle<()>,
    opened: oneshot::Receiver<Result<Connection, Broken>>,
    /// Whether it goes on when its call does not wait for it any more.
    goes_on: bool,
}

impl Turn {
    /// The turn, when there is room for another attempt.
    pub(super) async fn new(pool: &Rc<Pool>) -> Self {
        loop {
            let ended = pool.attempt_ended.notified();
            if pool.attempts.get() < MOST.min(pool.line.len()) {
                pool.attempts.update(|attempts| attempts + 1);
                return Self(Rc::downgrade(pool));
            }
            ended.await;
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(pool) = self.0.upgrade() {
            pool.attempts.update(|attempts| attempts - 1);
            pool.attempt_ended.notify_one();
        }
    }
}

impl Attempt {
    /// Has a task of the local runtime connect.
    pub(super) fn begin(pool: &Rc<Pool>, database: Rc<Database>, turn: Turn) -> Self {
        let (sender, opened) = oneshot::channel();
        let (settings, client) = (pool.settings(), Rc::downgrade(pool));
        let (limit, patience) = (settings.connect_timeout, settings.timeout);
        let learns_number = settings.cancel;
        let task = tokio::task::spawn_local(async move {
            let opening = open(&database, patience, learns_number);
            let opened = timeout(limit, opening)
                .await
                .unwrap_or_else(|_| Err(Trouble::Failed(not_connected(limit)).into()));
            // Where the client is gone nobody is left to use it.
            let Some(pool) = client.upgrade() else { return };
            let opened = pool.came(&database, opened);
            drop(turn);
            if let Err(unwanted) = sender.send(opened) {
                pool.left_over(unwanted);
            }
        });
        Self { pool: Rc::clone(pool), task, opened, goes_on: false }
    }

    /// What comes of it.
    pub(super) async fn opened(&mut self) -> Result<Connection, Broken> {
        match (&mut self.opened).await {
            Ok(opened) => opened,
            // The task has panicked.
            Err(_) => match (&mut self.task).await {
                Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
                _ => Err(lost()),
            },
        }
    }

    /// Its call has a connection: it goes on without.
    pub(super) fn leave(mut self) {
        self.goes_on = true;
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if let Ok(opened) = self.opened.try_recv() {
            self.pool.left_over(opened);
        } else if !self.goes_on {
            self.task.abort();
        }
    }
}

async fn open(
    database: &Database,
    patience: Duration,
    learns_number: bool,
) -> Result<Connection, Broken> {
    let mut connection = Connection::open(database, patience).await?;
    if learns_number {
        connection.learn_number().await?;
    }
    Ok(connection)
}

pub(super) fn not_connected(limit: Duration) -> Failure {
    Failure::new(FailureKind::Timeout, format!("not connected within {limit:?}"))
}
