//! Toxiproxy's HTTP API over our proxies, so that its clients, in a dozen languages, drive them.
//!
//! Names, forms and status codes are Toxiproxy 2's. What is ours besides: the kinds `hold`, `down`,
//! `corrupt_stream` and `drop_chunks`, `"stream": "both"`, `"per": "request"` and `"match"` on proxies
//! with a `"protocol"`, amounts with their unit (`"300ms"`), and
//! `touched`, what a toxic has disturbed so far. What differs on purpose: an unknown attribute is
//! an error, only this machine is reached unless a host was allowed, and no call waits for a
//! connection, so none can hang.
//!
//! | file | what it knows |
//! |---|---|
//! | `form.rs` | JSON in and out |
//! | `metrics.rs` | the counters for Prometheus |
//! | `routes.rs` | paths, and what each does |

mod form;
mod metrics;
mod routes;

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::{TcpListener, lookup_host};

use crate::wire::frame::Protocol;
use crate::wire::proxy::{Proxy, ProxyError, Reach, Route};

/// All proxies of a process, by name.
#[derive(Debug)]
pub struct Proxies {
    named: Mutex<BTreeMap<String, Arc<Proxy>>>,
    reach: Reach,
    seed: u64,
}

/// Why a proxy cannot be had.
#[derive(Debug)]
pub enum Refusal {
    /// Asked for in a wrong way.
    Bad(String),
    /// Not there.
    Missing(&'static str),
    /// There already.
    Exists(&'static str),
    /// Not to be had on this machine now.
    Failed(String),
}

impl Proxies {
    /// None yet. Which connections a toxic concerns follows from the seed.
    pub fn new(reach: Reach, seed: u64) -> Self {
        Self { named: Mutex::default(), reach, seed }
    }

    /// Opens a proxy; `listen` is `host:port`, with port 0 for a free one and `:port` for loopback.
    pub async fn open(
        &self,
        name: &str,
        listen: &str,
        upstream: &str,
        protocol: Option<Protocol>,
    ) -> Result<Arc<Proxy>, Refusal> {
        if self.named().contains_key(name) {
            return Err(Refusal::Exists("proxy already exists"));
        }
        let proxy = Arc::new(self.make(listen, upstream, protocol).await?);
        let mut named = self.named();
        if named.contains_key(name) {
            return Err(Refusal::Exists("proxy already exists"));
        }
        named.insert(name.to_owned(), Arc::clone(&proxy));
        Ok(proxy)
    }

    /// Opens a proxy that has no name yet.
    async fn make(
        &self,
        listen: &str,
        upstream: &str,
        protocol: Option<Protocol>,
    ) -> Result<Proxy, Refusal> {
        self.reach.check(upstream).map_err(|what| Refusal::Bad(format!("upstream: {what}")))?;
        let listen = self.address(listen).await?;
        let route = Route { listen, upstream: upstream.to_owned(), protocol };
        Proxy::open(route, self.seed).map_err(Refusal::from)
    }

    async fn address(&self, listen: &str) -> Result<SocketAddr, Refusal> {
        let bad = |what| Refusal::Bad(format!("listen: {what}"));
        let listen = match listen.strip_prefix(':') {
            Some(port) => format!("127.0.0.1:{port}"),
            None => listen.to_owned(),
        };
        self.reach.check(&listen).map_err(bad)?;
        let found = lookup_host(&listen).await.map_err(|error| bad(error.to_string()))?;
        // A name that stands for both is listened on by its IPv4 address, which every client tries.
        let found = found.min_by_key(SocketAddr::is_ipv6);
        found.ok_or_else(|| bad(format!("{listen} has no address")))
    }

    fn find(&self, name: &str) -> Result<Arc<Proxy>, Refusal> {
        self.named().get(name).cloned().ok_or(Refusal::Missing("proxy not found"))
    }

    /// Lets a proxy listen elsewhere, with the toxics it has. Its connections are closed.
    async fn relocate(&self, name: &str, listen: &str) -> Result<Arc<Proxy>, Refusal> {
        let old = self.find(name)?;
        let new = Arc::new(self.make(listen, &old.upstream(), old.protocol()).await?);
        for (toxic, _) in old.toxics() {
            new.add(toxic).await?;
        }
        new.enable(old.is_enabled()).await?;
        old.enable(false).await?;
        self.named().insert(name.to_owned(), Arc::clone(&new));
        Ok(new)
    }

    /// Lets a proxy lead elsewhere. Its connections are closed.
    async fn redirect(&self, proxy: &Proxy, upstream: &str) -> Result<(), Refusal> {
        self.reach.check(upstream).map_err(|what| Refusal::Bad(format!("upstream: {what}")))?;
        let enabled = proxy.is_enabled();
        proxy.enable(false).await?;
        proxy.redirect(upstream);
        Ok(proxy.enable(enabled).await?)
    }

    /// Closes a proxy; when this returns, its port is free.
    async fn close(&self, name: &str) -> Result<(), Refusal> {
        let gone = self.named().remove(name).ok_or(Refusal::Missing("proxy not found"))?;
        Ok(gone.enable(false).await?)
    }

    /// Each proxy with its name.
    fn all(&self) -> Vec<(String, Arc<Proxy>)> {
        self.named().iter().map(|(name, proxy)| (name.clone(), Arc::clone(proxy))).collect()
    }

    fn named(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Proxy>>> {
        self.named.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<ProxyError> for Refusal {
    fn from(error: ProxyError) -> Self {
        match error {
            ProxyError::Exists(_) => Self::Exists("toxic already exists"),
            ProxyError::Unknown(_) => Self::Missing("toxic not found"),
            ProxyError::Unframed(_) => Self::Bad(error.to_string()),
            ProxyError::Listen(..) | ProxyError::Gone => Self::Failed(error.to_string()),
        }
    }
}

/// Answers the API on `listener` until `stop` completes.
pub async fn serve(
    listener: TcpListener,
    proxies: Arc<Proxies>,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    tokio::select! {
        served = async { axum::serve(listener, routes::router(proxies)).await } => served,
        () = stop => Ok(()),
    }
}

#[cfg(test)]
mod tests;
