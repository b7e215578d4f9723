//! HTTP as a load generator needs it: what a request costs and how it failed, and as little as
//! possible in between.
//!
//! A [`Request`] is valid by construction. [`Client::send`] takes it over as many hops as
//! redirects ask for; each hop takes a connection from where the settings keep them (`idle`),
//! speaks HTTP/1.1 by our own codec (`head` writes, `reply` and `chunked` read, `h1` moves bytes)
//! or HTTP/2 through hyper (`h2`), and is written down in a draft that survives a time limit.
//! What comes of it is an [`Exchange`], whatever the target did.
//!
//! Invariants: no reply makes it panic or wait beyond the request's time limit; a connection that
//! is not known to be in order is not used again; nothing is allocated for a header that nobody
//! asks for; a connection that is idle owns no buffer.

mod body;
mod chunked;
mod cookies;
mod exchange;
mod expect;
mod fields;
mod framing;
mod h1;
mod h2;
mod head;
mod hops;
mod idle;
mod lines;
mod origin;
mod redirect;
mod reply;
mod request;
mod settings;
mod unpack;

use std::cell::{OnceCell, RefCell};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

pub use body::{Body, Multipart};
pub use exchange::{Exchange, Protocol, Timing};
pub use expect::Expect;
pub use fields::Headers;
pub use reply::Reply;
pub use request::Request;
pub use settings::{Auth, Base, Connections, Settings, Version};

pub use crate::wire::{Identity, TlsSettings};

use super::deadline::Deadline;
use super::sending::Lent;
use super::{Failure, FailureKind, Numbers};
use crate::wire::proxy::Proxy;
use crate::wire::{Connector, Trust};
use exchange::Draft;
use origin::{Origin, Origins};

/// Most redirects one request may follow.
pub const MOST_REDIRECTS: u8 = 10;

/// Longest time limit there is; what is longer is taken for this. A year is as good as none.
const LONGEST: Duration = Duration::from_hours(365 * 24);

/// Sends requests by one set of settings; one a worker and declaration.
#[derive(Debug)]
pub struct Client {
    settings: Settings,
    defaults: head::Defaults,
    /// The base, once it is known.
    base: OnceCell<Place>,
    origins: Origins,
    connector: Connector,
    /// What disturbs its connections.
    link: OnceCell<Arc<Proxy>>,
    lent: RefCell<Lent>,
    /// Connections shared by all users, and the right to use one.
    shared: idle::Idle,
    permits: Semaphore,
    trust: Trust,
}

/// What one user keeps between requests, whichever client sends them: idle connections and cookies.
#[derive(Debug, Default)]
pub struct Session {
    idle: idle::Idle,
    jar: cookies::Jar,
    numbers: Numbers,
    deadline: Deadline,
}

impl Session {
    /// That of a user who is known by this number in every run.
    pub fn of(user: u64) -> Self {
        Self { numbers: Numbers::of(user), ..Self::default() }
    }
}

/// Where requests go: an origin, and a path put before the request's own.
#[derive(Clone, Debug)]
struct Place {
    origin: Rc<Origin>,
    /// Without a slash at its end; `None` for none.
    prefix: Option<Rc<str>>,
}

impl Client {
    /// Checks the settings. The error says which one is wrong and what was expected.
    pub fn new(mut settings: Settings) -> Result<Rc<Self>, String> {
        settings.connect_timeout = settings.connect_timeout.min(LONGEST);
        if settings.redirects > MOST_REDIRECTS {
            let asked = settings.redirects;
            return Err(format!("redirects: {asked}; expected 0 to {MOST_REDIRECTS}"));
        }
        let size = match settings.connections {
            Connections::Shared(0) => return Err("connections: 0; expected at least 1".to_owned()),
            Connections::Shared(size) => size.min(Semaphore::MAX_PERMITS),
            Connections::User | Connections::New => 0,
        };
        let client = Self {
            defaults: head::Defaults::new(&settings)?,
            base: OnceCell::new(),
            origins: Origins::default(),
            connector: Connector::new(&settings.tls)?,
            link: OnceCell::new(),
            lent: RefCell::default(),
            shared: idle::Idle::default(),
            permits: Semaphore::new(size),
            trust: Trust::default(),
            settings,
        };
        if let Some(Base::Url(_)) = &client.settings.base {
            client.base().map_err(|error| format!("base: {error}"))?;
        }
        Ok(Rc::new(client))
    }

    /// A request that this client can send: like [`Request::new`], and it knows where it leads.
    pub fn request(&self, method: &str, target: &str) -> Result<Request, String> {
        let mut request = Request::new(method, target)?;
        match request.place() {
            Some(place) => request.origin = Some(self.origins.find(place)?),
            None if self.settings.base.is_none() => {
                return Err(format!(
                    "{target:?} is a path, but the client has no base; \
                     expected \"http://...\" or a client with `base`"
                ));
            }
            None => {}
        }
        Ok(request)
    }

    /// Leads the connections it opens from now on through a proxy within the engine.
    pub fn disturb(&self, link: Arc<Proxy>) {
        // The first one stays.
        let _ = self.link.set(link);
    }

    /// The settings it was made with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// How long a request may take.
    pub fn limit(&self, request: &Request) -> Duration {
        request.timeout.unwrap_or(self.settings.timeout).min(LONGEST)
    }

    /// Sends a request and reads the whole reply. Whatever the target does comes back as a value,
    /// within the time limit. Several requests of one session may be under way at once. Dropping
    /// the future closes the connection it was using. Needs a tokio runtime with time and I/O,
    /// of any kind.
    pub async fn send(&self, session: &Session, request: &mut Request) -> Exchange {
        let started = Instant::now();
        let mut draft = Draft::new(started);
        let limit = self.limit(request);
        let met = {
            let sending = pin!(hops::send(self, session, request, &mut draft));
            session.deadline.meet(started + limit, sending).await
        };
        match met {
            Some(Ok(())) => {}
            Some(Err(failure)) => draft.fail(failure),
            None => {
                draft.stop();
                draft.time_out(limit);
            }
        }
        draft.exchange
    }

    /// The base, read when it is first needed: a service's address is not known before it runs.
    fn base(&self) -> Result<Place, String> {
        if let Some(place) = self.base.get() {
            return Ok(place.clone());
        }
        let base = self.settings.base.as_ref().ok_or("the client has no base")?;
        let base = base.resolve().ok_or("the service the client is for is not running")?;
        let url = Request::new("GET", &base)?;
        let origin = url.place().ok_or_else(|| {
            format!("malformed address {base:?}; expected \"http://host:port/path\"")
        })?;
        let path = url.path();
        if path.contains('?') {
            return Err(format!("{base:?} has a query; expected \"http://host:port/path\""));
        }
        let prefix = path.strip_suffix('/').unwrap_or(path);
        let prefix = (!prefix.is_empty()).then(|| prefix.into());
        let place = Place { origin: self.origins.find(origin)?, prefix };
        Ok(self.base.get_or_init(|| place).clone())
    }
}

#[cfg(test)]
mod tests;
