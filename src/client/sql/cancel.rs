//! What a server still does for a call that was given up, and how it is told to stop.
//!
//! A call that runs out of time, or whose user is ended in the middle of it, closes its connection.
//! A server that is busy with a statement does not look: PostgreSQL and MariaDB find the connection
//! closed when they have something to say, and work, or hold a lock, until then. So a connection
//! knows its number at the server, and where it is dropped in the middle of a statement the server
//! is asked to cancel what that number is doing, as an application's driver would ask.
//!
//! Nobody waits for that, and no connection of the pool is taken for it: one more is opened, one at
//! a time, for all that is to be cancelled then, and closed after it. It is counted all the same: by
//! the next call that takes a connection, or at the end ([`Canceller::settle`]). Where the server
//! lets no other connection in, it works on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};

use super::connection::Connection;
use super::failure::Broken;
use super::settings::Database;

/// Asks one client's server to stop what was given up.
#[derive(Debug)]
pub(super) struct Canceller {
    /// Numbers of connections at the server.
    given_up: mpsc::UnboundedSender<u64>,
    asking: JoinHandle<()>,
    opened: Arc<AtomicU32>,
}

impl Canceller {
    /// One that has nothing to do yet; it may take `limit` each time it has.
    pub(super) fn new(database: Database, limit: Duration, runtime: &Handle) -> Self {
        let (given_up, numbers) = mpsc::unbounded_channel();
        let opened = Arc::new(AtomicU32::new(0));
        let asking = runtime.spawn(ask(database, limit, numbers, Arc::clone(&opened)));
        Self { given_up, asking, opened }
    }

    /// Has the server stop what it does on the connection of that number.
    pub(super) fn cancel(&self, number: u64) {
        // Fails when the runtime is gone, and then nobody is left to ask.
        let _ = self.given_up.send(number);
    }

    /// Connections opened, or tried, since it was last asked.
    pub(super) fn opened(&self) -> u32 {
        self.opened.swap(0, Relaxed)
    }

    /// Waits until the server was asked for all, but no longer than until then; connections that
    /// were not counted yet.
    pub(super) async fn settle(self, until: Instant) -> u32 {
        let Self { given_up, mut asking, opened } = self;
        drop(given_up);
        if timeout_at(until, &mut asking).await.is_err() {
            asking.abort();
        }
        opened.swap(0, Relaxed)
    }
}

/// Waits for something to cancel, connects, and cancels that and what has come meanwhile.
async fn ask(
    database: Database,
    limit: Duration,
    mut numbers: mpsc::UnboundedReceiver<u64>,
    opened: Arc<AtomicU32>,
) {
    while let Some(first) = numbers.recv().await {
        opened.fetch_add(1, Relaxed);
        let asked = timeout(limit, async {
            let mut connection = Connection::open(&database, limit).await?;
            let mut next = Some(first);
            while let Some(number) = next {
                match connection.cancel(number).await {
                    // The statement has ended meanwhile, and its connection with it.
                    Err(Broken { usable: true, .. }) => {}
                    done => done?,
                }
                next = numbers.try_recv().ok();
            }
            Ok::<(), Broken>(())
        });
        // A server that cannot be told is no failure of any call. What it did may be over when it can
        // be told again, and the number somebody else's: what has come meanwhile is let go too.
        if !matches!(asked.await, Ok(Ok(()))) {
            while numbers.try_recv().is_ok() {}
        }
    }
}
