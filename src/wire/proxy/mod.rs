//! A TCP proxy whose toxics can be added, changed and taken away while connections are open.
//!
//! A [`Proxy`] is a handle; the work is done by tasks of the runtime it was opened on. What stands
//! on the proxy is one value, the *rig*, sent to everyone concerned through a watch channel: so a
//! change is one assignment, it never waits for a connection, and a connection that is stuck in a
//! write sees it all the same. Only the *door*, which listens, is waited for, since "refused" has to
//! be true when the call returns; the door itself never waits for anything but the next event.
//!
//! | file | what it knows |
//! |---|---|
//! | `within.rs` | the same for connections the engine opens itself, without a door |
//! | `door.rs` | listening, refusing, and a port that stays ours meanwhile |
//! | `pipe.rs` | one connection: two directions of bytes, backpressure, half-close, reset |
//! | `reach.rs` | whom a fault may concern |
//!
//! Not taken over from Toxiproxy: a dial that stalls other connections, a toxicity that is rolled
//! anew when another toxic is added, resets that spare open connections, and a removal that hangs.

mod door;
mod pipe;
mod reach;
mod within;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tokio::sync::watch;

pub use reach::Reach;
pub use within::Via;

use super::frame::Protocol;
use super::toxic::{Kind, Per, Rigged, Touched, Toxic};
use door::{Door, Standing};

/// What a proxy is between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where clients dial; port 0 picks a free one.
    pub listen: SocketAddr,
    /// `host:port` of the server.
    pub upstream: String,
    /// What is spoken, where that is known: then toxics may concern single requests.
    pub protocol: Option<Protocol>,
}

/// An open proxy. When it is dropped it listens no more and its connections are closed.
///
/// One *within* the engine has no door: nobody dials it, and it stands between the engine and the
/// connections that the engine opens itself.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    seed: u64,
    rig: watch::Sender<Rig>,
    /// What the door makes of the rig; `None` where there is none.
    standing: Option<watch::Receiver<Standing>>,
    traffic: Arc<Traffic>,
}

/// What stands on a proxy.
#[derive(Clone, Debug)]
struct Rig {
    /// Grows with each change.
    version: u64,
    enabled: bool,
    /// Where new connections lead.
    upstream: Arc<str>,
    /// What is spoken there.
    protocol: Option<Protocol>,
    toxics: Vec<Arc<Rigged>>,
}

impl Rig {
    /// Whether connections are let in.
    fn is_open(&self) -> bool {
        self.enabled && self.down().is_none()
    }

    /// The toxic that keeps everybody out.
    fn down(&self) -> Option<&Arc<Rigged>> {
        self.toxics.iter().find(|rigged| rigged.toxic.kind == Kind::Down)
    }
}

/// What has passed, counted.
#[derive(Debug, Default)]
struct Traffic {
    accepted: AtomicU64,
    refused: AtomicU64,
    from_clients: AtomicU64,
    upstream: AtomicU64,
    from_server: AtomicU64,
    downstream: AtomicU64,
}

/// What has passed through a proxy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// Connections accepted from clients.
    pub accepted: u64,
    /// Of these, those whose server refused or could not be reached.
    pub refused: u64,
    /// Bytes clients have sent.
    pub from_clients: u64,
    /// Bytes delivered to the server.
    pub upstream: u64,
    /// Bytes the server has sent.
    pub from_server: u64,
    /// Bytes delivered to clients.
    pub downstream: u64,
}

/// Why a proxy is not as it was asked to be.
#[derive(Debug)]
pub enum ProxyError {
    /// A toxic of that name is there already.
    Exists(String),
    /// No toxic of that name.
    Unknown(String),
    /// A toxic is for single requests, and nothing says what a request is.
    Unframed(String),
    /// It cannot listen.
    Listen(SocketAddr, io::Error),
    /// The runtime it worked on is gone.
    Gone,
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists(name) => write!(f, "there is a toxic {name:?} already"),
            Self::Unknown(name) => write!(f, "there is no toxic {name:?}"),
            Self::Unframed(name) => {
                write!(f, "the toxic {name:?} is per request, but the proxy is not told a protocol")
            }
            Self::Listen(address, error) => write!(f, "cannot listen on {address}: {error}"),
            Self::Gone => f.write_str("the proxy has ended"),
        }
    }
}

impl std::error::Error for ProxyError {}

impl Proxy {
    /// Listens, and serves on the runtime of the caller. Which connections a toxic concerns follows
    /// from the seed.
    pub fn open(route: Route, seed: u64) -> Result<Self, ProxyError> {
        let Route { listen: _, upstream, protocol } = route;
        let upstream = upstream.into();
        let rig = Rig { version: 0, enabled: true, upstream, protocol, toxics: Vec::new() };
        let (rig, seen) = watch::channel(rig);
        let traffic = Arc::new(Traffic::default());
        let door = Door::open(route.listen, seed, seen, Arc::clone(&traffic))
            .map_err(|error| ProxyError::Listen(route.listen, error))?;
        let (address, standing) = (door.address(), Some(door.standing()));
        tokio::spawn(door.serve());
        Ok(Self { address, seed, rig, standing, traffic })
    }

    /// Where clients dial.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `host:port` of the server.
    pub fn upstream(&self) -> String {
        self.rig.borrow().upstream.as_ref().to_owned()
    }

    /// What is spoken there, where that is known.
    pub fn protocol(&self) -> Option<Protocol> {
        self.rig.borrow().protocol
    }

    /// Leads new connections to another `host:port`; those that are open stay where they are.
    pub fn redirect(&self, upstream: &str) {
        self.rig.send_modify(|rig| rig.upstream = upstream.into());
    }

    /// Whether it lets connections in when no toxic is in the way.
    pub fn is_enabled(&self) -> bool {
        self.rig.borrow().enabled
    }

    /// The toxics on it, in the order they were added, and what each has touched.
    pub fn toxics(&self) -> Vec<(Toxic, Touched)> {
        let rig = self.rig.borrow();
        rig.toxics.iter().map(|rigged| (rigged.toxic.clone(), rigged.tally.touched())).collect()
    }

    /// What has passed.
    pub fn passed(&self) -> Passed {
        Passed {
            accepted: self.traffic.accepted.load(Relaxed),
            refused: self.traffic.refused.load(Relaxed),
            from_clients: self.traffic.from_clients.load(Relaxed),
            upstream: self.traffic.upstream.load(Relaxed),
            from_server: self.traffic.from_server.load(Relaxed),
            downstream: self.traffic.downstream.load(Relaxed),
        }
    }

    /// Adds a toxic, for open connections too.
    pub async fn add(&self, toxic: Toxic) -> Result<(), ProxyError> {
        if matches!(toxic.per, Per::Request(_)) && self.rig.borrow().protocol.is_none() {
            return Err(ProxyError::Unframed(toxic.name));
        }
        self.change(|toxics, serial| {
            if toxics.iter().any(|rigged| rigged.toxic.name == toxic.name) {
                return Err(ProxyError::Exists(toxic.name));
            }
            toxics.push(Arc::new(Rigged::new(toxic, serial)));
            Ok(())
        })
        .await
    }

    /// Puts a toxic in the place of the one of its name. What that one held moves on at once.
    pub async fn replace(&self, toxic: Toxic) -> Result<(), ProxyError> {
        self.change(|toxics, serial| {
            let place = toxics.iter_mut().find(|rigged| rigged.toxic.name == toxic.name);
            let Some(place) = place else {
                return Err(ProxyError::Unknown(toxic.name));
            };
            *place = Arc::new(place.changed(toxic, serial));
            Ok(())
        })
        .await
    }

    /// Takes a toxic away, and says what it has touched. What it held moves on at once; nothing is
    /// waited for.
    pub async fn remove(&self, name: &str) -> Result<Touched, ProxyError> {
        let mut tally = None;
        self.change(|toxics, _| {
            let at = toxics.iter().position(|rigged| rigged.toxic.name == name);
            let gone = at.map(|at| toxics.remove(at));
            let gone = gone.ok_or_else(|| ProxyError::Unknown(name.to_owned()))?;
            tally = Some(Arc::clone(&gone.tally));
            Ok(())
        })
        .await?;
        Ok(tally.map(|tally| tally.touched()).unwrap_or_default())
    }

    /// Takes all toxics away and lets connections in.
    pub async fn reset(&self) -> Result<(), ProxyError> {
        self.rig.send_modify(|rig| rig.enabled = true);
        self.change(|toxics, _| {
            toxics.clear();
            Ok(())
        })
        .await
    }

    /// Lets connections in, or refuses them and closes those that are open.
    pub async fn enable(&self, enabled: bool) -> Result<(), ProxyError> {
        self.rig.send_modify(|rig| rig.enabled = enabled);
        let done = self.change(|_, _| Ok(())).await;
        if done.is_err() {
            self.rig.send_modify(|rig| rig.enabled = false);
        }
        done
    }

    /// Changes the toxics and waits until the door stands as it should.
    async fn change(
        &self,
        change: impl FnOnce(&mut Vec<Arc<Rigged>>, u64) -> Result<(), ProxyError>,
    ) -> Result<(), ProxyError> {
        let (mut changed, mut version) = (Ok(()), 0);
        self.rig.send_modify(|rig| {
            rig.version += 1;
            version = rig.version;
            changed = change(&mut rig.toxics, version);
        });
        changed?;
        let Some(mut standing) = self.standing.clone() else {
            return Ok(());
        };
        let standing = standing.wait_for(|standing| standing.version >= version).await;
        match standing.map_err(|_| ProxyError::Gone)?.refused {
            Some(kind) => Err(ProxyError::Listen(self.address, kind.into())),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
