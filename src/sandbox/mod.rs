//! The practice target: a small, honest message service to load, break and reconcile against.
//!
//! It runs as a process of its own (`loadrun sandbox`), so its cost is never the generator's, and
//! it keeps what it accepts in SQLite in a temporary folder that goes when the service goes.
//! *Honest* means: a message is acknowledged only after its commit is on disk, a repeated
//! `MessageSid` is stored once, and a signature that does not fit is refused. How it misbehaves
//! is chosen by a [`Behaviour`], at the start by flags and while it runs by `POST /control`.
//!
//! Which requests misbehave: the working routes (`/`, `/webhook`, `/items`, `/orders`,
//! `/authorize`) have latency, errors and a capacity. Those that watch it (`/health`, `/messages`,
//! the list of `/orders`) only wait out a stall, so that a run can be reconciled afterwards, and
//! `/control` always answers.
//!
//! Given a database it keeps items and orders there, and given a Redis it reads items through it:
//! a service with dependencies, which is what breaks in real life. Where they are is only a URL, so
//! a proxy may stand before each.
//!
//! | file | what it knows |
//! |---|---|
//! | `behaviour.rs` | the words of a behaviour, as data |
//! | `care.rs` | what it does when a dependency fails, as data |
//! | `breaker.rs` | a circuit breaker, with time given from outside |
//! | `dependency.rs` | asks within a time, again, or not at all; counts |
//! | `cache.rs` | items in Redis |
//! | `database.rs` | items and orders in PostgreSQL |
//! | `stock.rs` | items and orders, wherever they are: through the cache, or around it |
//! | `shop.rs` | the same over HTTP |
//! | `callback.rs` | what the service sends by itself: a callback for each message |
//! | `gate.rs` | applies the behaviour to each request, and counts |
//! | `signature.rs` | Twilio's request signature |
//! | `store.rs` | SQLite: one writer that commits in groups, a few readers |
//! | `policy.rs` | the role policy behind `/authorize` |
//! | `routes.rs` | the HTTP surface |

mod behaviour;
mod breaker;
mod cache;
mod callback;
mod care;
mod database;
mod dependency;
mod gate;
mod policy;
mod routes;
mod shop;
mod signature;
mod stock;
mod store;

use std::fmt;
use std::future::{Future, IntoFuture};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use axum::serve::ListenerExt;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::oneshot;

pub use behaviour::{BEHAVIOURS, Behaviour, Capacity, Latency, Leak, Share, Workers};
pub use care::{Care, Retries, Switch, Timeout, Trip};
pub use signature::{accepts, sign};

use callback::Callback;
use gate::Gate;
use routes::{Service, router};
use stock::Stock;
use store::{Item, Message, Order, Store, StoreError};

/// The token that webhooks are signed with unless another is given.
pub const PRACTICE_TOKEN: &str = "practice-token";

/// Connections that may wait to be accepted; a burst of new users must not meet a full queue.
const BACKLOG: u32 = 4096;

/// How long requests in flight may take to end once the service was asked to stop.
const GRACE: Duration = Duration::from_secs(2);

/// How a practice target is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// TCP port on the loopback interface; 0 picks a free one.
    pub port: u16,
    /// The auth token that `X-Twilio-Signature` is keyed with.
    pub token: String,
    /// Seed of every random choice (latencies, errors).
    pub seed: u64,
    /// How it behaves from the start.
    pub behaviour: Behaviour,
    /// What it depends on.
    pub dependencies: Dependencies,
}

/// Where the servers are that a practice target uses; without one it does without.
#[derive(Clone, Debug, Default)]
pub struct Dependencies {
    /// The URL of a Redis that items are read through.
    pub redis: Option<String>,
    /// The URL of a PostgreSQL that keeps items and orders.
    pub database: Option<String>,
    /// The URL that is told of each message stored.
    pub callback: Option<String>,
}

impl Dependencies {
    /// Each by the name of its flag and option, with the variable of the environment that says the
    /// same; there a password is not for everybody to see.
    pub const VARIABLES: &[(&str, &str)] = &[
        ("callback", "LOADRUN_SANDBOX_CALLBACK"),
        ("database", "LOADRUN_SANDBOX_DATABASE"),
        ("redis", "LOADRUN_SANDBOX_REDIS"),
    ];
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 0,
            token: PRACTICE_TOKEN.to_owned(),
            seed: 1,
            behaviour: Behaviour::default(),
            dependencies: Dependencies::default(),
        }
    }
}

/// Why a practice target could not start or go on.
#[derive(Debug)]
pub struct SandboxError {
    /// What went wrong, lower case, no final stop.
    pub what: String,
    /// The next step, where one is known.
    pub hint: Option<String>,
}

impl fmt::Display for SandboxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for SandboxError {}

impl SandboxError {
    fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), hint: None }
    }
}

/// A practice target that listens but does not answer yet; [`Sandbox::serve`] makes it answer.
pub struct Sandbox {
    listener: TcpListener,
    address: SocketAddr,
    service: Arc<Service>,
    /// Removed, with all that was stored, when the service ends.
    folder: TempDir,
}

impl Sandbox {
    /// Opens the database in a new temporary folder and listens on the loopback interface.
    pub async fn open(options: Options) -> Result<Self, SandboxError> {
        let (listener, address) = listen(options.port)?;
        let folder = tempfile::Builder::new()
            .prefix("loadrun-sandbox-")
            .tempdir()
            .map_err(|error| SandboxError::new(format!("no temporary folder: {error}")))?;
        let store = Store::open(folder.path())
            .await
            .map_err(|error| SandboxError::new(format!("no database: {error}")))?;
        let store = Arc::new(store);
        let callback = options.dependencies.callback.as_deref().map(Callback::to).transpose();
        let service = Arc::new(Service {
            callback: callback.map_err(|what| SandboxError::new(format!("callback {what}")))?,
            gate: Gate::new(options.behaviour, options.seed),
            stock: Stock::open(&options.dependencies, Arc::clone(&store)).await?,
            store,
            token: options.token,
            forged: AtomicU64::new(0),
        });
        Ok(Self { listener, address, service, folder })
    }

    /// Where it listens; the port is the one that was picked when 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop` completes and the requests in flight have ended (2 s at most); then
    /// nothing of it is left.
    pub async fn serve(
        self,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), SandboxError> {
        let (stopping, stopped) = oneshot::channel();
        let service = Arc::clone(&self.service);
        let stop = async move {
            stop.await;
            service.gate.stall(Duration::ZERO);
            let _ = stopping.send(());
        };
        let listener = self.listener.tap_io(|stream| {
            // Refused at worst, and then answers come a little later.
            let _ = stream.set_nodelay(true);
        });
        let server = axum::serve(listener, router(Arc::clone(&self.service)))
            .with_graceful_shutdown(stop)
            .into_future();
        let result = tokio::select! {
            result = server => result,
            () = overdue(stopped) => Ok(()),
        };
        self.service.stock.close().await;
        self.service.store.close().await;
        let removed = self.folder.close();
        result.and(removed).map_err(|error| SandboxError::new(format!("broke: {error}")))
    }
}

/// Completes when the grace after the stop is over.
async fn overdue(stopped: oneshot::Receiver<()>) {
    if stopped.await.is_err() {
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(GRACE).await;
}

fn listen(port: u16) -> Result<(TcpListener, SocketAddr), SandboxError> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let attempt = || {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let listener = socket.listen(BACKLOG)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    attempt().map_err(|error: io::Error| SandboxError {
        what: format!("cannot listen on {address}: {error}"),
        hint: Some("--port 0 picks a free port".into()),
    })
}

#[cfg(test)]
mod tests;
