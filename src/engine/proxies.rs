//! The proxies a script declares, on a thread of their own: what passes through them waits neither
//! for the control thread nor for a worker.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use url::Url;

use crate::fault::{self, Thing};
use crate::plan::{Problem, ServiceDecl};
use crate::script::World;
use crate::script::own::WITHIN;
use crate::wire::frame::Protocol;
use crate::wire::proxy::{Proxy, Reach, Route};

/// What the plan calls a proxy among its services.
pub const KIND: &str = Thing::PROXY;

/// What stands before the name of a service as an upstream.
const SERVICE: &str = "service:";

/// All proxies of a run. Closed when it is dropped.
#[derive(Default)]
pub struct Proxies {
    thread: OnceCell<Thread>,
    open: RefCell<BTreeMap<String, Arc<Proxy>>>,
}

/// A runtime on a thread, which ends when this is dropped.
struct Thread {
    handle: Handle,
    _stop: oneshot::Sender<()>,
}

impl Proxies {
    /// Opens proxies; the services they lead to are ready. All that is wrong, at once.
    pub fn open(&self, declared: &[&ServiceDecl], world: &World, reach: &Reach) -> Vec<Problem> {
        let mut problems = Vec::new();
        for declared in declared {
            match self.open_one(declared, world, reach) {
                Ok(proxy) => {
                    self.open.borrow_mut().insert(declared.name.clone(), proxy);
                }
                Err(what) => problems.push(Problem {
                    what: format!("proxy {:?}: {}", declared.name, world.masked(what)),
                    at: declared.place.clone(),
                    hint: None,
                }),
            }
        }
        problems
    }

    fn open_one(
        &self,
        declared: &ServiceDecl,
        world: &World,
        reach: &Reach,
    ) -> Result<Arc<Proxy>, String> {
        if declared.options.contains_key(WITHIN) {
            // Made while the script was read; the clients of every state have it.
            let make = || Proxy::within(spoken(declared), world.source.seed);
            return Ok(world.kept(&declared.name, make));
        }
        let upstream = match upstream_of(declared) {
            Some(name) => world.service(name).url.get().cloned().unwrap_or_default(),
            None => declared.options.get("upstream").cloned().unwrap_or_default(),
        };
        let address = fault::address(&upstream)
            .and_then(|address| reach.check(&address).map(|()| address))
            .map_err(|what| format!("upstream: {what}"))?;
        let route = Route {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            upstream: address,
            protocol: spoken(declared),
        };
        let handle = self.handle().map_err(|error| format!("no thread: {error}"))?;
        let _inside = handle.enter();
        let proxy = Proxy::open(route, world.source.seed).map_err(|error| error.to_string())?;
        world.found(&declared.name, &at(&upstream, proxy.address()), std::process::id());
        Ok(Arc::new(proxy))
    }

    /// A proxy by its name.
    pub fn find(&self, name: &str) -> Option<Arc<Proxy>> {
        self.open.borrow().get(name).cloned()
    }

    /// The runtime proxies work on, started for the first of them.
    fn handle(&self) -> io::Result<Handle> {
        if let Some(thread) = self.thread.get() {
            return Ok(thread.handle.clone());
        }
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let handle = runtime.handle().clone();
        thread::Builder::new().name("proxies".to_owned()).spawn(move || {
            // Ends when the other side is dropped.
            let _ = runtime.block_on(stopped);
            runtime.shutdown_background();
        })?;
        let _ = self.thread.set(Thread { handle: handle.clone(), _stop: stop });
        Ok(handle)
    }
}

/// What is spoken through a proxy, as far as the script says so.
fn spoken(declared: &ServiceDecl) -> Option<Protocol> {
    declared.options.get("protocol").and_then(|name| Protocol::named(name))
}

/// The name of the service a proxy leads to, where it is one.
pub fn upstream_of(declared: &ServiceDecl) -> Option<&str> {
    declared.options.get("upstream").filter(|_| declared.kind == KIND)?.strip_prefix(SERVICE)
}

/// Where a proxy leads that does not lead to a service of the run.
pub fn outside(declared: &ServiceDecl) -> Option<&str> {
    let upstream = declared.options.get("upstream").filter(|_| declared.kind == KIND)?;
    (!upstream.starts_with(SERVICE)).then_some(upstream)
}

/// The address of a proxy, in the form its upstream was given in.
fn at(upstream: &str, address: SocketAddr) -> String {
    let url = upstream.contains("://").then(|| Url::parse(upstream).ok()).flatten();
    let Some(mut url) = url else { return address.to_string() };
    // An address and a port fit into every URL that has a host.
    let _ = url.set_host(Some(&address.ip().to_string()));
    let _ = url.set_port(Some(address.port()));
    let text = url.to_string();
    // Clients add paths to it.
    if url.path() == "/" { text.trim_end_matches('/').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_has_the_address_of_its_upstream_with_another_port() {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 7000));
        for (upstream, shown) in [
            ("http://localhost:8080/v1", "http://127.0.0.1:7000/v1"),
            ("http://127.0.0.1", "http://127.0.0.1:7000"),
            ("redis://:pw@127.0.0.1:6380/2", "redis://:pw@127.0.0.1:7000/2"),
            ("postgres://u@127.0.0.1/db", "postgres://u@127.0.0.1:7000/db"),
            ("127.0.0.1:9000", "127.0.0.1:7000"),
        ] {
            assert_eq!(at(upstream, address), shown);
        }
    }
}
