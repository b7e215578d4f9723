//! One request over as many hops as its redirects ask for, and each hop over a connection: a kept
//! one that is still good, or a fresh one (`lines`).
//!
//! Invariant: a request of which a byte was written is never sent again. A browser would, when a
//! kept connection breaks; here it would hide the target's failures and do its work twice.

use std::rc::Rc;

use super::exchange::{Draft, Stage};
use super::h1::{self, Broken, Reached};
use super::head::Hop;
use super::idle::Line;
use super::origin::Origin;
use super::reply::Answered;
use super::request::Request;
use super::settings::Connections;
use super::{Client, MOST_REDIRECTS, Place, Session, lines, redirect, unpack};
use super::{Failure, FailureKind};

/// The failure of a request that reached a kept connection's other end, or was on its way there.
const UNANSWERED: &str = "the target closed the kept-alive connection without answering";

/// Sends a request, follows where it leads, and writes everything into the draft. When it returns
/// the draft's time has been stopped.
pub(super) async fn send(
    client: &Client,
    session: &Session,
    request: &mut Request,
    draft: &mut Draft,
) -> Result<(), Failure> {
    let most = request.redirects.unwrap_or(client.settings.redirects).min(MOST_REDIRECTS);
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
        let answered = answered?;
        let status = draft.exchange.status;
        if most == 0 || !redirect::leads_on(status) {
            return conclude(client, request, answered, draft);
        }
        let Some(location) = draft.exchange.headers.find("location") else {
            return conclude(client, request, answered, draft);
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
}

/// What is left to do when the last reply is there, and the time has been stopped.
fn conclude(
    client: &Client,
    request: &Request,
    answered: Answered,
    draft: &mut Draft,
) -> Result<(), Failure> {
    let settings = &client.settings;
    let exchange = &mut draft.exchange;
    if settings.decompress
        && answered.packed
        && !exchange.body.is_empty()
        && let Some(codings) = exchange.headers.joined("content-encoding")
    {
        let packed = std::mem::take(&mut exchange.body);
        exchange.body = unpack::unpack(&codings, packed, settings.body_limit)?;
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
    Ok(Place { origin: found.map_err(nowhere)?, prefix: None })
}

fn nowhere(why: String) -> Failure {
    Failure::new(FailureKind::Refused, why)
}

/// Sends one request over one connection. Another one is tried only when the first, kept from
/// before, was found closed before a byte of the request was written.
async fn hop(
    client: &Client,
    session: &Session,
    request: &Request,
    place: &Place,
    abroad: bool,
    draft: &mut Draft,
) -> Result<Answered, Failure> {
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
    let (taken, answered) = loop {
        let mut taken = lines::take(client, session, origin, draft).await?;
        let waited = taken.waited();
        let exchanged = match &mut taken.line {
            Line::H1(stream) => {
                draft.sends(waited);
                h1::exchange(stream, &client.lent, &hop, settings.body_limit, draft).await
            }
            // Boxed: what only few requests need must not make all futures large.
            Line::H2(link) => Box::pin(link.exchange(&hop, settings.body_limit, draft)).await,
        };
        match exchanged {
            Ok(answered) => break (taken, answered),
            Err(Broken { failure, reached }) => {
                let given_up = taken.reused && failure.kind == FailureKind::Reset;
                match reached {
                    Reached::Nothing if given_up => {
                        lines::forget(client, session, &taken);
                        draft.enter(Stage::Blocked);
                    }
                    Reached::Target if given_up => {
                        client.trust.lose();
                        return Err(Failure::new(FailureKind::Reset, UNANSWERED));
                    }
                    _ => return Err(failure),
                }
            }
        }
    };
    if answered.sets_cookie
        && let Some(jar) = jar
    {
        jar.keep(origin, prefix, request.path(), &draft.exchange.headers);
    }
    lines::give_back(client, session, origin, taken, answered);
    Ok(answered)
}
