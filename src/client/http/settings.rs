//! What a client is told once: where requests go by default, how long they may take, how
//! connections are kept. Plain data, checked by [`Client::new`](super::Client::new).

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::expect::Expect;
use crate::client::spelt;
use crate::wire::TlsSettings;

/// Everything that is set once for a client.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What a request's relative path is appended to.
    pub base: Option<Base>,
    /// Longest a whole request may take, redirects and waiting for a connection included.
    pub timeout: Duration,
    /// Longest that resolving, connecting and the TLS handshake may take together.
    pub connect_timeout: Duration,
    /// How connections are kept.
    pub connections: Connections,
    /// How many redirects one request follows; 0 returns the redirect itself. At most 10.
    pub redirects: u8,
    /// Sent with every request that does not set the same name itself.
    pub headers: Vec<(String, String)>,
    /// Sent as `Authorization` unless the request or `headers` has its own.
    pub auth: Option<Auth>,
    /// Whether each user keeps the cookies it is given.
    pub cookies: bool,
    /// Whether compressed bodies are asked for and unpacked.
    pub decompress: bool,
    /// Largest body accepted, in bytes, on the wire and again when unpacked.
    pub body_limit: u64,
    /// Which statuses are a success where the request does not say.
    pub expect: Expect,
    /// Trust and identity for `https`.
    pub tls: TlsSettings,
    /// Which version of HTTP is spoken.
    pub version: Version,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            base: None,
            timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            connections: Connections::User,
            redirects: super::MOST_REDIRECTS,
            headers: Vec::new(),
            auth: None,
            cookies: true,
            decompress: true,
            body_limit: 16 << 20,
            expect: Expect::default(),
            tls: TlsSettings::default(),
            version: Version::Auto,
        }
    }
}

/// The address requests are relative to.
#[derive(Clone, Debug)]
pub enum Base {
    /// Known when the script was written.
    Url(String),
    /// Filled in when the service it belongs to is ready.
    Service(Arc<OnceLock<String>>),
}

impl Base {
    /// The address, once it is known.
    pub fn resolve(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Url(url) => Some(url.into()),
            Self::Service(slot) => slot.get().map(|address| spelt(address, "http")),
        }
    }
}

/// How connections are kept between requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Connections {
    /// Each user has its own, kept alive: what separate visitors do.
    #[default]
    User,
    /// All users of the worker share at most this many; waiting for one is `timing.blocked`.
    /// The number is this client's own: whoever makes one client a worker divides the total.
    Shared(usize),
    /// A fresh one for every request.
    New,
}

/// Credentials sent as `Authorization`; dropped when a redirect leaves the origin.
#[derive(Clone, PartialEq, Eq)]
pub enum Auth {
    /// User name and password (RFC 7617).
    Basic {
        /// The name; must not contain a colon.
        user: String,
        /// The password.
        password: String,
    },
    /// A token (RFC 6750).
    Bearer(String),
}

impl std::fmt::Debug for Auth {
    /// Names the scheme only: credentials must not reach a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Basic { .. } => "Basic(***)",
            Self::Bearer(_) => "Bearer(***)",
        })
    }
}

/// Which version of HTTP is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// HTTP/2 where TLS agrees on it (ALPN), else HTTP/1.1.
    #[default]
    Auto,
    /// HTTP/1.1 always.
    H1,
    /// HTTP/2 from the first byte, without asking.
    H2PriorKnowledge,
}
