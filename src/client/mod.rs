//! How we talk: one file or folder a protocol. One call gives one exchange; a failure of the
//! target is a value with a [`FailureKind`], never an `Err` and never a panic.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::io::{self, ErrorKind};

use crate::wire::proxy::{Proxy, Via};
use crate::wire::{ConnectError, ConnectFailure, tls_trouble};

mod deadline;
pub mod http;
mod line;
pub mod redis;
mod sending;
pub mod sql;

/// Why a call failed, in the words scripts, metrics and reports use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FailureKind {
    /// The host name could not be resolved.
    Dns,
    /// No connection could be made: refused, unreachable, or no local socket left (which the
    /// exchange tells apart).
    Refused,
    /// A time limit passed, the whole call's or that of connecting.
    Timeout,
    /// TLS could not be agreed upon: an untrusted certificate, no common version, garbage.
    Tls,
    /// The peer broke the connection before the reply was whole.
    Reset,
    /// The peer said something the protocol does not allow.
    Protocol,
    /// A whole reply came, with a status that was not expected.
    Status,
    /// The reply is larger than the limit on bodies.
    TooLarge,
    /// Redis is at its `maxmemory` and may evict nothing.
    Oom,
    /// The server does not accept user or password, or does not let us do this.
    Auth,
    /// The key is another node's: the server is one of a cluster.
    Moved,
    /// Redis is still reading its data.
    Loading,
    /// A write went to a replica.
    ReadOnly,
    /// Redis does not have the script (any more).
    NoScript,
    /// The key holds a value of another type.
    WrongType,
    /// Redis is busy with a script.
    Busy,
    /// The server gave up this transaction so that another one could go on.
    Deadlock,
    /// The transaction could not be put in an order with others; the same again may succeed.
    Serialization,
    /// A row with this key is there already.
    Unique,
    /// Another rule of the data was broken: not null, a check, a foreign key.
    Constraint,
    /// There was no connection to be had: all in use, or more than the server takes.
    Exhausted,
    /// Any other error of the server.
    Server,
}

/// The address of a service as a URL. A proxy that leads to a mere `host:port` has an address like
/// that: what is spoken there, its client knows.
fn spelt<'a>(address: &'a str, scheme: &str) -> Cow<'a, str> {
    if address.contains("://") {
        return address.into();
    }
    format!("{scheme}://{address}").into()
}

impl FailureKind {
    /// Every kind, in the order reports list them.
    pub const ALL: [Self; 22] = [
        Self::Dns,
        Self::Refused,
        Self::Timeout,
        Self::Tls,
        Self::Reset,
        Self::Protocol,
        Self::Status,
        Self::TooLarge,
        Self::Oom,
        Self::Auth,
        Self::Moved,
        Self::Loading,
        Self::ReadOnly,
        Self::NoScript,
        Self::WrongType,
        Self::Busy,
        Self::Deadlock,
        Self::Serialization,
        Self::Unique,
        Self::Constraint,
        Self::Exhausted,
        Self::Server,
    ];

    /// The word for it in Lua, tags and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Refused => "refused",
            Self::Timeout => "timeout",
            Self::Tls => "tls",
            Self::Reset => "reset",
            Self::Protocol => "protocol",
            Self::Status => "status",
            Self::TooLarge => "too_large",
            Self::Oom => "oom",
            Self::Auth => "auth",
            Self::Moved => "moved",
            Self::Loading => "loading",
            Self::ReadOnly => "readonly",
            Self::NoScript => "noscript",
            Self::WrongType => "wrongtype",
            Self::Busy => "busy",
            Self::Deadlock => "deadlock",
            Self::Serialization => "serialization",
            Self::Unique => "unique",
            Self::Constraint => "constraint",
            Self::Exhausted => "exhausted",
            Self::Server => "server",
        }
    }

    /// Whether the target answered, though not with what was asked for: it is up.
    pub fn is_answer(self) -> bool {
        match self {
            Self::Dns
            | Self::Refused
            | Self::Timeout
            | Self::Tls
            | Self::Reset
            | Self::Protocol
            | Self::Exhausted => false,
            Self::Status
            | Self::TooLarge
            | Self::Oom
            | Self::Auth
            | Self::Moved
            | Self::Loading
            | Self::ReadOnly
            | Self::NoScript
            | Self::WrongType
            | Self::Busy
            | Self::Deadlock
            | Self::Serialization
            | Self::Unique
            | Self::Constraint
            | Self::Server => true,
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Numbers for the connections of one user, the same whichever worker it falls to, and whatever
/// becomes of those that other clients open for the user.
#[derive(Debug, Default)]
struct Numbers {
    user: u64,
    /// How many were opened through a link, by where that lies in memory.
    opened: RefCell<Vec<(usize, u64)>>,
}

impl Numbers {
    /// Those of this user.
    fn of(user: u64) -> Self {
        Self { user, opened: RefCell::default() }
    }

    /// A connection to be opened now by way of what disturbs a client's.
    fn through<'a>(&self, link: &'a Proxy) -> Via<'a> {
        let (mut opened, place) = (self.opened.borrow_mut(), std::ptr::from_ref(link).addr());
        let known = opened.iter().position(|(other, _)| *other == place);
        let at = known.unwrap_or(opened.len());
        if known.is_none() {
            opened.push((place, 0));
        }
        let nth = opened[at].1;
        opened[at].1 += 1;
        Via { link, number: self.user.wrapping_add(nth.wrapping_mul(0x9e37_79b9_7f4a_7c15)) }
    }
}

/// A failure of the target: its kind, and what happened in plain words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The kind it is counted as.
    pub kind: FailureKind,
    /// One line for people: short, without a final stop.
    pub detail: String,
}

impl Failure {
    /// A failure of this kind.
    pub fn new(kind: FailureKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into() }
    }

    /// What it means that nothing can be read from, or written to, a peer of that sort.
    fn of_stream(error: &io::Error, peer: &str) -> Self {
        match error.kind() {
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted => {
                let detail = format!("the connection was reset by the {peer}");
                Self::new(FailureKind::Reset, detail)
            }
            ErrorKind::TimedOut => {
                let detail = format!("the {peer} stopped answering on the network");
                Self::new(FailureKind::Timeout, detail)
            }
            ErrorKind::InvalidData => {
                let why = tls_trouble(error).unwrap_or_else(|| error.to_string());
                Self::new(FailureKind::Tls, format!("TLS with the {peer}: {why}"))
            }
            _ => Self::new(FailureKind::Reset, format!("the connection broke: {error}")),
        }
    }
}

/// A connection that could not be opened.
impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        let kind = match error.failure {
            ConnectFailure::Dns => FailureKind::Dns,
            ConnectFailure::Refused => FailureKind::Refused,
            ConnectFailure::Timeout => FailureKind::Timeout,
            ConnectFailure::Tls => FailureKind::Tls,
            ConnectFailure::Reset => FailureKind::Reset,
        };
        Self::new(kind, error.detail)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.detail)
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::FAILURES;

    #[test]
    fn every_kind_of_failure_can_be_named_in_a_threshold() {
        assert_eq!(FailureKind::ALL.map(FailureKind::as_str), FAILURES);
    }

    #[test]
    fn the_connections_of_a_user_are_numbered_by_client_and_not_by_who_else_opens_some() {
        let links = [0, 1].map(|seed| Proxy::within(None, seed));
        let numbers = |order: &[usize], of: usize| -> Vec<u64> {
            let numbers = Numbers::of(7);
            let opened = order.iter().map(|link| (*link, numbers.through(&links[*link]).number));
            opened.filter(|(link, _)| *link == of).map(|(_, number)| number).collect()
        };
        for of in [0, 1] {
            assert_eq!(numbers(&[0, 1, 0, 1], of), numbers(&[1, 1, 0, 0], of));
        }
        let three = numbers(&[0, 0, 0], 0);
        assert!(three[0] != three[1] && three[1] != three[2] && three[0] != three[2]);
    }
}
