//! Which connection carries a call: kept by its user, or shared by all; and when one is opened.
//!
//! Connecting again is never a burst. Whoever lost a connection, or could not open one, pauses
//! before the next attempt: up to a tenth of a second after a loss, then longer with every attempt
//! that fails, by chance within a range, so that ten thousand users whose server died do not come
//! back in one moment. The pause is not part of the call's time: it is ours, not the server's.

use std::cell::{Cell, RefCell};
use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::SemaphorePermit;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::exchange::{Draft, Stage};
use super::settings::Connections;
use super::{Client, Place, Session, greeting};
use super::{Failure, FailureKind};
use crate::client::line::Line;
use crate::wire::{Stream, Trust};

/// Most connections one user keeps to one server while idle.
const MOST_IDLE: usize = 8;

/// Longest pause after a connection was lost; doubled with each attempt that fails.
const PAUSE: Duration = Duration::from_millis(100);

/// Longest pause there is.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// Connections to one server, and how it is with connecting to it.
#[derive(Debug)]
pub(super) struct Lines {
    place: Rc<Place>,
    idle: RefCell<Vec<Stream>>,
    /// Attempts that failed since the last that did not, a lost connection among them.
    failed: Cell<u32>,
    /// No attempt before this.
    resume: Cell<Option<Instant>>,
    /// How the last attempt failed.
    last: RefCell<Option<Box<Failure>>>,
    /// Those who wait for one of a shared set.
    line: Line<Stream>,
}

impl Lines {
    pub(super) fn new(place: &Rc<Place>) -> Self {
        Self {
            place: Rc::clone(place),
            idle: RefCell::default(),
            failed: Cell::new(0),
            resume: Cell::new(None),
            last: RefCell::default(),
            line: Line::default(),
        }
    }

    pub(super) fn leads_to(&self, place: &Rc<Place>) -> bool {
        Rc::ptr_eq(&self.place, place)
    }

    /// The connection that was used last, if it is still in order.
    async fn kept(&self, trust: &Trust) -> Option<Stream> {
        loop {
            let mut stream = self.idle.borrow_mut().pop()?;
            if stream.is_quiet(trust).await {
                return Some(stream);
            }
            self.broke();
        }
    }

    /// Keeps a connection, and at most `most` of them.
    fn keep(&self, stream: Stream, most: usize) {
        let mut idle = self.idle.borrow_mut();
        if idle.capacity() == 0 {
            // Most users only ever have one.
            idle.reserve_exact(1);
        }
        if idle.len() < most {
            idle.push(stream);
        }
    }

    /// A connection broke. Those that break while a pause is due broke by the same thing: a server that
    /// ends all connections of a shared set has not failed as often as there were.
    pub(super) fn broke(&self) {
        if self.pause().is_none() {
            self.failed_again();
        }
    }

    /// A connection broke, and no pause was due; or one could not be opened.
    pub(super) fn failed_again(&self) {
        let failed = self.failed.get();
        self.failed.set(failed.saturating_add(1));
        self.put_off(failed);
    }

    /// No attempt for as long as it takes after so many failures.
    fn put_off(&self, failed: u32) {
        let most = PAUSE.saturating_mul(1 << failed.min(8)).min(LONGEST_PAUSE);
        // Right after the first loss the server may well be there; later at least half is waited.
        let least = if failed == 0 { Duration::ZERO } else { most / 2 };
        let pause = least + most.saturating_sub(least).mul_f64(chance());
        self.resume.set(Some(Instant::now() + pause));
    }

    /// A connection was opened.
    fn opened(&self) {
        self.failed.set(0);
        self.resume.set(None);
        self.last.replace(None);
    }

    /// The turn to open one of a shared set: after the pause, and while attempts fail one at a time.
    async fn turn(&self) {
        while let Some(resume) = self.pause() {
            sleep_until(resume).await;
        }
        if let Some(failed) = self.failed.get().checked_sub(1) {
            self.put_off(failed);
        }
    }

    /// Hands a connection of a shared set to the first in the line, or keeps it where nobody is.
    fn offer(&self, stream: Stream, most: usize) {
        if let Some(stream) = self.line.hand(stream) {
            self.keep(stream, most);
        }
    }

    /// When an attempt may be made, if that is not now.
    pub(super) fn pause(&self) -> Option<Instant> {
        self.resume.get().filter(|resume| *resume > Instant::now())
    }
}

/// By chance, from 0 to 1: who failed in one moment is not to come back in one moment.
fn chance() -> f64 {
    RandomState::new().hash_one(()) as f64 / u64::MAX as f64
}

/// A connection for one call, and where it goes afterwards.
pub(super) struct Taken<'a> {
    pub(super) stream: Stream,
    pub(super) lines: Rc<Lines>,
    /// The right to one of a shared set, given back when the call is over.
    permit: Option<SemaphorePermit<'a>>,
}

/// A connection for a call, and when the call's time runs out.
pub(super) async fn take<'a>(
    client: &'a Client,
    session: &Session,
    place: &Rc<Place>,
    draft: &mut Draft,
    limit: Duration,
) -> Result<(Taken<'a>, Instant), Failure> {
    let lines = lines_of(client, session, place);
    let mut permit = None;
    let shared = match client.settings.connections {
        Connections::Shared(size) => Some(size),
        Connections::User => None,
    };
    if let Some(size) = shared {
        let begun = Instant::now();
        draft.queue();
        let right = timeout_at(draft.exchange.started + limit, client.permits.acquire()).await;
        // The semaphore is never closed.
        permit = right.map_err(|_| starved(&lines, size, draft, limit))?.ok();
        draft.waited += begun.elapsed();
    }
    let stream = match lines.kept(&client.trust).await {
        Some(stream) => stream,
        None => match shared {
            // Boxed: what only few calls need must not make all futures large.
            Some(size) => Box::pin(line_up(client, session, &lines, size, draft, limit)).await?,
            None => fresh(client, session, &lines, draft, limit).await?,
        },
    };
    Ok((Taken { stream, lines, permit }, draft.exchange.started + limit))
}

/// A connection of the shared set for a call that has the right to one and found none: the first that
/// is given back to it in turn, or one it opens.
async fn line_up(
    client: &Client,
    session: &Session,
    lines: &Lines,
    size: usize,
    draft: &mut Draft,
    limit: Duration,
) -> Result<Stream, Failure> {
    let deadline = draft.exchange.started + limit;
    let begun = Instant::now();
    let ticket = lines.line.ticket();
    // The time of the attempt that failed last: it is not waiting.
    let mut refused = Duration::ZERO;
    let ended = loop {
        let mut place = lines.line.stand(ticket, |stream| lines.offer(stream, size));
        tokio::select! {
            biased;
            stream = place.handed() => break Ok(stream),
            () = lines.turn() => {}
            () = sleep_until(deadline) => break Err(starved(lines, size, draft, limit)),
        }
        drop(place);
        let tried = Instant::now();
        let opened = open(client, session, lines, draft, limit).await;
        let late = tried.elapsed();
        match opened {
            Err(failure) if failure.kind == FailureKind::Exhausted => refused = late,
            Err(failure) => {
                refused = late;
                break Err(failure);
            }
            Ok(stream) => break Ok(stream),
        }
    };
    let failed = if ended.is_ok() { Duration::ZERO } else { refused };
    draft.waited += begun.elapsed().saturating_sub(failed);
    ended
}

/// A connection that was opened now, after the pause that may be due.
pub(super) async fn fresh(
    client: &Client,
    session: &Session,
    lines: &Lines,
    draft: &mut Draft,
    limit: Duration,
) -> Result<Stream, Failure> {
    while let Some(resume) = lines.pause() {
        let paused = Instant::now();
        sleep_until(resume).await;
        // As if the call had been made later: the server has no part in the pause.
        draft.exchange.started += paused.elapsed();
    }
    let begun = Instant::now();
    let opened = open(client, session, lines, draft, limit).await;
    if opened.is_ok() {
        draft.waited += begun.elapsed();
    }
    opened
}

/// Tries to open a connection.
async fn open(
    client: &Client,
    session: &Session,
    lines: &Lines,
    draft: &mut Draft,
    limit: Duration,
) -> Result<Stream, Failure> {
    let place = &lines.place;
    let connect_timeout = client.settings.connect_timeout;
    let deadline = draft.exchange.started + limit;
    draft.stage = Stage::Connecting;
    draft.exchange.connects += 1;
    let patience = Instant::now() + connect_timeout;
    let opening = deadline.min(patience);
    let opened =
        timeout_at(opening, Box::pin(greeting::greeted(client, session, place, draft))).await;
    let opened = opened.unwrap_or_else(|_| {
        let within = if deadline < patience { limit } else { connect_timeout };
        let detail = format!("no connection to {} within {within:?}", place.door);
        Err(Failure::new(FailureKind::Timeout, detail))
    });
    let opened = opened.map_err(|mut failure| {
        if (failure.kind, draft.stage) == (FailureKind::Timeout, Stage::Securing) {
            // A plain port waits for the end of a line that TLS does not have.
            failure.detail += "; does it speak TLS?";
        }
        failure
    });
    match &opened {
        Ok(_) => lines.opened(),
        Err(failure) => {
            draft.exchange.refused += 1;
            lines.failed_again();
            lines.last.replace(Some(Box::new(failure.clone())));
        }
    }
    opened
}

/// A call whose time was over before there was a connection of the shared set for it.
fn starved(lines: &Lines, size: usize, draft: &mut Draft, limit: Duration) -> Failure {
    draft.starved = draft.exchange.connects == 0;
    if let Some(last) = &*lines.last.borrow() {
        let told = format!("no connection within {limit:?}; the last attempt: {}", last.detail);
        return Failure::new(last.kind, told);
    }
    let told = format!("no free connection within {limit:?}: all {size} of this worker in use");
    Failure::new(FailureKind::Exhausted, told)
}

/// A call that ran out of time.
pub(super) fn late(draft: &Draft, limit: Duration) -> Failure {
    let doing = draft.stage.in_words();
    Failure::new(FailureKind::Timeout, format!("not done within {limit:?}: {doing}"))
}

/// The lines to a server, made when it is first spoken to.
pub(super) fn lines_of(client: &Client, session: &Session, place: &Rc<Place>) -> Rc<Lines> {
    let all = match client.settings.connections {
        Connections::User => &session.lines,
        Connections::Shared(_) => &client.shared,
    };
    let mut all = all.borrow_mut();
    if let Some(known) = all.iter().find(|lines| lines.leads_to(place)) {
        return Rc::clone(known);
    }
    let made = Rc::new(Lines::new(place));
    all.reserve_exact(1);
    all.push(Rc::clone(&made));
    made
}

/// Keeps a connection that may carry another call.
pub(super) fn give_back(client: &Client, taken: Taken<'_>) {
    match client.settings.connections {
        Connections::User => taken.lines.keep(taken.stream, MOST_IDLE),
        Connections::Shared(size) => taken.lines.offer(taken.stream, size),
    }
    // The next one in the queue must find the connection when it gets the permit.
    drop(taken.permit);
}
