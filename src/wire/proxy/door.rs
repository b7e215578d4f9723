//! Listening. A proxy that is down has no listener, so that the system itself refuses; a second
//! socket, bound but never listening, keeps the port from being given to anyone else meanwhile.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::pipe::{Guest, carry};
use super::{Rig, Traffic};

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 4096;

/// How long connections have to close by themselves where the proxy goes down.
const FAREWELL: Duration = Duration::from_millis(200);

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
                Some(_) = self.guests.join_next() => {}
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
            rig: self.rig.clone(),
            traffic: Arc::clone(&self.traffic),
        };
        self.guests.spawn(carry(guest));
    }

    /// Listens or refuses as the rig says.
    async fn follow(&mut self) {
        let (open, enabled, version) = {
            let rig = self.rig.borrow_and_update();
            (rig.is_open(), rig.enabled, rig.version)
        };
        let mut refused = None;
        if !open {
            self.listener = None;
            if enabled {
                // Each sees the same rig, counts itself as touched, and closes.
                let all_gone = async { while self.guests.join_next().await.is_some() {} };
                // Who does not in time is closed all the same: "down" has to be true now.
                let _ = timeout(FAREWELL, all_gone).await;
            }
            self.guests.abort_all();
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
