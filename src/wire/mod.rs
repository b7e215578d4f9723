//! The byte stream: names resolved, sockets opened, TLS agreed upon, each step timed on its own.
//!
//! This room knows addresses and certificates, not protocols: what is said over a stream is
//! the clients' business.

mod tls;

pub use tls::{Identity, TlsSettings};
