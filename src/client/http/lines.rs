//! Which connection carries a request: kept by its user, shared by all, or made for it alone.

use std::rc::Rc;

use tokio::sync::SemaphorePermit;

use super::exchange::{Draft, Stage};
use super::h2::Link;
use super::idle::{Idle, Line};
use super::origin::Origin;
use super::reply::Answered;
use super::settings::{Connections, Version};
use super::{Client, Failure, Session};
use crate::wire::Alpn;

/// Most connections one user keeps while idle, over all hosts.
const MOST_IDLE: usize = 8;

/// Most HTTP/2 connections kept at once, over all hosts.
const MOST_LINKS: usize = 1_000;

/// A connection for one hop.
pub(super) struct Taken<'a> {
    pub(super) line: Line,
    /// Whether it has carried a request before.
    pub(super) reused: bool,
    /// The right to one of a shared set, given back when the hop is over.
    permit: Option<SemaphorePermit<'a>>,
}

impl Taken<'_> {
    /// Whether it had to be waited for.
    pub(super) fn waited(&self) -> bool {
        !self.reused || self.permit.is_some()
    }
}

/// Where connections are kept.
fn kept_by<'a>(client: &'a Client, session: &'a Session) -> &'a Idle {
    match client.settings.connections {
        Connections::Shared(_) => &client.shared,
        Connections::User | Connections::New => &session.idle,
    }
}

/// A connection to an origin: a kept one that is in order, or a fresh one.
pub(super) async fn take<'a>(
    client: &'a Client,
    session: &Session,
    origin: &Rc<Origin>,
    draft: &mut Draft,
) -> Result<Taken<'a>, Failure> {
    let mut permit = None;
    let idle = kept_by(client, session);
    if let Connections::Shared(size) = client.settings.connections {
        match share(client, origin, size).await {
            Shared::Link(link) => {
                return Ok(Taken { line: Line::H2(link), reused: true, permit: None });
            }
            Shared::Permit(right) => permit = Some(right),
        }
    }
    if client.settings.connections != Connections::New {
        while let Some(mut line) = idle.take(origin) {
            let good = match &mut line {
                Line::H1(stream) => stream.is_quiet(&client.trust).await,
                Line::H2(_) => true,
            };
            if good {
                return Ok(Taken { line, reused: true, permit });
            }
        }
    }
    if permit.is_some() {
        // Those of other origins make room, so that the set as a whole keeps to its size.
        idle.trim_h1(client.permits.available_permits());
    }
    let line = Box::pin(open(client, session, origin, draft)).await?;
    if let Line::H2(link) = &line
        && client.settings.connections != Connections::New
    {
        idle.put(origin, Line::H2(Rc::clone(link)), MOST_LINKS);
        permit = None;
    }
    Ok(Taken { line, reused: false, permit })
}

/// What a request gets of a shared set.
enum Shared<'a> {
    /// An HTTP/2 connection, with others on it.
    Link(Rc<Link>),
    /// The right to take or open a connection.
    Permit(SemaphorePermit<'a>),
}

/// Waits for a share of the set, first come first served. HTTP/2 connections are used by many at
/// once: another one is opened only while all are busy and the set is not complete.
async fn share<'a>(client: &'a Client, origin: &Rc<Origin>, size: usize) -> Shared<'a> {
    if let Some((link, count)) = client.shared.least_busy(origin) {
        // Two owners are the list and we ourselves.
        if count >= size || Rc::strong_count(&link) <= 2 {
            return Shared::Link(link);
        }
        return client.permits.try_acquire().map_or(Shared::Link(link), Shared::Permit);
    }
    // The semaphore is never closed.
    let Ok(permit) = client.permits.acquire().await else { std::future::pending().await };
    match client.shared.least_busy(origin) {
        Some((link, _)) => Shared::Link(link),
        None => Shared::Permit(permit),
    }
}

/// Opens a connection, as the settings and ALPN have it.
async fn open(
    client: &Client,
    session: &Session,
    origin: &Origin,
    draft: &mut Draft,
) -> Result<Line, Failure> {
    let settings = &client.settings;
    draft.exchange.connects += 1;
    let alpn = origin.tls.then_some(match settings.version {
        Version::Auto => Alpn::Either,
        Version::H1 => Alpn::H1,
        Version::H2PriorKnowledge => Alpn::H2,
    });
    let mut begins = |step| draft.enter(Stage::Connecting(step));
    let limit = settings.connect_timeout;
    let via = client.link.get().map(|link| session.numbers.through(link));
    let connected =
        client.connector.connect(&origin.host, origin.port, alpn, limit, via, &mut begins).await;
    let connected = connected.map_err(|error| {
        draft.exchange.exhausted = error.exhausted;
        Failure::from(error)
    })?;
    if connected.h2 || settings.version == Version::H2PriorKnowledge {
        return Ok(Line::H2(Rc::new(Link::open(connected.stream).await?)));
    }
    Ok(Line::H1(connected.stream))
}

/// Gives up a connection that could not take a request, so that no other one is given it.
pub(super) fn forget(client: &Client, session: &Session, taken: &Taken<'_>) {
    if let Line::H2(link) = &taken.line {
        kept_by(client, session).forget(link);
    }
}

/// Keeps a connection that may carry another request; one that may not is closed.
pub(super) fn give_back(
    client: &Client,
    session: &Session,
    origin: &Rc<Origin>,
    taken: Taken<'_>,
    answered: Answered,
) {
    let most = match client.settings.connections {
        Connections::New => return,
        Connections::User => MOST_IDLE,
        Connections::Shared(size) => size,
    };
    if answered.keep && matches!(taken.line, Line::H1(_)) {
        kept_by(client, session).put(origin, taken.line, most);
    }
    // The next one in the queue must find the connection when it gets the permit.
    drop(taken.permit);
}
