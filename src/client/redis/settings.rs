//! What a client is told once: where the server is, who we are there, how long calls may take, how
//! connections are kept. Plain data, checked by [`Client::new`](super::Client::new).

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use redis::{ConnectionAddr, IntoConnectionInfo};

use crate::client::spelt;
use crate::wire::TlsSettings;

/// Everything that is set once for a client.
#[derive(Clone)]
pub struct Settings {
    /// Where the server is.
    pub address: Address,
    /// Who we are there, where the address does not say.
    pub user: Option<String>,
    /// The password, where the address does not say.
    pub password: Option<String>,
    /// The number of the database, where the address does not say.
    pub database: Option<u32>,
    /// Longest a whole call may take, waiting for a connection and opening one included.
    pub timeout: Duration,
    /// Longest that opening a connection may take, from the lookup of the name to the greeting.
    pub connect_timeout: Duration,
    /// How connections are kept.
    pub connections: Connections,
    /// What stands at the address.
    pub topology: Topology,
    /// The version of the protocol: 2 or 3.
    pub protocol: u8,
    /// Largest reply accepted, in bytes.
    pub reply_limit: u64,
    /// Trust and identity for `rediss`.
    pub tls: TlsSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            address: Address::Url("redis://127.0.0.1:6379".to_owned()),
            user: None,
            password: None,
            database: None,
            timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(5),
            connections: Connections::User,
            topology: Topology::Single,
            protocol: 3,
            reply_limit: 16 << 20,
            tls: TlsSettings::default(),
        }
    }
}

/// How connections are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Connections {
    /// Each user has its own.
    #[default]
    User,
    /// So many serve all users of a worker, one call at a time each.
    Shared(usize),
}

/// What stands at an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Topology {
    /// The server itself.
    #[default]
    Single,
    /// One of the nodes of a cluster.
    Cluster,
    /// A sentinel that knows the server by this name.
    Sentinel(String),
}

/// Where the server is.
#[derive(Clone)]
pub enum Address {
    /// `redis://user:password@host:port/database` and its kin.
    Url(String),
    /// A service of the run, whose address is known once it has started.
    Service(Arc<OnceLock<String>>),
}

impl Address {
    /// The URL, if it is known yet.
    pub(super) fn url(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Url(url) => Some(url.into()),
            Self::Service(address) => address.get().map(|address| spelt(address, "redis")),
        }
    }
}

/// The door of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Door {
    /// Host and port.
    Tcp(String, u16),
    /// The same, under TLS.
    Tls(String, u16),
    /// A socket in the file system.
    Unix(PathBuf),
}

impl Door {
    /// The host it is at.
    pub(super) fn host(&self) -> &str {
        match self {
            Self::Tcp(host, _) | Self::Tls(host, _) => host,
            Self::Unix(_) => "127.0.0.1",
        }
    }
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host, port) | Self::Tls(host, port) => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// What an address says, all of it.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) door: Door,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    pub(super) database: u32,
    /// Whether any certificate is accepted.
    pub(super) insecure: bool,
}

impl Target {
    /// Reads an address. The error does not show it: there may be a password in it.
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        const FORMS: &str = "expected \"redis://user:password@host:port/database\", \
                             \"rediss://...\" or \"unix:///path\"";
        let Some(read) = redis::parse_redis_url(url) else {
            let scheme = url.split_once("://").map(|(scheme, _)| scheme);
            return Err(match scheme {
                Some(scheme) if !SCHEMES.contains(&scheme) => {
                    format!("unknown scheme {scheme:?}; {FORMS}")
                }
                _ => format!("malformed address; {FORMS}"),
            });
        };
        let scheme = read.scheme();
        let known: &[&str] = if scheme.ends_with("unix") { &["db", "user", "pass"] } else { &[] };
        let mut options = read.query_pairs().map(|(key, _)| key);
        if let Some(key) = options.find(|key| !known.contains(&&**key)) {
            let hint = match known {
                [] => "what else is to be known is said in `redis.client { ... }`".to_owned(),
                known => format!("expected one of {}", known.join(", ")),
            };
            return Err(format!("unknown option `{key}` after the `?`; {hint}"));
        }
        let info = url.into_connection_info().map_err(|error| {
            let why = error.to_string();
            let why = why.split(" - ").next().unwrap_or_default().to_lowercase();
            format!("malformed {scheme} address: {why}; {FORMS}")
        })?;
        let (door, insecure) = match info.addr() {
            ConnectionAddr::Tcp(host, port) => (Door::Tcp(host.clone(), *port), false),
            ConnectionAddr::TcpTls { host, port, insecure, .. } => {
                (Door::Tls(host.clone(), *port), *insecure)
            }
            ConnectionAddr::Unix(path) => (Door::Unix(path.clone()), false),
            _ => return Err(format!("no way to speak to such an address; {FORMS}")),
        };
        let given = info.redis_settings();
        let database = u32::try_from(given.db())
            .map_err(|_| format!("database {}: expected 0 or more", given.db()))?;
        Ok(Self {
            door,
            user: given.username().map(str::to_owned),
            password: given.password().map(str::to_owned),
            database,
            insecure,
        })
    }
}

/// Schemes the crate reads.
const SCHEMES: &[&str] =
    &["redis", "rediss", "valkey", "valkeys", "unix", "redis+unix", "valkey+unix"];

/// The password in an address, as it is written there and as it is meant: neither may be shown.
pub fn passwords_in(url: &str) -> Vec<String> {
    let meant = Target::parse(url).ok().and_then(|target| target.password);
    let after = url.split_once("://").map_or("", |(_, rest)| rest);
    let authority = after.split(['/', '?', '#']).next().unwrap_or_default();
    let written = authority.rsplit_once('@').and_then(|(who, _)| who.split_once(':'));
    meant.into_iter().chain(written.map(|(_, password)| password.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_door_user_password_and_database() {
        let target = Target::parse("rediss://ann:p%40ss@[::1]:7000/3#insecure").unwrap();
        assert_eq!(target.door, Door::Tls("::1".to_owned(), 7000));
        assert_eq!(
            (target.user.as_deref(), target.password.as_deref()),
            (Some("ann"), Some("p@ss"))
        );
        assert_eq!((target.database, target.insecure), (3, true));
        let target = Target::parse("redis://localhost").unwrap();
        assert_eq!(target.door, Door::Tcp("localhost".to_owned(), 6379));
        assert_eq!((target.user, target.password, target.database), (None, None, 0));
        let target = Target::parse("unix:///run/redis.sock?db=2&pass=x").unwrap();
        assert_eq!(target.door, Door::Unix("/run/redis.sock".into()));
        assert_eq!((target.password.as_deref(), target.database), (Some("x"), 2));
    }

    #[test]
    fn a_service_that_is_a_mere_host_and_port_speaks_redis() {
        let slot = Arc::new(OnceLock::from("127.0.0.1:7000".to_owned()));
        let address = Address::Service(slot);
        let target = Target::parse(&address.url().unwrap()).unwrap();
        assert_eq!(target.door, Door::Tcp("127.0.0.1".to_owned(), 7000));
    }

    #[test]
    fn what_is_no_address_is_an_error_that_keeps_its_password() {
        for (url, expected) in [
            ("http://u:hunter22@a", "unknown scheme \"http\"; expected \"redis://"),
            ("redis:///x:hunter22", "malformed"),
            ("hunter22", "malformed address; expected"),
            ("redis://u:hunter22@a:99999", "malformed address; expected"),
            ("redis://u:hunter22@a/seven", "invalid database number"),
            ("redis://u:hunter22@a/-1", "database -1: expected 0 or more"),
            ("redis://u:hunter22@a/1?tls=on", "unknown option `tls` after the `?`; what else"),
            ("unix:///s?pas=hunter22", "unknown option `pas` after the `?`; expected one of db,"),
        ] {
            let error = Target::parse(url).map(|target| target.door).unwrap_err();
            assert!(error.contains(expected), "{url}: {error}");
            assert!(!error.contains("hunter22"), "{error}");
        }
    }

    #[test]
    fn a_password_is_found_as_it_is_written_and_as_it_is_meant() {
        assert_eq!(passwords_in("redis://:p%40ss@h/1"), ["p@ss", "p%40ss"]);
        assert_eq!(passwords_in("redis://u:secret@h:99999"), ["secret"]);
        assert_eq!(passwords_in("unix:///s?pass=secret"), ["secret"]);
        assert!(passwords_in("redis://h/1").is_empty());
    }
}
