//! The client against real servers, and against servers that misbehave.

mod failures;
mod keeping;
mod replies;
mod secure;
mod several;

use std::rc::Rc;

use super::testing::{Server, answering};
use super::*;

/// A client of a server, with other settings as `change` makes them.
fn client_of(url: &str, change: impl FnOnce(&mut Settings)) -> Rc<Client> {
    let mut settings = Settings { address: Address::Url(url.to_owned()), ..Settings::default() };
    change(&mut settings);
    Client::new(settings).unwrap()
}

/// A command of its words.
fn command(words: &str) -> Command {
    Command::new(words)
}

async fn call(client: &Client, session: &Session, words: &str) -> Exchange {
    client.send(session, &Request::single(command(words))).await
}

/// The value of a command that must succeed.
async fn value(client: &Client, session: &Session, words: &str) -> Value {
    let exchange = call(client, session, words).await;
    assert!(exchange.error.is_none(), "{words}: {exchange:?}");
    exchange.value
}

/// The kind of failure of a command that must fail.
async fn failure(client: &Client, session: &Session, words: &str) -> FailureKind {
    let exchange = call(client, session, words).await;
    assert_eq!(exchange.value, Value::Nil, "{words}");
    exchange.error.unwrap_or_else(|| panic!("{words} succeeded")).kind
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

fn ok() -> Value {
    Value::Status("OK".into())
}
