//! Ways to disturb a byte stream, by Toxiproxy's names, one file each.
//!
//! A [`Toxic`] is a declaration: data that can be shown, compared and sent anywhere. What it does
//! to one direction of one connection is an [`Effect`], which only says what becomes of bytes that
//! arrive: when each of them is due, or that none ever is. Nothing here waits, owns a socket or
//! spawns a task. The [`Chain`] passes bytes from effect to effect by the clock, and whoever drives
//! it (the proxy) reads, writes and sleeps. That is why a toxic can be added, changed and taken away
//! at any moment: taking one away makes all it held due at once, in order, and waits for nobody.
//!
//! `noop.rs` is the template. A new toxic is one file with `FIELDS` and `effect`, one variant of
//! [`Kind`], and a row in `docs/faults.md`; the compiler names the places between.

mod amount;
mod bandwidth;
mod chain;
mod corrupt_stream;
mod dice;
mod down;
mod drop_chunks;
mod held;
mod hold;
mod latency;
mod limit_data;
mod noop;
mod reset_peer;
mod slicer;
mod slow_close;
mod tally;
mod timeout;

use std::fmt;

use bytes::Bytes;
use tokio::time::Instant;

pub use amount::{Amount, Amounts, Bare, Field, Given, Quantity};
pub use chain::fits;
pub(super) use chain::{Chain, Whose};
pub use dice::roll;
pub(super) use held::Parcel;
pub(super) use tally::Marks;
pub use tally::Touched;

use dice::Dice;
use held::Held;
use tally::Tally;

/// A disturbance, declared.
#[derive(Clone, Debug, PartialEq)]
pub struct Toxic {
    /// Unlike any other on its proxy.
    pub name: String,
    /// What it does.
    pub kind: Kind,
    /// Which direction it does it to.
    pub stream: Direction,
    /// The share of connections or requests it concerns, from 0 to 1. Which ones follows from the
    /// seed.
    pub toxicity: f64,
    /// Whether it concerns whole connections.
    pub per: Per,
    /// How much, by the names in [`Kind::fields`].
    pub amounts: Amounts,
}

/// What a toxic concerns or does not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Per {
    /// A connection, with all that passes.
    #[default]
    Connection,
    /// A request and its reply, for links whose protocol is known; where there is a pattern, one
    /// whose subject fits it (`*` stands for anything).
    Request(Option<String>),
}

impl Per {
    /// What is written about it; the error says what is wrong.
    pub fn read(kind: Kind, per: &str, pattern: Option<String>) -> Result<Self, String> {
        match (per, pattern) {
            ("connection", None) => Ok(Self::Connection),
            ("connection", Some(_)) => Err("match is for toxics with per = \"request\"".to_owned()),
            ("request", _) if kind.is_of_connections() => {
                Err(format!("{} is for connections, never for single requests", kind.name()))
            }
            ("request", pattern) => Ok(Self::Request(pattern)),
            _ => Err(format!("unknown per {per:?}; expected \"connection\" or \"request\"")),
        }
    }

    /// Whether it is for whole connections.
    pub fn is_connection(&self) -> bool {
        *self == Self::Connection
    }

    /// As it is written.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Request(_) => "request",
        }
    }

    /// Which requests it is for, where it is not for all.
    pub fn pattern(&self) -> Option<&str> {
        match self {
            Self::Connection => None,
            Self::Request(pattern) => pattern.as_deref(),
        }
    }
}

/// The direction of bytes through a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    Upstream,
    /// From the server to the client.
    Downstream,
    /// Both ways.
    Both,
}

/// What a toxic does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing.
    Noop,
    /// Bytes arrive later.
    Latency,
    /// Bytes arrive at a limited rate.
    Bandwidth,
    /// The end of the stream arrives later.
    SlowClose,
    /// Bytes vanish, and after a time the connection is closed.
    Timeout,
    /// Bytes wait until the toxic is taken away, then arrive.
    Hold,
    /// Connections are refused, and open ones closed.
    Down,
    /// The connection is reset.
    ResetPeer,
    /// Bytes arrive in small pieces.
    Slicer,
    /// The connection is closed after so many bytes.
    LimitData,
    /// Some bytes are changed.
    CorruptStream,
    /// Some bytes are left out.
    DropChunks,
}

/// What a toxic does to one direction of one connection.
trait Effect: Send {
    /// Puts what becomes of bytes that arrive at `now` into `held`; says whether it disturbed them.
    fn bytes(&mut self, bytes: Bytes, now: Instant, held: &mut Held) -> bool;

    /// The same for the end of the stream.
    fn end(&mut self, now: Instant, held: &mut Held) -> bool {
        held.push(now, Parcel::End);
        false
    }
}

/// How a connection comes to its end before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// As if the program at the other side had closed it.
    Close,
    /// By a TCP reset.
    Reset,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 12] = [
        Self::Noop,
        Self::Latency,
        Self::Bandwidth,
        Self::SlowClose,
        Self::Timeout,
        Self::Hold,
        Self::Down,
        Self::ResetPeer,
        Self::Slicer,
        Self::LimitData,
        Self::CorruptStream,
        Self::DropChunks,
    ];

    /// Whether it means nothing to a single request: it is about how a connection begins or ends.
    pub fn is_of_connections(self) -> bool {
        matches!(self, Self::Down | Self::SlowClose)
    }

    /// What it is called in scripts, reports and Toxiproxy's API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Noop => "noop",
            Self::Latency => "latency",
            Self::Bandwidth => "bandwidth",
            Self::SlowClose => "slow_close",
            Self::Timeout => "timeout",
            Self::Hold => "hold",
            Self::Down => "down",
            Self::ResetPeer => "reset_peer",
            Self::Slicer => "slicer",
            Self::LimitData => "limit_data",
            Self::CorruptStream => "corrupt_stream",
            Self::DropChunks => "drop_chunks",
        }
    }

    /// The kind of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// What can be said about it.
    pub fn fields(self) -> &'static [Field] {
        match self {
            Self::Noop => noop::FIELDS,
            Self::Latency => latency::FIELDS,
            Self::Bandwidth => bandwidth::FIELDS,
            Self::SlowClose => slow_close::FIELDS,
            Self::Timeout => timeout::FIELDS,
            Self::Hold => hold::FIELDS,
            Self::Down => down::FIELDS,
            Self::ResetPeer => reset_peer::FIELDS,
            Self::Slicer => slicer::FIELDS,
            Self::LimitData => limit_data::FIELDS,
            Self::CorruptStream => corrupt_stream::FIELDS,
            Self::DropChunks => drop_chunks::FIELDS,
        }
    }
}

impl Toxic {
    /// What it does from `now` on to a direction of a connection that it concerns.
    fn effect(&self, whose: &Whose, now: Instant, held: &mut Held) -> Box<dyn Effect> {
        let (amounts, dice) = (&self.amounts, whose.dice(&self.name));
        match self.kind {
            Kind::Noop => Box::new(noop::effect()),
            Kind::Latency => Box::new(latency::effect(amounts, dice)),
            Kind::Bandwidth => Box::new(bandwidth::effect(amounts, now)),
            Kind::SlowClose => Box::new(slow_close::effect(amounts)),
            Kind::Timeout => Box::new(timeout::effect(amounts, now, held)),
            Kind::Hold => Box::new(hold::effect()),
            Kind::Down => Box::new(down::effect(now, held)),
            Kind::ResetPeer => Box::new(reset_peer::effect(amounts, now, held)),
            Kind::Slicer => Box::new(slicer::effect(amounts, dice)),
            Kind::LimitData => Box::new(limit_data::effect(amounts)),
            Kind::CorruptStream => Box::new(corrupt_stream::effect(amounts, dice)),
            Kind::DropChunks => Box::new(drop_chunks::effect(amounts, dice)),
        }
    }
}

impl Direction {
    /// The direction of that name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Upstream, Self::Downstream, Self::Both]
            .into_iter()
            .find(|direction| direction.to_string() == name)
    }

    /// Whether it includes the one of bytes that flow to `other`.
    pub(super) fn covers(self, other: Self) -> bool {
        self == Self::Both || self == other
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Upstream => "upstream",
            Self::Downstream => "downstream",
            Self::Both => "both",
        })
    }
}

/// A toxic as it stands on a proxy.
#[derive(Debug)]
pub(super) struct Rigged {
    pub(super) toxic: Toxic,
    /// New whenever the toxic is added or changed.
    pub(super) serial: u64,
    /// The first of its serials: unlike that of any other on its proxy, gone ones included.
    pub(super) first: u64,
    pub(super) tally: std::sync::Arc<Tally>,
}

impl Rigged {
    pub(super) fn new(toxic: Toxic, serial: u64) -> Self {
        Self { toxic, serial, first: serial, tally: std::sync::Arc::default() }
    }

    /// The same toxic, told otherwise: what it did so far stays counted.
    pub(super) fn changed(&self, toxic: Toxic, serial: u64) -> Self {
        Self { toxic, serial, first: self.first, tally: std::sync::Arc::clone(&self.tally) }
    }
}

#[cfg(test)]
pub(super) mod tests;
