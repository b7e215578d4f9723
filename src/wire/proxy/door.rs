//! Listening. A proxy that is down has no listener, so that the system itself refuses; a second
//! socket, bound but never listening, keeps the port from being given to anyone else meanwhile.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};

use super::super::toxic::{Marks, Rigged};
use super::pipe::{Guest, carry};
use super::{Rig, Traffic};

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 4096;

/// How long to wait when the system has no socket left.
const OUT_OF_SOCKETS: Duration = Duration::from_millis(10);

/// What the door has made of a rig.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    /// The version of the rig it follows.
    pub(super) version: u64,
    /// Why it does not listen although it should.
    pub(super) refused: Option<io::ErrorKind>,
}

/// The one task that listens, and owns those that carry bytes.
pub(super) struct Door {
    address: SocketAddr,
    seed: u64,
    /// Keeps the port.
    _reserve: TcpSocket,
    listener: Option<TcpListener>,
    rig: watch::Receiver<Rig>,
    standing: watch::Sender<Standing>,
    traffic: Arc<Traffic>,
    guests: JoinSet<()>,
    /// What of each is counted already, by its task.
    marks: HashMap<Id, Marks>,
}

/// What the door hears of.
enum Event {
    Accepted(io::Result<TcpStream>),
    Rigged,
    Gone,
}

impl Door {
    pub(super) fn open(
        listen: SocketAddr,
        seed: u64,
        rig: watch::Receiver<Rig>,
        traffic: Arc<Traffic>,
    ) -> io::Result<Self> {
        let reserve = bound(listen)?;
        let address = reserve.local_addr()?;
        let listener = bound(address)?.listen(BACKLOG)?;
        let standing = Standing { version: 0, refused: None };
        Ok(Self {
            address,
            seed,
            _reserve: reserve,
            listener: Some(listener),
            rig,
            standing: watch::Sender::new(standing),
            traffic,
            guests: JoinSet::new(),
            marks: HashMap::new(),
        })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.subscribe()
    }

    /// Serves until the proxy is dropped; then every connection is closed.
    pub(super) async fn serve(mut self) {
        loop {
            match self.next().await {
                Event::Accepted(Ok(client)) => self.let_in(client),
                Event::Accepted(Err(_)) => tokio::time::sleep(OUT_OF_SOCKETS).await,
                Event::Rigged => self.follow().await,
                Event::Gone => return,
            }
        }
    }

    async fn next(&mut self) -> Event {
        loop {
            tokio::select! {
                biased;
                changed = self.rig.changed() => {
                    return if changed.is_ok() { Event::Rigged } else { Event::Gone };
                }
                Some(left) = self.guests.join_next_with_id() => self.forget(left),
                accepted = accept(self.listener.as_ref()) => return Event::Accepted(accepted),
            }
        }
    }

    fn let_in(&mut self, client: TcpStream) {
        let connection = self.traffic.accepted.fetch_add(1, Relaxed);
        let guest = Guest {
            client,
            seed: self.seed,
            connection,
            marks: Marks::default(),
            rig: self.rig.clone(),
            traffic: Arc::clone(&self.traffic),
        };
        let marks = guest.marks.clone();
        self.marks.insert(self.guests.spawn(carry(guest)).id(), marks);
    }

    fn forget(&mut self, left: Result<(Id, ()), JoinError>) {
        let id = left.map_or_else(|error| error.id(), |(id, ())| id);
        self.marks.remove(&id);
    }

    /// Closes every connection. Each that is still open is counted by the toxic that does it, now:
    /// whether it would have closed by itself in a moment makes no difference.
    async fn turn_out(&mut self, down: Option<&Rigged>) {
        while let Some(left) = self.guests.try_join_next_with_id() {
            self.forget(left);
        }
        if let Some(down) = down {
            self.marks.values().for_each(|marks| marks.turn_away(down));
        }
        // Each ends when it is next looked at, and waits for nothing before.
        self.guests.shutdown().await;
        self.marks.clear();
    }

    /// Listens or refuses as the rig says.
    async fn follow(&mut self) {
        let (open, down, version) = {
            let rig = self.rig.borrow_and_update();
            (rig.is_open(), rig.down().filter(|_| rig.enabled).cloned(), rig.version)
        };
        let mut refused = None;
        if !open {
            self.listener = None;
            self.turn_out(down.as_deref()).await;
        } else if self.listener.is_none() {
            match bound(self.address).and_then(|socket| socket.listen(BACKLOG)) {
                Ok(listener) => self.listener = Some(listener),
                Err(error) => refused = Some(error.kind()),
            }
        }
        self.standing.send_replace(Standing { version, refused });
    }
}

async fn accept(listener: Option<&TcpListener>) -> io::Result<TcpStream> {
    match listener {
        Some(listener) => listener.accept().await.map(|(client, _)| client),
        None => std::future::pending().await,
    }
}

fn bound(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}
