//! The connections of one client: so many and no more, first come first served.
//!
//! A connection that is free is taken at once; else the call waits in a queue for its right to one.
//! Whoever has the right and finds none free stands in a line (`line`), and takes what comes first: a
//! connection that is given back, or one it has opened in its turn (`opening`), a few at a time. When
//! that fails, the next attempt waits a little, and longer each time up to half a second, however
//! many calls want one: a server that comes back is not met by all of them at once. A call whose
//! attempt the server refused for having too many goes back to its place in the line until its time is
//! over, whether others here have a connection or not: who has one of the server's, in another worker
//! or another program, may give it up any moment, and a call fares the same whichever worker it is of.
//! Any other refusal is its answer. A worker that has no connection at all asks the others to give one
//! up (`others`): else those who came first would have them for good. A connection that is dropped while
//! the server is at work for it is cancelled there (`cancel`).

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, sleep_until};

use super::cancel::Canceller;
use super::connection::Connection;
use super::exchange::{Draft, Stage, Trouble};
use super::failure::Broken;
use super::opening::{Attempt, Turn, not_connected};
use super::outage::Outage;
use super::settings::{Database, Settings};
use super::{Failure, FailureKind};
use crate::client::line::Line;

/// Attempts in a row that failed when it is time to ask for another worker's only connection.
const IN_VAIN: u32 = 8;

/// Connections, and the right to have one.
#[derive(Debug)]
pub(super) struct Pool {
    settings: Settings,
    /// Connections nobody uses; none while somebody stands in the line.
    idle: RefCell<Vec<Connection>>,
    /// Calls that have the right to one and none.
    pub(super) line: Line<Connection>,
    /// Connections there may be besides those that are held.
    permits: Semaphore,
    /// Attempts under way to open one.
    pub(super) attempts: Cell<usize>,
    /// Wakes one who waits for the turn to make another.
    pub(super) attempt_ended: Notify,
    /// Attempts that failed when no call waited for them any more; the next call counts them.
    failed_unseen: Cell<u32>,
    /// Connections there are.
    pub(super) open: Cell<usize>,
    outage: RefCell<Outage>,
    /// Wakes those who pause when an attempt has succeeded.
    back: Notify,
    /// The database, once its address is known.
    database: RefCell<Option<Rc<Database>>>,
    /// There once something was to be cancelled.
    canceller: RefCell<Option<Canceller>>,
}

/// A connection in use, and the right to have one. Dropping it closes the connection;
/// [`Held::give_back`] keeps it for the next.
#[derive(Debug)]
pub(super) struct Held {
    /// There until it is given back, or lent.
    connection: Option<Connection>,
    pool: Rc<Pool>,
    /// The connection's number while the server is at work for it.
    at_work: Option<u64>,
}

/// Connections that were opened, or tried, and belong to no call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uncounted {
    /// Those that were opened to have the server stop what was given up.
    pub connects: u32,
    /// Attempts that failed when no call waited for them any more.
    pub refused: u32,
}

impl Pool {
    pub(super) fn new(settings: Settings) -> Rc<Self> {
        Rc::new(Self {
            permits: Semaphore::new(settings.size.clamp(1, Semaphore::MAX_PERMITS)),
            idle: RefCell::default(),
            line: Line::default(),
            attempts: Cell::new(0),
            attempt_ended: Notify::new(),
            failed_unseen: Cell::new(0),
            open: Cell::new(0),
            outage: RefCell::default(),
            back: Notify::new(),
            database: RefCell::default(),
            canceller: RefCell::default(),
            settings,
        })
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The database, read when it is first needed: a service's address is not known before it runs.
    pub(super) fn database(&self) -> Result<Rc<Database>, String> {
        if let Some(database) = &*self.database.borrow() {
            return Ok(Rc::clone(database));
        }
        let database = Rc::new(self.settings.address.resolve()?);
        *self.database.borrow_mut() = Some(Rc::clone(&database));
        Ok(database)
    }

    /// A connection: the one given back last, or a fresh one.
    pub(super) async fn take(self: &Rc<Self>, draft: &mut Draft) -> Result<Held, Trouble> {
        let (mut held, queued) = match self.try_hold() {
            Some(held) => (held, false),
            None => (self.hold().await, true),
        };
        held.connection = self.idle.borrow_mut().pop();
        if let Some(canceller) = &*self.canceller.borrow() {
            draft.connects += canceller.opened();
        }
        draft.refusals += self.failed_unseen.take();
        match held.connection {
            Some(_) if !queued => draft.run_at_once(),
            Some(_) => draft.run(),
            None => {
                // Boxed: what only few calls need must not make all futures large.
                held.connection = Some(Box::pin(self.connect(draft)).await?);
                draft.run();
            }
        }
        Ok(held)
    }

    /// The right to a connection, if one is left. Those in the queue are not overtaken: what is given
    /// back while there is one is theirs.
    fn try_hold(self: &Rc<Self>) -> Option<Held> {
        self.permits.try_acquire().ok().map(|permit| {
            permit.forget();
            self.held()
        })
    }

    /// The right to a connection, in turn.
    async fn hold(self: &Rc<Self>) -> Held {
        // The semaphore is never closed.
        if let Ok(permit) = self.permits.acquire().await {
            permit.forget();
        }
        self.held()
    }

    fn held(self: &Rc<Self>) -> Held {
        Held { connection: None, pool: Rc::clone(self), at_work: None }
    }

    /// Hands a connection to the first in the line, or keeps it where nobody is.
    fn offer(&self, connection: Connection) {
        if let Some(connection) = self.line.hand(connection) {
            self.idle.borrow_mut().push(connection);
        }
    }

    /// Has the server stop what it does on a connection that is closed here.
    fn cancel(&self, number: u64) {
        // Where no runtime is left, nobody is left to ask.
        let (Ok(runtime), Ok(database)) = (Handle::try_current(), self.database()) else { return };
        let limit = self.settings.connect_timeout;
        let mut canceller = self.canceller.borrow_mut();
        canceller
            .get_or_insert_with(|| Canceller::new((*database).clone(), limit, &runtime))
            .cancel(number);
    }

    /// Waits until the server was told of all that was given up, but no longer than until then; what
    /// no call has counted.
    pub(super) async fn settle(&self, until: Instant) -> Uncounted {
        let canceller = self.canceller.take();
        let connects = match canceller {
            Some(canceller) => canceller.settle(until).await,
            None => 0,
        };
        Uncounted { connects, refused: self.failed_unseen.take() }
    }

    /// Why a call that ran out of time had no connection.
    pub(super) fn starved(&self, draft: &mut Draft, limit: Duration) -> Failure {
        let size = self.settings.size;
        let no_connection = |last: &Failure| {
            let told = format!("no connection within {limit:?}; the last attempt: {}", last.detail);
            Failure::new(last.kind, told)
        };
        let full = || {
            let told =
                format!("no free connection within {limit:?}: all {size} of this worker in use");
            Failure::new(FailureKind::Exhausted, told)
        };
        match (&self.outage.borrow().last, draft.stage) {
            (Some(last), Stage::Queued | Stage::Paused) => no_connection(last),
            // One more attempt is under way, of a call that the server has refused before, or that
            // waited for its turn most of the time.
            (Some(last), Stage::Connecting)
                if last.kind == FailureKind::Exhausted || draft.has_just_begun(limit) =>
            {
                no_connection(last)
            }
            (_, Stage::Queued) => full(),
            // It had its right to one when its time was all but over.
            (None, _) if draft.has_queued_for_most_of(limit) => {
                draft.has_not_tried();
                full()
            }
            (_, Stage::Paused) => Failure::new(
                FailureKind::Exhausted,
                format!("no turn to connect within {limit:?}: others are connecting"),
            ),
            _ => {
                let failure = not_connected(limit);
                self.database().map_or(failure.clone(), |database| database.named(failure))
            }
        }
    }

    /// A connection for a call that has the right to one and found none: the first that is handed to it
    /// in turn, or the one it has opened.
    async fn connect(self: &Rc<Self>, draft: &mut Draft) -> Result<Connection, Trouble> {
        let ticket = self.line.ticket();
        loop {
            draft.wait_again();
            if let Some(connection) = self.idle.borrow_mut().pop() {
                return Ok(connection);
            }
            let mut place = self.line.stand(ticket, |connection| self.offer(connection));
            let turn = tokio::select! {
                biased;
                connection = place.handed() => return Ok(connection),
                turn = self.turn() => turn,
            };
            let database = self.database();
            let database = database.map_err(|why| Trouble::failed(FailureKind::Refused, why))?;
            draft.attempt();
            let mut attempt = Attempt::begin(self, database, turn);
            let opened = tokio::select! {
                biased;
                connection = place.handed() => {
                    attempt.leave();
                    return Ok(connection);
                }
                opened = attempt.opened() => opened,
            };
            let Broken { trouble, no_socket, .. } = match opened {
                Ok(connection) => return Ok(connection),
                Err(broken) => broken,
            };
            draft.no_socket = no_socket;
            draft.refusals += 1;
            match trouble {
                // There are as many as the server takes: somebody will give one back.
                Trouble::Failed(failure) if failure.kind == FailureKind::Exhausted => self.ask(),
                trouble => return Err(trouble),
            }
        }
    }

    /// Asks the other workers for a connection, where there is none here.
    fn ask(&self) {
        if self.open.get() == 0 {
            self.settings.others.ask(self.outage.borrow().failed >= IN_VAIN);
        }
    }

    /// Whether a connection that nobody uses any more is to be closed, for another worker to open one.
    fn is_to_give_one_up(&self) -> bool {
        let asked = self.settings.others.is_asked(self.open.get() > 1);
        if asked {
            self.outage.borrow_mut().step_back();
        }
        asked
    }

    /// The turn to open one. In an outage each waits for the end of its pause.
    async fn turn(self: &Rc<Self>) -> Turn {
        let turn = Turn::new(self).await;
        self.pause().await;
        turn
    }

    /// Takes note of what came of an attempt.
    pub(super) fn came(
        &self,
        database: &Database,
        opened: Result<Connection, Broken>,
    ) -> Result<Connection, Broken> {
        match opened {
            Ok(connection) => {
                self.outage.take();
                self.back.notify_waiters();
                self.open.update(|open| open + 1);
                if self.open.get() == 1 {
                    self.settings.others.is_served();
                }
                Ok(connection)
            }
            Err(Broken { trouble, usable, no_socket }) => {
                let trouble = trouble.at(database);
                if let Trouble::Failed(failure) = &trouble {
                    let mut outage = self.outage.borrow_mut();
                    outage.failed(failure);
                    if failure.kind == FailureKind::Exhausted && self.open.get() > 0 {
                        outage.step_back();
                    }
                }
                Err(Broken { trouble, usable, no_socket })
            }
        }
    }

    /// What came of an attempt that nobody waits for any more.
    pub(super) fn left_over(&self, opened: Result<Connection, Broken>) {
        match opened {
            Ok(connection) => self.offer(connection),
            Err(_) => self.failed_unseen.update(|failed| failed + 1),
        }
    }

    /// Whether the last attempt to open a connection failed.
    #[cfg(test)]
    pub(super) fn was_refused(&self) -> bool {
        self.outage.borrow().failed > 0
    }

    /// Waits until another attempt may be made. While the server is not there, one at a time is.
    async fn pause(&self) {
        loop {
            let back = self.back.notified();
            let until = self.outage.borrow().until;
            match until.filter(|until| *until > Instant::now()) {
                None => break,
                Some(until) => tokio::select! {
                    () = sleep_until(until) => {}
                    () = back => {}
                },
            }
        }
        self.outage.borrow_mut().attempt();
    }
}

impl Held {
    /// The connection, if it is here.
    pub(super) fn connection(&self) -> Option<&Connection> {
        self.connection.as_ref()
    }

    /// Has the server work on something; where that is dropped in the middle, it is cancelled.
    pub(super) async fn work<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut Connection) -> Result<T, Broken>,
    ) -> Result<T, Broken> {
        let connection = self.connection.as_mut().ok_or_else(super::lost)?;
        self.at_work = connection.number();
        let done = work(connection).await;
        self.at_work = None;
        done
    }

    /// Hands the connection to a task of its own, which has the server work until it returns it.
    pub(super) fn lend(&mut self) -> Option<Connection> {
        self.at_work = self.connection.as_ref().and_then(Connection::number);
        self.pool.open.update(|open| open - usize::from(self.connection.is_some()));
        self.connection.take()
    }

    /// Takes back a connection that was lent, if it is of more use.
    pub(super) fn returned(&mut self, connection: Option<Connection>) {
        self.at_work = None;
        self.pool.open.update(|open| open + usize::from(connection.is_some()));
        self.connection = connection;
    }

    /// Keeps the connection for the next call, if it is here and no other worker is without one.
    pub(super) fn give_back(mut self) {
        if self.connection.is_some() && self.pool.is_to_give_one_up() {
            return;
        }
        if let Some(connection) = self.connection.take() {
            self.pool.offer(connection);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(number) = self.at_work {
            self.pool.cancel(number);
        }
        // Closed before another one is opened in its place. One that was given back is there by now for
        // the next in the queue.
        if self.connection.take().is_some() {
            self.pool.open.update(|open| open - 1);
        }
        self.pool.permits.add_permits(1);
    }
}
