//! The byte stream: names resolved, sockets opened, TLS agreed upon, each step timed on its own.
//!
//! This room knows addresses and certificates, not protocols: what is said over a [`Stream`] is
//! the clients' business. A failure here is data, a [`ConnectError`] that says which step failed
//! and why. Nothing is shared between workers but the system's root certificates, which are read
//! once a process and only when a first `https` connection needs them.
//!
//! [`proxy`] stands between a client and a server on this machine, and [`toxic`] says what it does
//! to the bytes; [`frame`] tells it which of them belong to which request.

mod connect;
pub mod frame;
pub mod proxy;
mod resolve;
mod stream;
mod tls;
mod tls_trouble;
pub mod toxic;
mod trust;

pub use connect::{ConnectError, ConnectFailure, Connected, Connector, Step};
pub use stream::Stream;
pub use tls::{Alpn, Identity, TlsSettings};
pub use tls_trouble::tls_trouble;
pub use trust::Trust;

#[cfg(test)]
mod tests;
