//! Which connection carries a call: kept by its user, or shared by all; and how one is opened.
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
use super::request::Command;
use super::settings::{Connections, Door};
use super::value::Value;
use super::{Client, Place, Session, flight};
use super::{Failure, FailureKind};
use crate::wire::{Alpn, Stream, Trust};

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
}

impl Lines {
    pub(super) fn new(place: &Rc<Place>) -> Self {
        Self {
            place: Rc::clone(place),
            idle: RefCell::default(),
            failed: Cell::new(0),
            resume: Cell::new(None),
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
            self.lost();
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

    /// A connection broke, or could not be opened.
    pub(super) fn lost(&self) {
        let failed = self.failed.get();
        self.failed.set(failed.saturating_add(1));
        let most = PAUSE.saturating_mul(1 << failed.min(8)).min(LONGEST_PAUSE);
        // Right after the first loss the server may well be there; later at least half is waited.
        let least = if failed == 0 { Duration::ZERO } else { most / 2 };
        let pause = least + most.saturating_sub(least).mul_f64(chance());
        self.resume.set(Some(Instant::now() + pause));
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
    let deadline = draft.exchange.started + limit;
    let mut permit = None;
    if matches!(client.settings.connections, Connections::Shared(_)) {
        let begun = Instant::now();
        let right = timeout_at(deadline, client.permits.acquire()).await;
        // The semaphore is never closed.
        permit = right.map_err(|_| late(draft, limit))?.ok();
        draft.exchange.wait = Some(draft.exchange.wait.unwrap_or_default() + begun.elapsed());
    }
    if let Some(stream) = lines.kept(&client.trust).await {
        return Ok((Taken { stream, lines, permit }, deadline));
    }
    let (stream, deadline) = fresh(client, session, &lines, draft, limit).await?;
    Ok((Taken { stream, lines, permit }, deadline))
}

/// A connection that was opened now, after the pause that may be due.
pub(super) async fn fresh(
    client: &Client,
    session: &Session,
    lines: &Lines,
    draft: &mut Draft,
    limit: Duration,
) -> Result<(Stream, Instant), Failure> {
    while let Some(resume) = lines.pause() {
        let paused = Instant::now();
        sleep_until(resume).await;
        // As if the call had been made later: the server has no part in the pause.
        draft.exchange.started += paused.elapsed();
    }
    let place = &lines.place;
    let connect_timeout = client.settings.connect_timeout;
    let deadline = draft.exchange.started + limit;
    draft.stage = Stage::Connecting;
    draft.exchange.connects += 1;
    let patience = Instant::now() + connect_timeout;
    let opening = deadline.min(patience);
    let opened = timeout_at(opening, Box::pin(open(client, session, place, draft))).await;
    let opened = opened.unwrap_or_else(|_| {
        let within = if deadline < patience { limit } else { connect_timeout };
        let detail = format!("no connection to {} within {within:?}", place.door);
        Err(Failure::new(FailureKind::Timeout, detail))
    });
    match opened {
        Ok(stream) => {
            lines.failed.set(0);
            Ok((stream, deadline))
        }
        Err(failure) => {
            lines.lost();
            Err(failure)
        }
    }
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
    let most = match client.settings.connections {
        Connections::User => MOST_IDLE,
        Connections::Shared(size) => size,
    };
    taken.lines.keep(taken.stream, most);
    // The next one in the queue must find the connection when it gets the permit.
    drop(taken.permit);
}

/// Opens a connection and says who we are.
pub(super) async fn open(
    client: &Client,
    session: &Session,
    place: &Place,
    draft: &mut Draft,
) -> Result<Stream, Failure> {
    let connector = place.connector(client);
    let limit = client.settings.connect_timeout;
    let via = client.link.get().map(|link| session.numbers.through(link));
    let opened = match &place.door {
        Door::Unix(path) => connector.connect_unix(path).await,
        Door::Tcp(host, port) => connector
            .connect(host, *port, None, limit, via, &mut |_| {})
            .await
            .map(|open| open.stream),
        Door::Tls(host, port) => {
            let alpn = Some(Alpn::Nothing);
            connector
                .connect(host, *port, alpn, limit, via, &mut |_| {})
                .await
                .map(|open| open.stream)
        }
    };
    let mut stream = opened.map_err(|error| {
        draft.exchange.exhausted = error.exhausted;
        Failure::from(error)
    })?;
    let greeting = greeting(client.settings.protocol, place);
    if !greeting.is_empty() {
        greet(client, &mut stream, &greeting).await?;
    }
    Ok(stream)
}

/// What is said on a fresh connection: the protocol, who we are, which database.
fn greeting(protocol: u8, place: &Place) -> Vec<Command> {
    let mut greeting = Vec::new();
    let user = place.user.as_deref();
    if protocol == 3 {
        let mut hello = Command::new("HELLO 3");
        if let Some(password) = &place.password {
            hello.arg("AUTH").arg(user.unwrap_or("default")).arg(password);
        }
        greeting.push(hello);
    } else if let Some(password) = &place.password {
        let mut auth = Command::new("AUTH");
        if let Some(user) = user {
            auth.arg(user);
        }
        auth.arg(password);
        greeting.push(auth);
    }
    if place.database != 0 {
        let mut select = Command::new("SELECT");
        select.arg(place.database.to_string());
        greeting.push(select);
    }
    greeting
}

async fn greet(client: &Client, stream: &mut Stream, greeting: &[Command]) -> Result<(), Failure> {
    let request = super::Request::pipeline(greeting.to_vec());
    let limit = client.settings.reply_limit;
    let write = |out: &mut Vec<u8>| request.write(out);
    let mut stage = Stage::Connecting;
    let replies =
        flight::exchange(stream, &client.lent, write, request.replies(), limit, &mut stage).await?;
    match replies.iter().find_map(Value::error) {
        None => Ok(()),
        Some(failure) if failure.detail.starts_with("ERR unknown command") => {
            let detail =
                format!("{}; a server before version 6 needs `protocol = 2`", failure.detail);
            Err(Failure::new(failure.kind, detail))
        }
        Some(failure) => Err(failure.clone()),
    }
}
