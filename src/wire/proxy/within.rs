//! A proxy within the engine: what it disturbs are the connections that the engine opens itself.
//!
//! Each is led through a pair of sockets on the loopback interface, so that toxics, backpressure,
//! half-close and resets are those of any proxy, and TLS is spoken over it as over any connection.
//! What only the one who connects can do is done here: a refusal that is one, and a black hole that
//! swallows the attempt to connect.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::super::frame::Protocol;
use super::super::toxic::{Kind, Marks, Rigged, roll};
use super::pipe::{Guest, between};
use super::{Proxy, Rig, Traffic};

/// A connection to be opened through a proxy within the engine.
#[derive(Clone, Copy, Debug)]
pub struct Via<'a> {
    /// The proxy.
    pub link: &'a Proxy,
    /// The connection's number; which toxics concern it follows from that.
    pub number: u64,
}

/// The attempt to connect was refused by a toxic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::wire) struct Refused;

impl Proxy {
    /// A proxy for connections that the engine opens itself.
    pub fn within(protocol: Option<Protocol>, seed: u64) -> Self {
        let rig =
            Rig { version: 0, enabled: true, upstream: "".into(), protocol, toxics: Vec::new() };
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            seed,
            rig: watch::Sender::new(rig),
            standing: None,
            traffic: Arc::new(Traffic::default()),
        }
    }

    /// Whether it has no door: then nothing can be learnt by dialling it.
    pub fn is_within(&self) -> bool {
        self.standing.is_none()
    }
}

impl Via<'_> {
    /// Returns once the connection may be opened: not while it is swallowed by a black hole.
    pub(in crate::wire) async fn admitted(&self) -> Result<(), Refused> {
        let mut rig = self.link.rig.subscribe();
        let mut counted = 0;
        loop {
            let swallowed = {
                let rig = rig.borrow_and_update();
                if let Some(rigged) = rig.down() {
                    rigged.tally.turn_away();
                    return Err(Refused);
                }
                let hole = rig.toxics.iter().find(|rigged| self.is_swallowed(rigged));
                if let Some(rigged) = hole.filter(|rigged| rigged.serial != counted) {
                    counted = rigged.serial;
                    rigged.tally.turn_away();
                }
                hole.is_some()
            };
            if !swallowed || rig.changed().await.is_err() {
                return Ok(());
            }
        }
    }

    fn is_swallowed(&self, rigged: &Rigged) -> bool {
        let toxic = &rigged.toxic;
        toxic.kind == Kind::Timeout
            && toxic.per.is_connection()
            && roll(self.link.seed, &toxic.name, self.number, 0) < toxic.toxicity
    }

    /// Stands between the engine and a server it is connected to; the engine's end.
    pub(in crate::wire) async fn through(&self, server: TcpStream) -> io::Result<TcpStream> {
        let link = self.link;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let own = TcpStream::connect(listener.local_addr()?).await?;
        let client = loop {
            let (client, from) = listener.accept().await?;
            // Anybody on this machine may have dialled.
            if from == own.local_addr()? {
                break client;
            }
        };
        own.set_nodelay(true)?;
        link.traffic.accepted.fetch_add(1, Relaxed);
        let guest = Guest {
            client,
            seed: link.seed,
            connection: self.number,
            marks: Marks::default(),
            rig: link.rig.subscribe(),
            traffic: Arc::clone(&link.traffic),
        };
        tokio::spawn(between(guest, server));
        Ok(own)
    }
}
