//! One request over as many hops as its redirects ask for, and each hop over a connection: a kept
//! one that is still good, or a fresh one.

use std::rc::Rc;

use tokio::sync::SemaphorePermit;

use super::exchange::{Draft, Stage};
use super::h1::{self, Answered, Broken};
use super::h2::Link;
use super::head::Hop;
use super::idle::{Idle, Line};
use super::origin::Origin;
use super::request::Request;
use super::settings::{Connections, Version};
use super::{Client, MOST_REDIRECTS, Place, Session, redirect, unpack};
use super::{Failure, FailureKind};
use crate::wire::{Alpn, ConnectError, ConnectFailure};

/// Most connections one user keeps while idle, over all hosts.
const MOST_IDLE: usize = 8;

/// Most HTTP/2 connections kept at once, over all hosts.
const MOST_LINKS: usize = 1_000;

/// A connection for one hop.
struct Taken<'a> {
    line: Line,
    /// Whether it has carried a request before.
    reused: bool,
    /// The right to one of a shared set, given back when the hop is over.
    permit: Option<SemaphorePermit<'a>>,
}

/// Sends a request, follows where it leads, and writes everything into the draft. When it returns
/// the draft's time has been stopped.
pub(super) async fn send(
    client: &Client,
    session: &Session,
    request: &mut Request,
    draft: &mut Draft,
) -> Result<(), Failure> {
    let most = request
        .redirects
        .unwrap_or(client.settings.redirects)
        .min(MOST_REDIRECTS);
    let mut first: Option<Rc<Origin>> = None;
    loop {
        let place = match locate(client, request) {
            Ok(place) => place,
            Err(failure) => {
                draft.stop();
                return Err(failure);
            }
        };
        let home = first.get_or_insert_with(|| Rc::clone(&place.origin));
        let abroad = !Rc::ptr_eq(home, &place.origin);
        let answered = hop(client, session, request, &place, abroad, draft).await;
        draft.stop();
        answered?;
        let status = draft.exchange.status;
        if most == 0 || !redirect::leads_on(status) {
            break;
        }
        let Some(location) = draft.exchange.headers.find("location") else {
            break;
        };
        if draft.exchange.redirects >= most {
            let to = String::from_utf8_lossy(location);
            let detail = format!("more than {most} redirects, the last to {to}");
            return Err(Failure::new(FailureKind::Protocol, detail));
        }
        let prefix = place.prefix.as_deref().unwrap_or_default();
        let from = format!("{}{prefix}{}", place.origin.url(), request.path());
        *request = redirect::follow(request.clone(), status, &from, location)?;
        draft.exchange.redirects += 1;
        draft.clear_reply();
    }
    conclude(client, request, draft)
}

/// What is left to do when the last reply is there, and the time has been stopped.
fn conclude(client: &Client, request: &Request, draft: &mut Draft) -> Result<(), Failure> {
    let settings = &client.settings;
    let exchange = &mut draft.exchange;
    if settings.decompress
        && !exchange.body.is_empty()
        && let Some(codings) = exchange.headers.text("content-encoding")
    {
        let packed = std::mem::take(&mut exchange.body);
        exchange.body = unpack::unpack(codings, packed, settings.body_limit)?;
    }
    let expect = request.expect.as_ref().unwrap_or(&settings.expect);
    if expect.accepts(exchange.status) {
        return Ok(());
    }
    let detail = format!("status {}, expected {expect}", exchange.status);
    Err(Failure::new(FailureKind::Status, detail))
}

/// Where a request leads.
fn locate(client: &Client, request: &Request) -> Result<Place, Failure> {
    let found = match (&request.origin, request.place()) {
        (Some(origin), _) => Ok(Rc::clone(origin)),
        (None, Some(place)) => client.origins.find(place),
        (None, None) => return client.base().map_err(nowhere),
    };
    Ok(Place {
        origin: found.map_err(nowhere)?,
        prefix: None,
    })
}

fn nowhere(why: String) -> Failure {
    Failure::new(FailureKind::Refused, why)
}

/// Sends one request over one connection, or over a second one if the first had been given up by
/// the target while it was idle: no byte of a reply came, so it is what every browser does too.
async fn hop(
    client: &Client,
    session: &Session,
    request: &Request,
    place: &Place,
    abroad: bool,
    draft: &mut Draft,
) -> Result<(), Failure> {
    let settings = &client.settings;
    let origin = &place.origin;
    let prefix = place.prefix.as_deref().unwrap_or_default();
    let jar = settings.cookies.then_some(&session.jar);
    let hop = Hop {
        request,
        origin,
        prefix,
        defaults: &client.defaults,
        cookies: jar.and_then(|jar| jar.header(origin, prefix, request.path())),
        abroad,
        close: settings.connections == Connections::New,
    };
    let mut taken = take(client, session, origin, draft).await?;
    let answered = loop {
        let exchanged = match &mut taken.line {
            Line::H1(stream) => {
                h1::exchange(stream, &client.lent, &hop, settings.body_limit, draft).await
            }
            // Boxed, here and below: what only few requests need must not make all futures large.
            Line::H2(link) => Box::pin(link.exchange(&hop, settings.body_limit, draft)).await,
        };
        match exchanged {
            Ok(answered) => break answered,
            Err(Broken {
                unanswered: true, ..
            }) if taken.reused => {
                draft.enter(Stage::Blocked);
                draft.clear_reply();
                kept_by(client, session).forget(origin);
                taken.line = Box::pin(open(client, origin, draft)).await?;
                taken.reused = false;
            }
            Err(Broken { failure, .. }) => return Err(failure),
        }
    };
    if answered.sets_cookie
        && let Some(jar) = jar
    {
        jar.keep(origin, prefix, request.path(), &draft.exchange.headers);
    }
    give_back(client, session, origin, taken, answered);
    Ok(())
}

/// Where connections are kept.
fn kept_by<'a>(client: &'a Client, session: &'a Session) -> &'a Idle {
    match client.settings.connections {
        Connections::Shared(_) => &client.shared,
        Connections::User | Connections::New => &session.idle,
    }
}

/// A connection to an origin: a kept one that is in order, or a fresh one.
async fn take<'a>(
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
                return Ok(Taken {
                    line: Line::H2(link),
                    reused: true,
                    permit: None,
                });
            }
            Shared::Permit(right) => permit = Some(right),
        }
    }
    if client.settings.connections != Connections::New {
        while let Some(mut line) = idle.take(origin) {
            let good = match &mut line {
                Line::H1(stream) => h1::is_fresh(stream, &client.lent).await,
                Line::H2(_) => true,
            };
            if good {
                return Ok(Taken {
                    line,
                    reused: true,
                    permit,
                });
            }
        }
    }
    if permit.is_some() {
        // Those of other origins make room, so that the set as a whole keeps to its size.
        idle.trim_h1(client.permits.available_permits());
    }
    let line = Box::pin(open(client, origin, draft)).await?;
    if let Line::H2(link) = &line
        && client.settings.connections != Connections::New
    {
        idle.put(origin, Line::H2(Rc::clone(link)), MOST_LINKS);
        permit = None;
    }
    Ok(Taken {
        line,
        reused: false,
        permit,
    })
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
        return client
            .permits
            .try_acquire()
            .map_or(Shared::Link(link), Shared::Permit);
    }
    // The semaphore is never closed.
    let Ok(permit) = client.permits.acquire().await else {
        std::future::pending().await
    };
    match client.shared.least_busy(origin) {
        Some((link, _)) => Shared::Link(link),
        None => Shared::Permit(permit),
    }
}

async fn open(client: &Client, origin: &Origin, draft: &mut Draft) -> Result<Line, Failure> {
    let settings = &client.settings;
    draft.exchange.connects += 1;
    let alpn = origin.tls.then_some(match settings.version {
        Version::Auto => Alpn::Either,
        Version::H1 => Alpn::H1,
        Version::H2PriorKnowledge => Alpn::H2,
    });
    let mut begins = |step| draft.enter(Stage::Connecting(step));
    let limit = settings.connect_timeout;
    let connected = client
        .connector
        .connect(&origin.host, origin.port, alpn, limit, &mut begins)
        .await;
    let connected = connected.map_err(unconnected)?;
    if connected.h2 || settings.version == Version::H2PriorKnowledge {
        return Ok(Line::H2(Rc::new(Link::open(connected.stream).await?)));
    }
    Ok(Line::H1(connected.stream))
}

fn unconnected(error: ConnectError) -> Failure {
    let kind = match error.failure {
        ConnectFailure::Dns => FailureKind::Dns,
        ConnectFailure::Refused => FailureKind::Refused,
        ConnectFailure::Timeout => FailureKind::Timeout,
        ConnectFailure::Tls => FailureKind::Tls,
        ConnectFailure::Reset => FailureKind::Reset,
    };
    Failure::new(kind, error.detail)
}

/// Keeps a connection that may carry another request; one that may not is closed.
fn give_back(
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
