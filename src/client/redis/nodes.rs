//! Which server a call goes to, where there are several: the node of a cluster that has the key, or
//! the master that a sentinel names.
//!
//! Who is where is asked for when it is first needed and again when it turned out to be wrong: a
//! node sent a command on, or a connection broke. One user of a worker asks, the others wait for
//! the answer. A command that a node sends on was not done by it, so following it does nothing
//! twice; each step is counted, and the time of all of them is the call's.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use redis::cluster_routing::{Route, SlotAddr};
use tokio::sync::Mutex;

use super::exchange::Draft;
use super::request::{Command, Request};
use super::settings::{Door, Topology};
use super::value::Value;
use super::{Client, Place, Session};
use super::{Failure, FailureKind};

/// Most steps a command is sent on.
const MOST_REDIRECTS: u32 = 5;

/// What is known of a cluster, or of the servers behind a sentinel.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    /// Every server that was ever named; a server is the same one as long as its address is.
    known: RefCell<Vec<Rc<Place>>>,
    map: RefCell<Option<Rc<Map>>>,
    /// Whether the map turned out to be wrong.
    stale: Cell<bool>,
    /// Held by whoever asks.
    asking: Mutex<()>,
}

/// Who is where.
#[derive(Debug)]
struct Map {
    /// The node of each slot.
    routes: HashMap<Route, Rc<Place>>,
    /// The nodes that have slots, the first of them for what has no key; behind a sentinel, the master.
    masters: Vec<Rc<Place>>,
}

/// Where a node sent a command on to.
pub(super) struct Redirect {
    pub(super) place: Rc<Place>,
    /// Whether it is to be told that it was asked for (`ASKING`).
    pub(super) asking: bool,
}

impl Nodes {
    /// A connection broke: what is known may be wrong.
    pub(super) fn doubt(&self) {
        self.stale.set(true);
    }

    /// Takes what is known for right again.
    #[cfg(test)]
    pub(super) fn trust(&self) {
        self.stale.set(false);
    }

    fn current(&self) -> Option<Rc<Map>> {
        if self.stale.get() { None } else { self.map.borrow().clone() }
    }
}

/// The server a request goes to.
pub(super) async fn locate(
    client: &Client,
    session: &Session,
    request: &Request,
    draft: &mut Draft,
    limit: Duration,
) -> Result<Rc<Place>, Failure> {
    if client.settings.topology == Topology::Single {
        return client.entry().map_err(nowhere);
    }
    let map = known(client, session, draft, limit).await?;
    let route = match client.settings.topology {
        Topology::Cluster => request.route(),
        Topology::Single | Topology::Sentinel(_) => None,
    };
    match route {
        None => Ok(Rc::clone(&map.masters[0])),
        Some(route) => map.routes.get(&route).cloned().ok_or_else(|| {
            client.nodes.doubt();
            let detail = "no node of the cluster serves the key's slot";
            Failure::new(FailureKind::Server, detail)
        }),
    }
}

/// Every node of a cluster that has slots.
pub(super) async fn masters(
    client: &Client,
    session: &Session,
    draft: &mut Draft,
    limit: Duration,
) -> Result<Vec<Rc<Place>>, Failure> {
    known(client, session, draft, limit).await.map(|map| map.masters.clone())
}

/// Who is where; asked for where that is not known. Until it is, a call waits for its connection.
async fn known(
    client: &Client,
    session: &Session,
    draft: &mut Draft,
    limit: Duration,
) -> Result<Rc<Map>, Failure> {
    if let Some(map) = client.nodes.current() {
        return Ok(map);
    }
    let (begun, waited) = (draft.elapsed(), draft.waited);
    let map = Box::pin(ask(client, session, draft, limit)).await?;
    draft.waited = waited + draft.elapsed().saturating_sub(begun);
    Ok(map)
}

fn nowhere(why: String) -> Failure {
    Failure::new(FailureKind::Refused, why)
}

/// Asks who is where: the server whose address was given, or else one of those it named before.
async fn ask(
    client: &Client,
    session: &Session,
    draft: &mut Draft,
    limit: Duration,
) -> Result<Rc<Map>, Failure> {
    let _guard = client.nodes.asking.lock().await;
    if let Some(map) = client.nodes.current() {
        return Ok(map);
    }
    let entry = client.entry().map_err(nowhere)?;
    let mut servers = vec![Rc::clone(&entry)];
    if client.settings.topology == Topology::Cluster {
        servers.extend(client.nodes.known.borrow().iter().cloned());
    }
    let mut failed = None;
    for server in servers {
        match asked(client, session, &server, draft, limit).await {
            Ok(map) => {
                let map = Rc::new(map);
                client.nodes.map.replace(Some(Rc::clone(&map)));
                client.nodes.stale.set(false);
                return Ok(map);
            }
            Err(failure) => failed = Some(failure),
        }
    }
    Err(failed.unwrap_or_else(|| Failure::new(FailureKind::Refused, "no server to ask")))
}

async fn asked(
    client: &Client,
    session: &Session,
    server: &Rc<Place>,
    draft: &mut Draft,
    limit: Duration,
) -> Result<Map, Failure> {
    let question = match &client.settings.topology {
        Topology::Sentinel(name) => {
            let mut command = Command::new("SENTINEL GET-MASTER-ADDR-BY-NAME");
            command.arg(name);
            command
        }
        _ => Command::new("CLUSTER SLOTS"),
    };
    let request = Request::single(question);
    let replies = client.hop(session, server, &request, false, draft, limit).await?;
    let value = request.value(replies);
    if let Some(failure) = value.error() {
        return Err(failure.clone());
    }
    match &client.settings.topology {
        Topology::Sentinel(name) => master(client, &value).ok_or_else(|| {
            let detail = format!("the sentinel knows no master called {name:?}");
            Failure::new(FailureKind::Server, detail)
        }),
        _ => slots(client, server, &value).ok_or_else(|| {
            Failure::new(FailureKind::Server, "the cluster serves no slots: it is not set up yet")
        }),
    }
}

/// `[host, port]`.
fn master(client: &Client, value: &Value) -> Option<Map> {
    let Value::List(parts) = value else {
        return None;
    };
    let [host, port] = parts.as_slice() else {
        return None;
    };
    let port = std::str::from_utf8(port.bytes()?).ok()?.parse().ok()?;
    let host = String::from_utf8_lossy(host.bytes()?).into_owned();
    Some(Map { routes: HashMap::new(), masters: vec![client.node(host, port)] })
}

/// `[[first slot, last slot, [host, port, ...], replicas ...], ...]`.
fn slots(client: &Client, asked: &Place, value: &Value) -> Option<Map> {
    let Value::List(ranges) = value else {
        return None;
    };
    let mut routes = HashMap::new();
    let mut masters: Vec<Rc<Place>> = Vec::new();
    for range in ranges {
        let Value::List(parts) = range else {
            return None;
        };
        let [Value::Integer(begin), Value::Integer(end), Value::List(node), ..] = parts.as_slice()
        else {
            return None;
        };
        let [host, Value::Integer(port), ..] = node.as_slice() else {
            return None;
        };
        // A node that does not know its own name is the one that was asked.
        let named = host.bytes().filter(|host| !host.is_empty());
        let host = named.map_or_else(
            || asked.door.host().to_owned(),
            |host| String::from_utf8_lossy(host).into_owned(),
        );
        let place = client.node(host, u16::try_from(*port).ok()?);
        for slot in *begin..=(*end).min(16_383) {
            for reader in [SlotAddr::Master, SlotAddr::ReplicaOptional] {
                routes.insert(Route::new(slot as u16, reader), Rc::clone(&place));
            }
        }
        if !masters.iter().any(|known| Rc::ptr_eq(known, &place)) {
            masters.push(place);
        }
    }
    (!masters.is_empty()).then_some(Map { routes, masters })
}

/// Where a reply sends the request on to, if that is to be followed.
pub(super) fn redirect(client: &Client, value: &Value, draft: &Draft) -> Option<Redirect> {
    let error = value.error().filter(|error| error.kind == FailureKind::Moved)?;
    client.nodes.doubt();
    let whole = matches!(value, Value::Error(_));
    let follow = client.settings.topology == Topology::Cluster;
    if !whole || !follow || draft.exchange.redirects >= MOST_REDIRECTS {
        // A part of a pipeline may have been done.
        return None;
    }
    // `MOVED 3999 127.0.0.1:6381`
    let mut words = error.detail.split(' ');
    let asking = words.next() == Some("ASK");
    let (host, port) = words.nth(1)?.rsplit_once(':')?;
    let host =
        if host.is_empty() { client.entry().ok()?.door.host().to_owned() } else { host.to_owned() };
    Some(Redirect { place: client.node(host, port.parse().ok()?), asking })
}

impl Client {
    /// Which server what has this key goes to, told apart by a number, as far as that is known; 0 where
    /// there is one server only.
    pub fn home(&self, key: impl FnOnce() -> Option<Vec<u8>>) -> Option<usize> {
        if self.settings.topology != Topology::Cluster {
            return Some(0);
        }
        let map = self.nodes.current()?;
        let place = match key() {
            None => &map.masters[0],
            Some(key) => map.routes.get(&Route::with_key(key, SlotAddr::Master))?,
        };
        Some(Rc::as_ptr(place).addr())
    }

    /// The server at an address that another one named; spoken to as that one is.
    fn node(&self, host: String, port: u16) -> Rc<Place> {
        let entry = self.place.get();
        let door = match entry.map(|entry| &entry.door) {
            Some(Door::Tls(..)) => Door::Tls(host, port),
            _ => Door::Tcp(host, port),
        };
        let mut known = self.nodes.known.borrow_mut();
        if let Some(place) = known.iter().find(|place| place.door == door) {
            return Rc::clone(place);
        }
        let settings = &self.settings;
        let is_sentinel = matches!(settings.topology, Topology::Sentinel(_));
        let of_entry = |pick: fn(&Place) -> Option<String>| {
            entry.filter(|_| !is_sentinel).and_then(|entry| pick(entry))
        };
        let place = Rc::new(Place {
            door,
            user: settings.user.clone().or_else(|| of_entry(|entry| entry.user.clone())),
            password: settings
                .password
                .clone()
                .or_else(|| of_entry(|entry| entry.password.clone())),
            database: settings.database.unwrap_or(0),
            insecure: entry.and_then(|entry| entry.insecure.clone()),
        });
        known.push(Rc::clone(&place));
        place
    }
}
