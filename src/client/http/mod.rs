//! HTTP as a load generator needs it.

mod body;
mod exchange;
mod expect;
mod request;
mod settings;

use std::rc::Rc;

pub use body::{Body, Multipart};
pub use exchange::{Exchange, Headers, Protocol, Timing};
pub use expect::Expect;
pub use request::Request;
pub use settings::{Auth, Base, Connections, Settings, Version};

pub use crate::wire::{Identity, TlsSettings};

/// Most redirects one request may follow.
pub const MOST_REDIRECTS: u8 = 10;

/// Sends requests by one set of settings; one a worker and declaration.
#[derive(Debug)]
pub struct Client {}

/// What one user keeps between requests, whichever client sends them: idle connections and cookies.
#[derive(Debug, Default)]
pub struct Session {}

impl Client {
    /// Checks the settings. The error says which one is wrong and what was expected.
    pub fn new(_settings: Settings) -> Result<Rc<Self>, String> {
        todo!()
    }

    /// Sends a request and reads the whole reply. Whatever the target does comes back as a value,
    /// within the time limit. Several requests of one session may be under way at once. Dropping
    /// the future closes the connection it was using. Needs a tokio runtime, not a `LocalSet`.
    #[allow(clippy::unused_async, reason = "the body follows")]
    pub async fn send(&self, _session: &Session, _request: Request) -> Exchange {
        todo!()
    }
}
