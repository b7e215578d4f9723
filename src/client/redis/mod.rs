//! Redis as a load generator needs it: what a command costs and how it failed, and as little as
//! possible in between.
//!
//! The crate reads addresses and packs commands; the connections are our own, over `wire`, for
//! HTTP's reasons: its multiplexed connection hands every command to a task and back, connects
//! again and sends again on its own, and keeps a buffer for each idle user. A [`Request`] is one
//! command or several; [`Client::send`] takes a connection (`lines`), writes, and reads the replies
//! (`flight`, `decode`). What comes of it is an [`Exchange`], whatever the server did.
//!
//! Invariants: no reply makes it panic or wait beyond the call's time limit; a connection that is
//! not known to be in order is not used again; a command of which a byte may have been written is
//! never sent again; a connection that is idle owns no buffer.

mod decode;
mod exchange;
mod flight;
mod greeting;
mod lines;
mod nodes;
mod request;
mod script;
mod settings;
mod subscription;
mod value;

use std::cell::{OnceCell, RefCell};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

pub use exchange::Exchange;
use request::Gather;
pub use request::{Command, Request};
pub use script::Script;
pub use settings::{Address, Connections, Settings, Topology, passwords_in};
pub use subscription::{Interest, Message, Subscription};
pub use value::Value;

use super::deadline::Deadline;
use super::sending::Lent;
use super::{Failure, FailureKind, Numbers};
use crate::wire::proxy::Proxy;
use crate::wire::{Connector, TlsSettings, Trust};
use exchange::Draft;
use settings::{Door, Target};

/// Longest time limit there is; what is longer is taken for this. A year is as good as none.
const LONGEST: Duration = Duration::from_hours(365 * 24);

/// Sends commands by one set of settings; one a worker and declaration.
pub struct Client {
    settings: Settings,
    /// What stands at the address, once it is known.
    place: OnceCell<Rc<Place>>,
    nodes: nodes::Nodes,
    connector: Connector,
    /// What disturbs its connections.
    link: OnceCell<Arc<Proxy>>,
    lent: RefCell<Lent>,
    /// Connections shared by all users, and the right to use one.
    shared: RefCell<Vec<Rc<lines::Lines>>>,
    permits: Semaphore,
    trust: Trust,
}

impl std::fmt::Debug for Client {
    /// Leaves out the settings: there are passwords among them.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("place", &self.place.get()).finish_non_exhaustive()
    }
}

/// What one user keeps between calls, whichever client sends them: its connections.
#[derive(Debug, Default)]
pub struct Session {
    lines: RefCell<Vec<Rc<lines::Lines>>>,
    numbers: Numbers,
    deadline: Deadline,
}

impl Session {
    /// That of a user who is known by this number in every run.
    pub fn of(user: u64) -> Self {
        Self { numbers: Numbers::of(user), ..Self::default() }
    }
}

/// One server, and who we are there.
struct Place {
    door: Door,
    user: Option<String>,
    password: Option<String>,
    database: u32,
    /// Accepts any certificate, as the address asks; `None` for the client's own rules.
    insecure: Option<Rc<Connector>>,
}

impl std::fmt::Debug for Place {
    /// Leaves out the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.door, self.database)
    }
}

impl Place {
    fn connector<'a>(&'a self, client: &'a Client) -> &'a Connector {
        self.insecure.as_deref().unwrap_or(&client.connector)
    }
}

impl Client {
    /// Checks the settings. The error says which one is wrong and what was expected.
    pub fn new(mut settings: Settings) -> Result<Rc<Self>, String> {
        settings.connect_timeout = settings.connect_timeout.min(LONGEST);
        let size = match settings.connections {
            Connections::Shared(0) => return Err("size: 0; expected at least 1".to_owned()),
            Connections::Shared(size) => size.min(Semaphore::MAX_PERMITS),
            Connections::User => 0,
        };
        let client = Self {
            place: OnceCell::new(),
            nodes: nodes::Nodes::default(),
            connector: Connector::new(&settings.tls)?,
            link: OnceCell::new(),
            lent: RefCell::default(),
            shared: RefCell::default(),
            permits: Semaphore::new(size),
            trust: Trust::default(),
            settings,
        };
        if let Address::Url(_) = &client.settings.address {
            client.entry().map_err(|error| format!("url: {error}"))?;
        }
        Ok(Rc::new(client))
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

    /// Sends a request and reads all of its replies. Whatever the server does comes back as a
    /// value, within the time limit. Several calls of one session may be under way at once, each
    /// on a connection of its own. Dropping the future closes the connection it was using.
    pub async fn send(&self, session: &Session, request: &Request) -> Exchange {
        let mut draft = Draft::new(Instant::now(), request.len());
        let ended = self.attempt(session, request, &mut draft).await;
        let mut exchange = draft.finish();
        match ended {
            Ok(value) => {
                exchange.error = value.error().map(|error| self.explained(error));
                if !matches!(value, Value::Error(_)) {
                    exchange.value = value;
                }
            }
            Err(failure) => exchange.error = Some(failure),
        }
        exchange
    }

    /// Opens a connection that listens to channels. The exchange is over when the server has
    /// confirmed them all; the connection is none of the shared ones.
    pub async fn subscribe(
        self: &Rc<Self>,
        session: &Session,
        interest: Interest,
        channels: &[Vec<u8>],
    ) -> (Exchange, Option<Subscription>) {
        subscription::subscribe(self, session, interest, channels).await
    }

    async fn attempt(
        &self,
        session: &Session,
        request: &Request,
        draft: &mut Draft,
    ) -> Result<Value, Failure> {
        let limit = self.limit(request);
        if self.settings.topology == Topology::Cluster
            && let Some(gather) = request.of_all_nodes()
        {
            return Box::pin(self.everywhere(gather, session, request, draft)).await;
        }
        let mut place = nodes::locate(self, session, request, draft, limit).await?;
        let mut asking = false;
        loop {
            let replies = self.hop(session, &place, request, asking, draft, limit).await?;
            let value = request.value(replies);
            let Some(redirect) = nodes::redirect(self, &value, draft) else {
                return Ok(value);
            };
            (place, asking) = (redirect.place, redirect.asking);
            draft.exchange.redirects += 1;
        }
    }

    /// What a server said went wrong, with what to do where that is known here.
    fn explained(&self, error: &Failure) -> Failure {
        let mut error = error.clone();
        if error.kind == FailureKind::Moved {
            error.detail += match self.settings.topology {
                Topology::Cluster => "; what is sent at once goes to the node of its first key",
                _ => "; the server is a node of a cluster: say `cluster = true`",
            };
        }
        error
    }

    /// Sends a request to each node of a cluster, one after the other; the first error is the answer.
    async fn everywhere(
        &self,
        gather: Gather,
        session: &Session,
        request: &Request,
        draft: &mut Draft,
    ) -> Result<Value, Failure> {
        let limit = self.limit(request);
        let mut whole = None;
        for place in nodes::masters(self, session, draft, limit).await? {
            let replies = self.hop(session, &place, request, false, draft, limit).await?;
            let value = request.value(replies);
            if value.error().is_some() {
                return Ok(value);
            }
            whole = Some(whole.map_or(value.clone(), |whole| gather.both(whole, value)));
        }
        Ok(whole.unwrap_or(Value::Nil))
    }

    /// Sends a request to one server and reads its replies.
    async fn hop(
        &self,
        session: &Session,
        place: &Rc<Place>,
        request: &Request,
        asking: bool,
        draft: &mut Draft,
        limit: Duration,
    ) -> Result<Vec<Value>, Failure> {
        let taken = lines::take(self, session, place, draft, limit).await;
        let (mut taken, deadline) = taken.inspect_err(|_| self.nodes.doubt())?;
        let write = |out: &mut Vec<u8>| {
            if asking {
                out.extend_from_slice(b"*1\r\n$6\r\nASKING\r\n");
            }
            request.write(out);
        };
        let expected = request.replies() + usize::from(asking);
        let stage = &mut draft.stage;
        let most = self.settings.reply_limit;
        let replied = {
            let (stream, lent) = (&mut taken.stream, &self.lent);
            let sending = pin!(flight::exchange(stream, lent, write, expected, most, stage));
            session.deadline.meet(deadline, sending).await
        };
        let replied = replied.unwrap_or_else(|| Err(lines::late(draft, limit)));
        let mut replies = replied.inspect_err(|_| {
            taken.lines.broke();
            self.trust.lose();
            self.nodes.doubt();
        })?;
        if asking {
            replies.remove(0);
        }
        let refused = |error: &Failure| error.kind == FailureKind::Exhausted;
        if replies.iter().filter_map(Value::error).any(refused) {
            // The server closes the connection behind these words.
            taken.lines.broke();
        } else {
            lines::give_back(self, taken);
        }
        Ok(replies)
    }

    /// What stands at the address, read when it is first needed: that of a service is not known
    /// before it runs.
    fn entry(&self) -> Result<Rc<Place>, String> {
        if let Some(place) = self.place.get() {
            return Ok(Rc::clone(place));
        }
        let settings = &self.settings;
        let url = settings.address.url();
        let target = Target::parse(&url.ok_or("the service the client is for is not running")?)?;
        let trusting = TlsSettings { insecure: true, ..settings.tls.clone() };
        // What is said of the server itself is not meant for the sentinel that knows it.
        let (user, password, database) = match settings.topology {
            Topology::Sentinel(_) => (None, None, None),
            _ => (settings.user.clone(), settings.password.clone(), settings.database),
        };
        let insecure = target.insecure.then(|| Connector::new(&trusting)).transpose()?;
        let place = Place {
            door: target.door,
            user: user.or(target.user),
            password: password.or(target.password),
            database: database.unwrap_or(target.database),
            insecure: insecure.map(Rc::new),
        };
        if settings.topology == Topology::Cluster && place.database > 0 {
            return Err(format!("database {}: a cluster has none but 0", place.database));
        }
        if place.user.is_some() && place.password.is_none() {
            return Err("a user without a password; expected both, or neither".to_owned());
        }
        Ok(Rc::clone(self.place.get_or_init(|| Rc::new(place))))
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
