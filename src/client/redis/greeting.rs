//! Opening a connection: to the door of a server, and the first words there.

use super::exchange::{Draft, Stage};
use super::request::Command;
use super::settings::Door;
use super::value::Value;
use super::{Client, Place, Session, flight};
use super::{Failure, FailureKind};
use crate::wire::{Alpn, Step, Stream};

/// Opens a connection and says who we are.
pub(super) async fn greeted(
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
                .connect(host, *port, alpn, limit, via, &mut |step| {
                    if step == Step::Tls {
                        draft.stage = Stage::Securing;
                    }
                })
                .await
                .map(|open| open.stream)
        }
    };
    let mut stream = opened.map_err(|error| {
        draft.exchange.exhausted = error.exhausted;
        Failure::from(error)
    })?;
    draft.stage = Stage::Connecting;
    let greeting = greeting(client.settings.protocol, place);
    if !greeting.is_empty() {
        let greeted = greet(client, &mut stream, &greeting).await;
        greeted.map_err(|failure| without_tls(&place.door, failure))?;
    }
    Ok(stream)
}

/// A server that ends a plain connection at our first words may want others.
fn without_tls(door: &Door, failure: Failure) -> Failure {
    if failure.kind != FailureKind::Reset || !matches!(door, Door::Tcp(..)) {
        return failure;
    }
    let detail = format!("{}, at our first words; does it want `rediss://`?", failure.detail);
    Failure { detail, ..failure }
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
