//! One connection: two directions of bytes.
//!
//! Each direction reads, passes what it read through its chain of toxics and writes, in one loop
//! that waits for whatever comes first: bytes, room to write, a parcel that is due, a change of the
//! rig. With no toxic in the way bytes go from socket to socket through a buffer that exists only
//! while they do. What waits between the sockets is bounded: beyond [`ROOM`] nothing more is read,
//! and TCP tells the sender to wait.
//!
//! An end of stream is passed on as one, with the other direction open (half-close); a reset, as a
//! reset.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rustix::net::Shutdown;
use rustix::net::sockopt::set_socket_linger;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use super::super::frame::{Framer, Talk};
use super::super::toxic::{Chain, Cut, Direction, Marks, Parcel, Whose};
use super::{Rig, Traffic};

/// Most bytes on their way in one direction of a connection.
const ROOM: usize = 1 << 20;

/// Bytes read at once.
const CHUNK: usize = 64 << 10;

/// Chunks carried before others have their turn.
const BURST: usize = 16;

/// How long the server may take to accept.
const DIAL: Duration = Duration::from_secs(10);

/// A client that was let in.
pub(super) struct Guest {
    pub(super) client: TcpStream,
    pub(super) seed: u64,
    /// Its number, from 0.
    pub(super) connection: u64,
    /// What of it is counted already.
    pub(super) marks: Marks,
    pub(super) rig: watch::Receiver<Rig>,
    pub(super) traffic: Arc<Traffic>,
}

/// Dials the server and carries bytes until both sides have ended or the connection is cut. A
/// client whose server cannot be reached is reset: we have accepted, and cannot refuse any more.
pub(super) async fn carry(guest: Guest) {
    let upstream = Arc::clone(&guest.rig.borrow().upstream);
    let dialled = timeout(DIAL, TcpStream::connect(&*upstream)).await;
    let Ok(Ok(server)) = dialled else {
        guest.traffic.refused.fetch_add(1, Relaxed);
        reset(&guest.client);
        return;
    };
    between(guest, server).await;
}

/// Carries bytes between a client and its server.
pub(super) async fn between(guest: Guest, server: TcpStream) {
    let protocol = guest.rig.borrow().protocol;
    for socket in [&guest.client, &server] {
        // Refused at worst, and then small pieces arrive a little later.
        let _ = socket.set_nodelay(true);
    }
    let fate = Fate::default();
    let talk = Talk::default();
    let pipe = |from, to, direction, heard, passed| Pipe {
        from,
        to,
        chain: Chain::new(Whose {
            seed: guest.seed,
            connection: guest.connection,
            direction,
            marks: guest.marks.clone(),
        }),
        framer: protocol.map(|protocol| Framer::new(protocol, direction, talk.clone())),
        rig: guest.rig.clone(),
        heard,
        passed,
        fate: &fate,
        reading: true,
    };
    let (client, traffic) = (&guest.client, &guest.traffic);
    let up = pipe(client, &server, Direction::Upstream, &traffic.from_clients, &traffic.upstream);
    let down =
        pipe(&server, client, Direction::Downstream, &traffic.from_server, &traffic.downstream);
    if let Err(Cut::Reset) = tokio::try_join!(up.run(), down.run()) {
        reset(&guest.client);
        reset(&server);
    }
}

/// Makes the close of a socket a reset: nothing lingers, not even what was sent.
fn reset(socket: &TcpStream) {
    // Refused at worst, and then it is an ordinary close.
    let _ = set_socket_linger(socket, Some(Duration::ZERO));
}

/// What the two directions have to know of each other.
#[derive(Default)]
struct Fate {
    /// How many senders have said all they will say.
    ended: AtomicU8,
    /// Whether a toxic has swallowed something.
    lost: AtomicBool,
}

/// One direction.
struct Pipe<'a> {
    from: &'a TcpStream,
    to: &'a TcpStream,
    chain: Chain,
    /// Where it is known what is spoken.
    framer: Option<Framer>,
    rig: watch::Receiver<Rig>,
    /// Bytes the sender has sent.
    heard: &'a AtomicU64,
    /// Bytes the receiver has been given.
    passed: &'a AtomicU64,
    fate: &'a Fate,
    /// Whether the sender may say more.
    reading: bool,
}

/// What delivering came to.
enum Delivery {
    /// Nothing is left to deliver now.
    Done,
    /// The receiver takes no more at the moment.
    Blocked,
    /// The end of the stream was delivered.
    Ended,
}

impl Pipe<'_> {
    async fn run(mut self) -> Result<(), Cut> {
        self.refit()?;
        loop {
            self.chain.advance(Instant::now())?;
            let delivery = self.deliver()?;
            if matches!(delivery, Delivery::Ended) {
                return Ok(());
            }
            let blocked = matches!(delivery, Delivery::Blocked);
            let next = self.chain.next();
            let room = self.chain.weight() < if self.chain.is_bare() { 1 } else { ROOM };
            tokio::select! {
                changed = self.rig.changed() => {
                    changed.map_err(|_| Cut::Close)?;
                    self.refit()?;
                }
                ready = self.from.readable(), if self.reading && room => {
                    ready.map_err(|_| Cut::Reset)?;
                    self.read()?;
                }
                ready = self.to.writable(), if blocked => ready.map_err(|_| Cut::Reset)?,
                () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {}
            }
        }
    }

    /// Takes the toxics as they are now.
    fn refit(&mut self) -> Result<(), Cut> {
        let rig = self.rig.borrow_and_update();
        if !rig.enabled {
            return Err(Cut::Close);
        }
        self.chain.refit(&rig.toxics, Instant::now())
    }

    /// Reads what is there.
    fn read(&mut self) -> Result<(), Cut> {
        let mut buffer = BytesMut::with_capacity(CHUNK);
        for _ in 0..BURST {
            let read = self.from.try_read_buf(&mut buffer);
            if let Ok(count) = read {
                self.heard.fetch_add(count as u64, Relaxed);
            }
            match read {
                Ok(0) => return self.end(),
                Ok(_) if self.chain.is_bare() && self.framer.is_none() => {
                    if !self.forward(&mut buffer)? {
                        return Ok(());
                    }
                }
                Ok(_) => {
                    self.take(&buffer);
                    buffer.clear();
                    if self.chain.weight() >= ROOM {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(_) => return Err(Cut::Reset),
            }
        }
        Ok(())
    }

    /// Hands bytes to the chain, in pieces where it is known what they are part of.
    fn take(&mut self, bytes: &[u8]) {
        let now = Instant::now();
        match &mut self.framer {
            None => self.chain.accept(Parcel::Bytes(Bytes::copy_from_slice(bytes)), now),
            Some(framer) => {
                for (bytes, request) in framer.cut(bytes) {
                    self.chain.accept(Parcel::of(bytes, request), now);
                }
            }
        }
        self.note_loss();
    }

    /// Writes straight to the receiver, with no toxic in between; what it does not take waits.
    /// Says whether it took all.
    fn forward(&mut self, buffer: &mut BytesMut) -> Result<bool, Cut> {
        let taken = match self.to.try_write(buffer) {
            Ok(taken) => taken,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(_) => return Err(Cut::Reset),
        };
        self.passed.fetch_add(taken as u64, Relaxed);
        if taken == buffer.len() {
            buffer.clear();
            return Ok(true);
        }
        let rest = std::mem::take(buffer).freeze().split_off(taken);
        self.chain.accept(Parcel::Bytes(rest), Instant::now());
        Ok(false)
    }

    /// The sender has said all.
    fn end(&mut self) -> Result<(), Cut> {
        self.reading = false;
        if let Some(rest) = self.framer.as_mut().and_then(Framer::rest) {
            self.chain.accept(Parcel::Bytes(rest), Instant::now());
        }
        let both = self.fate.ended.fetch_add(1, Relaxed) == 1;
        // Nobody is left to say anything, and something said was swallowed: nothing will come of it.
        let over = both && self.fate.lost.load(Relaxed);
        self.chain.accept(if over { Parcel::Close } else { Parcel::End }, Instant::now());
        self.note_loss();
        if both && self.chain.has_lost() { Err(Cut::Close) } else { Ok(()) }
    }

    fn note_loss(&self) {
        if self.chain.has_lost() {
            self.fate.lost.store(true, Relaxed);
        }
    }

    /// Writes what is through.
    fn deliver(&mut self) -> Result<Delivery, Cut> {
        while let Some(parcel) = self.chain.first() {
            let count = match parcel {
                Parcel::Bytes(bytes) | Parcel::Part(bytes, _) => match self.to.try_write(bytes) {
                    Ok(count) => count,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        return Ok(Delivery::Blocked);
                    }
                    Err(_) => return Err(Cut::Reset),
                },
                Parcel::End => {
                    // Fails when the receiver is gone, which its own direction notices.
                    let _ = rustix::net::shutdown(self.to, Shutdown::Write);
                    return Ok(Delivery::Ended);
                }
                Parcel::Close => return Err(Cut::Close),
            };
            self.passed.fetch_add(count as u64, Relaxed);
            self.chain.delivered(count);
        }
        Ok(Delivery::Done)
    }
}
