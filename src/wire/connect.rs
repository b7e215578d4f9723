//! From a host and a port to an open stream: look up, connect, agree on TLS.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::resolve::{self, Resolver};
use super::stream::Stream;
use super::tls::{Alpn, Tls, TlsSettings};

/// `EMFILE`: this process may not open another file or socket.
const TOO_MANY_OPEN_FILES: i32 = 24;

/// Opens connections for one worker with one set of TLS settings.
#[derive(Debug)]
pub struct Connector {
    resolver: Resolver,
    tls: Tls,
}

/// A step of connecting, announced as it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Resolving the host name. Left out where the host is an address already.
    Dns,
    /// Opening the TCP connection.
    Connect,
    /// The TLS handshake.
    Tls,
}

/// An open connection and what TLS agreed on.
#[derive(Debug)]
pub struct Connected {
    /// The connection.
    pub stream: Stream,
    /// Whether the peer chose HTTP/2 by ALPN.
    pub h2: bool,
}

/// Which way connecting failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectFailure {
    /// The name could not be resolved.
    Dns,
    /// Refused, unreachable, or no local socket to be had.
    Refused,
    /// Not done within the limit.
    Timeout,
    /// TLS could not be agreed upon.
    Tls,
    /// The peer broke the connection while TLS was being agreed upon.
    Reset,
}

/// Why no connection could be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectError {
    /// Which way it failed.
    pub failure: ConnectFailure,
    /// In plain words, with host and port.
    pub detail: String,
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for ConnectError {}

impl ConnectError {
    pub(super) fn new(failure: ConnectFailure, detail: String) -> Self {
        Self { failure, detail }
    }
}

impl Connector {
    /// Reads certificates and keys; the error says which of them is wrong.
    pub fn new(tls: &TlsSettings) -> Result<Self, String> {
        Ok(Self { resolver: Resolver::default(), tls: Tls::new(tls)? })
    }

    /// Opens a connection within `limit`, under TLS if `alpn` is given. `begins` is told of each
    /// step as it begins, so that time spent is known even when the caller gives up in the middle.
    pub async fn connect(
        &self,
        host: &str,
        port: u16,
        alpn: Option<Alpn>,
        limit: Duration,
        begins: &mut impl FnMut(Step),
    ) -> Result<Connected, ConnectError> {
        let deadline = Instant::now() + limit;
        let opening = async {
            if alpn.is_some() {
                self.tls.prepare().await;
            }
            let addresses = self.addresses(host, port, begins).await?;
            begins(Step::Connect);
            let tcp = open(&addresses, deadline).await?;
            let Some(alpn) = alpn else {
                return Ok(Connected { stream: Stream::Plain(tcp), h2: false });
            };
            begins(Step::Tls);
            let tls = self.tls.handshake(tcp, host, alpn).await?;
            let h2 = tls.get_ref().1.alpn_protocol() == Some(b"h2");
            Ok(Connected { stream: Stream::Tls(Box::new(tls)), h2 })
        };
        timeout_at(deadline, opening).await.unwrap_or_else(|_| {
            let detail = format!("no connection to {host}:{port} within {limit:?}");
            Err(ConnectError::new(ConnectFailure::Timeout, detail))
        })
    }

    async fn addresses(
        &self,
        host: &str,
        port: u16,
        begins: &mut impl FnMut(Step),
    ) -> Result<Vec<SocketAddr>, ConnectError> {
        if let Some(address) = resolve::literal(host) {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        begins(Step::Dns);
        let found = self.resolver.resolve(host).await.map_err(|error| {
            let why = error.to_string();
            let why = why.strip_prefix("failed to lookup address information: ").unwrap_or(&why);
            ConnectError::new(ConnectFailure::Dns, format!("cannot resolve {host}: {why}"))
        })?;
        Ok(found.iter().map(|address| SocketAddr::new(*address, port)).collect())
    }
}

/// Connects to the first address that answers. Each but the last gets an equal part of the time
/// left, so that one silent address does not use up the limit of all.
async fn open(addresses: &[SocketAddr], deadline: Instant) -> Result<TcpStream, ConnectError> {
    let mut failed = None;
    for (tried, address) in addresses.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let share = left / (addresses.len() - tried) as u32;
        let attempt = timeout_at(Instant::now() + share, TcpStream::connect(address)).await;
        match attempt.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into())) {
            Ok(tcp) => {
                // A request that waits for the acknowledgement of the one before it would
                // measure Nagle's algorithm. A failure here shows at the first write.
                let _ = tcp.set_nodelay(true);
                return Ok(tcp);
            }
            Err(error) => failed = Some(refusal(*address, &error)),
        }
    }
    Err(failed.unwrap_or_else(|| {
        ConnectError::new(ConnectFailure::Dns, "the name has no address".to_owned())
    }))
}

/// What a failed `connect` means.
fn refusal(address: SocketAddr, error: &io::Error) -> ConnectError {
    let (failure, detail) = match error.kind() {
        ErrorKind::ConnectionRefused => {
            (ConnectFailure::Refused, format!("{address} refused the connection"))
        }
        ErrorKind::TimedOut => (ConnectFailure::Timeout, format!("{address} does not answer")),
        ErrorKind::ConnectionReset => {
            (ConnectFailure::Reset, format!("{address} reset the connection while it was opened"))
        }
        ErrorKind::AddrNotAvailable => {
            (ConnectFailure::Refused, format!("no local port left for a connection to {address}"))
        }
        _ if error.raw_os_error() == Some(TOO_MANY_OPEN_FILES) => {
            let detail = format!("too many open files for a connection to {address} (ulimit -n)");
            (ConnectFailure::Refused, detail)
        }
        _ => (ConnectFailure::Refused, format!("no connection to {address}: {error}")),
    };
    ConnectError::new(failure, detail)
}
